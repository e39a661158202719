"""Making evidence rows: what was said, byte for byte, with our own secrets masked."""

from __future__ import annotations

import hashlib
import inspect
import json
import random
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

from dashboard.ingest.objects import Writes, made
from dashboard.ingest.rows import new_keys
from dashboard.models import Account, Evidence
from providers import PROVIDERS
from providers.base import Report
from providers.http import mask_bytes

_WRITES = Writes(Evidence, [field.attname for field in Evidence._meta.concrete_fields])
KEPT_HEADERS = ("content-type", "date", "retry-after", "x-request-id", "user-agent", "x-webhook-signature")


@cache
def adapter_version(key: str) -> str:
    """Which reading code was at work: the hash of the adapter's own source."""
    source = inspect.getsource(sys.modules[type(PROVIDERS[key]).__module__])
    return hashlib.sha256(source.encode()).hexdigest()[:12]


def new_exchange() -> str:
    """A name that nobody else has. It begins with the time: what is stored together is together in the index too."""
    return f"{time.time_ns():016x}{random.getrandbits(64):016x}"  # noqa: S311 - no secret


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and numbers as they came (Decimal keeps its digits): the same value, the same bytes."""
    return _encode(value).encode()


def _encode(value: Any) -> str:
    if isinstance(value, dict):
        pairs = sorted((str(key), child) for key, child in value.items())
        return "{" + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{_encode(child)}" for key, child in pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_encode, value)) + "]"
    if isinstance(value, Decimal):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def evidence(
    account: Account,
    call: str,
    body: bytes,
    received_at: datetime,
    *,
    exchange_id: str = "",
    is_item: bool = False,
    http_status: int | None = None,
    headers: Mapping[str, str] | None = None,
    context: dict[str, Any] | None = None,
    signature: str = "",
    problem: str = "",
    mask: list[str] | None = None,
) -> Evidence:
    """An unsaved evidence row. `mask` lists what the kept body must not contain (default: the account's secrets)."""
    kept = mask_bytes(body, account.secrets() if mask is None else mask)
    lowered = {name.lower(): value for name, value in (headers or {}).items()}
    received_sha256 = hashlib.sha256(body).hexdigest()
    return made(
        Evidence,
        account_id=account.pk,
        call=call,
        is_item=is_item,
        exchange_id=exchange_id or new_exchange(),
        received_at=received_at,
        http_status=http_status,
        headers={name: lowered[name][:500] for name in KEPT_HEADERS if name in lowered},
        adapter=adapter_version(account.provider_key),
        context=context or {},
        body=kept,
        received_sha256=received_sha256,
        sha256=received_sha256 if kept == body else hashlib.sha256(kept).hexdigest(),
        masked=kept != body,
        signature=signature,
        problem=problem[:300],
    )


def store(rows: Sequence[Evidence]) -> None:
    """Store new evidence; each row has its key then."""
    if rows:
        for row, pk in zip(rows, new_keys(Evidence, len(rows)), strict=True):
            row.pk = pk
        _WRITES.insert(rows)


def digest(report: Report) -> str:
    """What an answer says, as a hash: an answer that says nothing new is counted but not kept again."""
    return hashlib.sha256(repr(report).encode()).hexdigest()
