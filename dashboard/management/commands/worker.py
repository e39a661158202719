"""`manage.py worker`: asks the providers, sends what people asked to send again, keeps house."""

from __future__ import annotations

import asyncio
import gc
import signal
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.module_loading import import_string

from dashboard.worker.loop import Worker
from dashboard.worker.store import unfinished


class Command(BaseCommand):
    help = "Ask providers about messages until stopped. Example: manage.py worker --once"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="do everything that is due now, then exit")
        parser.add_argument("--all", action="store_true", help="with --once: every unfinished message, due or not")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["all"] and not options["once"]:
            raise CommandError("--all goes with --once.")
        if options["all"]:
            now = timezone.now()
            unfinished().exclude(next_check_at__lte=now).update(next_check_at=now)
        if settings.WORKER_ENGINE == "celery" and not options["once"]:
            import_string("dashboard.worker.celery.serve")()  # by name: Celery need not be installed
        else:
            leave_what_is_loaded()
            asyncio.run(_run(once=options["once"]))


def leave_what_is_loaded() -> None:
    """Look for garbage less often, and only among what is made from now on: in a busy worker thousands of questions
    are under way, and each look at them and at all of Django's own objects costs more than it finds."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5000, 10, 10)


async def _run(*, once: bool) -> None:
    worker = Worker()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, worker.stop)
    await worker.run(once=once)
