"""The ways in that Django and the drivers offer, for the same rows into the same tables, without checking any of them:
no number is read, no duplicate looked for, no early report attached, and nothing is counted."""

from __future__ import annotations

import csv
import secrets
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from dashboard.ingest.events import event_key
from dashboard.models import Account, Batch, Event, Message, Recipient
from dashboard.vault import phone_hmac

CHUNK = 500


def orm(rows: str, file: str) -> None:
    """What a first version would do."""
    account = Account.objects.get()
    for chunk in _chunks(file, int(rows)):
        with transaction.atomic():
            for row in chunk:
                to = _digits(row["to"])
                recipient, _ = Recipient.objects.get_or_create(
                    hmac=phone_hmac(to), defaults={"digits": to, "reversed": to[::-1]}
                )
                batch, _ = Batch.objects.get_or_create(
                    account=account, name=row["batch"], defaults={"created_at": timezone.now()}
                )
                message = _message(account, row, recipient, batch, "orm")
                message.save()
                _event(message).save()


def bulk(rows: str, file: str) -> None:
    account = Account.objects.get()
    batches: dict[str, Batch] = {}
    for chunk in _chunks(file, int(rows)):
        with transaction.atomic():
            hmacs = {phone_hmac(to): to for to in {_digits(row["to"]) for row in chunk}}
            new = [Recipient.of(digits) for digits in hmacs.values()]
            Recipient.objects.bulk_create(new, ignore_conflicts=True)
            recipients = {one.hmac: one for one in Recipient.objects.filter(hmac__in=hmacs)}
            for name in {row["batch"] for row in chunk} - batches.keys():
                batches[name], _ = Batch.objects.get_or_create(
                    account=account, name=name, defaults={"created_at": timezone.now()}
                )
            messages = [
                _message(account, row, recipients[phone_hmac(_digits(row["to"]))], batches[row["batch"]], "bulk")
                for row in chunk
            ]
            Message.objects.bulk_create(messages)
            Event.objects.bulk_create(map(_event, messages))


def raw(rows: str, file: str) -> None:
    """The least that can be: ready rows, a recipient for each, straight into the three tables."""
    seconds = 0.0
    account = Account.objects.get()
    batch, _ = Batch.objects.get_or_create(account=account, name="raw", defaults={"created_at": timezone.now()})
    first = (Message.objects.order_by("-pk").values_list("pk", flat=True).first() or 0) + 1
    for chunk in _chunks(file, int(rows)):
        recipients, messages, events = [], [], []
        for pk, row in enumerate(chunk, first):
            digits = _digits(row["to"])
            recipient = Recipient(
                id=secrets.token_hex(8), digits=digits, reversed=digits[::-1], hmac=secrets.token_hex(32),
                created_at=timezone.now(),
            )  # fmt: skip
            message = _message(account, row, recipient, batch, "raw")
            message.pk = pk
            event = _event(message)
            event.pk = pk + 10**9
            recipients.append(recipient)
            messages.append(message)
            events.append(event)
        first += len(chunk)
        ready = list(map(_ready, (recipients, messages, events)))
        start = time.monotonic()
        with transaction.atomic():
            for statement, values in ready:
                _insert(statement, values)
        seconds += time.monotonic() - start
    print(f"seconds in the database: {seconds}")


def _ready(objects: list[Any]) -> tuple[str, list[list[Any]]]:
    fields = objects[0]._meta.concrete_fields
    table, names = objects[0]._meta.db_table, ", ".join(field.column for field in fields)
    rows = [[field.get_db_prep_save(getattr(one, field.attname), connection) for field in fields] for one in objects]
    if connection.vendor == "postgresql":
        return f"COPY {table} ({names}) FROM STDIN", rows
    return f"INSERT INTO {table} ({names}) VALUES ({', '.join(['%s'] * len(fields))})", rows


def _insert(statement: str, rows: list[list[Any]]) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(statement) as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            cursor.executemany(statement, rows)


def _chunks(file: str, rows: int) -> Iterator[list[dict[str, str]]]:
    with open(file, newline="", encoding="utf-8") as text:
        reading = islice(csv.DictReader(text), rows)
        while chunk := list(islice(reading, CHUNK)):
            yield chunk


def _digits(text: str) -> str:
    return text[1:] if text.startswith("+") else f"254{text.replace(' ', '')[1:]}"


def _message(account: Account, row: dict[str, str], recipient: Recipient, batch: Batch, way: str) -> Message:
    now, name = timezone.now(), f"{way} {row['provider_message_id']}"  # each way has messages of its own
    return Message(
        account=account, recipient=recipient, batch=batch, provider_message_id=name, match_id=name,
        reference=row["reference"], text=row["text"], sender=row["sender"],
        sent_at=datetime.fromisoformat(row["sent_at"]), cost=row["cost"], currency=row["currency"], parts=row["parts"],
        created_at=now, status="queued", effective="queued", heard_at=now, next_check_at=now,
    )  # fmt: skip


def _event(message: Message) -> Event:
    return Event(
        message=message, key=event_key(message.pk, "registered", 0, "", "", "ours"), status="queued", word="registered",
        by_provider=False, received_at=message.created_at, sources=8,
    )  # fmt: skip
