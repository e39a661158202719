"""A secret that is shown once: it waits, sealed, in the session of whoever made it, until the next page shows it."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest

from dashboard import vault

_KEY = "shown_once"


@dataclass(frozen=True, slots=True)
class Shown:
    """A secret and whose it is."""

    owner: str
    secret: str


def keep(request: HttpRequest, what: str, owner: str, secret: str) -> None:
    """Keep the secret for the page that shows `what` next."""
    request.session[_KEY] = vault.seal({"what": what, "owner": owner, "secret": secret}, request.user.pk or 0, _KEY)


def take(request: HttpRequest, what: str) -> Shown | None:
    """The secret waiting for this page, which is then forgotten."""
    if _KEY not in request.session:
        return None
    try:
        found = vault.open_sealed(request.session[_KEY], request.user.pk or 0, _KEY)
    except vault.Unreadable:
        found = {"what": what}
    if found["what"] != what:
        return None
    del request.session[_KEY]
    return Shown(found["owner"], found["secret"]) if "secret" in found else None
