"""`run` and `demo`: the web server, the worker and, for the demo, five simulated providers."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from scripts import install, keys, processes
from scripts.address import Address, free_port
from scripts.common import PYTHON, ROOT, SetupError, environment, manage, say, var

DEFAULT_BIND = "127.0.0.1:8000"
WEB_THREADS = "64"  # as many webhooks share a commit; with 16, each costs a third more, with four three times as much
SIMULATOR_PORT = 8100
READY_SECONDS = 60.0
SIGN_IN = re.compile(r"^(support|ops|admin)\s+\S+\s+\S+\s*$")
NOBODY_YET = 3
ASK_FOR_USERS = f"""
import django, sys
django.setup()
from django.contrib.auth import get_user_model
sys.exit(0 if get_user_model().objects.exists() else {NOBODY_YET})
"""


def run() -> int:
    dotenv = ROOT / ".env"
    bind = Address.parse(keys.setting("BIND", DEFAULT_BIND, dotenv))
    bind.require_free("run")
    uses_celery = keys.setting("WORKER_ENGINE", "embedded", dotenv) == "celery"
    install.ensure(install.RUNTIME, *([install.CELERY] if uses_celery else []))
    if keys.ensure(dotenv):
        say("Wrote .env with fresh keys. Keep a copy of it somewhere safe.")
    settings = environment()
    _prepare(settings)
    _first_user(settings)
    with processes.Services() as services:
        _start_web_and_worker(services, bind, settings)
        services.wait_until(bind.answers, READY_SECONDS, "The web server")
        say(f"Aftersend is at {keys.setting('PUBLIC_URL', bind.url, dotenv)} - Ctrl-C stops it.")
        services.wait()
    return 0


def demo() -> int:
    bind = Address.parse(os.environ.get("BIND", DEFAULT_BIND))
    bind.require_free("demo")
    simulator = Address("127.0.0.1", SIMULATOR_PORT)
    if not simulator.is_free():
        simulator = Address("127.0.0.1", free_port())
    install.ensure(install.RUNTIME)
    database = _fresh_database(var() / "demo.sqlite3")
    settings = environment(**demo_settings(bind, simulator, database))
    _prepare(settings)
    with processes.Services() as services:
        services.start("simulator", manage("simulator", "--port", str(simulator.port)), env=settings)
        services.wait_until(simulator.listens, READY_SECONDS, "The simulator")
        _start_web_and_worker(services, bind, settings)
        services.wait_until(bind.answers, READY_SECONDS, "The web server")
        traffic = services.start("demo", manage("demo"), env=settings, stdout=subprocess.PIPE)
        services.wait_until(_all_sign_ins(traffic), READY_SECONDS, "The demo")
        say(f"The demo is at {bind.url} - sign in with one of the three above; Ctrl-C stops everything.")
        services.wait()
    return 0


def demo_settings(bind: Address, simulator: Address, database: Path) -> dict[str, str]:
    """Everything a `.env` might say otherwise: a demo neither reads the real installation's settings nor its data."""
    defaults = {
        "ALLOWED_HOSTS": "*" if bind.everywhere else f"localhost,127.0.0.1,[::1],{bind.host}",
        "CSRF_TRUSTED_ORIGINS": "",
        "LOG_LEVEL": "WARNING",
        "PUBLIC_URL": bind.url,
        "SITE_TIME_ZONE": "UTC",
    }
    return {
        **{name: os.environ.get(name, value) for name, value in defaults.items()},
        **keys.fresh(),
        "ALLOW_PRIVATE_PROVIDER_URLS": "on",
        "BIND": f"[{bind.host}]:{bind.port}" if ":" in bind.host else f"{bind.host}:{bind.port}",
        "BROKER_URL": "",
        "DATABASE_URL": f"sqlite:///{database}",
        "DEBUG": "off",
        "SIMULATOR_URL": simulator.url,
        "WORKER_ENGINE": "embedded",
    }


def _fresh_database(path: Path) -> Path:
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return path


def _prepare(settings: Mapping[str, str]) -> None:
    """The database's tables and the static files, both only as far as they are missing."""
    var()
    code, output = processes.capture(manage("check"), env=settings)
    if code:
        say(output.rstrip())
        raise SetupError("Aftersend was not started: put the settings above right.")
    say("Preparing the database ...")
    if processes.run(manage("migrate", "--verbosity", "0"), env=settings):
        raise SetupError("The database could not be prepared: see above.")
    state = _static_state()
    stamp = var() / "static.stamp"
    if (var() / "static").is_dir() and stamp.exists() and stamp.read_text(encoding="utf-8") == state:
        return
    say("Collecting static files ...")
    if processes.run(manage("collectstatic", "--noinput", "--clear", "--verbosity", "0"), env=settings):
        raise SetupError("The static files could not be collected: see above.")
    stamp.write_text(state, encoding="utf-8")


def _static_state() -> str:
    """Changes whenever a static file, of ours or of a package, may have."""
    digest = hashlib.sha256((ROOT / f"{install.RUNTIME}.txt").read_bytes())
    for path in sorted((ROOT / "static").rglob("*")):
        status = path.stat()
        digest.update(f"{path.relative_to(ROOT)} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _first_user(settings: Mapping[str, str]) -> None:
    code, output = processes.capture([str(PYTHON), "-c", ASK_FOR_USERS], env=settings)
    if code == 0:
        return
    if code == NOBODY_YET:
        code, output = processes.finish(manage("add_user", "admin", "--role", "admin"), env=settings)
    lines = output.strip().splitlines() or ["no reason given"]
    if code:
        reason = lines[-1] if lines[0].startswith("Traceback") else lines[0]
        raise SetupError(f"The first sign-in could not be made: {reason}")
    say("First start: sign in as admin. This is shown once; choose your own afterwards.")
    say(f"One-time admin password: {lines[-1].strip()}")


def _start_web_and_worker(services: processes.Services, bind: Address, settings: Mapping[str, str]) -> None:
    web = [str(PYTHON), "-m", "granian", "--interface", "wsgi", "--host", bind.host, "--port", str(bind.port)]
    web += ["--blocking-threads", WEB_THREADS, "--workers-kill-timeout", "5", "--no-ws"]
    web += ["--log-level", "error"]  # it would warn of so many threads at each start, and they are meant
    services.start("web", [*web, "dashboard.wsgi:application"], env=settings)
    services.start("worker", manage("worker"), env=settings)


def _all_sign_ins(traffic: subprocess.Popen[str]) -> Callable[[], bool]:
    """Passes the demo's lines on as they come; the answer is true once it has named all three sign-ins."""
    seen: set[str] = set()
    complete = threading.Event()

    def pump() -> None:
        for line in traffic.stdout or ():
            say(line.rstrip("\n"))
            if found := SIGN_IN.match(line):
                seen.add(found.group(1))
                if len(seen) == 3:
                    complete.set()

    threading.Thread(target=pump, daemon=True).start()
    return complete.is_set
