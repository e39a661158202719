"""The HTTP API for programs: one shape for every error, no cookie, no CSRF, no traceback."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, InterfaceError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, include, path, re_path
from django.urls.resolvers import URLResolver
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.openapi.schema import REF_TEMPLATE, OpenAPISchema
from pydantic.json_schema import models_json_schema

from dashboard.api import batches, messages, retries, sends
from dashboard.api.docs import render_docs
from dashboard.api.errors import ApiError, error_response
from dashboard.api.schemas import MessageSearch, RetryIn, SendsIn
from dashboard.ingest.incoming import IncomingSend

log = logging.getLogger(__name__)
PREFIX = "api/v1/"
INPUTS = (SendsIn, IncomingSend, MessageSearch, RetryIn)


class Api(NinjaAPI):
    """Our bodies are read by our own strict parser, so their schemas are added to the document by hand."""

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        schema = super().get_openapi_schema(path_prefix=PREFIX, path_params=path_params)
        _, inputs = models_json_schema([(model, "validation") for model in INPUTS], ref_template=REF_TEMPLATE)
        found = inputs["$defs"]
        given = found["SendsIn"]["properties"]["messages"]
        given |= {"type": "array", "maxItems": sends.MOST_ITEMS, "items": {"$ref": "#/components/schemas/IncomingSend"}}
        given.pop("anyOf", None)
        schema["components"]["schemas"] |= found
        return schema


api = Api(
    title="Aftersend",
    version="1",
    urls_namespace="api",
    docs_url=None,
    description="What happened to each SMS after the provider said success.",
)
for part in (sends, messages, retries, batches):
    api.add_router("", part.router)


# ------------------------------------------------------------------------------ errors


def _answered(request: HttpRequest, error: Exception | type[Exception]) -> HttpResponse:
    """The answer to anything that an operation raises."""
    match error:
        case ApiError():
            return error_response(error)
        case ValidationError():
            fault = error.errors[0]
            field = str(fault["loc"][-1])
            return error_response(ApiError(422, "invalid", f"{fault['msg']}.", field=field))
        case Http404():
            return error_response(ApiError(404, "not_found", "There is no such thing."))
        case HttpError():
            return error_response(ApiError(error.status_code, "refused", error.message))
        case DatabaseError() | InterfaceError():
            log.error("The API could not use the database: %s", type(error).__name__)
            return error_response(ApiError(503, "unavailable", "Not done; try again.", retry_after=5))
    log.error("The API failed", exc_info=error if isinstance(error, Exception) else None)
    return error_response(ApiError(500, "internal", "Something is wrong here; nothing more can be said to a program."))


for kind in (ApiError, ValidationError, HttpError, Http404, Exception):
    api.add_exception_handler(kind, _answered)


def unknown(request: HttpRequest) -> JsonResponse:
    return error_response(ApiError(404, "not_found", "There is no such address; see /api/v1/docs."))


# ------------------------------------------------------------------------------ addresses


def guarded(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A view for programs: its token is all the signing in there is, and whatever happens has our shape."""

    @csrf_exempt
    @login_not_required
    @wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            response = view(request, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the last net
            return _answered(request, error)
        if response.status_code == 405:
            refusal = error_response(ApiError(405, "method_not_allowed", "This address takes another method."))
            refusal["Allow"] = response.get("Allow", "")
            return refusal
        return response

    return inner


def _patterns() -> list[URLPattern | URLResolver]:
    found: list[URLPattern | URLResolver] = []
    for pattern in api.urls[0]:
        if isinstance(pattern, URLPattern) and pattern.name != "api-root":
            pattern.callback = guarded(pattern.callback)
            found.append(pattern)
    return found


def docs(request: HttpRequest) -> HttpResponse:
    return render_docs(request, api.get_openapi_schema())


urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/docs", guarded(docs), name="api-docs"),
    path("v1/", include((_patterns(), "api"))),
    re_path(r"", guarded(unknown)),
]
