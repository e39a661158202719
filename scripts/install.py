"""`.venv`: made once from the hashed locks, and left alone, off line too, until a lock changes."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts import processes, system
from scripts.common import PYTHON, ROOT, VENV, SetupError, say, var

STAMP = VENV / "aftersend.json"
RUNTIME = "requirements"
CELERY = "requirements-celery"
DEVELOPMENT = "requirements-dev"

# What pip says -> what it means for the person reading. The first that matches is told.
_CAUSES = (
    (r"DO NOT MATCH THE HASHES", "a downloaded package is not the one the lock names"),
    (r"Hashes are required|all requirements must have their versions pinned", "an entry has no version or no hash"),
    (r"Invalid requirement|no such option|option --hash|Could not open requirements", "a line cannot be read"),
)
_OFF_LINE = r"NewConnectionError|Temporary failure in name resolution|Max retries exceeded|ReadTimeout|ProxyError"


def ensure(*locks: str) -> None:
    """Makes `.venv` hold what the named locks say. Does nothing, and needs no network, when it already does."""
    for lock in locks:
        verify_lock(ROOT, lock)
    with _one_at_a_time():
        wanted = {"python": sys.version.split()[0], "folder": str(ROOT)}
        have = _read_stamp()
        if not PYTHON.exists() or any(have.get(key, value) != value for key, value in wanted.items()):
            make_venv()
            have = {}
        for lock in locks:
            digest = hashlib.sha256((ROOT / f"{lock}.txt").read_bytes()).hexdigest()
            if have.get(lock) != digest:
                _install(lock, again=lock in have)
                have = {**have, **wanted, lock: digest}
                STAMP.write_text(json.dumps(have), encoding="utf-8")


def verify_lock(folder: Path, lock: str) -> None:
    """Catches a lock that was cut short or edited before pip is asked: pip would quietly install the rest."""
    try:
        text = (folder / f"{lock}.txt").read_text(encoding="utf-8")
        asked = (folder / f"{lock}.in").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise _broken(lock, "it cannot be read") from None
    entries = re.split(r"(?m)^(?=[A-Za-z0-9])", text)[1:]
    locked = {_plain_name(entry) for entry in entries if re.match(r"[\w.\-\[\],]+==\S+", entry)}
    unhashed = [
        _plain_name(entry) for entry in entries if not re.search(r"--hash=sha256:[0-9a-f]{64}(?![0-9a-f])", entry)
    ]
    if unhashed:
        raise _broken(lock, f"{unhashed[0]} has no hash")
    for line in asked.splitlines():
        if re.match(r"[A-Za-z0-9]", line) and _plain_name(line) not in locked:
            raise _broken(lock, f"{_plain_name(line)} is missing from it")


def explain(lock: str, output: str) -> SetupError:
    """One line for what pip printed."""
    for pattern, cause in _CAUSES:
        if re.search(pattern, output):
            return _broken(lock, cause)
    errors = re.findall(r"(?m)^ERROR: (.*)$", output) or output.strip().splitlines() or ["pip gave no reason"]
    if re.search(_OFF_LINE, output):
        return SetupError(
            f"The packages of {lock}.txt could not be downloaded: is this machine on line? pip: {errors[-1]}"
        )
    return SetupError(f"The packages of {lock}.txt could not be installed. pip: {errors[-1]}")


def _broken(lock: str, cause: str) -> SetupError:
    return SetupError(f"{lock}.txt is broken: {cause}. Restore it: git checkout {lock}.txt")


def _plain_name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]*", requirement)
    return re.sub(r"[-_.]+", "-", found.group() if found else "").lower()


def _read_stamp() -> dict[str, str]:
    with contextlib.suppress(OSError, ValueError):
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
        if isinstance(stamp, dict):
            return stamp
    return {}


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two starts at once must not install into one folder; the second waits for the first."""
    with (var() / "install.lock").open("w") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                processes.pause(0.5)
        yield


def make_venv() -> None:
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        system.need({f"python{sys.version_info.major}.{sys.version_info.minor}-venv": "Python's venv module"})
    say("Making .venv ...")
    code, output = processes.capture([sys.executable, "-m", "venv", "--clear", str(VENV)])
    if code:
        lines = output.strip().splitlines() or ["no reason given"]
        raise SetupError(f"Python could not make .venv: {lines[-1]}")


def _install(lock: str, *, again: bool) -> None:
    """`again` takes every package anew: pip checks hashes of what it downloads, not of what is there."""
    say(f"Installing {lock}.txt (half a minute the first time) ...")
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--no-input", "--require-hashes"]
    code, output = processes.capture([*pip, *(["--force-reinstall"] if again else []), "-r", str(ROOT / f"{lock}.txt")])
    if code:
        raise explain(lock, output)
