"""Every conversation as it was. The database itself refuses to change or delete these rows (migration 0002)."""

from __future__ import annotations

from django.db import models


class Evidence(models.Model):
    """One conversation, or the part of it that speaks of one message. Never holds a credential of ours.

    A body whose `removed_at` is set was taken away by retention or erasure; the hashes and dates stay.
    """

    account = models.ForeignKey("Account", on_delete=models.PROTECT, db_index=False)
    message = models.ForeignKey("Message", null=True, on_delete=models.PROTECT, related_name="evidence")
    # How it is read: a provider's call ("status", "bulk", ...), "webhook" or "send".
    call = models.CharField(max_length=30)
    is_item = models.BooleanField(default=False)  # cut out of a reply about many messages
    exchange_id = models.CharField(max_length=64)  # the same for all parts of one reply
    received_at = models.DateTimeField()
    http_status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    adapter = models.CharField(max_length=16)  # the version of the reading code
    context = models.JSONField(default=dict)  # what the reader was told besides the body
    body = models.BinaryField(null=True)
    received_sha256 = models.CharField(max_length=64)  # of the bytes that came
    sha256 = models.CharField(max_length=64)  # of the bytes kept
    masked = models.BooleanField(default=False)  # a secret of ours was in it
    signature = models.CharField(max_length=20, blank=True)  # "valid: current", "valid: previous", "" unsigned
    problem = models.CharField(max_length=300, blank=True)  # why it could not be read
    removed_at = models.DateTimeField(null=True)
    removed_why = models.CharField(max_length=100, blank=True)

    class Meta:
        indexes = (
            # A send reply given twice is recognised by its hash.
            models.Index(fields=["account", "exchange_id"], name="evidence_exchange"),
            # Retention's only question: what still has a body, oldest first?
            models.Index(fields=["received_at"], name="evidence_kept", condition=models.Q(body__isnull=False)),
        )

    def __str__(self) -> str:
        return f"{self.call} of {self.received_at:%Y-%m-%d %H:%M:%S}"


class Maintenance(models.Model):
    """The marker that lets prune, erase and the test flush through the triggers, inside one transaction only."""

    why = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.why
