"""A provider whose every answer takes as long as it is told: BSG's two ways to ask how messages do, and nothing else.

`python -m bench.slow_provider SECONDS` prints the port that it listens on. `/heard` lists when it was asked about
which message, one at a time.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys

MESSAGE = (
    b'{"id":"%s","msisdn":"254712345678","reference":"","time_in":"2026-11-20 10:00:00","time_sent":'
    b'"2026-11-20 10:00:01","time_dr":"2026-11-20 10:00:09","status":"delivered","price":0.02,"currency":"EUR",'
    b'"error":0,"errorDescription":"No errors"}'
)
HEARD: list[tuple[float, int]] = []
LENGTH = re.compile(rb"(?i)content-length: *(\d+)")


class Connection(asyncio.Protocol):
    """Keeps a connection open and answers one request after another."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._heard = seconds, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._heard += data
        while b"\r\n\r\n" in self._heard:
            head, _, rest = self._heard.partition(b"\r\n\r\n")
            stated = LENGTH.search(head)
            length = int(stated[1]) if stated else 0
            if len(rest) < length:
                return
            body, self._heard = rest[:length], rest[length:]
            loop, path = asyncio.get_running_loop(), head.split(b" ", 2)[1]
            if (message := path.rpartition(b"/")[2]).isdigit():
                HEARD.append((loop.time(), int(message)))
            loop.call_later(self._seconds, self._answer, path, body)

    def _answer(self, path: bytes, body: bytes) -> None:
        if path == b"/heard":
            said = json.dumps(HEARD).encode()
        elif path.endswith(b"/getStatus"):
            said = b"[" + b",".join(MESSAGE % str(pk).encode() for pk in json.loads(body)["ids"]) + b"]"
        else:
            said = MESSAGE % path.rpartition(b"/")[2]
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(said)
        self._transport.write(head + said)  # type: ignore[attr-defined]


async def main(seconds: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Connection(seconds), "127.0.0.1", 0, backlog=2000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
