"""Programs that call the API, each with its own token."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from dashboard.api import auth
from dashboard.models import Account, ApiToken

SENDS = "/api/v1/sends"


class Program:
    """A client with a Bearer token; `answer` is the last response's JSON."""

    def __init__(self, *scopes: str, account: Account | None = None) -> None:
        self.token, self.secret = ApiToken.issue("test", set(scopes), account)
        self.client = Client(raise_request_exception=True)

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(path, query, headers=self.headers())

    def post(self, path: str, body: Any, content_type: str = "application/json", **headers: str) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body, default=float).encode()
        return self.client.post(path, data, content_type=content_type, headers=self.headers(**headers))

    def headers(self, **more: str) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.secret}",
            **{name.replace("_", "-"): value for name, value in more.items()},
        }

    def send(self, *items: Any, account: str = "bsg") -> dict[str, Any]:
        response = self.post(SENDS, {"account": account, "messages": list(items)})
        assert response.status_code == 200, response.content
        found: dict[str, Any] = response.json()
        return found


def item(number: int = 0, **fields: Any) -> dict[str, Any]:
    """A good item; `number` makes its id and its phone number."""
    return {"provider_message_id": f"m{number}", "to": f"+2547123{number:05d}", **fields}


def error_of(response: Any, status: int) -> dict[str, Any]:
    """The error in the answer, whose shape is checked."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    body = response.json()
    assert set(body) == {"error"}
    error: dict[str, Any] = body["error"]
    assert {"code", "message"} <= set(error) <= {"code", "message", "field", "retry_after"}
    assert error["code"]
    assert error["message"]
    return error


def total(answer: dict[str, Any]) -> Decimal:
    refused = {fault["index"] for fault in answer["errors"] if fault["code"] not in ("differs", "unknown_field")}
    return Decimal(answer["accepted"] + answer["duplicates"] + len(refused))


@pytest.fixture(autouse=True)
def _rested() -> None:
    auth._left.clear()


@pytest.fixture
def account(db: None) -> Account:
    return Account.make(slug="bsg", provider_key="bsg", currency="EUR")


@pytest.fixture
def other(db: None) -> Account:
    return Account.make(slug="other", provider_key="esms_africa")


@pytest.fixture
def program(account: Account) -> Program:
    return Program("read", "write")


@pytest.fixture
def make_program(db: None) -> Callable[..., Program]:
    return Program
