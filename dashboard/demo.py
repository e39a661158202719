"""The demo's life: five accounts on the simulator, three people, and texts that keep going out to nobody.

Every text of today is sent through the provider's documented API over a real socket, and registered with the reply it
got. The week before is written down as it was told then, so that there is something that today can be compared with.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import OperationalError, transaction
from django.utils import timezone

from dashboard.accounts import save_account
from dashboard.ingest.items import Item
from dashboard.ingest.record import record
from dashboard.ingest.register import Send, batch_of, register
from dashboard.ingest.replies import ReplyRefused, register_reply
from dashboard.models import Account, Message, User
from dashboard.models.messages import Source
from dashboard.models.people import ROLES
from providers import PROVIDERS
from providers.base import Entry, Outgoing, ProviderError, Reply, Report, Request, Status
from providers.http import Caller
from providers.simulator import traffic

SENDER = "Duka"
TEXTS = (
    "Your code is {code}. It is valid for 10 minutes.",
    "Duka: your order {code} is on its way and arrives today.",
    "Duka: we could not reach you. Please call us about order {code}.",
    "Duka: payment {code} received. Thank you!",
    "Reminder: your appointment is tomorrow at 09:30. Ref {code}.",
)
BATCHES = (("Back in stock", 240), ("Payment reminders", 120))
SINGLES = 120  # of each account at the start
PACE = 1.5  # seconds between two new texts afterwards
NEW_BATCH_EVERY = 80  # texts
TRIES = 30
PAST = timedelta(days=7)
BY_DAY, BY_NIGHT = 36, 8  # texts an hour of each account in that week
FATES = (  # of a hundred
    (Status.DELIVERED, 88), (Status.EXPIRED, 5), (Status.UNDELIVERABLE, 4), (Status.FAILED, 2), (Status.REJECTED, 1),
)  # fmt: skip


def people() -> list[tuple[str, str, str]]:
    """(role, name, password) of one person for each role, made anew."""
    made = []
    for role in ROLES:
        password = secrets.token_urlsafe(9)
        user, _ = User.objects.get_or_create(username=role)
        user.set_password(password)
        user.support, user.ops, user.admin = (role == name for name in ROLES)
        user.save()
        made.append((role, role, password))
    return made


def accounts(simulator_url: str) -> list[Account]:
    """One account for each provider, on the simulator."""
    made = []
    for key, provider in PROVIDERS.items():
        credentials = {field.name: f"demo_{key}_{field.name}" for field in provider.credentials if not field.group}
        credentials |= {"api_key": f"demo_{key}"}
        made.append(
            save_account(
                key.replace("_", "-"), by="demo", provider=key, label=provider.label, credentials=credentials,
                base_url=f"{simulator_url}/{key}", rate=20.0,
            )
        )  # fmt: skip
    return made


def past(account: Account, now: datetime) -> None:
    """A week of texts that have ended, the newest hours first."""
    chance = random.Random(account.slug)  # noqa: S311 - the same week every time
    usual = chance.uniform(4, 9)  # seconds until a text of this account arrives
    hour = now.replace(minute=0, second=0, microsecond=0)
    while hour > now - PAST:
        hour -= timedelta(hours=1)
        with contextlib.suppress(OperationalError), transaction.atomic():  # a busy database: an hour less
            _past_hour(account, hour, chance, usual)


def _past_hour(account: Account, hour: datetime, chance: random.Random, usual: float) -> None:
    words = {status: word for word, status in account.provider.words.items()}
    known = [status for status, _ in FATES if status in words]
    weights = [weight for status, weight in FATES if status in words]
    most = BY_DAY if 6 <= hour.hour < 20 else BY_NIGHT
    sends = [
        Send(
            to=traffic.number(account.provider_key, chance), provider_message_id=f"past-{chance.getrandbits(80):x}",
            text=_text(chance), sender=SENDER, sent_at=hour + timedelta(seconds=chance.uniform(0, 3599)),
        )
        for _ in range(chance.randrange(most * 3 // 4, most * 5 // 4))
    ]  # fmt: skip
    items = []
    for sent, registered in zip(sends, register(account, sends, Source.API), strict=True):
        status = chance.choices(known, weights)[0]
        took = 3600 if status is Status.EXPIRED else chance.lognormvariate(math.log(usual), 0.9)
        at = (sent.sent_at or hour) + timedelta(seconds=took)
        report = Report(id=sent.provider_message_id, entries=(Entry(word=words[status], status=status),))
        items.append(
            Item(
                account=account, source=Source.POLL, report=report, received_at=at,
                message_id=registered.message_id, answered=True,
            )
        )  # fmt: skip
    record(items)
    # The simulator knows nothing of that week: no worker may ever see it as due.
    Message.objects.filter(pk__in=[item.message_id for item in items]).update(next_check_at=None)


def _text(chance: random.Random) -> str:
    return chance.choice(TEXTS).format(code=chance.randrange(100_000, 1_000_000))


class Traffic:
    """Sends, and registers what was answered."""

    def __init__(self, caller: Caller, simulator_url: str, accounts: Sequence[Account]) -> None:
        self._caller = caller
        self._simulator_url = simulator_url
        self._accounts = accounts
        self._chance = random.Random()  # noqa: S311 - whom a demo texts is no secret

    async def connect_webhooks(self) -> None:
        """What an account manager does: tell the providers with account-wide webhooks where to report."""
        for account in self._accounts:
            secret = account.credentials.get("webhook_secret", "")
            body = {"provider": account.provider_key, "url": account.webhook_url, "secret": secret}
            await self._call(account, self._simulator_url, Request(method="POST", path="/_/webhooks", json=body))

    async def first(self) -> None:
        """The past that a newcomer finds: batches and single texts of every fate."""
        for name, size in BATCHES:
            await asyncio.gather(*(self.batch(account, name, size) for account in self._accounts))
        for account in self._accounts:
            for fate in (*range(80, 99), *(self._chance.randrange(100) for _ in range(SINGLES - 19))):
                await self.one(account, fate)

    async def go_on(self) -> None:
        """New texts until stopped."""
        count = 0
        while True:
            await self.one(self._chance.choice(self._accounts))
            count += 1
            if count % NEW_BATCH_EVERY == 0:
                name = f"Offers of {timezone.now():%H:%M}"
                await self.batch(self._chance.choice(self._accounts), name, self._chance.randrange(20, 60))
            await asyncio.sleep(PACE * self._chance.uniform(0.5, 1.5))

    async def one(self, account: Account, fate: int | None = None) -> None:
        outgoing = Outgoing(
            to=traffic.number(account.provider_key, self._chance, fate),
            text=_text(self._chance),
            sender=SENDER,
            reference=f"d{self._chance.getrandbits(60):x}",
            callback_url=account.webhook_url,
            idempotency_key=secrets.token_hex(8),
        )
        request = account.provider.send_request(outgoing)
        await self._send(account, request)

    async def batch(self, account: Account, name: str, size: int) -> None:
        numbers = [traffic.number(account.provider_key, self._chance) for _ in range(size)]
        request = traffic.bulk(account.provider_key, numbers, _text(self._chance), SENDER, account.webhook_url)
        await self._send(account, request, name)

    async def _send(self, account: Account, request: Request, batch: str = "") -> None:
        try:
            reply = await self._call(account, account.url, request)
            for _ in range(TRIES):
                try:
                    await asyncio.get_running_loop().run_in_executor(None, _register, account, reply, request, batch)
                    return
                except OperationalError:
                    await asyncio.sleep(1.0)  # a busy database; registering is safe to repeat
        except (ProviderError, ReplyRefused):
            return  # a provider that says no to a send: nothing was sent, so there is nothing to show

    async def _call(self, account: Account, base_url: str, request: Request) -> Reply:
        return await self._caller.call(account.provider, base_url, account.credentials, request)


def _register(account: Account, reply: Reply, request: Request, batch: str) -> None:
    payload = reply.json()
    sent = account.provider.send_reply(payload, request.json)
    if batch and sent.batch_id:
        batch_of(account, batch, sent.batch_id)  # the name comes from us, the messages from the reply
    register_reply(account, payload, request.json, Source.API)


async def _before(made: Sequence[Account]) -> None:
    now = timezone.now()
    for account in made:
        await asyncio.get_running_loop().run_in_executor(None, past, account, now)


async def run(simulator_url: str, made: Sequence[Account]) -> None:
    """Fill the dashboard, then keep it moving until cancelled."""
    async with Caller(allow_private=settings.ALLOW_PRIVATE_PROVIDER_URLS) as caller:
        life = Traffic(caller, simulator_url, made)
        await life.connect_webhooks()
        await life.first()
        await asyncio.gather(life.go_on(), _before(made))
