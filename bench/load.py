"""A load generator: so many connections, each sending its next request when the last one was answered.

Run as a process of its own (`python -m bench.load`), so that its work is not counted as the server's. Reads a job as
JSON from standard input, writes what it saw as JSON to standard output.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def main() -> None:
    job = json.load(sys.stdin)
    json.dump(run(job), sys.stdout)


def requests_in(path: str) -> list[bytes]:
    """The file has one request after another, each behind its length in eight digits."""
    data, found, at = Path(path).read_bytes(), [], 0
    while at < len(data):
        length = int(data[at : at + 8])
        found.append(data[at + 8 : at + 8 + length])
        at += 8 + length
    return found


def write_requests(path: Path, requests: Iterator[bytes]) -> None:
    with path.open("wb") as file:
        for request in requests:
            file.write(b"%08d" % len(request) + request)


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Send until the time is over or nothing is left; what is answered before `warm_up` is over is not counted."""
    waiting = iter(requests_in(job["requests"])[job["skip"] :])
    selector = selectors.DefaultSelector()
    sent_at: dict[int, float] = {}
    answers: dict[int, bytes] = {}
    latencies: list[float] = []
    statuses: Counter[str] = Counter()
    begin = time.perf_counter()
    from_, until = begin + job["warm_up"], begin + job["warm_up"] + job["seconds"]
    used, open_ = 0, 0

    def send(link: socket.socket) -> bool:
        nonlocal used
        request = next(waiting, None)
        if request is None or time.perf_counter() >= until:
            return False
        used += 1
        sent_at[link.fileno()], answers[link.fileno()] = time.perf_counter(), b""
        link.sendall(request)
        return True

    for _ in range(job["connections"]):
        link = socket.create_connection(("127.0.0.1", job["port"]), timeout=60)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if send(link):
            selector.register(link, selectors.EVENT_READ)
            open_ += 1
    last = begin
    while open_:
        for key, _ in selector.select(timeout=60):
            part = key.fileobj.recv(65_536)  # type: ignore[union-attr]
            answer = answers[key.fd] = answers[key.fd] + part
            if part and not _is_whole(answer):
                continue
            now = time.perf_counter()
            if from_ <= now <= until:
                latencies.append(now - sent_at[key.fd])
                statuses[answer[9:12].decode() if part else "closed"] += 1
                last = now
            if not part or not send(key.fileobj):  # type: ignore[arg-type]
                selector.unregister(key.fileobj)
                key.fileobj.close()  # type: ignore[union-attr]
                open_ -= 1
    latencies.sort()
    return {
        "answered": len(latencies),
        "seconds": min(last, until) - from_,
        "statuses": statuses,
        "used": used,
        "p50": _at(latencies, 0.50),
        "p99": _at(latencies, 0.99),
        "most": _at(latencies, 1.0),
    }


def _is_whole(answer: bytes) -> bool:
    """Whether the body has arrived too; all servers here state its length."""
    head, end, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return bool(end) and length is not None and len(body) >= int(length[1])


def _at(sorted_: list[float], share: float) -> float:
    """In milliseconds."""
    return 1000 * sorted_[min(int(len(sorted_) * share), len(sorted_) - 1)] if sorted_ else 0.0


if __name__ == "__main__":
    main()
