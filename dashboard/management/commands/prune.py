"""`manage.py prune`: forget what is old."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from dashboard.management.base import OurCommand, audit
from dashboard.retention import prune


class Command(OurCommand):
    help = (
        "Forget what is old: conversations and texts after --days, phone numbers after --numbers-days without a "
        "message. Statuses, counts and hashes stay; a forgotten number is still found by the whole number."
    )
    example = "manage.py prune --days 30 --numbers-days 90"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", metavar="N", type=int, default=30, help="texts and conversations; default 30")
        parser.add_argument("--numbers-days", metavar="N", type=int, default=90, help="phone numbers; default 90")

    def handle(self, *args: Any, **options: Any) -> None:
        days, numbers_days = options["days"], options["numbers_days"]
        if not 1 <= days <= 36_500 or not 1 <= numbers_days <= 36_500:
            raise CommandError("Days are a number from 1 to 36500.")
        found = prune(days, numbers_days, timezone.now())
        counts = {name: getattr(found, name) for name in ("bodies", "texts", "orphans", "numbers")}
        if any(counts.values()):
            audit("pruned", "retention", days=days, numbers_days=numbers_days, **counts)
        self.stdout.write(
            f"Forgotten: {found.bodies} conversations, {found.texts} texts, {found.numbers} phone numbers, "
            f"{found.orphans} reports about unknown messages."
        )
