"""What sending one message again would be: for its page and for the dialog. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.domain.advice_facts import Advice
from dashboard.domain.lifecycle import reached_the_wire
from dashboard.domain.retries import ACCOUNT, TEXT, Refusal
from dashboard.domain.segments import Segments, segments
from dashboard.ingest.advising import advice_for
from dashboard.ingest.situation import AS_IT_WAS, Case, Wish, cases
from dashboard.models import Account, Message, User


@dataclass(slots=True, kw_only=True)
class Offer:
    """What pressing the button would do, or why it cannot be pressed, and whether it would help."""

    case: Case
    refusal: Refusal | None
    advice: Advice
    accounts: list[Account] = field(default_factory=list)  # the one it failed by first

    @property
    def ready(self) -> bool:
        """Whether it may be sent just so."""
        return self.refusal is None

    @property
    def allowed(self) -> bool:
        """Whether there is anything to decide: it may be sent, or may be once something is changed."""
        return self.refusal is None or bool(self.refusal.lifted_by)

    @property
    def sentence(self) -> str:
        """What would happen, or why not."""
        if self.refusal is not None:
            return self.refusal.sentence
        case = self.case
        if case.by_provider:
            sentence = _("%(provider)s is asked to try this message again; it may charge for it as a new text.")
            return sentence % {"provider": case.account.provider.label}
        sentence = _("One new text is sent through %(account)s, after one last look whether the first one arrived.")
        return sentence % {"account": case.account.name}

    @property
    def possible_at(self) -> datetime | None:
        return self.refusal.possible_at if self.refusal else None

    @property
    def needs(self) -> frozenset[str]:
        """What must be changed before it can be sent."""
        return self.refusal.lifted_by if self.refusal else frozenset()

    @property
    def needs_text(self) -> bool:
        return self.needs == {TEXT}

    @property
    def needs_account(self) -> bool:
        return self.needs == {ACCOUNT}

    @property
    def copies_sent(self) -> int:
        return sum(reached_the_wire(message.state) for message in self.case.tree)

    @property
    def parts(self) -> int | None:
        return self.case.parts_of(self.case.text)

    @property
    def segments(self) -> Segments | None:
        return segments(self.case.text) if self.case.text is not None else None


def offer(message: Message, user: User, *, wish: Wish = AS_IT_WAS, compared: bool = False) -> Offer:
    """The offer for a message; `compared` with what other accounts would do. The number of questions is bounded."""
    root = message.root_pk
    case = cases([root], timezone.now(), ops=user.ops, user=user, wish=wish)[root]
    accounts = [case.original.account]
    if compared:
        accounts += Account.objects.filter(enabled=True).exclude(pk=case.original.account_id)
    return Offer(case=case, refusal=case.refusal(), advice=advice_for(case, accounts[1:]), accounts=accounts)
