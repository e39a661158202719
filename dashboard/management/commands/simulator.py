"""`manage.py simulator`: the five providers on loopback."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from dashboard.management.base import OurCommand
from providers.simulator.server import read_script, run


class Command(OurCommand):
    help = "Five SMS providers on loopback, each under /<provider key> and its documented path. Ctrl-C stops it."
    example = "manage.py simulator --port 8100 --script faults.json"
    requires_system_checks: list[str] = []  # noqa: RUF012 - it needs neither settings nor database

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", metavar="N", type=int, default=8100)
        parser.add_argument("--script", metavar="FILE", help="a JSON script: fates, keys, modes, faults")
        parser.add_argument("--speed", metavar="X", type=float, default=1.0, help="provider seconds in a real second")
        parser.add_argument("--seed-only", action="store_true", help="know only the seed documents' calls")

    def handle(self, *args: Any, **options: Any) -> None:
        if not 0 <= options["port"] <= 65_535:
            raise CommandError("A port is a number from 0 to 65535.")
        try:
            script = read_script(options["script"]) if options["script"] else None
            run(options["port"], script, speed=options["speed"], seed_only=options["seed_only"])
        except (OSError, ValueError) as error:
            raise CommandError(f"The simulator cannot start: {error}") from None
