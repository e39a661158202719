"""The one socket: what it refuses, what it survives, and how it names what went wrong."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime
import gzip
import ipaddress
import json
import logging
import re
import resource
import socket
import ssl
import struct
import tomllib
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import httpx
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from providers.base import Provider, ProviderError, Reply, Request
from providers.http import (
    BODY_CAP,
    MASK,
    VERSION,
    Caller,
    address_allowed,
    check_base_url,
    mask,
    mask_bytes,
)

KEY = "live_K3y/with+odd=chars&ü"[:-1] + "9"
CREDENTIALS = {"api_key": KEY}
ASK = Request(method="GET", path="/status/1")


class Bearer(Provider):
    """The least a provider needs to be called."""

    key = "bearer"

    def headers(self, credentials: Mapping[str, str]) -> dict[str, str]:
        if "api_key" not in credentials:
            raise ProviderError("credentials", "The API key is missing.", written=False)
        return {"Authorization": f"Bearer {credentials['api_key']}"}


Handler = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A loopback server that keeps every request as its bytes and counts connections."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.requests: list[bytes] = []
        self.connections = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def request_line(self) -> str:
        return self.requests[-1].split(b"\r\n")[0].decode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: (\d+)", head)
                body = await reader.readexactly(int(length[1])) if length else b""
                self.requests.append(head + body)
                await self.handler(head + body, writer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            if not writer.is_closing():
                writer.transport.abort()


@contextlib.asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    state = Server(handler)
    tasks: set[asyncio.Task[None]] = set()

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(state.serve(reader, writer)))

    server = await asyncio.start_server(accepted, "127.0.0.1", 0, ssl=tls)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
        await asyncio.sleep(0)


def answer(body: bytes = b"{}", status: str = "200 OK", headers: str = "") -> Handler:
    async def write(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body)

    return write


async def ask(url: str, request: Request = ASK, **options: Any) -> Reply:
    async with Caller(**{"allow_private": True, **options}) as caller:
        return await caller.call(Bearer(), url, CREDENTIALS, request)


def against(handler: Handler, request: Request = ASK, **options: Any) -> tuple[Reply, Server]:
    async def run() -> tuple[Reply, Server]:
        async with serving(handler) as server:
            return await ask(server.url, request, **options), server

    return asyncio.run(run())


def failing(handler: Handler, request: Request = ASK, **options: Any) -> tuple[ProviderError, Server]:
    async def run() -> tuple[ProviderError, Server]:
        async with serving(handler) as server:
            with pytest.raises(ProviderError) as caught:
                await ask(server.url, request, **options)
            return caught.value, server

    return asyncio.run(run())


class Names(AbstractResolver):
    """A resolver that answers as told: one list of addresses per look-up, the last one for ever."""

    def __init__(self, *answers: list[str], port: int | None = None) -> None:
        self.answers = list(answers)
        self.port = port
        self.asked = 0

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        self.asked += 1
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port if self.port is None else self.port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        pass


# ------------------------------------------------------------------------------------------- what arrives


@pytest.mark.parametrize(
    "path",
    [
        "/messages/a%2Fb", "/messages/a%3Ab%41", "/messages/%2e%2e%2Fx", "/a+b%20c", "/~x'(y)*;,=@:!$&", "/%E4%B8%AD",
        "/%3Fquery%23fragment", "/a%25b", "/%c3%a9%C3%A9", "//double",
    ],
)  # fmt: skip
@pytest.mark.parametrize("prefix", ["", "/", "/bsg", "/bsg/v%2F1/"])
def test_the_path_arrives_byte_for_byte(path: str, prefix: str) -> None:
    async def run() -> str:
        async with serving(answer()) as server:
            await ask(server.url + prefix, Request(method="GET", path=path))
            return server.request_line

    assert asyncio.run(run()) == f"GET {prefix.rstrip('/')}{path} HTTP/1.1"


@pytest.mark.parametrize(
    "path",
    ["status", "", "/a/../b", "/a/.", "/%2e%2e/x", "/%2E./x", "/a?b=1", "/a#b", "/a b", "/a\r\nX: 1", "/ü", "/%zz"],
)
def test_a_path_that_could_leave_its_place_is_never_sent(path: str) -> None:
    error, server = failing(answer(), Request(method="GET", path=path))
    assert (error.code, error.written, server.connections) == ("invalid", False, 0)


def test_params_are_urlencoded_and_kept_in_order() -> None:
    request = Request(method="GET", path="/m", params=(("ids", "a,b"), ("q", "1 2&3=ü"), ("ids", "c/d")))
    _, server = against(answer(), request)
    assert server.request_line == "GET /m?ids=a%2Cb&q=1+2%263%3D%C3%BC&ids=c%2Fd HTTP/1.1"


def test_a_json_body_keeps_text_and_money_exact() -> None:
    body = {"to": "+254700000001", "text": "Grüße \u2028 😀", "price": Decimal("0.10"), "n": Decimal("12"), "x": None}
    _, server = against(answer(), Request(method="POST", path="/send", json=body))
    head, _, sent = server.requests[0].partition(b"\r\n\r\n")
    assert b"content-type: application/json\r\n" in head.lower() + b"\r\n"
    assert b'"price":0.1,"n":12,' in sent
    assert json.loads(sent) == {**body, "price": 0.1, "n": 12}


@pytest.mark.parametrize(
    "value",
    [Decimal("0.1000000000000000055511151231257827"), Decimal("NaN"), Decimal("sNaN"), float("inf"), {1}, "\ud800"],
)
def test_a_body_json_cannot_hold_is_never_sent(value: object) -> None:
    error, server = failing(answer(), Request(method="POST", path="/send", json={"v": value}))
    assert (error.code, error.written, server.connections) == ("invalid", False, 0)


def test_it_says_who_asks_and_authenticates() -> None:
    request = Request(method="GET", path="/", headers=(("Idempotency-Key", "n-1"), ("authorization", "Bearer other")))
    reply, server = against(answer(b'{"ok":true}', headers="X-Request-Id: r1\r\n"), request)
    sent = server.requests[0].decode().lower()
    assert f"user-agent: aftersend/{VERSION}\r\n" in sent
    assert f"authorization: bearer {KEY}\r\n".lower() in sent
    assert sent.count("authorization:") == 1
    assert "idempotency-key: n-1\r\n" in sent
    assert (reply.status, reply.body, reply.headers["x-request-id"]) == (200, b'{"ok":true}', "r1")


def test_the_version_is_the_project_s() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert project["project"]["version"] == VERSION


@pytest.mark.parametrize("key", ["with\r\nX-Evil: 1", "ключ", "tab\tin", "space ", "nul\x00"])
def test_a_key_that_is_no_header_value_is_named(key: str) -> None:
    async def run() -> None:
        async with Caller(transport=httpx.MockTransport(lambda _: httpx.Response(200))) as caller:
            await caller.call(Bearer(), "https://api.example.com", {"api_key": key}, ASK)

    with pytest.raises(ProviderError) as caught:
        asyncio.run(run())
    assert (caught.value.code, caught.value.written) == ("credentials", False)
    assert key not in str(caught.value)


def test_what_the_adapter_says_about_its_credentials_passes_through() -> None:
    async def run() -> None:
        async with Caller(transport=httpx.MockTransport(lambda _: httpx.Response(200))) as caller:
            await caller.call(Bearer(), "https://api.example.com", {}, ASK)

    with pytest.raises(ProviderError, match=r"^The API key is missing\.$") as caught:
        asyncio.run(run())
    assert (caught.value.code, caught.value.written) == ("credentials", False)


def test_what_the_adapter_says_is_masked_all_the_same() -> None:
    class Careless(Bearer):
        def headers(self, credentials: Mapping[str, str]) -> dict[str, str]:
            raise ProviderError(
                "credentials", f"No such key: {credentials['api_key']}", provider_code=KEY, written=False
            )

    async def run() -> None:
        async with Caller(transport=httpx.MockTransport(lambda _: httpx.Response(200))) as caller:
            await caller.call(Careless(), "https://api.example.com", CREDENTIALS, ASK)

    with pytest.raises(ProviderError) as caught:
        asyncio.run(run())
    assert (caught.value.message, caught.value.provider_code) == (f"No such key: {MASK}", MASK)
    assert (caught.value.code, caught.value.written) == ("credentials", False)


def test_the_transport_can_be_replaced() -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        assert (request.url.host, request.extensions["target"]) == ("api.example.com", b"/v1/status/1")
        return httpx.Response(202, content=gzip.compress(b'{"a":1}'), headers={"Content-Encoding": "gzip", "X-A": "1"})

    got = asyncio.run(ask("https://api.example.com/v1", transport=httpx.MockTransport(reply), allow_private=False))
    assert (got.status, got.body, got.headers["x-a"]) == (202, b'{"a":1}', "1")


# ------------------------------------------------------------------------------------------- what is not done


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
@pytest.mark.parametrize(
    "place", ["self", "http://169.254.169.254/latest/meta-data/", "http://[::1]/", "//evil.example/"]
)
def test_a_redirect_is_returned_and_never_followed(status: str, place: str) -> None:
    async def run() -> None:
        async def redirect(request: bytes, writer: asyncio.StreamWriter) -> None:
            where = f"{server.url}/elsewhere" if place == "self" else place
            writer.write(f"HTTP/1.1 {status}\r\nLocation: {where}\r\nContent-Length: 0\r\n\r\n".encode())

        async with serving(redirect) as server:
            reply = await ask(server.url)
            assert reply.status == int(status[:3])
            assert len(server.requests) == server.connections == 1

    asyncio.run(run())


def test_proxies_in_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with serving(answer()) as proxy, serving(answer(b"[1]")) as server:
            for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
                monkeypatch.setenv(name, proxy.url)
            monkeypatch.delenv("NO_PROXY", raising=False)
            monkeypatch.delenv("no_proxy", raising=False)
            assert (await ask(server.url)).body == b"[1]"
            assert proxy.connections == 0

    asyncio.run(run())


def test_cookies_are_not_carried_over() -> None:
    async def run() -> Server:
        async with serving(answer(headers="Set-Cookie: session=abc; Path=/\r\n")) as server:
            async with Caller(allow_private=True) as caller:
                for url in (server.url, f"http://localhost:{server.port}"):  # cookie jars treat names and numbers apart
                    for request in (ASK, ASK, Request(method="POST", path="/x"), Request(method="POST", path="/x")):
                        await caller.call(Bearer(), url, CREDENTIALS, request)
            return server

    server = asyncio.run(run())
    assert len(server.requests) == 8
    assert not any(b"cookie" in request.lower() for request in server.requests)


def test_a_get_keeps_its_connection_and_a_send_gets_its_own() -> None:
    async def run(method: Any) -> int:
        async with serving(answer()) as server:
            async with Caller(allow_private=True) as caller:
                for _ in range(3):
                    await caller.call(Bearer(), server.url, CREDENTIALS, Request(method=method, path="/", json={}))
            return server.connections

    assert [asyncio.run(run(method)) for method in ("GET", "POST", "PUT")] == [1, 3, 3]


async def reset(request: bytes, writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def hang_up(request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
@pytest.mark.parametrize("handler", [reset, hang_up])
def test_a_lost_connection_is_never_answered_by_sending_again(method: Any, handler: Handler) -> None:
    error, server = failing(handler, Request(method=method, path="/sms", json={"to": "254700000001"}))
    assert (error.code, error.written, error.retryable) == ("unreachable", True, True)
    assert len(server.requests) == server.connections == 1


# ------------------------------------------------------------------------------------------- deadline and size


def drip(head: bytes) -> Handler:
    async def write(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    return write


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Long:", b"HTTP/1.1 200"])
def test_a_dripping_server_cannot_hold_us(head: bytes) -> None:
    async def run() -> float:
        started = asyncio.get_running_loop().time()
        async with serving(drip(head)) as server:
            with pytest.raises(ProviderError, match="too long") as caught:
                await ask(server.url, deadline=0.3)
            assert (caught.value.code, caught.value.written) == ("unreachable", True)
        return asyncio.get_running_loop().time() - started

    assert asyncio.run(run()) < 5


def test_a_server_that_sends_interim_answers_for_ever_cannot_hold_us() -> None:
    async def early(request: bytes, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    error, _ = failing(early, deadline=0.3)
    assert (error.code, error.written) == ("unreachable", True)


def test_being_cancelled_is_no_failure_and_leaves_nothing_open() -> None:
    async def run() -> None:
        async with serving(drip(b"HTTP/1.1 200 OK\r\n\r\n")) as server, Caller(allow_private=True) as caller:
            task = asyncio.create_task(caller.call(Bearer(), server.url, CREDENTIALS, ASK))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(run())


def bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    megabyte = bytes(1024 * 1024)
    return b"".join(packer.compress(megabyte) for _ in range(size)) + packer.flush()


def test_a_gzip_bomb_is_stopped_at_the_cap() -> None:
    packed = bomb(200)
    assert len(packed) < 250_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    try:
        error, _ = failing(answer(packed, headers="Content-Encoding: gzip\r\n"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert (error.code, error.written, error.status) == ("unparseable", True, 200)
    assert peak < 4 * 1024 * 1024
    assert grown < 20 * 1024  # KiB


@pytest.mark.parametrize(("size", "fits"), [(BODY_CAP, True), (BODY_CAP + 1, False)])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("length", [False, True])
def test_the_cap_is_exact(size: int, fits: bool, packed: bool, length: bool) -> None:
    body = gzip.compress(b"x" * size) if packed else b"x" * size
    head = b"HTTP/1.1 200 OK\r\n" + (b"Content-Encoding: gzip\r\n" if packed else b"")
    head += b"Content-Length: %d\r\n\r\n" % len(body) if length else b"\r\n"

    async def write(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(head + body)
        if not length:
            writer.close()

    if fits:
        reply, _ = against(write)
        assert reply.body == b"x" * size
    else:
        error, _ = failing(write)
        assert (error.code, error.message) == ("unparseable", "The answer is too big to be read.")


def test_an_endless_body_is_stopped_without_waiting_for_the_deadline() -> None:
    async def flood(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(bytes(65_536))
            await writer.drain()

    assert failing(flood)[0].message == "The answer is too big to be read."


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", b"not gzip"), ("gzip", gzip.compress(b"x" * 99, mtime=0)[:-9]), ("br", b"x"), ("zstd", b"x"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0)),
    ],
)  # fmt: skip
def test_an_answer_that_cannot_be_unpacked_is_unparseable(coding: str, body: bytes) -> None:
    error, _ = failing(answer(body, headers=f"Content-Encoding: {coding}\r\n"))
    assert (error.code, error.written, error.status) == ("unparseable", True, 200)


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "x-gzip", "deflate", "identity"])
def test_packed_answers_are_unpacked(coding: str) -> None:
    body = b'{"status":"DELIVERED"}'
    packed = {"deflate": zlib.compress(body), "identity": body}.get(coding, gzip.compress(body))
    assert against(answer(packed, headers=f"Content-Encoding: {coding}\r\n"))[0].body == body


def test_an_empty_answer_may_claim_to_be_packed() -> None:
    assert against(answer(b"", "204 No Content", "Content-Encoding: gzip\r\n"))[0].body == b""


# ------------------------------------------------------------------------------------------- each failure, by its name


def test_refused() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ProviderError, match="refused the connection") as caught:
        asyncio.run(ask(f"http://127.0.0.1:{port}"))
    assert (caught.value.code, caught.value.written, caught.value.retryable) == ("unreachable", False, True)


@pytest.mark.parametrize(
    ("number", "sentence"),
    [(socket.EAI_NONAME, "could not be found"), (socket.EAI_AGAIN, "could not be looked up just now")],
)
def test_a_name_that_is_not_found(number: int, sentence: str) -> None:
    class Nothing(Names):
        async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
            raise socket.gaierror(number, "Name or service not known")

    with pytest.raises(ProviderError, match=sentence) as caught:
        asyncio.run(ask("https://sms.example.com", resolver=Nothing([]), allow_private=False))
    assert (caught.value.code, caught.value.written) == ("unreachable", False)


def test_a_resolver_that_never_answers() -> None:
    class Silent(Names):
        async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
            await asyncio.sleep(60)
            return []

    with pytest.raises(ProviderError, match="did not accept a connection in time") as caught:
        asyncio.run(ask("https://sms.example.com", resolver=Silent([]), connect=0.1))
    assert (caught.value.code, caught.value.written) == ("unreachable", False)


def test_a_host_that_does_not_answer_the_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async def never(sock: socket.socket, address: object) -> None:
            await asyncio.sleep(60)

        monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", never)
        with pytest.raises(ProviderError, match="did not accept a connection in time") as caught:
            await ask("http://127.0.0.1:9", connect=0.1)
        assert (caught.value.code, caught.value.written) == ("unreachable", False)

    asyncio.run(run())


def test_no_free_connection_means_not_sent() -> None:
    async def slow(request: bytes, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1)
        await answer()(request, writer)

    async def run() -> None:
        async with serving(slow) as server, Caller(allow_private=True, connections=1, connect=0.1) as caller:
            calls = [caller.call(Bearer(), server.url, CREDENTIALS, ASK) for _ in range(2)]
            first, second = await asyncio.gather(*calls, return_exceptions=True)
            assert isinstance(first, Reply)
            assert isinstance(second, ProviderError)
            assert (second.code, second.written) == ("unreachable", False)
            assert len(server.requests) == 1

    asyncio.run(run())


@pytest.mark.parametrize(
    ("head", "sentence"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "broke off half way"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "broke off half way"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", ""),
        (b"SSH-2.0-OpenSSH_9.2\r\n", ""),
        (b"HTTP/1.1 200 OK\r\n" + b"A: " + b"x" * 100_000 + b"\r\n\r\n", ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", ""),
        (b"HTTP/1.1 200 OK\r\nX\x00Y: 1\r\n\r\n", ""),
        (b"\x16\x03\x01\x02\x00", ""),
    ],
)
def test_an_answer_that_is_cut_or_no_http(head: bytes, sentence: str) -> None:
    async def write(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        writer.close()

    error, _ = failing(write)
    assert (error.code, error.written) == ("unreachable", True)
    assert sentence in error.message


@pytest.mark.parametrize(
    ("raised", "written"),
    [
        (httpx.ConnectError, False), (httpx.ConnectTimeout, False), (httpx.PoolTimeout, False),
        (httpx.ReadTimeout, True), (httpx.WriteTimeout, True), (httpx.ReadError, True), (httpx.WriteError, True),
        (httpx.CloseError, True), (httpx.RemoteProtocolError, True), (httpx.ProxyError, True), (OSError, True),
        (ValueError, True), (aiohttp.ServerDisconnectedError, True), (aiohttp.ClientOSError, True),
        (aiohttp.ConnectionTimeoutError, False),
    ],
)  # fmt: skip
def test_every_client_error_says_whether_the_request_can_have_arrived(raised: type[Exception], written: bool) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise raised(f"{request.url} {KEY}")

    with pytest.raises(ProviderError) as caught:
        asyncio.run(ask("https://api.example.com", transport=httpx.MockTransport(fail)))
    assert (caught.value.code, caught.value.written) == ("unreachable", written)
    assert "example" not in str(caught.value)


# ------------------------------------------------------------------------------------------- TLS


def certificate(folder: Path, names: list[str], days: tuple[int, int] = (-1, 1)) -> ssl.SSLContext:
    """A server's TLS context with a self-signed certificate; its PEM is in `folder`."""
    private = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.datetime.now(datetime.UTC)
    alternatives: list[x509.GeneralName] = []
    for name in names:
        with contextlib.suppress(ValueError):
            alternatives.append(x509.IPAddress(ipaddress.ip_address(name)))
            continue
        alternatives.append(x509.DNSName(name))
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def trusting(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / "cert.pem"))


