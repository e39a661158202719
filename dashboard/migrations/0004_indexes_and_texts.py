"""Indexes of lists go by time, so that a span of time is a piece of each; those that repeat another one go.

What a batch's texts add up to becomes stored sums. On a large table this takes minutes; nothing can be written meanwhile.
"""

from __future__ import annotations

import django.db.models.deletion
from decimal import Decimal
from django.conf import settings
from django.db import migrations, models


# (table, column): the index that Django makes for a foreign key, which nothing uses beside the others of its table.
SPARE = (
    ("dashboard_audit", "actor_id"),
    ("dashboard_batch", "account_id"),
    ("dashboard_batchcount", "batch_id"),
    ("dashboard_event", "evidence_id"),
    ("dashboard_event", "message_id"),
    ("dashboard_evidence", "account_id"),
    ("dashboard_hourcount", "account_id"),
    ("dashboard_message", "account_id"),
    ("dashboard_message", "batch_id"),
    ("dashboard_message", "recipient_id"),
    ("dashboard_message", "root_id"),
)
WENT_OUT = "status <> 'created' AND (reported OR NOT not_sent)"
NO_PRICE = ", '', 0"
TEXTS = (
    ("first", "", f"root_id IS NULL AND {WENT_OUT}"),
    ("again", "", f"root_id IS NOT NULL AND {WENT_OUT}"),
    ("doubtful", "", "status = 'outcome_unknown'"),
    ("priced", ", currency, cost", "cost IS NOT NULL"),
)


def drop_indexes(apps, schema_editor):
    """By what they are on, since their names end in a hash. Altering the field would copy the table on SQLite, and the
    copy would be without the triggers that refuse changes."""
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        for table, column in SPARE:
            for name, found in connection.introspection.get_constraints(cursor, table).items():
                plain = found["index"] and not found["unique"] and not found["primary_key"] and not found["foreign_key"]
                if plain and found["columns"] == [column]:
                    schema_editor.execute(f"DROP INDEX {schema_editor.quote_name(name)}")


def add_indexes(apps, schema_editor):
    for table, column in SPARE:
        name = schema_editor.quote_name(f"{table}_{column}_again")
        schema_editor.execute(f"CREATE INDEX {name} ON {table} ({column})")


def count_texts(apps, schema_editor):
    into = "INSERT INTO dashboard_batchtext (batch_id, kind, currency, price, n)"
    for kind, price, which in TEXTS:
        schema_editor.execute(
            f"{into} SELECT batch_id, '{kind}'{price or NO_PRICE}, COUNT(*) FROM dashboard_message "
            f"WHERE batch_id IS NOT NULL AND {which} GROUP BY batch_id{price}",
            params=None,
        )
    schema_editor.execute(
        f"{into} SELECT m.batch_id, 'again', '', 0, COUNT(*) FROM dashboard_retry r "
        "JOIN dashboard_message m ON m.id = r.root_id "
        "WHERE m.batch_id IS NOT NULL AND r.via = 'provider' AND r.state = 'accepted' AND r.message_id = r.original_id "
        "GROUP BY m.batch_id",
        params=None,
    )


