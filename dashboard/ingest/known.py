"""Finding the messages that we have by the ids that their provider gave them, or that we gave the provider."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable

from django.db import connection
from django.db.models import F, Q, QuerySet

from dashboard.domain.lifecycle import UNRESOLVED
from dashboard.ingest.rows import Among, text_array
from dashboard.models import Message

_TABLE = Message._meta.db_table
_BY_ID_POSTGRESQL = f"SELECT account_id, match_id, id FROM {_TABLE} WHERE match_id = ANY(%s::text[])"  # noqa: S608
_BY_ID_SQLITE = (
    "SELECT found.account_id, found.match_id, found.id FROM json_each(%s) AS given "  # noqa: S608
    f"CROSS JOIN {_TABLE} AS found ON found.match_id = given.value"
)


def with_ids(account_id: int, ids: Iterable[str]) -> QuerySet[Message]:
    """The account's messages with these normalised ids.

    Found by their ids alone: "+ 0" keeps the database from walking through all that the account ever sent, which it
    does where its statistics are older than the account's messages.
    """
    return Message.objects.alias(whose=F("account_id") + 0).filter(Among(Message, "match_id", ids), whose=account_id)


def lookup(keys: Iterable[tuple[int, str]]) -> dict[tuple[int, str], int]:
    """Our ids of the messages with these (account id, normalised provider id)."""
    wanted = set(keys)
    if not wanted:
        return {}
    # By the ids alone, of all accounts at once: few ids are two accounts' own.
    ids = {match_id for _, match_id in wanted}
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_BY_ID_POSTGRESQL, [text_array(ids)])
        else:
            cursor.execute(_BY_ID_SQLITE, [json.dumps(list(ids))])
        found = cursor.fetchall()
    return {(account, match_id): pk for account, match_id, pk in found if (account, match_id) in wanted}


def by_reference(wanted: Iterable[tuple[int, str]]) -> dict[tuple[int, str], int]:
    """Our own sends whose answers never came, or that we think were not sent, by (account id, the reference that we
    gave the provider). One of several with the same is none of them."""
    wanted = set(wanted)
    if not wanted:
        return {}
    unanswered = Q(status__in=[status.value for status in UNRESOLVED]) | Q(not_sent=True)
    rows = Message.objects.filter(
        unanswered, Among(Message, "reference", {reference for _, reference in wanted}), match_id=None, sent_by_us=True
    )
    found: dict[tuple[int, str], list[int]] = defaultdict(list)
    for account, reference, pk in rows.values_list("account_id", "reference", "pk"):
        found[account, reference].append(pk)
    return {key: pks[0] for key, pks in found.items() if len(pks) == 1 and key in wanted}
