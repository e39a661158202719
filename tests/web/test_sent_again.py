"""The message's page tells of everything sent for it: who asked, why, through which account, the price, the end."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from dashboard.models import ApiToken, Bulk, Message, Retry, User
from providers.base import Status
from tests.factory import account, person, report, sends, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.fixture
def root() -> Message:
    (one,) = sends(account("bsg", label="BSG Kenya"), 1, text="Hello")
    report(one, Status.FAILED)
    return one


@pytest.fixture
def otto() -> User:
    return person("ops", name="otto")


def wish(root: Message, state: str, **fields: Any) -> Retry:
    now, n = timezone.now(), Retry.objects.count()
    told = {"original": root, "account": root.account, "via": "send", "reason": "asked to", "nonce": f"n{n}"}
    return Retry.objects.create(
        root=root, state=state, reference=f"r{n}", created_at=now, changed_at=now, **{**told, **fields}
    )


def made(root: Message, **fields: Any) -> Message:
    (one,) = sends(root.account, 1, first=500 + Message.objects.count())
    Message.objects.filter(pk=one.pk).update(root=root, recipient=root.recipient_id, **fields)
    return Message.objects.get(pk=one.pk)


def rows(root: Message, role: str = "support") -> list[str]:
    page = signed_in(role).get(f"/messages/{root.pk}/").content.decode()
    table = page.split('id="again"')[1].split("<tbody>")[1].split("</tbody>")[0]
    return [" ".join(re.sub(r"<(?!a )[^>]*>", " ", row).split()) for row in table.split("</tr>")[:-1]]


def test_a_row_says_who_why_through_what_at_what_price_and_what_came_of_it(root: Message, otto: User) -> None:
    again = made(root, cost=Decimal("0.06"), currency="EUR")
    report(again, Status.DELIVERED)
    wish(
        root, "accepted", message=again, user=otto, reason="She called", detail="The provider accepted it.",
        quoted_cost=Decimal("0.05"), quoted_currency="EUR",
    )  # fmt: skip
    (row,) = rows(root)
    for words in (
        "otto", "She called", "BSG Kenya", "0.06 EUR", "quoted: 0.05 EUR", "Delivered", "taken by the provider",
        "The provider accepted it.", f'href="/messages/{again.pk}/"',
    ):  # fmt: skip
        assert words in row


@pytest.mark.parametrize(
    ("state", "price", "words"),
    [
        ("not_sent", "nothing", "not sent"),
        ("cancelled", "nothing", "cancelled"),
        ("refused", "not told", "refused"),
        ("outcome_unknown", "not told yet", "we cannot tell whether it was sent"),
        ("open", "not told yet", "waiting for one last look"),
    ],
)
def test_every_state_has_its_words_and_no_made_up_price(
    root: Message, otto: User, state: str, price: str, words: str
) -> None:
    wish(root, state, message=made(root), user=otto, quoted_cost=Decimal("0.05"), quoted_currency="EUR")
    (row,) = rows(root)
    assert f"BSG Kenya {price} quoted: 0.05 EUR" in row
    assert words in row


def test_the_providers_own_retry_names_no_other_message(root: Message, otto: User) -> None:
    Message.objects.filter(pk=root.pk).update(cost=Decimal("0.07"), currency="EUR")
    wish(root, "accepted", via="provider", message=root, user=otto)
    (row,) = rows(root)
    assert "0.07" not in row, "that is the price of the first text"
    assert f'href="/messages/{root.pk}/"' not in row


def test_a_program_and_a_run_of_many_are_named(root: Message, otto: User) -> None:
    token, _ = ApiToken.issue("shop", {"retry"})
    now = timezone.now()
    bulk = Bulk.objects.create(user=otto, reason="outage", created_at=now, changed_at=now)
    wish(root, "refused", token=token)
    wish(root, "refused", user=otto, bulk=bulk)
    by_program, by_run = rows(root)
    assert "token shop" in by_program
    assert f"bulk {bulk.pk}" in by_run
    assert "/bulk/" not in by_run, "support has no such page"
    assert f'href="/bulk/{bulk.pk}/"' in rows(root, "ops")[1]


def test_an_admin_goes_on_to_the_audit_and_nobody_else_does(root: Message, otto: User) -> None:
    wish(root, "refused", user=otto)
    link = f'href="/audit/?subject=message+{root.pk}"'
    assert link in signed_in("admin").get(f"/messages/{root.pk}/").content.decode()
    for role in ("support", "ops"):
        assert "/audit/" not in signed_in(role).get(f"/messages/{root.pk}/").content.decode()
