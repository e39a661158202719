"""The list of messages: every filter in the URL, except a phone number, which belongs in no URL."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _, gettext_lazy, ngettext
from django.views.decorators.http import require_GET

from dashboard.keyset import BadCursor, Branched, from_row, goes_back, window
from dashboard.models import Batch, Message
from dashboard.queries import NO_COUNTRY, BadFilter, batches_called, filter_messages
from dashboard.web import countries
from dashboard.web.access import roles
from dashboard.web.buckets import BUCKET_LABELS
from dashboard.web.chips import CHIPS
from dashboard.web.columns import COLUMNS, columns_of, density_of
from dashboard.web.filters import AccountChoice, Active, Chosen, active, at, in_one, without
from dashboard.web.forms import Form
from dashboard.web.hours import HoursField, hours_words
from dashboard.web.look import Kept, Seen
from dashboard.web.look_lists import Asked, list_statements, look_at_list
from dashboard.web.parts import STOP_POLLING, page_or_partial
from dashboard.web.spans import BadSpan, span_of
from providers.base import MAX_ID_LENGTH

PAGE = 50
FOLDED = ("ended", "since", "until", "batch", "reference", "provider_message_id", "overdue", "conflict", "twice")
LIVE = "live"  # in the address that a page asks by itself
# Whatever somebody may call it: a number in a URL stays in histories and logs.
PHONE_PARAMETERS = ("phone", "to", "number", "msisdn", "recipient")
COUNTRY_WORDS = {NO_COUNTRY: gettext_lazy("not known"), "001": gettext_lazy("no country’s")}
_DAYS = [MinValueValidator(datetime(2000, 1, 1).date()), MaxValueValidator(datetime(2100, 1, 1).date())]


class Day(forms.DateField):
    """A date of the site's zone."""

    def __init__(self, **options: Any) -> None:
        widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
        super().__init__(required=False, widget=widget, input_formats=["%Y-%m-%d"], validators=_DAYS, **options)


class Span(forms.CharField):
    """A span of time that ends now, such as 2h."""

    def __init__(self, **options: Any) -> None:
        widget = forms.TextInput(attrs={"placeholder": gettext_lazy("2h, 30min, 7d"), "autocomplete": "off"})
        super().__init__(required=False, max_length=8, widget=widget, **options)

    def clean(self, value: Any) -> timedelta | None:
        text = super().clean(value)
        try:
            return span_of(text) if text else None
        except BadSpan:
            raise forms.ValidationError(_("Write a span of time like 2h, 30min or 7d.")) from None


class CountryText(forms.CharField):
    """A country's code, or its name."""

    def clean(self, value: Any) -> str:
        return countries.code_of(super().clean(value))


class MessageFilter(Form):
    """Every parameter of the list and of its export."""

    status = forms.ChoiceField(
        required=False, label=gettext_lazy("Status"),
        choices=[("", gettext_lazy("Any")), *((status.value, look.word) for status, look in CHIPS.items())],
    )  # fmt: skip
    bucket = forms.ChoiceField(
        required=False, label=gettext_lazy("Counts as"),
        choices=[("", gettext_lazy("Any")), *((bucket.value, label) for bucket, label in BUCKET_LABELS.items())],
    )  # fmt: skip
    ended = forms.ChoiceField(
        required=False, label=gettext_lazy("Ended"),
        choices=[("", gettext_lazy("Or not")), ("any", gettext_lazy("In whatever way")),
                 ("missed", gettext_lazy("Not delivered"))],
    )  # fmt: skip
    account = AccountChoice(required=False, label=gettext_lazy("Account"))
    country = CountryText(
        required=False, max_length=60, label=gettext_lazy("Country"),
        widget=forms.TextInput(attrs={"placeholder": "KE", "autocomplete": "off"}),
    )  # fmt: skip
    batch = forms.CharField(required=False, max_length=MAX_ID_LENGTH, label=gettext_lazy("Batch"))
    reference = forms.CharField(required=False, max_length=MAX_ID_LENGTH, label=gettext_lazy("Reference"))
    provider_message_id = forms.CharField(required=False, max_length=MAX_ID_LENGTH, label=gettext_lazy("Provider's id"))
    last = Span(label=gettext_lazy("Sent in the last"))
    since = Day(label=gettext_lazy("Sent from"))
    until = Day(label=gettext_lazy("Sent until"))
    hours = HoursField(label=gettext_lazy("Sent"))
    overdue = forms.BooleanField(required=False, label=gettext_lazy("Overdue"))
    conflict = forms.BooleanField(required=False, label=gettext_lazy("Contradicted"))
    twice = forms.BooleanField(required=False, label=gettext_lazy("Delivered twice"))
    chosen = Chosen(label=gettext_lazy("Chosen"))

    def clean_chosen(self) -> list[int]:
        """Exactly those that were chosen: one that is not here is an error, and not one less."""
        pks: list[int] = self.cleaned_data["chosen"]
        gone = sorted(set(pks) - set(Message.objects.filter(pk__in=pks).values_list("pk", flat=True))) if pks else []
        if gone:
            raise forms.ValidationError(_("There is no message %(ids)s.") % {"ids": ", ".join(map(str, gone[:5]))})
        return pks

    def clean_batch(self) -> str:
        name: str = self.cleaned_data["batch"]
        if name and not batches_called(name):
            raise forms.ValidationError(_("There is no batch with this id or name."))
        return name

    def apply(self) -> Branched[Message] | None:
        """The messages the filters mean; None, and errors on the form, if they mean nothing."""
        if not self.is_valid():
            return None
        given = dict(self.cleaned_data)
        zone = ZoneInfo(settings.SITE_TIME_ZONE)
        for name, days in (("since", 0), ("until", 1)):
            if given[name]:
                given[name] = datetime.combine(given[name] + timedelta(days=days), time.min, tzinfo=zone)
        chosen = given.pop("chosen")
        if span := given.pop("last"):
            begin = timezone.now() - span
            given["since"] = max(begin, given["since"] or begin)
        if hours := given.pop("hours"):
            given["since"] = max(hours[0], given["since"] or hours[0])
            given["until"] = min(hours[1], given["until"] or hours[1])
        try:
            found = filter_messages(**given)
            return found.filter(pk__in=chosen) if chosen else found
        except BadFilter as error:
            self.add_error(error.field if error.field in self.fields else None, str(error))
            return None

    @property
    def more(self) -> bool:
        """Whether any of those is in use, or wrong, that are folded away."""
        return any(self.data.get(name) or name in self.errors for name in FOLDED)

    @property
    def labels(self) -> dict[str, Any]:
        return {name: field.label for name, field in self.fields.items()}

    def words(self) -> dict[str, str]:
        """The values in use, in the words of the form."""
        given: dict[str, Any] = getattr(self, "cleaned_data", {})
        words = {name: _("yes") for name in ("overdue", "conflict", "twice")}
        for name in ("status", "ended", "bucket", "account"):
            choices = dict(self.fields[name].choices)  # type: ignore[attr-defined]
            typed = str(self.data.get(name, ""))
            words[name] = str(choices.get(typed, typed))
        if given.get("country"):
            words["country"] = str(COUNTRY_WORDS.get(given["country"]) or countries.in_words(given["country"].upper()))
        if given.get("hours"):
            words["hours"] = hours_words(*given["hours"])
        if str(given.get("batch", "")).startswith("id:"):
            words["batch"] = Batch.objects.values_list("name", flat=True).get(pk=int(given["batch"][3:]))
        if chosen := given.get("chosen"):
            words["chosen"] = ngettext("%(n)s message", "%(n)s messages", len(chosen)) % {"n": len(chosen)}
        return words


