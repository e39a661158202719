"""What the pages of sending many again show: counts, reasons, money, and how long it takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.db.models import Count, Max, Q, QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _, gettext_lazy

from dashboard.domain.bulk import VALID_FOR, Fate, duration, needs_number, needs_second
from dashboard.domain.lifecycle import Bucket
from dashboard.fates import paid, quoted, with_fate
from dashboard.ingest.bulk import to_send, waiting_until
from dashboard.ingest.situation import throughs
from dashboard.models import Account, Bulk, BulkItem, User
from dashboard.web.bars import Segment, segments
from dashboard.web.look import version_of
from dashboard.web.messages_list import MessageFilter, words_of
from dashboard.web.tags import money, short
from providers.base import Status

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

ROWS = 50
NOBODY_LOOKS_AFTER = timedelta(minutes=1)
_STATE = Bulk.State


@dataclass(frozen=True, slots=True)
class Look:
    """How a state, or what became of messages, looks: the class of its colour, an icon, a word, and what it means."""

    kind: str
    icon: str
    word: StrOrPromise
    meaning: StrOrPromise = ""


STATES: dict[str, Look] = {
    _STATE.PLANNING: Look("pending", "hourglass", gettext_lazy("Being planned")),
    _STATE.PLANNED: Look("expired", "hourglass", gettext_lazy("Waits for approval")),
    _STATE.RUNNING: Look("pending", "send", gettext_lazy("Running")),
    _STATE.PAUSED: Look("expired", "player-pause", gettext_lazy("Paused")),
    _STATE.STOPPED: Look("failed", "player-stop", gettext_lazy("Stopped")),
    _STATE.DONE: Look("delivered", "checks", gettext_lazy("Done")),
}
DROPPED = Look("failed", "trash", gettext_lazy("Dropped"))

FATES: dict[Fate, Look] = {
    Fate.DELIVERED: Look("delivered", "check", gettext_lazy("Delivered"), gettext_lazy("The new text arrived")),
    Fate.FAILED: Look("undeliverable", "circle-x", gettext_lazy("Failed"), gettext_lazy("It did not arrive either")),
    Fate.PENDING: Look("pending", "dots", gettext_lazy("On its way"), gettext_lazy("Asked for; no final word yet")),
    Fate.TO_COME: Look("none", "hourglass", gettext_lazy("To come"), gettext_lazy("Its turn is still to come")),
    Fate.STOPPED: Look("none", "player-stop", gettext_lazy("Not begun"), gettext_lazy("Stopped before its turn")),
    Fate.UNKNOWN: Look("unknown", "question-mark", gettext_lazy("Not certain"), gettext_lazy("Nobody can tell yet")),
    Fate.NOT_SENT: Look("undeliverable", "minus", gettext_lazy("Not sent"), gettext_lazy("Nothing left us")),
    Fate.NOT_NEEDED: Look(
        "delivered", "checks", gettext_lazy("Not needed"), gettext_lazy("The first text arrived after all")
    ),
    Fate.EXCLUDED: Look("none", "ban", gettext_lazy("Left out"), gettext_lazy("May not be sent again")),
}
ALWAYS = frozenset({Fate.DELIVERED, Fate.FAILED, Fate.PENDING, Fate.EXCLUDED})
# In the bar; what is still to come is its empty end.
BARS = {
    Bucket.DELIVERED: (Fate.DELIVERED, Fate.NOT_NEEDED),
    Bucket.UNDELIVERABLE: (Fate.FAILED, Fate.NOT_SENT),
    Bucket.UNKNOWN: (Fate.UNKNOWN,),
    Bucket.PENDING: (Fate.PENDING,),
}

REASONS = {
    "delivered": gettext_lazy("Delivered since"),
    "pending": gettext_lazy("Still on its way"),
    "provider_retrying": gettext_lazy("The provider tries again by itself"),
    "outcome_unknown": gettext_lazy("We do not know whether the last try went out"),
    "open_retry": gettext_lazy("Being sent again already"),
    "unconfirmed": gettext_lazy("Not confirmed that it failed"),
    "cool_down": gettext_lazy("Failed too short a time ago"),
    "too_old": gettext_lazy("Too old to be of use"),
    "blocked": gettext_lazy("Blocked, refused or opted out"),
    "hopeless": gettext_lazy("Hopeless: a dead number, or refused as it is"),
    "same_text": gettext_lazy("The same text went there lately"),
    "duplicate_number": gettext_lazy("The same text to the same number, again"),
    "no_text": gettext_lazy("Its text is gone"),
    "cap_message": gettext_lazy("Sent again often enough"),
    "cap_recipient": gettext_lazy("The number was texted often enough today"),
    "cap_account": gettext_lazy("The account’s limit of today"),
    "spend_cap": gettext_lazy("The account’s limit of money"),
    "account_disabled": gettext_lazy("The account is switched off"),
}


@dataclass(frozen=True, slots=True)
class Tile:
    """One number, what it counts, and the list of exactly those."""

    look: Look
    count: int
    url: str


@dataclass(frozen=True, slots=True)
class Through:
    """What goes through one account, and what would stop it there."""

    name: str
    messages: int
    costs: list[str]
    problems: list[str]


class Shown:
    """The numbers of one run. Each is read when it is first shown."""

    def __init__(self, bulk: Bulk) -> None:
        self.bulk = bulk
        self.items = BulkItem.objects.filter(bulk=bulk)
        self.counts: Counter[Fate] = Counter()
        self.codes: Counter[str] = Counter()
        rows = with_fate(self.items).order_by().values_list("fate", "code").annotate(n=Count("pk"))
        for fate, code, n in rows:
            self.counts[Fate(fate)] += n
            self.codes[code] += n
        del self.codes[""]

    # -- counts

    @property
    def look(self) -> Look:
        return look_of(self.bulk)

    @property
    def total(self) -> int:
        return self.counts.total()

    @property
    def left_out(self) -> int:
        return self.counts[Fate.EXCLUDED]

    @property
    def wanted(self) -> int:
        """Those that were not left out."""
        return self.total - self.left_out

    @property
    def asked(self) -> int:
        return self.wanted - self.counts[Fate.TO_COME] - self.counts[Fate.STOPPED]

    @property
    def moving(self) -> bool:
        """Whether anything on the page may still change by itself."""
        if self.bulk.state in (_STATE.PLANNING, _STATE.RUNNING, _STATE.PAUSED):
            return True
        return self.bulk.approved_at is not None and self.counts[Fate.PENDING] > 0

    @cached_property
    def version(self) -> str:
        shown = (self.bulk.state, self.bulk.note, self.bulk.canary, sorted(self.counts.items()),
                 sorted(self.codes.items()), self.paid, self.waiting, self.holding_up)  # fmt: skip
        return version_of(shown)

    @property
    def tiles(self) -> list[Tile]:
        return [
            Tile(look, self.counts[fate], _list_url(show=fate.value))
            for fate, look in FATES.items()
            if fate in ALWAYS or self.counts[fate]
        ]

    @property
    def to_come_url(self) -> str:
        """Those of a plan that would be sent, also once it was dropped."""
        fate = Fate.STOPPED if self.counts[Fate.STOPPED] else Fate.TO_COME
        return _list_url(show=fate.value)

    @property
    def reasons(self) -> list[Tile]:
        """Why messages are left out, the commonest first."""
        return [
            Tile(Look("none", "ban", REASONS.get(code, code)), n, _list_url(show=Fate.EXCLUDED.value, code=code))
            for code, n in self.codes.most_common()
        ]

    @property
    def bar(self) -> list[Segment]:
        counts = {bucket: sum(self.counts[fate] for fate in fates) for bucket, fates in BARS.items()}
        return segments(counts, of=self.wanted)

    @cached_property
    def waiting(self) -> tuple[int, datetime | None]:
        """How many wait for their turn, and until when the last of them does."""
        mine = to_send(self.bulk).exclude(why="")
        found = mine.aggregate(n=Count("pk"), last=Max("why"))
        return found["n"], waiting_until(found["last"] or "")

    @cached_property
    def holding_up(self) -> list[str]:
        """Why nothing seems to happen, where that is so."""
        now, bulk = timezone.now(), self.bulk
        if bulk.state != _STATE.RUNNING or not self.counts[Fate.TO_COME]:
            return []
        if bulk.next_at is not None and bulk.next_at < now - NOBODY_LOOKS_AFTER:
            return [_("No worker has looked at it for a while. Is one running?")]
        mine = Q(pk=bulk.account_id) if bulk.account_id else Q(pk__in=to_send(bulk).values("message__account"))
        left_alone = Q(paused_until__gt=now) | Q(no_sends_until__gt=now)
        words = _("Nothing can be sent through %(account)s just now; its messages wait.")
        return [words % {"account": account.name} for account in Account.objects.filter(mine, left_alone)]

    @cached_property
    def may_have_arrived(self) -> int:
        """Of those to come: how many were never reported about."""
        return to_send(self.bulk).filter(message__effective=Status.UNKNOWN.value).count()

    # -- money and time

    @cached_property
    def planned_costs(self) -> list[tuple[str, int, int]]:
        """(sum, messages, of them estimated) of each currency; those without a price last.

        Of a price without a currency only the account tells what it is of: two accounts' are two sums.
        """
        sums: dict[tuple[bool, str, str], list[Any]] = {}
        for row in self.bulk.costs:
            unknown = row["amount"] is None
            of = "" if unknown or row["currency"] else row["account"]
            its = sums.setdefault((unknown, row["currency"], of), [Decimal(0), 0, 0])
            its[0] += Decimal(row["amount"] or 0)
            its[1] += row["messages"]
            its[2] += row["estimated"]
        return [
            (_("price not known") if unknown else _money(amount, currency, of), n, estimated)
            for (unknown, currency, of), (amount, n, estimated) in sorted(sums.items())
        ]

    @cached_property
    def quoted(self) -> list[str]:
        return [_money(amount, currency, of) for (currency, of), amount in quoted(self.bulk).items()]

    @cached_property
    def paid(self) -> list[str]:
        return [_money(amount, currency, of) for (currency, of), amount in paid(self.bulk).items()]

    @cached_property
    def accounts(self) -> list[Through]:
        """What the plan would send through each account, and the limits that would stop it."""
        slugs = {row["account"] for row in self.bulk.costs}
        accounts = {account.slug: account for account in Account.objects.filter(slug__in=slugs)}
        limits = throughs(accounts.values(), timezone.now())
        found = []
        for slug, account in accounts.items():
            rows = [row for row in self.bulk.costs if row["account"] == slug]
            prices = {row["currency"]: Decimal(row["amount"]) for row in rows if row["amount"] is not None}
            n = sum(row["messages"] for row in rows)
            words = [money(amount, currency) for currency, amount in prices.items()]
            found.append(Through(account.name, n, words, _problems(n, prices, limits[account.pk])))
        return found

    @cached_property
    def takes(self) -> str:
        """About how long those to come take at the accounts' pace."""
        left = to_send(self.bulk).order_by()
        if self.bulk.account:
            return short_of(duration([(self.bulk.account.rate, left.count())]))
        rates = left.values_list("message__account__rate").annotate(n=Count("pk")).values_list(
            "message__account", "message__account__rate", "n"
        )  # fmt: skip
        return short_of(duration([(rate, n) for _account, rate, n in rates]))


