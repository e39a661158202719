"""Sends from a CSV file: read twice, first only to find every fault, so that a wrong file changes nothing."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from django.db import transaction

from dashboard.ingest.incoming import FIELDS, Fault, incoming
from dashboard.ingest.register import Send, register
from dashboard.models import Account, Message
from dashboard.models.messages import Source
from dashboard.vault import phone_hmac

CHUNK = 500  # rows in one transaction
MOST_BYTES = 200 * 1024 * 1024
MOST_ROWS = 1_000_000
MOST_FAULTS = 1_000  # then reading stops: the file is something else
NEEDED = ("provider_message_id", "to")


class BadFile(Exception):
    """The file as a whole cannot be read; str(error) is a sentence."""


@dataclass(frozen=True, slots=True)
class LineFault:
    line: int
    fault: Fault

    def __str__(self) -> str:
        where = f"{self.fault.field}: " if self.fault.field else ""
        return f"line {self.line}: {where}{self.fault.message}"


@dataclass(slots=True)
class Imported:
    """What became of the file. Any `faults` mean that nothing was stored."""

    rows: int = 0
    accepted: int = 0
    duplicates: int = 0
    ignored: list[str] = field(default_factory=list)  # columns we do not know
    faults: list[LineFault] = field(default_factory=list)
    differs: list[LineFault] = field(default_factory=list)  # stored: the value given first stays


def import_csv(account: Account, body: bytes, progress: Callable[[int, int], None]) -> Imported:
    """Register every row, or none if any is wrong. `progress` hears (rows done, rows in all). Raises BadFile.

    A file of up to 500 rows is one transaction. A longer one is stored in several, so that no webhook waits for it:
    killed half way, the same file given again completes it.
    """
    table = _Table(_text(body))
    found = Imported(ignored=table.ignored)
    _check(account, table, found)
    if found.faults:
        return found
    done = 0
    for part in _chunked(table.sends()):
        with transaction.atomic():
            _store(account, part, found)
            if found.faults and done == 0:
                transaction.set_rollback(True)
                found.accepted = found.duplicates = 0
                return found
        done += len(part)
        progress(done, found.rows)
    return found


def _text(body: bytes) -> str:
    if len(body) > MOST_BYTES:
        raise BadFile("The file has more than 200 MB; cut it into several.")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise BadFile(f"line {line}: this is not UTF-8; save the file as CSV in UTF-8.") from None


class _Table:
    """The rows under their header, read anew at each pass."""

    def __init__(self, text: str) -> None:
        stated = re.match(r"sep=(.)\r?\n", text)  # what Excel writes, and hides
        self._skipped = 1 if stated else 0
        self._text = text[stated.end() :] if stated else text
        first = self._text.split("\n", 1)[0]
        self._delimiter = stated[1] if stated else max(",;\t", key=first.count)
        header = next(iter(self._rows()), (0, []))[1]
        self._names = [name.strip().lower() for name in header]
        missing = [name for name in NEEDED if name not in self._names]
        if missing:
            raise BadFile(f"The first line names the columns, and {' and '.join(missing)} must be among them.")
        known = [name for name in self._names if name in FIELDS]
        if len(set(known)) != len(known):
            raise BadFile("The first line names a column twice.")
        self.ignored = sorted({name for name in self._names if name and name not in FIELDS})

    def sends(self) -> Iterator[tuple[int, Send | list[Fault]]]:
        """(line, send or what is wrong with it) for every row."""
        for line, cells in islice(self._rows(), 1, None):
            if len(cells) != len(self._names):
                fault = Fault(
                    "", "invalid", f"This line has {len(cells)} cells, and the first line {len(self._names)}."
                )
                yield line, [fault]
                continue
            row = {name: _cell(cell) for name, cell in zip(self._names, cells, strict=True) if name in FIELDS}
            yield line, incoming({name: cell for name, cell in row.items() if cell})

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """(line it begins on, cells), blank lines left out."""
        reader = csv.reader(io.StringIO(self._text, newline=""), delimiter=self._delimiter, strict=True)
        while True:
            line = reader.line_num + 1 + self._skipped
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise BadFile(f"line {line}: {error}.") from None
            if any(cell.strip() for cell in cells):
                yield line, cells


def _cell(cell: str) -> str:
    """A cell without the quote that keeps a spreadsheet from computing it: '+254... is +254..."""
    cell = cell.strip()
    return cell[1:] if re.match(r"'[+=@-]", cell) else cell


def _chunked(rows: Iterator[tuple[int, Send | list[Fault]]]) -> Iterator[list[tuple[int, Send]]]:
    good = ((line, send) for line, send in rows if isinstance(send, Send))
    while part := list(islice(good, CHUNK)):
        yield part


# ------------------------------------------------------------------------------ the first pass


def _check(account: Account, table: _Table, found: Imported) -> None:
    """Every fault of the file, also those that only show beside other rows or what is stored."""
    numbers: dict[str, str] = {}
    waiting: list[tuple[int, Send]] = []
    for line, send in table.sends():
        found.rows += 1
        if found.rows > MOST_ROWS:
            raise BadFile(f"The file has more than {MOST_ROWS:,} rows; cut it into several.")
        if len(found.faults) >= MOST_FAULTS:
            return
        if not isinstance(send, Send):
            found.faults += [LineFault(line, fault) for fault in send]
            continue
        match_id = account.provider.normalise_id(send.provider_message_id or "")
        if numbers.setdefault(match_id, send.to) != send.to:
            found.faults.append(LineFault(line, _TWO_NUMBERS))
        waiting.append((line, send))
        if len(waiting) == CHUNK:
            _check_stored(account, waiting, found)
            waiting.clear()
    _check_stored(account, waiting, found)
    found.faults.sort(key=lambda fault: fault.line)


_TWO_NUMBERS = Fault("to", "other_recipient", "This message id stands with another number as well.")


def _check_stored(account: Account, rows: Sequence[tuple[int, Send]], found: Imported) -> None:
    ids = {line: account.provider.normalise_id(send.provider_message_id or "") for line, send in rows}
    stored = Message.objects.filter(account=account, match_id__in=ids.values())
    hmacs = dict(stored.values_list("match_id", "recipient__hmac"))
    for line, send in rows:
        known = hmacs.get(ids[line])
        if ids[line] in hmacs and known != phone_hmac(send.to):
            found.faults.append(LineFault(line, _TWO_NUMBERS))


# ------------------------------------------------------------------------------ the second pass


def _store(account: Account, part: Sequence[tuple[int, Send]], found: Imported) -> None:
    results = register(account, [send for _, send in part], Source.IMPORT)
    for (line, _), result in zip(part, results, strict=True):
        if result.refused is not None:  # somebody registered it since the first pass
            found.faults.append(LineFault(line, Fault(*result.refused)))
            continue
        found.accepted += result.new
        found.duplicates += not result.new
        kept = "A different value was given first; it stays."
        found.differs += [LineFault(line, Fault(name, "differs", kept)) for name in result.differs]
