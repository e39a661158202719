"""Adding and changing provider accounts: the same rules for the command and the screen."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import EllipsisType
from zoneinfo import available_timezones

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import transaction
from django.utils.translation import gettext as _

from dashboard.models import Account
from providers import PROVIDERS
from providers.base import ProviderError
from providers.http import check_base_url


class Wrong(ValueError):
    """A field that cannot be taken; str(error) is a sentence for a person."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def save_account(
    slug: str,
    *,
    by: str,
    provider: str = "",
    label: str | None = None,
    base_url: str | None = None,
    time_zone: str | None = None,
    rate: float | None = None,
    currency: str | None = None,
    enabled: bool | None = None,
    resend_cap: int | None = None,
    spend_cap: Decimal | EllipsisType | None = ...,
    credentials: Mapping[str, str] | None = None,
) -> Account:
    """Create or update the account `slug`; None leaves a field as it is, and a `spend_cap` of None means no limit.
    Raises Wrong.

    A new base URL without new credentials wipes the stored ones: else whoever may edit the address could have our key
    sent to a host of their own.
    """
    _check(slug, provider, base_url, time_zone, rate, credentials)
    with transaction.atomic():
        account = Account.objects.select_for_update().filter(slug=slug).first()
        if account is None:
            if not provider:
                raise Wrong("provider", _("A new account needs its provider."))
            account = Account.make(slug=slug, provider_key=provider, rate=rate or PROVIDERS[provider].rate)
        elif provider and provider != account.provider_key:
            sentence = _("%(account)s is an account of %(provider)s; make another one.")
            raise Wrong("provider", sentence % {"account": slug, "provider": account.provider_key})
        moved = base_url is not None and base_url.rstrip("/") != account.base_url
        changes = {
            "label": label, "base_url": base_url.rstrip("/") if base_url is not None else None,
            "time_zone": time_zone, "rate": rate, "currency": currency, "enabled": enabled, "resend_cap": resend_cap,
        }  # fmt: skip
        for name, value in changes.items():
            if value is not None:
                setattr(account, name, value)
        _limit(account, spend_cap)
        if credentials is not None:
            account.set_credentials({str(k): str(v) for k, v in credentials.items()}, by)
        elif moved:
            account.set_credentials({}, by)
        if moved:
            account.unsupported = {}
        account.save()
        return account


def _limit(account: Account, spend_cap: Decimal | EllipsisType | None) -> None:
    if not isinstance(spend_cap, EllipsisType):
        account.spend_cap = spend_cap
    if account.spend_cap is not None and not account.currency:
        raise Wrong("spend_cap", _("A limit of money needs the account's currency."))


def _check(
    slug: str,
    provider: str,
    base_url: str | None,
    time_zone: str | None,
    rate: float | None,
    credentials: Mapping[str, str] | None,
) -> None:
    try:
        validate_slug(slug)
    except ValidationError:
        raise Wrong("slug", _("A short name has letters, digits, hyphens and underscores only.")) from None
    if provider and provider not in PROVIDERS:
        sentence = _("There is no provider %(name)s; there are %(all)s.")
        raise Wrong("provider", sentence % {"name": repr(provider), "all": ", ".join(PROVIDERS)})
    if base_url:
        try:
            check_base_url(base_url, settings.ALLOW_PRIVATE_PROVIDER_URLS)
        except ProviderError as error:
            raise Wrong("base_url", error.message) from None
    if time_zone and time_zone not in available_timezones():
        sentence = _("%(name)s is not a time zone; use a name like Africa/Nairobi.")
        raise Wrong("time_zone", sentence % {"name": repr(time_zone)})
    if rate is not None and not 0 < rate <= 1000:
        raise Wrong("rate", _("The rate is requests a second: more than 0, at most 1000."))
    if credentials is not None:
        _check_credentials(slug, provider, credentials)


def _check_credentials(slug: str, provider: str, credentials: Mapping[str, str]) -> None:
    key = provider or Account.objects.filter(slug=slug).values_list("provider_key", flat=True).first()
    if key is None:
        raise Wrong("provider", _("A new account needs its provider."))
    known = {field.name for field in PROVIDERS[key].credentials}
    unknown = set(credentials) - known
    if unknown:
        names = {
            "provider": PROVIDERS[key].label,
            "unknown": ", ".join(sorted(unknown)),
            "known": ", ".join(sorted(known)),
        }
        raise Wrong("credentials", _("%(provider)s has no %(unknown)s; it has %(known)s.") % names)
    if any(not isinstance(value, str) or any(c < " " for c in value) for value in credentials.values()):
        raise Wrong("credentials", _("A credential is text without line breaks."))
    given = {name: value for name, value in credentials.items() if value}
    try:
        PROVIDERS[key].headers(given)
    except ProviderError as error:
        raise Wrong("credentials", error.message) from None