def _money(amount: Decimal, currency: str, account: str) -> str:
    return f"{money(amount, currency)}, {account}" if account else money(amount, currency)


def short_of(span: timedelta) -> str:
    return _("< 1 min") if span < timedelta(minutes=1) else short(span)


def _problems(messages: int, costs: dict[str, Decimal], limits: Any) -> list[str]:
    """What of the account's limits of a day the plan does not fit into."""
    found = []
    left = max(limits.resend_cap - limits.resent, 0)
    if messages > left:
        found.append(_("It lets %(left)s more texts be sent again today: there the run pauses.") % {"left": left})
    if limits.spend_cap is not None:
        money_left = max(limits.spend_cap - limits.spent, Decimal(0))
        if set(costs) - {limits.currency}:
            found.append(_("It has a limit of money, and not every price is known in its currency."))
        elif costs.get(limits.currency, Decimal(0)) > money_left:
            words = {"left": money(money_left, limits.currency)}
            found.append(_("It lets %(left)s more be spent today: there the run pauses.") % words)
    return found


def look_of(bulk: Bulk) -> Look:
    return DROPPED if bulk.state == _STATE.STOPPED and bulk.approved_at is None else STATES[bulk.state]


def _list_url(**query: str) -> str:
    return f"?{urlencode(query)}#list"


