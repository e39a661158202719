"""How each status looks: a shape, an icon, a word and a colour. Never the colour alone."""

from __future__ import annotations

from dataclasses import dataclass

from providers.base import Status


@dataclass(frozen=True, slots=True)
class Chip:
    kind: str  # the CSS class: shape and colour
    icon: str
    word: str


CHIPS: dict[Status, Chip] = {
    Status.CREATED: Chip("pending", "circle-dashed", "Not sent yet"),
    Status.SENDING: Chip("pending", "send", "Sending"),
    Status.OUTCOME_UNKNOWN: Chip("unknown", "question-mark", "Outcome unknown"),
    Status.QUEUED: Chip("pending", "hourglass", "Queued"),
    Status.SUBMITTED: Chip("pending", "dots", "Submitted"),
    Status.SENT: Chip("pending", "dots", "Sent, waiting"),
    Status.RETRYING: Chip("pending", "refresh", "Provider retries"),
    Status.UNKNOWN: Chip("unknown", "question-mark", "Unknown"),
    Status.FAILED: Chip("failed", "x", "Failed"),
    Status.CANCELLED: Chip("failed", "minus", "Cancelled"),
    Status.REJECTED: Chip("failed", "ban", "Rejected"),
    Status.UNDELIVERABLE: Chip("failed", "circle-x", "Undeliverable"),
    Status.EXPIRED: Chip("expired", "clock", "Expired"),
    Status.DELIVERED: Chip("delivered", "check", "Delivered"),
}
