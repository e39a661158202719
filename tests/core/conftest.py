"""The web server that we ship, on loopback, over the tests' own database."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client

from dashboard.models import Account
from tests.core.making import body_of, token_of

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Door:
    """The webhook door as Django's test client sees it."""

    client: Client

    def post(self, to: Account | str, payload: object, content_type: str = "application/json", **headers: str) -> int:
        path = to if isinstance(to, str) else f"/hooks/{token_of(to)}/"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(path, body_of(payload), content_type=content_type, headers=named).status_code


@dataclass(frozen=True)
class Server:
    port: int

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


@pytest.fixture
def door() -> Door:
    return Door(Client(raise_request_exception=True))


@pytest.fixture(scope="module")
def server(django_db_setup: None) -> Iterator[Server]:
    """Granian, as `run` starts it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--blocking-threads", "4", "--no-ws", "--log-level", "warning", "dashboard.wsgi:application"]
    environment = {**os.environ, "DATABASE_URL": _url(), "DJANGO_SETTINGS_MODULE": "dashboard.settings"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while not _listens(port):
            assert process.poll() is None, "the server ended by itself"
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.05)
        yield Server(port)
    finally:
        process.terminate()
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
