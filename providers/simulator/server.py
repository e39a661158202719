"""Running the simulator: in the foreground, or in a background thread of a test.

    with Simulator(speed=0) as sim:
        account_url = sim.base_url("bsg")
        ...
        sim.advance(60)
        assert len(sim.ledger("bsg")) == 1

The calls that steer it over HTTP are listed in service.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from aiohttp import web

from providers.simulator.service import Service

T = TypeVar("T")


async def serve(service: Service, port: int, host: str = "127.0.0.1") -> tuple[web.AppRunner, int]:
    """Start listening; port 0 takes a free one. Ends with `runner.cleanup()`."""
    runner = web.AppRunner(service.app(), access_log=None, shutdown_timeout=0.1, handle_signals=False)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
    except OSError:
        await runner.cleanup()
        raise
    return runner, int(runner.addresses[0][1])


def run(port: int, script: dict[str, Any] | None = None, *, speed: float = 1.0, seed_only: bool = False) -> None:
    """Serve until interrupted."""

    async def forever() -> None:
        service = Service(speed=speed, script=script, seed_only=seed_only)
        runner, bound = await serve(service, port)
        sys.stdout.write(f"Simulator on http://127.0.0.1:{bound}/<{'|'.join(service.apis)}>\n")
        sys.stdout.flush()
        try:
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(forever())


def read_script(path: str) -> dict[str, Any]:
    """A script file. Raises OSError or ValueError."""
    with open(path, encoding="utf-8") as file:
        script = json.load(file)
    if not isinstance(script, dict):
        raise ValueError("A script is a JSON object.")
    return script


class Simulator:
    """The simulator in a background thread, on a free port. Its methods may be called from any thread."""

    def __init__(self, *, speed: float = 1.0, script: dict[str, Any] | None = None, seed_only: bool = False) -> None:
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._options = {"speed": speed, "script": script, "seed_only": seed_only}
        self._thread = threading.Thread(target=self._run, name="simulator", daemon=True)
        self.port = 0

    # -- life

    def start(self) -> Simulator:
        self._loop = asyncio.new_event_loop()
        self._thread.start()
        self._ready.wait()
        if self._failed:
            raise self._failed
        return self

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(timeout=30)
            if self._thread.is_alive():
                raise RuntimeError("The simulator does not stop.")

    def __enter__(self) -> Simulator:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:
            self._failed = error
        finally:
            self._loop.close()
            self._ready.set()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        self._service = Service(**self._options)  # type: ignore[arg-type]
        runner, self.port = await serve(self._service, 0)
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    def _call(self, function: Callable[[], T]) -> T:
        async def call() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result()

    # -- use

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def base_url(self, provider: str) -> str:
        """An account's base URL: the documented paths come after it."""
        return f"{self.url}/{provider}"

    def ledger(self, provider: str = "", to: str = "") -> list[dict[str, Any]]:
        """Every accepted send: provider, id, to (digits), text, reference, idempotency_key, batch, api_key, at, via."""
        return self._call(lambda: self._service.control.ledger(provider, to))

    def requests(self, provider: str = "") -> list[dict[str, Any]]:
        """What was asked: provider, method, path (with the provider's key), status, fault (its kind), api_key."""
        return self._call(lambda: [dict(r) for r in self._service.world.requests if provider in {"", r["provider"]}])

    def posted(self, provider: str = "") -> list[dict[str, Any]]:
        """Every webhook try: provider, id, word, url, attempt (from 0), status (None: no answer), error, at, body."""
        return self._call(lambda: [dict(p) for p in self._service.world.posted if provider in {"", p["provider"]}])

    def script(self, **sections: Any) -> None:
        """Take over these sections of a script (script.py). Raises ValueError."""
        self._call(lambda: self._service.control.take_script(sections))

    def clock(self, *, speed: float | None = None, advance: float = 0.0) -> None:
        self._call(lambda: self._service.control.clock(speed, advance))

    def advance(self, seconds: float) -> None:
        """Let provider time pass at once."""
        self.clock(advance=seconds)

    def now(self) -> float:
        """Provider time, in seconds since 1970."""
        return self._call(lambda: self._service.world.clock.now())

    def set_webhook(self, provider: str, url: str, *, api_key: str = "", secret: str = "") -> None:
        self._call(lambda: self._service.control.set_webhook(provider, url, api_key, secret))

    def send_webhook(self, **given: Any) -> dict[str, Any]:
        """As POST /_/webhook: the answer's {"status", "error"}."""
        return asyncio.run_coroutine_threadsafe(self._service.control.send_webhook(**given), self._loop).result()

    def add(self, provider: str, to: str, **given: Any) -> str:
        """A message somebody else sent (not in the ledger): id, text, reference, batch, sender, api_key, callback_url,
        fate. Returns its id."""
        return self._call(lambda: self._service.control.add(provider, to, **given))

    def say(self, provider: str, message_id: str, word: str, detail: str = "") -> None:
        """Let this happen to a message now, and nothing after it."""
        self._call(lambda: self._service.control.say(provider, message_id, word, detail))