@pytest.mark.parametrize(
    ("names", "days", "trusted", "sentence"),
    [
        (["sms.example.com"], (-1, 1), False, "The provider's certificate is self-signed."),
        (["other.example.com"], (-1, 1), True, "The certificate is not valid for this name."),
        (["sms.example.com"], (-9, -1), True, "The provider's certificate has expired."),
        (["sms.example.com"], (1, 9), True, "The provider's certificate is not valid yet."),
    ],
)
def test_a_bad_certificate(
    tmp_path: Path, names: list[str], days: tuple[int, int], trusted: bool, sentence: str
) -> None:
    async def run() -> None:
        async with serving(answer(), certificate(tmp_path, names, days)) as server:
            resolver = Names(["127.0.0.1"], port=server.port)
            with pytest.raises(ProviderError) as caught:
                await ask("https://sms.example.com", resolver=resolver, tls=trusting(tmp_path) if trusted else None)
            assert (caught.value.code, caught.value.written) == ("unreachable", False)
            assert caught.value.message == sentence
            assert server.requests == []

    asyncio.run(run())


def test_a_good_certificate_is_checked_against_the_name_and_not_the_pinned_address(tmp_path: Path) -> None:
    async def run() -> Server:
        async with serving(answer(b"[]"), certificate(tmp_path, ["sms.example.com"])) as server:
            resolver = Names(["127.0.0.1"], port=server.port)
            reply = await ask("https://sms.example.com", resolver=resolver, tls=trusting(tmp_path))
            assert reply.body == b"[]"
            return server

    assert b"\r\nhost: sms.example.com\r\n" in asyncio.run(run()).requests[0].lower()


