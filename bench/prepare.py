"""Messages to report about, in the database of the environment, and the reports about them.

Two reports about each message, of four providers in turn, one of which signs; a window of messages is out at a time.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import django

django.setup()

from django.core.management import call_command  # noqa: E402 - only after setup
from django.utils import timezone  # noqa: E402

from bench.intake import http  # noqa: E402
from bench.load import write_requests  # noqa: E402
from dashboard.ingest.counts import add_messages  # noqa: E402
from dashboard.models import Account, Batch, Message, Recipient  # noqa: E402

WINDOW = 500
SECRET = "whsec_for_measuring"
PROVIDERS = ("bsg", "roycetalk", "smsbat", "esms_africa")


def accounts() -> list[Account]:
    made = [Account.make(slug=key, provider_key=key) for key in PROVIDERS]
    made[-1].set_credentials({"api_key": "k", "webhook_secret": SECRET}, "bench")
    made[-1].save()
    return made


def messages(of: list[Account], count: int, batches: int) -> None:
    now = timezone.now()
    folders = {
        account.pk: Batch.objects.bulk_create(
            Batch(account=account, name=f"batch {n}", created_at=now) for n in range(batches // len(of))
        )
        for account in of
    }
    for start in range(0, count, 5_000):
        numbers = range(start, min(start + 5_000, count))
        recipients = Recipient.objects.bulk_create(Recipient.of(f"2547{n:08d}") for n in numbers)
        made = []
        for n, recipient in zip(numbers, recipients, strict=True):
            account = of[n % len(of)]
            mine = folders[account.pk]
            made.append(
                Message(
                    account=account, provider_message_id=f"m-{n}", match_id=f"m-{n}", recipient=recipient,
                    batch=mine[n // len(of) % len(mine)], text="Your order is ready.", sender="Shop", status="queued",
                    effective="queued", sent_at=now - timedelta(seconds=n % 7200), created_at=now,
                )
            )  # fmt: skip
        add_messages(made)


def report(key: str, n: int, word: str) -> dict[str, Any]:
    """What a provider's documents show, at their usual length."""
    common = {"message_id": f"m-{n}", "status": word, "to": f"+2547{n:08d}", "timestamp": "2026-11-20T10:00:05Z"}
    match key:
        case "bsg":
            return {"error": 0, "id": f"m-{n}", "msisdn": f"2547{n:08d}", "reference": f"ext{n}", "status": word,
                    "time_in": "2026-11-20 10:00:00", "time_sent": "2026-11-20 10:00:01",
                    "time_dr": "2026-11-20 10:00:05", "price": 0.03, "currency": "EUR"}  # fmt: skip
        case "smsbat":
            return {"messageId": f"m-{n}", "deliverystatus": word, "timestamp": "2026-11-20T10:00:05Z",
                    "phone": f"2547{n:08d}", "partscount": 1}  # fmt: skip
        case "esms_africa":
            return {**common, "retry_count": 0, "segments": 1, "cost": 0.8, "currency": "KES"}
        case _:
            return {**common, "delivered_at": "2026-11-20 10:00:05"}


def requests(of: list[Account], count: int) -> Iterator[bytes]:
    chance = random.Random(1)
    paths = [f"/hooks/{account.webhook_url.rstrip('/').rpartition('/')[2]}/" for account in of]
    for start in range(0, count, WINDOW):
        numbers = list(range(start, min(start + WINDOW, count)))
        for word in ("sent", "delivered"):
            chance.shuffle(numbers)
            for n in numbers:
                account = of[n % len(of)]
                body = json.dumps(report(account.provider_key, n, word)).encode()
                signed = {}
                if account.provider.webhook_signed:
                    signed["X_Webhook_Signature"] = (
                        "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
                    )
                yield http(paths[n % len(of)], body, **signed)


if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    mine = accounts()
    messages(mine, int(sys.argv[1]) // 2, int(sys.argv[2]))
    write_requests(Path(sys.argv[3]), requests(mine, int(sys.argv[1]) // 2))
