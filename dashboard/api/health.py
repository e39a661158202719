"""For the machines that watch us: is the process up, can it work, and how far behind is it?"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from dashboard.api.auth import token_of
from dashboard.api.errors import ApiError, error_response
from dashboard.models import Account, Message, Orphan, Retry

PROXY_HEADERS = ("X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "X-Real-Ip", "Via")
COUNTED_UP_TO = 10_000  # a scrape every few seconds must not count millions of rows


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers. Asks nothing of the database, so that a slow one does not get us restarted."""
    return JsonResponse({"status": "up"})


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """We can do our work: the database answers and has the tables of this version."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        missing = _missing_migrations()
    except (DatabaseError, InterfaceError) as error:
        return _not_ready(f"The database cannot be used ({type(error).__name__}).")
    if missing:
        return _not_ready(f"{missing} migrations are missing; run manage.py migrate.")
    return JsonResponse({"status": "ready"})


def _missing_migrations() -> int:
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _not_ready(reason: str) -> JsonResponse:
    return error_response(ApiError(503, "not_ready", reason, retry_after=5))


@login_not_required
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text, for a token with `read` (of all accounts) or a caller on this machine."""
    if not _from_this_machine(request):
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        token = token_of(secret.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            return error_response(ApiError(401, "unauthorized", "Send an API token: Authorization: Bearer as_..."))
        if not token.read or token.account_id:
            return error_response(ApiError(403, "forbidden", "This takes a token with read, for all accounts."))
    return HttpResponse(generate_latest(_registry), content_type=CONTENT_TYPE_LATEST)


def _from_this_machine(request: HttpRequest) -> bool:
    """A loopback address counts only where no proxy stands before us: to us, everybody comes from a proxy's."""
    if any(name in request.headers for name in PROXY_HEADERS):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


class _Numbers(Collector):
    """Read at each scrape; every query is bounded or answered by a small index."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        now = timezone.now()
        due = Message.objects.filter(next_check_at__lte=now)
        yield _gauge("aftersend_checks_due", "Messages waiting to be asked about (at most 10,000).", _capped(due))
        oldest = due.order_by("next_check_at").values_list("next_check_at", flat=True).first()
        yield _gauge("aftersend_checks_late_seconds", "How long the oldest of them waits.", _age(oldest, now))
        waiting = Orphan.objects.filter(message=None)
        yield _gauge("aftersend_orphans", "Reports about messages we do not know (at most 10,000).", _capped(waiting))
        yield _retries()
        yield from _accounts(now)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def _capped(rows: QuerySet[Any]) -> int:
    return rows.order_by()[:COUNTED_UP_TO].count()


def _age(at: datetime | None, now: datetime) -> float:
    return max((now - at).total_seconds(), 0.0) if at else 0.0


def _retries() -> GaugeMetricFamily:
    family = GaugeMetricFamily("aftersend_retries_open", "Sends again that are not settled.", labels=["state"])
    rows = Retry.objects.filter(state__in=Retry.HOLDING).order_by().values_list("state").annotate(n=Count("pk"))
    counts = dict(rows)
    for state in Retry.HOLDING:
        family.add_metric([state.value], counts.get(state.value, 0))
    return family


def _accounts(now: datetime) -> Iterator[GaugeMetricFamily]:
    enabled = GaugeMetricFamily("aftersend_account_enabled", "1: in use.", labels=["account"])
    paused = GaugeMetricFamily("aftersend_account_paused", "1: asking is paused.", labels=["account", "reason"])
    failures = GaugeMetricFamily("aftersend_account_failures", "Failed calls in a row.", labels=["account"])
    success = GaugeMetricFamily("aftersend_account_success_seconds", "Since the last answer.", labels=["account"])
    webhook = GaugeMetricFamily("aftersend_account_webhook_seconds", "Since the last webhook.", labels=["account"])
    for account in Account.objects.all():
        held = account.paused_until is not None and account.paused_until > now
        enabled.add_metric([account.slug], int(account.enabled))
        paused.add_metric([account.slug, account.pause_reason if held else ""], int(held))
        failures.add_metric([account.slug], account.failures)
        if account.last_success_at:
            success.add_metric([account.slug], _age(account.last_success_at, now))
        if account.last_webhook_at:
            webhook.add_metric([account.slug], _age(account.last_webhook_at, now))
    yield from (enabled, paused, failures, success, webhook)


_registry = CollectorRegistry(auto_describe=False)
ProcessCollector(registry=_registry)
_registry.register(_Numbers())
