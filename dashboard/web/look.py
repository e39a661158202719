"""Whether what an open page shows is still as it was: few statements, since it is asked all the time.

They go before anything else is read, so that what a page shows is never older than the version it came with. They are
written in SQL: to say it, Django takes many times as long as the database takes to answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Generic, TypeVar

from django.db import connection
from django.utils import timezone

from dashboard.domain.lifecycle import PENDING

T = TypeVar("T")
KEPT_FOR = timedelta(seconds=30)  # a statement may hold the time, or the ids behind a name
PENDING_WORDS = frozenset(status.value for status in PENDING)


@dataclass(frozen=True, slots=True)
class Seen:
    """`version` changes whenever the page would look different; `moving`: it may still change by itself."""

    version: str
    moving: bool
    newer: bool = False  # a list: newer messages have come than it begins with


def version_of(shown: Any) -> str:
    return sha256(repr(shown).encode()).hexdigest()[:16]


class Kept(Generic[T]):
    """What takes Django longer to write than the database to answer, for as long as it may be asked again."""

    def __init__(self, most: int = 2_000) -> None:
        self._most = most
        self._kept: dict[str, tuple[datetime, T]] = {}

    def get(self, key: str, write: Callable[[], T]) -> T:
        now = timezone.now()
        written, found = self._kept.get(key, (None, None))
        if found is not None and written is not None and written <= now < written + KEPT_FOR:
            return found
        if len(self._kept) >= self._most:
            self.clear()
        made = write()
        self._kept[key] = now, made
        return made

    def clear(self) -> None:
        self._kept.clear()


def answers(statement: str, given: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        return list(cursor.fetchall())
