"""Recipients, batches, messages, and what was said about them."""

from __future__ import annotations

import secrets

from django.db import models
from django.db.models import F, Q

from dashboard import vault
from dashboard.domain.lifecycle import BUCKET, Bucket, State
from providers.base import MAX_ID_LENGTH, Status

STATUSES = [(status.value, status.value.replace("_", " ")) for status in Status]


def random_id() -> str:
    return secrets.token_hex(8)


class Recipient(models.Model):
    """A phone number. Its random id stands for it in URLs, audit and logs.

    Retention clears `digits` and `reversed`: then only the whole number still finds it, through its HMAC. Erasure
    clears that as well.
    """

    id = models.CharField(primary_key=True, max_length=16, default=random_id, editable=False)
    digits = models.CharField(max_length=15, blank=True)
    # "The number ends in 5678" is a range over this column (LIKE cannot use the index on SQLite).
    reversed = models.CharField(max_length=15, blank=True, db_index=True)
    hmac = models.CharField(max_length=64, null=True, unique=True)  # noqa: DJ001 - erased ones must not collide
    created_at = models.DateTimeField(auto_now_add=True)
    # The person asked not to be texted: nothing is sent to them from here.
    opted_out_at = models.DateTimeField(null=True, blank=True)
    opted_out_by = models.CharField(max_length=150, blank=True)
    opted_out_why = models.CharField(max_length=500, blank=True)

    def __str__(self) -> str:
        return self.id

    @classmethod
    def of(cls, digits: str) -> Recipient:
        """An unsaved recipient for E.164 digits."""
        return cls(digits=digits, reversed=digits[::-1], hmac=vault.phone_hmac(digits))


class Batch(models.Model):
    """Messages that belong together: an order, task, batch or message list of the provider, or a name of ours."""

    account = models.ForeignKey("Account", on_delete=models.PROTECT, db_index=False)
    name = models.CharField(max_length=MAX_ID_LENGTH)
    provider_batch_id = models.CharField(max_length=MAX_ID_LENGTH, blank=True)
    created_at = models.DateTimeField()
    # A price given for the whole order: booked here, once.
    cost = models.DecimalField(max_digits=20, decimal_places=8, null=True, blank=True)
    currency = models.CharField(max_length=8, blank=True)

    # The provider's own counters: shown beside ours, never merged.
    report = models.JSONField(null=True)
    report_at = models.DateTimeField(null=True)
    next_report_at = models.DateTimeField(null=True, blank=True)
    # The provider took the batch and named no message: its messages are listed until every number is found.
    next_listing_at = models.DateTimeField(null=True, blank=True)
    listed_at = models.DateTimeField(null=True, blank=True)  # the first complete listing with a number missing
    lease_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["account", "name"], name="batch_name"),
            models.UniqueConstraint(
                fields=["account", "provider_batch_id"],
                condition=~Q(provider_batch_id=""),
                name="batch_provider_id",
            ),
        )
        indexes = (
            models.Index(fields=["account", "-id"], name="batch_of_account"),
            # The worker's question: whose counters or listing are due?
            models.Index(fields=["next_report_at"], name="batch_report", condition=Q(next_report_at__isnull=False)),
            models.Index(fields=["next_listing_at"], name="batch_listing", condition=Q(next_listing_at__isnull=False)),
        )

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def called_by_provider(provider_batch_id: str) -> Q:
        """Those with this id; nobody's is empty. SQLite takes their index only for a question in its own words."""
        return Q(~Q(provider_batch_id=""), provider_batch_id=provider_batch_id)


