"""`manage.py api_token`: a key for a program."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from dashboard.management.base import OurCommand, audit
from dashboard.models import Account, ApiToken
from dashboard.models.people import SCOPES


class Command(OurCommand):
    help = "Make a token for a program and print it, this once. Scopes do not include each other."
    example = "manage.py api_token shop --scope write --scope read --account main"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="whose it is, for people")
        parser.add_argument(
            "--scope", action="append", required=True, choices=SCOPES, help="can be given more than once"
        )
        parser.add_argument("--account", metavar="SLUG", help="the only account it may see; else all")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["name"].strip()
        if not name or len(name) > 100:
            raise CommandError("A token's name has 1 to 100 characters.")
        account = None
        if options["account"] is not None:
            account = Account.objects.filter(slug=options["account"]).first()
            if account is None:
                raise CommandError(f"There is no account {options['account']!r}.")
        token, secret = ApiToken.issue(name, set(options["scope"]), account)
        audit("token.created", f"token {token.name}", id=token.pk, scopes=sorted(set(options["scope"])))
        self.stdout.write(secret)
