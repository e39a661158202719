"""What every command of ours shares: an example in its help, exit code 0 or 1, and one clear line when it fails."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import Any, NoReturn

from django.core.management.base import (
    BaseCommand,
    CommandError,
    CommandParser,
    DjangoHelpFormatter,
    SystemCheckError,
)
from django.db import DatabaseError, InterfaceError

from dashboard.models import Audit


class Plain(DjangoHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of the example."""


class OurCommand(BaseCommand):
    """A command with an `example`. What goes wrong is a CommandError: one sentence on stderr, exit code 1."""

    example = ""
    suppressed_base_arguments = {  # noqa: RUF012 - Django's own attribute; they only hide ours
        "--version", "--verbosity", "--settings", "--pythonpath", "--traceback", "--no-color", "--force-color",
        "--skip-checks",
    }  # fmt: skip

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        epilog = f"example:\n  {self.example}"
        parser = super().create_parser(prog_name, subcommand, epilog=epilog, formatter_class=Plain, **kwargs)
        parser.error = partial(self._misused, parser.prog)  # type: ignore[method-assign]
        return parser

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except SystemCheckError:
            raise
        except CommandError as error:
            self._fail(str(error))
        except (DatabaseError, InterfaceError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            self._fail(f"The database cannot be used: {reason}. Was manage.py migrate run?")
        except BrokenPipeError:
            sys.exit(1)

    def _misused(self, prog: str, message: str) -> NoReturn:
        self._fail(f"{prog}: {message} (see --help)")

    def _fail(self, sentence: str) -> NoReturn:
        if not getattr(self, "_called_from_command_line", False):
            raise CommandError(sentence)
        self.stderr.write(sentence)
        sys.exit(1)


def audit(action: str, subject: str, **details: Any) -> None:
    """One row about what was done on the command line: whoever sits at the server has no name here."""
    Audit.objects.create(actor_name="command", action=action, subject=subject[:100], details=details)
