"""A whole HTTP reply: its JSON, what its status alone amounts to, and an answer to some other question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from providers.errors import ErrorCode, ProviderError
from providers.fields import retry_after_of
from providers.strict_json import clean_text, looks_like_json, strict_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back. `headers` has lower-case names. `body` is decoded (gunzipped) and size-capped bytes."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    # Read once: `error` and `split` both look into it.
    _read: list[Any] = field(default_factory=list, init=False, repr=False, compare=False)

    def json(self) -> Any:
        """The body as JSON under our strict rules. Raises ProviderError("unparseable")."""
        if not self._read:
            try:
                self._read.append(strict_json(self.body))
            except ValueError as error:
                text = f"The reply is not readable JSON: {error}"
                raise ProviderError("unparseable", text, status=self.status) from None
        return self._read[0]


def form_or_json(body: bytes, content_type: str) -> Any:
    """A webhook body as JSON, or as a dict if it is a form. Raises ProviderError("unparseable")."""
    if content_type.split(";")[0].strip().lower() == "application/x-www-form-urlencoded":
        try:
            pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, strict_parsing=True, max_num_fields=200)
        except ValueError:
            raise ProviderError("unparseable", "The form cannot be read.") from None
        form = {clean_text(name): clean_text(value) for name, value in pairs}
        if len(form) != len(pairs):
            raise ProviderError("unparseable", "The form names a field twice.")
        return form
    return Reply(status=200, body=body).json()


def http_error(reply: Reply, message: str = "", provider_code: str = "") -> ProviderError | None:
    """The error an HTTP status alone amounts to; None for 2xx. Adapters look at the body first.

    `message` is the provider's own sentence where it gave one. Statuses from RFC 9110; 404, 405 and 501 on a call
    that the seed document does not know mean "unsupported", which the adapter decides, since it knows its calls.
    """
    status = reply.status
    if 200 <= status < 300:
        return None
    said = f": {message}" if message else ""
    code: ErrorCode
    match status:
        case 401 | 403:
            code, text = "credentials", f"The provider refused the credentials (HTTP {status}){said}"
        case 402:
            code, text = "balance", f"The account has no money left{said}"
        case 404 | 410:
            code, text = "not_found", f"The provider does not know it (HTTP {status}){said}"
        case 405 | 501:
            code, text = "unsupported", f"The provider does not know this call (HTTP {status}){said}"
        case 429:
            code, text = "throttled", f"The provider asks us to slow down{said}"
        case _ if 300 <= status < 400:
            code, text = "refused", f"The provider redirects (HTTP {status}); redirects are never followed"
        case _ if status >= 500:
            code, text = "unreachable", f"The provider has trouble (HTTP {status}){said}"
        case _:
            code, text = "refused", f"The provider refused the request (HTTP {status}){said}"
    wait = retry_after_of(reply.headers) if status in {429, 503} else None
    return ProviderError(code, text[:500], status=status, provider_code=provider_code, retry_after=wait)


def wrong_kind(reply: Reply, payload: Any, fits: bool = True) -> ProviderError | None:
    """The error of a success that answers something else than a call the seed document does not know.

    A server without that call may answer with a web page, or take the call's name for an id: `fits` is false then.
    JSON that broke off on its way is no such sign: it is only unreadable this once.
    """
    if payload is None:
        fits = looks_like_json(reply.body)
    if fits:
        return None
    return ProviderError("unsupported", "The server answers something else than was asked.", status=reply.status)
