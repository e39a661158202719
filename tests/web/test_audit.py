"""Searching the audit: by who, what, about what and when, every filter in the address and never a phone number."""

from __future__ import annotations

import ast
import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboard.models import Audit, Message, Retry
from dashboard.web.audit_words import WORDS
from providers.base import Status
from tests.factory import account, person, report, sends, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def admin() -> Client:
    return signed_in("admin", name="ada")


def row(subject: str, action: str = "retry", actor: str = "otto", **more: Any) -> Audit:
    return Audit.objects.create(actor_name=actor, action=action, subject=subject, **more)


def found(client: Client, query: str) -> list[int]:
    answer = client.get(f"/audit/?{query}")
    assert answer.status_code == 200
    return [line.row.pk for line in answer.context["rows"]]


# ------------------------------------------------------------------------------ about what


def test_what_it_is_about_is_typed_as_one_likes(admin: Client) -> None:
    (message,) = sends(account("bsg"), 1)
    about = {
        f"message {message.pk}": row(f"message {message.pk}").pk,
        "account bsg": row("account bsg").pk,
        f"recipient {message.recipient_id}": row(f"recipient {message.recipient_id}").pk,
        "person otto": row("person otto").pk,
        "batch 8": row("batch 8").pk,
    }
    for typed, expected in (
        (f"message {message.pk}", f"message {message.pk}"),
        (f"{message.pk}", f"message {message.pk}"),
        (f"%23{message.pk}", f"message {message.pk}"),
        ("bsg", "account bsg"),
        ("account bsg", "account bsg"),
        (message.recipient_id, f"recipient {message.recipient_id}"),
        (f"recipient {message.recipient_id}", f"recipient {message.recipient_id}"),
        ("otto", "person otto"),
        ("batch 8", "batch 8"),
    ):
        assert found(admin, f"subject={typed}") == [about[expected]], typed
    assert found(admin, "subject=nothing") == []
    assert found(admin, f"subject=account {message.pk}") == []


def test_a_text_sent_again_is_found_under_the_first_one(admin: Client) -> None:
    root, again = sends(account("bsg"), 2)
    Message.objects.filter(pk=again.pk).update(root=root)
    told = row(f"message {root.pk}")
    assert found(admin, f"subject={again.pk}") == [told.pk]
    assert found(admin, f"subject=message {again.pk}") == [told.pk]


@pytest.mark.parametrize(
    "typed",
    ["%2B254712345678", "254712345678", "00254712345678", "0712345678", "%2B254 712-345678", "message 254712345678"],
)
@pytest.mark.parametrize("name", ["subject", "actor"])
def test_a_phone_number_is_refused_and_not_repeated(admin: Client, name: str, typed: str) -> None:
    answer = admin.get(f"/audit/?{name}={typed}&action=retry")
    page = answer.content.decode()
    assert answer.status_code == 400
    assert "The audit names no phone number." in page
    assert "12345678" not in page.replace(" ", "").replace("-", "")
    assert "345678" not in page
    assert "345-678" not in page
    assert admin.get(f"/audit/export.csv?{name}={typed}").status_code == 400
    assert not Audit.objects.exists()


def test_a_parameter_that_is_called_like_a_number_is_refused(admin: Client) -> None:
    assert admin.get("/audit/?phone=254712345678").status_code == 400
    assert admin.get("/audit/export.csv?phone=254712345678").status_code == 400


def test_an_id_that_could_be_a_number_is_an_id_where_there_is_such_a_thing(admin: Client) -> None:
    assert admin.get("/audit/?subject=442071838750").status_code == 400
    one = sends(account("bsg"), 1)[0]
    known = Message.objects.values().get(pk=one.pk)
    Message.objects.create(**{**known, "id": 442071838750, "match_id": "other"})
    told = row("message 442071838750")
    assert found(admin, "subject=442071838750") == [told.pk]


# ------------------------------------------------------------------------------ who, what, when


def test_every_filter_narrows_and_all_of_them_are_in_the_address(admin: Client) -> None:
    for day in (1, 2, 3):
        with time_machine.travel(datetime(2026, 11, day, 12, tzinfo=UTC), tick=False):
            for actor in ("eve", "otto"):
                for action in ("retry", "test text"):
                    for n in (1, 2):
                        row(f"batch {n}", action, actor)
    assert len(found(admin, "action=retry")) == 12
    assert len(found(admin, "since=2026-11-02")) == 16
    assert len(found(admin, "until=2026-11-02")) == 16
    assert len(found(admin, "since=2026-11-02&until=2026-11-02")) == 8
    assert len(found(admin, "since=2026-11-02&until=2026-11-02&action=retry&actor=eve&subject=batch 1")) == 1
    page = admin.get("/audit/?action=test+text&actor=eve").content.decode()
    assert "Did: <b>Sent a test text</b>" in page
    assert 'href="?actor=eve"' in page
    assert admin.get("/audit/?action=juggling").context["form"].errors
    assert admin.get("/audit/?since=tomorrow").context["form"].errors


