"""The words every adapter is written in: no Django, no socket, no clock.

An adapter *describes* a request (`Request`) and *reads* a reply (`Report`); `providers.http` is the only part
that touches the network, and the dashboard is the only part that remembers anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from providers.errors import (
    ErrorCode as ErrorCode,
    ProviderError as ProviderError,
    complaint_of as complaint_of,
    for_call as for_call,
    needed as needed,
    no_money as no_money,
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
    filled as filled,
    id_text as id_text,
    is_control as is_control,
    list_of as list_of,
    money_of as money_of,
    optional_id as optional_id,
    picked as picked,
    price_text as price_text,
    retry_after_of as retry_after_of,
    sentence_of as sentence_of,
    stated_time as stated_time,
    text_of as text_of,
    time_of as time_of,
    word_of as word_of,
)
from providers.replies import (
    Reply as Reply,
    form_or_json as form_or_json,
    http_error as http_error,
    wrong_kind as wrong_kind,
)


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


ACCEPTED = Entry(word="accepted", status=Status.QUEUED)  # a send reply that names a message and says no more of it


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
    """One provider. A subclass is one file: its tables, asking, hearing, what is wrong. See docs/adding-a-provider.md.

    Readers (`split`, `report`, `summary_of`, `send_reply`, ...) may simply index into what they are given: call
    them through `read()`, which turns every KeyError, TypeError and the like into one ProviderError("unparseable").
    """

    key: ClassVar[str]
    label: ClassVar[str]
    docs: ClassVar[str]
    base_url: ClassVar[str]
    credentials: ClassVar[tuple[CredentialField, ...]] = (CredentialField(name="api_key", label="API key"),)
    words: ClassVar[Mapping[str, Status]]
    word_notes: ClassVar[Mapping[str, str]] = {}  # for people: what decides where a word alone does not
    times: ClassVar[Mapping[Status, str]] = {}  # the field that says when a message came to a status
    rate: ClassVar[float] = 10.0  # requests a second, when the admin says nothing else
    fresh_for: ClassVar[int] = 5  # seconds an answer stays fresh: not asked again before, whoever clicks
    reopens_failed_for: ClassVar[int] = 0  # seconds a `failed` may still be reopened by the provider itself
    webhook_setup: ClassVar[str] = ""  # how reports get to us, in words for the admin; empty: it has no webhooks
    webhook_signed: ClassVar[bool] = False
    has_retry: ClassVar[bool] = False
    has_summary: ClassVar[bool] = False
    # Only where its documents say so: the same send under the same reference or key never becomes two texts; a 503
    # with Retry-After means that a send was not taken.
    repeat_is_safe: ClassVar[bool] = False
    busy_is_not_sent: ClassVar[bool] = False
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

    def recent_ask(self, to: str, since: datetime, without: frozenset[str] = frozenset()) -> Ask | None:
        """How to list what was sent lately, at least to this number since then (UTC). None: no such call, or none left.

        Read by `report` with the call "recent", which tells when a message was made (`sent_at`, naive where no zone is
        stated) and its text, be it cut.
        """
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

    def summary_of(self, payload: Any) -> dict[str, int]:
        """The provider's own counters, each 0 or more: shown beside ours, never merged."""
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

    def entry(self, word: str, item: Mapping[str, Any], detail: str = "", at: str = "") -> Entry:
        """What `item` says by this word. Its time is in the field `at`, else in the one that `times` names."""
        status = self.status(word)
        at_raw, parsed = time_of(item.get(at or (self.times.get(status, "") if status else "")))
        return Entry(word=word, status=status, detail=detail, at_raw=at_raw, at=parsed)

    # -- what is wrong

    def error(self, call: str, reply: Reply) -> ProviderError | None:
        """What is wrong with this reply as a whole; None if it can be read. Looks at every HTTP status."""
        raise NotImplementedError


# --------------------------------------------------------------------------------------------- helpers for asking


def path_part(value: str) -> str:
    """One path segment, quoted whole. Raises ProviderError("invalid") for what could leave its place."""
    if not value or len(value) > MAX_ID_LENGTH or value in {".", ".."} or any(is_control(c) for c in value):
        raise ProviderError("invalid", "This id cannot be put into a URL.", written=False)
    return quote(value, safe="")


def get(path: str, **params: str | int) -> Request:
    """A GET of this path, whose ids are quoted by `path_part`."""
    return Request(method="GET", path=path, params=tuple((name, str(value)) for name, value in params.items()))


def status_asks(targets: Sequence[Target], path: str) -> list[Ask]:
    """The seed document's own call about each target that has an id, which takes the place of "{}" in the path."""
    named = [(target, path_part(target.id)) for target in targets if target.id is not None]
    return [Ask(call="status", request=get(path.format(id_)), targets=(target,)) for target, id_ in named]


def chunks(items: Sequence[Target], size: int) -> Iterator[tuple[Target, ...]]:
    """The targets of one bulk call after another. A single one left over is in none: it is cheaper asked alone."""
    for start in range(0, len(items), size):
        if len(items) - start > 1:
            yield tuple(items[start : start + size])


def worth_listing(targets: Sequence[Target]) -> dict[str, list[Target]]:
    """The batches that are cheaper listed than asked one by one (more than three), or with messages without an id."""
    batches: dict[str, list[Target]] = {}
    for target in targets:
        if target.batch_id:
            batches.setdefault(target.batch_id, []).append(target)
    return {b: members for b, members in batches.items() if len(members) > 3 or any(t.id is None for t in members)}


def uncovered(targets: Sequence[Target], asks: Sequence[Ask]) -> list[Target]:
    """The targets that none of these asks is about."""
    covered = {target for ask in asks for target in ask.targets}
    return [target for target in targets if target not in covered]


# --------------------------------------------------------------------------------------------- helpers for hearing


def page_of(ask: Ask, rows: Sequence[Any], following: Request, *, seen: int, total: int | None, limit: int) -> Page:
    """A page of a list, with the request for the following one unless this is the last; `seen` counts up to its end.

    Without a total, a page that is not full is the last. An empty one ends a list that shrank while it was read.
    """
    unseen = seen < total if total is not None else len(rows) >= limit
    more = replace(ask, page=ask.page + 1, request=following) if unseen and rows else None
    return Page(items=tuple(rows), more=more, complete=not unseen)
