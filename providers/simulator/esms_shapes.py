"""How eSMS Africa writes a message down: the status reply, its timeline, the webhook."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from providers.simulator.api import Api
from providers.simulator.engine import Event, Message, iso_z

WORDS = {"undeliverable": "failed", "rejected": "failed", "expired": "failed"}
SDK_WORDS = {"undeliverable": "undelivered"}
RATE = Decimal("0.03434857")  # wallet currency (KES) for one unit of a route's currency, the same for all here
DLR = {
    "delivered": "DELIVRD", "failed": "FAILED", "undeliverable": "UNDELIV", "rejected": "REJECTD", "expired": "EXPIRED",
    "unknown": "UNKNOWN", "sent": "ACCEPTD",
}  # fmt: skip
EVENTS = {"queued": "accepted", "undeliverable": "failed", "rejected": "failed", "expired": "failed"}


class Country(NamedTuple):
    code: str
    currency: str
    price: Decimal

    @property
    def route(self) -> str:
        return f"ESMS_{self.code}"


COUNTRIES = {
    "256": Country("UG", "UGX", Decimal(35)),
    "254": Country("KE", "KES", Decimal("0.8")),
    "255": Country("TZ", "TZS", Decimal(28)),
    "250": Country("RW", "RWF", Decimal(12)),
    "233": Country("GH", "GHS", Decimal("0.3")),
    "234": Country("NG", "NGN", Decimal(4)),
}
ELSEWHERE = Country("INT", "USD", Decimal("0.05"))


def route_of(digits: str) -> Country:
    return COUNTRIES.get(digits[:3], ELSEWHERE)


def bare(message_id: str) -> str:
    """`msg-<uuid>` and the UUID alone are the same message."""
    return message_id.lower().removeprefix("msg-")


def datetime_of(text: str | None) -> float | None:
    """-1.0 if it is no time."""
    if not text:
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return -1.0
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


class Shapes(Api):
    def word(self, event: Event) -> str:
        words = SDK_WORDS if self.mode("words") == "sdk" else WORDS
        return words.get(event.word, event.word)

    def retry_count(self, message: Message, now: float) -> int:
        return message.manual_retries + sum(1 for e in message.history(now) if e.word == "retrying")

    def final_for_now(self, message: Message, event: Event) -> bool:
        """False for a failure that the provider itself will follow with a retry."""
        later = [e.word for e in message.events() if e.at > event.at]
        return not later or later[0] != "retrying"

    def _detail(self, event: Event) -> str:
        if event.detail:
            return f"DLR: {event.detail}" if event.detail.isupper() else event.detail
        plain = {"queued": "API request received", "submitted": "Gateway accepted", "scheduled": "Scheduled"}
        plain["retrying"] = "Automatic retry"
        return plain.get(event.word) or f"DLR: {DLR.get(event.word, event.word.upper())}"

    def _entry(self, message: Message, event: Event) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "event": EVENTS.get(event.word, event.word),
            "status": self.word(event),
            "detail": self._detail(event),
            "at": iso_z(event.at),
        }
        if event.word == "submitted":
            entry["metadata"] = {"gateway_message_id": f"{int(event.at):08x}-{message.id[9:23]}"}
        return entry

    def _error(self, event: Event) -> tuple[str | None, str | None]:
        if event.word not in DLR or event.word in {"delivered", "sent"}:
            return None, None
        detail = self._detail(event)
        return detail.removeprefix("DLR: "), detail

    def row(self, message: Message, event: Event, *, timeline: bool) -> dict[str, Any]:
        now = self.now
        country = route_of(message.digits)
        history = message.history(now)
        code, text = self._error(event)
        delivered, submitted = message.first(now, "delivered"), message.first(now, "submitted")
        row: dict[str, Any] = {
            "id": f"msg-{message.id}",
            "phone": f"+{message.digits}",
            "text": message.text,
            "sender_id": message.sender,
            "route": country.route,
            "country": country.code,
            "segments": message.parts,
            "cost": float(country.price * message.parts),
            "currency": country.currency,
            "status": self.word(event),
            "error_code": code,
            "error_message": text,
            "retry_count": self.retry_count(message, now),
            "batch_id": message.batch_id or None,
            "created_at": iso_z(message.created),
            "submitted_at": iso_z(submitted.at) if submitted else None,
            "delivered_at": iso_z(delivered.at) if delivered else None,
            "failed_at": iso_z(event.at) if self.word(event) == "failed" else None,
        }
        if timeline:
            row["timeline"] = [self._entry(message, e) for e in history]
        return row

    def webhook_body(self, message: Message, event: Event) -> dict[str, Any]:
        """`cost` is the route's price, without a currency; the id has no `msg-`."""
        code, _ = self._error(event)
        word = self.word(event)
        return {
            "event": f"message.{word}",
            "message_id": message.id,
            "status": word,
            "phone": f"+{message.digits}",
            "sender_id": message.sender,
            "segments": message.parts,
            "cost": float(route_of(message.digits).price * message.parts),
            "error_code": code,
            "retry_count": self.retry_count(message, event.at),
            "delivered_at": iso_z(event.at) if word == "delivered" else None,
            "failed_at": iso_z(event.at) if word == "failed" else None,
        }
