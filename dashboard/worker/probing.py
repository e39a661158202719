"""Testing a connection: one harmless request, and its result in words."""

from __future__ import annotations

from django.utils import timezone

from dashboard.models import Account
from dashboard.worker.asking import Lane
from providers.base import ProviderError, read
from providers.http import Caller


async def probe(caller: Caller, lane: Lane) -> tuple[bool | None, str]:
    """(True, what it said), (False, what is wrong), or (None, why it cannot be tested)."""
    provider = lane.account.provider
    account = lane.account
    if account.pause_reason == "throttled" and account.paused_until and account.paused_until > timezone.now():
        return None, f"The provider asked us to be quiet until {account.paused_until:%H:%M:%S %Z}. Test it then."
    ask = provider.probe_ask()
    try:
        # Not through the lane's own call: a test is made because the account is in trouble.
        reply = await caller.call(provider, lane.account.url, lane.credentials, ask.request)
        error = provider.error(ask.call, reply)
        if error is not None:
            raise error
        said = read(provider.probe_says, reply.json()) if reply.status == 200 else ""
    except ProviderError as error:
        if error.code == "unsupported":
            return None, "This server has no call to test by. The next answer about a message will show."
        return False, error.message
    return True, f"The provider accepted the credentials. {said}".strip()


def save(account: Account, ok: bool | None, text: str) -> None:
    now = timezone.now()
    changes: dict[str, object] = {"test_wanted_at": None, "tested_at": now, "test_ok": ok, "test_result": text[:500]}
    mine = Account.objects.filter(pk=account.pk)
    if ok:
        changes |= {"last_success_at": now, "failures": 0, "no_sends_until": None, "no_sends_why": ""}
        mine.exclude(pause_reason="throttled").update(paused_until=None, pause_reason="")
    mine.update(**changes)
