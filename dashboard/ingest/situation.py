"""What sending again depends on, gathered for one message or for hundreds with the same number of questions.

The button, the API and the plan of sending many again all look through this, so they cannot disagree.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.db.models import Case as Choice, Count, DecimalField, F, Max, Q, QuerySet, Sum, Value, When

from dashboard.domain import retries as rules
from dashboard.domain.failures import Complaint, Failure, cause, classified
from dashboard.domain.lifecycle import NEGATIVE_FINALS, PENDING, reached_the_wire
from dashboard.domain.prices import Price, rounded, usual
from dashboard.domain.retries import Doubts, Refusal, Situation, Through
from dashboard.domain.segments import segments
from dashboard.domain.texts import is_one_time_code, same
from dashboard.ingest.locks import lock_limits
from dashboard.models import Account, BatchCount, Event, Message, Retry, User
from providers.base import Status

TRIED = (Retry.State.ACCEPTED, *Retry.HOLDING)  # a text went out, may have gone out, or is about to
MOST_PRICES = 300  # of an account's newest delivered texts
_NEGATIVE = [status.value for status in NEGATIVE_FINALS]
_LIVE = [status.value for status in (*PENDING, Status.DELIVERED)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked for besides the message itself; empty: as it was."""

    account: Account | None = None
    text: str = ""
    sender: str = ""


AS_IT_WAS = Wish()


@dataclass(frozen=True, slots=True)
class Twin:
    """A message of the last day to the same number that says the same, delivered or on its way."""

    pk: int
    status: Status
    sent_at: datetime


@dataclass(slots=True, kw_only=True)
class Case:
    """One root message with everything sent for it, and what sending it once more would be."""

    tree: list[Message]  # oldest first: the root
    original: Message  # the newest try that may have reached a provider
    wish: Wish = AS_IT_WAS
    retries: list[Retry] = field(default_factory=list)
    complaints: list[tuple[int, Complaint]] = field(default_factory=list)  # (message, what was said)
    channel: str = ""  # of a cascade, by which the provider goes on
    twin: Twin | None = None
    price: Price | None = None
    situation: Situation = field(init=False)
    doubts: Doubts = field(init=False)

    @property
    def root(self) -> Message:
        return self.tree[0]

    @property
    def account(self) -> Account:
        return self.wish.account or self.original.account

    @property
    def text(self) -> str | None:
        """The text that would be sent; None if we do not have it."""
        return self.wish.text or self.original.text

    @property
    def sender(self) -> str:
        return self.wish.sender or self.original.sender

    @property
    def changed(self) -> frozenset[str]:
        """In what it would differ from the newest try."""
        return frozenset(
            name
            for name, differs in (
                (rules.TEXT, bool(self.wish.text) and not same(self.wish.text, self.original.text)),
                (rules.SENDER, self.sender != self.original.sender),
                (rules.ACCOUNT, self.account.pk != self.original.account_id),
            )
            if differs
        )

    @property
    def by_provider(self) -> bool:
        """Whether the provider's own retry does it: nothing is changed, and there is an id to name."""
        as_it_was = self.text == self.original.text and not self.changed
        return as_it_was and self.account.provider.has_retry and self.original.match_id is not None

    @property
    def is_new_text(self) -> bool:
        """Whether the text is another one than the first: then its age and validity are its own."""
        return self.text is not None and self.text != self.root.text and not same(self.text, self.root.text)

    def parts_of(self, text: str | None) -> int | None:
        if text is not None and text != self.original.text:
            return segments(text).parts
        return self.original.parts or (segments(text).parts if text is not None else None)

    def refusal(self, *, bulk: bool = False) -> Refusal | None:
        """Why it may not be sent again; of many at once, more is left out."""
        after_failure, after_expired = (int(seconds) for seconds in settings.RETRY_COOL_DOWN)
        found = rules.refusal(self.situation, (after_failure, after_expired))
        return found or (rules.left_out(self.doubts, self.situation.now) if bulk else None)


