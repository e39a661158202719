"""What Aftersend's door is measured beside: webhooks taken the way a Django tutorial would, none of our code in it.

`/insert/`  one row, one commit: the body is kept, and nothing is done with it
`/job/`     the whole job done step by step: keep the body, find the message, note the event, update the message and its
            batch's counters, each in a commit of its own
Everything is as `startproject` makes it; the database has the same settings as ours.
"""

from __future__ import annotations

import json
import os
import sys

import django
from django.conf import settings

from dashboard.settings import database

settings.configure(
    SECRET_KEY="for measuring only",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DATABASES={"default": database(os.environ["DATABASE_URL"])},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
    ],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402 - only after setup
from django.db import connection, models  # noqa: E402
from django.db.models import F  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django.utils import timezone  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402


class Inbox(models.Model):
    body = models.TextField()
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "peers"


class Batch(models.Model):
    queued = models.IntegerField(default=0)
    sent = models.IntegerField(default=0)
    delivered = models.IntegerField(default=0)

    class Meta:
        app_label = "peers"


class Message(models.Model):
    provider_id = models.CharField(max_length=100, unique=True)
    batch = models.ForeignKey(Batch, on_delete=models.PROTECT)
    status = models.CharField(max_length=20, default="queued", db_index=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        app_label = "peers"


class Event(models.Model):
    message = models.ForeignKey(Message, on_delete=models.PROTECT)
    status = models.CharField(max_length=20)
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        app_label = "peers"
        unique_together = (("message", "status"),)


@csrf_exempt
def insert(request: HttpRequest) -> HttpResponse:
    Inbox.objects.create(body=request.body.decode())
    return HttpResponse("ok")


@csrf_exempt
def job(request: HttpRequest) -> HttpResponse:
    body = request.body.decode()
    told = json.loads(body)
    Inbox.objects.create(body=body)
    message = Message.objects.get(provider_id=told["id"])
    _, new = Event.objects.get_or_create(message=message, status=told["status"])
    if new:
        before, message.status = message.status, told["status"]
        message.save(update_fields=["status", "changed_at"])
        Batch.objects.filter(pk=message.batch_id).update(
            **{before: F(before) - 1, message.status: F(message.status) + 1}
        )
    return HttpResponse("ok")


urlpatterns = [path("insert/", insert), path("job/", job)]
application = get_wsgi_application()


def prepare(messages: int, batches: int) -> None:
    """The tables, and so many messages to report about."""
    with connection.schema_editor() as editor:
        for model in (Inbox, Batch, Message, Event):
            editor.create_model(model)
    made = Batch.objects.bulk_create(Batch(queued=messages // batches) for _ in range(batches))
    rows = (Message(provider_id=f"m-{n}", batch=made[n % batches]) for n in range(messages))
    Message.objects.bulk_create(rows, batch_size=5_000)


if __name__ == "__main__":
    prepare(int(sys.argv[1]), int(sys.argv[2]))
