"""The API's own description as a page without scripts: made from the OpenAPI document, so it is never out of date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

MEANING = {
    "400": "not JSON, or a header is missing",
    "401": "no token, or it is unknown or revoked",
    "403": "the token has not this scope",
    "404": "no such thing, or not yours",
    "409": "not now, see the code",
    "413": "more than 5 MB or 1,000 items",
    "415": "not application/json",
    "422": "the request as a whole is wrong",
    "429": "too many calls",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One field or parameter."""

    name: str
    kind: str
    needed: bool
    text: str


@dataclass(frozen=True, slots=True)
class Call:
    method: str
    path: str
    summary: str
    text: str
    parameters: list[Row]
    takes: list[tuple[str, list[Row]]]
    gives: list[tuple[str, list[Row]]]
    refusals: list[tuple[str, str]]


def render_docs(request: HttpRequest, schema: dict[str, Any]) -> HttpResponse:
    return render(request, "api_docs.html", {"calls": calls_of(schema)})


def calls_of(schema: dict[str, Any]) -> list[Call]:
    return [
        _call(schema, method, path, operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]


def _call(schema: dict[str, Any], method: str, path: str, operation: dict[str, Any]) -> Call:
    answers = {str(code): answer for code, answer in operation["responses"].items()}
    good = next(answer for code, answer in answers.items() if code < "300")
    parameters = [
        Row(p["name"], _kind(p["schema"]), p["required"], p.get("description", "")) for p in operation["parameters"]
    ]
    return Call(
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        text=operation.get("description", ""),
        parameters=parameters,
        takes=_tables(schema, operation.get("requestBody")),
        gives=_tables(schema, good),
        refusals=[(code, MEANING.get(code, "")) for code in sorted(answers) if code >= "400"],
    )


def _tables(schema: dict[str, Any], holder: dict[str, Any] | None) -> list[tuple[str, list[Row]]]:
    """The fields of the object and of every object named in it: (name, rows), the outermost first."""
    if not holder or "content" not in holder:
        return []
    tables: dict[str, list[Row]] = {}
    waiting = _names(holder["content"]["application/json"]["schema"])
    while waiting:
        name = waiting.pop(0)
        found = schema["components"]["schemas"][name]
        if name in tables or "properties" not in found:
            continue
        needed = set(found.get("required", ()))
        tables[name] = [
            Row(field, _kind(its), field in needed, its.get("description", ""))
            for field, its in found["properties"].items()
        ]
        waiting += [inner for its in found["properties"].values() for inner in _names(its)]
    return list(tables.items())


def _names(node: Any) -> list[str]:
    """Every schema that this piece of schema refers to."""
    if isinstance(node, list):
        return [name for child in node for name in _names(child)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"].rsplit("/", 1)[-1]] if "$ref" in node else []
    return own + [name for key, child in node.items() if key != "$ref" for name in _names(child)]


def _kind(its: dict[str, Any]) -> str:
    """A type in a few words: "string or null", "list of ItemFault"."""
    if "$ref" in its:
        return str(its["$ref"].rsplit("/", 1)[-1])
    if "anyOf" in its:
        return " or ".join(dict.fromkeys(_kind(option) for option in its["anyOf"]))
    if "allOf" in its:
        return _kind(its["allOf"][0])
    if "enum" in its:
        return " | ".join(map(str, its["enum"]))
    if its.get("type") == "array":
        return f"list of {_kind(its.get('items', {}))}"
    return str(its.get("format") or its.get("type") or "anything")
