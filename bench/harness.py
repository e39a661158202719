"""What every question shares: a database of its own, servers whose work is counted, and results kept as JSON."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts import keys, postgres, processes, system
from scripts.common import PYTHON, ROOT, SetupError, environment, say

RESULTS = Path(__file__).resolve().parent / "results"
DURABLE = {"fsync": "on", "shared_buffers": "256MB", "max_wal_size": "4GB"}
TICK = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Options:
    """What somebody asked for on the command line."""

    databases: Sequence[str] = ("sqlite", "postgres")
    rounds: int = 3
    seconds: float = 5.0
    connections: int = 64
    threads: int = 4  # of our web server
    fsync_delay: float = 0.0  # milliseconds
    rows: int = 1_000_000  # of an imported file


# ------------------------------------------------------------------------------ databases


@contextlib.contextmanager
def work_folder() -> Iterator[Path]:
    """On the disk that the checkout is on: a folder in memory would make commits free."""
    (ROOT / "var").mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=ROOT / "var"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def database(kind: str, folder: Path) -> Iterator[tuple[str, int | None]]:
    """A new, durable database: its DATABASE_URL and, for PostgreSQL, the server's process."""
    if kind == "sqlite":
        path = Path(tempfile.mkdtemp(dir=folder)) / "bench.sqlite3"
        yield f"sqlite:///{path}", None
        return
    binaries = system.postgres_folder()
    if binaries is None:
        raise SetupError("PostgreSQL is missing: install it, set POSTGRES_BIN, or ask for --databases sqlite.")
    with postgres.private_cluster(binaries, **DURABLE) as url:
        data = Path("/" + url.split("@//")[1]).parent / "data"
        yield url, int((data / "postmaster.pid").read_text().splitlines()[0])


def settings_for(url: str) -> dict[str, str]:
    """The environment of one of our own processes."""
    return environment(
        **keys.fresh(), DATABASE_URL=url, LOG_LEVEL="WARNING", ALLOWED_HOSTS="127.0.0.1", DEBUG="off",
        PUBLIC_URL="http://127.0.0.1", ALLOW_PRIVATE_PROVIDER_URLS="on",
    )  # fmt: skip


def slow_disk(milliseconds: float, folder: Path) -> None:
    """From now on every fsync of the processes that we start takes so much longer. Needs a C compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise SetupError("--fsync-delay needs a C compiler: install gcc.")
    library = folder / "slow_fsync.so"
    source = Path(__file__).resolve().parent / "slow_fsync.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl"], check=True)
    library.chmod(0o755)
    folder.chmod(0o755)
    os.environ.update(LD_PRELOAD=str(library), SLOW_FSYNC_US=str(int(milliseconds * 1000)))


# ------------------------------------------------------------------------------ servers


@dataclass(slots=True)
class Usage:
    """Processor seconds so far, and megabytes in memory now."""

    seconds: float = 0.0
    megabytes: float = 0.0


def usage_of(pid: int | None) -> Usage:
    """Of a process and all its children; nothing of none."""
    if pid is None:
        return Usage()
    found, wanted = Usage(), {pid}
    rows = sorted(_processes(), key=lambda row: row[0])
    for _ in range(3):  # as deep as our trees get
        wanted |= {child for child, parent, _, _ in rows if parent in wanted}
    for child, _, ticks, kilobytes in rows:
        if child in wanted:
            found.seconds += ticks / TICK
            found.megabytes = max(found.megabytes, kilobytes / 1024)  # of the greatest
    return found


def megabytes() -> float:
    """What this process holds now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def _processes() -> Iterator[tuple[int, int, int, int]]:
    """(pid, parent, ticks, kilobytes) of every process."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            pages = int((folder / "statm").read_text().split()[1])
            ticks = sum(map(int, fields[11:15]))  # its own, and those of children that have ended
            yield int(folder.name), int(fields[1]), ticks, pages * os.sysconf("SC_PAGE_SIZE") // 1024


@dataclass(slots=True)
class Server:
    """A running granian."""

    process: subprocess.Popen[str]
    port: int


@contextlib.contextmanager
def serving(application: str, threads: int | str, settings: Mapping[str, str]) -> Iterator[Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(PYTHON), "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--blocking-threads", str(threads), "--no-ws", "--log-level", "warning", application]
    process = processes.spawn(command, env=dict(settings))
    try:
        deadline = time.monotonic() + 60
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SetupError(f"{application} did not start.")
            processes.pause(0.05)
        yield Server(process, port)
    finally:
        processes.stop([process])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def run_python(arguments: Sequence[str], settings: Mapping[str, str]) -> None:
    code, output = processes.capture([str(PYTHON), *arguments], env=dict(settings))
    if code:
        raise SetupError(f"{' '.join(arguments)} failed: {output.strip()[-2000:]}")


def part(module: str, arguments: Sequence[str], settings: Mapping[str, str]) -> dict[str, float]:
    """What a process of its own measured."""
    code, output = processes.capture([str(PYTHON), "-m", module, *arguments], env=dict(settings))
    if code:
        raise SetupError(f"{module} {' '.join(arguments)} failed: {output.strip()[-2000:]}")
    told: dict[str, float] = json.loads(output.strip().splitlines()[-1])
    return told


# ------------------------------------------------------------------------------ figures


@dataclass(slots=True)
class Figure:
    """One thing that was measured several times."""

    values: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.values) if self.values else 0.0

    def shown(self, digits: int = 0) -> str:
        """ "median (min-max)"."""
        if not self.values:
            return "-"
        low, high = min(self.values), max(self.values)
        return f"{self.median:,.{digits}f} ({low:,.{digits}f}-{high:,.{digits}f})"


def save(question: str, options: Options, result: Any) -> Path:
    """Keep the figures, and what they were measured on."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{question}-{time.strftime('%Y%m%d-%H%M%S')}.json"
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    machine = {"python": sys.version.split()[0], "system": platform.platform(), "processors": os.cpu_count(),
               "commit": commit.stdout.strip()}  # fmt: skip
    asked = {name: getattr(options, name) for name in Options.__slots__}
    path.write_text(json.dumps({"machine": machine, "options": asked, "result": result}, indent=1), encoding="utf-8")
    return path


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print as Markdown, columns aligned."""
    widths = [max(len(row[n]) for row in [head, *rows]) for n in range(len(head))]
    for row in [head, ["-" * width for width in widths], *rows]:
        say("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
