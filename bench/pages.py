"""Does a page take longer where there are more messages? Each kind of page at ten thousand and at a million or more.

Server time is what Django takes from the request to the answer, in one process; database time is the part of it spent
on the database. Of a kind with several pages the table shows the middle one and the slowest.
"""

from __future__ import annotations

import json
import statistics
import subprocess
from typing import Any

from bench import harness
from bench.harness import Options, database, settings_for, work_folder
from scripts.common import PYTHON, ROOT, SetupError, say

FEW = 10_000
Times = dict[str, list[list[float]]]  # kind -> (database, server) of each page, in milliseconds


def measure(options: Options) -> None:
    results: dict[str, Any] = {}
    for kind in options.databases:
        found: dict[int, Times] = {}
        for size in (FEW, options.rows):
            with work_folder() as folder, database(kind, folder) as (url, _):
                settings = {**settings_for(url), "DJANGO_SETTINGS_MODULE": "dashboard.settings",
                            "ALLOWED_HOSTS": "testserver"}  # fmt: skip
                say(f"Making {size:,} messages on {kind} ...")
                _run("bench.generate", size, settings)
                found[size] = json.loads(_run("bench.visit_times", 3 * options.rounds, settings))
        results[kind] = {str(size): times for size, times in found.items()}
        _show(kind, options.rows, found[FEW], found[options.rows])
    say(f"Kept in {harness.save('pages', options, results).relative_to(ROOT)}")


def _run(module: str, argument: int, settings: dict[str, str]) -> str:
    done = subprocess.run(
        [str(PYTHON), "-m", module, str(argument)], cwd=ROOT, env=settings, capture_output=True, text=True
    )
    if done.returncode:
        raise SetupError(f"{module} failed: {done.stderr.strip()[-2000:]}")
    return done.stdout


def _show(database: str, rows: int, few: Times, many: Times) -> None:
    lines = []
    for kind, times in many.items():
        little = few.get(kind, [])
        before, after = _middle(little, 1), _middle(times, 1)
        figures = [_middle(little, 0), _middle(times, 0), max(time[0] for time in times), before, after]
        lines.append([kind, *(f"{figure:.1f}" for figure in figures), f"{after / before:.2f}" if before else "-"])
    say(f"\n{database}, milliseconds at {FEW:,} and at {rows:,} messages")
    harness.table(["page", "database", "of many", "slowest", "server", "of many", "ratio"], lines)


def _middle(times: list[list[float]], which: int) -> float:
    return statistics.median(t[which] for t in times) if times else 0.0
