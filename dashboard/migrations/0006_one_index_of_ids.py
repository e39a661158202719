"""A message's id at its provider: the index that keeps it unique also finds it, so that there is one less to write."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("dashboard", "0005_quarters")]

    operations = [
        migrations.RemoveConstraint("message", "message_provider_id"),
        migrations.AddConstraint(
            "message",
            models.UniqueConstraint(
                condition=models.Q(("match_id__isnull", False)),
                fields=("match_id", "account"),
                name="message_provider_id",
            ),
        ),
        migrations.RemoveIndex("message", "message_any_id"),
    ]