def test_a_certificate_for_another_address(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(answer(), certificate(tmp_path, ["10.0.0.1"])) as server:
            with pytest.raises(ProviderError, match="not valid for this address"):
                await ask(f"https://127.0.0.1:{server.port}", tls=trusting(tmp_path))

    asyncio.run(run())


def test_a_port_that_does_not_speak_tls() -> None:
    async def run() -> None:
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mail.example.com ESMTP\r\n")
            with contextlib.suppress(OSError):
                await reader.read()
            writer.transport.abort()

        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        async with server:
            with pytest.raises(ProviderError, match="No secure connection") as caught:
                await ask(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            assert (caught.value.code, caught.value.written) == ("unreachable", False)
        await asyncio.sleep(0.05)

    asyncio.run(run())


# ------------------------------------------------------------------------------------------- addresses

INNER = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "192.0.0.1", "192.0.0.8", "192.0.0.192",
    "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250",
    "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::",
    "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::a9fe:a9fe", "fec0::1", "ff02::1",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "93.184.216.34", "172.32.0.1", "192.169.0.1", "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("address", INNER)
def test_inner_addresses_are_not_connected_to(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a literal and as what a name leads to, alone and beside a public address; nothing may even be tried."""

    async def run() -> None:
        tried: list[object] = []

        async def attempt(sock: socket.socket, where: object) -> None:
            tried.append(where)
            raise ConnectionRefusedError

        monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", attempt)
        literal = f"https://[{address}]" if ":" in address else f"https://{address}"
        async with serving(answer()) as server:
            for url, resolver in (
                (literal, None),
                ("https://sms.example.com", Names([address], port=server.port)),
                ("https://sms.example.com", Names(["93.184.216.34", address], port=server.port)),
            ):
                with pytest.raises(ProviderError, match="not on the public internet") as caught:
                    await ask(url, resolver=resolver, allow_private=False)
                assert (caught.value.code, caught.value.written) == ("invalid", False)
            assert (server.connections, tried) == (0, [])

    assert not address_allowed(address)
    asyncio.run(run())


def test_there_are_at_least_forty_inner_addresses() -> None:
    assert len(set(INNER)) >= 40


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_connected_to(address: str) -> None:
    assert address_allowed(address)
    assert address_allowed(address, allow_private=True)


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("127.0.0.1", True), ("::1", True), ("10.1.2.3", True), ("192.168.0.9", True), ("fd12::1", True),
        ("::ffff:127.0.0.1", True), ("169.254.169.254", False), ("fe80::1", False), ("0.0.0.0", False),
        ("224.0.0.1", False), ("64:ff9b::7f00:1", False), ("fd00:ec2::254", False), ("nonsense", False), ("", False),
    ],
)  # fmt: skip
def test_private_networks_can_be_allowed_but_never_a_cloud_s_metadata(address: str, allowed: bool) -> None:
    assert address_allowed(address, allow_private=True) is allowed


def test_a_name_is_looked_up_once_and_the_checked_address_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that says a public address first and an inner one next wins nothing."""

    async def run() -> None:
        went: list[str] = []

        async def refuse(sock: socket.socket, address: tuple[str, int]) -> None:
            went.append(address[0])
            raise ConnectionRefusedError(111, "refused")

        async with serving(answer()) as server:
            names = Names(["93.184.216.34"], ["127.0.0.1"], port=server.port)
            monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", refuse)
            with pytest.raises(ProviderError, match="refused the connection"):
                await ask("https://sms.example.com", resolver=names, allow_private=False)
            assert (names.asked, went) == (1, ["93.184.216.34"])
            monkeypatch.undo()
            with pytest.raises(ProviderError, match="not on the public internet"):
                await ask("https://sms.example.com", resolver=names, allow_private=False)
            assert server.connections == 0

    asyncio.run(run())


def test_no_socket_is_made_even_if_every_earlier_check_were_passed() -> None:
    async def run() -> None:
        async with serving(answer()) as server, Caller() as caller:
            with pytest.raises(aiohttp.ClientConnectorError):
                await caller._out.handle_async_request(httpx.Request("GET", server.url))
            assert server.connections == 0

    asyncio.run(run())


@pytest.mark.parametrize(
    "url",
    [
        "", "sms.example.com", "/path", "https://", "https:///path", "http://sms.example.com", "ftp://sms.example.com",
        "file:///etc/passwd", "javascript:alert(1)", "https:sms.example.com", "https://user@sms.example.com",
        "https://user:hunter2@sms.example.com", "https://@sms.example.com", "https://sms.example.com?x=1",
        "https://sms.example.com?", "https://sms.example.com/#", "https://sms.example.com/a#b",
        "https://sms.example.com:22", "https://sms.example.com:80", "https://sms.example.com:0",
        "https://sms.example.com:99999", "https://sms.example.com:x", "https://sms.example.com/a/../b",
        "https://sms.example.com/%2e%2e/", "https://sms.example.com/%zz", "https://sms.example.com\\@evil.example",
        "https://sms.example.com /", "https://sms.example.com\n", "https://sms.example.com\t.evil", "https://localhost",
        "https://intranet", "https://x.localhost", "https://metadata.google.internal", "https://printer.local",
        "https://127.1", "https://2130706433", "https://0x7f000001", "https://0x7f.0.0.1", "https://017700000001",
        "https://127.0.0.1.", "https://[::1", "https://[fe80::1%25eth0]", "https://[2606:4700::1111%25eth0]",
        "https://127。0。0。1", "https://-bad.example", "https://a..b.example", "https://%6cocalhost",
        "https://sms.example.com%00.evil", "https://exa_mple.com/\u00a0", "https://" + "a" * 600 + ".com",
    ],
)  # fmt: skip
def test_base_urls_that_are_refused(url: str) -> None:
    with pytest.raises(ProviderError, match=r"^The base URL cannot be used: .+\.$") as caught:
        check_base_url(url)
    assert (caught.value.code, caught.value.written) == ("invalid", False)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://hi.bridgexapi.io", "https://app.bsg.hk/", "https://sms.esmsafrica.io/v1/", "HTTPS://SMS.Example.COM",
        "https://sms.example.com:443", "https://sms.example.com:8443/a%2Fb", "https://пример.рф", "https://xn--e1afmkfd.xn--p1ai",
        "https://1.1.1.1", "https://[2606:4700::1111]:8443",
    ],
)  # fmt: skip
def test_base_urls_that_are_taken(url: str) -> None:
    check_base_url(url)
    check_base_url(url, allow_private=True)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8100/bsg", "http://localhost:8100", "http://[::1]:1", "http://sim:80"]
)
def test_base_urls_for_the_demo(url: str) -> None:
    check_base_url(url, allow_private=True)
    with pytest.raises(ProviderError):
        check_base_url(url)


