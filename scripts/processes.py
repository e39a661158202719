"""Starting processes so that none outlives us, whichever way we end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from scripts.common import ROOT, SetupError, environment, say

GRACE_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1
_signal: int | None = None


class Stopped(Exception):  # noqa: N818 - somebody's wish, no error
    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal = signal_number


def listen_for_signals() -> None:
    """Handlers only take a note; the loops below act on it, so a signal never interrupts half a step."""
    signal.signal(signal.SIGINT, _note)  # also where a shell's `&` had it ignored
    signal.signal(signal.SIGTERM, _note)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup stays in force
        signal.signal(signal.SIGHUP, _note)


def _note(number: int, _frame: FrameType | None) -> None:
    global _signal
    _signal = number


def pause(seconds: float = 0.1) -> None:
    """Sleeps, and raises Stopped when somebody wants us to end."""
    if _signal is not None:
        raise Stopped(_signal)
    time.sleep(seconds)
    if _signal is not None:
        raise Stopped(_signal)


def _end_with_parent(death_signal: int) -> Callable[[], None] | None:
    """On Linux the kernel signals our children even if we are killed outright."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)

    def before_exec() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(death_signal))

    return before_exec


def spawn(
    command: Sequence[str], *, death_signal: int = signal.SIGTERM, cwd: Path = ROOT, **options: Any
) -> subprocess.Popen[str]:
    """A child that leads its own process group: the terminal's Ctrl-C reaches only us, and we stop the group."""
    options.setdefault("env", environment())
    return subprocess.Popen(
        command,
        cwd=cwd,
        text=True,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_end_with_parent(death_signal),
        **options,
    )


def stop(children: Iterable[subprocess.Popen[str]], how: int = signal.SIGTERM) -> None:
    """Asks every child to end, waits, then kills what is left of their groups."""
    children = list(children)
    for child in children:
        if child.poll() is None:
            child.send_signal(how)
    deadline = time.monotonic() + GRACE_SECONDS
    for child in children:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(max(0.0, deadline - time.monotonic()))
    for child in children:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def run(command: Sequence[str], **options: Any) -> int:
    """Runs one step with its output on our own; returns its exit code."""
    child = spawn(command, **options)
    try:
        while child.poll() is None:
            pause()
    finally:
        stop([child], signal.SIGINT)
    return child.returncode


def capture(command: Sequence[str], **options: Any) -> tuple[int, str]:
    """Runs one step silently; returns its exit code and what it said."""
    with spawn(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options) as child:
        try:
            while True:
                try:
                    output, _ = child.communicate(timeout=0.1)
                    return child.returncode, output
                except subprocess.TimeoutExpired:
                    pause(0)
        finally:
            stop([child], signal.SIGINT)


def finish(command: Sequence[str], **options: Any) -> tuple[int, str]:
    """As `capture`, but a wish to stop waits until the step is done: what it says is said only once."""
    child = spawn(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    output, _ = child.communicate()
    return child.returncode, output


class Services:
    """Long-running processes that stand and fall together."""

    def __init__(self) -> None:
        self._children: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> Services:
        return self

    def __exit__(self, *_error: object) -> None:
        say("Stopping " + ", ".join(self._children) + " ...")
        stop(reversed(self._children.values()))

    def start(self, name: str, command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        say(f"Starting {name} ...")
        child = self._children[name] = spawn(command, **options)
        return child

    def look(self) -> None:
        """One round of waiting; a service that has ended is a fault, since none ends by itself."""
        pause()
        for name, child in self._children.items():
            if child.poll() is not None:
                raise SetupError(
                    f"{name} ended by itself ({_how_ended(child.returncode)}); the others were stopped too."
                )

    def wait_until(self, ready: Callable[[], bool], seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > deadline:
                raise SetupError(f"{what} did not get ready within {seconds:.0f} seconds.")
            self.look()

    def wait(self) -> None:
        while True:
            self.look()


def _how_ended(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
