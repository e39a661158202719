"""`POST /sends`: messages that somebody else has sent, as items of ours or as the provider's own reply."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.http import HttpRequest
from ninja import Router

from dashboard.api.auth import Needs, account_for
from dashboard.api.body import read_model
from dashboard.api.errors import ApiError, misshapen
from dashboard.api.schemas import ErrorAnswer, SendsIn, SendsOut
from dashboard.ingest.incoming import FIELDS, Fault, incoming
from dashboard.ingest.register import Registered, Send, register
from dashboard.ingest.replies import ReplyRefused, register_reply
from dashboard.models import Account, Message
from dashboard.models.messages import Source

MOST_ITEMS = 1_000
CHUNK = 500  # items in one transaction

router = Router(tags=["sends"])


@router.post(
    "/sends",
    auth=Needs("write"),
    summary="Register sends",
    response={200: SendsOut, frozenset((400, 401, 403, 404, 413, 415, 422, 429)): ErrorAnswer},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/SendsIn"}}},
        }
    },
)
def register_sends(request: HttpRequest) -> dict[str, Any]:
    """Give either `messages` (up to 1,000, 5 MB) or `response`, the provider's own send reply, perhaps with the
    `request` it answers. Good items are kept when others are bad: each fault names its item's index. The same
    item again is a duplicate: empty fields are filled, different values stay as first given and are named (`differs`).
    A report that came before its message counts at once: `status` is what is known when the call returns.

    422 `provider_refused` is a reply in which the provider said no to the whole send: there is nothing to follow.
    """
    body = read_model(request, SendsIn)
    account = account_for(request.auth, body.account)  # type: ignore[attr-defined]
    if (body.messages is None) == (body.response is None):
        misshapen("messages", "Give either messages or response.")
    if body.messages is not None:
        if body.request is not None:
            misshapen("request", "A request goes with a response, not with messages.")
        if len(body.messages) > MOST_ITEMS:
            raise ApiError(413, "too_many", f"At most {MOST_ITEMS:,} messages in one call; send the rest in another.")
        return _items(account, body.messages)
    return _reply(account, body.response, body.request)


def _items(account: Account, items: Sequence[Any]) -> dict[str, Any]:
    faults: list[tuple[int, Fault]] = []
    sends: list[tuple[int, Send]] = []
    for index, item in enumerate(items):
        read = incoming(item)
        if isinstance(read, Send):
            sends.append((index, read))
        else:
            faults += [(index, fault) for fault in read]
    faults += _unknown_fields(items)
    results: list[tuple[int, Registered]] = []
    for start in range(0, len(sends), CHUNK):
        part = sends[start : start + CHUNK]
        found = register(account, [send for _, send in part], Source.API)
        results += [(index, result) for (index, _), result in zip(part, found, strict=True)]
    return _answer(results, faults)


def _unknown_fields(items: Iterable[Any]) -> list[tuple[int, Fault]]:
    """Each field that we ignore, named once: it may be a slip of the pen."""
    first: dict[str, int] = {}
    for index, item in enumerate(items):
        if isinstance(item, dict):
            for name in item.keys() - FIELDS:
                first.setdefault(name[:100], index)
    message = "There is no such field; it was ignored, here and in all items after this one."
    return [(index, Fault(name, "unknown_field", message)) for name, index in sorted(first.items())[:100]]


def _reply(account: Account, payload: Any, sent: Any) -> dict[str, Any]:
    try:
        found = register_reply(account, payload, sent, Source.API)
    except ReplyRefused as refusal:
        raise ApiError(422, refusal.code, refusal.message, field="response") from None
    return _answer(found.results, found.faults)


def _answer(results: Sequence[tuple[int, Registered]], faults: list[tuple[int, Fault]]) -> dict[str, Any]:
    kept = [(index, result) for index, result in results if result.message_id is not None]
    for index, result in results:
        if result.refused is not None:
            faults.append((index, Fault(*result.refused)))
        for name in result.differs:
            faults.append((index, Fault(name, "differs", "A different value was given first; it stays.")))
    pks = {result.message_id or 0 for _, result in kept}
    rows = Message.objects.filter(pk__in=pks).values_list("pk", "provider_message_id", "status")
    known = {pk: (provider_id, status) for pk, provider_id, status in rows}
    return {
        "accepted": sum(result.new for _, result in kept),
        "duplicates": sum(not result.new for _, result in kept),
        "errors": [
            {"index": index, "field": fault.field, "code": fault.code, "error": fault.message}
            for index, fault in sorted(faults, key=lambda pair: pair[0])
        ],
        "messages": [
            {
                "index": index,
                "id": str(result.message_id),
                "provider_message_id": known[result.message_id or 0][0],
                "status": known[result.message_id or 0][1],
            }
            for index, result in kept
        ],
    }
