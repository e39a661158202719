"""What becomes of a message: steps on the provider's clock, in neutral words that each provider translates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple


class Step(NamedTuple):
    """Something that happens `after` seconds from the send. A word outside `WORDS` is told to clients as it is."""

    after: float
    word: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Fate:
    """`lag`: polls answered "not found" first. `regress`: polls that say "sent" again once "delivered" was told.

    `retry` names the fate of a retry by the provider's own retry call.
    """

    name: str
    steps: tuple[Step, ...]
    lag: int = 0
    regress: int = 0
    retry: str = "delivered"


WORDS = frozenset(
    ["scheduled", "queued", "submitted", "sent", "delivered", "failed", "undeliverable", "rejected", "expired"]
    + ["unknown", "retrying"]
)
FINAL = frozenset(["delivered", "failed", "undeliverable", "rejected", "expired", "unknown"])

_START = (Step(0, "queued"), Step(1, "submitted"))
_SENT = (*_START, Step(2, "sent"))
_THROTTLED = "THROTTLED"

FATES: dict[str, Fate] = {
    fate.name: fate
    for fate in (
        Fate("delivered", (*_SENT, Step(4, "delivered"))),
        Fate("slow", (Step(0, "queued"), Step(2, "submitted"), Step(5, "sent"), Step(20, "delivered"))),
        Fate("expired", (*_SENT, Step(20, "expired"))),
        Fate("undeliverable", (*_SENT, Step(6, "undeliverable")), retry="undeliverable"),
        Fate("rejected", (*_START, Step(3, "rejected")), retry="rejected"),
        Fate("unknown", (*_SENT, Step(20, "unknown"))),
        Fate("stuck", _SENT),
        Fate("failed", (*_START, Step(4, "failed"))),
        Fate("conflict", (*_SENT, Step(4, "delivered"), Step(10, "failed"))),
        Fate(
            "auto_retry",
            (*_START, Step(3, "failed", _THROTTLED), Step(6, "retrying"), Step(7, "submitted"))
            + (Step(8, "sent"), Step(11, "delivered")),
        ),
        Fate(
            "fails_twice",
            (*_START, Step(3, "failed", _THROTTLED), Step(6, "retrying"), Step(7, "submitted"))
            + (Step(9, "failed", _THROTTLED), Step(12, "retrying"), Step(13, "submitted"), Step(15, "failed")),
        ),
        Fate("odd_word", (*_SENT, Step(4, "quarantined"))),
        Fate("lag", (*_SENT, Step(4, "delivered")), lag=3),
        Fate("late", (*_SENT, Step(10, "expired"), Step(25, "delivered"))),
        Fate("regression", (*_SENT, Step(4, "delivered")), regress=1),
        Fate("refused", (Step(0, "rejected"),), retry="rejected"),
    )
}

_BY_DIGITS: dict[int, str] = {
    80: "expired", 81: "undeliverable", 82: "rejected", 83: "unknown", 84: "stuck", 85: "failed", 86: "conflict",
    87: "auto_retry", 88: "fails_twice", 89: "odd_word", 90: "lag", 91: "late", 92: "regression", 93: "expired",
    94: "expired", 95: "expired", 96: "undeliverable", 97: "undeliverable", 98: "undeliverable", 99: "refused",
}  # fmt: skip

# Only eSMS retries by itself; elsewhere nobody outside can see such a thing.
_WITHOUT_AUTO_RETRY = {"auto_retry": "slow", "fails_twice": "failed"}
RECOVERS = frozenset(["expired", "failed", "fails_twice", "unknown"])


def name_by_digits(digits: str) -> str:
    """The table in the package's docstring."""
    last = int(digits[-2:] or 0)
    return _BY_DIGITS.get(last, "delivered" if last < 60 else "slow")


def fate_of(spec: str | Mapping[str, Any], provider: str) -> Fate:
    """A fate from a script: a name, or {"fate", "steps": [[after, word, detail?]], "lag", "regress", "retry"}."""
    if isinstance(spec, str):
        name = spec if provider == "esms_africa" else _WITHOUT_AUTO_RETRY.get(spec, spec)
        if name not in FATES:
            raise ValueError(f"There is no fate named {spec!r}; there are {', '.join(FATES)}.")
        return FATES[name]
    fate = fate_of(str(spec.get("fate", "delivered")), provider)
    steps = tuple(Step(float(s[0]), str(s[1]), str(s[2]) if len(s) > 2 else "") for s in spec.get("steps", ()))
    return replace(
        fate,
        steps=steps or fate.steps,
        lag=int(spec.get("lag", fate.lag)),
        regress=int(spec.get("regress", fate.regress)),
        retry=str(spec.get("retry", fate.retry)),
    )
