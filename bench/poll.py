"""How many messages a second can one worker ask about, at what cost? Beside the documents' own loop and bare sockets.

The provider answers after a tenth of a second. Ours are parsed and recorded when the clock stops; the others' are
not even read. `python -m bench.poll` with the name of a part is a process of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from bench import drain, harness
from bench.harness import (
    Figure,
    Options,
    database,
    megabytes,
    part,
    run_python,
    settings_for,
    usage_of,
    work_folder,
)
from scripts import processes
from scripts.common import PYTHON, ROOT, say

DELAY = 0.1  # seconds until the provider answers
AT_ONCE = (50, 200, 1000)
MOST = 20_000  # messages in one round
MANY = 4_000  # of them for each second, where many are asked about in one call
LOOP, BARE, BULK = "the documents' loop", "bare sockets, {} at once", "our worker, many in one call"
OURS = "our worker, {} at once"
IDS = itertools.count(10**8)


@dataclass(slots=True)
class Way:
    """One way to ask."""

    name: str
    ideal: float | None  # checks a second, if nothing but the waiting took time
    measure: Callable[[], dict[str, float]]
    a_second: Figure = field(default_factory=Figure)
    cpu: Figure = field(default_factory=Figure)  # milliseconds a check
    database_cpu: Figure = field(default_factory=Figure)
    memory: Figure = field(default_factory=Figure)  # megabytes at most
    growth: Figure = field(default_factory=Figure)  # from the first quarter of the round to its end


def measure(options: Options) -> None:
    results: dict[str, Any] = {}
    for kind in options.databases:
        with work_folder() as folder, database(kind, folder) as (url, server), _provider() as port:
            settings = {**settings_for(url), "BENCH_PROVIDER": str(port)}
            run_python([str(ROOT / "manage.py"), "migrate", "-v", "0"], settings)
            ways = _ways(settings, server, options.seconds)
            for _ in range(options.rounds):
                for way in ways:
                    _round(way)
            results[kind] = _shown(kind, ways) | {"drain": drain.measure(settings, options.seconds)}
    say(f"Kept in {harness.save('poll', options, results).relative_to(ROOT)}")


@contextlib.contextmanager
def _provider() -> Iterator[int]:
    command = [str(PYTHON), "-m", "bench.slow_provider", str(DELAY)]
    process = processes.spawn(command, stdout=subprocess.PIPE)
    try:
        yield int(process.stdout.readline() if process.stdout else 0)
    finally:
        processes.stop([process])


def _ways(settings: Mapping[str, str], server: int | None, seconds: float) -> list[Way]:
    def ours(at_once: int, *, bulk: bool = False) -> Callable[[], dict[str, float]]:
        def once() -> dict[str, float]:
            count = min(MOST, int(seconds * (MANY if bulk else at_once / DELAY)))
            first = next(IDS)
            for _ in range(count):
                next(IDS)
            slug = f"a{first}"
            run_python(["-m", "bench.poll", "prepare", slug, str(count), str(first), str(int(bulk))], settings)
            before = usage_of(server).seconds
            told = part("bench.poll", ["work", slug, str(at_once)], settings)
            return {**told, "database_cpu": 1000 * (usage_of(server).seconds - before) / count}

        return once

    def theirs(*arguments: object) -> Callable[[], dict[str, float]]:
        return lambda: part("bench.poll", [*map(str, arguments)], settings)

    ways = [Way(LOOP, 1 / DELAY, theirs("loop", seconds))]
    for at_once in AT_ONCE:
        ways.append(Way(BARE.format(at_once), at_once / DELAY, theirs("bare", at_once, seconds)))
        ways.append(Way(OURS.format(at_once), at_once / DELAY, ours(at_once)))
    return [*ways, Way(BULK, None, ours(200, bulk=True))]


def _round(way: Way) -> None:
    told = way.measure()
    way.a_second.values.append(told["checks"] / told["seconds"])
    way.cpu.values.append(1000 * told["cpu"] / told["checks"])
    way.database_cpu.values.append(told.get("database_cpu", 0.0))
    way.memory.values.append(told["megabytes"])
    way.growth.values.append(told.get("growth", 0.0))
    say(f"  {way.name}: {way.a_second.values[-1]:,.0f} a second, {way.cpu.values[-1]:.2f} ms CPU each")


def _shown(kind: str, ways: list[Way]) -> dict[str, Any]:
    loop = next(way.a_second.median for way in ways if way.name == LOOP)
    rows = []
    for way in ways:
        share = f"{way.a_second.median / way.ideal:.0%}" if way.ideal else "-"
        times = f"{way.a_second.median / loop:,.0f}"
        rows.append(
            [way.name, way.a_second.shown(), share, times, way.cpu.shown(2), way.database_cpu.shown(2),
             way.memory.shown(), way.growth.shown(1)]
        )  # fmt: skip
    say(f"\n{kind}: median (least-most) of {len(ways[0].a_second.values)} rounds")
    head = ["", "a second", "of ideal", "x loop", "CPU ms", "database CPU ms", "MB", "MB grown"]
    harness.table(head, rows)
    return {way.name: {name: figure for name, figure in asdict(way).items() if name != "measure"} for way in ways}


# ------------------------------------------------------------------------------ ours, in its own process


def prepare(slug: str, count: int, first: int, *, bulk: bool) -> None:
    """An account and so many messages of it, all of them due."""
    from datetime import timedelta  # noqa: PLC0415

    from django.utils import timezone  # noqa: PLC0415 - only after setup

    from dashboard.ingest.register import Send, register  # noqa: PLC0415
    from dashboard.models import Account, Message  # noqa: PLC0415
    from dashboard.models.messages import Source  # noqa: PLC0415

    now = timezone.now()
    account = Account.make(
        slug=slug, provider_key="bsg", rate=1000, base_url=f"http://127.0.0.1:{os.environ['BENCH_PROVIDER']}",
        unsupported={} if bulk else {"bulk": (now + timedelta(hours=1)).isoformat()},
    )  # fmt: skip
    account.set_credentials({"api_key": "k"}, "bench")
    account.save()
    for start in range(0, count, 500):
        numbers = range(start, min(start + 500, count))
        sends = [Send(to=f"2547{n:08d}", provider_message_id=str(first + n), batch="all") for n in numbers]
        register(account, sends, Source.API)
    Message.objects.filter(account=account).update(next_check_at=now - timedelta(seconds=1))


def work(slug: str, at_once: int) -> dict[str, float]:
    """One worker, until all of its answers are stored."""
    from dashboard.management.commands.worker import leave_what_is_loaded  # noqa: PLC0415 - only after setup
    from dashboard.models import Account, Message  # noqa: PLC0415
    from dashboard.worker import loop  # noqa: PLC0415
    from dashboard.worker.asking import Answer, Lane  # noqa: PLC0415
    from providers.http import CONNECTIONS, Caller  # noqa: PLC0415

    loop.AT_ONCE, loop.MOST_AHEAD = at_once, max(loop.MOST_AHEAD, 5 * at_once)
    loop.Caller = partial(Caller, connections=max(CONNECTIONS, at_once))  # type: ignore[assignment, misc]
    Account.objects.filter(slug=slug).update(rate=2 * at_once / DELAY)  # a limit, but none that is reached
    mine = Message.objects.filter(account__slug=slug)
    sizes: list[float] = []
    left = mine.count()

    class Measured(loop.Worker):
        """Stops when nothing is left."""

        async def _save(self, lane: Lane, answers: list[Answer]) -> None:
            nonlocal left
            await super()._save(lane, answers)
            sizes.append(megabytes())
            left -= len(answers)
            if left <= 0:
                self.stop()

    leave_what_is_loaded()
    count, seconds, cpu = left, time.perf_counter(), time.process_time()
    asyncio.run(Measured().run())
    seconds, cpu = time.perf_counter() - seconds, time.process_time() - cpu
    if (done := mine.filter(status="delivered").count()) != count:
        raise SystemExit(f"only {done} of {count} were heard of")
    return {"checks": count, "seconds": seconds, "cpu": cpu, "megabytes": max(sizes),
            "growth": sizes[-1] - sizes[len(sizes) // 4]}  # fmt: skip


# ------------------------------------------------------------------------------ theirs, in theirs


def loop_of_the_documents(seconds: float) -> dict[str, float]:
    """One request after another, each over a connection of its own: what all five providers' examples do."""
    address = f"http://127.0.0.1:{os.environ['BENCH_PROVIDER']}/rest/sms/"
    begin, cpu, checks = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() < begin + seconds:
        with urllib.request.urlopen(f"{address}{checks}") as answer:
            json.load(answer)
        checks += 1
    return _told(checks, begin, cpu)


