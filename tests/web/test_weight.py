"""What a visit weighs on the wire: everything of the first page, and what each page after it adds."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse

from providers.base import Status
from tests.factory import account, reports, sends, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

FIRST_VISIT, LATER_PAGE = 150_000, 30_000
ZIPPED = {"Accept-Encoding": "gzip"}


def assets(page: str) -> set[str]:
    """The files that a page loads."""
    found = set(re.findall(r'<(?:link|script)[^>]+(?:href|src)="/static/([^"?]+)', page))
    assert found
    return found


def weight_of(asset: str) -> int:
    path = finders.find(asset)
    assert isinstance(path, str), asset
    return len(gzip.compress(Path(path).read_bytes()))


def visit(client: Client, path: str) -> tuple[int, set[str]]:
    answer = client.get(path, headers=ZIPPED)
    assert answer.status_code == 200, path
    assert answer["Content-Encoding"] == "gzip", path
    return len(answer.content), assets(gzip.decompress(answer.content).decode())


def test_the_first_visit_and_every_page_after_it_are_light() -> None:
    shop = account("bsg", label="An account with a name of some length")
    messages = sends(shop, 60, text="Dear Ann, your order is ready.", batch="October", reference="order")
    for n, status in enumerate((Status.DELIVERED, Status.FAILED, Status.SENT, Status.EXPIRED)):
        reports([(message, status) for message in messages[n * 12 : n * 12 + 12]])
    size, known = visit(Client(), reverse("sign-in"))
    first = size + sum(map(weight_of, known))
    client = signed_in("support", "ops", "admin")
    size, loaded = visit(client, "/")
    first += size + sum(map(weight_of, loaded - known))
    known |= loaded
    assert first <= FIRST_VISIT
    message = messages[0]
    paths = (
        "/messages/", f"/messages/{message.pk}/", f"/recipients/{message.recipient_id}/", "/batches/",
        f"/batches/{message.batch_id}/", "/attention/", "/accounts/", "/accounts/bsg/", "/audit/", "/people/", "/find/",
        "/help/statuses/", "/bulk/", "/bulk/new/?bucket=undeliverable", f"/messages/{messages[12].pk}/retry/",
    )  # fmt: skip
    weights = {}
    for path in paths:
        size, loaded = visit(client, path)
        weights[path] = size + sum(map(weight_of, loaded - known))
        known |= loaded
    assert {path: weight for path, weight in weights.items() if weight > LATER_PAGE} == {}


def test_an_export_is_streamed_as_it_is() -> None:
    sends(account(), 20, text="Dear Ann " * 50)
    answer = signed_in("ops").get("/messages/export.csv", headers=ZIPPED)
    assert not answer.has_header("Content-Encoding")
    assert b"Dear Ann" in b"".join(answer)
