"""How fast does a file of sends come in, and go out again? Our import beside the ways that Django and the drivers have.

Everything runs in a process of its own over one database, so that its memory is its own; `python3 -m bench.imports`
with the name of a part is such a process.
"""

from __future__ import annotations

import contextlib
import csv
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench import harness
from bench.harness import Options, database, settings_for, usage_of, work_folder
from scripts import processes
from scripts.common import PYTHON, ROOT, SetupError, say

SAMPLES = {"orm": 2_000, "bulk": 20_000, "raw": 100_000}  # rows of what would take too long for all of them
START = datetime(2026, 7, 1, 8, tzinfo=UTC)
# (share, country code and first digits, digits that follow): where texts of such a service go.
NUMBERS = (
    (40, "2547", 8), (15, "2348", 9), (10, "2567", 8), (10, "2557", 8), (10, "3806", 8), (10, "9198", 8), (3, "447", 9),
    (2, "1202", 7),
)  # fmt: skip
COLUMNS = (
    "provider_message_id", "to", "reference", "batch", "text", "sender", "sent_at", "cost", "currency", "parts",
)  # fmt: skip
LOCAL = 0.02  # of the numbers stand in the file as people write them


@dataclass(slots=True)
class Result:
    """One thing done with many rows."""

    rows: int
    seconds: float
    cpu: float  # microseconds a row, of the process
    database_cpu: float  # of the database's
    megabytes: float  # the most that the process held

    @property
    def a_second(self) -> float:
        return self.rows / self.seconds


def measure(options: Options) -> None:
    results: dict[str, dict[str, Result]] = {}
    with work_folder() as folder:
        file = folder / "sends.csv"
        write_file(file, options.rows)
        say(f"{options.rows:,} rows in {file.stat().st_size / 1e6:,.0f} MB")
        for kind in options.databases:
            results[kind] = _over(kind, folder, file, options.rows)
            shown = [
                [name, f"{r.rows:,}", f"{r.seconds:,.1f}", f"{r.a_second:,.0f}", f"{r.cpu:,.0f}",
                 f"{r.database_cpu:,.0f}" if r.database_cpu else "-", f"{r.megabytes:,.0f}"]
                for name, r in results[kind].items()
            ]  # fmt: skip
            say(f"\n{kind}")
            harness.table(["", "rows", "s", "rows/s", "CPU us/row", "database us/row", "MB"], shown)
    kept = {kind: {name: asdict(result) for name, result in found.items()} for kind, found in results.items()}
    say(f"Kept in {harness.save('import', options, kept).relative_to(ROOT)}")


def _over(kind: str, folder: Path, file: Path, rows: int) -> dict[str, Result]:
    manage = str(ROOT / "manage.py")
    ours = [manage, "import_sends", str(file), "--account", "main"]
    found: dict[str, Result] = {}
    with database(kind, folder) as (url, server):
        settings = _prepared(url, folder)
        found["our import"] = _timed(rows, ours, settings, server)
        found["our import, the same file again"] = _timed(rows, ours, settings, server)
        for name in ("csv", "jsonl"):
            command = ["-m", "bench.imports", "export", name]
            found[f"our export, {name}"] = _timed(rows, command, settings, server)
    with database(kind, folder) as (url, server):
        settings = _prepared(url, folder)
        for name, words in (
            ("orm", "ORM, one by one, nothing checked"),
            ("bulk", "bulk_create of 500, nothing checked"),
            ("raw", "COPY or executemany of ready rows, the database's part alone"),
        ):
            sample = min(SAMPLES[name], rows)
            command = ["-m", "bench.imports", name, str(sample), str(file)]
            found[words] = _timed(sample, command, settings, server)
    return found


def _prepared(url: str, folder: Path) -> dict[str, str]:
    settings = {**settings_for(url), "DEFAULT_REGION": "KE"}
    credentials = folder / "credentials.json"
    credentials.write_text('{"api_key": "k"}', encoding="utf-8")
    manage = str(ROOT / "manage.py")
    harness.run_python([manage, "migrate", "-v", "0"], settings)
    account = ["main", "--provider", "bsg", "--currency", "KES", "--credentials", str(credentials)]
    harness.run_python([manage, "add_account", *account], settings)
    return settings


def _timed(rows: int, arguments: list[str], settings: Mapping[str, str], server: int | None) -> Result:
    """The whole process, its start included; or, where it says so itself, what it spent in the database."""
    before = usage_of(server).seconds if server else 0.0
    start = time.monotonic()
    with tempfile.TemporaryFile("w+") as errors:
        command = [str(PYTHON), *arguments]
        process = processes.spawn(command, env=dict(settings), stdout=subprocess.PIPE, stderr=errors)
        said = process.stdout.read() if process.stdout else ""
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - start
        if process.returncode:
            errors.seek(0)
            raise SetupError(f"{' '.join(arguments)} failed: {errors.read()[-2000:]}")
    with contextlib.suppress(ValueError, IndexError):
        seconds = float(said.split("seconds in the database: ")[1])
    database_seconds = usage_of(server).seconds - before if server else 0.0
    cpu = used.ru_utime + used.ru_stime
    return Result(rows, seconds, cpu / rows * 1e6, database_seconds / rows * 1e6, used.ru_maxrss / 1024)


def write_file(path: Path, rows: int) -> None:
    """The same file for the same number of rows: a campaign an hour or so, most numbers once, some again."""
    chance = random.Random(rows)
    weights = [weight for weight, _, _ in NUMBERS]
    numbers = [
        head + str(chance.randrange(10**n)).zfill(n)
        for _, head, n in chance.choices(NUMBERS, weights, k=max(1, rows * 7 // 10))
    ]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for n in range(rows):
            number = numbers[n] if n < len(numbers) else chance.choice(numbers)
            local = number.startswith("254") and chance.random() < LOCAL
            at = START + timedelta(seconds=n / 20)
            text = f"Dear customer, your order {n % 1000} is ready. Reply STOP to get no more of these."
            writer.writerow(
                [f"msg-{n:09d}-{chance.getrandbits(32):08x}", f"0{number[3:6]} {number[6:]}" if local else f"+{number}",
                 f"order-{n}", f"campaign {n // 20_000}", text, "Shop", at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                 f"0.{chance.randrange(100, 999)}", "KES", 1 + (n % 7 == 0)]
            )  # fmt: skip


# ------------------------------------------------------------------------------ the parts, each a process of its own


def export(kind: str) -> None:
    """What the page sends, without the web server."""
    from dashboard.models import Message  # noqa: PLC0415 - only after setup
    from dashboard.web.exports import KINDS  # noqa: PLC0415

    written, _ = KINDS[kind]
    for _text in written(Message.objects.all()):
        pass


def main() -> None:
    import django  # noqa: PLC0415

    django.setup()
    from bench import import_peers  # noqa: PLC0415

    parts: dict[str, Callable[..., None]] = {
        "export": export, "orm": import_peers.orm, "bulk": import_peers.bulk, "raw": import_peers.raw,
    }  # fmt: skip
    name, *arguments = sys.argv[1:]
    parts[name](*arguments)


if __name__ == "__main__":
    main()
