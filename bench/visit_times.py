"""How long each kind of page takes on the database of the environment: `python -m bench.visit_times ROUNDS`, as JSON.

Beside ours, what a generated admin does on the same rows: a list with its number of pages, and a search for a part of a
number. It is not even rendered.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import django
from django.conf import settings

django.setup()
settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}

from django.core.paginator import Paginator  # noqa: E402 - only after setup
from django.db import connection  # noqa: E402

from bench.visits import Visitors, visits  # noqa: E402
from dashboard.models import Message, Recipient  # noqa: E402

ADMIN_LIST, ADMIN_SEARCH = "an admin's list", "an admin's search"


class Clock:
    """Adds up what the database takes."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self, execute: Callable[..., Any], *rest: Any) -> Any:
        begin = time.perf_counter()
        try:
            return execute(*rest)
        finally:
            self.seconds += time.perf_counter() - begin


def timed(once: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds in the database, and in all."""
    clock, begin = Clock(), time.perf_counter()
    with connection.execute_wrapper(clock):
        once()
    return 1000 * clock.seconds, 1000 * (time.perf_counter() - begin)


def admin_list() -> None:
    page = Paginator(Message.objects.select_related("account", "recipient", "batch").order_by("-pk"), 100).page(1)
    list(page.object_list)


def admin_search() -> None:
    digits = Recipient.objects.order_by("-created_at")[0].digits
    found = Message.objects.filter(recipient__digits__icontains=digits[3:]).select_related("account", "recipient")
    list(Paginator(found.order_by("-pk"), 100).page(1).object_list)


def _least(times: list[tuple[float, float]]) -> tuple[float, float]:
    """What it takes while nothing else is in the way: a busy machine only ever adds to it."""
    return min(t[0] for t in times), min(t[1] for t in times)


def main(rounds: int) -> None:
    visitors, took = Visitors(), defaultdict(list)
    for visit in visits():
        visitors.go(visit)
        times = [timed(lambda visit=visit: visitors.go(visit)) for _ in range(rounds)]  # type: ignore[misc]
        took[visit.kind].append(_least(times))
    for kind, once in ((ADMIN_LIST, admin_list), (ADMIN_SEARCH, admin_search)):
        times = [timed(once) for _ in range(min(rounds, 3))]
        took[kind].append(_least(times))
    json.dump(took, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]))
