"""The overview: whether anything is wrong now, and figures that each lead to exactly the messages they count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from dashboard.models import Message
from dashboard.web.hours import BadHours, hours_of, hours_text
from providers.base import Status
from tests.factory import account, report, sends, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def listed(client: Client, url: str) -> set[int]:
    """The ids of all messages of a list, page by page."""
    found: set[int] = set()
    while url:
        answer = client.get(url)
        assert answer.status_code == 200
        assert answer.context["form"].is_valid(), (url, answer.context["form"].errors)
        found |= {message.pk for message in answer.context["rows"]}
        url = "/messages/" + answer.context["older"] if answer.context["older"] else ""
    return found


# ------------------------------------------------------------------------------ the filters it leads to


def test_hours_are_read_as_they_are_written() -> None:
    assert hours_of(hours_text(NOON, 24)) == (NOON, NOON + timedelta(days=1))
    for text in ("", "2026-11-20", "2026-11-20T25Z_1h", "2026-11-20T12Z_0h", "2026-11-20T12Z_1h ", "9999-12-31T23Z_9h"):
        with pytest.raises(BadHours):
            hours_of(text)


def test_the_list_takes_whole_hours_countries_and_how_a_message_ended() -> None:
    ours, client = account(), signed_in("ops")
    before, first, last, after = (
        sends(ours, 1, first=n, sent_at=NOON + timedelta(minutes=minutes))[0]
        for n, minutes in enumerate((-1, 0, 59, 60))
    )
    Message.objects.filter(pk=last.pk).update(country="UG")
    Message.objects.filter(pk=before.pk).update(country="")
    report(first, Status.DELIVERED)
    report(last, Status.EXPIRED)
    assert listed(client, f"/messages/?hours={hours_text(NOON, 1)}") == {first.pk, last.pk}
    assert listed(client, f"/messages/?hours={hours_text(NOON, 2)}&ended=any") == {first.pk, last.pk}
    assert listed(client, "/messages/?ended=missed") == {last.pk}
    assert listed(client, "/messages/?ended=missed&status=delivered") == set()
    assert listed(client, "/messages/?country=ug") == {last.pk}
    assert listed(client, "/messages/?country=none") == {before.pk}
    assert listed(client, "/messages/?country=KE&ended=any") == {first.pk}
    for bad in ("hours=noon", "country=254", "ended=well"):
        assert client.get(f"/messages/?{bad}").context["form"].errors
    words = client.get(f"/messages/?hours={hours_text(NOON, 1)}").content.decode()
    assert "2026-11-20 12:00–13:00 UTC" in words
    assert listed(client, "/messages/") == {before.pk, first.pk, last.pk, after.pk}


def test_how_a_message_ended_goes_by_its_own_status() -> None:
    ours, client = account(), signed_in("ops")
    root, again = sends(ours, 2)
    Message.objects.filter(pk=again.pk).update(root=root)
    report(root, Status.EXPIRED)
    report(again, Status.DELIVERED)
    root.refresh_from_db()
    assert (root.status, root.effective) == ("expired", "delivered")
    assert listed(client, "/messages/?ended=missed") == {root.pk}
    assert listed(client, "/messages/?ended=any") == {root.pk, again.pk}
