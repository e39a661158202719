"""`manage.py add_user`: let a person in."""

from __future__ import annotations

import sys
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser

from dashboard.management.base import OurCommand, audit
from dashboard.models import User
from dashboard.models.people import ROLES
from dashboard.people import NotAllowed, add_person, new_password


class Command(OurCommand):
    help = "Let a person in. Without --password-stdin a password is made and printed, alone on its line."
    example = "manage.py add_user ann --role support --role ops"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--role", action="append", required=True, choices=ROLES, help="can be given more than once")
        parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
        parser.add_argument("--one-time", action="store_true", help="it must be changed at the first sign-in")

    def handle(self, *args: Any, **options: Any) -> None:
        name, given = options["name"], options["password_stdin"]
        password = _typed(name) if given else new_password()
        try:
            person = add_person(name, set(options["role"]), password, must_change=options["one_time"])
        except NotAllowed as error:
            raise CommandError(str(error)) from None
        audit("person.added", f"person {person.pk}", roles=sorted(person.roles))
        if not given:
            self.stdout.write(password)


def _typed(name: str) -> str:
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise CommandError("There is no password on standard input.")
    try:
        validate_password(password, User(username=name))
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from None
    return password
