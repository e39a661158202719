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

from dashboard import overview
from dashboard.ingest.counts import recount
from dashboard.models import Account, Message
from dashboard.queries import filter_messages
from dashboard.web.hours import BadHours, hours_of, hours_text
from dashboard.web.messages_list import MessageFilter
from providers.base import Status
from tests.factory import account, report, reports, sends, signed_in

pytestmark = pytest.mark.django_db

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
    assert listed(client, "/messages/?country=uganda") == {last.pk}
    assert "Uganda (UG)" in client.get("/messages/?country=ug").content.decode()
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


def test_every_figure_leads_to_exactly_the_messages_it_counts(clock: Any) -> None:
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
    client = signed_in("ops")
    assert '<th scope="row">Uganda <span class="country-code">UG</span></th>' in client.get("/").content.decode()
    for query in ("?span=7d", "?account=bsg", ""):
        page = client.get(f"/{query}").content.decode()
        assert {url: n for url, n in figures(page) if meant(url) != n} == {}
    assert "<b> " not in page.replace("</b> ", "")  # what people type is escaped
    waiting = {unescape(url): int(n) for url, n in re.findall(r'<a href="(/messages/[^"]+)">[^<]*<b>(\d+)</b>', page)}
    assert {url: meant(url) for url in waiting} == waiting
    assert "/messages/?conflict=on" in waiting
    overdue = re.search(r'<a href="([^"]+)">(\d+) messages are overdue', page)
    assert overdue
    assert meant(unescape(overdue[1])) == int(overdue[2])
    assert listed(client, unescape(overdue[1])) == {m.pk for m in filter_messages(overdue=True)}


def test_many_overdue_are_not_counted_to_the_end(clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, "MOST_OVERDUE", 4)
    ours = account()
    sends(ours, 4, sent_at=timezone.now() - timedelta(hours=3))
    client = signed_in("ops")
    assert "4 messages are overdue" in client.get("/").content.decode()
    sends(ours, 1, first=50, sent_at=timezone.now() - timedelta(hours=3))
    assert "4+ messages are overdue" in client.get("/").content.decode()


def words(client: Client, query: str = "") -> str:
    """The page as it is read."""
    page = unescape(re.sub(r"<(style|svg).*?</\1>|<[^>]*>", "", client.get(f"/{query}").content.decode(), flags=re.S))
    return re.sub(r"\s+", " ", page)


def works(ours: Account) -> Account:
    """Asked and answered, just now."""
    ours.set_credentials({"api_key": "k"}, "admin")
    ours.last_success_at = timezone.now()
    ours.save()
    return ours


def ended(made: list[Message], delivered: int) -> None:
    reports([(one, Status.DELIVERED if n < delivered else Status.EXPIRED) for n, one in enumerate(made)])


def usual_days(ours: Account, hour: datetime) -> None:
    for day in range(1, 4):
        ended(sends(ours, 40, first=1000 * day, sent_at=hour - timedelta(days=day)), 38)


def test_nothing_is_wrong_while_the_hour_is_as_usual(clock: Any) -> None:
    clock.move_to(NOON + timedelta(minutes=10))
    ours, last = works(account()), NOON - timedelta(minutes=55)
    usual_days(ours, last)
    ended(sends(ours, 40, sent_at=last), 37)
    page = words(signed_in("ops"))
    assert "Nothing is wrong now" in page
    assert "Nothing waits for a person." in page
    assert "92 % of 40 usually 95 %" in page
    assert "40 usually 40 (3 of 7 days)" in page
    assert "too few to judge" not in page


def test_what_is_wrong_is_a_sentence_that_leads_to_the_messages(clock: Any) -> None:
    clock.move_to(NOON + timedelta(minutes=10))
    ours, last = works(account(label="Main <line>")), NOON - timedelta(minutes=55)
    usual_days(ours, last)
    made = sends(ours, 40, sent_at=last)
    ended(made, 10)
    client = signed_in("ops")
    assert "One thing is wrong now" in words(client)
    assert "Main <line>: 25 % of 40 arrived, sent 11:00–12:00; usually 95 %." in words(client)
    leads = re.search(r'<a href="([^"]+)">25 % of 40 arrived', client.get("/").content.decode())
    assert leads
    assert listed(client, unescape(leads[1])) == {one.pk for one in made[10:]}
    Account.objects.update(last_error="No such key.", last_error_at=timezone.now(), pause_reason="credentials",
                           paused_until=timezone.now() + timedelta(hours=1))  # fmt: skip
    assert "2 things are wrong now" in words(client)
    assert "Paused: the provider refuses the credentials. No such key." in words(client)
    Account.objects.update(enabled=False)  # on purpose: then it is no news
    assert "Nothing is wrong now" in words(client)


