"""What do open pages cost while nothing happens, and how soon do they show that something did?

Two hundred pages are left open, each refreshing itself as often as its own markup says: messages on their way, batches,
lists and the overview. Beside them the same pages asking without the token of the version that they show.
`python -m bench.live people|happen` are processes of their own.
"""

from __future__ import annotations

import heapq
import http.client
import json
import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import urljoin

from bench import harness
from bench.harness import Figure, Options, Server, database, run_python, serving, settings_for, usage_of, work_folder
from scripts.common import PYTHON, ROOT, SetupError, say

ROWS = 100_000
PAGES = 200
CHANGED = 10  # messages that something happens to
_REFRESH = re.compile(r'hx-get="([^"]+)" hx-trigger="every (\d+)(ms|s)')
_VERSION = re.compile(r"([?&]v=)[^&]*")


@dataclass(order=True)
class Page:
    """An open page: when it asks next, what, and how often."""

    at: float
    path: str = field(compare=False)
    asks: str = field(compare=False)
    every: float = field(compare=False)
    shown: list[float] = field(default_factory=list, compare=False)  # when it showed something else

    def read(self, html: str) -> None:
        found = _REFRESH.search(html)
        if found is None:
            self.every = 0.0
            return
        self.asks = urljoin(self.path, unescape(found[1]))
        self.every = int(found[2]) / (1000 if found[3] == "ms" else 1)


def measure(options: Options) -> None:
    results: dict[str, Any] = {}
    for kind in options.databases:
        with work_folder() as folder, database(kind, folder) as (url, _):
            settings = {**settings_for(url), "DJANGO_SETTINGS_MODULE": "dashboard.settings"}
            say(f"Making {ROWS:,} messages on {kind} ...")
            _run(["bench.generate", str(ROWS)], settings)
            run_python([str(ROOT / "manage.py"), "collectstatic", "--no-input", "-v", "0"], settings)
            people = json.loads(_run(["bench.live", "people"], settings))
            results[kind] = _measured(kind, settings, people, options)
    say(f"Kept in {harness.save('live', options, results).relative_to(ROOT)}")


def _measured(kind: str, settings: dict[str, str], people: dict[str, Any], options: Options) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    with serving("dashboard.wsgi:application", options.threads, settings) as server:
        browser = Browser(server, people["session"])
        pages = [page for page in map(browser.open, people["paths"] * 2) if page.every][:PAGES]
        say(f"{len(pages)} open pages, asking {sum(1 / page.every for page in pages):.0f} times a second")
        for name, token in (("with the version", True), ("without", False)):
            cpu, a_request, statuses = Figure(), Figure(), Counter[int]()
            for _ in range(options.rounds):
                before = usage_of(server.process.pid).seconds
                answers = browser.keep_open(pages, 2 * options.seconds, token=token)
                used = usage_of(server.process.pid).seconds - before
                cpu.values.append(100 * used / (2 * options.seconds))
                a_request.values.append(1000 * used / max(answers.total(), 1))
                statuses += answers
            figures[name] = {"cpu": cpu.values, "milliseconds": a_request.values, "statuses": statuses}
            say(f"{kind}, {name}: {cpu.shown(1)} % of a core, {a_request.shown(2)} ms each, {dict(statuses)}")
        figures["shown_after"] = _shown_after(browser, pages, settings)
    return figures


def _shown_after(browser: Browser, pages: list[Page], settings: dict[str, str]) -> list[float]:
    """Seconds from a change of a message until its page shows it."""
    chosen = [page for page in pages if page.path.startswith("/messages/") and page.path.count("/") == 3][:CHANGED]
    pks = [page.path.split("/")[2] for page in chosen]
    happened = subprocess.Popen([str(PYTHON), "-m", "bench.live", "happen", *pks], cwd=ROOT, env=settings,
                                stdout=subprocess.PIPE, text=True)  # fmt: skip
    for page in chosen:
        page.shown.clear()
    browser.keep_open(chosen, 12.0, token=True)
    at = json.loads(happened.communicate()[0])
    first = [min((moment for moment in page.shown if moment > at), default=None) for page in chosen]
    took = Figure([moment - at for moment in first if moment is not None])
    say(f"A change is shown after {took.shown(2)} s ({len(took.values)} of {len(chosen)} pages)")
    return took.values


class Browser:
    """One connection after another is enough: answers take milliseconds."""

    def __init__(self, server: Server, session: str) -> None:
        self._link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        self._headers = {"Cookie": f"session={session}"}

    def _get(self, path: str, **headers: str) -> tuple[int, str]:
        self._link.request("GET", path, headers={**self._headers, **headers})
        answer = self._link.getresponse()
        return answer.status, answer.read().decode()

    def open(self, path: str) -> Page:
        status, html = self._get(path)
        if status != 200:
            raise SetupError(f"{path} answered {status}.")
        page = Page(0.0, path, path, 0.0)
        page.read(html)
        return page

    def keep_open(self, pages: list[Page], seconds: float, *, token: bool) -> Counter[int]:
        begin = time.monotonic()
        for n, page in enumerate(pages):
            page.at = begin + page.every * n / len(pages)
        waiting, answers = [page for page in pages if page.every], Counter[int]()
        heapq.heapify(waiting)
        while waiting and (page := waiting[0]).at < begin + seconds:
            time.sleep(max(page.at - time.monotonic(), 0))
            asks = page.asks if token else _VERSION.sub(r"\1none", page.asks)
            status, html = self._get(asks, **{"HX-Request": "true"})
            answers[status] += 1
            if html:
                page.shown.append(time.time())
                page.read(html)
            page.at = max(page.at + (page.every or seconds), time.monotonic())
            heapq.heapreplace(waiting, page)
        return answers


def _run(arguments: list[str], settings: dict[str, str]) -> str:
    done = subprocess.run([str(PYTHON), "-m", *arguments], cwd=ROOT, env=settings, capture_output=True, text=True)
    if done.returncode:
        raise SetupError(f"{arguments[0]} failed: {done.stderr.strip()[-2000:]}")
    return done.stdout


def _people() -> dict[str, Any]:
    """Somebody signed in, and what they have open: half of it messages on their way."""
    from django.test import Client  # noqa: PLC0415 - only in the process that has Django

    from dashboard.models import BatchCount, Message, User  # noqa: PLC0415

    client = Client()
    client.force_login(User.objects.get(username="ops"), backend="dashboard.web.sessions.Backend")
    moving = Message.objects.filter(status__in=("queued", "submitted", "sent")).order_by("-pk")
    batches = BatchCount.objects.filter(status__in=("queued", "submitted", "sent")).values_list("batch", flat=True)
    paths = [f"/messages/{pk}/" for pk in moving.values_list("pk", flat=True)[:50]]
    paths += [f"/batches/{pk}/" for pk in batches.order_by("-batch").distinct()[:20]]
    paths += ["/messages/", "/messages/?bucket=pending", "/messages/?account=main", "/messages/?status=failed"] * 5
    paths += ["/"] * 10
    return {"session": client.cookies["session"].value, "paths": paths}


def _happen(pks: list[str]) -> float:
    from django.utils import timezone  # noqa: PLC0415

    from dashboard.models import Message  # noqa: PLC0415

    time.sleep(3)
    at = time.time()
    Message.objects.filter(pk__in=pks).update(heard_at=timezone.now())
    return at


if __name__ == "__main__":
    import django

    django.setup()
    json.dump(_people() if sys.argv[1] == "people" else _happen(sys.argv[2:]), sys.stdout)
