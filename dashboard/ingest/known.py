"""Finding the messages that we have by the ids that their provider gave them."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import F, QuerySet

from dashboard.ingest.rows import Among
from dashboard.models import Message


def with_ids(account_id: int, ids: Iterable[str]) -> QuerySet[Message]:
    """The account's messages with these normalised ids.

    Found by their ids alone: "+ 0" keeps the database from walking through all that the account ever sent, which it
    does where its statistics are older than the account's messages.
    """
    return Message.objects.alias(whose=F("account_id") + 0).filter(Among(Message, "match_id", ids), whose=account_id)
