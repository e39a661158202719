"""Programs from the operating system: found, installed as root with apt, or named in one line."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from scripts import processes
from scripts.common import SetupError, environment, say


def postgres_folder() -> Path | None:
    """The folder with `initdb` and `postgres`; Debian keeps it out of PATH."""
    named = os.environ.get("POSTGRES_BIN")
    on_path = shutil.which("initdb")
    folders = [Path(named)] if named else [Path(found) for found in _debian_folders()]
    if on_path and not named:
        folders.append(Path(on_path).resolve().parent)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


def _debian_folders() -> list[str]:
    return sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: float(path.split("/")[4]), reverse=True)


def chromium() -> str | None:
    named = os.environ.get("CHROMIUM")
    if named:
        return shutil.which(named)
    names = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


def redis() -> str | None:
    named = os.environ.get("REDIS_SERVER")
    if named:
        return shutil.which(named)
    return shutil.which("redis-server") or shutil.which("valkey-server")


def need(packages: Mapping[str, str]) -> None:
    """Installs Debian packages as root. Anybody else is told their names: {package: what it is for}."""
    names = " ".join(packages)
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise SetupError(f"Missing: {', '.join(packages.values())}. Install as root: apt-get install {names}")
    say(f"Installing {names} with apt ...")
    quiet = environment(DEBIAN_FRONTEND="noninteractive")
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        code, output = processes.capture(["apt-get", "-q", *arguments], env=quiet)
        if code:
            errors = [line for line in output.splitlines() if line.startswith("E:")] or ["apt-get gave no reason"]
            raise SetupError(f"apt-get {arguments[0]} failed, so {names} could not be installed: {errors[0]}")