def test_private_urls_still_name_no_metadata_and_no_user() -> None:
    for url in ("http://169.254.169.254/", "http://u:p@127.0.0.1/", "ftp://127.0.0.1/", "http://127.0.0.1:0/"):
        with pytest.raises(ProviderError):
            check_base_url(url, allow_private=True)


def test_localhost_by_name_works_where_private_addresses_are_allowed() -> None:
    async def run() -> bytes:
        async with serving(answer(b"[2]")) as server:
            return (await ask(f"http://localhost:{server.port}/sim")).body

    assert asyncio.run(run()) == b"[2]"


# ------------------------------------------------------------------------------------------- secrets

SECRET = 's3cr3t/Key+with="odd"&more'
LOWER_HEX = re.sub("%..", lambda found: found[0].lower(), quote(SECRET, safe=""))


@pytest.mark.parametrize(
    "written",
    [
        SECRET, quote(SECRET), quote(SECRET, safe=""), LOWER_HEX, quote(quote(SECRET, safe="")),
        json.dumps(SECRET), json.dumps(json.dumps(SECRET)), SECRET.replace("/", "\\/").replace('"', '\\"'),
        "".join(f"\\u{ord(c):04X}" for c in SECRET), "".join(f"%{ord(c):02x}" for c in SECRET),
        SECRET.replace("&", "&amp;").replace('"', "&quot;"), SECRET.replace("&", "&#38;").replace('"', "&#x22;"),
        base64.b64encode(SECRET.encode()).decode(), base64.urlsafe_b64encode(SECRET.encode()).decode(),
        "Basic " + base64.b64encode(f"@:{SECRET}".encode()).decode(),
        "Basic " + base64.b64encode(f"someone:{SECRET}".encode()).decode(),
        "Basic " + base64.b64encode(f"{SECRET}:x".encode()).decode(),
        json.dumps("Basic " + base64.b64encode(f"us:{SECRET}".encode()).decode()).replace("/", "\\/"),
    ],
)  # fmt: skip
def test_a_secret_is_masked_however_it_is_written(written: str) -> None:
    text = f'{{"echo": {written}, "id": 7}}'
    masked = mask(text, [SECRET])
    assert masked.startswith('{"echo": ')
    assert masked.endswith(', "id": 7}')
    assert masked.count(MASK) == 1
    left = masked.removeprefix('{"echo": ').removesuffix(', "id": 7}').replace("Basic ", "")
    assert set(left) <= set(MASK + '"\\=')
    assert mask_bytes(text.encode(), [SECRET]).decode() == masked


