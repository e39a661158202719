"""Who may do what: people with roles, programs with tokens."""

from __future__ import annotations

import hashlib
import secrets
from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models

ROLES: tuple[str, ...] = ("support", "ops", "admin")
SCOPES: tuple[str, ...] = ("read", "write", "retry")


class User(AbstractUser):
    """A person. The three roles do not include each other; an admin who retries is also given `ops`."""

    support = models.BooleanField(default=False)
    ops = models.BooleanField(default=False)
    admin = models.BooleanField(default=False)

    # Set when an admin made the password: the person replaces it at the first sign-in.
    must_change_password = models.BooleanField(default=False)

    # The second factor (dashboard/second_factor.py). Without a secret none was set up yet.
    sealed_totp = models.TextField(blank=True, default="")
    totp_step = models.BigIntegerField(default=0)  # of the last code used: no code is good twice
    wrong_codes = models.JSONField(default=list, blank=True)  # when, since the last right one; the last ten
    recovery_codes = models.JSONField(default=list, blank=True)  # the SHA-256 of each one left (80 random bits)

    @property
    def roles(self) -> frozenset[str]:
        return frozenset(role for role in ROLES if getattr(self, role))


class ApiToken(models.Model):
    """A program's key. Only its SHA-256 is kept: 256 random bits need no slow hash (ASVS 6.5.2)."""

    name = models.CharField(max_length=100)
    sha256 = models.CharField(max_length=64, unique=True)
    read = models.BooleanField(default=False)
    write = models.BooleanField(default=False)
    retry = models.BooleanField(default=False)
    account = models.ForeignKey("Account", null=True, blank=True, on_delete=models.CASCADE)  # null: every account
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    PREFIX: ClassVar[str] = "as_"

    def __str__(self) -> str:
        return self.name

    @classmethod
    def issue(cls, name: str, scopes: set[str], account: object = None) -> tuple[ApiToken, str]:
        """A new token row and its secret, which is shown this once."""
        secret = cls.PREFIX + secrets.token_urlsafe(32)
        flags = {scope: scope in scopes for scope in SCOPES}
        return cls.objects.create(name=name, sha256=cls.hash(secret), account=account, **flags), secret

    @staticmethod
    def hash(secret: str) -> str:
        return hashlib.sha256(secret.encode()).hexdigest()
