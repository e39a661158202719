"""A CSV file as it comes out of spreadsheets and databases: its rows, read once and checked cell by cell."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from io import TextIOWrapper
from itertools import chain
from typing import Any

from dashboard.ingest.incoming import FIELDS, Fault, Wrong, reader

ENCODING = "utf-8-sig"  # with a mark at its beginning or without
NEEDED = ("provider_message_id", "to")
LONGEST_HEADER = 100_000
REMEMBERED = 10_000  # readings of a column that are kept: most columns repeat a few values ...
LONGEST_REMEMBERED = 200  # ... and those are short
NUMBERS_REMEMBERED = 300_000  # a number in another notation than E.164 costs more than the rest of its line

Row = tuple[int, tuple[Any, ...] | list[Fault]]


class BadFile(Exception):
    """The file as a whole cannot be read; str(error) is a sentence."""


class Table:
    """The lines under the header, each as (line it begins on, values of `names` or what is wrong with it)."""

    def __init__(self, text: TextIOWrapper) -> None:
        self._text = text  # opened with ENCODING and its line ends as they are
        self._skipped = 0
        try:
            first = self._text.readline(LONGEST_HEADER)
            if stated := re.fullmatch(r"sep=(.)(\r\n|\n|\r)", first):  # what Excel writes, and hides
                self._skipped = 1
                first = self._text.readline(LONGEST_HEADER)
        except UnicodeDecodeError:
            raise self._not_utf8() from None
        self._delimiter = stated[1] if stated else max(",;\t", key=first.count)
        self._lines = self._rows(first)
        self._columns = [name.strip().lower() for name in next(self._lines, (0, []))[1]]
        missing = [name for name in NEEDED if name not in self._columns]
        if missing:
            raise BadFile(f"The first line names the columns, and {' and '.join(missing)} must be among them.")
        self.names = [name for name in self._columns if name in FIELDS]
        if len(set(self.names)) != len(self.names):
            raise BadFile("The first line names a column twice.")
        self.ignored = sorted({name for name in self._columns if name and name not in FIELDS})

    def __iter__(self) -> Iterator[Row]:
        width = len(self._columns)
        readers = [(self._columns.index(name), _remembering(name)) for name in self.names]
        for line, cells in self._lines:
            if len(cells) != width:
                sentence = f"This line has {len(cells)} cells, and the first line {width}."
                yield line, [Fault("", "invalid", sentence)]
                continue
            try:
                yield line, tuple([read(cells[place]) for place, read in readers])
            except Wrong:
                yield line, list(_faults(cells, readers))

    def _rows(self, first: str) -> Iterator[tuple[int, list[str]]]:
        """(line it begins on, cells), blank lines left out."""
        reading = csv.reader(chain([first], self._text), delimiter=self._delimiter, strict=True)
        while True:
            line = reading.line_num + 1 + self._skipped
            try:
                cells = next(reading)
            except StopIteration:
                return
            except csv.Error as error:
                raise BadFile(f"line {line}: {error}.") from None
            except UnicodeDecodeError:
                raise self._not_utf8() from None
            if any(cells) and any(map(str.strip, cells)):
                yield line, cells

    def _not_utf8(self) -> BadFile:
        """Decoding goes by blocks, so the line is looked for in a second look, where there can be one."""
        said = "this is not UTF-8; save the file as CSV in UTF-8."
        file: Any = self._text.buffer
        try:
            file.seek(0)
        except (OSError, ValueError):
            return BadFile(f"The file: {said}")
        for line, content in enumerate(file, 1):
            try:
                content.decode()
            except UnicodeDecodeError:
                return BadFile(f"line {line}: {said}")
        return BadFile(f"The last line: {said}")


def _faults(cells: list[str], readers: list[tuple[int, Callable[[str], Any]]]) -> Iterator[Fault]:
    for place, read in readers:
        try:
            read(cells[place])
        except Wrong as wrong:
            yield wrong.args[0]


def _remembering(name: str) -> Callable[[str], Any]:
    """What reads a cell of this column, each distinct one once as far as they are few."""
    read = reader(name)
    known: dict[str, Any] = {}
    room = NUMBERS_REMEMBERED if name == "to" else REMEMBERED

    def cell(text: str) -> Any:
        value = known.get(text, _NEW)
        if value is _NEW:
            value = read(_unquoted(text))
            plain = name == "to" and text[1:] == value
            if len(known) < room and len(text) <= LONGEST_REMEMBERED and not plain:
                known[text] = value
        return value

    return cell


_NEW = object()


def _unquoted(cell: str) -> str:
    """A cell without the quote that keeps a spreadsheet from computing it: '+254... is +254..."""
    cell = cell.strip()
    return cell[1:] if cell[:1] == "'" and cell[1:2] in set("=+@-") else cell
