"""Sending again: one wish to do it for one message, and the plan of doing it for many."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from dashboard.models.messages import STATUSES, Message


class Retry(models.Model):
    """One intent to send. At most one open per root: the database says so, not the code.

    A test text is sent by the same path: then `original` and `message` are its root, and there is nothing to ask about.
    """

    class State(models.TextChoices):
        OPEN = "open"
        SENDING = "sending"
        OUTCOME_UNKNOWN = "outcome_unknown"
        ACCEPTED = "accepted"
        NOT_SENT = "not_sent"
        REFUSED = "refused"
        CANCELLED = "cancelled"

    class Via(models.TextChoices):
        SEND = "send"  # a new text through `account`
        PROVIDER = "provider"  # the provider's own retry of the message

    HOLDING = (State.OPEN, State.SENDING, State.OUTCOME_UNKNOWN)
    FIRST: ClassVar[Q] = Q(via=Via.SEND, message=F("root"))  # `is_first`, as a question to the database

    root = models.ForeignKey(Message, on_delete=models.PROTECT, related_name="retries")
    original = models.ForeignKey(Message, on_delete=models.PROTECT, related_name="+")  # the failed one
    failed_as = models.CharField(max_length=20, blank=True, choices=STATUSES)  # what the original was, when asked for
    account = models.ForeignKey("Account", on_delete=models.PROTECT)
    via = models.CharField(max_length=10, choices=Via)
    # The message it makes. A send's is there from the start; a provider's own retry names it in its reply.
    message = models.ForeignKey(Message, null=True, on_delete=models.PROTECT, related_name="made_by")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="retries")
    token = models.ForeignKey("ApiToken", null=True, on_delete=models.PROTECT, related_name="retries")
    bulk = models.ForeignKey("Bulk", null=True, on_delete=models.PROTECT, related_name="retries")
    reason = models.CharField(max_length=500)
    nonce = models.CharField(max_length=64, unique=True)  # the same click, or the same Idempotency-Key, twice
    reference = models.CharField(max_length=32, unique=True)  # ours, told to the provider where it takes one
    # Counted against the account's limit from the start; what it really cost is on the message it made.
    quoted_cost = models.DecimalField(max_digits=20, decimal_places=8, null=True, blank=True)
    quoted_currency = models.CharField(max_length=8, blank=True)
    state = models.CharField(max_length=20, choices=State, default=State.OPEN)
    detail = models.CharField(max_length=500, blank=True)  # what came of it, in words
    retry_count = models.PositiveSmallIntegerField(null=True)  # the provider's count before the call
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True)
    # While the outcome is unknown: how often the provider was asked by other ways, and when it is asked next.
    # While it is `sending` without a lease: how often it was tried, and when the same is tried once more.
    looks = models.PositiveSmallIntegerField(default=0)
    next_look_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["root"],
                condition=Q(state__in=("open", "sending", "outcome_unknown")),
                name="one_open_retry",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="retry_has_reason"),
            models.CheckConstraint(condition=Q(user__isnull=False) | Q(token__isnull=False), name="retry_has_actor"),
        )
        indexes = (
            models.Index(
                fields=["state", "id"],
                name="retry_to_do",
                condition=Q(state__in=("open", "sending", "outcome_unknown")),
            ),
            # The limits of a day, per account and per person.
            models.Index(fields=["account", "-created_at"], name="retry_of_account"),
            models.Index(fields=["user", "-created_at"], name="retry_of_user"),
            # How often such retries arrived before.
            models.Index(fields=["account", "failed_as", "-id"], name="retry_record"),
        )

    def __str__(self) -> str:
        return f"retry {self.pk}"

    @property
    def is_first(self) -> bool:
        """A text of our own that nothing was sent before: a test."""
        return self.via == self.Via.SEND and self.message_id == self.root_id


class Bulk(models.Model):
    """Sending many again: planned, approved, tried on a few, then sent in waves. Its items are fixed at the plan."""

    class State(models.TextChoices):
        PLANNING = "planning"  # its items are being written; one that stays so was cut off and can only be dropped
        PLANNED = "planned"  # waits for somebody to approve it
        RUNNING = "running"
        PAUSED = "paused"
        STOPPED = "stopped"  # by a person or by itself; `note` says why. Final.
        DONE = "done"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="bulks")
    reason = models.CharField(max_length=500)
    filter = models.JSONField(default=dict)  # the list's own parameters, as they were; names no number
    account = models.ForeignKey("Account", null=True, on_delete=models.PROTECT)  # null: each through its own
    state = models.CharField(max_length=20, choices=State, default=State.PLANNING)
    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    approved_at = models.DateTimeField(null=True)
    costs = models.JSONField(default=list)  # quoted at the plan: [{"currency", "amount", "messages"}]
    canary = models.PositiveSmallIntegerField(default=0)  # how many go first; 0: too few for that, or judged good
    next_at = models.DateTimeField(null=True)  # the next wave
    note = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()

    class Meta:
        indexes = (models.Index(fields=["id"], name="bulk_running", condition=Q(state="running")),)

    def __str__(self) -> str:
        return f"bulk {self.pk}"


class BulkItem(models.Model):
    """One message of a plan. Neither a code nor a retry: its turn is still to come."""

    bulk = models.ForeignKey(Bulk, on_delete=models.CASCADE, related_name="items")
    position = models.PositiveIntegerField()
    message = models.ForeignKey(Message, on_delete=models.PROTECT, related_name="+")  # a root
    code = models.CharField(max_length=30, blank=True)  # why it is left out, at the plan or when its turn came
    why = models.CharField(max_length=300, blank=True)
    retry = models.OneToOneField(Retry, null=True, on_delete=models.PROTECT, related_name="item")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["bulk", "position"], name="bulk_position"),
            models.UniqueConstraint(fields=["bulk", "message"], name="bulk_message"),
        )
        indexes = (
            models.Index(fields=["bulk", "position"], name="bulk_waiting", condition=Q(code="", retry__isnull=True)),
            models.Index(fields=["bulk", "code"], name="bulk_by_code"),
        )

    def __str__(self) -> str:
        return f"item {self.position} of bulk {self.bulk_id}"
