"""What a person sees when Aftersend cannot be set up: one clear line and exit code 1, never a traceback."""

from __future__ import annotations

import base64
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import install, keys, postgres, processes, serve, system
from scripts.address import Address
from scripts.common import ROOT, SetupError

DEV = str(ROOT / "scripts" / "dev.py")


def dev(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], env={**os.environ, **environment}, capture_output=True, text=True, timeout=60
    )


def assert_one_line(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "Traceback" not in result.stdout + result.stderr
    for word in words:
        assert word in result.stderr


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what set-up reads, to be broken."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("requirements.in", "requirements.txt", "requirements-dev.in", "requirements-dev.txt"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", ["run", "demo"])
def test_a_port_in_use_is_named_with_the_way_out(command: str, taken_port: int) -> None:
    result = dev(DEV, command, BIND=f"127.0.0.1:{taken_port}")
    assert_one_line(result, f"Port {taken_port}", "in use", "BIND=")


@pytest.mark.parametrize("bind", ["8000", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:99999", ""])
def test_a_bind_nobody_can_read_is_explained(bind: str) -> None:
    assert_one_line(dev(DEV, "demo", BIND=bind), "BIND is", "127.0.0.1:8000")


def test_an_old_python_is_told_which_one_is_needed() -> None:
    pretend = f"import runpy, sys; sys.version_info = (3, 9, 2); sys.argv = [{DEV!r}, 'run']; "
    result = dev("-c", pretend + f"runpy.run_path({DEV!r}, run_name='__main__')")
    assert_one_line(result, "needs Python 3.11 or newer", "3.9.2")


def test_dev_py_itself_can_be_read_by_any_python_3() -> None:
    source = (ROOT / "scripts" / "dev.py").read_text(encoding="utf-8")
    assert "from __future__" not in source  # Python 3.6 does not know annotations
    assert not re.search(r":=|\bmatch\b", source)


def test_a_lock_cut_short_stops_before_anything_is_installed(checkout: Path) -> None:
    lock = checkout / "requirements.txt"
    lock.write_text(lock.read_text(encoding="utf-8").split("whitenoise==")[0], encoding="utf-8")
    result = dev(str(checkout / "scripts" / "dev.py"), "demo", BIND=f"127.0.0.1:{serve.free_port()}")
    assert_one_line(result, "requirements.txt is broken", "whitenoise", "git checkout requirements.txt")
    assert not (checkout / ".venv").exists()


def test_a_lock_with_a_damaged_hash_is_broken(checkout: Path) -> None:
    lock = checkout / "requirements.txt"
    lock.write_text(
        re.sub(r"--hash=sha256:\w{8}", "--hash=sha256:", lock.read_text(encoding="utf-8")), encoding="utf-8"
    )
    with pytest.raises(SetupError, match="has no hash"):
        install.verify_lock(checkout, "requirements")


def test_a_missing_lock_is_broken(checkout: Path) -> None:
    (checkout / "requirements.txt").unlink()
    with pytest.raises(SetupError, match="cannot be read"):
        install.verify_lock(checkout, "requirements")


@pytest.mark.parametrize("lock", [install.RUNTIME, install.CELERY, install.DEVELOPMENT])
def test_our_own_locks_are_whole(lock: str) -> None:
    install.verify_lock(ROOT, lock)


@pytest.mark.parametrize(
    ("output", "line"),
    [
        (
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n  Expected ...",
            "is broken: a downloaded",
        ),
        (
            "ERROR: In --require-hashes mode, all requirements must have their versions pinned with ==.",
            "is broken: an entry",
        ),
        ("ERROR: Invalid requirement: '%%%' (from line 1)", "is broken: a line"),
        (
            "NewConnectionError('refused')\nERROR: No matching distribution found for httpx==0.28.1",
            "is this machine on line",
        ),
        ("ERROR: No space left on device", "No space left on device"),
        ("", "pip gave no reason"),
    ],
)
def test_what_pip_says_becomes_one_line(output: str, line: str) -> None:
    text = str(install.explain("requirements", output))
    assert line in text
    assert "\n" not in text


def test_the_first_start_writes_keys_only_their_owner_can_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in keys.fresh():
        monkeypatch.delenv(name, raising=False)
    dotenv = tmp_path / ".env"

    assert keys.ensure(dotenv)

    assert stat.S_IMODE(dotenv.stat().st_mode) == 0o600
    assert len(keys.setting("SECRET_KEY", "", dotenv)) >= 50
    assert len(base64.urlsafe_b64decode(keys.setting("CREDENTIAL_KEYS", "", dotenv))) == 32
    assert len(base64.urlsafe_b64decode(keys.setting("PHONE_INDEX_KEY", "", dotenv))) == 32


def test_a_second_start_keeps_the_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    dotenv = tmp_path / ".env"
    keys.ensure(dotenv)
    before = dotenv.read_bytes()

    assert not keys.ensure(dotenv)

    assert dotenv.read_bytes() == before


def test_keys_given_by_the_environment_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in keys.fresh().items():
        monkeypatch.setenv(name, value)
    assert not keys.ensure(tmp_path / ".env")
    assert not (tmp_path / ".env").exists()


def test_a_setting_comes_from_the_environment_then_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("# BIND=1\nexport BIND='0.0.0.0:80'\n", encoding="utf-8")
    monkeypatch.delenv("BIND", raising=False)
    assert keys.setting("BIND", "default", dotenv) == "0.0.0.0:80"
    assert keys.setting("PUBLIC_URL_X", "default", dotenv) == "default"
    monkeypatch.setenv("BIND", "[::1]:90")
    assert keys.setting("BIND", "default", dotenv) == "[::1]:90"


def test_every_setting_read_is_in_the_example() -> None:
    source = (ROOT / "dashboard" / "settings.py").read_text(encoding="utf-8")
    read = set(re.findall(r"env\.\w+\(\s*\"([A-Z_]+)\"", source))
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    shown = {line.removeprefix("# ").partition("=")[0] for line in lines if re.match(r"# [A-Z_]+=", line)}
    assert read
    assert read - shown == set()


@pytest.mark.parametrize(
    ("bind", "url"),
    [
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("0.0.0.0:80", "http://127.0.0.1:80"),
        (":8000", "http://127.0.0.1:8000"),
        ("[::1]:8000", "http://[::1]:8000"),
        ("sms.example.org:8000", "http://sms.example.org:8000"),
    ],
)
def test_the_url_is_one_a_browser_can_open(bind: str, url: str) -> None:
    assert Address.parse(bind).url == url


def test_a_demo_uses_neither_the_keys_nor_the_data_of_the_real_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "the real one")
    monkeypatch.setenv("DATABASE_URL", "postgres://real")
    monkeypatch.setenv("WORKER_ENGINE", "celery")
    settings = serve.demo_settings(Address("127.0.0.1", 8000), Address("127.0.0.1", 8100), tmp_path / "demo.sqlite3")
    assert settings["SECRET_KEY"] != "the real one"
    assert settings["DATABASE_URL"] == f"sqlite:///{tmp_path}/demo.sqlite3"
    assert settings["WORKER_ENGINE"] == "embedded"
    assert settings["SIMULATOR_URL"] == "http://127.0.0.1:8100"


def test_another_user_than_root_is_told_which_packages_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system.os, "geteuid", lambda: 1000)
    with pytest.raises(
        SetupError, match="Missing: PostgreSQL, Chromium. Install as root: apt-get install postgresql chromium"
    ):
        system.need({"postgresql": "PostgreSQL", "chromium": "Chromium"})


