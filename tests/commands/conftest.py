"""Commands run as a person runs them: a process with arguments, exit code, stdout and stderr - but in this one."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.management import load_command_class
from django.db import connections

from dashboard.models import Account


@dataclass
class Ran:
    code: int
    out: str
    err: str


class Shell:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._patch, self._capsys = monkeypatch, capsys
        # run_from_argv closes the connections at its end, and with them the test's own.
        monkeypatch.setattr(connections, "close_all", lambda: None)

    def __call__(self, name: str, *arguments: str, stdin: str = "") -> Ran:
        self._patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8"))
        code: Any = 0
        try:
            load_command_class("dashboard", name).run_from_argv(["manage.py", name, *arguments])
        except SystemExit as end:
            code = end.code or 0
        said = self._capsys.readouterr()
        return Ran(int(code), said.out, said.err)

    def fails(self, name: str, *arguments: str, stdin: str = "") -> str:
        """The one line that a failing command says."""
        ran = self(name, *arguments, stdin=stdin)
        assert ran.code == 1, ran
        assert ran.out == ""
        lines = ran.err.strip().splitlines()
        assert len(lines) == 1, ran.err
        assert "Traceback" not in ran.err
        return lines[0]


@pytest.fixture
def shell(db: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(monkeypatch, capsys)


@pytest.fixture
def account(db: None) -> Account:
    return Account.make(slug="main", provider_key="bsg", currency="EUR")
