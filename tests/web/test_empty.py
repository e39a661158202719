"""Why there is nothing to see, each in its own words: nothing yet, nothing that matches, not loaded, or removed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from dashboard.models import Audit, Message, Recipient
from tests.factory import account, sends, signed_in, webhook

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


def text_of(client: Client, path: str) -> str:
    return " ".join(client.get(path).content.decode().split())


@pytest.mark.parametrize(("path", "title"), [("/messages/", "No messages yet"), ("/batches/", "No batches yet")])
def test_nothing_yet_says_how_to_start(path: str, title: str) -> None:
    shown = text_of(signed_in("admin"), path)
    assert title in shown
    assert 'href="/accounts/"' in shown.split("empty-state")[1]
    assert "/api/v1/docs" in text_of(signed_in("ops"), path).split("empty-state")[1]


@pytest.mark.parametrize(
    ("path", "drops"),
    [
        ("/messages/?status=delivered&account=bsg", {'href="?account=bsg"', 'href="?status=delivered"'}),
        ("/batches/?name=none&account=bsg", {'href="?account=bsg"', 'href="?name=none"'}),
        ("/audit/?actor=nobody&subject=none", {'href="?actor=nobody"', 'href="?subject=none"'}),
    ],
)
def test_nothing_that_matches_offers_to_drop_each_filter_in_one_click(path: str, drops: set[str]) -> None:
    sends(account(), 1)
    shown = text_of(signed_in("ops", "admin"), path).split("empty-state")[1]
    assert all(drop in shown for drop in drops)
    assert "Without any filter" in shown


def test_what_could_not_be_loaded_can_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    client = signed_in("ops")
    client.raise_request_exception = False

    def busy(*_: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr("dashboard.web.messages_list.window", busy)
    answer = client.get("/messages/?status=delivered")
    assert answer.status_code == 503
    assert '<a class="btn btn-primary" href="/messages/?status=delivered">' in answer.content.decode()


def test_what_retention_removed_is_not_called_never_given(clock: Any) -> None:
    bsg = account("rt", "roycetalk")
    old = sends(bsg, 1, text="Hello")[0]
    webhook(bsg, {"message_id": "nobody-knows", "status": "delivered"})
    clock.shift(timedelta(days=40))
    young = sends(bsg, 1, first=1)[0]
    client = signed_in("ops")
    assert "Retention removed" not in text_of(client, "/attention/")
    call_command("prune", days=30, numbers_days=35, verbosity=0)
    clock.shift(timedelta(days=20))
    assert Message.objects.get(pk=old.pk).text is None
    Audit.objects.create(actor_name="command", action="pruned", subject="retention", details={"days": 30, "orphans": 1})
    client = signed_in("ops")
    on = (timezone.now() - timedelta(days=20)).strftime("%Y-%m-%d")
    told = text_of(client, f"/messages/{old.pk}/")
    assert "Removed by retention on" in told
    assert on in told.split("Removed by retention on")[1][:200]
    assert "The text was never given to us." in text_of(client, f"/messages/{young.pk}/")
    assert "Retention forgets a number" in text_of(client, f"/recipients/{old.recipient_id}/")
    assert "Retention removed 1 that nobody had placed" in text_of(client, "/attention/")


def test_an_erased_text_is_called_erased() -> None:
    message = sends(account(), 1)[0]
    Recipient.objects.update(hmac=None, digits="", reversed="")
    assert "erased together with the number" in text_of(signed_in("ops"), f"/messages/{message.pk}/")
