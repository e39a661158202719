"""What a rule finds, and the rules about texts that arrived and about our own sending."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from dashboard.domain.language import gettext as _, gettext_noop, ngettext
from dashboard.domain.lifecycle import NEGATIVE_FINALS, PENDING
from dashboard.domain.timeline import TimelineEntry
from dashboard.domain.verdict_facts import Clause, Facts, lasting, quote
from dashboard.domain.verdict_kinds import Kind, Side, Sure
from providers.base import Status

UNTAKEN = timedelta(minutes=5)  # a send of ours may wait this long
LATE_AFTER = timedelta(hours=1)  # where nothing is known about the usual delay
TIMES_LATE, LATE_AT_LEAST = 4, timedelta(minutes=10)

# Why an account cannot be used: whose side that is, why in words, and what an administrator has to know.
TROUBLES: dict[str, tuple[Side, str, str]] = {
    "off": (
        Side.OURS,
        gettext_noop("the account {account} is switched off"),
        gettext_noop("{account} would have to be switched on"),
    ),
    "no_credentials": (
        Side.OURS,
        gettext_noop("the account {account} has no credentials"),
        gettext_noop("{account} needs its credentials"),
    ),
    "credentials": (
        Side.OURS,
        gettext_noop("{provider} refuses our credentials"),
        gettext_noop("{account} needs new credentials"),
    ),
    "balance": (
        Side.OURS,
        gettext_noop("the account {account} has no money left"),
        gettext_noop("{account} needs money"),
    ),
    "throttled": (
        Side.PROVIDER,
        gettext_noop("{provider} asked us to slow down"),
        gettext_noop("{account} is asked too often"),
    ),
    "unreachable": (
        Side.PROVIDER,
        gettext_noop("{provider} cannot be reached"),
        gettext_noop("{provider} cannot be reached"),
    ),
    "unparseable": (
        Side.PROVIDER,
        gettext_noop("the answers of {provider} cannot be read"),
        gettext_noop("{provider} answers in an odd way"),
    ),
}
OTHER_TROUBLE = (
    Side.PROVIDER,
    gettext_noop("{provider} refuses our requests"),
    gettext_noop("{provider} refuses our requests"),
)


@dataclass(slots=True)
class Finding:
    """The words to use, what they stand on (None: nothing to say there), and what fills or changes them."""

    kind: Kind
    because: Iterable[Clause | None]
    fill: dict[str, str] = field(default_factory=dict)
    side: Side | None = None
    sure: Sure | None = None


# ------------------------------------------------------------------------------ it arrived


def arrived(facts: Facts) -> Finding | None:
    if facts.status is not Status.DELIVERED:
        return None
    report = facts.deciding
    took = report.when - facts.sent_at if report else None
    timely = report is not None and _is_timely(report)
    fill = {"at": f" {facts.clock(report.when)}" if report and timely else "", "took": lasting(took) if took else ""}
    stands = [facts.quoted(report), _after_giving_up(facts)]
    if facts.not_sent:
        return Finding(Kind.DELIVERED_UNNOTED, [*stands, our_not_sent(facts)], fill)
    if partly := in_parts(facts):
        return partly
    if facts.conflict:
        against = facts.quoted(facts.telling(*NEGATIVE_FINALS))
        return Finding(Kind.DELIVERED_DOUBTED, [*stands, against], fill)
    if facts.unconfirmed:
        return Finding(Kind.DELIVERED_UNCONFIRMED, stands, fill)
    if channel := _other_channel(facts):
        name = channel.word.partition(":")[0].strip().capitalize()
        return Finding(Kind.DELIVERED_IN_APP, [*stands, facts.quoted(channel)], {"channel": name})
    if timely and took and took > late_after(facts):
        return Finding(Kind.DELIVERED_LATE, [*stands, facts.as_usual], fill)
    return Finding(Kind.DELIVERED, [*stands, _took(report, took)], fill)


def _is_timely(report: TimelineEntry) -> bool:
    """Whether its time is that of the arrival, and not merely of our next look."""
    return report.zone == "stated" or "webhook" in report.sources


def _took(report: TimelineEntry | None, took: timedelta | None) -> Clause | None:
    if report is None or took is None or took < timedelta(0):
        return None  # clocks differ
    if _is_timely(report):
        return Clause(_("It took {span}.").format(span=lasting(took)), "fact-sent")
    return Clause(_("We heard of it {span} after it was sent.").format(span=lasting(took)), "fact-sent")


def late_after(facts: Facts) -> timedelta:
    return max(facts.usual.most * TIMES_LATE, LATE_AT_LEAST) if facts.usual else LATE_AFTER


def _after_giving_up(facts: Facts) -> Clause | None:
    """A report that came after the deadline."""
    over = next((entry for entry in facts.story if not entry.by_provider and entry.status is Status.UNKNOWN), None)
    if over is None:
        return None
    text = _("The report came late: from {time} on it had counted as unknown.")
    return Clause(text.format(time=facts.by_then(over.when)), f"event-{over.event_id}")


def our_not_sent(facts: Facts) -> Clause | None:
    return facts.quoted(next((e for e in facts.story if not e.by_provider and e.status is Status.FAILED), None))


def in_parts(facts: Facts) -> Finding | None:
    """A text of several parts of which only some have arrived, where the provider reports about each."""
    told = facts.parts_told
    total = max(facts.parts or 0, len(told))
    there = sum(status is Status.DELIVERED for status in told.values())
    whole = any(entry.status is Status.DELIVERED and not entry.part for entry in facts.said)
    if whole or not 0 < there < total:
        return None
    lost = any(status in NEGATIVE_FINALS for status in told.values())
    stands = [facts.quoted(entry) for entry in facts.said if entry.part and entry.status is told[entry.part]]
    if facts.parts:
        text = ngettext("The text has {count} part.", "The text has {count} parts.", total)
        stands.append(Clause(text.format(count=total), "fact-parts"))
    fill = {"arrived": str(there), "parts": str(total)}
    if not lost and facts.age < late_after(facts):
        return Finding(Kind.PARTS_COMING, stands, fill)
    return Finding(Kind.DELIVERED_PARTLY, stands, fill, sure=Sure.CERTAIN if lost else None)


def _other_channel(facts: Facts) -> TimelineEntry | None:
    """What is said about the channel that took it, where that was an app and not SMS."""
    notes = [entry for entry in facts.story if entry.note == "channel"]
    took = [note for note in notes if note.word.rpartition(":")[2].strip().lower() in {"delivered", "read"}]
    return took[-1] if took and not any("sms" in note.part.lower() for note in took) else None


def by_another(facts: Facts) -> Finding | None:
    other = next((one for one in reversed(facts.tries) if one.status is Status.DELIVERED), None)
    if other is None:
        return None
    text = _("Message {other}, with the same text to the same number, was delivered.")
    it = Clause(text.format(other=other.pk), f"message-{other.pk}")
    return Finding(Kind.DELIVERED_BY_ANOTHER, [it, facts.quoted(facts.deciding)], {"other": str(other.pk), "at": ""})


# ------------------------------------------------------------------------------ our own sending


def own_send(facts: Facts) -> Finding | None:
    own = facts.quoted(facts.own_words)
    if facts.status is Status.CREATED:
        return _held_back(facts, own) or Finding(Kind.NOT_SENT_YET, [own])
    if facts.status is Status.SENDING:
        return Finding(Kind.BEING_SENT, [own])
    if facts.status is Status.OUTCOME_UNKNOWN:
        stray = _("Reports that belong to no message wait at this account; one may be about this text.")
        return Finding(Kind.SENT_OR_NOT, [own, Clause(stray, "fact-account") if facts.strays else None])
    if not facts.not_sent:
        return None
    if facts.reported:
        return Finding(Kind.NOT_SENT_BUT_HEARD_OF, [our_not_sent(facts), *map(facts.quoted, facts.said[-1:])])
    return Finding(Kind.NOT_SENT, [our_not_sent(facts), troubled(facts)])


def _held_back(facts: Facts, own: Clause | None) -> Finding | None:
    """A send of ours that cannot go out, or that nobody takes up."""
    if found := trouble(facts):
        side, why, fix = found
        return Finding(Kind.HELD_BACK, [own, troubled(facts)], {"why": why, "fix": fix}, side)
    if facts.line.no_sends:
        side, why, fix = _filled(facts, TROUBLES["balance"])
        text = _("{provider} said: {words}").format(provider=facts.line.provider, words=quote(facts.line.no_sends))
        return Finding(Kind.HELD_BACK, [own, Clause(text, "fact-account")], {"why": why, "fix": fix}, side)
    waits = facts.now - facts.created_at
    if waits < UNTAKEN:
        return None
    fill = {"why": _("our own worker is behind or has stopped"), "fix": _("the worker may not be running")}
    waited = _("It has waited for {span}.").format(span=lasting(waits))
    return Finding(Kind.HELD_BACK, [own, Clause(waited, "fact-sent")], fill)


def trouble(facts: Facts) -> tuple[Side, str, str] | None:
    """Why the account cannot be used now: whose side, why, and what mends it."""
    line = facts.line
    if not line.enabled:
        return _filled(facts, TROUBLES["off"])
    if not line.has_credentials:
        return _filled(facts, TROUBLES["no_credentials"])
    return _filled(facts, TROUBLES.get(line.trouble, OTHER_TROUBLE)) if line.trouble else None


def _filled(facts: Facts, found: tuple[Side, str, str]) -> tuple[Side, str, str]:
    side, why, fix = found
    names = {"provider": facts.line.provider, "account": facts.line.name}
    return side, _(why).format(**names), _(fix).format(**names)


def troubled(facts: Facts) -> Clause | None:
    """The account's trouble as a reason."""
    found = trouble(facts)
    if found is None:
        return None
    why = found[1][:1].upper() + found[1][1:]
    if facts.line.trouble and facts.line.until:
        text = _("{why}; asked again {at}.").format(why=why, at=facts.clock(facts.line.until))
    else:
        text = _("{why}.").format(why=why)
    if facts.line.trouble and facts.line.complaint:
        text += " " + _("It said: {words}").format(words=quote(facts.line.complaint))
    return Clause(text, "fact-account")


