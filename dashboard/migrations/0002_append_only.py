"""Evidence and audit refuse UPDATE and DELETE, on both engines, except inside a maintenance transaction.

SQLite has no session settings, so there the marker is a row of dashboard_maintenance, written and removed inside the
transaction; on PostgreSQL it is `SET LOCAL aftersend.maintenance = 'on'`, which ends with it.
"""

from __future__ import annotations

from django.db import migrations

TABLES = ("dashboard_evidence", "dashboard_audit")

SQLITE = """
CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table}
WHEN NOT EXISTS (SELECT 1 FROM dashboard_maintenance)
BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END
"""

POSTGRES_FUNCTION = """
CREATE OR REPLACE FUNCTION aftersend_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('aftersend.maintenance', true) = 'on' THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$
"""

POSTGRES = """
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION aftersend_append_only()
"""


def forwards(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(POSTGRES_FUNCTION, params=None)  # its percent sign is no placeholder
        for table in TABLES:
            schema_editor.execute(POSTGRES.format(table=table))
    else:
        for table in TABLES:
            for verb in ("UPDATE", "DELETE"):
                schema_editor.execute(SQLITE.format(table=table, verb=verb))


def backwards(apps, schema_editor):
    for table in TABLES:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(f"DROP TRIGGER {table}_append_only ON {table}")
        else:
            for verb in ("UPDATE", "DELETE"):
                schema_editor.execute(f"DROP TRIGGER {table}_no_{verb}")


class Migration(migrations.Migration):
    dependencies = [("dashboard", "0001_initial")]
    operations = [migrations.RunPython(forwards, backwards)]
