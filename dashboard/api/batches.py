"""Reading batches: our five sums, the provider's own counters beside them, and the cost."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import HttpRequest
from ninja import Query, Router

from dashboard.api.auth import Needs, account_for, own_id
from dashboard.api.errors import ApiError, misshapen
from dashboard.api.messages import PAGE, READ_ERRORS, known_parameters
from dashboard.api.schemas import BatchesOut, BatchFilters, BatchOut, ErrorAnswer
from dashboard.api.shapes import batch_shape, listed
from dashboard.keyset import BadCursor, window
from dashboard.models import Account, Batch
from dashboard.tallies import sends_of, tally

router = Router(tags=["batches"], auth=Needs("read"))


@router.get("/batches", response={200: BatchesOut, READ_ERRORS: ErrorAnswer}, summary="List batches")
def list_batches(request: HttpRequest, filters: Query[BatchFilters]) -> dict[str, Any]:
    """Newest first, 100 a page. `name` and `provider_batch_id` match exactly."""
    known_parameters(request, BatchFilters)
    token = request.auth  # type: ignore[attr-defined]
    found = Batch.objects.select_related("account")
    if filters.account:
        found = found.filter(account=account_for(token, filters.account))
    elif token.account_id:
        found = found.filter(account_id=token.account_id)
    called = {"name": Q(name=filters.name), "provider_batch_id": Batch.called_by_provider(filters.provider_batch_id)}
    for name, which in called.items():
        if value := getattr(filters, name):
            if "\0" in value:
                misshapen(name, "No name holds this character.")
            # Both are unique in each account, and found by that.
            found = found.filter(which, account__in=list(Account.objects.values_list("pk", flat=True)))
    try:
        rows = window(found, filters.cursor, PAGE)
    except BadCursor as error:
        misshapen("cursor", str(error))
    return listed(_shapes(rows.items), rows.older)


@router.get("/batches/{batch_id}", response={200: BatchOut, READ_ERRORS: ErrorAnswer}, summary="One batch")
def one_batch(request: HttpRequest, batch_id: str) -> dict[str, Any]:
    """The five buckets always sum to `total`. `provider_report` is what the provider counts, never merged with ours."""
    known_parameters(request)
    token = request.auth  # type: ignore[attr-defined]
    found = Batch.objects.select_related("account").filter(pk=own_id(batch_id))
    if token.account_id:
        found = found.filter(account_id=token.account_id)
    batch = found.first()
    if batch is None:
        raise ApiError(404, "not_found", "There is no such batch.")
    return _shapes([batch])[0]


def _shapes(batches: list[Batch]) -> list[dict[str, Any]]:
    counts = tally(batch.pk for batch in batches)
    sends = sends_of(batches)
    return [batch_shape(batch, counts[batch.pk], sends[batch.pk].costs) for batch in batches]
