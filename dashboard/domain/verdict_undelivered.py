"""The rules about texts that are on their way, of which nobody knows, or that did not arrive."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from dashboard.domain.failures import Complaint, Failure, cause
from dashboard.domain.language import gettext as _
from dashboard.domain.lifecycle import NEGATIVE_FINALS, PENDING
from dashboard.domain.verdict_facts import Clause, Facts, lasting, quote
from dashboard.domain.verdict_kinds import Kind, Side, Sure
from dashboard.domain.verdict_sending import Finding, in_parts, late_after, trouble, troubled
from providers.base import Status

BEHIND = timedelta(minutes=10)  # a check may be due this long before our worker is to blame
JUST_NOW = timedelta(minutes=2)
A_FEW_MINUTES = timedelta(minutes=10)
SHORT = 80  # a reason that fits into the sentence
LITTLE_TIME = timedelta(minutes=10)
REACHED_LATELY = timedelta(days=30)


# ------------------------------------------------------------------------------ on its way


def waiting(facts: Facts) -> Finding | None:
    """Pending, and not in our own hands."""
    if facts.status not in PENDING:
        return None
    if facts.age < timedelta(0):
        return Finding(Kind.NOT_DUE, [facts.sent], {"until": facts.clock(facts.sent_at)})
    if partly := in_parts(facts):
        return partly
    if facts.status is Status.RETRYING:
        part = facts.deciding.part if facts.deciding else ""
        by = _(", by {channel}").format(channel=part) if part else ""
        return Finding(Kind.PROVIDER_TRIES_AGAIN, [facts.quoted(facts.deciding), _before_that(facts)], {"by": by})
    for rule in (_just_told, _over, _fresh, _blind, _mute, _held):
        if found := rule(facts):
            return found
    return _with_the_network(facts)


def _before_that(facts: Facts) -> Clause | None:
    return facts.quoted(facts.telling(*NEGATIVE_FINALS))


def _just_told(facts: Facts) -> Finding | None:
    """An old send that nobody has been asked about yet."""
    if facts.heard_of or facts.asked_at or facts.now - facts.created_at >= JUST_NOW or facts.age < facts.patience:
        return None
    return Finding(Kind.JUST_TOLD, [facts.sent, facts.quoted(facts.own_words)])


def _fresh(facts: Facts) -> Finding | None:
    if facts.age >= facts.patience:
        return None
    word = facts.quoted(facts.deciding) if facts.heard_of else None
    fill = {
        "age": lasting(facts.age),
        "until": facts.by_then(facts.sent_at + facts.patience),
        "takes": _("a few minutes")
        if facts.patience <= A_FEW_MINUTES
        else _("up to {span}").format(span=lasting(facts.patience)),
    }
    return Finding(Kind.TOO_EARLY, [facts.sent, word, facts.as_usual], fill)


def _over(facts: Facts) -> Finding | None:
    if facts.valid_until is None or facts.valid_until > facts.now:
        return None
    fill = {"span": lasting(facts.now - facts.valid_until), "until": facts.by_then(facts.deadline)}
    return Finding(Kind.TIME_RAN_OUT, [facts.time_left, _last_word(facts), facts.beside, troubled(facts)], fill)


def _last_word(facts: Facts) -> Clause | None:
    if facts.heard_of:
        return facts.quoted(facts.deciding)
    return Clause(_("{provider} has not said a word about it.").format(provider=facts.line.provider), "story")


def _blind(facts: Facts) -> Finding | None:
    """We cannot ask, or do not ask; or what is said makes no sense to us."""
    if (found := trouble(facts)) and not facts.line.reports_lately:
        side, why, fix = found
        stands = [troubled(facts), facts.sent, _last_word(facts)]
        return Finding(Kind.CANNOT_ASK, stands, {"why": why, "fix": fix}, side)
    behind = facts.now - facts.due_at if facts.due_at and not facts.line.trouble else timedelta(0)
    if behind >= BEHIND:
        due = Clause(_("A check has been due for {span}.").format(span=lasting(behind)), "asked")
        return Finding(Kind.NOBODY_ASKS, [due, facts.sent, _last_word(facts)], {"span": lasting(behind)})
    for note, kind in (("unmapped", Kind.ODD_WORD), ("not_found", Kind.NOT_KNOWN_THERE)):
        if entry := facts.noted(note):
            return Finding(kind, [facts.quoted(entry), facts.sent])
    return None


def _mute(facts: Facts) -> Finding | None:
    """The provider has not said a word about it."""
    if facts.heard_of:
        return None
    stands = [_last_word(facts), _asked(facts), facts.sent]
    if facts.neighbours and facts.neighbours.mute:
        return Finding(Kind.NO_REPORTS, [facts.beside, *stands])
    if not facts.can_be_asked:
        return Finding(Kind.NOT_NAMED, [*stands, facts.beside])
    return Finding(Kind.NOT_A_WORD, [*stands, facts.as_usual, facts.beside])


def _asked(facts: Facts) -> Clause | None:
    if facts.asked_at is None:
        return None
    return Clause(_("It was asked {at}.").format(at=facts.clock(facts.asked_at)), "asked")


_HELD_AS = {Status.QUEUED: Kind.HELD_BY_PROVIDER, Status.SUBMITTED: Kind.AT_GATEWAY}


def _held(facts: Facts) -> Finding | None:
    """The provider has it, and no network is known to."""
    if facts.status not in _HELD_AS or _with_many(facts):
        return None
    stands = [facts.quoted(facts.deciding), facts.sent, facts.as_usual, facts.beside]
    late_at = facts.sent_at + late_after(facts)
    if late_at > facts.now:
        raise_it = _("Wait until {time}; then raise it with {provider}")
    else:
        raise_it = _("Raise it with {provider}")
    filled = raise_it.format(time=facts.by_then(late_at), provider=facts.line.provider)
    return Finding(_HELD_AS[facts.status], stands, {"raise_it": filled})


def _with_the_network(facts: Facts) -> Finding:
    until = facts.by_then(facts.valid_until or facts.deadline)
    if facts.valid_until:
        tries, hope = _("may keep trying until {time}"), _("delivery is tried until {time}")
    else:
        tries, hope = _("is still trying to reach the phone"), _("it can still arrive")
    fill = {"until": until, "tries": tries.format(time=until), "hope": hope.format(time=until)}
    stands = [facts.quoted(facts.deciding), facts.sent, facts.beside, facts.as_usual, facts.time_left]
    if _with_many(facts):
        return _many(facts, Kind.TROUBLE_OF_MANY, stands)
    if facts.neighbours and facts.neighbours.well:
        return Finding(Kind.PHONE_OFF, [*stands, facts.alive, facts.streak], fill)
    return Finding(Kind.STILL_TRYING, [*stands, facts.alive, facts.streak], fill)


def _with_many(facts: Facts) -> bool:
    return facts.neighbours is not None and facts.neighbours.badly


def _many(facts: Facts, kind: Kind, stands: list[Clause | None]) -> Finding:
    """Others suffer too: the network where they share the country, else the provider, and less surely."""
    same = facts.neighbours is not None and facts.neighbours.same_country
    where = _("in that country’s networks, or on the way to them") if same else _("with {provider}")
    where = where.format(provider=facts.line.provider)
    return Finding(kind, stands, {"where": where}, None if same else Side.PROVIDER, None if same else Sure.GUESS)


# ------------------------------------------------------------------------------ nobody knows


def unknown(facts: Facts) -> Finding | None:
    if facts.status is not Status.UNKNOWN:
        return None
    theirs = next((entry for entry in reversed(facts.said) if entry.status is Status.UNKNOWN), None)
    if theirs:
        return Finding(Kind.PROVIDER_UNSURE, [facts.quoted(theirs), facts.beside, facts.alive])
    return Finding(
        Kind.NO_REPORT, [facts.quoted(facts.deciding), _last_of(facts), facts.beside, troubled(facts), facts.alive]
    )


def _last_of(facts: Facts) -> Clause | None:
    return facts.quoted(facts.said[-1]) if facts.heard_of else _last_word(facts)


# ------------------------------------------------------------------------------ it did not arrive


def failed(facts: Facts) -> Finding:
    """Every message that no other rule took: it has a negative final. What the provider said about it decides."""
    word = facts.quoted(facts.deciding)
    if facts.status is Status.FAILED and facts.reopens_until and facts.now < facts.reopens_until:
        return _may_be_tried_again(facts, word, facts.reopens_until)
    complaints = [entry for entry in facts.said if entry.status in NEGATIVE_FINALS]
    found = cause(
        facts.status,
        [
            Complaint(entry.status or facts.status, entry.word, entry.detail, entry.attempt, entry.event_id)
            for entry in complaints
        ],
    )
    said = [word, *(facts.quoted(entry) for entry in complaints if entry.event_id == found.event)]
    if rule := _BY_CAUSE.get(found.failure):
        return rule(facts, said)
    return Finding(_KINDS[found.failure], said) if found.failure in _KINDS else _without_reason(facts, said)


def _may_be_tried_again(facts: Facts, word: Clause | None, until: datetime) -> Finding:
    time = facts.by_then(until)
    own = _("{provider} may try again by itself until {time}.").format(provider=facts.line.provider, time=time)
    return Finding(Kind.MAY_BE_TRIED_AGAIN, [word, Clause(own, "story")], {"until": time})


def _phone(facts: Facts, said: list[Clause | None]) -> Finding:
    given = facts.valid_until - facts.sent_at if facts.valid_until else None
    stands = [*said, facts.time_left if facts.valid_until else None, facts.beside, facts.alive, facts.streak]
    if _with_many(facts):
        return _many(facts, Kind.LOST_WITH_MANY, stands)
    if facts.status is Status.EXPIRED and given is not None and timedelta(0) < given <= LITTLE_TIME:
        return Finding(Kind.TOO_LITTLE_TIME, [*said, facts.time_left, facts.as_usual], {"span": lasting(given)})
    return Finding(Kind.PHONE_WAS_OFF, stands)


def _number(facts: Facts, said: list[Clause | None]) -> Finding:
    reached = facts.life.reached_at
    if reached is not None and facts.now - reached < REACHED_LATELY:
        ago = _("{span} ago").format(span=lasting(facts.now - reached))
        return Finding(Kind.GOOD_NUMBER_REFUSED, [*said, facts.alive], {"ago": ago})
    return Finding(Kind.BAD_NUMBER, [*said, facts.streak])


def _refused(facts: Facts, said: list[Clause | None]) -> Finding:
    if _is_send_answer(facts):
        return Finding(Kind.NOT_TAKEN, said)
    others = facts.neighbours
    if others and others.refused > others.sent / 2:
        text = _("{refused} of {sent} others were refused too.").format(refused=others.refused, sent=others.sent)
        return Finding(Kind.REFUSED_WITH_MANY, [*said, Clause(text, "figure-neighbours")])
    return Finding(Kind.REFUSED, [*said, facts.beside])


def _is_send_answer(facts: Facts) -> bool:
    """Whether the provider said so to our own send."""
    return facts.deciding is not None and facts.deciding.word == "refused" and "send" in facts.deciding.sources


def _fault(facts: Facts, said: list[Clause | None]) -> Finding:
    if _with_many(facts):
        return _many(facts, Kind.LOST_WITH_MANY, [*said, facts.beside])
    return Finding(Kind.NETWORK_FAULT, [*said, facts.beside])


def _without_reason(facts: Facts, said: list[Clause | None]) -> Finding:
    if _is_send_answer(facts):
        return Finding(Kind.NOT_TAKEN, said)
    if _with_many(facts):
        return _many(facts, Kind.LOST_WITH_MANY, [*said, facts.beside])
    report = facts.deciding
    if report and report.detail:
        said_it = report.detail.rstrip(".")
        reason = f": {quote(said_it)}" if len(said_it) <= SHORT else _(", for a reason in its own words")
        return Finding(Kind.FAILED, [*said, facts.beside], {"reason": reason}, Side.PROVIDER)
    return Finding(Kind.FAILED, [*said, facts.beside], {"reason": _(", and gives no clearer reason")})


_BY_CAUSE: dict[Failure, Callable[[Facts, list[Clause | None]], Finding]] = {
    Failure.PHONE: _phone,
    Failure.NUMBER: _number,
    Failure.REFUSED: _refused,
    Failure.NETWORK: _fault,
}
_KINDS = {
    Failure.STOP: Kind.WANTS_NONE,
    Failure.SENDER: Kind.SENDER_REFUSED,
    Failure.CONTENT: Kind.WORDS_REFUSED,
    Failure.BALANCE: Kind.NO_MONEY,
    Failure.ACCESS: Kind.NO_ACCESS,
    Failure.ROUTE: Kind.NO_WAY_THERE,
    Failure.BARRED: Kind.BARRED,
    Failure.MEMORY: Kind.PHONE_FULL,
    Failure.STOPPED: Kind.STOPPED,
}
