"""Sums that pages show without counting: rows of +n and -n, which the writer only ever inserts and the worker adds up.

Nobody updates a shared row, so nobody waits for it; a sum is read with SUM(n) over the few rows that there are.
"""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import Q

from dashboard.models.messages import STATUSES, Batch


class BatchCount(models.Model):
    """How many messages of a batch count as this status: its roots, their retries considered (`Message.effective`)."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="counts", db_index=False)
    status = models.CharField(max_length=20, choices=STATUSES)
    n = models.IntegerField()

    class Meta:
        indexes = (models.Index(fields=["batch", "status", "n"], name="batch_count"),)

    def __str__(self) -> str:
        return f"{self.n:+d} {self.status} of batch {self.batch_id}"


class BatchText(models.Model):
    """How many texts of a batch went out for the first time and again, how many are in doubt, and at which prices."""

    class Kind(models.TextChoices):
        FIRST = "first"  # handed to a provider: each root's own text
        AGAIN = "again"  # and what was sent again for it, be it by the provider itself under the same id
        DOUBTFUL = "doubtful"  # of these: nobody can tell whether they went out
        PRICED = "priced"  # messages with this price

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="texts", db_index=False)
    kind = models.CharField(max_length=10, choices=Kind)
    currency = models.CharField(max_length=8, blank=True)
    price = models.DecimalField(max_digits=20, decimal_places=8, default=Decimal(0))
    n = models.IntegerField()

    class Meta:
        indexes = (models.Index(fields=["batch", "kind", "currency", "price", "n"], name="batch_text"),)

    def __str__(self) -> str:
        return f"{self.n:+d} {self.kind} of batch {self.batch_id}"


class HourCount(models.Model):
    """How many texts that an account sent in an hour have this status: every send, by its own status."""

    account = models.ForeignKey("Account", on_delete=models.CASCADE, db_index=False)
    hour = models.DateTimeField()  # the beginning of the hour of `sent_at`, UTC
    country = models.CharField(max_length=3, blank=True)  # as Message.country
    status = models.CharField(max_length=20, choices=STATUSES)
    n = models.IntegerField()
    rolled = models.BooleanField(default=False, db_default=False)  # counted in its QuarterCount, too

    class Meta:
        indexes = (
            models.Index(fields=["hour", "account", "country", "status", "n"], name="hour_count"),
            # What has changed since the quarters were added up: little, and soon none.
            models.Index(fields=["hour"], name="hour_count_new", condition=Q(rolled=False)),
        )

    def __str__(self) -> str:
        return f"{self.n:+d} {self.status} of {self.hour:%Y-%m-%d %H:00}"


class QuarterCount(models.Model):
    """What the rolled hours of a quarter of a day (UTC) add up to: the worker adds it up, for pages about many days."""

    account = models.ForeignKey("Account", on_delete=models.CASCADE, db_index=False)
    quarter = models.DateTimeField()
    country = models.CharField(max_length=3, blank=True)
    sent = models.IntegerField()
    ended = models.IntegerField()  # no longer pending, the unknown ones too
    delivered = models.IntegerField()
    unknown = models.IntegerField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["quarter", "account", "country"], name="quarter_count"),)

    def __str__(self) -> str:
        return f"{self.sent} of the quarter from {self.quarter:%Y-%m-%d %H:00}"


class Roll(models.Model):
    """One row: how many times hours were added to their quarters. With the number of hours that were not yet, it tells
    whether any sum has changed since."""

    times = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.times} times"