class Message(models.Model):
    """One text to one number through one account. `status` and its neighbours are a cached reading of its events."""

    account = models.ForeignKey("Account", on_delete=models.PROTECT, db_index=False)  # has better ones below
    # As first received. Null until a listing, a reply or a report tells it.
    provider_message_id = models.CharField(max_length=MAX_ID_LENGTH, null=True, blank=True)  # noqa: DJ001
    match_id = models.CharField(max_length=MAX_ID_LENGTH, null=True, blank=True)  # noqa: DJ001 - normalised
    # Stands in for the id of an item that was answered without one.
    item_key = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001
    recipient = models.ForeignKey(Recipient, on_delete=models.PROTECT, related_name="messages", db_index=False)
    country = models.CharField(max_length=3, blank=True)  # of the number, ISO 3166 ("001": of no country); "" unknown
    reference = models.CharField(max_length=MAX_ID_LENGTH, blank=True)
    batch = models.ForeignKey(
        Batch, null=True, blank=True, on_delete=models.PROTECT, related_name="messages", db_index=False
    )
    provider_batch_id = models.CharField(max_length=MAX_ID_LENGTH, blank=True)
    root = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="again", db_index=False
    )
    # We made the request ourselves, and gave the provider our reference with it.
    sent_by_us = models.BooleanField(default=False)
    text = models.TextField(null=True, blank=True)  # noqa: DJ001 - null: never given, or past retention
    sender = models.CharField(max_length=50, blank=True)
    route = models.CharField(max_length=100, blank=True)
    parts = models.PositiveSmallIntegerField(null=True, blank=True)
    cost = models.DecimalField(max_digits=20, decimal_places=8, null=True, blank=True)
    currency = models.CharField(max_length=8, blank=True)
    extra = models.JSONField(default=dict, blank=True)  # other facts the provider told, for showing
    sent_at = models.DateTimeField()
    valid_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    # The state (domain.lifecycle.State). Written by dashboard.ingest alone.
    status = models.CharField(max_length=20, choices=STATUSES, default=Status.CREATED.value)
    attempt = models.PositiveSmallIntegerField(default=0)
    provider_status = models.CharField(max_length=100, blank=True)
    negatives = models.BigIntegerField(default=0)
    not_sent = models.BooleanField(default=False)
    reported = models.BooleanField(default=False)
    conflict = models.BooleanField(default=False)
    # What the root counts as in its batch, its retries considered; for others the own status.
    effective = models.CharField(max_length=20, choices=STATUSES, default=Status.CREATED.value)
    # On the root: how many of its messages were delivered. More than one: the person got it twice.
    deliveries = models.PositiveSmallIntegerField(default=0)
    unconfirmed = models.BooleanField(default=False)  # final by an unsigned webhook, not yet confirmed by asking
    own_retries = models.PositiveSmallIntegerField(default=0)  # fresh-id retries of ours that the provider counts too
    heard_at = models.DateTimeField(null=True, blank=True)  # when anything was last recorded
    final_at = models.DateTimeField(null=True, blank=True)  # when we heard the final word it now has

    # Polling. A lease that has run out is simply taken again.
    next_check_at = models.DateTimeField(null=True, blank=True)
    wanted_at = models.DateTimeField(null=True, blank=True)  # somebody waits for the answer: taken first
    lease = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    asked = models.PositiveIntegerField(default=0)  # asks that were made: the back-off grows with them
    asked_at = models.DateTimeField(null=True, blank=True)
    answer_sha256 = models.CharField(max_length=64, blank=True)  # of the last answer: only changes are kept

    class Meta:
        constraints = (
            # Ids come first: whoever looks for one often does not know the account.
            models.UniqueConstraint(
                fields=["match_id", "account"], condition=Q(match_id__isnull=False), name="message_provider_id"
            ),
            models.UniqueConstraint(
                fields=["account", "item_key"], condition=Q(item_key__isnull=False), name="message_item_key"
            ),
        )
        indexes = (
            # The worker's questions: what is due, and what is somebody waiting for?
            models.Index(
                fields=["account", "next_check_at"], name="message_due", condition=Q(next_check_at__isnull=False)
            ),
            models.Index(fields=["account", "wanted_at"], name="message_wanted", condition=Q(wanted_at__isnull=False)),
            # The list's filters, newest first: by when it was sent, so that a span of time is a piece of each.
            models.Index(fields=["sent_at", "id"], name="message_by_time"),
            models.Index(fields=["effective", "sent_at", "id"], name="message_by_status"),
            models.Index(fields=["account", "effective", "sent_at", "id"], name="message_by_account"),
            models.Index(fields=["account", "country", "sent_at", "id"], name="message_by_country"),
            models.Index(
                fields=["status", "sent_at", "id"], name="message_sent_again", condition=~Q(status=F("effective"))
            ),
            models.Index(fields=["batch", "sent_at", "id"], name="message_of_batch", condition=Q(batch__isnull=False)),
            models.Index(
                fields=["batch", "effective", "sent_at", "id"],
                name="message_in_batch",
                condition=Q(root=None, batch__isnull=False),
            ),
            # What was sent again for a message: few have a root.
            models.Index(fields=["root"], name="message_of_root", condition=Q(root__isnull=False)),
            models.Index(fields=["recipient", "-id"], name="message_of_recipient"),
            models.Index(fields=["reference", "sent_at", "id"], name="message_reference", condition=~Q(reference="")),
            # Items without an id wait here for a listing.
            models.Index(fields=["account", "provider_batch_id"], name="message_to_list", condition=Q(match_id=None)),
            # The short list of contradictions.
            models.Index(fields=["-id"], name="message_conflict", condition=Q(conflict=True)),
            models.Index(fields=["batch", "-id"], name="message_twice", condition=Q(deliveries__gt=1)),
        )

    def __str__(self) -> str:
        return f"message {self.pk}"

    @property
    def state(self) -> State:
        return State(
            status=Status(self.status),
            attempt=self.attempt,
            word=self.provider_status,
            negatives=self.negatives,
            not_sent=self.not_sent,
            reported=self.reported,
        )

    @state.setter
    def state(self, state: State) -> None:
        self.status, self.attempt, self.provider_status = state.status.value, state.attempt, state.word
        self.negatives, self.not_sent, self.reported = state.negatives, state.not_sent, state.reported
        self.conflict = state.conflict

    @property
    def bucket(self) -> Bucket:
        return BUCKET[Status(self.effective)]

    @property
    def root_pk(self) -> int:
        pk: int = self.root_id or self.pk
        return pk


