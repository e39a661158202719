"""The overview: whether anything is wrong now, and figures that each lead to exactly the messages they count."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.http import QueryDict
from django.test import Client
from django.utils import timezone

from dashboard.ingest.counts import recount
from dashboard.models import Account, Message
from dashboard.queries import filter_messages
from dashboard.web.hours import BadHours, hours_of, hours_text
from dashboard.web.messages_list import MessageFilter
from providers.base import Status
from tests.factory import account, report, reports, sends, signed_in

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


# ------------------------------------------------------------------------------ what it shows

COUNT = re.compile(r'<a class="count[^"]*" href="([^"]+)"><b>([^<]*)</b>(?: <span class="of">of ([\d,]+)</span>)?')


def figures(page: str) -> set[tuple[str, int]]:
    """Every figure of the page: where it leads, and how many messages it says are there."""
    found = {(unescape(url), int((of or text).replace(",", ""))) for url, text, of in COUNT.findall(page)}
    assert len(found) > 50
    return found


def meant(url: str) -> int:
    """How many messages the list has. Its pages are tried in the tests of lists."""
    address = urlsplit(url)
    assert address.path == "/messages/"
    found = MessageFilter(QueryDict(address.query)).apply()
    assert found is not None, url
    return found.count()


def a_day_of(ours: Account, now: datetime, first: int = 0) -> list[Message]:
    """40 texts of this hour, 60 of the last one, and 40 at the same time on each of four days: of all fates."""
    begin = now.replace(minute=0, second=0, microsecond=0)
    made = []
    hours = [
        (begin, 40),
        (begin - timedelta(hours=1), 60),
        *((begin - timedelta(days=n, hours=1), 40) for n in range(1, 5)),
    ]
    for place, (hour, count) in enumerate(hours):
        made += sends(ours, count, first=first + 100 * place, sent_at=hour + timedelta(minutes=7))
    fates = [Status.DELIVERED] * 15 + [Status.EXPIRED, Status.UNKNOWN, Status.FAILED, Status.SENT, Status.DELIVERED]
    reports([(message, fates[n % len(fates)]) for n, message in enumerate(made)])
    return made


@pytest.mark.parametrize("query", ["", "?span=7d", "?account=bsg"])
def test_every_figure_leads_to_exactly_the_messages_it_counts(clock: Any, query: str) -> None:
    clock.move_to(NOON + timedelta(minutes=40))
    ours, other = account(), account("royce", "roycetalk", label="Royce & Söhne <b>")
    made = a_day_of(ours, timezone.now())
    again = a_day_of(other, timezone.now(), first=5000)[70]
    reports([(made[75], Status.FAILED)])
    Message.objects.filter(pk=again.pk).update(root=made[75])
    reports([(again, Status.DELIVERED), (made[0], Status.FAILED)])  # the second contradicts
    Message.objects.filter(pk__in=[one.pk for one in made[41:75]]).update(country="UG")
    Message.objects.filter(pk__in=[one.pk for one in made[76:90]]).update(country="")
    list(recount())
    page = signed_in("ops").get(f"/{query}").content.decode()
    assert {url: n for url, n in figures(page) if meant(url) != n} == {}
    assert "<b> " not in page.replace("</b> ", "")  # what people type is escaped
    waiting = {unescape(url): int(n) for url, n in re.findall(r'<a href="(/messages/[^"]+)"><b>(\d+)</b>', page)}
    assert {url: meant(url) for url in waiting} == waiting
    assert "/messages/?conflict=on" in waiting
    overdue = re.search(r'<a href="([^"]+)">(\d+) messages are overdue', page)
    assert overdue
    assert meant(unescape(overdue[1])) == int(overdue[2])
    assert listed(signed_in("ops"), unescape(overdue[1])) == {m.pk for m in filter_messages(overdue=True)}


def test_many_overdue_are_not_counted_to_the_end(clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.overview.MOST_OVERDUE", 4)
    monkeypatch.setattr("dashboard.overview._OLDEST", "account_id = %s AND effective = %s ORDER BY id LIMIT 5")
    ours = account()
    sends(ours, 4, sent_at=timezone.now() - timedelta(hours=3))
    client = signed_in("ops")
    assert "4 messages are overdue" in client.get("/").content.decode()
    sends(ours, 1, first=50, sent_at=timezone.now() - timedelta(hours=3))
    assert "5+ messages are overdue" in client.get("/").content.decode()
