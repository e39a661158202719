"""The one job of the engine `celery`."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from django.utils import timezone

from dashboard.worker.celery import TURN, app
from dashboard.worker.house import House
from dashboard.worker.loop import Worker
from dashboard.worker.store import take_back

HOUSE = House()  # of this process, which has one job after another


def turn(job: Any) -> None:
    """Do what is due, for a few seconds. A job that comes again first frees what it had claimed when it was killed."""
    name = job.request.id.replace("-", "")[:16]
    if job.request.delivery_info.get("redelivered"):
        take_back(name, timezone.now())
    asyncio.run(_work(Worker(name, HOUSE)))


async def _work(worker: Worker) -> None:
    # Whoever stops a service tells all of its processes; ours must not die of it while it sends.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
    await worker.run(once=True, at_most=TURN)


app.task(name="turn", bind=True)(turn)
