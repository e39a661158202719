"""The limits of sending again, as the database counts them, and the judgement over many messages at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboard.ingest.retry import Refused, judge, request_retry
from dashboard.ingest.situation import throughs
from dashboard.models import Account, ApiToken, Batch, Bulk, Message, Recipient, Retry, User
from providers.base import Status
from tests.factory import account, person, report, reports, sends

pytestmark = pytest.mark.database
TEXT = "Duka: your order is ready."
_numbers = count(1)


@pytest.fixture(autouse=True)
def _no_cool_down(settings: Any) -> None:
    settings.RETRY_COOL_DOWN = ["0", "0"]


@pytest.fixture
def ops(db: None) -> User:
    return person("ops")


@pytest.fixture
def bsg(db: None) -> Account:
    return account(currency="EUR")


def failed(through: Account, many: int = 1, status: Status = Status.FAILED, **fields: Any) -> list[Message]:
    made = sends(through, many, first=next(_numbers) * 1000, **{"text": TEXT, **fields})
    reports([(message, status) for message in made])
    return list(Message.objects.filter(pk__in=[message.pk for message in made]).order_by("pk"))


def ask(message: Message, **given: Any) -> Retry:
    return request_retry(message.pk, reason="They called.", nonce=f"n{next(_numbers)}", **given)[0]


def why_not(message: Message, **given: Any) -> str:
    with pytest.raises(Refused) as refused:
        ask(message, **given)
    return refused.value.code


def ended(retry: Retry, state: str, **message: Any) -> None:
    Retry.objects.filter(pk=retry.pk).update(state=state)
    if message:
        Message.objects.filter(pk=retry.message_id).update(**message)


# ------------------------------------------------------------------------------ of an account


def test_an_accounts_texts_of_a_day(bsg: Account, ops: User) -> None:
    Account.objects.update(resend_cap=2)
    one, two, three = failed(bsg, 3)
    first, second = ask(one, user=ops), ask(two, user=ops)
    assert why_not(three, user=ops) == "cap_account"
    ended(second, "not_sent")
    ended(first, "accepted")
    again = ask(three, user=ops)
    ended(again, "accepted")
    (four,) = failed(bsg)
    assert why_not(four, user=ops) == "cap_account"
    Retry.objects.filter(pk=first.pk).update(created_at=timezone.now() - timedelta(hours=24, seconds=1))
    assert ask(four, user=ops)


@pytest.mark.parametrize("state", ["refused", "not_sent", "cancelled"])
def test_what_never_went_out_leaves_its_place_and_its_money_free(bsg: Account, ops: User, state: str) -> None:
    Account.objects.update(resend_cap=1, spend_cap=Decimal("0.04"))
    one, two = failed(bsg, 2, cost=Decimal("0.04"), currency="EUR")
    retry = ask(one, user=ops)
    assert why_not(two, user=ops) == "cap_account"
    ended(retry, state)
    assert ask(two, user=ops)


def test_money_is_reserved_when_asked_for_and_settled_by_what_it_really_cost(bsg: Account, ops: User) -> None:
    Account.objects.update(spend_cap=Decimal("0.10"))
    one, two, three = failed(bsg, 3, cost=Decimal("0.04"), currency="EUR")
    first = ask(one, user=ops)
    assert (first.quoted_cost, first.quoted_currency) == (Decimal("0.04"), "EUR")
    second = ask(two, user=ops)
    assert spent(bsg) == Decimal("0.08")
    assert why_not(three, user=ops) == "spend_cap"
    ended(first, "accepted", cost=Decimal("0.03"), currency="EUR")
    assert spent(bsg) == Decimal("0.07")
    assert why_not(three, user=ops) == "spend_cap"
    ended(second, "accepted", cost=Decimal("0.03"), currency="EUR")
    assert ask(three, user=ops), "0.06 are spent, and 0.04 more is just the limit"


def test_money_of_another_currency_is_not_added_up(bsg: Account, ops: User) -> None:
    one, two, three = failed(bsg, 3, cost=Decimal(5), currency="KES")
    ended(ask(one, user=ops), "accepted", cost=Decimal(5), currency="KES")
    ask(two, user=ops)
    ended(ask(three, user=ops), "accepted", cost=Decimal("0.04"), currency="EUR")
    Account.objects.update(spend_cap=Decimal(1))
    assert spent(bsg) == Decimal("0.04")


def test_a_price_that_is_not_known_passes_no_limit_of_money(bsg: Account, ops: User) -> None:
    Account.objects.update(spend_cap=Decimal(1000))
    (free,) = failed(bsg)
    assert why_not(free, user=ops) == "spend_cap"
    (kes,) = failed(bsg, cost=Decimal(5), currency="KES")
    assert why_not(kes, user=ops) == "spend_cap"
    Account.objects.update(spend_cap=None)
    assert ask(free, user=ops).quoted_cost is None


def spent(of: Account) -> Decimal:
    of.refresh_from_db()
    return throughs([of], timezone.now())[of.pk].spent


# ------------------------------------------------------------------------------ of a person, of a number


def test_ten_in_ten_minutes_by_one_person(bsg: Account, ops: User) -> None:
    *ten, eleventh = failed(bsg, 11)
    for message in ten:
        ask(message, user=ops)
    assert why_not(eleventh, user=ops) == "cap_user"
    Retry.objects.filter(root=ten[0]).update(created_at=timezone.now() - timedelta(minutes=10, seconds=1))
    assert ask(eleventh, user=ops)


def test_ten_a_day_by_support(bsg: Account, ops: User) -> None:
    ann, ben = person("support"), person("support")
    *ten, eleventh, other = failed(bsg, 12)
    for message in ten:
        ask(message, user=ann)
    Retry.objects.update(created_at=timezone.now() - timedelta(hours=2))
    assert why_not(eleventh, user=ann) == "cap_user"
    assert ask(eleventh, user=ben)
    Retry.objects.filter(root=ten[0]).update(created_at=timezone.now() - timedelta(hours=24, seconds=1))
    assert ask(other, user=ann)


def test_programs_and_bulks_are_not_counted_as_a_person(bsg: Account, ops: User) -> None:
    token, _secret = ApiToken.issue("t", {"retry"})
    bulk = made_bulk(ops)
    *many, last = failed(bsg, 33)
    for message in many[:11]:
        ask(message, token=token)
    for message in many[11:22]:
        ask(message, user=ops, bulk=bulk)
    for message in many[22:]:
        ask(message, user=ops)
    assert why_not(last, user=ops) == "cap_user"
    assert ask(last, user=ops, bulk=bulk), "whoever approved a bulk may have been busy before"


def test_three_texts_a_day_to_one_number_also_while_they_are_open(bsg: Account, ops: User) -> None:
    four = failed(bsg, 4)
    Message.objects.filter(pk__in=[message.pk for message in four]).update(recipient=four[0].recipient)
    for message, text in zip(four, "abc", strict=False):
        ask(message, user=ops, text=text)
    assert why_not(four[3], user=ops, text="d") == "cap_recipient"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("limit", ["account", "money", "number", "person"])
def test_two_presses_at_the_same_moment_cannot_both_take_the_last_place(limit: str) -> None:
    """On different messages, which share no lock but that of the limit."""
    through, user = account(currency="EUR"), person("ops")
    messages = failed(through, 8, cost=Decimal("0.04"), currency="EUR")
    pks = [message.pk for message in messages]
    room = {"account": 3, "money": 3, "number": 3, "person": 10}[limit]
    if limit == "account":
        Account.objects.update(resend_cap=room)
    if limit == "money":
        Account.objects.update(spend_cap=Decimal("0.12"))
    if limit == "number":
        Message.objects.update(recipient=messages[0].recipient)
    if limit == "person":
        messages += failed(through, 8)
        pks = [message.pk for message in messages]
    start = threading.Barrier(len(pks))

    def press(pk: int) -> str:
        start.wait()
        try:
            request_retry(pk, reason="They called.", nonce=f"press {pk}", user=user, text=f"Text {pk}")
        except Refused as refused:
            return refused.code
        finally:
            connections.close_all()
        return ""

    with ThreadPoolExecutor(len(pks)) as pool:
        came = sorted(pool.map(press, pks))
    code = {"account": "cap_account", "money": "spend_cap", "number": "cap_recipient", "person": "cap_user"}[limit]
    assert came == [""] * room + [code] * (len(pks) - room)
    assert Retry.objects.count() == room


# ------------------------------------------------------------------------------ what the message and its number say


def test_an_opted_out_number_is_never_texted(bsg: Account, ops: User) -> None:
    (one,) = failed(bsg)
    Recipient.objects.update(opted_out_at=timezone.now())
    assert why_not(one, user=ops, text="Another text", sender="Other") == "blocked"


def test_a_number_that_is_no_longer_kept_is_not_texted(bsg: Account, ops: User) -> None:
    (one,) = failed(bsg)
    Recipient.objects.update(digits="", reversed="", hmac=None)
    assert why_not(one, user=ops, text="Another text") == "too_old"


def test_the_providers_word_that_a_number_wants_no_texts_is_believed(bsg: Account, ops: User) -> None:
    (one,) = sends(bsg, 1, text=TEXT)
    report(one, Status.FAILED, detail="Recipient has unsubscribed")
    assert why_not(one, user=ops) == "blocked"


def test_a_rejected_text_passes_with_another_sender_and_by_operations(bsg: Account, ops: User) -> None:
    (one,) = failed(bsg, status=Status.REJECTED, sender="Duka")
    for same in ({}, {"sender": "Duka"}, {"text": f" {TEXT.upper()} "}):
        assert why_not(one, user=ops, **same) == "blocked"
    assert why_not(one, user=person("support"), sender="Other") == "blocked"
    retry = ask(one, user=ops, sender="Other")
    assert retry.message is not None
    assert (retry.message.sender, retry.message.text) == ("Other", TEXT)


def test_a_text_out_of_date_passes_only_as_a_new_text(bsg: Account, ops: User) -> None:
    (one,) = failed(bsg, valid_until=timezone.now() - timedelta(minutes=1))
    for same in ({}, {"text": TEXT}, {"sender": "Other"}):
        assert why_not(one, user=ops, **same) == "too_old"
    ended(ask(one, user=ops, text="A new text"), "accepted", status="failed", reported=True)
    assert ask(one, user=ops), "the new text has no validity of its own"


def test_a_month_is_too_old_whatever_the_text(bsg: Account, ops: User) -> None:
    (one,) = failed(bsg, sent_at=timezone.now() - timedelta(days=30, seconds=1))
    assert why_not(one, user=ops, text="A new text") == "too_old"


def test_an_account_whose_sends_are_stopped_says_why_and_until_when(bsg: Account, ops: User) -> None:
    (one,) = failed(bsg)
    until = timezone.now() + timedelta(minutes=30)
    Account.objects.update(no_sends_until=until, no_sends_why="No money left.")
    with pytest.raises(Refused, match=r"bsg for 29 min: No money left\.$") as refused:
        ask(one, user=ops)
    assert (refused.value.code, refused.value.possible_at) == ("account_disabled", until)
    account("other", "roycetalk")
    assert ask(one, user=ops, account_slug="other")


# ------------------------------------------------------------------------------ prices


def paid(through: Account, many: int, cost: str, currency: str = "EUR", parts: int = 1) -> None:
    made = sends(through, many, first=next(_numbers) * 1000, cost=Decimal(cost), currency=currency, parts=parts)
    reports([(message, Status.DELIVERED) for message in made])


def test_the_price_quoted_is_the_messages_own_and_grows_with_the_text(bsg: Account, ops: User) -> None:
    one, two = failed(bsg, 2, cost=Decimal("0.04"), currency="EUR", parts=1)
    assert ask(one, user=ops).quoted_cost == Decimal("0.04")
    assert ask(two, user=ops, text="x" * 400).quoted_cost == Decimal("0.12")


def test_the_price_through_another_account_is_its_usual_one_in_that_country(bsg: Account, ops: User) -> None:
    other = account("other", "roycetalk", currency="KES")
    paid(other, 3, "1.5", "KES", parts=2)
    one, two = failed(bsg, 2, cost=Decimal("0.04"), currency="EUR")
    retry = ask(one, user=ops, account_slug="other")
    assert (retry.quoted_cost, retry.quoted_currency) == (Decimal("0.75"), "KES")
    Message.objects.filter(pk=two.pk).update(country="DE")
    assert ask(two, user=ops, account_slug="other").quoted_cost is None


def test_the_price_of_a_whole_order_is_shared_by_its_texts(bsg: Account, ops: User) -> None:
    one, two, _three, _four = failed(bsg, 4, batch="order 7")
    Batch.objects.update(cost=Decimal("0.20"), currency="EUR")
    assert ask(one, user=ops).quoted_cost == Decimal("0.05")
    assert ask(two, user=ops, text="x" * 161).quoted_cost == Decimal("0.10")


def test_a_price_of_nothing_is_no_price(bsg: Account, ops: User) -> None:
    """Some providers take the price back when a text does not arrive."""
    paid(bsg, 3, "0.05")
    (one,) = failed(bsg, cost=Decimal(0), currency="EUR")
    assert ask(one, user=ops).quoted_cost == Decimal("0.05")


# ------------------------------------------------------------------------------ many at once


def made_bulk(user: User) -> Bulk:
    now = timezone.now()
    return Bulk.objects.create(user=user, reason="r", created_at=now, changed_at=now)


def code_is_old(message: Message) -> None:
    before = timezone.now() - timedelta(minutes=11)
    Message.objects.filter(pk=message.pk).update(text="Your code is 482135", sent_at=before)


def has_a_twin(message: Message) -> None:
    (twin,) = sends(message.account, 1, first=next(_numbers) * 1000, text=TEXT.upper())
    Message.objects.filter(pk=twin.pk).update(recipient=message.recipient)


def not_confirmed(message: Message) -> None:
    Message.objects.filter(pk=message.pk).update(unconfirmed=True)


def had_its_time(message: Message) -> None:
    Message.objects.filter(pk=message.pk).update(sent_at=timezone.now() - timedelta(days=31))


def opted_out(message: Message) -> None:
    Recipient.objects.filter(pk=message.recipient_id).update(opted_out_at=timezone.now())


def nothing(message: Message) -> None:
    pass


@pytest.mark.parametrize(
    ("change", "code", "by_hand"),
    [
        (nothing, "", False),
        (code_is_old, "too_old", True),
        (has_a_twin, "same_text", True),
        (not_confirmed, "unconfirmed", True),
        (had_its_time, "too_old", False),
        (opted_out, "blocked", False),
    ],
)
def test_the_judgement_is_what_a_bulk_is_told_and_says_what_a_person_may_still_do(
    bsg: Account, ops: User, change: Callable[[Message], None], code: str, by_hand: bool
) -> None:
    (one,) = failed(bsg)
    change(one)
    verdict = judge([one.pk], user=ops)[one.pk]
    assert (verdict.code, verdict.by_hand, verdict.eligible) == (code, by_hand, not code)
    if code:
        assert why_not(one, user=ops, bulk=made_bulk(ops)) == code
    if by_hand or not code:
        assert ask(one, user=ops), "a person may"


def test_a_provider_that_may_still_try_by_itself_leaves_a_message_out(ops: User) -> None:
    esms = account("esms", "esms_africa")
    fresh, spent_, agreed = failed(esms, 3)
    Message.objects.filter(pk=spent_.pk).update(attempt=2)
    Message.objects.filter(pk=agreed.pk).update(final_at=timezone.now() - timedelta(minutes=11))
    found = judge([fresh.pk, spent_.pk, agreed.pk], user=ops)
    assert [found[m.pk].code for m in (fresh, spent_, agreed)] == ["provider_retrying", "", ""]
    assert found[fresh.pk].possible_at


def test_what_is_unknown_may_be_sent_again_by_operations_who_are_told(bsg: Account, ops: User) -> None:
    (one,) = failed(bsg, status=Status.UNKNOWN)
    verdict = judge([one.pk], user=ops)[one.pk]
    assert (verdict.code, "may have arrived" in verdict.told) == ("", True)
    assert judge([one.pk], user=person("support"))[one.pk].code == "unconfirmed"


def test_the_judgement_quotes_the_price_by_its_own_account_or_the_one_given(bsg: Account, ops: User) -> None:
    other = account("other", "roycetalk", currency="KES")
    paid(other, 3, "1.5", "KES")
    (one,) = failed(bsg, cost=Decimal("0.04"), currency="EUR")
    own, given = judge([one.pk], user=ops)[one.pk], judge([one.pk], user=ops, account=other)[one.pk]
    assert (own.account, own.cost, own.currency, own.estimated) == ("bsg", Decimal("0.04"), "EUR", False)
    assert (given.account, given.cost, given.currency, given.estimated) == ("other", Decimal("1.5"), "KES", True)
    assert own.recipient == one.recipient_id


def test_only_roots_are_judged(bsg: Account, ops: User) -> None:
    (one,) = failed(bsg)
    retry = ask(one, user=ops)
    assert retry.message_id
    assert set(judge([one.pk, retry.message_id, 999_999], user=ops)) == {one.pk}
    assert judge([], user=ops) == {}


def test_the_judgement_asks_the_same_number_of_questions_for_one_and_for_hundreds(bsg: Account, ops: User) -> None:
    royce = account("rt", "roycetalk")
    counts = []
    for many in (1, 100):
        pks = [message.pk for through in (bsg, royce) for message in failed(through, many)]
        with CaptureQueriesContext(connection) as queries:
            assert len(judge(pks, user=ops)) == 2 * many
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 10
