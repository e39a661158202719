"""A worker, the simulated providers and one clock for both: what the tests of this folder are written with."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import time_machine
from django.test import Client
from django.utils import timezone

from dashboard.accounts import save_account
from dashboard.ingest.register import Send, register
from dashboard.ingest.replies import register_reply
from dashboard.ingest.retry import request_retry
from dashboard.models import Account, Event, Message, Retry, User
from dashboard.models.messages import Source
from dashboard.worker.loop import Worker
from dashboard.worker.store import unfinished
from providers import PROVIDERS
from providers.base import Outgoing
from providers.http import Caller
from providers.simulator.server import Simulator
from providers.simulator.traffic import bulk, number
from tests.factory import person

KEYS = tuple(PROVIDERS)
TEXT, SENDER = "Your order is ready.", "Shop"


async def _to_the_end(worker: Worker) -> None:
    """A worker that finds no end fails its test, and says what it waits for."""
    running = asyncio.create_task(worker.run(once=True))
    await asyncio.wait([running], timeout=120)
    assert running.done(), (asyncio.all_tasks(), worker._lanes)
    running.result()


class Rig:
    """Accounts at a simulator, whose clock and ours move together."""

    def __init__(self, sim: Simulator, clock: time_machine.Traveller) -> None:
        self.sim = sim
        self.clock = clock
        self.chance = random.Random(7)

    # -- making

    def account(self, key: str, slug: str = "", *, api_key: str = "", rate: float = 500, **fields: Any) -> Account:
        slug = slug or key
        return save_account(
            slug,
            provider=key,
            base_url=fields.pop("base_url", self.sim.base_url(key)),
            credentials={"api_key": api_key or f"key_{slug}"},
            by="a test",
            rate=rate,
            **fields,
        )

    def put(self, account: Account, *fates: int, batch: str = "", **fields: Any) -> list[Message]:
        """Messages that somebody else sent through the account, registered here."""
        sends = []
        for fate in fates:
            to = number(account.provider_key, self.chance, fate)
            key = account.credentials["api_key"]
            known = self.sim.add(account.provider_key, to, text=TEXT, sender=SENDER, batch=batch, api_key=key)
            given = {"text": TEXT, "sender": SENDER, "batch": batch, "provider_batch_id": batch, **fields}
            sends.append(Send(to=to, provider_message_id=known, **given))
        return self.register(account, sends)

    def register(self, account: Account, sends: Sequence[Send]) -> list[Message]:
        return self.messages(result.message_id for result in register(account, sends, Source.API))

    def send_bulk(self, account: Account, numbers: Sequence[str], *, tell_request: bool = True) -> Any:
        """Send through the provider as its documents show, and register its reply. Returns the reply."""
        request = bulk(account.provider_key, numbers, TEXT, SENDER, "")
        payload = self.call(account, request)
        register_reply(account, payload, request.json if tell_request else None, Source.API)
        return payload

    def send_one(self, account: Account, to: str, **fields: Any) -> Any:
        outgoing = Outgoing(to=to, text=TEXT, sender=SENDER, **fields)
        return self.call(account, account.provider.send_request(outgoing))

    def call(self, account: Account, request: Any) -> Any:
        async def once() -> Any:
            async with Caller(allow_private=True) as caller:
                return (await caller.call(account.provider, account.url, account.credentials, request)).json()

        return asyncio.run(once())

    def messages(self, pks: Iterable[int | None]) -> list[Message]:
        return list(Message.objects.filter(pk__in=list(pks)).select_related("account").order_by("pk"))

    # -- acting

    def work(self) -> None:
        """`manage.py worker --once`."""
        asyncio.run(_to_the_end(Worker()))

    def work_all(self) -> None:
        """`manage.py worker --once --all`."""
        unfinished().update(next_check_at=timezone.now())
        self.work()

    def later(self, seconds: float) -> None:
        self.clock.shift(seconds)
        self.sim.advance(seconds)

    def stop_clock(self) -> None:
        """From now on only `later` moves it, however slow the machine is: for what depends on a second or two."""
        self.clock.move_to(timezone.now(), tick=False)

    def rounds(self, count: int, seconds: float = 40) -> None:
        """Work through so many rounds, so far apart that every answer is old again."""
        for _ in range(count):
            self.work_all()
            self.later(seconds)

    def failed(self, account: Account, fate: int = 85, **fields: Any) -> Message:
        """A message that has failed at the provider, and of which we know."""
        (message,) = self.put(account, fate, **fields)
        self.later(3000)
        self.work_all()
        self.later(60)
        message.refresh_from_db()
        return message

    def ask_again(self, message: Message, user: User, nonce: str = "n1", **fields: Any) -> Retry:
        return request_retry(message.pk, reason="The customer asked for it.", nonce=nonce, user=user, **fields)[0]

    def ask_each_again(self, messages: Iterable[Message], **fields: Any) -> list[Retry]:
        """As `ask_again`, by as many people as their limits call for."""
        people: list[User] = []
        retries = []
        for count, message in enumerate(messages):
            if count % 9 == 0:
                people.append(person("ops"))
            retries.append(self.ask_again(message, people[-1], f"each{message.pk}", **fields))
        return retries

    # -- looking

    def asked(self, key: str = "", path: str = "") -> list[str]:
        """The paths (without the provider's key) that were requested, oldest first."""
        found = [r["path"].removeprefix(f"/{r['provider']}") for r in self.sim.requests(key)]
        return [one for one in found if path in one]

    def statuses(self, account: Account) -> Counter[str]:
        return Counter(Message.objects.filter(account=account).values_list("status", flat=True))


def after(retry: Retry) -> Retry:
    return Retry.objects.select_related("message", "root", "original").get(pk=retry.pk)


def hook(account: Account, body: dict[str, Any]) -> None:
    """A report comes in."""
    path = account.webhook_url.removeprefix("http://testserver")
    assert Client().post(path, json.dumps(body), content_type="application/json").status_code == 200


def by_fate(messages: Iterable[Message]) -> dict[int, Message]:
    """Messages by the last two digits of their number, which choose the fate."""
    pks = [message.pk for message in messages]
    fresh = Message.objects.filter(pk__in=pks).select_related("recipient", "account")
    return {int(message.recipient.digits[-2:]): message for message in fresh}


def notes(message: Message) -> list[str]:
    return list(Event.objects.filter(message=message).exclude(note="").order_by("pk").values_list("note", flat=True))


def words(message: Message) -> list[str]:
    return list(message.events.order_by("pk").values_list("word", flat=True))
