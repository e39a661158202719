"""The overview in words and links: a row for each account, what is out of the ordinary, charts and countries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from dashboard.domain import charts
from dashboard.domain.overview import Change, Sums, delay_change, delivered_change, sent_change
from dashboard.domain.verdict_facts import Usual
from dashboard.models import Account
from dashboard.overview import DAYS, Overdue, Period
from dashboard.queries import NO_COUNTRY
from dashboard.web.health import Health
from dashboard.web.hours import hours_text
from dashboard.web.messages_list import COUNTRY_WORDS
from dashboard.web.tags import grouped, icon, short
from providers.base import Status

FIRST_COUNTRIES = 12  # of those where there is enough to say
FEWEST_COUNTRIES = 5
_LEVELS = ((0.95, "good"), (0.85, "fair"), (0.7, "low"), (0.0, "bad"))
_WORSE = frozenset({Change.WORSE, Change.FAR_WORSE})


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that leads to the messages it counts, and what is usual in its place. `text` "" is none at all."""

    text: str = ""
    of: str = ""  # the number of messages, where `text` is not that number
    url: str = ""
    note: str = ""
    change: Change = Change.USUAL

    @property
    def html(self) -> SafeString:
        """Made here: there are some hundred on the page, and a template for each would take most of its time."""
        worse = self.change in _WORSE
        note = format_html(' <span class="usual">{}{}</span>', icon("arrow-down") if worse else "", self.note)
        if not self.text:
            return format_html('<span class="muted">–</span>{}', note if self.note else "")
        few = bool(self.of) and self.change is Change.FEW
        return format_html(
            '<a class="count{}" href="{}"><b>{}</b>{}</a>{}',
            " is-worse" if worse else " is-few" if few else " is-zero" if self.text == "0" else "",
            self.url,
            self.text,
            format_html(' <span class="of">{}</span>', _("of %(n)s") % {"n": self.of}) if self.of else "",
            note if self.note else "",
        )


NOTHING = Figure()


@cache
def _messages() -> str:
    return reverse("messages")


def messages_url(**query: str) -> str:
    return f"{_messages()}?{urlencode({name: value for name, value in query.items() if value}, safe=':')}"


@dataclass(frozen=True, slots=True)
class Hour:
    """What is known of one account, or of all of them, about one hour: its sums, and those of the same hour before."""

    begin: datetime
    sums: Sums
    before: Sequence[Sums]  # of the days on which anything was sent in this hour
    account: str = ""  # its slug
    name: str = ""

    @property
    def usual(self) -> Sums:
        return sum(self.before, Sums())

    @property
    def usually_sent(self) -> int:
        return round(self.usual.sent / len(self.before)) if self.before else 0

    @property
    def words(self) -> str:
        first, last = timezone.localtime(self.begin), timezone.localtime(self.begin + timedelta(hours=1))
        return f"{first:%H:%M}–{last:%H:%M}"

    @property
    def sent_change(self) -> Change:
        return sent_change(self.sums.sent, [one.sent for one in self.before])

    @property
    def delivered_change(self) -> Change:
        return delivered_change(self.sums, self.usual)

    def url(self, **query: str) -> str:
        return messages_url(account=self.account, hours=hours_text(self.begin, 1), **query)


# ------------------------------------------------------------------------------ figures


def sent(hour: Hour) -> Figure:
    note = _("no usual yet") if hour.sums.sent else ""
    if hour.before:
        note = _("usually %(n)s") % {"n": grouped(hour.usually_sent)}
    if 0 < len(hour.before) < DAYS:
        note += " " + _("(%(n)s of %(days)s days)") % {"n": len(hour.before), "days": DAYS}
    return Figure(grouped(hour.sums.sent), url=hour.url(), note=note, change=hour.sent_change)


def delivered(hour: Hour) -> Figure:
    sums, usual = hour.sums, hour.usual
    if not sums.ended:
        return Figure(note=_("none has ended yet") if sums.sent else "")
    note = "" if usual.few else _("usually %(share)s") % {"share": usual.percent}
    return share(sums, hour.url(ended="any"), note, hour.delivered_change)