def cases(
    root_pks: Collection[int],
    now: datetime,
    *,
    ops: bool,
    user: User | None = None,
    wish: Wish = AS_IT_WAS,
    lock: bool = False,
) -> dict[int, Case]:
    """The cases by root. `user` is whose own limits count (None: a program, or many at once).

    With `lock` (in a transaction, for one root) nothing that is counted here can change before the transaction ends.
    """
    found = {pk: Case(tree=tree, original=latest(tree), wish=wish) for pk, tree in _trees(root_pks, lock=lock).items()}
    if not found:
        return found
    everyone = found.values()
    accounts = {case.account.pk: case.account for case in everyone}
    recipients = {case.root.recipient_id for case in everyone}
    if lock:
        people = [f"person {user.pk}"] if user else []
        lock_limits([f"account {pk}" for pk in accounts] + [f"number {pk}" for pk in recipients] + people)
    for retry in Retry.objects.filter(root__in=found).order_by("pk"):
        found[retry.root_id].retries.append(retry)
    _hear(found)
    _find_twins(everyone, now)
    _quote(everyone)
    through, to_number, (in_a_row, today) = (
        throughs(accounts.values(), now),
        to_numbers(recipients, now),
        _by(user, now),
    )
    for case in everyone:
        case.situation = Situation(
            effective=Status(case.root.effective),
            status=Status(case.original.status),
            now=now,
            final_at=case.original.final_at,
            sent_at=case.root.sent_at,
            valid_until=None if case.is_new_text else case.root.valid_until,
            channel=case.channel,
            held_by=next((r.state for r in case.retries if r.state in Retry.HOLDING and not r.is_first), ""),
            retries=sum(retry.state in TRIED and not retry.is_first for retry in case.retries),
            not_sent_but_reported=any(m.not_sent and m.reported for m in case.tree),
            opted_out=case.root.recipient.opted_out_at is not None,
            has_number=bool(case.root.recipient.digits),
            said_stop=any(classified(f"{c.word} {c.detail}") is Failure.STOP for _, c in case.complaints),
            changed=case.changed,
            has_text=case.text is not None,
            needs_text=not case.by_provider,
            ops=ops,
            to_number=to_number.get(case.root.recipient_id, 0),
            by_person=in_a_row,
            by_person_today=today,
            price=case.price,
            through=through[case.account.pk],
        )
        case.doubts = _doubts(case, now)
    _find_hopeless(everyone)
    return found


def latest(tree: Sequence[Message]) -> Message:
    """The newest try that may have reached a provider, else the root."""
    return next((message for message in reversed(tree) if reached_the_wire(message.state)), tree[0])


def _trees(root_pks: Collection[int], *, lock: bool) -> dict[int, list[Message]]:
    """Each root and everything sent again for it, oldest first: two questions, since "or" would read every message."""
    trees: dict[int, list[Message]] = {}
    for rows in (Message.objects.filter(pk__in=root_pks, root=None), Message.objects.filter(root__in=root_pks)):
        rows = rows.select_related("account", "recipient", "batch").order_by("pk")
        for message in rows.select_for_update(of=("self",)) if lock else rows:
            if message.root_id is None or message.root_id in trees:
                trees.setdefault(message.root_pk, []).append(message)
    return trees


# ------------------------------------------------------------------------------ what was said, what says the same


def _hear(found: dict[int, Case]) -> None:
    """The negative things that providers said about the tries, each under the event that names its line on the page."""
    root_of = {message.pk: pk for pk, case in found.items() for message in case.tree}
    said = Event.objects.filter(message__in=root_of, by_provider=True, status__in=[*_NEGATIVE, Status.RETRYING.value])
    line_of: dict[tuple[int, int, str, str], int] = {}
    for event in said.only("message_id", "status", "word", "detail", "attempt", "part").order_by("pk"):
        case = found[root_of[event.message_id]]
        line = line_of.setdefault((event.message_id, event.attempt, event.part, event.word.lower()), event.pk)
        if event.status != Status.RETRYING:
            complaint = Complaint(Status(event.status or ""), event.word, event.detail, event.attempt, line)
            case.complaints.append((event.message_id, complaint))
        elif event.message_id == case.original.pk:
            case.channel = event.part


