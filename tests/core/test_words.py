"""Every word that a provider's documents name, from the answer's bytes to the bucket it counts in."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard.domain.lifecycle import BUCKET
from dashboard.ingest.items import Item, ours
from dashboard.ingest.record import record
from dashboard.models import Event
from dashboard.models.messages import Source
from providers.base import Report, Status
from tests.core.making import account, assert_row_is_its_fold, fresh, message, poll, says, webhook

pytestmark = pytest.mark.django_db

# As agreed, written out here once more: an adapter's own table proves nothing about itself.
TABLE: dict[str, dict[str, list[str | None]]] = {
    "bridgexapi": {
        "queued": ["queued"],
        "sent": ["sent"],
        "delivered": ["delivered"],
        "failed": ["failed"],
    },
    "bsg": {
        "queued": ["", None, "new", "waiting", "scheduled", "moderation", "accepted"],
        "submitted": ["sending"],
        "sent": ["sent"],
        "delivered": ["delivered", "read", "deliver"],
        "expired": ["expired"],
        "undeliverable": ["undeliverable", "undelivered", "not_deliver"],
        "failed": ["failed"],
        "rejected": ["rejected"],
        "cancelled": ["deleted"],
        "unknown": ["unknown"],
    },
    "roycetalk": {
        "queued": ["pending"],
        "sent": ["sent"],
        "delivered": ["delivered"],
        "failed": ["failed"],
        "rejected": ["rejected"],
    },
    "smsbat": {
        "queued": ["scheduled", "accepted"],
        "submitted": ["processing"],
        "sent": ["sent"],
        "delivered": ["delivered", "read"],
        "undeliverable": ["undeliverable"],
        "failed": ["permanenterror", "failed"],
        "rejected": ["rejected"],
        "expired": ["expired"],
    },
    "esms_africa": {
        "queued": ["queued", "scheduled", "dripping"],
        "submitted": ["submitted"],
        "sent": ["sent"],
        "retrying": ["retrying"],
        "delivered": ["delivered"],
        "failed": ["failed"],
        "undeliverable": ["undelivered"],
        "rejected": ["rejected"],
        "expired": ["expired"],
        "unknown": ["unknown"],
    },
}
IN_BUCKET = {
    "pending": ["queued", "submitted", "sent", "retrying"],
    "unknown": ["unknown"],
    "undeliverable": ["failed", "cancelled", "rejected", "undeliverable"],
    "expired": ["expired"],
    "delivered": ["delivered"],
}
BUCKET_OF = {status: bucket for bucket, statuses in IN_BUCKET.items() for status in statuses}
ROWS = [
    (key, word, status)
    for key, table in TABLE.items()
    for status, words in table.items()
    for word in words
]  # fmt: skip
WITH_WEBHOOKS = [key for key in TABLE if key != "bridgexapi"]


def spellings(word: str | None) -> list[str | None]:
    if not word:
        return [word]
    return [word, word.upper(), word.title(), f"  {word}\n", f"\t{word.swapcase()} "]


@pytest.mark.parametrize(("key", "word", "status"), ROWS)
def test_a_documented_word_lands_where_it_was_agreed(key: str, word: str | None, status: str) -> None:
    of = account(key)
    for number, spelled in enumerate(spellings(word)):
        told = poll(message(of, f"id-{number}"), says(key, f"id-{number}", spelled))  # type: ignore[arg-type]
        assert told.status == told.effective == status
        assert told.bucket == BUCKET_OF[status]
        assert told.provider_status == (spelled or "").strip()
        assert (told.reported, told.conflict, told.not_sent) == (True, False, False)
    assert not Event.objects.filter(note="unmapped").exists()
    assert_row_is_its_fold()


@pytest.mark.parametrize(("key", "word", "status"), [row for row in ROWS if row[0] in WITH_WEBHOOKS])
def test_a_webhook_says_the_same(key: str, word: str | None, status: str) -> None:
    of = account(key)
    one = message(of, "id-1")
    webhook(of, says(key, "id-1", word))  # type: ignore[arg-type]
    assert fresh(one).status == status


@pytest.mark.parametrize("key", TABLE)
@pytest.mark.parametrize("word", ["filtered", "DELIVERED!", "de livered", "0", "quéued", "failed_", "deliveredd"])
def test_any_other_word_is_a_note_and_never_failed(key: str, word: str) -> None:
    one = poll(message(account(key), "id-1"), says(key, "id-1", word))
    assert one.status == "queued"
    event = Event.objects.get(message=one, by_provider=True)
    assert (event.status, event.word, event.note) == (None, word, "unmapped")
    assert_row_is_its_fold()


@pytest.mark.parametrize("key", TABLE)
def test_a_note_does_not_count_as_a_report(key: str) -> None:
    assert poll(message(account(key), "id-1"), says(key, "id-1", "filtered")).reported is False


@pytest.mark.parametrize(
    ("error", "status"),
    [(None, "failed"), ("", "failed"), ("absent subscriber", "failed"), ("Message expired", "expired"),
     ("EXPIRED", "expired"), ("Validity expiration", "expired")],
)  # fmt: skip
def test_a_bridgexapi_failure_is_expired_only_if_its_error_says_so(error: str | None, status: str) -> None:
    one = poll(message(account("bridgexapi"), "id-1"), says("bridgexapi", "id-1", "FAILED", error=error))
    assert (one.status, one.bucket) == (status, BUCKET_OF[status])


@pytest.mark.parametrize(
    ("details", "status"),
    [
        (["DLR: EXPIRED"], "expired"),
        (["dlr: expired"], "expired"),
        (["DLR: THROTTLED"], "failed"),
        (["DLR: UNDELIV"], "failed"),
        (["DLR: UNDELIV", "DLR: EXPIRED"], "expired"),
        ([None], "failed"),
    ],
)
def test_an_esms_failure_is_expired_if_the_last_detail_of_its_attempt_says_so(details: list[Any], status: str) -> None:
    timeline = [{"event": "submitted", "status": "submitted", "detail": None}]
    timeline += [{"event": "failed", "status": "failed", "detail": detail} for detail in details]
    one = message(account("esms_africa"), "id-1")
    assert poll(one, says("esms_africa", "id-1", "failed", retry_count=0, timeline=timeline)).status == status


def test_a_failure_whose_reason_comes_later_is_one_fact_with_its_reason() -> None:
    one = message(account("bridgexapi"), "id-1")
    poll(one, says("bridgexapi", "id-1", "FAILED"))
    poll(one, says("bridgexapi", "id-1", "failed", error="Message expired"))
    poll(one, says("bridgexapi", "id-1", "FAILED"))
    event = Event.objects.get(message=one, by_provider=True)
    assert (event.status, event.detail, event.count) == ("expired", "Message expired", 3)
    assert fresh(one).status == "expired"
    assert_row_is_its_fold()


def test_our_own_sending_and_a_providers_sending_are_two_facts() -> None:
    of = account("bsg")
    one = message(of, "211")
    entry = ours("sending", Status.SENDING)
    record([Item(account=of, source=Source.WORKER, report=Report(entries=(entry,)), received_at=one.sent_at,
                 message_id=one.pk, by_provider=False)])  # fmt: skip
    assert poll(one, says("bsg", "211", "sending")).status == "submitted"
    assert_row_is_its_fold()


def test_every_status_of_a_table_has_a_bucket() -> None:
    assert {status: BUCKET[Status(status)] for status in BUCKET_OF} == BUCKET_OF