# ------------------------------------------------------------------------------ around the live part


class ListForm(forms.Form):
    """Which of the messages are listed: those of one fate, or left out for one reason."""

    show = forms.ChoiceField(choices=[(fate.value, fate.value) for fate in Fate], required=False)
    code = forms.CharField(max_length=30, required=False)
    after = forms.IntegerField(min_value=0, max_value=2**31, required=False)


def page_of(bulk: Bulk, shown: Shown, user: User, query: QueryDict) -> dict[str, Any]:
    """What the page shows that does not move by itself."""
    given = QueryDict(urlencode(bulk.filter))
    wanted = shown.counts[Fate.TO_COME]
    second_above = int(settings.BULK_APPROVAL_ABOVE)
    too_old = timezone.now() - bulk.created_at > VALID_FOR
    second = needs_second(wanted, second_above) and bulk.user_id == user.pk
    return {
        "given": words_of(given, MessageFilter(given)),
        "query": f"?{given.urlencode(safe=':')}",
        "too_old": too_old,
        "needs_number": needs_number(wanted),
        "needs_second": second,
        "may_approve": bulk.state == _STATE.PLANNED and bool(wanted) and not too_old and not second,
        "second_above": second_above,
        "listed": _listed(shown.items, query),
    }


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of the messages of a fate."""

    title: StrOrPromise
    rows: list[tuple[BulkItem, datetime | None]]  # the time: until when it waits for its turn
    older: str


def _listed(items: QuerySet[BulkItem], query: QueryDict) -> Listed | None:
    form = ListForm(query)
    if not form.is_valid() or not form.cleaned_data["show"]:
        return None
    fate, code, after = (form.cleaned_data[name] for name in ("show", "code", "after"))
    mine = with_fate(items).filter(Q(code=code) if code else Q(), fate=fate, position__gt=after or 0)
    rows = mine.select_related("message__recipient", "message__account", "retry__message").order_by("position")
    page = list(rows[: ROWS + 1])
    older = _list_url(show=fate, code=code, after=str(page[ROWS - 1].position)) if len(page) > ROWS else ""
    look = FATES[Fate(fate)]
    waits = fate == Fate.TO_COME.value
    shown = [(item, waiting_until(item.why) if waits else None) for item in page[:ROWS]]
    return Listed(REASONS.get(code, code) if code else look.word, shown, older)


# ------------------------------------------------------------------------------ the list of runs


@dataclass(frozen=True, slots=True)
class Row:
    """One run of the list."""

    bulk: Bulk
    look: Look
    total: int
    left_out: int
    asked: int

    @property
    def wanted(self) -> int:
        return self.total - self.left_out


def counts_of(bulks: Iterable[Bulk]) -> list[Row]:
    """The runs with their counts, in one query."""
    bulks = list(bulks)
    counted = BulkItem.objects.filter(bulk__in=bulks).order_by().values("bulk").annotate(
        total=Count("pk"), left_out=Count("pk", filter=~Q(code="")), asked=Count("retry")
    )  # fmt: skip
    found = {row["bulk"]: row for row in counted} if bulks else {}
    none = {"total": 0, "left_out": 0, "asked": 0}
    return [
        Row(bulk, look_of(bulk), *(found.get(bulk.pk, none)[name] for name in ("total", "left_out", "asked")))
        for bulk in bulks
    ]
