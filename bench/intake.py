"""How many webhooks a second, at what cost? Our door beside a plain view and a naive job, on both databases.

All servers run all the time and are measured in turn, so that whatever else the machine does hits them alike.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import harness
from bench.harness import Figure, Options, Server, run_python, serving, settings_for, usage_of, work_folder
from bench.load import write_requests
from scripts.common import PYTHON, ROOT, say

PEER_THREADS = 4  # more of them make the peers slower
WARM_UP = 1.0
MOST = 12_000  # requests a second that are prepared for
BATCHES = 20
INSERT, JOB, OURS = "plain Django view, one ORM insert", "naive job, one commit a step", "our door"


@dataclass(slots=True)
class Target:
    """Something that answers webhooks."""

    name: str
    server: Server
    database: int | None
    requests: Path
    used: int = 0
    a_second: Figure = field(default_factory=Figure)
    cpu: Figure = field(default_factory=Figure)  # milliseconds a request
    database_cpu: Figure = field(default_factory=Figure)
    p50: Figure = field(default_factory=Figure)
    p99: Figure = field(default_factory=Figure)
    memory: Figure = field(default_factory=Figure)


def measure(options: Options) -> None:
    results: dict[str, Any] = {}
    for kind in options.databases:
        with work_folder() as folder, _targets(kind, folder, options) as targets:
            raw = _raw_sqlite(folder) if kind == "sqlite" else {}
            for _ in range(options.rounds):
                for target in targets:
                    _round(target, options)
            results[kind] = _shown(kind, targets, raw)
    say(f"Kept in {harness.save('intake', options, results).relative_to(ROOT)}")


@contextlib.contextmanager
def _targets(kind: str, folder: Path, options: Options) -> Iterator[list[Target]]:
    count = int(MOST * (options.seconds + WARM_UP) * options.rounds)
    with contextlib.ExitStack() as stack:
        url, database = stack.enter_context(harness.database(kind, folder))
        settings = settings_for(url)
        say(f"{kind}: preparing {count:,} webhooks ...")
        run_python(["-m", "bench.prepare", str(count), str(BATCHES), str(folder / "ours")], settings)
        ours = stack.enter_context(serving("dashboard.wsgi:application", options.threads, settings))
        peer_url, peer_database = stack.enter_context(harness.database(kind, folder))
        peer_settings = {**settings, "DATABASE_URL": peer_url}
        run_python(["-m", "bench.peers", str(count // 8), str(BATCHES)], peer_settings)
        peers = stack.enter_context(serving("bench.peers:application", PEER_THREADS, peer_settings))
        write_requests(folder / "insert", _peer_requests("/insert/", count // 4))
        write_requests(folder / "job", _peer_requests("/job/", count // 4))
        yield [
            Target(INSERT, peers, peer_database, folder / "insert"),
            Target(OURS, ours, database, folder / "ours"),
            Target(JOB, peers, peer_database, folder / "job"),
        ]


def _peer_requests(path: str, count: int) -> Iterator[bytes]:
    for status, n in ((status, n) for n in range(count // 2) for status in ("sent", "delivered")):
        told = {"id": f"m-{n}", "status": status, "time": "2026-11-20T10:00:05Z", "msisdn": "254712345678"}
        yield http(path, json.dumps(told).encode())


def http(path: str, body: bytes, **headers: str) -> bytes:
    """A POST as a provider sends it."""
    named = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: provider/1.0\r\nAccept: */*\r\n{named}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _round(target: Target, options: Options) -> None:
    job = {
        "port": target.server.port, "requests": str(target.requests), "skip": target.used, "warm_up": WARM_UP,
        "connections": options.connections, "seconds": options.seconds,
    }  # fmt: skip
    before = usage_of(target.server.process.pid), usage_of(target.database)
    command = [str(PYTHON), "-m", "bench.load"]
    done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True, cwd=ROOT, check=True)
    after = usage_of(target.server.process.pid), usage_of(target.database)
    saw = json.loads(done.stdout)
    if set(saw["statuses"]) != {"200"}:
        say(f"  {target.name}: not all was well: {saw['statuses']}")
    target.a_second.values.append(saw["answered"] / saw["seconds"])
    target.cpu.values.append(1000 * (after[0].seconds - before[0].seconds) / saw["used"])
    target.database_cpu.values.append(1000 * (after[1].seconds - before[1].seconds) / saw["used"])
    target.p50.values.append(saw["p50"])
    target.p99.values.append(saw["p99"])
    target.memory.values.append(after[0].megabytes)
    target.used += saw["used"]
    say(f"  {target.name}: {target.a_second.values[-1]:,.0f} a second, p99 {saw['p99']:.0f} ms")


# ------------------------------------------------------------------------------ the raw limit


def _raw_sqlite(folder: Path) -> dict[str, float]:
    """Rows a second of a bare loop, by how many share a commit."""
    found = {}
    for rows in (1, 10, 100):
        link = sqlite3.connect(folder / f"raw-{rows}.sqlite3", isolation_level=None)
        link.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (id INTEGER, body TEXT)")
        begin, done = time.perf_counter(), 0
        while time.perf_counter() < begin + 2:
            link.execute("BEGIN IMMEDIATE")
            link.executemany("INSERT INTO t VALUES (?, ?)", [(done + n, "x" * 200) for n in range(rows)])
            link.execute("COMMIT")
            done += rows
        found[f"{rows} rows a commit"] = done / (time.perf_counter() - begin)
        link.close()
    return found


# ------------------------------------------------------------------------------ what came of it


def _shown(kind: str, targets: list[Target], raw: dict[str, float]) -> dict[str, Any]:
    by_name = {target.name: target for target in targets}
    rows = []
    for target in targets:
        ratios = [target.a_second.median / by_name[peer].a_second.median for peer in (INSERT, JOB)]
        rows.append(
            [
                target.name, target.a_second.shown(), *(f"{ratio:.1f}" for ratio in ratios), target.cpu.shown(2),
                target.database_cpu.shown(2), target.p50.shown(), target.p99.shown(), target.memory.shown(),
            ]
        )  # fmt: skip
    say(f"\n{kind}: median (least-most) of {len(targets[0].a_second.values)} rounds")
    head = ["", "a second", "x insert", "x job", "CPU ms", "database CPU ms", "p50 ms", "p99 ms", "MB"]
    harness.table(head, rows)
    for what, figure in raw.items():
        say(f"  raw limit, {what}: {figure:,.0f} rows a second")
    names = ("a_second", "cpu", "database_cpu", "p50", "p99", "memory")
    measured = {target.name: {name: getattr(target, name).values for name in names} for target in targets}
    return {"targets": measured, "raw": raw}
