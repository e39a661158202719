"""After an outage 100,000 messages are due at once: who is asked about first, how fast, and how much memory it takes.

A part of `bench.poll`. `python -m bench.drain` is a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import pairwise

from bench.harness import megabytes, part, run_python
from scripts.common import say

DUE = 100_000
RATE = 200  # a second: the account's limit
SHARE = 4  # times as long as other rounds
OUTAGE = timedelta(hours=1)
TOGETHER = 100  # became due at the same moment


def measure(settings: Mapping[str, str], seconds: float) -> dict[str, float]:
    """Let one worker go on for a while, and look at what the provider (`bench.slow_provider`) heard meanwhile."""
    first = 9 * 10**9
    run_python(["-m", "bench.poll", "prepare", "drain", str(DUE), str(first), "0"], settings)
    told = part("bench.drain", [str(SHARE * seconds)], settings)
    with urllib.request.urlopen(f"http://127.0.0.1:{settings['BENCH_PROVIDER']}/heard") as answer:
        heard = [(at, message) for at, message in json.load(answer) if message >= first]
    newest = first + DUE - 1
    places = [newest - message for _, message in heard]  # 0 is the one that should come first
    found = {
        "asked": len(heard),
        "asked_twice": len(heard) - len(set(places)),
        "most_a_second": _most_within(1.0, [at for at, _ in heard]),
        "out_of_turn": max(abs(place - turn) for turn, place in enumerate(places)),
        "older_before_newer": sum(later < place for place, later in pairwise(places)) / len(places),
        **told,
    }
    say(
        f"\n{DUE:,} due, limit {RATE} a second: {len(heard):,} asked about in {told['seconds']:.0f} s, "
        f"{found['asked_twice']} of them twice; at most {found['most_a_second']} in any second; the newest first, "
        f"at most {found['out_of_turn']} places out of turn; {told['megabytes']:.0f} MB, of which "
        f"{told['growth']:.1f} MB came after the first quarter."
    )
    return found


def _most_within(seconds: float, times: Sequence[float]) -> int:
    most, start = 0, 0
    for end, at in enumerate(times):
        while times[start] <= at - seconds:
            start += 1
        most = max(most, end - start + 1)
    return most


def work(seconds: float) -> dict[str, float]:
    """One worker, for so long. The later a message was made, the later in the outage it became due."""
    from django.db import transaction  # noqa: PLC0415
    from django.utils import timezone  # noqa: PLC0415 - only after setup

    from dashboard.models import Account, Message  # noqa: PLC0415
    from dashboard.worker import loop  # noqa: PLC0415
    from dashboard.worker.asking import Answer, Lane  # noqa: PLC0415

    Account.objects.filter(slug="drain").update(rate=RATE)
    mine = Message.objects.filter(account__slug="drain")
    pks = list(mine.order_by("pk").values_list("pk", flat=True))
    start = timezone.now() - OUTAGE
    with transaction.atomic():
        for place in range(0, len(pks), TOGETHER):
            since = start + OUTAGE * (place / len(pks))
            mine.filter(pk__in=pks[place : place + TOGETHER]).update(next_check_at=since)
    sizes: list[float] = []

    class Measured(loop.Worker):
        """Notes how big it is."""

        async def _save(self, lane: Lane, answers: list[Answer]) -> None:
            await super()._save(lane, answers)
            sizes.append(megabytes())

    asyncio.run(Measured().run(at_most=seconds))
    return {"seconds": seconds, "megabytes": max(sizes), "growth": sizes[-1] - sizes[len(sizes) // 4]}


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    django.setup()
    print(json.dumps(work(float(sys.argv[1]))))
