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

from collections.abc import Callable
from typing import Literal, ParamSpec, TypeVar

ErrorCode = Literal[
    "credentials", "balance", "throttled", "unreachable", "not_found", "refused", "duplicate", "unsupported",
    "unparseable", "invalid",
]  # fmt: skip

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


T = TypeVar("T")
P = ParamSpec("P")


def read(parse: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The one net under all readers: whatever a strange payload breaks becomes ProviderError("unparseable")."""
    try:
        return parse(*args, **kwargs)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ProviderError("unparseable", f"The answer cannot be read ({type(error).__name__}).") from error