# ------------------------------------------------------------------------------ sent again since

_AGAIN = {
    Status.CREATED: Kind.AGAIN_SOON,
    Status.SENDING: Kind.AGAIN_SOON,
    Status.OUTCOME_UNKNOWN: Kind.AGAIN_SENT_OR_NOT,
}
_HELD = {
    "open": Status.CREATED,
    "sending": Status.SENDING,
    "outcome_unknown": Status.OUTCOME_UNKNOWN,
    "accepted": Status.QUEUED,
}


def under_way(facts: Facts) -> Finding | None:
    """Another try of it is not decided yet."""
    if facts.status in PENDING and facts.status is not Status.OUTCOME_UNKNOWN:
        return None
    other = next((one for one in reversed(facts.tries) if one.status in PENDING), None)
    if other is not None:
        named = Clause(_("Message {other} is the other try.").format(other=other.pk), f"message-{other.pk}")
        its = other.status
    elif facts.held in _HELD:
        named, its = Clause(_("Somebody asked to have it sent again."), "again"), _HELD[facts.held]
    else:
        return None
    if facts.status in NEGATIVE_FINALS:
        first, told = _("This try did not arrive"), _("Your message has not reached you yet")
    else:
        first = _("We cannot tell whether this try arrived")
        told = _("We could not tell whether your message reached you")
    it = _("message {other}").format(other=other.pk) if other else _("the new try")
    fill = {"first": first, "told": told, "other": it}
    return Finding(_AGAIN.get(its, Kind.AGAIN_ON_ITS_WAY), [facts.quoted(facts.deciding), named], fill)