def test_pages_keep_the_filters(admin: Client) -> None:
    expected = [row("account bsg", actor="otto" if n % 2 else "eve").pk for n in range(240)][1::2][::-1]
    seen, query = [], "?actor=otto&subject=bsg"
    while query:
        answer = admin.get(f"/audit/{query}")
        seen += [line.row.pk for line in answer.context["rows"]]
        query = answer.context["older"]
        assert not query or "actor=otto&subject=bsg" in query
    assert seen == expected


# ------------------------------------------------------------------------------ what came of it


def test_a_row_about_a_retry_links_to_the_message_and_what_came_of_it(admin: Client) -> None:
    root, made = sends(account("bsg"), 2)
    Message.objects.filter(pk=made.pk).update(root=root)
    report(root, Status.FAILED)
    report(made, Status.DELIVERED)
    now = timezone.now()
    retry = Retry.objects.create(
        root=root, original=root, message=made, account=root.account, via="send", state="accepted",
        user=person("ops"), reason="asked to", nonce="n", reference="r", created_at=now, changed_at=now,
    )  # fmt: skip
    row(f"message {root.pk}", reason="asked to", details={"retry": retry.pk, "account": "bsg", "via": "send"})
    page = admin.get("/audit/").content.decode().split("<tbody>")[1]
    assert f'href="/messages/{root.pk}/"' in page
    assert f'href="/messages/{made.pk}/"' in page
    assert "taken by the provider" in page
    assert "Delivered" in page
    assert "Asked to send again" in page


@pytest.mark.parametrize(
    ("subject", "page"),
    [
        ("account bsg", "/accounts/bsg/"), ("recipient 0f3a9c", "/recipients/0f3a9c/"), ("batch 3", "/batches/3/"),
        ("message 5", "/messages/5/"), ("message x", ""), ("account no such name", ""), ("retention", ""),
        ("person otto", ""), ("message ٣", ""),
    ],
)  # fmt: skip
def test_a_row_links_to_the_page_of_what_it_is_about(admin: Client, subject: str, page: str) -> None:
    row(subject)
    (line,) = admin.get("/audit/").context["rows"]
    assert line.page == page


def test_the_number_of_queries_does_not_grow_with_retries(admin: Client) -> None:
    now, ops, counts = timezone.now(), person("ops"), []
    admin.get("/audit/")
    for n, one in enumerate(sends(account("bsg"), 40)):
        retry = Retry.objects.create(
            root=one, original=one, account=one.account, via="send", state="refused", user=ops, reason="x",
            nonce=f"n{n}", reference=f"r{n}", created_at=now, changed_at=now,
        )  # fmt: skip
        row(f"message {one.pk}", details={"retry": retry.pk})
        if n in (1, 39):
            with CaptureQueriesContext(connection) as queries:
                admin.get("/audit/")
            counts.append(len(queries))
    assert counts[0] == counts[1]


# ------------------------------------------------------------------------------ the file


def test_the_file_has_the_rows_of_the_list_and_no_formulas(admin: Client) -> None:
    row("account bsg", reason='=HYPERLINK("x")', details={"code": "delivered"}, ip="10.0.0.1")
    row("account other")
    answer = admin.get("/audit/export.csv?subject=bsg")
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))  # type: ignore[attr-defined]
    (only,) = rows
    assert (only["who"], only["action"], only["about"], only["ip"]) == ("otto", "retry", "account bsg", "10.0.0.1")
    assert only["reason"] == '\'=HYPERLINK("x")'
    assert only["details"] == '{"code": "delivered"}'
    assert datetime.fromisoformat(only["at"]) <= timezone.now() + timedelta(seconds=1)
    noted = Audit.objects.order_by("-pk")[0]
    assert (noted.actor_name, noted.action, noted.details) == ("ada", "audit.exported", {"filters": {"subject": "bsg"}})


def test_nobody_but_an_admin_reads_it() -> None:
    for role in ("support", "ops"):
        client = signed_in(role)
        assert client.get("/audit/").status_code == client.get("/audit/export.csv").status_code == 403


# ------------------------------------------------------------------------------ words


def written_actions() -> set[str]:
    """The actions that the code writes by name."""
    found: set[str] = set()
    for path in (ROOT / "dashboard").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                by_page = name in {"note", "trail.note"} and ast.unparse(node.args[0]) == "request"
                arguments = node.args[1:2] if by_page else node.args[:1] if name == "audit" else []
                if name == "Audit.objects.create":
                    arguments = [keyword.value for keyword in node.keywords if keyword.arg == "action"]
                for argument in arguments:
                    found |= {
                        part.value for part in ast.walk(argument)
                        if isinstance(part, ast.Constant) and isinstance(part.value, str)
                    }  # fmt: skip
    return found


def test_every_action_has_words() -> None:
    written = {action for action in written_actions() if not action.endswith(".")}
    assert {"retry", "retry ended", "test text", "person.added", "erased"} <= written
    assert written - set(WORDS) == set()
