"""`test`, `test-all` and `check`: every check, then the tests on SQLite, and those of the database on PostgreSQL."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from scripts import install, keys, postgres, processes, system
from scripts.common import PYTHON, ROOT, SetupError, environment, manage, say

CODE = ("dashboard", "providers", "scripts", "tests", "bench", "manage.py")


@dataclass
class Tally:
    passed: int = 0
    failed: int = 0

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed" if self.failed else f"{self.passed} passed"


def test() -> int:
    return _test(slow=False)


def test_all() -> int:
    return _test(slow=True)


def check() -> int:
    install.ensure(install.RUNTIME, install.CELERY, install.DEVELOPMENT)
    failed = _failed_checks()
    say(f"Failed: {', '.join(failed)}" if failed else "All checks passed.")
    return 1 if failed else 0


def pictures() -> int:
    """A picture of every page in both schemes and widths, in var/pictures."""
    install.ensure(install.RUNTIME, install.CELERY, install.DEVELOPMENT)
    chromium = _programs()[1]
    folder = ROOT / "var" / "pictures"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command = [
        str(PYTHON),
        "-m",
        "pytest",
        "-n",
        "2",
        "--slow",
        "-m",
        "browser",
        "-k",
        "accessible and fit",
        "tests/web",
    ]
    code = processes.run(command, env={**os.environ, "CHROMIUM": chromium, "AFTERSEND_PICTURES": str(folder)})
    say(f"{len(list(folder.iterdir()))} pictures are in {folder.relative_to(ROOT)}.")
    return code


def _test(*, slow: bool) -> int:
    install.ensure(install.RUNTIME, install.CELERY, install.DEVELOPMENT)
    binaries, chromium, redis = _programs()
    compiling = processes.spawn(
        [str(PYTHON), "-m", "pytest", "--collect-only", "--quiet"], env=_clean(), stdout=subprocess.DEVNULL
    )
    try:
        total = Tally(failed=len(_failed_checks()))
        while compiling.poll() is None:
            processes.pause()  # what is wrong with the tests, the tests themselves will say
    finally:
        processes.stop([compiling])
    folder = Path(tempfile.mkdtemp(prefix="aftersend-test-"))
    try:
        shared = {"AFTERSEND_TEST_DIR": str(folder), "CHROMIUM": chromium, "REDIS_SERVER": redis}
        with postgres.private_cluster(binaries) as url:
            shared["TEST_POSTGRES_URL"] = url
            for database, counts in _both(folder, slow, shared).items():
                _add(total, counts, database)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    say(str(total))
    return 1 if total.failed else 0


def _programs() -> tuple[Path, str, str]:
    """PostgreSQL's folder, Chromium and Redis, installed first where that is possible."""
    missing = {}
    if not system.postgres_folder():
        missing["postgresql"] = "PostgreSQL (or set POSTGRES_BIN to its folder)"
    if not system.chromium():
        missing["chromium"] = "Chromium (or set CHROMIUM to a browser)"
    if not system.redis():
        missing["redis-server"] = "Redis (or set REDIS_SERVER to a server)"
    if missing:
        system.need(missing)
    binaries, chromium, redis = system.postgres_folder(), system.chromium(), system.redis()
    if not binaries or not chromium or not redis:
        raise SetupError(
            "PostgreSQL, Chromium or Redis was installed but not found: set POSTGRES_BIN, CHROMIUM and REDIS_SERVER "
            "to where they are."
        )
    return binaries, chromium, redis


def _failed_checks() -> list[str]:
    tools = str(PYTHON.parent)
    code = [name for name in CODE if (ROOT / name).exists()]
    deployed = environment(
        **keys.fresh(), DEBUG="off", PUBLIC_URL="https://aftersend.example.org", ALLOWED_HOSTS="aftersend.example.org"
    )
    checks = {
        "style": [f"{tools}/ruff", "check", "--quiet", *code],
        "format": [f"{tools}/ruff", "format", "--check", "--quiet", *code],
        "types": [f"{tools}/mypy", "--no-error-summary", "-p", "providers", "-p", "dashboard", "-p", "scripts"],
        "import rules": [f"{tools}/lint-imports"],
        "settings": manage("check", "--deploy", "--fail-level", "WARNING"),
        "migrations": manage("makemigrations", "--check", "--dry-run"),
    }
    if not _import_rules_exist():
        del checks["import rules"]
    failed = []
    for name, command in checks.items():
        exit_code, output = processes.capture(command, env=deployed)
        say(f"Check {name}: {'FAILED' if exit_code else 'ok'}")
        if exit_code:
            say(output.rstrip())
            failed.append(name)
    return failed


def _import_rules_exist() -> bool:
    return (ROOT / ".importlinter").exists() or "[tool.importlinter" in (ROOT / "pyproject.toml").read_text(
        encoding="utf-8"
    )


def _both(folder: Path, slow: bool, shared: dict[str, str]) -> dict[str, dict[str, int]]:
    """The two passes beside each other, since each waits for its database a good part of the time.

    The counts of each by outcome; what PostgreSQL's pass said is shown when both are done.
    """

    def command(processes: int) -> list[str]:
        parallel = ["-n", str(processes), "--dist", "worksteal"]
        return [str(PYTHON), "-m", "pytest", *parallel, *(["--slow"] if slow else [])]

    say("Tests on sqlite, and beside them those of the database on postgres ...")
    with (folder / "postgres.txt").open("w+", encoding="utf-8") as output:
        environments = {database: _environment(folder, shared, database) for database in ("sqlite", "postgres")}
        beside = processes.spawn(command(3), env=environments["postgres"], stdout=output, stderr=subprocess.STDOUT)
        try:
            code = processes.run(command(4), env=environments["sqlite"])
            while beside.poll() is None:
                processes.pause()
        finally:
            processes.stop([beside], signal.SIGINT)
        output.seek(0)
        say(output.read().rstrip())
    return {"sqlite": _counts(folder, "sqlite", code), "postgres": _counts(folder, "postgres", beside.returncode)}


def _environment(folder: Path, shared: dict[str, str], database: str) -> dict[str, str]:
    report = {"AFTERSEND_TEST_DB": database, "AFTERSEND_TEST_REPORT": str(folder / f"{database}.json")}
    return {**_clean(), **shared, **report, "PYTHONUNBUFFERED": "1"}


def _clean() -> dict[str, str]:
    """With bytecode: without it each of eight processes, and all that they start, compiles everything for itself."""
    unwanted = ("PYTEST_ADDOPTS", "DATABASE_URL", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if name not in unwanted}


def _counts(folder: Path, database: str, code: int) -> dict[str, int]:
    """What tests/conftest.py wrote down, since pytest's last line is not for machines."""
    report = folder / f"{database}.json"
    counts: dict[str, int] = json.loads(report.read_text(encoding="utf-8")) if report.exists() else {}
    if code and not counts.get("failed") and not counts.get("error"):
        counts["error"] = 1  # pytest itself could not go on
    return counts


def _add(total: Tally, counts: dict[str, int], database: str) -> None:
    passed = counts.get("passed", 0) + counts.get("xfailed", 0)
    failed = counts.get("failed", 0) + counts.get("error", 0)
    if skipped := counts.get("skipped", 0):
        say(f"{skipped} skipped on {database}: that counts as failed, since every part has to run.")
        failed += skipped
    if not passed and not failed:
        say(f"Nothing ran on {database}: that counts as failed.")
        failed = 1
    say(f"On {database}: {Tally(passed, failed)}")
    total.passed += passed
    total.failed += failed
