"""Every refusal has one shape, its own status and code, and never a traceback."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.db import OperationalError
from django.test import Client, RequestFactory
from django.urls import resolve
from django.utils import timezone

from dashboard.api import auth
from dashboard.api.body import MOST_BYTES
from dashboard.models import Account, ApiToken, Message
from tests.api.conftest import SENDS, Program, error_of, item

CALLS = [
    ("post", SENDS, "write"),
    ("get", "/api/v1/messages", "read"),
    ("post", "/api/v1/messages/search", "read"),
    ("get", "/api/v1/messages/1", "read"),
    ("get", "/api/v1/batches", "read"),
    ("get", "/api/v1/batches/1", "read"),
    ("post", "/api/v1/messages/1/retry", "retry"),
]
SCOPES = ("read", "write", "retry")


# ------------------------------------------------------------------------------ who


@pytest.mark.parametrize(("method", "path", "scope"), CALLS)
def test_without_a_valid_token_nobody_gets_in(account: Account, method: str, path: str, scope: str) -> None:
    revoked, secret = ApiToken.issue("old", set(SCOPES))
    revoked.revoked_at = timezone.now()
    revoked.save()
    for header in (None, "", "Bearer", "Bearer ", "Bearer nonsense", f"Basic {secret}", f"Bearer {secret}", "\x00"):
        headers = {} if header is None else {"Authorization": header}
        response = getattr(Client(), method)(path, headers=headers)
        assert error_of(response, 401)["code"] == "unauthorized"
        assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("method", "path", "scope"), CALLS)
@pytest.mark.parametrize("has", SCOPES)
def test_scopes_do_not_include_each_other(account: Account, method: str, path: str, scope: str, has: str) -> None:
    program = Program(has)
    response = program.get(path) if method == "get" else program.post(path, {})
    if has == scope:
        assert response.status_code not in (401, 403)
    else:
        assert error_of(response, 403)["code"] == "forbidden"


def test_a_person_who_is_signed_in_is_no_program(account: Account, django_user_model: Any) -> None:
    client = Client()
    client.force_login(django_user_model.objects.create_user("ann", password="x", admin=True, ops=True))
    assert error_of(client.get("/api/v1/messages"), 401)["code"] == "unauthorized"


def test_a_token_is_seen_at_most_once_a_minute(program: Program) -> None:
    program.get("/api/v1/messages")
    first = ApiToken.objects.get().last_used_at
    program.get("/api/v1/messages")
    assert first is not None
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=first - auth.SEEN_EVERY * 2)
    program.get("/api/v1/messages")
    seen = ApiToken.objects.get().last_used_at
    assert seen is not None
    assert seen >= first


def test_a_program_gone_wild_is_slowed_down(program: Program) -> None:
    auth._left[program.token.pk] = (0.0, auth.time.monotonic() + 60)
    response = program.get("/api/v1/messages")
    error = error_of(response, 429)
    assert (error["code"], error["retry_after"], response["Retry-After"]) == ("throttled", 1, "1")


# ------------------------------------------------------------------------------ whose


def test_a_token_of_one_account_sees_no_other(account: Account, other: Account) -> None:
    everything = Program("read", "write", "retry")
    theirs = everything.send(item(1, batch="theirs"), account="other")["messages"][0]["id"]
    mine = everything.send(item(1, batch="mine"))["messages"][0]["id"]
    program = Program("read", "write", "retry", account=account)
    assert [m["id"] for m in program.get("/api/v1/messages").json()["items"]] == [mine]
    assert [b["name"] for b in program.get("/api/v1/batches").json()["items"]] == ["mine"]
    assert error_of(program.get(f"/api/v1/messages/{theirs}"), 404)["code"] == "not_found"
    batch = Message.objects.get(pk=theirs).batch_id
    assert error_of(program.get(f"/api/v1/batches/{batch}"), 404)["code"] == "not_found"
    path = f"/api/v1/messages/{theirs}/retry"
    assert error_of(program.post(path, {"reason": "x"}, Idempotency_Key="k"), 404)["code"] == "not_found"
    for response in (
        program.post(SENDS, {"account": "other", "messages": []}),
        program.get("/api/v1/messages", account="other"),
        program.get("/api/v1/batches", account="other"),
        program.post("/api/v1/messages/search", {"account": "other"}),
    ):
        assert error_of(response, 404)["code"] == "account_not_found"
    assert program.get("/api/v1/messages", batch="theirs").json()["items"] == []


@pytest.mark.parametrize("slug", ["nobody", "", "a\x00b", "x" * 10_000])
def test_an_unknown_account_is_said(program: Program, slug: str) -> None:
    assert error_of(program.post(SENDS, {"account": slug, "messages": []}), 404)["code"] == "account_not_found"


# ------------------------------------------------------------------------------ where


@pytest.mark.parametrize(
    "path", ["/api/", "/api/v1/", "/api/v1/nothing", "/api/v2/sends", "/api/v1/sends/", "/api/v1/messages/1/2"]
)
def test_an_unknown_address_is_404_in_our_shape(db: None, path: str) -> None:
    for method in ("get", "post"):
        assert error_of(getattr(Client(), method)(path), 404)["code"] == "not_found"


@pytest.mark.parametrize(("method", "path", "scope"), CALLS)
def test_another_method_is_405_and_names_the_right_one(program: Program, method: str, path: str, scope: str) -> None:
    response = program.client.delete(path, headers=program.headers())
    assert error_of(response, 405)["code"] == "method_not_allowed"
    assert method.upper() in response["Allow"]


@pytest.mark.parametrize("found", ["abc", "0", "-1", "999999", "9" * 30, "1%00", "²"])
def test_a_message_or_batch_that_is_not_there(program: Program, found: str) -> None:
    assert error_of(program.get(f"/api/v1/messages/{found}"), 404)["code"] == "not_found"
    assert error_of(program.get(f"/api/v1/batches/{found}"), 404)["code"] == "not_found"


# ------------------------------------------------------------------------------ what


@pytest.mark.parametrize(
    "body",
    [
        b"   ",
        b"{",
        b"{'account': 'bsg'}",
        b'{"account":"bsg","account":"other","messages":[]}',
        b'{"account":"bsg","messages":[{"to":"1","to":"2"}]}',
        b'{"account":NaN}',
        b'{"account":Infinity}',
        b'{"cost":1e400000}',
        b'{"cost":' + b"9" * 5_000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 50 + b"1" + b"}" * 50,
        b"\xff\xfe{\x00}\x00",
        b'{"account":"\xff"}',
        b'{"account":"bsg"} {}',
        b"account=bsg",
        b"[" + b"1," * 60_000 + b"1]",
    ],
)
def test_what_is_not_json_is_400(program: Program, body: bytes) -> None:
    assert error_of(program.post(SENDS, body), 400)["code"] == "not_json"


def test_nul_and_lone_surrogates_do_no_harm(program: Program) -> None:
    body = b'{"account":"bsg","messages":[{"provider_message_id":"a\\u0000b\\ud800","to":"+254712345678"}]}'
    assert program.post(SENDS, body).status_code == 200
    assert Message.objects.get().provider_message_id == "ab"


def test_a_byte_order_mark_is_fine(program: Program) -> None:
    assert program.post(SENDS, b'\xef\xbb\xbf{"account":"bsg","messages":[]}').status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data", "a/b"])
def test_another_content_type_is_415(program: Program, kind: str) -> None:
    response = program.post(SENDS, b"{}", content_type=kind)
    assert error_of(response, 415)["code"] == "unsupported_media_type"


def test_a_charset_is_fine(program: Program) -> None:
    body = json.dumps({"account": "bsg", "messages": []}).encode()
    assert program.post(SENDS, body, content_type="application/json; charset=utf-8").status_code == 200


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ([], "", "invalid"),
        ("text", "", "invalid"),
        (None, "", "invalid"),
        ({}, "account", "missing"),
        ({"account": None, "messages": []}, "account", "invalid"),
        ({"account": 5, "messages": []}, "account", "invalid"),
        ({"account": "bsg"}, "messages", "invalid"),
        ({"account": "bsg", "messages": {}}, "messages", "invalid"),
        ({"account": "bsg", "messages": "x"}, "messages", "invalid"),
        ({"account": "bsg", "messages": [], "response": {}}, "messages", "invalid"),
        ({"account": "bsg", "messages": [], "request": {}}, "request", "invalid"),
        ({"account": "bsg", "response": []}, "response", "invalid"),
        ({"account": "bsg", "mesages": []}, "mesages", "unknown_field"),
    ],
)
def test_a_misshapen_request_is_422_and_names_the_field(program: Program, body: Any, field: str, code: str) -> None:
    error = error_of(program.post(SENDS, body), 422)
    assert (error.get("field", ""), error["code"]) == (field, code)


def test_more_than_a_thousand_items_are_413_and_nothing_is_kept(program: Program) -> None:
    body = {"account": "bsg", "messages": [item(n) for n in range(1_001)]}
    assert error_of(program.post(SENDS, body), 413)["code"] == "too_many"
    assert not Message.objects.exists()


def test_more_than_five_megabytes_are_413(program: Program) -> None:
    body = b'{"account":"bsg","messages":[]}'
    assert program.post(SENDS, body + b" " * (MOST_BYTES - len(body))).status_code == 200
    assert error_of(program.post(SENDS, body + b" " * (MOST_BYTES - len(body) + 1)), 413)["code"] == "too_big"
    assert error_of(program.post(SENDS, b" " * (MOST_BYTES * 4)), 413)["code"] == "too_big"


def chunked(program: Program, body: bytes) -> Any:
    """What a server makes of a chunked body: no Content-Length, and a stream that ends."""
    request = RequestFactory().post(SENDS, b"any", content_type="application/json", headers=program.headers())
    assert isinstance(request, WSGIRequest)
    del request.META["CONTENT_LENGTH"]
    request.environ["wsgi.input"] = BytesIO(body)
    match = resolve(SENDS)
    return match.func(request, *match.args, **match.kwargs)


def answer(response: Any) -> Any:
    return json.loads(response.content)


def test_a_chunked_body_is_read_and_capped(program: Program) -> None:
    body = json.dumps({"account": "bsg", "messages": [item()]}).encode()
    response = chunked(program, body)
    assert (response.status_code, answer(response)["accepted"]) == (200, 1)
    response = chunked(program, body + b" " * MOST_BYTES)
    assert (response.status_code, answer(response)["error"]["code"]) == (413, "too_big")
    response = chunked(program, b"")
    assert (response.status_code, answer(response)["error"]["code"]) == (400, "not_json")


# ------------------------------------------------------------------------------ us


def test_a_database_that_is_away_is_503(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise OperationalError("database is locked at /secret/path")

    monkeypatch.setattr("dashboard.api.sends.register", away)
    response = program.post(SENDS, {"account": "bsg", "messages": [item()]})
    error = error_of(response, 503)
    assert (error["code"], error["retry_after"]) == ("unavailable", 5)
    assert b"secret" not in response.content


@pytest.mark.parametrize("debug", [True, False])
def test_a_bug_of_ours_shows_no_traceback(
    program: Program, monkeypatch: pytest.MonkeyPatch, settings: Any, debug: bool
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the secret is 254712345678")

    settings.DEBUG = debug
    monkeypatch.setattr("dashboard.api.sends.register", broken)
    response = program.post(SENDS, {"account": "bsg", "messages": [item()]})
    assert error_of(response, 500)["code"] == "internal"
    assert b"secret" not in response.content
    assert b"Traceback" not in response.content


def test_answers_are_kept_by_no_cache(program: Program) -> None:
    assert program.get("/api/v1/messages")["Cache-Control"] == "no-store"