def test_masking_bytes_of_another_encoding() -> None:
    for codec in ("utf-16-le", "utf-16-be"):
        assert SECRET.encode(codec) not in mask_bytes(f"x{SECRET}y".encode(codec), [SECRET])
    assert mask("пароль-ключ и %D0%BF%D0%B0%D1%80%D0%BE%D0%BB%D1%8C", ["пароль"]) == f"{MASK}-ключ и {MASK}"


def test_masking_leaves_everything_else_alone() -> None:
    body = bytes(range(256)) * 4
    assert mask_bytes(body, [SECRET]) is not None
    assert mask_bytes(body, [SECRET]) == body
    assert mask_bytes(body, []) is body
    assert mask("a b c \ud800", ["", "a", SECRET]) == "a b c \ud800"


def test_longer_secrets_are_masked_before_the_shorter_ones_within_them() -> None:
    assert mask("token-1234-rest token", ["token", "token-1234-rest"]) == f"{MASK} {MASK}"


@pytest.mark.parametrize("filler", [b"\\", b"%25", b"%", b"A", b"&#0", b"\\u00", b"/", b"s3cr3t/Key"])
def test_masking_a_hostile_body_takes_no_longer_than_reading_it(filler: bytes) -> None:
    body = (filler * BODY_CAP)[:BODY_CAP]
    loop_started = datetime.datetime.now(datetime.UTC)
    mask_bytes(body, [SECRET, "\\\\\\\\\\\\\\\\", "%%%%%%%%"])
    assert (datetime.datetime.now(datetime.UTC) - loop_started).total_seconds() < 10