def share(sums: Sums, url: str, note: str = "", change: Change = Change.USUAL) -> Figure:
    """A share of so many that ended; of few there is none."""
    if sums.few:
        return Figure(_("too few"), grouped(sums.ended), url, note, Change.FEW)
    return Figure(sums.percent, grouped(sums.ended), url, note, change)


def count(n: int, url: str) -> Figure:
    return Figure(grouped(n), url=url)


def delay(hour: Hour, last: Usual | None, usual: Usual | None) -> Figure:
    if last is None:
        return Figure(note=_("too few to say") if hour.sums.delivered else "")
    note = "" if usual is None else _("usually %(half)s / %(most)s") % _times(usual)
    words = "{half} / {most}".format(**_times(last))
    url = hour.url(status=Status.DELIVERED.value)
    of = _("the newest %(n)s") if last.count < hour.sums.delivered else "%(n)s"
    return Figure(words, of % {"n": grouped(last.count)}, url, note, delay_change(last, usual))


def _times(usual: Usual) -> dict[str, str]:
    return {"half": short(usual.half), "most": short(usual.most)}


def overdue(late: Overdue, slug: str = "") -> Figure:
    text = f"{grouped(late.count)}+" if late.more else grouped(late.count)
    return Figure(text, url=messages_url(account=slug, overdue="on"))


@dataclass(frozen=True, slots=True)
class Row:
    """One account's line, or that of all of them (no account)."""

    account: Account | None
    health: Health | None
    sent: Figure
    delivered: Figure
    missed: Figure
    unknown: Figure
    delay: Figure
    overdue: Figure
    so_far: Figure
    so_far_delivered: Figure
    balance: str = ""


def row(
    hour: Hour,
    so_far: Hour,
    late: Overdue,
    account: Account | None = None,
    health: Health | None = None,
    delays: tuple[Usual | None, Usual | None] = (None, None),
) -> Row:
    ended = share(so_far.sums, so_far.url(ended="any")) if so_far.sums.ended else NOTHING
    return Row(
        account=account,
        health=health,
        sent=sent(hour),
        delivered=delivered(hour),
        missed=count(hour.sums.missed, hour.url(ended="missed")),
        unknown=count(hour.sums.unknown, hour.url(status=Status.UNKNOWN.value)),
        delay=delay(hour, *delays) if account else NOTHING,
        overdue=overdue(late, hour.account),
        so_far=count(so_far.sums.sent, so_far.url()),
        so_far_delivered=ended,
        balance=account.test_result if account and account.test_ok else "",
    )


# ------------------------------------------------------------------------------ over time


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the table behind the charts."""

    begin: datetime
    so_far: bool
    sent: Figure
    ended: Figure
    delivered: Figure
    share: str
    delay: Usual | None


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn: lines through the steps that have enough to say, marks where there is too little."""

    lines: Sequence[tuple[str, str, str]]  # a class, the path, its dots
    last: Sequence[tuple[str, str]]  # a class, the dot of the step that is not over
    few: Sequence[str]  # where steps with too little begin
    ticks: Sequence[str]
    grid: Sequence[str]
    says: str

    @property
    def empty(self) -> bool:
        return not any(path for _kind, path, _dots in self.lines)


@dataclass(frozen=True, slots=True)
class OverTime:
    steps: Sequence[Step]
    share: Chart
    delay: Chart
    labels: Sequence[datetime]
    width: str  # of one step


