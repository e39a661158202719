"""The advice about sending again as a page shows it: a word and a shape, sentences, and links to what they rest on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext as _, gettext_lazy

from dashboard.domain.advice_facts import Advice, Double, Outlook, Reason, Row
from dashboard.web.chips import Chip
from dashboard.web.tags import money

OUTLOOKS = {
    Outlook.LIKELY: Chip("delivered", "circle-check", gettext_lazy("Likely to help")),
    Outlook.LATER: Chip("pending", "clock", gettext_lazy("Better later")),
    Outlook.UNLIKELY: Chip("expired", "minus", gettext_lazy("Unlikely to help")),
    Outlook.NO: Chip("failed", "ban", gettext_lazy("Do not send it")),
    Outlook.CANNOT_KNOW: Chip("unknown", "question-mark", gettext_lazy("Nobody can say")),
}
DOUBLES = {
    Double.NONE: gettext_lazy("No"),
    Double.POSSIBLE: gettext_lazy("Possibly"),
    Double.LIKELY: gettext_lazy("Likely"),
}


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence and where its evidence is; `link` "" where it is a figure."""

    text: str
    link: str
    label: str


@dataclass(frozen=True, slots=True)
class Line:
    """One account beside the others."""

    account: str
    chance: str
    of: str
    price: str
    price_of: str
    double: str
    why: str
    link: str


@dataclass(frozen=True, slots=True)
class Shown:
    look: Chip
    headline: str
    when: datetime | None
    now: bool
    never: bool
    reasons: list[Said]
    double: str
    double_why: Said
    is_double: bool
    lines: list[Line]
    urged: bool  # the button may look like the thing to do


def shown(advice: Advice, message: int, now: datetime) -> Shown:
    """The advice about this message, for a page made now."""
    return Shown(
        look=OUTLOOKS[advice.verdict],
        headline=advice.headline,
        when=advice.when,
        now=advice.when is not None and advice.when <= now,
        never=advice.verdict is Outlook.NO,
        reasons=[_said(reason, message) for reason in advice.reasons],
        double=str(DOUBLES[advice.double]),
        double_why=_said(advice.double_why, message),
        is_double=advice.double is not Double.NONE,
        lines=[_line(row) for row in advice.rows],
        urged=advice.verdict is not Outlook.NO and advice.double is not Double.LIKELY,
    )


def _said(reason: Reason, message: int) -> Said:
    if reason.event is not None:
        return Said(reason.text, f"{reverse('message', args=[reason.message or message])}#event-{reason.event}",
                    _("the report"))  # fmt: skip
    if reason.message is not None and reason.message != message:
        return Said(reason.text, reverse("message", args=[reason.message]),
                    _("message %(pk)s") % {"pk": reason.message})  # fmt: skip
    return Said(reason.text, reverse("message", args=[message]) if reason.message else "", _("this message"))


def _line(row: Row) -> Line:
    record, price = row.record, row.price
    return Line(
        account=row.account,
        chance=f"{record.percent} %" if record.enough else _("too few to say"),
        of=_("%(arrived)s of %(decided)s arrived") % {"arrived": record.arrived, "decided": record.decided}
        if record.decided
        else "",
        price=money(price.amount, price.currency) if price else _("not known"),
        price_of=_("usual, of %(n)s texts") % {"n": price.of} if price and price.of else "",
        double=str(DOUBLES[row.double]),
        why=row.why,
        link=reverse("message", args=[row.message]) if row.message else "",
    )
