"""The webhook door in each of its shapes: Django's view, the one before Django, and both in the server that we ship."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client

from dashboard.ingest import door as wsgi_door
from dashboard.ingest.webhook import keep_one
from dashboard.models import Account
from scripts.serve import WEB_THREADS
from tests.core.making import body_of, token_of

ROOT = Path(__file__).resolve().parent.parent.parent


def nothing_else(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    raise AssertionError("this was passed on to Django")


class BeforeDjango(Client):
    """A client of the door before Django; what is stored is stored in the test's own thread and transaction."""

    application = wsgi_door.Door(nothing_else, keep_one)

    def request(self, **request: Any) -> Any:
        said: list[Any] = []
        content = b"".join(self.application(self._base_environ(**request), lambda *head: said.extend(head)))
        answer: Any = HttpResponse(content, status=int(said[0].split()[0]), headers=dict(said[1]))
        answer.json = lambda: json.loads(content)
        return answer


@dataclass(frozen=True)
class Door:
    """The webhook door as a test client sees it."""

    client: Client

    def post(self, to: Account | str, payload: object, content_type: str = "application/json", **headers: str) -> int:
        path = to if isinstance(to, str) else f"/hooks/{token_of(to)}/"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(path, body_of(payload), content_type=content_type, headers=named).status_code


@dataclass(frozen=True)
class Server:
    port: int
    process: subprocess.Popen[bytes]

    def post(self, path: str, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            link.request("POST", path, body, {"Content-Type": "application/json", **(headers or {})})
            answer = link.getresponse()
            return answer.status, answer.read()
        finally:
            link.close()

    def raw(self, data: bytes) -> bytes:
        """Bytes sent as they are; the answer until the server ends it."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as link:
            link.sendall(data)
            answer = b""
            while chunk := link.recv(65_536):
                answer += chunk
            return answer


DOORS = {"view": Client, "before Django": BeforeDjango}
APPLICATIONS = {"view": "dashboard.wsgi:django", "before Django": "dashboard.wsgi:application"}


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> Door:
    return Door(DOORS[request.param]())


@pytest.fixture(scope="module", params=APPLICATIONS)
def server(request: pytest.FixtureRequest, django_db_setup: None) -> Iterator[Server]:
    """Granian, as `run` starts it, with each of the two doors."""
    with serving(APPLICATIONS[request.param]) as server:
        yield server


@contextmanager
def serving(application: str) -> Iterator[Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    command += [
        "--blocking-threads",
        WEB_THREADS,
        "--workers-kill-timeout",
        "5",
        "--no-ws",
        "--log-level",
        "warning",
        application,
    ]
    environment = {**os.environ, "DATABASE_URL": _url(), "DJANGO_SETTINGS_MODULE": "dashboard.settings"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while not _listens(port):
            assert process.poll() is None, "the server ended by itself"
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.05)
        yield Server(port, process)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _url() -> str:
    """The tests' own database (each process of a run has one) as DATABASE_URL."""
    told = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{told['NAME']}"
    name = connection.creation._get_test_db_name() if not told["NAME"].startswith("test_") else told["NAME"]
    return f"postgres://{told['USER']}@/{told['HOST']}/{name}"
