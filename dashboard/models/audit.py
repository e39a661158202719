"""Who did what, when and why. Append-only by trigger, like evidence. Names no phone number."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Audit(models.Model):
    at = models.DateTimeField(auto_now_add=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False
    )
    actor_name = models.CharField(max_length=150)  # a person, "token NAME", or "command"
    ip = models.GenericIPAddressField(null=True)
    action = models.CharField(max_length=50)
    subject = models.CharField(max_length=100)  # "account bsg", "message 12", "recipient 0f3a..."
    reason = models.CharField(max_length=500, blank=True)
    details = models.JSONField(default=dict)

    class Meta:
        ordering = ("-id",)
        # The list's filters, newest first; by time, so that a span of days is a piece of each.
        indexes = (
            models.Index(fields=["at", "id"], name="audit_by_time"),
            models.Index(fields=["subject", "at", "id"], name="audit_of_subject"),
            models.Index(fields=["actor_name", "at", "id"], name="audit_of_actor"),
            models.Index(fields=["action", "at", "id"], name="audit_of_action"),
        )

    def __str__(self) -> str:
        return f"{self.actor_name}: {self.action} {self.subject}"
