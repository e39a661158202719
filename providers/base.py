"""The words every adapter is written in: no Django, no socket, no clock.

An adapter *describes* a request (`Request`) and *reads* a reply (`Report`); `providers.http` is the only part
that touches the network, and the dashboard is the only part that remembers anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Literal
from urllib.parse import parse_qsl, quote

from providers.errors import (
    ErrorCode as ErrorCode,
    ProviderError as ProviderError,
    for_call as for_call,
    needed as needed,
    read as read,
    require as require,
    tried as tried,
)
from providers.fields import (
    MAX_ATTEMPT as MAX_ATTEMPT,
    MAX_ID_LENGTH as MAX_ID_LENGTH,
    attempt_of as attempt_of,
    count_of as count_of,
    counters_of as counters_of,
    digits_of as digits_of,
    id_text as id_text,
    is_control as is_control,
    list_of as list_of,
    money_of as money_of,
    optional_id as optional_id,
    retry_after_of as retry_after_of,
    sentence_of as sentence_of,
    stated_time as stated_time,
    text_of as text_of,
    time_of as time_of,
    word_of as word_of,
)
from providers.strict_json import clean_text, looks_like_json as looks_like_json, strict_json


class Status(StrEnum):
    """What a message can be. Ranks and buckets live in `dashboard.domain.lifecycle`."""

    CREATED = "created"
    SENDING = "sending"
    OUTCOME_UNKNOWN = "outcome_unknown"
    QUEUED = "queued"
    SUBMITTED = "submitted"
    SENT = "sent"
    RETRYING = "retrying"
    UNKNOWN = "unknown"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    UNDELIVERABLE = "undeliverable"
    EXPIRED = "expired"
    DELIVERED = "delivered"


# --------------------------------------------------------------------------------------------- asking


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request, described and not made. It holds no credential: the socket adds `Provider.headers()`."""

    method: Literal["GET", "POST", "PUT"]
    path: str  # quoted; starts with "/"; appended to the account's base URL
    params: tuple[tuple[str, str], ...] = ()
    json: Any = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back. `headers` has lower-case names. `body` is decoded (gunzipped) and size-capped bytes."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """The body as JSON under our strict rules. Raises ProviderError("unparseable")."""
        try:
            return strict_json(self.body)
        except ValueError as error:
            raise ProviderError("unparseable", f"The reply is not readable JSON: {error}", status=self.status) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One message we want to hear about. `id` is the provider's id as first received (None: not known yet)."""

    id: str | None
    to: str = ""  # E.164 digits without "+"
    reference: str = ""
    batch_id: str = ""  # the provider's own id of the order, task, batch or message list


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request and what it asks about. `call` names how the reply is read, and what is remembered as unsupported."""

    call: str
    request: Request
    targets: tuple[Target, ...] = ()
    page: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A text we are about to send ourselves."""

    to: str  # E.164 digits without "+"
    text: str
    sender: str = ""
    reference: str = ""  # ours: letters and digits, starts with a letter, at most 32 long
    route: str = ""
    callback_url: str = ""
    idempotency_key: str = ""


# --------------------------------------------------------------------------------------------- hearing


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing said about a message: becomes one event. `status` None makes it a note: shown, never folded.

    A note with `note` empty is a word that no table lists: the admin sees it within a minute. Other notes say what
    they are: "channel" (a detail of one channel of several), "duplicate" (our reference was taken before), "not_found",
    "other_id", "unreadable", "retry".

    `attempt` counts the provider's own tries under one id, from 0. `counter` is the provider's retry counter where it
    applies to this entry: the final attempt number is the greater of `attempt` and `counter` less our own retries.
    `at` is the provider's time: aware if the zone was stated, naive if not, None if absent or unreadable.
    """

    word: str
    status: Status | None = None
    detail: str = ""
    attempt: int = 0
    counter: int | None = None
    part: str = ""
    note: str = ""
    at_raw: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one reply says about one message. Every field but `entries` may be empty: empty never overwrites.

    `cost` is only what *we* are charged; other prices go to `extra`. `recheck` asks for one confirming look (a final
    word that the provider did not number).
    """

    id: str | None = None
    to: str = ""  # digits
    reference: str = ""
    batch_id: str = ""
    entries: tuple[Entry, ...] = ()
    cost: Decimal | None = None
    currency: str = ""
    parts: int | None = None
    sender: str = ""
    text: str = ""
    route: str = ""
    sent_at: datetime | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    recheck: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A reply cut into the objects that speak of one message each. `more` asks for the next page, if there is one.

    `complete` is true when, with this page, everything the provider has to list has been listed.
    """

    items: tuple[Any, ...]
    more: Ask | None = None
    complete: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The provider's own counters for a batch: shown beside ours, never merged. Counts are 0 or more."""

    counts: Mapping[str, int]
    cost: Decimal | None = None
    currency: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendReply:
    """What a send answered, without guessing. One `items` entry per message the reply names, refused ones included.

    `to_list` is true when the provider took a whole batch and names no message: the worker lists `batch_id` until
    every number is found. `cost` is the price of the whole order where only that is given.
    """

    items: tuple[Any, ...]
    batch_id: str = ""
    to_list: bool = False
    cost: Decimal | None = None
    currency: str = ""
    balance: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialField:
    """One credential an account needs. `group` says which set it belongs to where there is a choice of sets."""

    name: str
    label: str
    optional: bool = False
    group: str = ""
    help: str = ""


