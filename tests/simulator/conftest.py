"""A simulator on a stopped clock, a client, and an inbox for webhooks: all over real sockets."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from providers.simulator.server import Simulator


@dataclass
class Letter:
    path: str
    headers: dict[str, str]
    body: bytes


class Inbox:
    """Takes webhooks. `answers` are the statuses of the next replies, then 200."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.letters: queue.Queue[Letter] = queue.Queue()
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                # Before the answer, after which the next one may come, on a thread that is quicker.
                inbox.letters.put(Letter(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                status = inbox.answers.pop(0) if inbox.answers else 200
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/hooks/abc/"

    def next(self) -> Letter:
        return self.letters.get(timeout=10)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def posted(sim: Simulator, count: int) -> list[dict[str, Any]]:
    """The webhook tries, once there are so many. (The simulator notes an answer after the inbox has given it.)"""
    for _ in range(5000):
        if len(sim.posted()) >= count:
            break
        time.sleep(0.002)
    return sim.posted()


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(speed=0) as simulator:
        yield simulator


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    box = Inbox()
    yield box
    box.close()


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    # No TLS here, and loading the machine's certificates for every test would take longer than the tests.
    with httpx.Client(timeout=10, verify=False, trust_env=False) as client:
        yield client
