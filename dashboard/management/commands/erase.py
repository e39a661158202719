"""`manage.py erase`: forget one person."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from dashboard.domain import phone
from dashboard.management.base import OurCommand, audit
from dashboard.retention import erase


class Command(OurCommand):
    help = (
        "Forget one phone number for good: the number, the texts to it and the conversations about them. Prints a "
        "receipt that does not name it. With - the number is read from standard input and is in no shell's history."
    )
    example = "echo +254712345678 | manage.py erase -"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("number", metavar="NUMBER", help="the whole number, or - for standard input")

    def handle(self, *args: Any, **options: Any) -> None:
        typed = sys.stdin.readline() if options["number"] == "-" else options["number"]
        try:
            digits = phone.parse(typed[:100], settings.DEFAULT_REGION)
        except phone.NotANumber as error:
            raise CommandError(str(error)) from None
        erased = erase(digits)
        if erased is None:
            raise CommandError("Nothing is known about this number.")
        audit("erased", f"recipient {erased.recipient}", messages=erased.messages, conversations=erased.bodies)
        self.stdout.write(
            f"Erased at {timezone.now():%Y-%m-%dT%H:%M:%SZ}: recipient {erased.recipient}, the texts of "
            f"{erased.messages} messages, {erased.bodies} conversations."
        )
        if erased.was_opted_out:
            self.stdout.write(
                "This person had asked not to be texted. That is forgotten with the number: given to us again, "
                "it is like any other. Keep it on the list of whoever sends."
            )
