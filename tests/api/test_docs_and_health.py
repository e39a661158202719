"""What programs' owners read, and what the machines that watch us ask."""

from __future__ import annotations

from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboard.models import Account, Message
from tests.api.conftest import Program, error_of, item


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if "$ref" in node else set()
        return own.union(*(references(child) for child in node.values()))
    return set().union(*(references(child) for child in node)) if isinstance(node, list) else set()


def test_the_openapi_document_is_whole(db: None) -> None:
    document = Client().get("/api/v1/openapi.json").json()
    assert set(document["paths"]) == {
        "/api/v1/sends",
        "/api/v1/messages",
        "/api/v1/messages/search",
        "/api/v1/messages/{message_id}",
        "/api/v1/messages/{message_id}/retry",
        "/api/v1/batches",
        "/api/v1/batches/{batch_id}",
    }
    schemas = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references(document) <= schemas
    fields = document["components"]["schemas"]["IncomingSend"]
    assert fields["required"] == ["provider_message_id", "to"]
    assert len(fields["properties"]) == 13


def test_the_page_names_every_call_and_needs_no_script(db: None) -> None:
    response = Client().get("/api/v1/docs")
    text = response.content.decode()
    document = Client().get("/api/v1/openapi.json").json()
    for path, methods in document["paths"].items():
        for method in methods:
            assert f"{method.upper()} {path}" in text
    for field in document["components"]["schemas"]["IncomingSend"]["properties"]:
        assert f"<code>{field}</code>" in text
    for tag, attributes in Tags(text).found:
        assert not any(name.startswith("on") or name == "style" for name in attributes), (tag, attributes)
        for name in ("src", "href"):
            assert not (attributes.get(name) or "").startswith(("http:", "https:", "//")), attributes
        assert tag != "script" or attributes.get("src")
    assert "script-src 'self'" in response["Content-Security-Policy"]


def test_healthz_asks_nothing_of_the_database(db: None) -> None:
    with CaptureQueriesContext(connection) as queries:
        response = Client().get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "up"})
    assert len(queries) == 0


def test_readyz(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Client().get("/readyz").json() == {"status": "ready"}
    monkeypatch.setattr("dashboard.api.health._missing_migrations", lambda: 2)
    error = error_of(Client().get("/readyz"), 503)
    assert (error["code"], "2 migrations" in error["message"]) == ("not_ready", True)

    def away() -> int:
        raise OperationalError("password of the database")

    monkeypatch.setattr("dashboard.api.health._missing_migrations", away)
    response = Client().get("/readyz")
    assert error_of(response, 503)["retry_after"] == 5
    assert b"password" not in response.content


def test_metrics_count_what_is_due(program: Program, account: Account) -> None:
    program.send(item(1), item(2))
    now = timezone.now()
    Account.objects.update(
        last_success_at=now, last_webhook_at=now, paused_until=now + timedelta(hours=1), pause_reason="throttled"
    )
    text = Client().get("/metrics").content.decode()
    assert "aftersend_checks_due 2.0" in text
    assert "aftersend_orphans 0.0" in text
    assert 'aftersend_retries_open{state="open"} 0.0' in text
    assert 'aftersend_account_paused{account="bsg",reason="throttled"} 1.0' in text
    assert 'aftersend_account_enabled{account="bsg"} 1.0' in text


def test_metrics_make_the_same_queries_for_more_messages(program: Program) -> None:
    counts = []
    for size in (1, 200):
        program.send(*(item(n) for n in range(size)))
        with CaptureQueriesContext(connection) as queries:
            Client().get("/metrics")
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert Message.objects.count() == 200


def test_metrics_from_elsewhere_need_a_token_with_read(account: Account) -> None:
    def status(program: Program | None, **meta: Any) -> int:
        headers = program.headers() if program else {}
        return Client(**meta).get("/metrics", headers=headers).status_code

    assert status(None) == 200
    assert status(None, REMOTE_ADDR="::1") == 200
    for meta in ({"REMOTE_ADDR": "192.0.2.1"}, {"HTTP_X_FORWARDED_FOR": "127.0.0.1"}, {"REMOTE_ADDR": ""}):
        assert status(None, **meta) == 401
        assert status(Program("read"), **meta) == 200
        assert status(Program("write", "retry"), **meta) == 403
        assert status(Program("read", account=account), **meta) == 403


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_only_looking_is_allowed(db: None, path: str) -> None:
    assert Client().post(path).status_code == 405
