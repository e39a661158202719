"""The one way out: every request to a provider leaves through `Caller.call`, and nothing else opens a socket.

A call has a total deadline and a size cap, follows no redirect, keeps no cookie, reads no proxy from the environment,
is never repeated behind our back, and connects only to addresses that were checked. Whatever fails is one
`ProviderError` in plain words; its `written` says whether a send can have reached the provider.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import json
import logging
import re
import socket
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Iterable, Mapping
from decimal import Decimal
from typing import Any, Self, cast
from urllib.parse import urlencode

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDict
from yarl import URL

from providers.addresses import address_allowed as address_allowed, check_base_url as check_base_url, path_ok
from providers.base import Provider, Reply, Request
from providers.errors import ErrorCode, ProviderError
from providers.masking import MASK as MASK, mask as mask, mask_bytes as mask_bytes

VERSION = "0.1.0"
DEADLINE = 15.0  # seconds for a whole call, whatever the provider drips
CONNECT = 5.0
CONNECTIONS = 256
KEEP_IDLE = 4.0  # many servers close a connection that idles for 5 seconds
BODY_CAP = 256 * 1024  # decoded bytes

LOG = logging.getLogger(__name__)

# These print whole URLs at INFO and below; here rather than in the settings, so that no log level brings them back.
for _name in ("httpx", "httpcore.connection", "httpcore.http11", "aiohttp.client", "aiohttp.internal"):
    logging.getLogger(_name).addFilter(lambda record: record.levelno >= logging.WARNING)


# ------------------------------------------------------------------------------------------- what can fail


_SENTENCES: tuple[tuple[tuple[type[Exception], ...], str, bool], ...] = (  # the first that fits; the last is `written`
    (
        (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
        "The provider's address did not accept a connection in time.",
        False,
    ),
    ((httpx.PoolTimeout,), "No connection was free in time.", False),
    ((httpx.ConnectError,), "No connection to the provider could be made.", False),
    ((aiohttp.ServerTimeoutError, httpx.TimeoutException), "The provider did not answer in time.", True),
    ((TimeoutError,), "The provider took too long to answer.", True),
    ((aiohttp.ClientPayloadError,), "The provider's answer broke off half way.", True),
    ((aiohttp.ClientResponseError, httpx.RemoteProtocolError), "What answered does not speak HTTP properly.", True),
    ((Exception,), "The connection to the provider broke.", True),
)


def _failure(error: Exception) -> ProviderError:
    """The one name and sentence of a failure. The texts of the libraries' errors hold URLs: they are never used."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _not_connected(cast(OSError, error.certificate_error))
    if isinstance(error, aiohttp.ClientConnectorError):
        return _not_connected(error.os_error)
    if isinstance(error, aiohttp.InvalidURL | httpx.InvalidURL | httpx.UnsupportedProtocol):
        return _invalid("The address of the request cannot be used.")
    text, written = next((text, written) for kinds, text, written in _SENTENCES if isinstance(error, kinds))
    return _unreachable(text, written)


def _not_connected(error: OSError) -> ProviderError:
    match error:
        case _NotAllowedError():
            return _invalid("The provider's address is not on the public internet, so nothing was sent to it.")
        case socket.gaierror(errno=socket.EAI_AGAIN):
            text = "The provider's address could not be looked up just now."
        case socket.gaierror():
            text = "The provider's address could not be found."
        case ssl.SSLCertVerificationError():
            text = _CERTIFICATE.get(error.verify_code, "The provider's certificate is not trusted.")
        case ssl.SSLError():
            text = "No secure connection to the provider could be made."
        case OSError(errno=errno.ECONNREFUSED):
            text = "The provider's address refused the connection."
        case OSError(errno=errno.ENETUNREACH | errno.EHOSTUNREACH):
            text = "The provider's address cannot be reached from here."
        case _:
            text = "No connection to the provider could be made."
    return _unreachable(text, written=False)


_CERTIFICATE = {  # OpenSSL's X509_V_ERR_* numbers
    9: "The provider's certificate is not valid yet.",
    10: "The provider's certificate has expired.",
    18: "The provider's certificate is self-signed.",
    62: "The certificate is not valid for this name.",
    64: "The certificate is not valid for this address.",
}


def _unreachable(text: str, written: bool = True) -> ProviderError:
    return ProviderError("unreachable", text, written=written)


def _invalid(text: str, code: ErrorCode = "invalid") -> ProviderError:
    return ProviderError(code, text, written=False)


def _masked(error: ProviderError, secrets: Iterable[str]) -> ProviderError:
    secrets = tuple(secrets)
    return ProviderError(
        error.code,
        mask(error.message, secrets),
        status=error.status,
        provider_code=mask(error.provider_code, secrets),
        retry_after=error.retry_after,
        written=error.written,
        retryable=error.retryable,
    )