class Provider:
    """One provider. A subclass is one file: a status table, what to ask, how to read. See docs/adding-a-provider.md.

    Readers (`split`, `report`, `summary_of`, `send_reply`, ...) may simply index into what they are given: call
    them through `read()`, which turns every KeyError, TypeError and the like into one ProviderError("unparseable").
    """

    key: ClassVar[str]
    label: ClassVar[str]
    docs: ClassVar[str]
    base_url: ClassVar[str]
    credentials: ClassVar[tuple[CredentialField, ...]] = (CredentialField(name="api_key", label="API key"),)
    words: ClassVar[Mapping[str, Status]]
    rate: ClassVar[float] = 10.0  # requests a second, when the admin says nothing else
    fresh_for: ClassVar[int] = 5  # seconds an answer stays fresh: not asked again before, whoever clicks
    numbers_attempts: ClassVar[bool] = False
    reopens_failed_for: ClassVar[int] = 0  # seconds a `failed` may still be reopened by the provider itself
    webhook_setup: ClassVar[str] = ""  # how reports get to us, in words for the admin; empty: it has no webhooks
    webhook_signed: ClassVar[bool] = False
    has_retry: ClassVar[bool] = False
    has_summary: ClassVar[bool] = False
    not_documented: ClassVar[tuple[str, ...]] = ()  # shown to admins: what nobody can know from the documents

    # -- asking

    def headers(self, credentials: Mapping[str, str]) -> dict[str, str]:
        """The authentication headers. Raises ProviderError("credentials") where a needed field is missing."""
        raise NotImplementedError

    def asks(self, targets: Sequence[Target], without: frozenset[str] = frozenset()) -> list[Ask]:
        """The requests that learn the state of all `targets`, using no call named in `without`.

        With every optional call in `without` this is the seed document's own call, one per message. Targets that
        cannot be asked about (no id, no reference, no batch) are left out.
        """
        raise NotImplementedError

    def summary_ask(self, batch_id: str, without: frozenset[str] = frozenset()) -> Ask | None:
        """How to ask for the provider's own counters of a batch, using no call named in `without`.

        None: it has no such call, or none left.
        """
        return None

    def listing_ask(self, batch_id: str, without: frozenset[str] = frozenset()) -> Ask | None:
        """How to list the messages of a batch, using no call named in `without`. None: no such call, or none left."""
        return None

    def probe_ask(self) -> Ask:
        """A harmless request that proves the credentials: the balance where there is one."""
        raise NotImplementedError

    def send_request(self, outgoing: Outgoing) -> Request:
        """The request that sends one text. Raises ProviderError("invalid") for what the provider would refuse."""
        raise NotImplementedError

    def retry_request(self, message_id: str) -> Request:
        """The provider's own retry of a message (only where `has_retry`)."""
        raise NotImplementedError

    # -- hearing

    def error(self, call: str, reply: Reply) -> ProviderError | None:
        """What is wrong with this reply as a whole; None if it can be read. Looks at every HTTP status."""
        raise NotImplementedError

    def split(self, ask: Ask, payload: Any) -> Page:
        """Cut a reply to `ask` into one object per message. A reply about one message is itself the only item."""
        return Page(items=(payload,))

    def report(self, call: str, item: Any, asked: Target | None = None) -> Report:
        """Read one object about one message. `call` is the ask's call, "webhook" or "send"."""
        raise NotImplementedError

    def webhook_items(self, payload: Any) -> tuple[Any, ...]:
        """Cut a webhook body (JSON, or a form as a dict) into one object per message."""
        return (payload,)

    def webhook_signature_ok(self, body: bytes, headers: Mapping[str, str], secret: str) -> bool:
        """Whether the signature over these exact bytes is right (only where `webhook_signed`)."""
        raise NotImplementedError

    def summary_of(self, payload: Any) -> Summary:
        """Read the reply to `summary_ask`."""
        raise NotImplementedError

    def probe_says(self, payload: Any) -> str:
        """One sentence from the probe's reply, such as the balance; empty if it says nothing."""
        return ""

    def send_reply(self, payload: Any, request: Any = None) -> SendReply:
        """Read a send reply of any documented shape. `request` is the body that was sent, where known."""
        raise NotImplementedError

    def retry_reply(self, payload: Any) -> str:
        """The message id a retry answered with. Nothing else in that reply is believed."""
        raise NotImplementedError

    def normalise_id(self, message_id: str) -> str:
        """The form in which two ids are compared. Byte for byte unless the provider documents otherwise."""
        return message_id

    def status(self, word: str) -> Status | None:
        """What a word means; None (a note) if no table lists it."""
        return self.words.get(word.strip().lower())


