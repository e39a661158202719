"""People with an authenticator app, for the tests of the second factor."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pyotp
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from dashboard import second_factor as rules
from dashboard.models import Audit, User
from tests.factory import PASSWORD, person

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
CODE, SET_UP, CODES = "/second-factor/", "/second-factor/set-up/", "/second-factor/codes/"


def with_password(name: str, *, follow: str = "/find/") -> Client:
    """A browser whose person gave the password and nothing else."""
    client = Client()
    answer = client.post("/sign-in/", {"username": name, "password": PASSWORD, "next": follow})
    assert (answer.status_code, answer["Location"]) == (302, follow)
    return client


def ann(clock: Any, *roles: str, name: str = "ann") -> list[str]:
    """Somebody with SECRET on their phone; their recovery codes."""
    codes = rules.set_up(person(*roles or ("support",), name=name), SECRET, now())
    assert codes is not None
    clock.shift(rules.STEP)
    return codes


def now(steps: int = 0, secret: str = SECRET) -> str:
    return pyotp.TOTP(secret).generate_otp(int(time.time()) // rules.STEP + steps)


def inside(client: Client) -> bool:
    answer = client.get("/find/")
    assert answer.status_code in (200, 302)
    return answer.status_code == 200


def secret_on(page: bytes) -> str:
    found = re.search(r'id="secret">([^<]+)<', page.decode())
    assert found
    return found[1]


def codes_on(page: bytes) -> list[str]:
    return re.findall(r'<li class="mono">([^<]+)<', page.decode())


def user(name: str = "ann") -> User:
    return User.objects.get(username=name)


def actions() -> list[str]:
    return list(Audit.objects.order_by("pk").values_list("action", flat=True))


def addresses() -> Iterator[tuple[str, URLPattern]]:
    def of(resolver: URLResolver, prefix: str) -> Iterator[tuple[str, URLPattern]]:
        for entry in resolver.url_patterns:
            where = prefix + str(entry.pattern)
            yield from of(entry, where) if isinstance(entry, URLResolver) else [(where, entry)]

    for where, entry in of(get_resolver(), "/"):
        if getattr(entry.callback, "login_required", True):
            yield re.sub(r"<(\w+):\w+>", lambda found: "1" if found[1] == "int" else "x", where), entry
