"""A doubt that nothing else has settled: a person says whether it went out, and why they think so."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.domain.outcomes import BY_HAND_AFTER
from dashboard.ingest.counts import add_messages
from dashboard.ingest.ending import end, end_unsent, goes_on_as, locked, say
from dashboard.ingest.known import lookup
from dashboard.ingest.retry import Refused
from dashboard.logs import masked
from dashboard.models import Message, Retry, User
from dashboard.models.messages import Source
from providers.base import ProviderError, Status, id_text

WENT_OUT = "went out"


def doubts() -> QuerySet[Retry]:
    """Everything of which nobody knows whether it went out."""
    return Retry.objects.filter(state=Retry.State.OUTCOME_UNKNOWN)


def why_not_by_hand(retry: Retry, now: datetime) -> str:
    """Why a person may not settle it (yet)."""
    if retry.state != Retry.State.OUTCOME_UNKNOWN:
        return _("This has been settled meanwhile: %(how)s") % {"how": retry.detail}
    minutes = -(-int((retry.changed_at + BY_HAND_AFTER - now).total_seconds()) // 60)
    if minutes > 0:
        sentence = _(
            "It is still being looked up. A person may settle it in %(minutes)s min, if nothing else has by then."
        )
        return sentence % {"minutes": minutes}
    return ""


def settle_by_hand(
    retry_pk: int, *, went_out: bool, reason: str, user: User, provider_id: str = "", ip: str | None = None
) -> None:
    """Close the doubt as this person says. With the provider's id the message is followed from now on. Raises Refused.

    Should the provider report about what was called not sent, that is a conflict, and blocks sending again.
    """
    reason, now = masked(reason.strip())[:500], timezone.now()
    with transaction.atomic():
        retry = locked(retry_pk)
        why_not = why_not_by_hand(retry, now)
        if why_not:
            raise Refused("too_early" if retry.state == Retry.State.OUTCOME_UNKNOWN else "settled", why_not)
        if not went_out:
            why = f"Not sent, says {user.get_username()}: {reason}"
            end_unsent(retry, Retry.State.NOT_SENT, why, now, by=user, reason=reason, ip=ip)
            return
        _goes_on(retry, provider_id.strip(), reason, now)
        why = f"It went out, says {user.get_username()}: {reason}"
        end(retry, Retry.State.ACCEPTED, why, now, by=user, reason=reason, ip=ip)


def _goes_on(retry: Retry, provider_id: str, reason: str, now: datetime) -> None:
    """The message counts as handed over; a report or an answer moves it on, else it is unknown by its deadline."""
    if provider_id:
        _check(retry, provider_id)
    if retry.via == Retry.Via.PROVIDER:
        retry.message = _made_by_provider(retry, provider_id, now)
        if retry.message.pk == retry.original_id:
            return
    say(retry, WENT_OUT, Status.SUBMITTED, now, reason, source=Source.PERSON, provider_id=provider_id, due_now=True)


def _check(retry: Retry, provider_id: str) -> None:
    try:
        match_id = retry.account.provider.normalise_id(id_text(provider_id))
    except ValueError:
        raise Refused("not_an_id", _("This is no id of a message.")) from None
    known = lookup({(retry.account_id, match_id)})
    if known and not (retry.via == Retry.Via.PROVIDER and match_id == retry.original.match_id):
        raise Refused("taken", _("This id belongs to message %(pk)s.") % {"pk": next(iter(known.values()))})


def _made_by_provider(retry: Retry, provider_id: str, now: datetime) -> Message:
    """The message that the provider's own retry made, be it one of which we know nothing but that it is."""
    if provider_id:
        try:
            return goes_on_as(retry, provider_id)
        except ProviderError as error:
            raise Refused("taken", error.message) from None
    original = retry.original
    message = Message(
        account=retry.account, recipient=retry.root.recipient, country=original.country, batch_id=retry.root.batch_id,
        root=retry.root, text=original.text, sender=original.sender, route=original.route,
        sent_at=retry.created_at, created_at=now,
    )  # fmt: skip
    add_messages([message])
    Retry.objects.filter(pk=retry.pk).update(message=message)
    return message
