"""Finding the messages that we have by the ids that their provider gave them, or that we gave the provider."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from django.db.models import F, Q, QuerySet

from dashboard.domain.lifecycle import UNRESOLVED
from dashboard.ingest.rows import Among
from dashboard.models import Message


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
    rows = Message.objects.filter(Among(Message, "match_id", {match_id for _, match_id in wanted}))
    found = rows.values_list("account_id", "match_id", "pk")
    return {(account, match_id): pk for account, match_id, pk in found if match_id and (account, match_id) in wanted}


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