# ------------------------------------------------------------------------------------------- the call


class _NotAllowedError(OSError):
    """An address we do not connect to."""


class _CheckedResolver(AbstractResolver):
    """Looks a name up once and checks every answer; the connection then goes to one of these very addresses."""

    def __init__(self, inner: AbstractResolver, allow_private: bool) -> None:
        self._inner = inner
        self._allow_private = allow_private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if not all(address_allowed(answer["host"], self._allow_private) for answer in found):
            raise _NotAllowedError
        return found

    async def close(self) -> None:
        await self._inner.close()


class _LostError(aiohttp.ClientError):
    """The connection was lost once our request could have been on it."""


async def _once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """aiohttp sends a GET or PUT again when the connection is lost, and a PUT may be a text message."""
    try:
        return await send(request)
    except (aiohttp.ClientConnectorError, aiohttp.ServerTimeoutError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
        raise _LostError from None


class _Body(httpx.AsyncByteStream):
    """What comes after the head, as it comes. Closed early, it takes the connection with it."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while chunk := await self._response.content.readany():
            yield chunk

    async def aclose(self) -> None:
        self._response.release()


class _Transport(httpx.AsyncBaseTransport):
    """httpx's way in and aiohttp's connections, with nothing between them: httpx's own pool looks at every connection
    on each request.

    What is not a GET gets a connection of its own: a kept one may be closed by the provider just as we write. Asking
    again is harmless, for a send we could never tell whether it arrived.
    """

    def __init__(self, kept: aiohttp.ClientSession, fresh: aiohttp.ClientSession) -> None:
        self._kept = kept
        self._fresh = fresh

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        session = self._kept if request.method == "GET" else self._fresh
        url, target = request.url, request.extensions.get("target", request.url.raw_path)
        address = f"{url.scheme}://{url.netloc.decode('ascii')}{target.decode('ascii')}"
        response = await session.request(
            request.method,
            URL(address, encoded=True),  # aiohttp would quote it anew
            headers=CIMultiDict([(name.decode("ascii"), value.decode("ascii")) for name, value in request.headers.raw]),
            data=await request.aread() or None,
            allow_redirects=False,
        )
        return httpx.Response(response.status, headers=response.raw_headers, stream=_Body(response))

    async def aclose(self) -> None:
        await self._kept.close()
        await self._fresh.close()


class Caller:
    """Makes requests to providers; one per event loop. Use as `async with Caller() as caller`."""

    def __init__(
        self,
        *,
        allow_private: bool = False,
        transport: httpx.AsyncBaseTransport | None = None,
        resolver: AbstractResolver | None = None,
        tls: ssl.SSLContext | None = None,
        deadline: float = DEADLINE,
        connect: float = CONNECT,
        connections: int = CONNECTIONS,
    ) -> None:
        self._allow_private = allow_private
        self._transport = transport
        self._resolver = resolver
        self._tls = tls
        self._deadline = deadline
        # `connect`: wait for a free connection, look up and connect. How long the rest takes is the deadline's matter.
        self._timeout = aiohttp.ClientTimeout(total=None, connect=2 * connect, sock_connect=connect)
        self._connections = connections

    async def __aenter__(self) -> Self:
        # The transport without httpx's client around it: no redirects, cookies or proxies to be switched off, and a
        # fifth less work for each request.
        self._out = self._transport or self._sockets()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._out.aclose()

    def _sockets(self) -> httpx.AsyncBaseTransport:
        tls = self._tls or _tls()
        resolver = _CheckedResolver(self._resolver or aiohttp.ThreadedResolver(), self._allow_private)

        def session(force_close: bool) -> aiohttp.ClientSession:
            connector = aiohttp.TCPConnector(
                ssl=tls,
                resolver=resolver,
                ttl_dns_cache=30,
                socket_factory=self._socket,
                limit=self._connections,
                force_close=force_close,
                keepalive_timeout=None if force_close else KEEP_IDLE,
            )
            return aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=self._timeout,
                auto_decompress=False,
                trust_env=False,
                middlewares=(_once,),
            )

        return _Transport(session(force_close=False), session(force_close=True))

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        """The last gate: no socket is even made for an address that is not allowed, however it came here."""
        family, kind, protocol, _, address = info
        if not address_allowed(address[0], self._allow_private):
            raise _NotAllowedError
        return socket.socket(family, kind, protocol)

    async def call(self, provider: Provider, base_url: str, credentials: Mapping[str, str], request: Request) -> Reply:
        """Make one request, once. Any HTTP status is a Reply, redirects too; everything else is a ProviderError."""
        started = time.monotonic()
        host, outcome = "-", "cancelled"
        secrets = [*credentials.values()]
        try:
            check_base_url(base_url, self._allow_private)
            authentication = provider.headers(credentials)
            secrets += authentication.values()
            prepared = self._prepared(base_url, request, authentication)
            host = prepared.url.netloc.decode("ascii")
            async with asyncio.timeout(self._deadline):
                reply = await self._exchange(prepared)
            outcome = str(reply.status)
            return reply
        except _FAILURES as error:
            failure = error if isinstance(error, ProviderError) else _failure(error)
            outcome = failure.code
        finally:
            LOG.debug("%s %s %s %d ms", request.method, host, outcome, (time.monotonic() - started) * 1000)
        raise _masked(failure, secrets)  # out here it carries no chain: the libraries' errors hold URLs

    def _prepared(self, base_url: str, request: Request, authentication: Mapping[str, str]) -> httpx.Request:
        if not all(map(_HEADER_VALUE.fullmatch, authentication.values())):
            raise _invalid("A credential holds a character that cannot be sent.", "credentials")
        if not all(_HEADER_VALUE.fullmatch(value) for _, value in request.headers):
            raise _invalid("A header of the request holds a character that cannot be sent.")
        if not request.path.startswith("/") or not path_ok(request.path):
            raise _invalid("The path of the request cannot be used.")
        headers = _HEADERS | _lower(request.headers) | _lower(authentication.items())
        try:
            target = request.path + ("?" + urlencode(request.params) if request.params else "")
            body = b"" if request.json is None else _json_bytes(request.json)
            base = _parsed(base_url)
            headers["host"] = base.netloc.decode("ascii")
            if request.json is not None:
                headers["content-type"] = "application/json"
            if body or request.method != "GET":
                headers["content-length"] = str(len(body))
            # As httpx names it: sent byte for byte, in place of the URL's path.
            extensions = {"target": base.raw_path.rstrip(b"/") + target.encode("ascii")}
            # With a stream httpx adds no headers of its own, which is most of the work of making a request.
            stream = httpx.ByteStream(body)
            return httpx.Request(request.method, base, headers=headers, stream=stream, extensions=extensions)
        except (TypeError, ValueError, ArithmeticError, httpx.InvalidURL):
            raise _invalid("The request holds something that cannot be sent.") from None

    async def _exchange(self, prepared: httpx.Request) -> Reply:
        response = await self._out.handle_async_request(prepared)
        stream, headers = cast(httpx.AsyncByteStream, response.stream), dict(response.headers.items())
        try:
            body = await _body(stream, response.status_code, headers.get("content-encoding", ""))
        finally:
            await stream.aclose()
        return Reply(status=response.status_code, body=body, headers=headers)


_HEADERS = {"user-agent": f"Aftersend/{VERSION}", "accept": "application/json", "accept-encoding": "gzip"}
_FAILURES = (ProviderError, httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError, ValueError)
_HEADER_VALUE = re.compile(r"(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?")


def _lower(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}


@functools.cache
def _tls() -> ssl.SSLContext:
    """Reading the authorities' certificates takes longer than a hundred requests."""
    return httpx.create_ssl_context(trust_env=False)


@functools.lru_cache(maxsize=256)
def _parsed(base_url: str) -> httpx.URL:
    return httpx.URL(base_url)


def _json_bytes(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_exactly)
    return text.encode("utf-8")


def _exactly(value: object) -> int | float:
    """A Decimal as a JSON number, never rounded: one that a float cannot hold is refused."""
    if isinstance(value, Decimal):
        if value == value.to_integral_value() and abs(value) < 10**15:
            return int(value)
        if Decimal(repr(float(value))) == value:
            return float(value)
    raise TypeError


async def _body(stream: httpx.AsyncByteStream, status: int, coding: str) -> bytes:
    """The decoded body, never more than the cap: unpacked by ourselves, because httpx unpacks a whole chunk at once."""
    coding = coding.strip().lower()
    if coding not in {"identity", "gzip", "x-gzip", "deflate", ""}:
        raise ProviderError("unparseable", "The answer is packed in a way we did not ask for.", status=status)
    unpack = None if coding in {"identity", ""} else zlib.decompressobj(zlib.MAX_WBITS | 32)
    body, received = bytearray(), 0
    async for chunk in stream:
        received += len(chunk)
        try:
            body += chunk if unpack is None else unpack.decompress(chunk, BODY_CAP + 1 - len(body))
        except zlib.error:
            raise ProviderError("unparseable", "The answer cannot be unpacked.", status=status) from None
        if max(received, len(body)) > BODY_CAP:
            raise ProviderError("unparseable", "The answer is too big to be read.", status=status)
    if unpack is not None and received and not unpack.eof:
        raise ProviderError("unparseable", "The answer broke off half way.", status=status)
    return bytes(body)
