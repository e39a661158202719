"""The body of a call: JSON by our strict rules, capped, with or without a Content-Length."""

from __future__ import annotations

from typing import Any, TypeVar

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest
from pydantic import BaseModel, ValidationError

from dashboard.api.errors import ApiError, misshapen
from providers.strict_json import strict_json

MOST_BYTES = 5 * 1024 * 1024
DRAINED_BYTES = 3 * MOST_BYTES  # read and thrown away, so that the client hears our answer and not a reset
CHUNK = 64 * 1024

Model = TypeVar("Model", bound=BaseModel)


def read_model(request: HttpRequest, model: type[Model]) -> Model:
    """The body as `model`. Raises ApiError 400, 413, 415 or 422."""
    body = read_json(request)
    if not isinstance(body, dict):
        raise ApiError(422, "invalid", "The body is a JSON object.")
    unknown = sorted(set(body) - set(model.model_fields))
    if unknown:
        misshapen(unknown[0][:100], f"There is no field {unknown[0][:100]!r} here.", "unknown_field")
    return checked(model, body)


def checked(model: type[Model], values: dict[str, Any]) -> Model:
    """The values as `model`. Raises ApiError 422 with the first field that cannot be taken."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        fault = error.errors()[0]
        missing = fault["type"] == "missing"
        misshapen(".".join(map(str, fault["loc"])), fault["msg"] + ".", "missing" if missing else "invalid")


def read_json(request: HttpRequest) -> Any:
    if request.content_type != "application/json":
        raise ApiError(415, "unsupported_media_type", "Send JSON: Content-Type: application/json.")
    body = _read(request)
    try:
        return strict_json(body)
    except ValueError as error:
        raise ApiError(400, "not_json", f"The body is not readable JSON: {error}.") from None


def _read(request: HttpRequest) -> bytes:
    stated = request.headers.get("Content-Length") or ""
    chunked = not stated.isdigit() and isinstance(request, WSGIRequest)
    source = request.environ["wsgi.input"] if chunked and isinstance(request, WSGIRequest) else request
    body = bytearray()
    read = 0
    while read < DRAINED_BYTES and (piece := source.read(CHUNK)):
        read += len(piece)
        if read <= MOST_BYTES:
            body += piece
    if read > MOST_BYTES:
        raise ApiError(413, "too_big", "A body has at most 5 MB; send the rest in another call.")
    return bytes(body)