def _find_twins(everyone: Collection[Case], now: datetime) -> None:
    wanted: dict[str, list[Case]] = defaultdict(list)
    for case in everyone:
        if case.text is not None:
            wanted[case.root.recipient_id].append(case)
    lately = Message.objects.filter(
        recipient__in=wanted, sent_at__gte=now - rules.DAY, status__in=_LIVE, text__isnull=False
    )
    for pk, root, recipient, text, status, sent_at in lately.order_by("pk").values_list(
        "pk", "root_id", "recipient_id", "text", "status", "sent_at"
    ):
        for case in wanted[recipient]:
            if (root or pk) != case.root.pk and same(text, case.text):
                case.twin = Twin(pk, Status(status), sent_at)


def _doubts(case: Case, now: datetime) -> Doubts:
    original, provider = case.original, case.original.account.provider
    is_code = not case.wish.text and is_one_time_code(case.text)
    return Doubts(
        may_reopen_until=rules.may_reopen_until(
            Status(original.status), original.attempt, original.final_at, original.asked_at,
            provider.reopens_failed_for, now,
        ),
        unconfirmed=original.unconfirmed,
        code_sent_at=(original.sent_at if case.is_new_text else case.root.sent_at) if is_code else None,
        same_text=case.twin.pk if case.twin else None,
    )  # fmt: skip


def _find_hopeless(everyone: Collection[Case]) -> None:
    """Those of which the provider's own words say that the same text cannot arrive this way. A number that took a text
    after that is not dead."""
    dead: list[Case] = []
    for case in everyone:
        why = cause(Status(case.original.status), [c for pk, c in case.complaints if pk == case.original.pk])
        if why.in_words and why.failure is Failure.NUMBER:
            dead.append(case)
        elif why.in_words and why.failure in rules.HOPELESS and not case.changed:
            case.doubts = replace(case.doubts, hopeless=why.failure)
    arrived = Message.objects.filter(
        recipient__in={case.root.recipient_id for case in dead}, effective=Status.DELIVERED.value
    )
    seen = dict(arrived.order_by().values_list("recipient").annotate(Max("final_at"))) if dead else {}
    for case in dead:
        at = seen.get(case.root.recipient_id)
        if at is None or (case.original.final_at is not None and at < case.original.final_at):
            case.doubts = replace(case.doubts, hopeless=Failure.NUMBER)


# ------------------------------------------------------------------------------ limits


def throughs(accounts: Iterable[Account], now: datetime) -> dict[int, Through]:
    """What has been sent again through each account within a day, and what it allows."""
    known = {account.pk: account for account in accounts}
    lately = Retry.objects.filter(account__in=known, created_at__gte=now - rules.DAY, state__in=TRIED)
    resent = dict(lately.values_list("account").annotate(Count("pk")))
    capped = [pk for pk, account in known.items() if account.spend_cap is not None]
    spent = _spent(lately.filter(account__in=capped)) if capped else {}
    return {
        pk: Through(
            name=account.name,
            enabled=account.enabled,
            held_until=account.no_sends_until,
            held_why=account.no_sends_why,
            resent=resent.get(pk, 0),
            resend_cap=account.resend_cap,
            spent=spent.get(pk, Decimal(0)),
            spend_cap=account.spend_cap,
            currency=account.currency,
        )
        for pk, account in known.items()
    }


def _spent(retries: QuerySet[Retry]) -> dict[int, Decimal]:
    """By account. A text counts with what it really cost where that is known, before with what was quoted for it; only
    amounts in the account's own currency add up."""
    told = Q(message__cost__isnull=False)
    cost = Choice(
        When(told & Q(message__currency=F("account__currency")), then=F("message__cost")),
        When(~told & Q(quoted_cost__isnull=False, quoted_currency=F("account__currency")), then=F("quoted_cost")),
        default=Value(Decimal(0)),
        output_field=DecimalField(max_digits=20, decimal_places=8),
    )
    return dict(retries.values_list("account").annotate(spent=Sum(cost)))


