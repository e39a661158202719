"""Reading messages: lists by filter, and one with its whole story."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Query, Router, Schema

from dashboard.api.auth import Needs, account_for, message_for
from dashboard.api.body import read_model
from dashboard.api.errors import ApiError, misshapen
from dashboard.api.schemas import ErrorAnswer, MessageDetail, MessageFilters, MessageSearch, MessagesOut
from dashboard.api.shapes import listed, message_shape, retry_shape, timeline_shape
from dashboard.domain import phone
from dashboard.models import ApiToken, Message, Recipient, Retry
from dashboard.queries import BadFilter, filter_messages, page, through
from dashboard.story import story
from dashboard.vault import phone_hmac

PAGE = 100
HERE = {"account", "cursor"}  # filters that are seen to here
READ_ERRORS = frozenset((400, 401, 403, 404, 422, 429))

router = Router(tags=["messages"], auth=Needs("read"))


@router.get("/messages", response={200: MessagesOut, READ_ERRORS: ErrorAnswer}, summary="List messages")
def list_messages(request: HttpRequest, filters: Query[MessageFilters]) -> dict[str, Any]:
    """Newest first, 100 a page; `next` is the `cursor` of the following page, null at the end. Messages that match
    everything given. A phone number is never given in a URL: use the search.
    """
    known_parameters(request, MessageFilters)
    return _page(request.auth, filters)  # type: ignore[attr-defined]


@router.post(
    "/messages/search",
    response={200: MessagesOut, READ_ERRORS | {413, 415}: ErrorAnswer},
    summary="Search messages, also by phone number",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/MessageSearch"}}},
        }
    },
)
def search_messages(request: HttpRequest) -> dict[str, Any]:
    """The same filters in the body, and `phone`."""
    known_parameters(request)
    search = read_model(request, MessageSearch)
    return _page(request.auth, search, search.phone)  # type: ignore[attr-defined]


@router.get(
    "/messages/{message_id}", response={200: MessageDetail, READ_ERRORS: ErrorAnswer}, summary="One message's story"
)
def one_message(request: HttpRequest, message_id: str) -> dict[str, Any]:
    """All that was ever heard about a message, merged and in order, and what was sent again for it."""
    known_parameters(request)
    message = message_for(request.auth, message_id)  # type: ignore[attr-defined]
    retries = Retry.objects.filter(~Retry.FIRST, root_id=message.root_pk).order_by("pk")
    return {
        **message_shape(message),
        "timeline": [timeline_shape(entry) for entry in story(message.events.all())],
        "retries": [retry_shape(retry) for retry in retries],
    }


def known_parameters(request: HttpRequest, schema: type[Schema] | None = None) -> None:
    """Refuse what a URL must not hold, and what would silently filter nothing. Raises ApiError."""
    if "phone" in request.GET:
        raise ApiError(
            400,
            "phone_in_url",
            "A URL is logged: give phone in the body of POST /api/v1/messages/search.",
            field="phone",
        )
    known = set(schema.model_fields if schema else ())
    unknown = sorted(set(request.GET) - known)
    if unknown:
        misshapen(unknown[0][:100], f"There is no filter {unknown[0][:100]!r} here.", "unknown_field")


def _page(token: ApiToken, filters: MessageFilters, number: str = "") -> dict[str, Any]:
    narrowed = {name: getattr(filters, name) for name in MessageFilters.model_fields.keys() - HERE}
    try:
        found = filter_messages(**narrowed)
        if filters.account:
            found = through(found, account_for(token, filters.account).pk)
        elif token.account_id:
            found = through(found, token.account_id)
        wanted = _of_number(found, number) if number else found
        rows, following = page(wanted.select_related("account", "batch", "recipient"), filters.cursor, PAGE)
    except BadFilter as error:
        misshapen(error.field, str(error))
    return listed([message_shape(message) for message in rows], following)


def _of_number(found: QuerySet[Message], number: str) -> QuerySet[Message]:
    try:
        digits = phone.parse(number[:100], settings.DEFAULT_REGION)
    except phone.NotANumber as error:
        misshapen("phone", str(error), "not_a_number")
    recipient = Recipient.objects.filter(hmac=phone_hmac(digits)).values_list("pk", flat=True).first()
    return found.filter(recipient=recipient) if recipient else found.none()
