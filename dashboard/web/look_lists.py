"""Whether an open list or batch is still as it was."""

from __future__ import annotations

from django.http import Http404

from dashboard.keyset import Branched, Statement, statements
from dashboard.models import Account, Batch, BatchCount, BatchText, Message, Recipient
from dashboard.queries import GREATEST_ID
from dashboard.web.look import PENDING_WORDS, Seen, answers, version_of

# ------------------------------------------------------------------------------ a page of the list of messages

_SHOWN = (
    "m.id, m.status, m.effective, m.conflict, m.unconfirmed, m.deliveries, m.root_id, m.sent_at, m.final_at, "
    "m.provider_message_id, m.provider_status, m.reference, m.batch_id, m.route, m.sender, m.parts, m.cost, "
    "m.currency, r.digits, a.slug, a.label"
)
_ROWS = f"""SELECT {_SHOWN} FROM ({{keys}}) AS page JOIN {Message._meta.db_table} m ON m.id = page.pk
    JOIN {Recipient._meta.db_table} r ON r.id = m.recipient_id JOIN {Account._meta.db_table} a ON a.id = m.account_id
    ORDER BY m.sent_at DESC, m.id DESC"""  # noqa: S608
Asked = tuple[Statement | None, Statement | None]


def list_statements(found: Branched[Message], cursor: str, size: int) -> Asked:
    """What is asked about the page of `size` messages that begins at the cursor. Raises BadCursor."""
    keys, newer = statements(found, cursor, size)
    return (_ROWS.format(keys=keys[0]), keys[1]) if keys else None, newer


def look_at_list(asked: Asked, size: int, *, top: bool, follows: bool) -> Seen:
    """`top`: anything may still come to this page. `follows`: it stays where it began, and says what is newer."""
    page, above = asked
    rows = answers(*page) if page else []
    newer = follows and bool(rows) and above is not None and bool(answers(*above))
    moving = top or any(row[1] in PENDING_WORDS for row in rows[:size])
    return Seen(version_of((rows, newer)), moving, newer)


# ------------------------------------------------------------------------------ a batch

_BATCH = f"""SELECT b.name, b.provider_batch_id, b.cost, b.currency, b.report_at, b.next_listing_at, a.slug, a.label
    FROM {Batch._meta.db_table} b JOIN {Account._meta.db_table} a ON a.id = b.account_id WHERE b.id = %s"""  # noqa: S608
_COUNTS = f"""SELECT status, SUM(n) FROM {BatchCount._meta.db_table} WHERE batch_id = %s
    GROUP BY status HAVING SUM(n) <> 0 ORDER BY status"""  # noqa: S608
_TEXTS = f"""SELECT kind, currency, price, SUM(n) FROM {BatchText._meta.db_table} WHERE batch_id = %s
    GROUP BY kind, currency, price HAVING SUM(n) <> 0 ORDER BY kind, currency, price"""  # noqa: S608
# In the order of the short index of those, which SQLite would leave for that of all messages of the batch.
_TWICE = f"""SELECT COUNT(*) FROM (SELECT id FROM {Message._meta.db_table} WHERE batch_id = %s AND deliveries > 1
    ORDER BY id DESC LIMIT 100000) AS twice"""  # noqa: S608
_NEWEST = f"""SELECT m.id, m.status, m.conflict, m.unconfirmed, m.sent_at, m.provider_message_id, m.recipient_id
    FROM {Message._meta.db_table} m WHERE m.batch_id = %s ORDER BY m.sent_at DESC, m.id DESC LIMIT %s"""  # noqa: S608


def look_at_batch(pk: int, newest: int) -> Seen:
    """At its sums, what the provider says, and its newest messages. Raises Http404."""
    found = answers(_BATCH, [pk]) if pk <= GREATEST_ID else []
    if not found:
        raise Http404
    counts = answers(_COUNTS, [pk])
    shown = (found, counts, answers(_TEXTS, [pk]), answers(_TWICE, [pk]), answers(_NEWEST, [pk, newest]))
    listing = found[0][5] is not None
    return Seen(version_of(shown), listing or any(status in PENDING_WORDS and n > 0 for status, n in counts))