def to_numbers(recipients: Collection[str], now: datetime) -> dict[str, int]:
    """How many texts of ours went to each of these recipients within a day."""
    lately = Retry.objects.filter(root__recipient__in=recipients, created_at__gte=now - rules.DAY, state__in=TRIED)
    return dict(lately.values_list("root__recipient").annotate(Count("pk")))


def _by(user: User | None, now: datetime) -> tuple[int, int]:
    """How often this person asked, one message at a time: within ten minutes, within a day."""
    if user is None:
        return 0, 0
    mine = Retry.objects.filter(user=user, bulk=None, created_at__gte=now - rules.DAY)
    in_a_row = Count("pk", filter=Q(created_at__gte=now - rules.IN_A_ROW))
    counts = mine.aggregate(in_a_row=in_a_row, today=Count("pk"))
    return counts["in_a_row"], counts["today"]


# ------------------------------------------------------------------------------ prices


def _quote(everyone: Collection[Case]) -> None:
    """What each text would cost: its own last price where it goes the same way, its share of an order that was paid as
    a whole, else the usual one of that account in that country."""
    shares = _shares(everyone)
    to_ask: dict[int, list[Case]] = defaultdict(list)
    for case in everyone:
        case.price = _own_price(case, shares)
        if case.price is None and case.root.country:
            to_ask[case.account.pk].append(case)
    for account, asking in to_ask.items():
        per_part = _usual_prices(account)
        for case in asking:
            each = per_part.get(case.root.country)
            case.price = each.times(case.parts_of(case.text) or 1, 1) if each else None


def _shares(everyone: Collection[Case]) -> dict[int, Price]:
    """The price of one text of each order that has one price for all of them."""
    paid = {
        case.root.batch_id: (case.root.batch.cost, case.root.batch.currency or case.root.account.currency)
        for case in everyone
        if case.root.batch and case.root.batch.cost
    }
    counts = BatchCount.objects.filter(batch__in=paid).values_list("batch").annotate(Sum("n"))
    return {pk: Price(rounded(paid[pk][0] / texts), paid[pk][1], texts) for pk, texts in counts if texts}


def _own_price(case: Case, shares: dict[int, Price]) -> Price | None:
    """A price of nothing is none: some providers take the price back when a text does not arrive."""
    cost, account = case.original.cost, case.original.account
    if rules.ACCOUNT in case.changed:
        return None
    share = shares.get(case.root.batch_id or 0) if case.original is case.root else None
    price = Price(cost, case.original.currency or account.currency) if cost else share
    before, parts = case.parts_of(case.original.text), case.parts_of(case.text)
    if price is None or case.text == case.original.text or before == parts:
        return price
    return price.times(parts, before) if parts and before else None


def quoted_through(case: Case, account: Account) -> Price | None:
    """What the text of this case would usually cost through another account."""
    return usual_price(account, case.root.country, case.parts_of(case.text) or 1)


def usual_price(account: Account, country: str, parts: int) -> Price | None:
    """What a text of so many parts to this country usually costs through the account."""
    each = _usual_prices(account.pk).get(country)
    return each.times(parts, 1) if each else None


def _usual_prices(account: int) -> dict[str, Price]:
    """What one part usually costs through this account, by country."""
    newest = Message.objects.filter(account=account, effective=Status.DELIVERED.value).order_by("-sent_at", "-pk")
    paid: dict[str, list[tuple[Decimal, str, int]]] = defaultdict(list)
    for cost, currency, parts, country in newest.values_list("cost", "currency", "parts", "country")[:MOST_PRICES]:
        if cost and country:
            paid[country].append((cost, currency, parts or 1))
    found = {country: usual(prices) for country, prices in paid.items()}
    return {country: price for country, price in found.items() if price is not None}
