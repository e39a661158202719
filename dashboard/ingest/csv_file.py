"""Sends from a CSV file: first only read, to find every fault, so that a wrong file changes nothing; then registered.

What was read is kept in temporary files without a name, so that what is stored is what was checked, whatever becomes of
the file meanwhile. A file of up to a chunk is one transaction. A longer one is stored in several, so that no webhook
waits for it: killed half way, the same file given again completes it.

On PostgreSQL a few lanes store beside each other. Ids that share a lock are all in one lane: none waits for another's.
"""

from __future__ import annotations

import os
import pickle  # noqa: S403 - reads nothing but what we wrote a moment ago
import tempfile
import threading
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, Any

from django.db import connection, transaction

from dashboard.ingest.csv_table import ENCODING, BadFile, Table
from dashboard.ingest.incoming import Fault
from dashboard.ingest.known import with_ids
from dashboard.ingest.locks import bucket_of
from dashboard.ingest.register import Registered, Send, register
from dashboard.models import Account
from dashboard.models.messages import Source
from dashboard.vault import phone_hmac

CHUNK = {"sqlite": 500, "postgresql": 5_000}  # rows in one transaction; SQLite has one writer for all
MOST_LANES = 4
MOST_BYTES = 2 * 1024**3
MOST_ROWS = 1_000_000
MOST_FAULTS = 1_000  # then reading stops: the file is something else
TOLD = 50_000  # rows read between two words about it

