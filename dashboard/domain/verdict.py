"""Why has it not arrived? One answer for every message, by fixed rules: no guess without a figure or a report under it.

The first rule that has something to say decides, and names what it stands on, clause by clause. No word that only means
"accepted" makes a verdict that says "delivered".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dashboard.domain import verdict_sending as sending, verdict_undelivered as undelivered
from dashboard.domain.language import gettext as _, gettext_noop, ngettext
from dashboard.domain.lifecycle import NEGATIVE_FINALS
from dashboard.domain.verdict_facts import Clause, Facts, lasting, quote
from dashboard.domain.verdict_kinds import SEND_AGAIN, Kind, Side, Sure
from dashboard.domain.verdict_sending import Finding
from dashboard.domain.verdict_words import WORDS, of_many
from providers.base import Status

RULES: tuple[Callable[[Facts], Finding | None], ...] = (
    sending.arrived,
    sending.by_another,
    sending.under_way,
    sending.own_send,
    undelivered.waiting,
    undelivered.unknown,
    undelivered.failed,
)
NO_MORE = gettext_noop("Send nothing more: this person asked not to be texted.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a support agent reads first."""

    kind: str
    sentence: str
    because: tuple[Clause, ...]
    side: Side
    sure: Sure
    customer: str
    now: str


def verdict(facts: Facts) -> Verdict:
    """The verdict on one message."""
    found = next(found for rule in RULES if (found := rule(facts)) is not None)
    words = WORDS[found.kind]
    names = {"provider": facts.line.provider, "account": facts.line.name}
    fill = names | of_many(opted_out=facts.opted_out) | found.fill
    clauses = (clause for clause in (*found.because, *_besides(facts, found.kind)) if clause is not None)
    sure, now = found.sure or words.sure, _(words.now).format(**fill)
    if facts.unconfirmed and found.kind is not Kind.DELIVERED_UNCONFIRMED:
        sure = Sure.LIKELY if sure is Sure.CERTAIN else sure
        wait = _("Wait a minute: the report was not signed, so {provider} is asked once more. Then: {now}")
        now = wait.format(provider=facts.line.provider, now=now)
    if facts.opted_out and found.kind in SEND_AGAIN:
        now = _(NO_MORE)
    return Verdict(
        kind=found.kind,
        sentence=_(words.sentence).format(**fill),
        because=tuple(dict.fromkeys(clauses)),
        side=found.side or words.side,
        sure=sure,
        customer=_(words.customer).format(**fill),
        now=now,
    )


def _besides(facts: Facts, kind: Kind) -> list[Clause | None]:
    """What is worth saying whatever the verdict."""
    return [_odd_word(facts, kind), _other_tries(facts), _waited(facts)]


def _odd_word(facts: Facts, kind: Kind) -> Clause | None:
    note = facts.noted("unmapped")
    if note is None or kind is Kind.ODD_WORD:
        return None
    text = _("{provider} also said {words}, a word we do not know.")
    return Clause(text.format(provider=facts.line.provider, words=quote(note.word)), f"event-{note.event_id}")


def _other_tries(facts: Facts) -> Clause | None:
    arrived = [one for one in facts.tries if one.status is Status.DELIVERED]
    if facts.status is Status.DELIVERED and arrived:
        return Clause(_("Another try arrived as well: the person got it twice."), f"message-{arrived[-1].pk}")
    failed = [one for one in facts.tries if one.status in NEGATIVE_FINALS and not one.not_sent]
    if facts.status in NEGATIVE_FINALS and not facts.not_sent and failed and len(failed) == len(facts.tries):
        count = len(failed) + 1
        text = ngettext("None of its {count} try arrived.", "None of its {count} tries arrived.", count)
        return Clause(text.format(count=count), "again")
    return None


def _waited(facts: Facts) -> Clause | None:
    if facts.waited is None:
        return None
    came, attached = facts.waited
    text = _("A report came {span} before we could tell that it was about this.")
    return Clause(text.format(span=lasting(attached - came)), "kept")
