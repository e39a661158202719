"""How an account is doing, in words. No credential is needed to say it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from django.utils.translation import gettext as _, gettext_lazy

from dashboard.models import Account
from dashboard.web.tags import absolute, short

LATE = timedelta(minutes=2)  # a check may be due this long before it is worth a word
Level = Literal["ok", "warn", "bad", "off"]
ICONS: dict[Level, str] = {"ok": "circle-check", "warn": "alert-triangle", "bad": "alert-circle", "off": "player-pause"}

# A ProviderError code as the reason why a whole account waits.
REASONS = {
    "credentials": gettext_lazy("the provider refuses the credentials"),
    "balance": gettext_lazy("the account has no money left"),
    "throttled": gettext_lazy("the provider asked us to slow down"),
    "unreachable": gettext_lazy("the provider cannot be reached"),
    "unparseable": gettext_lazy("the provider's answers cannot be read"),
    "refused": gettext_lazy("the provider refuses our requests"),
}


@dataclass(frozen=True, slots=True)
class Health:
    """One sentence about an account, and how bad it is."""

    level: Level
    sentence: str

    @property
    def icon(self) -> str:
        return ICONS[self.level]

    @property
    def word(self) -> Any:
        return {"ok": _("Working"), "warn": _("Look at it"), "bad": _("Not working"), "off": _("Off")}[self.level]


def health(account: Account, now: datetime, oldest_due: datetime | None) -> Health:
    """The one thing that matters most about the account now."""
    if not account.enabled:
        return Health("off", _("Switched off: nothing is asked and nothing is sent."))
    if not account.sealed_credentials:
        return Health("bad", _("It has no credentials, so nothing can be asked."))
    if account.paused_until and account.paused_until > now:
        why = str(REASONS.get(account.pause_reason, account.pause_reason or _("it did not say why")))
        level: Level = "warn" if account.pause_reason == "throttled" else "bad"
        return Health(level, _("Paused: %(why)s.") % {"why": why})
    if account.no_sends_until and account.no_sends_until > now:
        held = {"time": absolute(account.no_sends_until), "why": account.no_sends_why.rstrip(". ")}
        return Health("bad", _("Nothing is sent through it until %(time)s: %(why)s.") % held)
    failing = account.last_error_at is not None and (
        account.last_success_at is None or account.last_error_at > account.last_success_at
    )
    if failing:
        return Health("bad", _("The last request failed."))
    if oldest_due and now - oldest_due > LATE:
        behind = short(now - oldest_due)
        return Health("warn", _("Behind: the oldest check has been due for %(time)s.") % {"time": behind})
    if account.last_success_at is None:
        return Health("warn", _("Nothing has been asked yet."))
    return Health("ok", _("The last request was answered."))
