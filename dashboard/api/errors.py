"""One shape for everything that can go wrong: `{"error": {"code", "message", "field"?, "retry_after"?}}`."""

from __future__ import annotations

from typing import Any, NoReturn

from django.http import JsonResponse


class ApiError(Exception):
    """An answer that is not a success; `message` is a sentence for the person who reads the program's log."""

    def __init__(
        self, status: int, code: str, message: str, *, field: str = "", retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.field, self.retry_after = field, retry_after


def misshapen(field: str, message: str, code: str = "invalid") -> NoReturn:
    raise ApiError(422, code, message, field=field)


def error_response(error: ApiError) -> JsonResponse:
    """The error as its answer, with the headers that belong to its status."""
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    headers: dict[str, str] = {}
    if error.field:
        body["field"] = error.field
    if error.retry_after is not None:
        body["retry_after"] = error.retry_after
        headers["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="Aftersend"'
    return JsonResponse({"error": body}, status=error.status, headers=headers)
