"""Somebody wants to know now: the row is marked, and a worker takes it first."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from dashboard.models import Account, Message


def want_check(message: Message) -> bool:
    """Ask about the message next. False if it was answered so recently that its provider wants to be left alone,
    or if there is nothing to ask by."""
    now = timezone.now()
    fresh_for = timedelta(seconds=message.account.provider.fresh_for)
    fresh = message.asked_at is not None and now - message.asked_at < fresh_for
    if fresh or not (message.match_id or message.reference or message.provider_batch_id):
        return False
    Message.objects.filter(pk=message.pk).update(wanted_at=now, next_check_at=now)
    return True


def want_test(account: Account) -> None:
    """Try the account's connection; the result is on the account's page when the worker has it."""
    Account.objects.filter(pk=account.pk).update(
        test_wanted_at=timezone.now(), tested_at=None, test_ok=None, test_result=""
    )
