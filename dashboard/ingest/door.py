"""The webhook door of a running server: WSGI, in front of Django, for `POST /hooks/<token>/` alone.

Each request waits in its own thread; one writer thread takes whatever waits, keeps it in one commit, and only then
answers all of them. While one commit is under way the next set gathers by itself, so a lone report waits for nobody and
a thousand share a few commits.
"""

from __future__ import annotations

import atexit
import json
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from django.db import DatabaseError, InterfaceError, connection

from dashboard.ingest.webhook import UNAVAILABLE, Answer, Delivery, answer_to, keep, keep_one

log = logging.getLogger(__name__)

MOST_AT_ONCE = 500  # reports in one commit
MOST_WAITING = 1_000
GATHERING = 0.5  # of what the last commit took: how long the next one waits for as many reports
PATIENCE = 30.0  # seconds until a request stops waiting for its commit
REDO_FOR = 2.0  # seconds for keeping one by one what could not be kept together
REDO_LOCK_WAIT = {"sqlite": "PRAGMA busy_timeout = 100", "postgresql": "SET lock_timeout = '100ms'"}

BROKEN = Answer(500, "internal", "Something is wrong here; nothing more can be said to a program.")
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Door:
    """The WSGI application: reports are taken here, everything else is Django's."""

    def __init__(self, django: Application, keep_it: Callable[[Delivery], Answer]) -> None:
        self._django, self._keep_it = django, keep_it

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        token = _token(environ)
        if token is None:
            return self._django(environ, start_response)
        answer = answer_to(environ, token, self._keep_it)
        content = json.dumps(answer.content).encode()
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(content)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            **answer.headers,
        }
        start_response(f"{answer.status} {answer.code or 'OK'}", list(headers.items()))
        return [content]


def _token(environ: dict[str, Any]) -> str | None:
    """The token of a report's address; None for any other request."""
    path = str(environ.get("PATH_INFO", ""))
    if environ.get("REQUEST_METHOD") != "POST" or not path.startswith("/hooks/") or not path.endswith("/"):
        return None
    token = path[len("/hooks/") : -1]
    return token if token and "/" not in token else None


class Waiting:
    """A report in the queue, and its answer once there is one."""

    __slots__ = ("_done", "answer", "delivery")

    def __init__(self, delivery: Delivery) -> None:
        self.delivery, self.answer = delivery, UNAVAILABLE
        self._done = threading.Lock()  # the cheapest thing to wait for
        self._done.acquire()

    def settle(self, answer: Answer) -> None:
        self.answer = answer
        self._done.release()

    def wait(self) -> Answer:
        self._done.acquire(timeout=PATIENCE)
        return self.answer


class Writer:
    """One thread with a database connection of its own, started by the first report (so after a server's fork)."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Waiting | None] = SimpleQueue()  # None: the end
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._stopped = False

    def keep(self, delivery: Delivery) -> Answer:
        """The answer, once the report is stored or is known not to be."""
        if self._stopped or self._queue.qsize() >= MOST_WAITING:
            return UNAVAILABLE
        if self._thread is None or not self._thread.is_alive():
            self._start()
        waiting = Waiting(delivery)
        self._queue.put(waiting)
        return waiting.wait()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
                self._thread.start()
                atexit.register(self.stop)

    def stop(self) -> None:
        """Keep what waits, then end."""
        self._stopped = True
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(PATIENCE)

    def _run(self) -> None:
        last, took = 0, 0.0
        try:
            while group := self._take(last, took * GATHERING):
                began = monotonic()
                write(group)
                last, took = len(group), monotonic() - began
        finally:
            connection.close()

    def _take(self, expected: int, patience: float) -> list[Waiting]:
        """Whatever waits, up to so many; nothing at the end.

        Who was answered just now comes again at once: without a moment's patience for as many as the last time, the
        first of them would have a commit alone, and all others the next.
        """
        group: list[Waiting] = []
        until = 0.0
        while not group or len(group) < MOST_AT_ONCE:
            left = until - monotonic() if len(group) < expected else 0.0
            try:
                waiting = self._queue.get(timeout=max(left, 0.0)) if group else self._queue.get()
            except Empty:
                break
            if waiting is None:
                self._queue.put(None)
                break
            until = until or monotonic() + patience
            group.append(waiting)
        return group


def write(group: Sequence[Waiting]) -> None:
    """Keep all in one commit; if that fails, one by one, so that one bad report never harms its neighbours."""
    try:
        answers = keep([waiting.delivery for waiting in group])
    except Exception as error:
        log.warning("%d webhooks could not be kept together: %s", len(group), type(error).__name__)
        answers = _one_by_one([waiting.delivery for waiting in group])
    for waiting, answer in zip(group, answers, strict=True):
        waiting.settle(answer)


def _one_by_one(deliveries: Sequence[Delivery]) -> list[Answer]:
    """Over a new connection (the old one may be dead), hardly waiting for locks: that was done before."""
    until = monotonic() + REDO_FOR
    connection.close()
    try:
        connection.cursor().execute(REDO_LOCK_WAIT[connection.vendor])
    except (DatabaseError, InterfaceError):
        until = 0.0  # there is no database
    answers = [_alone(delivery) if monotonic() < until else UNAVAILABLE for delivery in deliveries]
    connection.close()  # and with it the short patience
    return answers


def _alone(delivery: Delivery) -> Answer:
    try:
        return keep_one(delivery)
    except Exception:
        log.exception("A webhook could not be kept.")
        return BROKEN
