"""`manage.py rebuild`: derive events and states again from the kept evidence."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from dashboard.ingest.rebuild import rebuild


class Command(BaseCommand):
    help = "Read all kept evidence again with today's adapters. Example: manage.py rebuild --dry-run"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say what would change")

    def handle(self, *args: Any, **options: Any) -> None:
        changes = rebuild(dry_run=options["dry_run"])
        would, were = ("would change", "would be") if options["dry_run"] else ("changed", "were")
        self.stdout.write(
            f"{changes.added} events added, {changes.corrected} corrected, {changes.removed} removed; "
            f"{changes.messages} messages {would} their status; {changes.sums} sums {were} put right."
        )
