"""Sums that pages show without counting: rows of +n and -n, which the writer only ever inserts and the worker adds up.

Nobody updates a shared row, so nobody waits for it; a sum is read with SUM(n) over the few rows that there are.
"""

from __future__ import annotations

from django.db import models

from dashboard.models.messages import STATUSES, Batch


class BatchCount(models.Model):
    """How many messages of a batch count as this status: its roots, their retries considered (`Message.effective`)."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="counts")
    status = models.CharField(max_length=20, choices=STATUSES)
    n = models.IntegerField()

    class Meta:
        indexes = (models.Index(fields=["batch", "status", "n"], name="batch_count"),)

    def __str__(self) -> str:
        return f"{self.n:+d} {self.status} of batch {self.batch_id}"


class HourCount(models.Model):
    """How many texts that an account sent in an hour have this status: every send, by its own status."""

    account = models.ForeignKey("Account", on_delete=models.CASCADE)
    hour = models.DateTimeField()  # the beginning of the hour of `sent_at`, UTC
    country = models.CharField(max_length=3, blank=True)  # as Message.country
    status = models.CharField(max_length=20, choices=STATUSES)
    n = models.IntegerField()

    class Meta:
        indexes = (models.Index(fields=["hour", "account", "country", "status", "n"], name="hour_count"),)

    def __str__(self) -> str:
        return f"{self.n:+d} {self.status} of {self.hour:%Y-%m-%d %H:00}"
