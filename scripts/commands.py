"""The commands, and how each of them ends: well, with one clear line, or because somebody stopped it."""

from __future__ import annotations

import sys
from collections.abc import Callable

from scripts import processes, serve, suite
from scripts.common import SetupError, say

COMMANDS: dict[str, Callable[[], int]] = {
    "demo": serve.demo,
    "run": serve.run,
    "test": suite.test,
    "test-all": suite.test_all,
    "pictures": suite.pictures,
    "check": suite.check,
}


def run(name: str) -> int:
    processes.listen_for_signals()
    try:
        return COMMANDS[name]()
    except SetupError as fault:
        print(fault, file=sys.stderr)
        return 1
    except processes.Stopped as stopped:
        say("Stopped.")
        return 0 if name in ("demo", "run") else 128 + stopped.signal
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        print(f"{error.strerror or error}{place}", file=sys.stderr)
        return 1