def bare_sockets(at_once: int, seconds: float) -> dict[str, float]:
    """What one process can do at all: so many connections, each asking again when it was answered."""
    request = b"GET /rest/sms/1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    checks = 0

    class Asking(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self._transport = transport
            transport.write(request)  # type: ignore[attr-defined]

        def data_received(self, data: bytes) -> None:
            nonlocal checks
            if data.endswith(b"}"):
                checks += 1
                self._transport.write(request)  # type: ignore[attr-defined]

    async def ask() -> None:
        loop, port = asyncio.get_running_loop(), int(os.environ["BENCH_PROVIDER"])
        for _ in range(at_once):
            await loop.create_connection(Asking, "127.0.0.1", port)
        await asyncio.sleep(seconds)

    begin, cpu = time.perf_counter(), time.process_time()
    asyncio.run(ask())
    return _told(checks, begin, cpu)


def _told(checks: int, begin: float, cpu: float) -> dict[str, float]:
    used = {"seconds": time.perf_counter() - begin, "cpu": time.process_time() - cpu}
    return {"checks": checks, **used, "megabytes": megabytes()}


def main() -> None:
    part, *arguments = sys.argv[1:]
    told: dict[str, float] = {}
    if part in {"prepare", "work"}:
        import django  # noqa: PLC0415

        django.setup()
    match part:
        case "prepare":
            prepare(arguments[0], int(arguments[1]), int(arguments[2]), bulk=arguments[3] == "1")
        case "work":
            told = work(arguments[0], int(arguments[1]))
        case "loop":
            told = loop_of_the_documents(float(arguments[0]))
        case "bare":
            told = bare_sockets(int(arguments[0]), float(arguments[1]))
    print(json.dumps(told))


if __name__ == "__main__":
    main()