def over_time(period: Period, sums: Sequence[Sums], delays: Sequence[Usual | None], slug: str) -> OverTime:
    begins = period.begins
    shares = [None if one.few else 100 * one.share for one in sums]
    few = [place for place, one in enumerate(sums) if one.ended and one.few]
    half = [None if one is None else max(one.half.total_seconds(), 1.0) for one in delays]
    most = [None if one is None else max(one.most.total_seconds(), 1.0) for one in delays]
    thin = [place for place, one in enumerate(sums) if one.delivered and delays[place] is None]
    known = [value for value in (*half, *most) if value is not None]
    in_all = sum(sums, Sums())
    says = _("Share delivered in each step: %(share)s of %(n)s in all.") % {
        "share": in_all.percent if not in_all.few else _("too few"),
        "n": grouped(in_all.ended),
    }
    share_axis = charts.share_axis([value for value in shares if value is not None])
    delay_axis = charts.delay_axis(known)
    every = 6 if period.step == 1 else 4
    return OverTime(
        steps=[
            _step(begin, period, sums[place], delays[place], slug, last=place + 1 == period.count)
            for place, begin in enumerate(begins)
        ],
        share=_chart(
            [("share", shares)], share_axis, few, period.count, [f"{tick:g} %" for tick in share_axis.ticks], says
        ),
        delay=_chart(
            [("most", most), ("half", half)], delay_axis, thin, period.count,
            [short(timedelta(seconds=tick)) for tick in delay_axis.ticks],
            _("How long it took until we heard that a text was delivered: half of them, and nine of ten."),
        ),
        labels=[timezone.localtime(begin) for begin in begins[::every]],
        width=f"{charts.WIDTH / period.count:.1f}",
    )  # fmt: skip


def _chart(
    lines: Sequence[tuple[str, Sequence[float | None]]],
    axis: charts.Axis,
    few: Sequence[int],
    steps: int,
    ticks: Sequence[str],
    says: str,
) -> Chart:
    return Chart(
        lines=[(kind, charts.line(values, axis), charts.dots([*values[:-1], None], axis)) for kind, values in lines],
        last=[(kind, charts.dots([*[None] * (steps - 1), values[-1]], axis)) for kind, values in lines],
        few=[f"{charts.WIDTH * place / steps:.1f}" for place in few],
        ticks=ticks,
        grid=[f"{axis.y(tick):g}" for tick in axis.ticks],
        says=says,
    )


def _step(begin: datetime, period: Period, sums: Sums, delay: Usual | None, slug: str, *, last: bool) -> Step:
    def url(**query: str) -> str:
        return messages_url(account=slug, hours=hours_text(begin, period.step), **query)

    return Step(
        begin=begin,
        so_far=last,
        sent=count(sums.sent, url()),
        ended=count(sums.ended, url(ended="any")),
        delivered=count(sums.delivered, url(status=Status.DELIVERED.value)),
        share=_("too few") if sums.few else sums.percent,
        delay=delay,
    )


# ------------------------------------------------------------------------------ account by country


@dataclass(frozen=True, slots=True)
class Cell:
    figure: Figure
    level: str  # "good" to "bad", "few", or "" where nothing was sent


@dataclass(frozen=True, slots=True)
class Country:
    name: Any
    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Countries:
    accounts: Sequence[Account]
    first: Sequence[Country]
    more: Sequence[Country]


def countries(found: Mapping[tuple[int, str], Sums], accounts: Sequence[Account], period: Period) -> Countries:
    """Those with most texts first; those with too few in every cell are folded."""
    volume: dict[str, int] = {}
    for (_account, code), sums in found.items():
        volume[code] = volume.get(code, 0) + sums.sent
    codes = sorted((code for code, n in volume.items() if n), key=lambda code: (-volume[code], code))
    used = [account for account in accounts if any((account.pk, code) in found for code in codes)]
    telling = [code for code in codes if any(not found.get((one.pk, code), Sums()).few for one in used)]
    first = (telling or codes[:FEWEST_COUNTRIES])[:FIRST_COUNTRIES]
    rows = {code: _country(code, found, used, period) for code in codes}
    return Countries(used, [rows[code] for code in first], [rows[code] for code in codes if code not in first])


def _country(code: str, found: Mapping[tuple[int, str], Sums], accounts: Sequence[Account], period: Period) -> Country:
    query = {"country": code or NO_COUNTRY, "hours": hours_text(period.begin, period.hours), "ended": "any"}
    cells = []
    for account in accounts:
        sums = found.get((account.pk, code), Sums())
        figure = share(sums, messages_url(account=account.slug, **query)) if sums.ended else NOTHING
        cells.append(Cell(figure, level(sums) if sums.ended else ""))
    return Country(COUNTRY_WORDS.get(code or NO_COUNTRY, code), cells)


def level(sums: Sums) -> str:
    return "few" if sums.few else next(name for least, name in _LEVELS if sums.share >= least)
