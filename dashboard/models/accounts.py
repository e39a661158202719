"""A provider account: where to ask, with which credentials, and how it is doing."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from dashboard import vault
from providers import PROVIDERS
from providers.base import Provider

OLD_HOOK_VALID_FOR = timedelta(days=7)
UNSUPPORTED_FOR = timedelta(days=1)


class Account(models.Model):
    slug = models.SlugField(max_length=50, unique=True)
    provider_key = models.CharField(max_length=50)
    label = models.CharField(max_length=100, blank=True)
    base_url = models.CharField(max_length=500, blank=True)  # empty: the provider's own
    # The zone of a provider that gives times without one. Empty: not known, and said so beside each time.
    time_zone = models.CharField(max_length=64, blank=True, default="UTC")
    rate = models.FloatField()  # requests a second, at most
    next_call_at = models.DateTimeField(null=True, blank=True)  # until then every turn is some worker's
    currency = models.CharField(max_length=8, blank=True)  # of prices that come without one
    enabled = models.BooleanField(default=True)
    # What may be sent again through it in 24 hours: texts, and money in its own currency (null: no limit).
    resend_cap = models.PositiveIntegerField(default=10_000)
    spend_cap = models.DecimalField(max_digits=20, decimal_places=8, null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    # Sealed by dashboard.vault; write-only on every screen.
    sealed_credentials = models.TextField(blank=True)
    credentials_set_at = models.DateTimeField(null=True, blank=True)
    credentials_set_by = models.CharField(max_length=150, blank=True)

    hook_sha256 = models.CharField(max_length=64, unique=True)
    sealed_hook = models.TextField(blank=True)
    old_hook_sha256 = models.CharField(max_length=64, blank=True, db_index=True)
    old_hook_until = models.DateTimeField(null=True, blank=True)

    # Health, in the worker's words.
    last_success_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=500, blank=True)
    last_error_at = models.DateTimeField(null=True, blank=True)
    last_webhook_at = models.DateTimeField(null=True, blank=True)
    paused_until = models.DateTimeField(null=True, blank=True)
    pause_reason = models.CharField(max_length=20, blank=True)  # a ProviderError code
    # Nothing is sent through it until then, though it may be asked: the provider said that there is no money left.
    no_sends_until = models.DateTimeField(null=True, blank=True)
    no_sends_why = models.CharField(max_length=500, blank=True)
    failures = models.PositiveIntegerField(default=0)  # unreachable in a row: the breaker counts these
    unsupported = models.JSONField(default=dict, blank=True)  # call -> ISO time until which it is not tried again

    test_wanted_at = models.DateTimeField(null=True, blank=True)
    tested_at = models.DateTimeField(null=True, blank=True)
    test_ok = models.BooleanField(null=True)
    test_result = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ("slug",)

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        return self.label or self.slug

    @property
    def provider(self) -> Provider:
        return PROVIDERS[self.provider_key]

    @property
    def url(self) -> str:
        return self.base_url or self.provider.base_url

    # -- credentials

    @property
    def credentials(self) -> dict[str, str]:
        """Opened for the one request that needs them; {} if there are none. Raises vault.Unreadable."""
        return {name: value for name, value in self._sealed().items() if not name.startswith("_")}

    def _sealed(self) -> dict[str, str]:
        return vault.open_sealed(self.sealed_credentials, self.pk, "credentials") if self.sealed_credentials else {}

    def webhook_secrets(self, now: datetime) -> list[tuple[str, str]]:
        """What may have signed a report: ("current", secret), and for a week the one before it."""
        sealed = self._sealed()
        secrets_ = [("current", sealed.get("webhook_secret", "")), ("previous", sealed.get("_old_webhook_secret", ""))]
        if sealed.get("_old_until", "") < now.isoformat():
            secrets_.pop()
        return [(name, secret) for name, secret in secrets_ if secret]

    def set_credentials(self, values: dict[str, str], by: str) -> None:
        """Replace all credentials (the row must have its id). An empty value is none."""
        kept = {name: value for name, value in values.items() if value and not name.startswith("_")}
        try:
            before = self._sealed().get("webhook_secret", "")
        except vault.Unreadable:
            before = ""  # a lost key must not keep anybody from giving the credentials again
        if before and kept.get("webhook_secret") and before != kept["webhook_secret"]:
            kept |= {"_old_webhook_secret": before, "_old_until": (timezone.now() + OLD_HOOK_VALID_FOR).isoformat()}
        self.sealed_credentials = vault.seal(kept, self.pk, "credentials") if kept else ""
        self.credentials_set_at = timezone.now() if kept else None
        self.credentials_set_by = by if kept else ""
        self.paused_until, self.pause_reason, self.failures = None, "", 0
        self.no_sends_until, self.no_sends_why = None, ""

    # -- the webhook's address

    @property
    def webhook_url(self) -> str:
        token: str = vault.open_sealed(self.sealed_hook, self.pk, "hook")["token"]
        return f"{settings.PUBLIC_URL}/hooks/{token}/"

    def new_hook(self) -> None:
        """A new webhook token; the old one stays valid for a week (the row must have its id)."""
        if self.sealed_hook:
            self.old_hook_sha256, self.old_hook_until = self.hook_sha256, timezone.now() + OLD_HOOK_VALID_FOR
        token = secrets.token_urlsafe(32)
        self.hook_sha256 = self.hash_hook(token)
        self.sealed_hook = vault.seal({"token": token}, self.pk, "hook")

    @staticmethod
    def hash_hook(token: str) -> str:
        return hashlib.sha256(token.encode()).hexdigest()

    # -- what the server of this account does not know

    def without(self, now: datetime) -> frozenset[str]:
        """The calls this server answered "no such call" to within the last day."""
        return frozenset(call for call, until in self.unsupported.items() if datetime.fromisoformat(until) > now)

    def secrets(self) -> list[str]:
        """Everything of this account that no stored text may contain."""
        values: list[Any] = [value for name, value in self._sealed().items() if name != "_old_until"]
        if self.sealed_hook:
            values.append(vault.open_sealed(self.sealed_hook, self.pk, "hook")["token"])
        return [value for value in values if value]

    @classmethod
    def make(cls, **fields: Any) -> Account:
        """Save a new account with its own webhook token."""
        fields.setdefault("rate", PROVIDERS[fields["provider_key"]].rate)
        account = cls(**fields, hook_sha256=cls.hash_hook(secrets.token_urlsafe(32)))
        account.save()
        account.new_hook()
        account.save(update_fields=["hook_sha256", "sealed_hook"])
        return account
