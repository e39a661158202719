"""`manage.py add_account`: create or update a provider account."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from dashboard.accounts import Wrong, save_account
from dashboard.management.base import OurCommand, audit
from providers import PROVIDERS
from providers.strict_json import strict_json

MOST_BYTES = 64 * 1024


class Command(OurCommand):
    help = (
        "Create or update a provider account; what is not given stays. Prints JSON with the address for webhooks. "
        "A new base URL without new credentials removes the stored ones."
    )
    example = """echo '{"api_key": "..."}' | manage.py add_account main --provider bsg --credentials -"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", metavar="SLUG", help="its short name; never changes")
        parser.add_argument("--provider", metavar="KEY", default="", help=f"one of {', '.join(PROVIDERS)}")
        parser.add_argument("--label", metavar="L", help="its name for people")
        parser.add_argument("--base-url", metavar="U", help="the part before the documented path; empty: the usual")
        parser.add_argument("--time-zone", metavar="Z", help="of times that come without one, like Africa/Nairobi")
        parser.add_argument("--rate", metavar="N", type=float, help="requests a second, at most")
        parser.add_argument("--currency", metavar="C", help="of prices that come without one, like KES")
        parser.add_argument("--credentials", metavar="FILE", help="a JSON object; - reads standard input")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = options["credentials"]
        credentials = None if wanted is None else _credentials(wanted)
        given = {name: options[name] for name in ("label", "base_url", "time_zone", "rate", "currency")}
        try:
            account = save_account(
                options["slug"], by="command", provider=options["provider"], credentials=credentials, **given
            )
        except Wrong as error:
            raise CommandError(str(error)) from None
        changed = sorted(name for name, value in {**given, "credentials": credentials}.items() if value is not None)
        audit("account.saved", f"account {account.slug}", fields=changed)
        self.stdout.write(json.dumps({"slug": account.slug, "webhook_url": account.webhook_url}))


def _credentials(source: str) -> dict[str, str]:
    """The credentials in a file or on standard input. No error repeats anything that is in there."""
    try:
        body = sys.stdin.buffer.read(MOST_BYTES + 1) if source == "-" else Path(source).read_bytes()
    except OSError as error:
        raise CommandError(f"{source} cannot be read: {error.strerror}.") from None
    try:
        found = strict_json(body[: MOST_BYTES + 1])
    except ValueError:
        raise CommandError('The credentials are not JSON; write {"api_key": "..."}.') from None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise CommandError('The credentials are one JSON object of texts; write {"api_key": "..."}.')
    return found