def words_of(query: QueryDict, form: MessageFilter) -> list[Active]:
    """A filter in words."""
    form.is_valid()
    return active(query, form.labels, form.words())


def has_phone(query: QueryDict) -> bool:
    return any(name in query for name in PHONE_PARAMETERS)


@roles("ops", "admin")
@require_GET
def messages(request: HttpRequest) -> HttpResponse:
    """The list. Asked with `?v=` by itself: 204 if its rows are still so, 286 when nothing can change any more."""
    if has_phone(request.GET):
        return render(request, "messages_phone.html", status=400)
    query = in_one(request.GET)
    template = page_or_partial(request, "messages.html", "rows")
    refresh = template.endswith("#rows") and "v" in query
    if refresh and _still_so(query):
        return HttpResponse(status=204)
    form = MessageFilter(query)
    found = form.apply()
    shown, problem = _Shown(query, None), ""
    try:
        shown = _Shown(query, found)
    except BadCursor as error:
        problem = str(error)
    context = {
        "form": form,
        "list": shown,
        "rows": shown.rows,
        "active": words_of(query, form),
        "older": at(query, shown.older),
        "newer": at(query, shown.newer),
        "problem": problem,
        "query": without(query),
        "filtered": without(query) != "?",
        "columns": columns_of(request.COOKIES),
        "density": density_of(request.COOKIES),
        "all_columns": COLUMNS,
    }
    status = 400 if problem else STOP_POLLING if refresh and not shown.seen.moving else 200
    return render(request, template, context, status=status)


_asked: Kept[Asked | None] = Kept()  # of pages that follow, by their query without the version


def _still_so(query: QueryDict) -> bool:
    """Whether the page that asks shows what it would show now, and may still change."""
    place = query.copy()
    version = place.pop("v")[-1]
    try:
        asked = _asked.get(place.urlencode(), lambda: _statements(place))
    except BadCursor:
        return False
    if asked is None:
        return False
    seen = look_at_list(asked, PAGE, top=LIVE in place, follows=LIVE in place)
    return seen.moving and seen.version == version


def _statements(query: QueryDict) -> Asked | None:
    found = MessageFilter(query).apply()
    return None if found is None else list_statements(found, query.get("cursor", ""), PAGE)


class _Shown:
    """One page of the list, how it follows by itself, and whether anything newer has come.

    While it follows it begins with the row it began with: nothing jumps from under the pointer.
    """

    def __init__(self, query: QueryDict, found: Branched[Message] | None) -> None:
        place, self.top = query.get("cursor", ""), "cursor" not in query or LIVE in query
        self.rows: list[Message] = []
        self.older: str | None = None
        self.newer: str | None = None
        self.seen = Seen("", moving=False)
        if found is not None:
            self._read(found.select_related("account", "recipient", "batch"), place, follows=LIVE in query)
        stays = at(query, from_row(self.rows[0].pk)) if self.rows else without(query)
        self.follow = f"{stays}{'' if stays == '?' else '&'}{LIVE + '=1&' if self.top else ''}v={self.seen.version}"

    def _read(self, found: Branched[Message], place: str, *, follows: bool) -> None:
        newer = None
        if goes_back(place):  # only what it finds tells with which row the page begins
            before = window(found, place, PAGE)
            place, newer = from_row(before.items[0].pk) if before.items else "", before.newer
        # Before the rows are read: what changes meanwhile is a change to the next look.
        self.seen = look_at_list(list_statements(found, place, PAGE), PAGE, top=self.top, follows=follows)
        page = window(found, place, PAGE)
        self.rows, self.older = page.items, page.older
        self.newer = None if self.top else newer or page.newer
