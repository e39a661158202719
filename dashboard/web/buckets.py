"""What the five buckets are called, and what they mean, in words."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from dashboard.domain.lifecycle import Bucket

BUCKET_LABELS = {
    Bucket.DELIVERED: gettext_lazy("Delivered"),
    Bucket.EXPIRED: gettext_lazy("Expired"),
    Bucket.UNDELIVERABLE: gettext_lazy("Undeliverable"),
    Bucket.UNKNOWN: gettext_lazy("Unknown"),
    Bucket.PENDING: gettext_lazy("Pending"),
}
BUCKET_MEANINGS = {
    Bucket.DELIVERED: gettext_lazy("Delivered to the phone number"),
    Bucket.EXPIRED: gettext_lazy("Phone off until the validity ran out"),
    Bucket.UNDELIVERABLE: gettext_lazy("Wrong number, refused, failed"),
    Bucket.UNKNOWN: gettext_lazy("No report by the deadline"),
    Bucket.PENDING: gettext_lazy("On its way; may still change"),
}
BUCKET_ICONS = {
    Bucket.DELIVERED: "check",
    Bucket.EXPIRED: "clock",
    Bucket.UNDELIVERABLE: "circle-x",
    Bucket.UNKNOWN: "question-mark",
    Bucket.PENDING: "dots",
}
