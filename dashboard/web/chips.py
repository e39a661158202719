"""How each status looks: a shape, an icon, a word and a colour. Never the colour alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy

from providers.base import Status

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


@dataclass(frozen=True, slots=True)
class Chip:
    kind: str  # the CSS class: shape and colour
    icon: str
    word: StrOrPromise


CHIPS: dict[Status, Chip] = {
    Status.CREATED: Chip("pending", "circle-dashed", gettext_lazy("Not sent yet")),
    Status.SENDING: Chip("pending", "send", gettext_lazy("Sending")),
    Status.OUTCOME_UNKNOWN: Chip("unknown", "question-mark", gettext_lazy("Outcome unknown")),
    Status.QUEUED: Chip("pending", "hourglass", gettext_lazy("Queued")),
    Status.SUBMITTED: Chip("pending", "dots", gettext_lazy("Submitted")),
    Status.SENT: Chip("pending", "dots", gettext_lazy("Sent, waiting")),
    Status.RETRYING: Chip("pending", "refresh", gettext_lazy("Provider retries")),
    Status.UNKNOWN: Chip("unknown", "question-mark", gettext_lazy("Unknown")),
    Status.FAILED: Chip("failed", "x", gettext_lazy("Failed")),
    Status.CANCELLED: Chip("failed", "minus", gettext_lazy("Cancelled")),
    Status.REJECTED: Chip("failed", "ban", gettext_lazy("Rejected")),
    Status.UNDELIVERABLE: Chip("failed", "circle-x", gettext_lazy("Undeliverable")),
    Status.EXPIRED: Chip("expired", "clock", gettext_lazy("Expired")),
    Status.DELIVERED: Chip("delivered", "check", gettext_lazy("Delivered")),
}