def test_this_hour_is_judged_as_soon_as_it_has_enough_to_say(clock: Any) -> None:
    clock.move_to(NOON + timedelta(minutes=10))
    ours, last = works(account()), NOON - timedelta(minutes=55)
    usual_days(ours, last)
    ended(sends(ours, 40, sent_at=last), 38)
    ended(sends(ours, 29, first=5000, sent_at=NOON), 0)
    client = signed_in("ops")
    assert "Nothing is wrong now" in words(client)
    ended(sends(ours, 1, first=6000, sent_at=NOON), 0)
    assert "bsg: 0 % of 30 arrived, sent 12:00–13:00" in words(client)


def test_fewer_texts_slow_ones_silence_and_lag_are_out_of_the_ordinary(clock: Any) -> None:
    last = NOON - timedelta(minutes=55)
    ours, slow = works(account()), works(account("rt", "roycetalk"))
    clock.move_to(NOON + timedelta(minutes=1))
    for day in range(1, 4):
        sends(ours, 40, first=1000 * day, sent_at=last - timedelta(days=day))
    for day in range(1, 3):
        early = sends(slow, 20, first=5000 + 100 * day, sent_at=last - timedelta(days=day))
        clock.move_to(last - timedelta(days=day) + timedelta(seconds=30))
        ended(early, 20)
    clock.move_to(NOON + timedelta(minutes=10))
    ended(sends(slow, 40, first=6000, sent_at=last), 40)
    Account.objects.filter(pk=slow.pk).update(last_webhook_at=timezone.now() - timedelta(hours=2))
    Message.objects.filter(account=ours).update(next_check_at=timezone.now() - timedelta(minutes=5))
    page = words(signed_in("ops"))
    assert "Nothing has failed; 5 things are out of the ordinary" in page
    assert "bsg: only 0 texts sent 11:00–12:00; usually 40." in page
    assert "bsg: Behind: the oldest check has been due for 5 min." in page
    assert "rt: one in ten took longer than 1 h, sent 11:00–12:00; usually 30 s." in page
    assert "rt: no report has come for 2 h, though 40 texts went out." in page
    assert "100+ messages are overdue" in page


def test_of_few_nothing_is_said(clock: Any) -> None:
    clock.move_to(NOON + timedelta(minutes=10))
    ours = works(account())
    ended(sends(ours, 12, sent_at=NOON - timedelta(minutes=55)), 2)
    page = words(signed_in("ops"))
    assert "Nothing is wrong now" in page
    assert "too few to judge how many arrive" in page
    assert "too few of 12" in page
    assert "12 no usual yet" in page
    assert "%" not in page.split("The last full hour")[1].split("Usually:")[0]


def test_where_each_account_has_too_few_all_together_may_have_enough(clock: Any) -> None:
    clock.move_to(NOON + timedelta(minutes=10))
    for place, ours in enumerate((works(account()), works(account("rt", "roycetalk")))):
        ended(sends(ours, 20, first=100 * place, sent_at=NOON - timedelta(minutes=55)), 2)
    page = words(signed_in("ops"))
    assert "One thing is wrong now" in page
    assert "All accounts together: 10 % of 40 arrived, sent 11:00–12:00." in page


def test_the_first_hour_is_shown_while_there_is_no_other(clock: Any) -> None:
    clock.move_to(NOON + timedelta(minutes=10))
    ours = works(account())
    ended(sends(ours, 40, sent_at=NOON), 10)
    Account.objects.update(last_webhook_at=NOON - timedelta(hours=1))
    page = words(signed_in("ops"))
    assert "This hour so far 12:00–13:00 UTC" in page
    assert "bsg: 25 % of 40 arrived, sent 12:00–13:00." in page
    assert "though 40 texts went out" in page
    assert "The last full hour" not in page
    clock.move_to(NOON + timedelta(hours=1, minutes=10))
    assert "The last full hour 12:00–13:00 UTC" in words(signed_in("ops"))


def test_before_there_is_anything_it_says_how_to_start() -> None:
    admin, ops = signed_in("admin"), signed_in("ops")
    assert 'href="/accounts/~add/"' in admin.get("/").content.decode()
    assert "An admin can add one." in words(ops)
    works(account())
    assert "nothing has been sent yet" in words(ops)
    assert "No traffic yet" in words(ops)


def test_it_is_sent_again_only_when_it_has_changed(clock: Any) -> None:
    ours, client = works(account()), signed_in("ops")
    sends(ours, 3)
    page = client.get("/?span=7d").content.decode()
    address = unescape(re.search(r'hx-get="([^"]+)"', page)[1])  # type: ignore[index]
    assert "span=7d" in address
    by_itself = {"HX-Request": "true"}
    assert client.get(address, headers=by_itself).status_code == 204
    sends(ours, 1, first=50)
    part = client.get(address, headers=by_itself)
    assert part.status_code == 200
    assert part.content.decode().lstrip().startswith('<div id="live"')


def test_support_finds_here_and_sees_no_account() -> None:
    sends(account(), 1)
    page = signed_in("support").get("/?span=7d").content.decode()
    assert 'id="q"' in page
    assert "Newest messages" in page
    assert "/messages/?" not in page
    assert "The last full hour" not in page
