"""One send as a program or a file tells it: which fields there are, and what each may be."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, NoReturn

from django.conf import settings
from pydantic import BaseModel, BeforeValidator, Field, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from dashboard.domain import phone
from dashboard.ingest.register import Send
from providers.base import MAX_ID_LENGTH, is_control

LONGEST_TEXT = 10_000
MOST_PARTS = 255
LONGEST_NUMBER = 40
MOST_MONEY = Decimal("1e12")
SMALLEST_MONEY = Decimal("0.00000001")
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a field of an item cannot be taken (or, for `unknown_field` and `differs`, what was ignored)."""

    field: str
    code: str
    message: str


class Wrong(Exception):
    """A value that cannot be taken; its one argument is the Fault."""


def incoming(item: Any) -> Send | list[Fault]:
    """The item as a send to register, or everything that is wrong with it."""
    if not isinstance(item, Mapping):
        return [Fault("", "invalid", "An item is an object.")]
    try:
        return Send(**IncomingSend.model_validate(item).model_dump())
    except ValidationError as error:
        return [_fault(found) for found in error.errors()]


def reader(field: str) -> Callable[[Any], Any]:
    """What reads one field by itself: as `incoming` does, but raising the Fault. For files, which have columns."""
    (read,) = (rule.func for rule in IncomingSend.model_fields[field].metadata if isinstance(rule, BeforeValidator))

    def read_cell(value: Any) -> Any:
        try:
            return read(value)  # type: ignore[call-arg]
        except PydanticCustomError as error:
            raise Wrong(Fault(field, error.type, error.message())) from None

    return read_cell


def _fault(found: Any) -> Fault:
    field = str(found["loc"][0]) if found["loc"] else ""
    if found["type"] == "missing":
        return Fault(field, "missing", "This field is needed.")
    return Fault(field, found["type"], found["msg"])


# ------------------------------------------------------------------------------ one reader per kind of field


def _wrong(code: str, sentence: str) -> NoReturn:
    raise PydanticCustomError(code, sentence)


def _text(value: Any, longest: int) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        _wrong("invalid", "This is text.")
    text = str(value).strip()
    if len(text) > longest:
        _wrong("too_long", f"This has at most {longest} characters.")
    if not text.isprintable() and any(map(is_control, text)):
        _wrong("invalid", "This holds a control character.")
    return text


def _id(value: Any) -> str:
    text = _text(value, MAX_ID_LENGTH)
    if text in {".", ".."}:
        _wrong("invalid", "This cannot be an id.")
    return text


def _needed_id(value: Any) -> str:
    return _id(value) or _wrong("missing", "This field is needed.")


def _number(value: Any) -> str:
    text = _text(value, LONGEST_NUMBER)
    if not text:
        _wrong("missing", "This field is needed.")
    try:
        return phone.parse(text, settings.DEFAULT_REGION)
    except phone.NotANumber as error:
        _wrong("not_a_number", str(error))


def _name(value: Any) -> str:
    return _text(value, MAX_ID_LENGTH)


def _body(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        _wrong("invalid", "This is text.")
    if len(value) > LONGEST_TEXT:
        _wrong("too_long", f"This has at most {LONGEST_TEXT} characters.")
    if "\0" in value:
        _wrong("invalid", "This holds a control character.")
    return value


def _time(value: Any) -> datetime | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > 64:
        _wrong("not_a_time", "A time is ISO 8601, like 2026-11-20T10:00:00Z.")
    try:
        at = datetime.fromisoformat(value.strip())
    except ValueError:
        _wrong("not_a_time", "A time is ISO 8601, like 2026-11-20T10:00:00Z.")
    if at.tzinfo is None:
        _wrong("no_time_zone", "This time has no zone; end it with Z or +03:00.")
    if not EARLIEST <= at < LATEST:
        _wrong("not_a_time", "A time lies between 2000 and 2100.")
    return at.astimezone(UTC)


def _money(value: Any) -> Decimal | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        _wrong("not_money", "This is an amount of money, like 0.088.")
    try:
        amount = Decimal(str(value).strip())
    except InvalidOperation:
        _wrong("not_money", "This is an amount of money, like 0.088.")
    if not amount.is_finite() or not 0 <= amount < MOST_MONEY:
        _wrong("not_money", "This amount is below zero or too great.")
    return amount.quantize(SMALLEST_MONEY)


def _currency(value: Any) -> str:
    text = _text(value, 8)
    if text and not re.fullmatch(r"[A-Za-z]{3,8}", text):
        _wrong("invalid", "A currency is 3 to 8 letters, like KES.")
    return text.upper()


def _parts(value: Any) -> int | None:
    if value is None or value == "":
        return None
    text = "" if isinstance(value, bool) else str(value)
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= MOST_PARTS:
        _wrong("invalid", f"Parts are a number from 1 to {MOST_PARTS}.")
    return int(text)


def _short(longest: int) -> BeforeValidator:
    return BeforeValidator(lambda value: _text(value, longest))


def _shown(kind: str, **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": kind, **more})


class IncomingSend(BaseModel):
    """One message that somebody has sent. Only the first two fields are needed."""

    provider_message_id: Annotated[
        str, BeforeValidator(_needed_id), _shown("string", maxLength=255, description="The provider's id, as it came.")
    ]
    to: Annotated[str, BeforeValidator(_number), _shown("string", description="A phone number, best with + and code.")]
    reference: Annotated[str, BeforeValidator(_name), _shown("string", maxLength=255)] = Field(
        default="", description="Your own id of the message."
    )
    batch: Annotated[str, BeforeValidator(_name), _shown("string", maxLength=255)] = Field(
        default="", description="A name for messages that belong together."
    )
    provider_batch_id: Annotated[str, BeforeValidator(_id), _shown("string", maxLength=255)] = Field(
        default="", description="The provider's order, task, batch or message list."
    )
    text: Annotated[str | None, BeforeValidator(_body), _shown("string", maxLength=LONGEST_TEXT)] = None
    sender: Annotated[str, _short(50), _shown("string", maxLength=50)] = ""
    sent_at: Annotated[datetime | None, BeforeValidator(_time), _shown("string", format="date-time")] = None
    valid_until: Annotated[datetime | None, BeforeValidator(_time), _shown("string", format="date-time")] = None
    cost: Annotated[
        Decimal | None, BeforeValidator(_money), _shown("string", description="A number is taken as well.")
    ] = None
    currency: Annotated[str, BeforeValidator(_currency), _shown("string", minLength=3, maxLength=8)] = ""
    parts: Annotated[int | None, BeforeValidator(_parts), _shown("integer", minimum=1, maximum=MOST_PARTS)] = None
    route: Annotated[str, _short(100), _shown("string", maxLength=100)] = ""


FIELDS: frozenset[str] = frozenset(IncomingSend.model_fields)
