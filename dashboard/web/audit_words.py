"""What the audit calls things: each action in words, and where the thing that a row is about has its page."""

from __future__ import annotations

from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _

# Every action that is written, by what it is about. A test compares this with the code.
GROUPS: dict[Any, dict[str, Any]] = {
    _("Sending"): {
        "retry": _("Asked to send again"),
        "retry refused": _("Was refused to send again"),
        "retry ended": _("Sending ended"),
        "test text": _("Sent a test text"),
        "test text refused": _("Was refused a test text"),
        "opted out": _("Noted an opt-out"),
        "opt-out lifted": _("Lifted an opt-out"),
        "attach report": _("Attached a report"),
    },
    _("Sending many again"): {
        "bulk.planned": _("Planned to send many again"),
        "bulk.approved": _("Approved it"),
        "bulk.went_on": _("Went on after the first few"),
        "bulk.paused": _("Paused it"),
        "bulk.resumed": _("Resumed it"),
        "bulk.stopped": _("Stopped it"),
        "bulk.dropped": _("Dropped the plan"),
        "bulk.ended": _("Came to its end"),
    },
    _("Exports"): {
        "messages.exported": _("Exported messages"),
        "bulk.exported": _("Exported a report of many"),
        "audit.exported": _("Exported the audit"),
    },
    _("Accounts"): {
        "account.added": _("Added an account"),
        "account.changed": _("Changed an account"),
        "account.saved": _("Saved an account by command"),
        "account.credentials": _("Replaced credentials"),
        "account.tested": _("Tested a connection"),
        "account.webhook_rotated": _("Made a new webhook address"),
    },
    _("People and programs"): {
        "person.added": _("Added a person"),
        "person.roles": _("Changed roles"),
        "person.enabled": _("Let a person in again"),
        "person.disabled": _("Shut a person out"),
        "person.password_reset": _("Reset a password"),
        "person.password_changed": _("Changed their password"),
        "person.signed_out": _("Was signed out"),
        "person.second_factor_set_up": _("Set up a second factor"),
        "person.second_factor_reset": _("Reset a second factor"),
        "person.second_factor_refused": _("Typed a wrong code"),
        "person.recovery_code_used": _("Used a recovery code"),
        "person.recovery_codes_made": _("Made recovery codes"),
        "token.created": _("Made an API token"),
        "token.revoked": _("Revoked an API token"),
    },
    _("Keeping and forgetting"): {
        "pruned": _("Forgot what was old"),
        "erased": _("Erased a person"),
        "keys.rotated": _("Sealed secrets with a new key"),
    },
}
WORDS: dict[str, Any] = {action: words for group in GROUPS.values() for action, words in group.items()}
CHOICES = [("", _("Anything")), *((group, list(actions.items())) for group, actions in GROUPS.items())]

# Subjects are "message 12": what each kind's page is called, and whether a number names it.
KINDS: dict[str, tuple[str, bool]] = {
    "message": ("message", True), "batch": ("batch", True), "bulk": ("bulk", True),
    "account": ("account", False), "recipient": ("recipient", False),
    "person": ("", False), "token": ("", False),
}  # fmt: skip


def page_of(subject: str) -> str:
    """The page of what a row is about; "" if it has none."""
    kind, _space, name = subject.partition(" ")
    page, numbered = KINDS.get(kind, ("", False))
    if not page or not name or (numbered and not (name.isascii() and name.isdigit())):
        return ""
    try:
        return reverse(page, args=[int(name) if numbered else name])
    except NoReverseMatch:
        return ""