def test_a_python_without_venv_is_told_the_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(system.os, "geteuid", lambda: 1000)
    with pytest.raises(SetupError, match=r"Missing: Python's venv module. .*: apt-get install python3\.\d+-venv"):
        install.make_venv()


def test_a_process_that_ends_takes_the_others_with_it_and_is_named() -> None:
    with processes.Services() as services:
        web = services.start("web", ["sleep", "60"])
        services.start("worker", ["sh", "-c", "exit 7"])
        with pytest.raises(SetupError, match=r"worker ended by itself \(exit code 7\)"):
            services.wait()
    assert web.poll() is not None


def test_the_first_password_is_told_even_to_somebody_who_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_signal", signal.SIGINT)
    assert processes.finish(["sh", "-c", "sleep 0.2; echo told"]) == (0, "told\n")
    with pytest.raises(processes.Stopped):
        processes.capture(["sleep", "60"])


def test_nothing_outlives_a_stop_not_even_grandchildren_that_refuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "GRACE_SECONDS", 0.3)
    script = "trap '' TERM INT; sleep 60 & echo $! > pid; while true; do sleep 1; done"
    child = processes.spawn(["sh", "-c", script], cwd=tmp_path)
    pid_file = tmp_path / "pid"
    while not pid_file.exists() or not pid_file.read_text():
        time.sleep(0.02)

    processes.stop([child])

    assert child.returncode == -signal.SIGKILL
    assert _ended(int(pid_file.read_text()))


if sys.platform.startswith("linux"):  # other systems cannot tell children that their parent died

    def test_a_start_that_is_killed_outright_takes_its_children_along() -> None:
        starter = (
            f"import sys; sys.path.insert(0, {str(ROOT)!r}); from scripts import processes; "
            "print(processes.spawn(['sleep', '60']).pid, flush=True); input()"
        )
        parent = subprocess.Popen(
            [sys.executable, "-c", starter], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with parent:
            assert parent.stdout
            pid = int(parent.stdout.readline())
            parent.kill()
        assert _ended(pid)


def _ended(pid: int) -> bool:
    """Gone, or dead and only waiting for its new parent to notice."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_a_postgresql_that_cannot_start_is_one_line_and_leaves_nothing() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as binaries:  # the unprivileged user reads it, unlike tmp_path
        initdb = Path(binaries, "initdb")
        initdb.write_text('#!/bin/sh\necho "no room in $2" >&2\nexit 1\n', encoding="utf-8")
        initdb.chmod(0o755)
        Path(binaries).chmod(0o755)
        with pytest.raises(SetupError, match="initdb failed: no room in /tmp/") as told:
            postgres.private_cluster(Path(binaries)).__enter__()
    assert "\n" not in str(told.value)
    assert not Path(str(told.value).rpartition(" ")[2]).parent.exists()
