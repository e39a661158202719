"""Which messages a list means: one reading of the filters for the pages, the exports and the API."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import F, Q, QuerySet
from django.db.models.lookups import Exact
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.domain.lifecycle import BUCKET, PENDING, Bucket
from dashboard.keyset import BadCursor, Branched, window
from dashboard.models import Account, Batch, Message
from providers import PROVIDERS
from providers.base import MAX_ID_LENGTH, Status

OVERDUE_AFTER = timedelta(hours=1)  # where the message has no validity of its own
_PENDING = [status.value for status in PENDING]
# How a message ended, by its own status: in whatever way, or without having been delivered.
ENDED = {
    "any": [status.value for status in Status if status not in PENDING],
    "missed": [status.value for status in Status if status not in PENDING and status is not Status.DELIVERED],
}
NO_COUNTRY = "none"  # of messages whose number has a code of no known country
_COUNTRY = re.compile(r"[A-Z]{2}|001")
GREATEST_ID = 2**63 - 1


class BadFilter(ValueError):
    """A filter that means nothing; `field` names it and str(error) is a sentence for a person."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def filter_messages(
    *,
    status: str = "",
    ended: str = "",
    bucket: str = "",
    account: str = "",
    country: str = "",
    batch: str = "",
    reference: str = "",
    provider_message_id: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    overdue: bool = False,
    conflict: bool = False,
    twice: bool = False,
) -> Branched[Message]:
    """The messages that match everything given. Raises BadFilter.

    `status` and `ended` ("any", "missed") go by what a message is itself; `bucket` by what it counts as, its retries
    considered: together with `batch` it leaves the retries themselves out, so that the list has as many rows as the
    batch counts. `since` is inclusive, `until` is not. Pages of them go by `sent_at`, newest first.
    """
    found = Branched.by("sent_at", Message)
    if country:
        found = _to(found, country_of(country), _wanted(status, ended, bucket))
    if status or ended:
        found = _being(found, status, ended, statuses_of(bucket) if bucket else list(Status))
    if bucket:
        counting = statuses_of(bucket)
        found = found.split(Q(effective__in=counting), [Q(effective=its) for its in counting])
    if batch:
        found = _in_batches(found, batches_called(batch), _account(account) if account else None)
    if batch and bucket:
        found = found.filter(root=None)
    if reference:
        # The index holds no empty ones, and SQLite uses it only where the query says so in the same words.
        found = found.filter(reference=_id_text("reference", reference)).exclude(reference="")
    if provider_message_id:
        found = found.filter(_has_id(_id_text("provider_message_id", provider_message_id)))
    if twice:
        # They are few and have an index, which SQLite would leave for a walk through the whole table, newest first.
        found = found.filter(pk__in=Message.objects.filter(deliveries__gt=1).values("pk"))
    found = _narrowed(found, since=since, until=until, overdue=overdue, conflict=conflict)
    if not account:
        return found
    others = bool(batch or reference or provider_message_id)
    return _of_account(found, _account(account), few=twice or conflict, found_by_more=others)


def _of_account(found: Branched[Message], account: int, *, few: bool, found_by_more: bool) -> Branched[Message]:
    if few:  # not by the account's own index, which is of many
        return found.filter(Exact(F("account_id") + 0, account))
    return found.filter(account=account) if found_by_more else through(found, account)


def _being(found: Branched[Message], status: str, ended: str, counting: Sequence[str]) -> Branched[Message]:
    """What a message counts as differs from its status only where it was sent again: few, with their own index.

    So of those that are to count as something else, too, nobody need look among the many.
    """
    own = set(_ended(ended) if ended else Status)
    if status:
        own &= {_status(status)}
    same = [Q(effective=its, status=its) for its in sorted(own & set(counting))]
    return found.split(Q(status__in=sorted(own)), [*same, *(Q(~Q(status=F("effective")), status=its) for its in own)])


def _wanted(status: str, ended: str, bucket: str) -> set[str]:
    """The statuses that are looked for."""
    wanted = {_status(status)} if status else {its.value for its in Status}
    if ended:
        wanted &= set(_ended(ended))
    return wanted & set(statuses_of(bucket)) if bucket else wanted


def _to(found: Branched[Message], country: str, wanted: Collection[str]) -> Branched[Message]:
    """The index by country is one of each account's messages.

    SQLite does not know whether those to a country or those of a status are fewer. Most are delivered in the end.
    """
    if connection.vendor == "sqlite" and Status.DELIVERED.value not in wanted:
        return found.filter(country=country)
    accounts = Account.objects.values_list("pk", flat=True)
    return found.split(Q(country=country), [Q(country=country, account=pk) for pk in accounts])


def through(found: Branched[Message], account: int) -> Branched[Message]:
    """Those of one account, whose index goes on with what a message counts as."""
    if len(found.walks) > 1:
        return found.filter(account=account)
    return found.split(Q(account=account), [Q(account=account, effective=status.value) for status in Status])