class Source(models.IntegerChoices):
    """Where an event came from. Bits, so that one fact heard twice keeps both."""

    WEBHOOK = 1, "webhook"
    POLL = 2, "poll"
    API = 4, "api"
    IMPORT = 8, "import"
    SEND = 16, "send"
    WORKER = 32, "worker"
    PERSON = 64, "person"


class Event(models.Model):
    """One fact. Received again, only `count` and `sources` grow. `status` null is a note: shown, never folded."""

    message = models.ForeignKey(
        Message, on_delete=models.PROTECT, related_name="events", db_index=False
    )  # `event_once`
    key = models.CharField(max_length=64)  # SHA-256, see dashboard.ingest.events
    status = models.CharField(max_length=20, null=True, choices=STATUSES)  # noqa: DJ001
    word = models.CharField(max_length=100, blank=True)  # the provider's own, as first received
    note = models.CharField(max_length=20, blank=True)
    detail = models.CharField(max_length=1000, blank=True)
    attempt = models.PositiveSmallIntegerField(default=0)
    part = models.CharField(max_length=50, blank=True)
    by_provider = models.BooleanField(default=True)
    not_sent = models.BooleanField(default=False)
    at_raw = models.CharField(max_length=64, blank=True)  # the provider's time as given
    at = models.DateTimeField(null=True)
    zone = models.CharField(max_length=10, blank=True)  # "stated", "account" or "" (no zone, or no time)
    received_at = models.DateTimeField()  # our clock, the first time
    sources = models.PositiveSmallIntegerField()
    count = models.PositiveIntegerField(default=1)
    evidence = models.ForeignKey("Evidence", null=True, on_delete=models.PROTECT, related_name="events", db_index=False)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["message", "key"], name="event_once"),)
        indexes = (
            # Words that no table lists, newest first: the admin sees them within a minute.
            models.Index(fields=["-id"], name="event_unmapped", condition=Q(note="unmapped")),
        )

    def __str__(self) -> str:
        return f"{self.word or self.status} of message {self.message_id}"

    @property
    def source_names(self) -> list[str]:
        return [source.label for source in Source if self.sources & source]


class Orphan(models.Model):
    """A report about a message we do not know (yet), or a body that could not be read. Goes only by retention."""

    account = models.ForeignKey("Account", on_delete=models.PROTECT)
    match_id = models.CharField(max_length=MAX_ID_LENGTH, blank=True)  # "" for an unreadable body
    word = models.CharField(max_length=100, blank=True)
    problem = models.CharField(max_length=300, blank=True)
    evidence = models.ForeignKey("Evidence", on_delete=models.PROTECT)
    received_at = models.DateTimeField()
    message = models.ForeignKey(Message, null=True, on_delete=models.PROTECT, related_name="attached")
    attached_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (
            # A new send's question: did reports about it come before it?
            models.Index(fields=["account", "match_id"], name="orphan_waiting", condition=Q(message=None)),
        )

    def __str__(self) -> str:
        return f"orphan {self.pk}"
