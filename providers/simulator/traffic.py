"""What a demo sends: each provider's documented request for one text to many numbers, and believable numbers.

The numbers belong to nobody: they are made up, and they only ever reach the simulator.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from providers.base import Request

# Country code and subscriber digits before the last two, which choose the fate (see the package's docstring).
PREFIXES = {
    "bridgexapi": ("316", 6),
    "bsg": ("38097", 5),
    "roycetalk": ("25471", 5),
    "smsbat": ("38067", 5),
    "esms_africa": ("25677", 5),
}


def number(provider: str, chance: random.Random, fate: int | None = None) -> str:
    """E.164 digits; the last two are `fate` where it is given."""
    prefix, width = PREFIXES[provider]
    last = chance.randrange(100) if fate is None else fate
    return f"{prefix}{chance.randrange(10**width):0{width}d}{last:02d}"


def bulk(provider: str, numbers: Sequence[str], text: str, sender: str, callback_url: str) -> Request:
    """The documented request that sends one text to all `numbers` (E.164 digits)."""
    method, path, body = _BULK[provider](list(numbers), text, sender, callback_url)
    return Request(method=method, path=path, json=body)


def _bridgexapi(numbers: list[str], text: str, sender: str, _: str) -> tuple[Any, str, Any]:
    return "POST", "/api/v1/send_sms", {"route_id": 1, "caller_id": sender, "numbers": numbers, "message": text}


def _bsg(numbers: list[str], text: str, sender: str, callback_url: str) -> tuple[Any, str, Any]:
    phones = [{"msisdn": n, "reference": f"d{random.getrandbits(60):x}"} for n in numbers]  # noqa: S311 - not a secret
    body = {"destination": "phones", "originator": sender, "body": text, "phones": phones, "validity": 72}
    return "POST", "/rest/sms/create", body | ({"callback_url": callback_url} if callback_url else {})


def _roycetalk(numbers: list[str], text: str, sender: str, callback_url: str) -> tuple[Any, str, Any]:
    body = {"phone_number": [f"+{n}" for n in numbers], "text_message": text, "sender_id": sender}
    return "POST", "/api/v1/sms-api/send-bulk/", body | ({"callback_url": callback_url} if callback_url else {})


def _smsbat(numbers: list[str], text: str, sender: str, _: str) -> tuple[Any, str, Any]:
    messages = [
        {"from": sender, "to": f"+{n}", "type": "sms", "text": text, "customerMessageId": f"d{i}"}
        for i, n in enumerate(numbers)
    ]
    return "POST", "/bat/messagelist", {"messages": messages}


def _esms_africa(numbers: list[str], text: str, sender: str, _: str) -> tuple[Any, str, Any]:
    recipients = [{"to": f"+{n}"} for n in numbers]
    body = {"recipients": recipients, "text": text, "sender_id": sender, "schedule_mode": "now"}
    return "POST", "/api/messages/send-bulk", body


_BULK = {
    "bridgexapi": _bridgexapi,
    "bsg": _bsg,
    "roycetalk": _roycetalk,
    "smsbat": _smsbat,
    "esms_africa": _esms_africa,
}
