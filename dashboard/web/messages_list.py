"""The list of messages: every filter in the URL, except a phone number, which belongs in no URL."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _, gettext_lazy
from django.views.decorators.http import require_GET

from dashboard.keyset import BadCursor, Window, window
from dashboard.models import Batch, Message
from dashboard.queries import NO_COUNTRY, BadFilter, batches_called, filter_messages
from dashboard.web.access import roles
from dashboard.web.buckets import BUCKET_LABELS
from dashboard.web.chips import CHIPS
from dashboard.web.filters import AccountChoice, active, at, without
from dashboard.web.forms import Form
from dashboard.web.hours import HoursField, hours_words
from dashboard.web.parts import page_or_partial
from dashboard.web.spans import BadSpan, span_of
from providers.base import MAX_ID_LENGTH

PAGE = 50
# Whatever somebody may call it: a number in a URL stays in histories and logs.
PHONE_PARAMETERS = ("phone", "to", "number", "msisdn", "recipient")
COUNTRY_WORDS = {NO_COUNTRY: gettext_lazy("not known"), "001": gettext_lazy("none: a number of the world")}
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
    country = forms.CharField(
        required=False, max_length=4, label=gettext_lazy("Country"),
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

    def clean_batch(self) -> str:
        name: str = self.cleaned_data["batch"]
        if name and not batches_called(name):
            raise forms.ValidationError(_("There is no batch with this id or name."))
        return name

    def apply(self) -> QuerySet[Message] | None:
        """The messages the filters mean; None, and errors on the form, if they mean nothing."""
        if not self.is_valid():
            return None
        given = dict(self.cleaned_data)
        zone = ZoneInfo(settings.SITE_TIME_ZONE)
        for name, days in (("since", 0), ("until", 1)):
            if given[name]:
                given[name] = datetime.combine(given[name] + timedelta(days=days), time.min, tzinfo=zone)
        if span := given.pop("last"):
            begin = timezone.now() - span
            given["since"] = max(begin, given["since"] or begin)
        if hours := given.pop("hours"):
            given["since"] = max(hours[0], given["since"] or hours[0])
            given["until"] = min(hours[1], given["until"] or hours[1])
        try:
            return filter_messages(**given)
        except BadFilter as error:
            self.add_error(error.field if error.field in self.fields else None, str(error))
            return None

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
            words["country"] = COUNTRY_WORDS.get(given["country"], given["country"].upper())
        if given.get("hours"):
            words["hours"] = hours_words(*given["hours"])
        if str(given.get("batch", "")).startswith("id:"):
            words["batch"] = Batch.objects.values_list("name", flat=True).get(pk=int(given["batch"][3:]))
        return words


def has_phone(query: QueryDict) -> bool:
    return any(name in query for name in PHONE_PARAMETERS)


@roles("ops", "admin")
@require_GET
def messages(request: HttpRequest) -> HttpResponse:
    if has_phone(request.GET):
        return render(request, "messages_phone.html", status=400)
    form = MessageFilter(request.GET)
    found = form.apply()
    status, problem = 200, ""
    shown: Window[Message] = Window([])
    if found is not None:
        try:
            shown = window(found.select_related("account", "recipient", "batch"), request.GET.get("cursor", ""), PAGE)
        except BadCursor as error:
            status, problem = 400, str(error)
    context = {
        "form": form,
        "rows": shown.items,
        "active": active(request.GET, form.labels, form.words()),
        "older": at(request.GET, shown.older),
        "newer": at(request.GET, shown.newer),
        "problem": problem,
        "query": without(request.GET),
        "filtered": without(request.GET) != "?",
    }
    return render(request, page_or_partial(request, "messages.html", "rows"), context, status=status)