# --------------------------------------------------------------------------------------------- helpers for readers


def path_part(value: str) -> str:
    """One path segment, quoted whole. Raises ProviderError("invalid") for what could leave its place."""
    if not value or len(value) > MAX_ID_LENGTH or value in {".", ".."} or any(is_control(c) for c in value):
        raise ProviderError("invalid", "This id cannot be put into a URL.", written=False)
    return quote(value, safe="")


def chunks(items: Sequence[Target], size: int) -> Iterator[tuple[Target, ...]]:
    for start in range(0, len(items), size):
        yield tuple(items[start : start + size])


def form_or_json(body: bytes, content_type: str) -> Any:
    """A webhook body as JSON, or as a dict if it is a form. Raises ProviderError("unparseable")."""
    if content_type.split(";")[0].strip().lower() == "application/x-www-form-urlencoded":
        try:
            pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, strict_parsing=True, max_num_fields=200)
        except ValueError:
            raise ProviderError("unparseable", "The form cannot be read.") from None
        form = {clean_text(name): clean_text(value) for name, value in pairs}
        if len(form) != len(pairs):
            raise ProviderError("unparseable", "The form names a field twice.")
        return form
    return Reply(status=200, body=body).json()


def http_error(reply: Reply, message: str = "", provider_code: str = "") -> ProviderError | None:
    """The error an HTTP status alone amounts to; None for 2xx. Adapters look at the body first.

    `message` is the provider's own sentence where it gave one. Statuses from RFC 9110; 404, 405 and 501 on a call
    that the seed document does not know mean "unsupported", which the adapter decides, since it knows its calls.
    """
    status = reply.status
    if 200 <= status < 300:
        return None
    said = f": {message}" if message else ""
    code: ErrorCode
    match status:
        case 401 | 403:
            code, text = "credentials", f"The provider refused the credentials (HTTP {status}){said}"
        case 402:
            code, text = "balance", f"The account has no money left{said}"
        case 404 | 410:
            code, text = "not_found", f"The provider does not know it (HTTP {status}){said}"
        case 405 | 501:
            code, text = "unsupported", f"The provider does not know this call (HTTP {status}){said}"
        case 429:
            code, text = "throttled", f"The provider asks us to slow down{said}"
        case _ if 300 <= status < 400:
            code, text = "refused", f"The provider redirects (HTTP {status}); redirects are never followed"
        case _ if status >= 500:
            code, text = "unreachable", f"The provider has trouble (HTTP {status}){said}"
        case _:
            code, text = "refused", f"The provider refused the request (HTTP {status}){said}"
    wait = retry_after_of(reply.headers) if status in {429, 503} else None
    return ProviderError(code, text[:500], status=status, provider_code=provider_code, retry_after=wait)
