"""A private PostgreSQL for one test run: its own folder, a socket in it, no port, gone afterwards."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scripts import processes
from scripts.common import SetupError, say

DATABASE = "aftersend"
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",  # thrown away in a minute
    "shared_buffers": "64MB",
    "max_connections": "100",
    "max_parallel_workers_per_gather": "0",  # containers often have little shared memory
    "log_min_messages": "fatal",  # tests provoke errors on purpose
    "log_min_error_statement": "panic",
    "timezone": "UTC",
}


@contextlib.contextmanager
def private_cluster(binaries: Path, **settings: str) -> Iterator[str]:
    """Yields the DATABASE_URL of an empty database; `settings` are PostgreSQL's, before those of a test run."""
    # The path of a socket is limited to about 100 characters, so not under a long TMPDIR.
    folder = Path(tempfile.mkdtemp(prefix="aftersend-pg-", dir="/tmp"))
    try:
        identity = _unprivileged(folder)
        options: dict[str, Any] = {"cwd": folder, "env": _environment(folder), **identity}
        say("Starting a private PostgreSQL ...")
        _initialise(binaries, folder, options)
        with (folder / "log").open("w") as log:
            server = _start(binaries, folder, {**SETTINGS, **settings}, {**options, "stdout": log, "stderr": log})
            try:
                _wait_until_ready(server, binaries, folder, options)
                yield f"postgres://{_user(identity)}@/{folder}/{DATABASE}"
            finally:
                processes.stop([server], signal.SIGINT)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged(folder: Path) -> dict[str, Any]:
    """PostgreSQL refuses to run as root: then it runs as `postgres`, or as nobody."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            account = pwd.getpwnam(name)
            os.chown(folder, account.pw_uid, account.pw_gid)
            return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    raise SetupError("PostgreSQL cannot run as root, and there is no user postgres or nobody to run it as.")


def _user(identity: dict[str, Any]) -> str:
    return pwd.getpwuid(identity.get("user", os.geteuid())).pw_name


def _environment(folder: Path) -> dict[str, str]:
    """None of the caller's PG* settings, which would point elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "HOME": str(folder), "LC_ALL": "C"}


def _initialise(binaries: Path, folder: Path, options: dict[str, Any]) -> None:
    command = [str(binaries / "initdb"), "-D", str(folder / "data"), "-A", "trust", "-E", "UTF8", "--no-sync"]
    code, output = 1, ""
    for locale in ("--locale=C.UTF-8", "--no-locale"):  # not every system has the first
        shutil.rmtree(folder / "data", ignore_errors=True)
        code, output = processes.capture([*command, locale], **options)
        if code == 0:
            return
    raise SetupError(f"PostgreSQL's initdb failed: {(output.strip().splitlines() or ['no reason given'])[-1]}")


def _start(binaries: Path, folder: Path, settings: Mapping[str, str], options: dict[str, Any]) -> subprocess.Popen[str]:
    command = [str(binaries / "postgres"), "-D", str(folder / "data"), "-k", str(folder)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    return processes.spawn(command, death_signal=signal.SIGQUIT, **options)


def _wait_until_ready(server: subprocess.Popen[str], binaries: Path, folder: Path, options: dict[str, Any]) -> None:
    create = [str(binaries / "createdb"), "-h", str(folder), DATABASE]
    deadline = time.monotonic() + 60
    while True:
        code, output = processes.capture(create, **options)
        if code == 0:
            return
        if server.poll() is not None or time.monotonic() > deadline:
            log = (folder / "log").read_text(errors="replace")
            raise SetupError(
                f"PostgreSQL did not start: {((log or output).strip().splitlines() or ['no reason given'])[-1]}"
            )
        processes.pause(0.2)
