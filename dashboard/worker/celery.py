"""The engine `celery`: the same worker as ever, a few seconds at a time, as jobs that Celery spreads over machines.

    manage.py worker                                                  as many processes as there are cores
    celery -A dashboard.worker.celery worker --beat --concurrency 8   the same, for those who have options of their own

A job says nothing but "look what is due"; what is due, and whose it is, stands in the rows. So a broker that loses all
jobs loses nothing, and a job that comes twice finds its work taken. See docs/decisions/0016.
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from django.conf import settings

from providers.http import DEADLINE

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")

EVERY = 0.5  # seconds between jobs, while there is somebody to take them
TURN = 8.0  # seconds that a job asks for, at most; what it is sending then is waited for
OUTLIVED_AFTER = TURN + DEADLINE  # by then it has ended, or been killed
LOOK_EVERY = 4  # seconds between looks for jobs that were not acknowledged
FORGET_AFTER = 60.0  # jobs that nobody took in time; longer than a killed worker's job takes to come back

app = Celery("aftersend", include=["dashboard.worker.turns"])
app.conf.update(
    broker_url=settings.BROKER_URL,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_connection_timeout=5,
    # A killed worker's job returns after OUTLIVED_AFTER + LOOK_EVERY = 27 s. The throttle's default of ten would look
    # at every tenth look only, and the timeout's default is an hour.
    broker_transport_options={
        "visibility_timeout": OUTLIVED_AFTER,
        "unacked_restore_interval": LOOK_EVERY,
        "unacked_restore_throttle": 1,
        "socket_keepalive": True,
    },
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_default_queue="aftersend",
    task_serializer="json",
    accept_content=["json"],
    worker_prefetch_multiplier=1,
    worker_cancel_long_running_tasks_on_connection_loss=False,  # it needs no broker, and may be sending
    worker_enable_remote_control=False,
    beat_scheduler="celery.beat:Scheduler",  # which keeps no file
    beat_schedule={"turn": {"task": "turn", "schedule": EVERY, "options": {"expires": FORGET_AFTER}}},
)


def _leave_it_to_django(**_: Any) -> None:
    """Whose handlers mask numbers and secrets."""


setup_logging.connect(_leave_it_to_django)


def serve() -> None:
    """Work until stopped. Each such process sends jobs too: there is none that must not be missing."""
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    app.worker_main(["--quiet", "worker", "--beat", *quiet, f"--loglevel={settings.LOG_LEVEL}"])
