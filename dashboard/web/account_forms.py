"""The forms of the account screens. The rules themselves are in dashboard.accounts, shared with the command."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext as _, gettext_lazy

from dashboard.domain.retries import plain
from dashboard.models import Account
from dashboard.web.forms import Form
from providers import PROVIDERS
from providers.base import CredentialField

MOST_CREDENTIAL = 2000  # characters


def zone_choices() -> list[tuple[str, Any]]:
    return [("", gettext_lazy("Not known")), *((name, name) for name in sorted(available_timezones()))]


class AccountForm(Form):
    """What may be changed about an account. Its short name never changes: programs use it."""

    label = forms.CharField(
        required=False, max_length=100, label=gettext_lazy("Label"),
        help_text=gettext_lazy("What people see. Empty: the short name."),
    )  # fmt: skip
    base_url = forms.CharField(
        required=False, max_length=500, label=gettext_lazy("Base URL"),
        widget=forms.URLInput(attrs={"inputmode": "url", "spellcheck": "false"}),
        help_text=gettext_lazy("Empty: the provider's own. A changed address wipes the stored credentials."),
    )  # fmt: skip
    time_zone = forms.ChoiceField(
        required=False, choices=zone_choices, label=gettext_lazy("Time zone"),
        help_text=gettext_lazy("Of times that the provider gives without a zone."),
    )  # fmt: skip
    rate = forms.FloatField(
        label=gettext_lazy("Rate"), help_text=gettext_lazy("Requests a second, at most."),
        widget=forms.NumberInput(attrs={"step": "any", "min": "0.01", "max": "1000"}),
    )  # fmt: skip
    currency = forms.CharField(
        required=False, max_length=8, label=gettext_lazy("Currency"),
        validators=[RegexValidator(r"^[A-Za-z]{3,8}\Z", gettext_lazy("A currency is a code like EUR or KES."))],
        help_text=gettext_lazy("Of prices that come without one. Empty: they are shown as not stated."),
    )  # fmt: skip
    resend_cap = forms.IntegerField(
        label=gettext_lazy("Texts sent again in 24 hours, at most"), min_value=0, max_value=10_000_000,
        help_text=gettext_lazy("By people, programs and in bulk together. 0: nothing can be sent again through it."),
    )  # fmt: skip
    spend_cap = forms.DecimalField(
        required=False, label=gettext_lazy("Money for that in 24 hours, at most"), min_value=0, max_digits=20,
        decimal_places=8,
        help_text=gettext_lazy(
            "In the account's currency. Empty: no limit. With a limit, a text whose price is not known is not sent."
        ),
        widget=forms.NumberInput(attrs={"step": "any", "min": "0"}),
    )  # fmt: skip
    enabled = forms.BooleanField(
        required=False, label=gettext_lazy("Enabled"),
        help_text=gettext_lazy("Off: nothing is asked and nothing is sent; reports that come are still taken."),
    )  # fmt: skip

    def clean_currency(self) -> str:
        currency: str = self.cleaned_data["currency"]
        return currency.upper()

    @classmethod
    def of(cls, account: Account) -> AccountForm:
        given = {name: getattr(account, name) for name in cls.base_fields}
        return cls(initial=given | {"spend_cap": plain(account.spend_cap) if account.spend_cap is not None else None})


class NewAccountForm(AccountForm):
    """A new account: also its short name and its provider."""

    slug = forms.SlugField(
        max_length=50, label=gettext_lazy("Short name"),
        help_text=gettext_lazy("Letters, digits, hyphens and underscores. It cannot be changed later."),
    )  # fmt: skip
    provider = forms.ChoiceField(
        label=gettext_lazy("Provider"), choices=[(key, provider.label) for key, provider in PROVIDERS.items()]
    )
    field_order = ("slug", "provider")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["rate"].required = False
        self.fields["rate"].help_text = gettext_lazy("Requests a second, at most. Empty: the provider's usual.")
        self.fields["base_url"].help_text = gettext_lazy("Empty: the provider's own.")
        self.fields["enabled"].initial = True
        self.fields["resend_cap"].initial = Account._meta.get_field("resend_cap").get_default()

    def clean_slug(self) -> str:
        slug: str = self.cleaned_data["slug"]
        if Account.objects.filter(slug=slug).exists():
            raise forms.ValidationError(_("There is an account of this name already."))
        return slug


class CredentialsForm(Form):
    """All credentials of an account at once. What is stored is never shown, so nothing is filled in."""

    def __init__(self, fields: tuple[CredentialField, ...], *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for field in fields:
            self.fields[field.name] = forms.CharField(
                label=field.label,
                required=False,  # which of them are needed, and in which sets, is the provider's to say
                max_length=MOST_CREDENTIAL,
                help_text=field.help or (gettext_lazy("May stay empty.") if field.optional else ""),
                widget=forms.PasswordInput(
                    render_value=False,
                    attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"},
                ),
            )
        self.dress()

    def clean(self) -> dict[str, Any]:
        given = {name: value for name, value in self.cleaned_data.items() if value}
        if not given and not self.errors:
            raise forms.ValidationError(
                _("Nothing was typed. Empty fields would leave the account without credentials.")
            )
        return given


class RotateForm(Form):
    """A new webhook address. `seen` names the one on the page, so that a second click does not make a third."""

    seen = forms.CharField(max_length=12, widget=forms.HiddenInput)
    end_older = forms.BooleanField(required=False, label=gettext_lazy("End the address before that one now"))