def test_no_secret_in_errors_logs_or_reprs(caplog: pytest.LogCaptureFixture) -> None:
    """Every way a call can end, with everything logging at its loudest."""
    for name in ("", "httpx", "httpcore", "aiohttp", "aiohttp.client", "asyncio", "providers.http"):
        caplog.set_level(logging.DEBUG, logger=name)
    token = "hook-token-0123456789"
    request = Request(
        method="POST", path="/send", params=(("key", KEY),), json={"callback_url": f"https://us.example/hooks/{token}/"}
    )
    seen: list[str] = []
    chains: list[BaseException | None] = []

    async def echo(raw: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX: " + quote(raw).encode()[:4000] + b"\r\nContent-Length: 9\r\n\r\nshort")
        writer.close()

    async def bad_header(raw: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 " + raw.replace(b"\r\n", b" ") + b"\r\nbad\x00" + KEY.encode() + b": 1\r\n\r\n")

    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop.set_debug(True)
        for handler in (answer(), reset, hang_up, echo, bad_header, drip(b"HTTP/1.1 200 OK\r\n\r\n")):
            async with serving(handler) as server, Caller(allow_private=True, deadline=0.3) as caller:
                seen.append(repr(caller))
                try:
                    seen.append(repr(await caller.call(Bearer(), server.url, CREDENTIALS, request)))
                except ProviderError as error:
                    chains.extend((error.__cause__, error.__context__))
                    seen.extend((str(error), repr(error), repr(vars(error))))
                logging.getLogger("providers.http").exception("after", exc_info=False)

    asyncio.run(run())
    assert chains == [None] * 10
    everything = caplog.text + " ".join(seen)
    assert "POST 127.0.0.1:" in everything
    for secret in (KEY, quote(KEY, safe=""), quote(KEY), token, base64.b64encode(KEY.encode()).decode()):
        assert secret not in everything
    assert "/send" not in everything
    assert len([r for r in caplog.records if r.name == "providers.http" and r.levelno == logging.DEBUG]) == 6
