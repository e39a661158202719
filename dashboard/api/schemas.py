"""The contract in types: what goes in where it is not one of `ingest.incoming`'s items, and all that comes out."""

from __future__ import annotations

from typing import Any, Literal

from ninja import Schema
from pydantic import AwareDatetime, ConfigDict, Field

from dashboard.domain.lifecycle import Bucket
from providers.base import Status


class Problem(Schema):
    code: str = Field(description="For programs; see each call.")
    message: str = Field(description="A sentence for people.")
    field: str | None = Field(default=None, description="The field it is about, where it is about one.")
    retry_after: int | None = Field(default=None, description="Seconds to wait before the next try.")


class ErrorAnswer(Schema):
    error: Problem


class SendsIn(Schema):
    account: str = Field(description="The short name of the provider account.")
    messages: list[Any] | None = Field(default=None, description="Up to 1,000 sends.")
    response: dict[str, Any] | None = Field(default=None, description="The provider's own send reply, as it came.")
    request: Any = Field(default=None, description="The body you sent to the provider; it names the numbers.")


class ItemFault(Schema):
    index: int
    field: str
    code: str = Field(
        description="missing, invalid, too_long, not_a_number, not_a_time, no_time_zone, not_money, other_recipient, "
        "unreadable; and, of an item that was taken: differs (the first value stays), unknown_field (ignored)."
    )
    error: str


class SentMessage(Schema):
    index: int
    id: str
    provider_message_id: str | None
    status: Status


class SendsOut(Schema):
    accepted: int
    duplicates: int
    errors: list[ItemFault]
    messages: list[SentMessage]


class MessageFilters(Schema):
    model_config = ConfigDict(coerce_numbers_to_str=True)

    reference: str = ""
    provider_message_id: str = Field(default="", description="Matches as the provider's ids do, over all accounts.")
    status: str = ""
    bucket: str = ""
    account: str = ""
    batch: str = Field(default="", description="Our id of the batch, or its name.")
    since: AwareDatetime | None = Field(default=None, description="Sent at or after.")
    until: AwareDatetime | None = Field(default=None, description="Sent before.")
    overdue: bool = False
    conflict: bool = False
    cursor: str = Field(default="", description="`next` of the page before.")


class MessageSearch(MessageFilters):
    phone: str = Field(default="", description="A whole phone number. Never in a URL: those are logged.")


class BatchName(Schema):
    id: str
    name: str


class MessageOut(Schema):
    id: str
    account: str
    provider_message_id: str | None
    to: str | None = Field(description="E.164, or null when retention has taken it.")
    status: Status
    bucket: Bucket = Field(description="What it counts as in its batch, its retries considered.")
    conflict: bool
    provider_status: str | None
    attempt: int
    reference: str
    batch: BatchName | None
    provider_batch_id: str
    text: str | None
    sender: str
    route: str
    parts: int | None
    cost: str | None
    currency: str
    sent_at: str
    valid_until: str | None


class MessagesOut(Schema):
    items: list[MessageOut]
    next: str | None


class TimelineOut(Schema):
    status: Status | None = Field(description="Null is a note: shown, never part of the state.")
    provider_status: str | None
    detail: str
    sources: list[str]
    count: int
    occurred_at: str | None = Field(description="The provider's clock, if it said.")
    received_at: str = Field(description="Our clock, the first time.")


class RetryOut(Schema):
    id: str
    state: Literal["open", "sending", "outcome_unknown", "accepted", "not_sent", "refused", "cancelled"]
    message_id: str | None
    created_at: str
    reason: str


class MessageDetail(MessageOut):
    timeline: list[TimelineOut]
    retries: list[RetryOut]


class RetryIn(Schema):
    reason: str = Field(default="", description="Why this person is texted again; kept for good.")
    account: str = Field(default="", description="Send through another account.")
    text: str = Field(default="", description="Needed where the first text is not known any more.")
    sender: str = ""


class Buckets(Schema):
    delivered: int
    expired: int
    undeliverable: int
    unknown: int
    pending: int


class CostOut(Schema):
    currency: str | None
    amount: str
    level: Literal["message", "batch"]


class BatchOut(Schema):
    id: str
    account: str
    name: str
    provider_batch_id: str
    created_at: str
    total: int
    buckets: Buckets
    provider_report: dict[str, Any] | None
    cost: list[CostOut]


class BatchesOut(Schema):
    items: list[BatchOut]
    next: str | None


class BatchFilters(Schema):
    account: str = ""
    name: str = ""
    provider_batch_id: str = ""
    cursor: str = ""
