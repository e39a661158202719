from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("dashboard", "0002_append_only")]
    operations = [migrations.AddField("account", "next_call_at", models.DateTimeField(blank=True, null=True))]
