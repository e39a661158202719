"""What can go wrong with a provider, each with one name.

Everything that can go wrong has one of these codes (`ProviderError.code`):

    credentials   the account's key is wrong, blocked or not allowed to do this: the whole account waits
    balance       the account has no money: the whole account's sends wait
    throttled     too many requests: the whole account waits at least `retry_after` seconds
    unreachable   no usable answer (DNS, refused, TLS, timeout, 5xx)
    not_found     the provider knows no such message (or task, batch, order)
    refused       the provider read the request and said no
    duplicate     the provider has already seen our own reference
    unsupported   this server does not know the call: ask by the seed document's call instead
    unparseable   an answer arrived and cannot be read
    invalid       we refuse to make the request at all; nothing went on the wire
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, ParamSpec, TypeVar

from providers.fields import is_control, sentence_of

ErrorCode = Literal[
    "credentials", "balance", "throttled", "unreachable", "not_found", "refused", "duplicate", "unsupported",
    "unparseable", "invalid",
]  # fmt: skip

# What an HTTP status alone amounts to; a provider's own code (no balance, bad key) says more.
_OF_STATUS: frozenset[str] = frozenset({"not_found", "refused", "unsupported", "unparseable"})
RETRYABLE: frozenset[str] = frozenset({"throttled", "unreachable"})


class ProviderError(Exception):
    """One named thing that went wrong; `str(error)` is a sentence for a person and never holds a secret.

    `provider_code` is the provider's own code ("25", "insufficient_balance"), `status` the HTTP status if there was
    a reply, `retry_after` seconds if the provider named them. `written` says whether bytes of our request may have
    reached the provider: for a send that decides between "not sent" and "we cannot tell".
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        status: int | None = None,
        provider_code: str = "",
        retry_after: float | None = None,
        written: bool = True,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.message = message
        self.status = status
        self.provider_code = provider_code
        self.retry_after = retry_after
        self.written = written
        self.retryable = code in RETRYABLE if retryable is None else retryable

    def named(self, code: ErrorCode) -> ProviderError:
        """The same error under another name: what is wrong may depend on the call that met it."""
        return ProviderError(
            code,
            self.message,
            status=self.status,
            provider_code=self.provider_code,
            retry_after=self.retry_after,
            written=self.written,
        )


def require(fine: bool, sentence: str) -> None:
    """Refuse to make a request that the provider would refuse: `sentence` says what it takes."""
    if not fine:
        raise ProviderError("invalid", sentence, written=False)


def needed(credentials: Mapping[str, str], name: str) -> str:
    """A credential that an account cannot be without. The error names the field, never what is in it."""
    value = credentials.get(name, "").strip()
    if not value or not value.isascii() or any(is_control(c) for c in value):
        problem = "cannot be put into a header" if value else "is missing"
        raise ProviderError("credentials", f"The credential {name} {problem}.", written=False)
    return value


_NO_SUCH_CALL = frozenset({404, 405, 501})
_NOT_SERVED = _NO_SUCH_CALL | {400, 410, 414, 422}


def for_call(error: ProviderError, *, own: bool, reads: bool) -> ProviderError:
    """The same error as it is meant by this call: `own` is the seed's only way to ask, `reads` another way to ask.

    A server that knows only the seed's calls may also take another way to ask for a bad request; asked by the seed's
    call it will say what is really wrong. The seed's own call is never "unsupported": there is nothing else to try.
    """
    if own and error.code == "unsupported":
        error.code, error.retryable = "unreachable", True
    elif not own and error.status in (_NOT_SERVED if reads else _NO_SUCH_CALL) and error.code in _OF_STATUS:
        error.code = "unsupported"
    return error


def complaint_of(payload: Any, *places: str) -> tuple[str, str]:
    """(code, sentence) of an error body, out of the fields in which this provider puts them.

    Each field may hold a sentence, an object with a `code` and a `message`, or a list of objections: the web
    frameworks behind the providers write all of these, whatever the documents say.
    """
    if not isinstance(payload, dict):
        return "", ""
    stated = [part for place in places if (part := payload.get(place))]
    if not stated:
        return "", ""
    codes = [sentence_of(part.get("code")) for part in stated if isinstance(part, dict)]
    said = dict.fromkeys(said for part in stated for said in _sentences(part) if said)
    return next(filter(None, codes), ""), sentence_of("; ".join(said))


def _sentences(part: Any) -> list[str]:
    """A sentence itself; that of an object, with the place it objects to; those of a list, or of an object of lists."""
    if isinstance(part, list):
        return [said for one in part[:5] for said in _sentences(one)]
    if not isinstance(part, dict):
        return [sentence_of(part)]
    said, place = sentence_of(part.get("message") or part.get("msg")), part.get("loc")
    if said:
        return [f"{'.'.join(map(str, place))}: {said}" if isinstance(place, list) else said]
    return [said for listed in part.values() if isinstance(listed, list) for said in _sentences(listed)]


_NO_MONEY = re.compile(r"(insufficient|not enough|no)[ _](balance|funds|money|credits?|units)", re.IGNORECASE)


def no_money(*said: str) -> bool:
    """Whether a code or a sentence says that the account has no money left: not every provider has a code for it."""
    return any(_NO_MONEY.search(text) for text in said)


T = TypeVar("T")
P = ParamSpec("P")


def tried(parse: Callable[[], T]) -> tuple[T | None, ProviderError | None]:
    """What a reader reads, or the error it raises."""
    try:
        return parse(), None
    except ProviderError as error:
        return None, error


def read(parse: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The one net under all readers: whatever a strange payload breaks becomes ProviderError("unparseable")."""
    try:
        return parse(*args, **kwargs)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ProviderError("unparseable", f"The answer cannot be read ({type(error).__name__}).") from error