class Migration(migrations.Migration):
    dependencies = [
        ("dashboard", "0003_next_call_at"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(drop_indexes, add_indexes)],
            state_operations=[
                migrations.AlterField(
                    model_name="audit",
                    name="actor",
                    field=models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                migrations.AlterField(
                    model_name="batch",
                    name="account",
                    field=models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="dashboard.account"
                    ),
                ),
                migrations.AlterField(
                    model_name="batchcount",
                    name="batch",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="counts",
                        to="dashboard.batch",
                    ),
                ),
                migrations.AlterField(
                    model_name="event",
                    name="evidence",
                    field=models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="events",
                        to="dashboard.evidence",
                    ),
                ),
                migrations.AlterField(
                    model_name="event",
                    name="message",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="events",
                        to="dashboard.message",
                    ),
                ),
                migrations.AlterField(
                    model_name="evidence",
                    name="account",
                    field=models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="dashboard.account"
                    ),
                ),
                migrations.AlterField(
                    model_name="hourcount",
                    name="account",
                    field=models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.CASCADE, to="dashboard.account"
                    ),
                ),
                migrations.AlterField(
                    model_name="message",
                    name="account",
                    field=models.ForeignKey(
                        db_index=False, on_delete=django.db.models.deletion.PROTECT, to="dashboard.account"
                    ),
                ),
                migrations.AlterField(
                    model_name="message",
                    name="batch",
                    field=models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="messages",
                        to="dashboard.batch",
                    ),
                ),
                migrations.AlterField(
                    model_name="message",
                    name="recipient",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="messages",
                        to="dashboard.recipient",
                    ),
                ),
                migrations.AlterField(
                    model_name="message",
                    name="root",
                    field=models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="again",
                        to="dashboard.message",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="BatchText",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "batch",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="texts",
                        to="dashboard.batch",
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("first", "First"),
                            ("again", "Again"),
                            ("doubtful", "Doubtful"),
                            ("priced", "Priced"),
                        ],
                        max_length=10,
                    ),
                ),
                ("currency", models.CharField(blank=True, max_length=8)),
                ("price", models.DecimalField(decimal_places=8, default=Decimal("0"), max_digits=20)),
                ("n", models.IntegerField()),
            ],
        ),
        migrations.RemoveIndex(
            model_name="audit",
            name="audit_of_subject",
        ),
        migrations.RemoveIndex(
            model_name="batch",
            name="batch_newest",
        ),
        migrations.RemoveIndex(
            model_name="message",
            name="message_in_batch",
        ),
        migrations.RemoveIndex(
            model_name="message",
            name="message_by_status",
        ),
        migrations.RemoveIndex(
            model_name="message",
            name="message_sent_again",
        ),
        migrations.RemoveIndex(
            model_name="message",
            name="message_by_account",
        ),
        migrations.RemoveIndex(
            model_name="message",
            name="message_reference",
        ),
        migrations.AddIndex(
            model_name="audit",
            index=models.Index(fields=["at", "id"], name="audit_by_time"),
        ),
        migrations.AddIndex(
            model_name="audit",
            index=models.Index(fields=["subject", "at", "id"], name="audit_of_subject"),
        ),
        migrations.AddIndex(
            model_name="audit",
            index=models.Index(fields=["actor_name", "at", "id"], name="audit_of_actor"),
        ),
        migrations.AddIndex(
            model_name="audit",
            index=models.Index(fields=["action", "at", "id"], name="audit_of_action"),
        ),
        migrations.AddIndex(
            model_name="batch",
            index=models.Index(fields=["account", "-id"], name="batch_of_account"),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(fields=["effective", "sent_at", "id"], name="message_by_status"),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(fields=["account", "effective", "sent_at", "id"], name="message_by_account"),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(fields=["account", "country", "sent_at", "id"], name="message_by_country"),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("status", models.F("effective")), _negated=True),
                fields=["status", "sent_at", "id"],
                name="message_sent_again",
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("batch__isnull", False)), fields=["batch", "sent_at", "id"], name="message_of_batch"
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("batch__isnull", False), ("root", None)),
                fields=["batch", "effective", "sent_at", "id"],
                name="message_in_batch",
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(condition=models.Q(("root__isnull", False)), fields=["root"], name="message_of_root"),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("reference", ""), _negated=True),
                fields=["reference", "sent_at", "id"],
                name="message_reference",
            ),
        ),
        migrations.AddIndex(
            model_name="batchtext",
            index=models.Index(fields=["batch", "kind", "currency", "price", "n"], name="batch_text"),
        ),
        migrations.RunPython(count_texts, migrations.RunPython.noop),
    ]
