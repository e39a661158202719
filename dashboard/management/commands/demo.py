"""`manage.py demo`: fills the dashboard from the simulator and keeps it moving. `make demo` starts it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from argparse import ArgumentParser
from typing import Any

import environ
from django.core.management.base import BaseCommand

from dashboard import demo


class Command(BaseCommand):
    help = "Send made-up texts through the simulator until stopped. Example: manage.py demo"

    def add_arguments(self, parser: ArgumentParser) -> None:
        default = environ.Env().str("SIMULATOR_URL", default="http://127.0.0.1:8100")
        parser.add_argument("--simulator-url", default=default)

    def handle(self, *args: Any, **options: Any) -> None:
        url = options["simulator_url"].rstrip("/")
        accounts = demo.accounts(url)
        for role, name, password in demo.people():
            self.stdout.write(f"{role} {name} {password}")
        self.stdout.flush()
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(_until_stopped(demo.run(url, accounts)))


async def _until_stopped(work: Any) -> None:
    task = asyncio.ensure_future(work)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await task