def _in_batches(found: Branched[Message], pks: list[int], account: int | None) -> Branched[Message]:
    """Through another account than the batch's own only what was sent again can have gone: little, with an index."""
    others: set[int] = set()
    if account is not None:
        others = set(Batch.objects.filter(pk__in=pks).exclude(account=account).values_list("pk", flat=True))
    branches = [Q(batch=pk, root__isnull=False) if pk in others else Q(batch=pk) for pk in pks]
    return found.split(Q(batch__in=pks), branches)


def _narrowed(
    found: Branched[Message], *, since: datetime | None, until: datetime | None, overdue: bool, conflict: bool
) -> Branched[Message]:
    if since and until and since >= until:
        raise BadFilter("until", _("The end of the time span is not after its beginning."))
    if since:
        found = found.filter(sent_at__gte=since)
    if until:
        found = found.filter(sent_at__lt=until)
    if overdue:
        late = is_overdue(timezone.now())
        found = found.split(late, [late & Q(effective=status) for status in _PENDING])
    if conflict:
        found = found.filter(pk__in=Message.objects.filter(conflict=True).values("pk"))  # likewise
    return found


def is_overdue(now: datetime) -> Q:
    """Still pending although its validity is over, or, without one, an hour after it was sent.

    A message that counts as its retry counts is not overdue itself: the retry may be.
    """
    late = Q(valid_until__lt=now) | Q(valid_until=None, sent_at__lt=now - OVERDUE_AFTER)
    return Q(late, effective__in=_PENDING, status__in=_PENDING)


def page(messages: QuerySet[Message], cursor: str, size: int) -> tuple[list[Message], str | None]:
    """One page, newest first, and the cursor of the next. Raises BadFilter for a cursor that is none of ours."""
    try:
        found = window(messages, cursor, size)
    except BadCursor as error:
        raise BadFilter("cursor", str(error)) from None
    return found.items, found.older


def statuses_of(bucket: str) -> list[str]:
    """The statuses that count in this bucket. Raises BadFilter."""
    if bucket not in set(Bucket):
        raise BadFilter("bucket", f"There is no bucket {bucket[:50]!r}; there are {', '.join(Bucket)}.")
    return [status.value for status, its in BUCKET.items() if its == bucket]


def batches_called(name: str) -> list[int]:
    """The ids of the batches with this id or name; a name may stand once in each account. "id:12" is the id alone."""
    if name.startswith("id:") and name[3:].isascii() and name[3:].isdigit():
        return list(Batch.objects.filter(pk=int(name[3:])).values_list("pk", flat=True))
    # Names are unique in each account, and found by that. Not one condition with OR, which would read the table.
    called = Batch.objects.filter(account__in=Account.objects.values("pk"), name=_id_text("batch", name))
    found = set(called.values_list("pk", flat=True))
    if name.isascii() and name.isdigit() and int(name) <= GREATEST_ID:
        found.update(Batch.objects.filter(pk=int(name)).values_list("pk", flat=True))
    return sorted(found)


def _status(status: str) -> str:
    if status not in set(Status):
        raise BadFilter("status", f"There is no status {status[:50]!r}; there are {', '.join(Status)}.")
    return status


def _ended(how: str) -> list[str]:
    if how not in ENDED:
        raise BadFilter("ended", f"A message ends in {' or '.join(map(repr, ENDED))}, not {how[:50]!r}.")
    return ENDED[how]


def country_of(code: str) -> str:
    """As it is stored: ISO 3166, "001" for a code of no country, "" for an unknown one. Raises BadFilter."""
    if code.lower() == NO_COUNTRY:
        return ""
    if not _COUNTRY.fullmatch(code.upper()):
        raise BadFilter("country", f"A country is two letters such as KE, or {NO_COUNTRY!r}, not {code[:50]!r}.")
    return code.upper()


def _account(slug: str) -> int:
    pk = Account.objects.filter(slug=_id_text("account", slug)).values_list("pk", flat=True).first()
    if pk is None:
        raise BadFilter("account", f"There is no account {slug[:50]!r}.")
    return pk


def _id_text(field: str, value: str) -> str:
    """An id or a name as it may be stored. A NUL would be an error of the database."""
    if len(value) > MAX_ID_LENGTH or "\0" in value:
        sentence = _("This is longer than %(most)s characters, or holds a character no id has.")
        raise BadFilter(field, sentence % {"most": MAX_ID_LENGTH})
    return value


def _has_id(value: str) -> Q:
    """Ids match after each provider's own normalisation."""
    having = Q(match_id=value)
    for provider in PROVIDERS.values():
        normal = provider.normalise_id(value)
        if normal != value:
            having |= Q(match_id=normal, account__provider_key=provider.key)
    return having
