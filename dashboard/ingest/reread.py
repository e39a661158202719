"""Reading kept evidence again: for reports that waited, and for `rebuild`."""

from __future__ import annotations

from typing import Any

from dashboard.models import Evidence
from providers.base import Ask, Provider, ProviderError, Reply, Report, Request, Target, form_or_json, read


def context_of(target: Target | None) -> dict[str, str]:
    """What a reader has to be told again later."""
    if target is None:
        return {}
    return {"id": target.id or "", "to": target.to, "reference": target.reference, "batch_id": target.batch_id}


def reread(evidence: Evidence) -> list[Report]:
    """The reports in this evidence, read by today's adapter; [] if its body is gone or cannot be read."""
    if evidence.body is None or evidence.call == "retry":  # what a retry answers is not believed
        return []
    provider = evidence.account.provider
    try:
        return _reports(provider, evidence, bytes(evidence.body))
    except ProviderError:
        return []


def _reports(provider: Provider, evidence: Evidence, body: bytes) -> list[Report]:
    asked = asked_of(evidence)
    if evidence.is_item:
        return [read(provider.report, evidence.call, Reply(status=200, body=body).json(), asked)]
    if evidence.call == "webhook":
        items = read(provider.webhook_items, form_or_json(body, str(evidence.headers.get("content-type", ""))))
        return [read(provider.report, "webhook", item) for item in items]
    reply = Reply(status=evidence.http_status or 200, body=body)
    if provider.error(evidence.call, reply) is not None:
        return []
    payload = reply.json()
    ask = Ask(call=evidence.call, request=Request(method="GET", path="/"), targets=(asked,) if asked else ())
    page: Any = read(provider.split, ask, payload)
    return [read(provider.report, evidence.call, item, asked) for item in page.items]


def asked_of(evidence: Evidence) -> Target | None:
    told = evidence.context.get("asked")
    if not told:
        return None
    return Target(id=told["id"] or None, to=told["to"], reference=told["reference"], batch_id=told["batch_id"])
