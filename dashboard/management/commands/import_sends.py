"""`manage.py import_sends`: messages that somebody else has sent, from a CSV file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from dashboard.ingest.csv_file import CHUNK, Imported, LineFault, import_csv
from dashboard.ingest.csv_table import BadFile
from dashboard.ingest.incoming import FIELDS
from dashboard.management.base import OurCommand
from dashboard.models import Account

SHOWN = 20


class Command(OurCommand):
    help = (
        "Register the sends in a CSV file: UTF-8, with commas, semicolons or tabs. The first line names the columns: "
        f"{', '.join(sorted(FIELDS))}. Only provider_message_id and to are needed. All rows or none; the same file "
        "again changes nothing."
    )
    example = "manage.py import_sends march.csv --account main"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE")
        parser.add_argument("--account", metavar="SLUG", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        account = Account.objects.filter(slug=options["account"]).first()
        if account is None:
            raise CommandError(f"There is no account {options['account']!r}.")
        try:
            found = import_csv(account, Path(options["file"]), self._progress)
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be read: {error.strerror}.") from None
        except BadFile as error:
            raise CommandError(f"Nothing was imported. {error}") from None
        if found.ignored:
            self.stderr.write(f"Columns that were ignored: {', '.join(found.ignored)[:500]}")
        self._result(found)

    def _result(self, found: Imported) -> None:
        self._lines(found.faults, len(found.faults))
        if found.faults and found.accepted + found.duplicates == 0:
            raise CommandError(f"Nothing was imported: {len(found.faults)} faults in {found.rows} rows.")
        self._lines(found.differs, found.differing)
        self.stdout.write(f"{found.accepted} accepted, {found.duplicates} duplicates")
        if found.faults:
            raise CommandError(f"{len(found.faults)} rows were registered otherwise meanwhile and left out.")

    def _lines(self, faults: Sequence[LineFault], total: int) -> None:
        for fault in faults[:SHOWN]:
            self.stderr.write(str(fault))
        if total > SHOWN:
            self.stderr.write(f"... and {total - SHOWN} more")

    def _progress(self, what: str, done: int, rows: int) -> None:
        """A line for every hundredth of the rows, and none for a file that is done at once."""
        if what == "read":
            self.stderr.write(f"{done} rows read")
        elif done < rows and done * 100 // rows > self._told or done == rows > CHUNK["sqlite"]:
            self._told = done * 100 // rows
            self.stderr.write(f"{done} of {rows}")

    _told = 0