# "read" or "stored", how many rows, of how many (0 while nobody knows).
Progress = Callable[[str, int, int], None]
Line = tuple[int, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class LineFault:
    line: int
    fault: Fault

    def __str__(self) -> str:
        where = f"{self.fault.field}: " if self.fault.field else ""
        return f"line {self.line}: {where}{self.fault.message}"


@dataclass(slots=True)
class Imported:
    """What became of the file. `faults` with nothing accepted or known already mean that nothing was stored."""

    rows: int = 0
    accepted: int = 0
    duplicates: int = 0
    ignored: list[str] = field(default_factory=list)  # columns we do not know
    faults: list[LineFault] = field(default_factory=list)
    differs: list[LineFault] = field(default_factory=list)  # stored: the value given first stays; only the first few
    differing: int = 0  # how many there are


def import_csv(account: Account, path: Path, progress: Progress) -> Imported:
    """Register every row, or none if any is wrong. Raises BadFile, or OSError where there is no such file."""
    with ExitStack() as files:
        file = files.enter_context(path.open(encoding=ENCODING, newline=""))
        if os.fstat(file.fileno()).st_size > MOST_BYTES:
            raise BadFile("The file has more than 2 GB; cut it into several.")
        table = Table(file)
        found = Imported(ignored=table.ignored)
        lanes = [_Lane(files.enter_context(tempfile.TemporaryFile())) for _ in range(_how_many_lanes())]
        _Check(account, table, found).read(lanes, progress)
        if not found.faults:
            _Store(account, table.names, found, progress).store(lanes)
    found.faults.sort(key=lambda fault: fault.line)
    found.differs.sort(key=lambda fault: fault.line)
    return found


def _how_many_lanes() -> int:
    """One where there is one writer, or where all happens in the caller's own transaction."""
    several = connection.vendor == "postgresql" and not connection.in_atomic_block
    return min(MOST_LANES, 1 + (os.cpu_count() or 1)) if several else 1


class _Lane:
    """Rows that one thread will store, a chunk after another."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._waiting: list[Line] = []

    def add(self, row: Line) -> list[Line]:
        """Keep the row; returns the chunk that it has made full, if it has."""
        self._waiting.append(row)
        return self.flush() if len(self._waiting) >= CHUNK[connection.vendor] else []

    def flush(self) -> list[Line]:
        chunk, self._waiting = self._waiting, []
        if chunk:
            pickle.dump(chunk, self._file)
        return chunk

    def __iter__(self) -> Iterator[list[Line]]:
        self._file.seek(0)
        while True:
            try:
                yield pickle.load(self._file)  # noqa: S301 - our own
            except EOFError:
                return


@contextmanager
def _transaction() -> Iterator[None]:
    """Of one chunk, on terms of its own: a person at the command waits longer than a webhook may, and thousands of ids
    are found sooner by an index than by reading the table, which the planner doubts until it is very large."""
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '60s'; SET LOCAL random_page_cost = 1.1")
        yield


# ------------------------------------------------------------------------------ the first pass


class _Check:
    """Finds every fault of the file, also those that only show beside other rows or what is stored."""

    def __init__(self, account: Account, table: Table, found: Imported) -> None:
        self._account, self._table, self._found = account, table, found
        self._id, self._to = table.names.index("provider_message_id"), table.names.index("to")

    def read(self, lanes: Sequence[_Lane], progress: Progress) -> None:
        found, hashes = self._found, array("q")
        for line, values in self._table:
            found.rows += 1
            if found.rows > MOST_ROWS:
                raise BadFile(f"The file has more than {MOST_ROWS:,} rows; cut it into several.")
            if found.rows % TOLD == 0:
                progress("read", found.rows, 0)
            if isinstance(values, list):
                found.faults += [LineFault(line, fault) for fault in values]
                if len(found.faults) >= MOST_FAULTS:
                    return
                continue
            match_id = self._match_id(values)
            hashes.append(hash(match_id))
            lane = lanes[bucket_of(match_id) % len(lanes)]
            self._beside_what_is_stored(lane.add((line, values)))
        for lane in lanes:
            self._beside_what_is_stored(lane.flush())
        self._beside_each_other(_repeated(hashes), chain.from_iterable(chain.from_iterable(lanes)))

    def _match_id(self, values: tuple[Any, ...]) -> str:
        return self._account.provider.normalise_id(values[self._id])

    def _beside_what_is_stored(self, rows: Sequence[Line]) -> None:
        if not rows:
            return
        ids = [self._match_id(values) for _, values in rows]
        with _transaction():
            hmacs = dict(with_ids(self._account.pk, ids).values_list("match_id", "recipient__hmac"))
        for match_id, (line, values) in zip(ids, rows, strict=True) if hmacs else ():
            if match_id in hmacs and hmacs[match_id] != phone_hmac(values[self._to]):
                self._found.faults.append(LineFault(line, _TWO_NUMBERS))

    def _beside_each_other(self, repeated: set[int], rows: Iterable[Line]) -> None:
        numbers: dict[str, str] = {}
        for line, values in rows if repeated else ():
            match_id, to = self._match_id(values), values[self._to]
            if hash(match_id) in repeated and numbers.setdefault(match_id, to) != to:
                self._found.faults.append(LineFault(line, _TWO_NUMBERS))


_TWO_NUMBERS = Fault("to", "other_recipient", "This message id stands with another number as well.")


def _repeated(hashes: array[int]) -> set[int]:
    """Those that are there more than once. A million ids themselves would take a lot of memory."""
    ordered = sorted(hashes)
    return {one for one, next_one in zip(ordered, ordered[1:], strict=False) if one == next_one}


# ------------------------------------------------------------------------------ the second pass


class _Store:
    """Registers what was checked."""

    def __init__(self, account: Account, names: Sequence[str], found: Imported, progress: Progress) -> None:
        self._account, self._names, self._found, self._progress = account, names, found, progress
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._done = 0

    def store(self, lanes: Sequence[_Lane]) -> None:
        if self._found.rows <= CHUNK[connection.vendor]:
            self._at_once(sorted(chain.from_iterable(chain.from_iterable(lanes)), key=lambda row: row[0]))
        elif len(lanes) == 1:
            self._lane(lanes[0])
        else:
            self._beside_each_other(lanes)

    def _at_once(self, rows: list[Line]) -> None:
        with transaction.atomic():
            self._chunk(rows)
            if self._found.faults:  # somebody registered one of them since the first pass
                transaction.set_rollback(True)
                self._found.accepted = self._found.duplicates = 0

    def _beside_each_other(self, lanes: Sequence[_Lane]) -> None:
        with ThreadPoolExecutor(len(lanes)) as pool:
            jobs = [pool.submit(self._own_connection, lane) for lane in lanes]
            try:
                for job in jobs:
                    job.result()
            except BaseException:  # Ctrl-C as well: what is being stored is finished, and no more begun
                self._stop.set()
                raise

    def _own_connection(self, lane: _Lane) -> None:
        try:
            self._lane(lane)
        except BaseException:
            self._stop.set()
            raise
        finally:
            connection.close()

    def _lane(self, lane: _Lane) -> None:
        for chunk in lane:
            if self._stop.is_set():
                return
            self._chunk(chunk)

    def _chunk(self, rows: Sequence[Line]) -> None:
        sends = [Send(**dict(zip(self._names, values, strict=True))) for _, values in rows]
        with _transaction():
            results = register(self._account, sends, Source.IMPORT)
        with self._lock:
            for (line, _), result in zip(rows, results, strict=True):
                self._note(line, result)
            self._done += len(rows)
            self._progress("stored", self._done, self._found.rows)

    def _note(self, line: int, result: Registered) -> None:
        found = self._found
        if result.refused is not None:
            found.faults.append(LineFault(line, Fault(*result.refused)))
            return
        found.accepted += result.new
        found.duplicates += not result.new
        for name in result.differs:
            found.differing += 1
            if len(found.differs) < MOST_FAULTS:
                found.differs.append(LineFault(line, Fault(name, "differs", _KEPT)))


_KEPT = "A different value was given first; it stays."
