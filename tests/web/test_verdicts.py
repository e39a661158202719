"""The verdict on the pages: its facts from real rows, links that lead somewhere, and a card that keeps up with time."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboard.ingest.register import Send, register
from dashboard.models import Account, Message, Retry
from dashboard.models.messages import Source
from dashboard.story import story
from dashboard.verdicts import facts_of, record_of
from providers.base import Status
from tests.factory import account, person, report, reports, sends, signed_in, webhook

pytestmark = pytest.mark.django_db

AN_HOUR = timedelta(hours=1)
LIVE = {"HX-Request": "true"}


def aged(message: Message, by: timedelta = AN_HOUR, **more: Any) -> Message:
    Message.objects.filter(pk=message.pk).update(
        sent_at=timezone.now() - by, created_at=timezone.now() - by, next_check_at=None, **more
    )
    message.refresh_from_db()
    return message


def facts(message: Message) -> Any:
    message = Message.objects.select_related("account", "recipient").get(pk=message.pk)
    tries = Message.objects.filter(pk=message.root_pk) | Message.objects.filter(root=message.root_pk)
    retries = Retry.objects.filter(root=message.root_pk)
    return facts_of(message, story(message.events.order_by("pk")), tries.order_by("pk"), retries, timezone.now())


def page(client: Client, message: Message) -> str:
    answer = client.get(f"/messages/{message.pk}/")
    assert answer.status_code == 200
    return answer.content.decode()


def sentence(text: str) -> str:
    found = re.search(r'class="verdict-says"[^>]*>(.*?)</h2>', text)
    assert found
    return found[1]


# ------------------------------------------------------------------------------ the facts


def test_the_usual_delay_is_of_the_same_account_and_country() -> None:
    ours, other = account("one"), account("two")
    theirs = sends(other, 12, first=100)
    mine = sends(ours, 12)
    reports([(one, Status.DELIVERED) for one in [*mine, *theirs]])
    now = timezone.now()
    Message.objects.update(country="KE")
    for n, one in enumerate(mine):
        Message.objects.filter(pk=one.pk).update(sent_at=now - timedelta(seconds=n + 1), final_at=now)
    Message.objects.filter(pk__in=[one.pk for one in theirs]).update(sent_at=now - timedelta(days=1), final_at=now)
    asked = sends(ours, 1, first=50)[0]
    Message.objects.filter(pk=asked.pk).update(country="KE")
    found = facts(asked).usual
    assert (found.count, found.half.seconds, found.most.seconds, found.same_country) == (12, 6, 11, True)
    Message.objects.filter(pk=asked.pk).update(country="UG")
    assert facts(asked).usual is None
    Message.objects.filter(pk=asked.pk).update(country="")
    assert facts(asked).usual.same_country is False


def test_the_usual_delay_goes_by_the_providers_time_where_its_zone_is_stated() -> None:
    ours = account()
    mine, now = sends(ours, 10), timezone.now()
    sent_at = now - timedelta(minutes=10)
    for one in mine:
        report(one, Status.DELIVERED, at=sent_at + timedelta(seconds=5), at_raw="x")
    Message.objects.update(sent_at=sent_at)
    found = facts(sends(ours, 1, first=50)[0]).usual
    assert found.most == timedelta(seconds=5)


def test_neighbours_are_others_sent_around_the_same_time_and_no_longer_on_time() -> None:
    ours = account()
    asked = aged(sends(ours, 1, first=900)[0])
    near, fresh, long_ago = sends(ours, 12), sends(ours, 5, first=100), sends(ours, 5, first=200)
    again = register(ours, [Send(to="254700000900", provider_message_id="same-number")], Source.API)
    for one in [*near, Message.objects.get(pk=again[0].message_id)]:
        aged(one, timedelta(minutes=50))
    for one in long_ago:
        aged(one, timedelta(hours=5))
    reports([(one, Status.DELIVERED) for one in [*near[:9], *long_ago, *fresh]])
    Message.objects.filter(status="delivered").update(final_at=F("sent_at") + timedelta(seconds=5))
    report(near[9], Status.REJECTED)
    found = facts(asked).neighbours
    assert (found.sent, found.arrived, found.refused, found.silent) == (12, 9, 1, 2)
    aged(asked, timedelta(minutes=30))
    assert facts(asked).neighbours.lately is True
    aged(asked, timedelta(hours=5))
    assert facts(asked).neighbours is None  # fewer than ten then


def test_a_number_that_was_reached_and_then_failed_twice() -> None:
    ours, other = account("one"), account("two", "roycetalk")
    numbers = [Send(to="254711111111", provider_message_id=f"m{n}") for n in range(3)]
    pks = [one.message_id for one in register(ours, numbers, Source.API)]
    alive, *failed = Message.objects.filter(pk__in=pks).order_by("pk")
    report(alive, Status.DELIVERED)
    reports([(one, Status.EXPIRED) for one in failed])
    asked = register(other, [Send(to="254711111111", provider_message_id="x")], Source.API)[0].message_id
    life = facts(Message.objects.get(pk=asked)).life
    assert (life.message, life.failed_since) == (alive.pk, 2)


def test_the_record_of_a_number_is_over_all_accounts_and_newest_first() -> None:
    ours, other = account("one"), account("two", "roycetalk")
    for n, through in enumerate((ours, other, ours)):
        register(through, [Send(to="254711111111", provider_message_id=f"m{n}")], Source.API)
    recipient = Message.objects.all()[0].recipient
    record = record_of(recipient, timezone.now())
    assert [one.account for one in record.sent] == ["one", "two", "one"]
    assert [one.pk for one in record.sent] == sorted(Message.objects.values_list("pk", flat=True), reverse=True)


def test_an_account_in_trouble_and_one_without_credentials() -> None:
    ours = account()
    asked = aged(sends(ours, 1)[0])
    assert facts(asked).line.has_credentials is False
    later = timezone.now() + AN_HOUR
    Account.objects.update(
        sealed_credentials="x", paused_until=later, pause_reason="throttled", last_error="Call +254712345678 first."
    )
    line = facts(asked).line
    assert (line.has_credentials, line.trouble, line.until) == (True, "throttled", later)
    assert "254712345678" not in line.complaint


def test_a_report_that_came_first_is_known_to_have_waited() -> None:
    royce = account("rt", "roycetalk")
    webhook(royce, {"message_id": "uuid-1", "status": "delivered"})
    register(royce, [Send(to="254712345601", provider_message_id="uuid-1")], Source.API)
    came, attached = facts(Message.objects.get()).waited
    assert came < attached


def test_a_provider_that_took_the_wish_to_try_again_is_waited_for() -> None:
    ours = account("es", "esms_africa")
    asked = aged(sends(ours, 1)[0])
    report(asked, Status.FAILED)
    now = timezone.now()
    wish = Retry.objects.create(
        root=asked, original=asked, account=ours, via=Retry.Via.PROVIDER, user=person("ops"), reason="she called",
        nonce="n", reference="r", state=Retry.State.OPEN, created_at=now, changed_at=now, retry_count=0,
    )  # fmt: skip
    assert facts(asked).held == "open"
    Retry.objects.update(state=Retry.State.ACCEPTED, message=asked)
    assert facts(asked).held == "accepted"
    Message.objects.update(attempt=1)
    assert facts(asked).held == ""
    Message.objects.update(attempt=0)
    Retry.objects.filter(pk=wish.pk).update(changed_at=now - timedelta(days=2))
    assert facts(asked).held == ""


# ------------------------------------------------------------------------------ the pages


def fates(ours: Account) -> list[Message]:
    """Messages of many fates, with neighbours enough to compare them with."""
    others = sends(ours, 30, first=500)
    for one in others:
        aged(one, timedelta(minutes=40))
    reports([(one, Status.DELIVERED) for one in others])
    Message.objects.update(final_at=F("sent_at") + timedelta(seconds=5))
    mine = [aged(one, timedelta(minutes=45)) for one in sends(ours, 9)]
    for one, status in zip(mine[1:], (Status.SENT, Status.QUEUED, Status.EXPIRED, Status.UNDELIVERABLE, Status.REJECTED,
                                      Status.FAILED, Status.DELIVERED, Status.UNKNOWN), strict=True):  # fmt: skip
        report(one, status)
    return mine


@pytest.mark.any_database
def test_every_reason_leads_to_something_on_the_page_or_to_another_page() -> None:
    ours = account(sealed_credentials="x")
    client = signed_in("support")
    seen: set[str] = set()
    for message in fates(ours):
        text = page(client, message)
        because = text.split('class="because"')[1].split("</ul>")[0]
        targets = re.findall(r'href="([^"]+)"', because)
        assert targets
        for target in targets:
            seen.add(re.sub(r"\d+", "", target))
            if target.startswith("#"):
                assert f'id="{target[1:]}"' in text, (message.status, target)
            else:
                assert client.get(target).status_code == 200
    assert {"#event-", "#fact-sent", "#figure-usual", "#figure-neighbours", "#fact-deadline"} <= seen


@pytest.mark.any_database
def test_the_card_says_side_sureness_customer_and_what_to_do() -> None:
    ours = account(sealed_credentials="x")
    waiting = fates(ours)[1]
    text = page(signed_in("support"), waiting)
    assert sentence(text) == "Probably the phone is off or has no signal; the network keeps trying."
    assert "The phone’s" in text
    assert "Likely" in text
    assert re.search(
        r"31 of 38 other texts( to the same country)? through this account in the last hour arrived.", text
    )
    copied = re.search(r'data-copy="(Your message[^"]+)"', text)
    assert copied
    assert "BSG" not in copied[1]


@pytest.mark.any_database
def test_a_refresh_brings_the_verdict_up_to_date_when_only_time_has_passed() -> None:
    message = sends(account(sealed_credentials="x"), 1)[0]
    client = signed_in("support")
    text = page(client, message)
    assert sentence(text).startswith("Too early to worry")
    version = re.search(r'\?v=([0-9a-f]+)"', text)
    assert version
    aged(message)
    answer = client.get(f"/messages/{message.pk}/?v={version[1]}", headers=LIVE)
    assert answer.status_code == 200
    assert "has not said a word about it" in sentence(answer.content.decode())


@pytest.mark.any_database
def test_a_page_asks_the_same_number_of_questions_with_one_neighbour_and_with_hundreds() -> None:
    ours = account(sealed_credentials="x")
    message = aged(sends(ours, 1)[0])
    report(message, Status.SENT)
    client = signed_in("support")
    page(client, message)  # the first click writes the session
    counts = []
    for first, count in ((10, 1), (100, 50), (1000, 300)):
        others = sends(ours, count, first=first)
        reports([(one, Status.DELIVERED) for one in others])
        Message.objects.exclude(pk=message.pk).update(sent_at=timezone.now() - timedelta(minutes=50))
        with CaptureQueriesContext(connection) as queries:
            page(client, message)
        counts.append(len(queries))
    assert len(set(counts)) == 1


@pytest.mark.sqlite_only
def test_the_figures_are_found_by_index_and_within_bounds() -> None:
    message = aged(sends(account(), 1)[0])
    with CaptureQueriesContext(connection) as queries:
        facts(message)
    gathered = [query["sql"] for query in queries if query["sql"].startswith("SELECT")]
    for sql in gathered:
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN QUERY PLAN " + sql.replace("%", "%%"))
            plan = [row[-1] for row in cursor.fetchall()]
        assert not [step for step in plan if step.startswith("SCAN")], (sql, plan)
    bounds = [int(sql.rpartition(" LIMIT ")[2]) for sql in gathered if " LIMIT " in sql]
    assert max(bounds) <= 400


# ------------------------------------------------------------------------------ a number's page


def strip(text: str) -> str:
    return text.split('<ol class="strip">')[1].split("</ol>")[0]


@pytest.mark.any_database
def test_the_strip_has_a_mark_for_each_message_with_words_for_a_screen_reader() -> None:
    ours = account()
    for n, (days, status) in enumerate(((0, Status.DELIVERED), (3, Status.EXPIRED), (45, Status.FAILED))):
        register(ours, [Send(to="254711111111", provider_message_id=f"m{n}")], Source.API)
        message = Message.objects.get(match_id=f"m{n}")
        report(message, status)
        aged(message, timedelta(days=days))
    recipient = Message.objects.all()[0].recipient
    text = signed_in("support").get(f"/recipients/{recipient.pk}/").content.decode()
    marks = strip(text)
    assert marks.count("<li") == 30
    assert marks.count('class="mark') == 2
    assert re.search(r'chip-expired" href="/messages/\d+/"', marks)
    assert re.search(r'<span class="visually-hidden">Message \d+: Expired, bsg</span>', marks)


@pytest.mark.any_database
def test_many_messages_of_one_day_are_counted() -> None:
    ours = account()
    register(ours, [Send(to="254711111111", provider_message_id=f"m{n}") for n in range(9)], Source.API)
    recipient = Message.objects.all()[0].recipient
    marks = strip(signed_in("support").get(f"/recipients/{recipient.pk}/").content.decode())
    assert marks.count('class="mark') == 6
    assert "+3" in marks


@pytest.mark.any_database
def test_a_number_page_says_when_a_text_last_arrived() -> None:
    ours = account()
    register(ours, [Send(to="254711111111", provider_message_id="m")], Source.API)
    message = Message.objects.get()
    report(message, Status.DELIVERED)
    Message.objects.update(
        final_at=timezone.now() - timedelta(days=2, minutes=5), sent_at=timezone.now() - timedelta(days=3)
    )
    text = signed_in("support").get(f"/recipients/{message.recipient_id}/").content.decode()
    assert sentence(text) == "The last text arrived 2 days ago; we cannot tell who read it."
    assert "Last proof of life" in text
