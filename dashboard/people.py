"""People: adding them, their roles, their passwords, and shutting them out at once."""

from __future__ import annotations

import secrets
from collections.abc import Collection

from django.contrib.auth.validators import UnicodeUsernameValidator
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.models import User
from dashboard.models.people import ROLES

# No letter that is mistaken for another when a password is read out: 31 ** 16 is 79 bits.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


class NotAllowed(ValueError):
    """A change to people that cannot be made; str(error) is a sentence for a person."""


def new_password() -> str:
    """A password for one sign-in, in four groups of four."""
    return "-".join("".join(secrets.choice(_LETTERS) for _n in range(4)) for _n in range(4))


def add_person(name: str, roles: Collection[str], password: str, *, must_change: bool = True) -> User:
    """A new person. Raises NotAllowed for a name that is taken or cannot be one, and for no or unknown roles."""
    _check_roles(roles)
    try:
        UnicodeUsernameValidator()(name)
    except ValidationError:
        raise NotAllowed(_("A name has letters, digits and @ . + - _ only.")) from None
    if len(name) > 150:
        raise NotAllowed(_("A name has at most 150 characters."))
    person = User(username=User.normalize_username(name), must_change_password=must_change)
    _set_roles(person, roles)
    person.set_password(password)
    try:
        with transaction.atomic():
            if User.objects.filter(username__iexact=person.username).exists():
                raise NotAllowed(_("There is somebody of this name already."))
            person.save()
    except IntegrityError:
        raise NotAllowed(_("There is somebody of this name already.")) from None
    return person


def change_roles(person: User, roles: Collection[str], *, by: User) -> bool:
    """Give the person exactly these roles; False if they had them. Nobody takes the admin role from themselves."""
    _check_roles(roles)
    with transaction.atomic():
        admins = _lock_admins()
        person.refresh_from_db()
        if person.roles == frozenset(roles):
            return False
        if person.admin and "admin" not in roles:
            if person.pk == by.pk:
                raise NotAllowed(_("You cannot take the admin role from yourself; another admin can."))
            _keep_an_admin(admins, person)
        _set_roles(person, roles)
        person.save(update_fields=list(ROLES))
    return True


def set_enabled(person: User, enabled: bool, *, by: User) -> bool:
    """Let the person in or shut them out, at once; False if it was so already."""
    with transaction.atomic():
        admins = _lock_admins()
        person.refresh_from_db()
        if person.is_active == enabled:
            return False
        if not enabled:
            if person.pk == by.pk:
                raise NotAllowed(_("You cannot disable yourself; another admin can."))
            _keep_an_admin(admins, person)
        person.is_active = enabled
        person.save(update_fields=["is_active"])
        end_sessions(person)
    return True


def reset_password(person: User) -> str:
    """A new password for one sign-in; whoever is signed in under the old one is not any more."""
    password = new_password()
    set_password(person, password, must_change=True)
    return password


def set_password(person: User, password: str, *, must_change: bool = False) -> None:
    """Replace the password and end every session of the person."""
    with transaction.atomic():
        person.set_password(password)
        person.must_change_password = must_change
        person.save(update_fields=["password", "must_change_password"])
        end_sessions(person)


def end_sessions(person: User) -> None:
    """Sign the person out everywhere."""
    open_ = Session.objects.filter(expire_date__gt=timezone.now()).iterator(chunk_size=500)
    keys = [session.pk for session in open_ if session.get_decoded().get("_auth_user_id") == str(person.pk)]
    Session.objects.filter(pk__in=keys).delete()


def _check_roles(roles: Collection[str]) -> None:
    if not roles or not set(roles) <= set(ROLES):
        raise NotAllowed(_("A person has at least one of the roles %(roles)s.") % {"roles": ", ".join(ROLES)})


def _set_roles(person: User, roles: Collection[str]) -> None:
    for role in ROLES:
        setattr(person, role, role in roles)


def _lock_admins() -> set[int]:
    """The admins who can sign in, locked: two of them must not end each other's role in the same moment."""
    return set(
        User.objects.select_for_update().filter(admin=True, is_active=True).order_by("pk").values_list("pk", flat=True)
    )


def _keep_an_admin(admins: set[int], person: User) -> None:
    if admins == {person.pk}:
        raise NotAllowed(_("This is the last admin; make another one first."))
