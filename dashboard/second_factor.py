"""The second factor: a code from the person's phone (TOTP, RFC 6238), or one of ten recovery codes.

A code is good once: the time step of the last one used is kept, and only later ones count. Ten wrong codes within 15
minutes refuse every code for 15 minutes, whichever sessions they came from.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import time
from base64 import b32encode
from enum import Enum

import pyotp
from django.db import transaction

from dashboard import vault
from dashboard.models import User
from dashboard.people import end_sessions

FIELD = "totp"  # what User.sealed_totp says inside; no field of an account is called so
STEP = 30  # seconds
DRIFT = 1  # steps that a phone's clock may be off, either way
MOST_WRONG, WINDOW = 10, 15 * 60
RECOVERY_CODES = 10
_FIELDS = ["sealed_totp", "totp_step", "wrong_codes", "recovery_codes"]

log = logging.getLogger(__name__)


class Answer(Enum):
    """What became of a code."""

    RIGHT = "right"
    WRONG = "wrong"
    REFUSED = "refused"  # too many wrong ones: not even looked at


def new_secret() -> str:
    return pyotp.random_base32()


def address(person: User, secret: str) -> str:
    """What the QR code says: an otpauth:// address that authenticator apps take."""
    return pyotp.TOTP(secret).provisioning_uri(name=person.get_username(), issuer_name="Aftersend")


def refused(person: User) -> bool:
    """Whether no code of this person is taken at the moment."""
    wrong: list[int] = person.wrong_codes
    return len(wrong) >= MOST_WRONG and wrong[-1] - wrong[-MOST_WRONG] < WINDOW and time.time() - wrong[-1] < WINDOW


def set_up(person: User, secret: str, typed: str, *, again: bool = False) -> list[str] | None:
    """Take the secret if the code is of it: the recovery codes, or None. Every session of the person ends.

    A second factor that is there already is replaced only with `again`.
    """
    with transaction.atomic():
        row = _locked(person)
        step = _step_of(secret, typed)
        if step is None or (row.sealed_totp and not again):
            return None
        row.sealed_totp = vault.seal({"secret": secret}, row.pk, FIELD)
        row.totp_step, row.wrong_codes = step, []
        codes = _new_codes(row)
        row.save(update_fields=_FIELDS)
        end_sessions(row)
    return codes


def try_code(person: User, typed: str) -> Answer:
    """Six digits from the phone."""
    with transaction.atomic():
        row = _locked(person)
        if refused(row):
            return Answer.REFUSED
        step = _step_of(_secret(row), typed, after=row.totp_step)
        if step is not None:
            row.totp_step = step
        return _told(row, step is not None)


def try_recovery_code(person: User, typed: str) -> Answer:
    """One of the recovery codes, which is then gone."""
    found = _hash(typed)
    with transaction.atomic():
        row = _locked(person)
        if refused(row):
            return Answer.REFUSED
        left = [code for code in row.recovery_codes if not hmac.compare_digest(code, found)]
        right = bool(row.sealed_totp) and len(left) < len(row.recovery_codes)
        if right:
            row.recovery_codes = left
        return _told(row, right)


def new_recovery_codes(person: User) -> list[str]:
    """Ten new ones; the old ones stop working."""
    with transaction.atomic():
        row = _locked(person)
        codes = _new_codes(row)
        row.save(update_fields=["recovery_codes"])
    return codes


def remove(person: User) -> None:
    """Forget the second factor and end the person's sessions: it is set up anew at the next sign-in."""
    with transaction.atomic():
        row = _locked(person)
        row.sealed_totp, row.totp_step, row.wrong_codes, row.recovery_codes = "", 0, [], []
        row.save(update_fields=_FIELDS)
        end_sessions(row)


def _locked(person: User) -> User:
    return User.objects.select_for_update().get(pk=person.pk)


def _told(row: User, right: bool) -> Answer:
    row.wrong_codes = [] if right else [*row.wrong_codes, int(time.time())][-MOST_WRONG:]
    row.save(update_fields=_FIELDS)
    if right:
        return Answer.RIGHT
    return Answer.REFUSED if refused(row) else Answer.WRONG


def _secret(row: User) -> str:
    """The person's secret; none if it cannot be opened, and then only a recovery code or an admin helps."""
    if not row.sealed_totp:
        return ""
    try:
        return str(vault.open_sealed(row.sealed_totp, row.pk, FIELD)["secret"])
    except vault.Unreadable:
        log.error("The second factor of person %s cannot be opened with CREDENTIAL_KEYS.", row.pk)
        return ""


def _step_of(secret: str, typed: str, *, after: int = 0) -> int | None:
    """The time step whose code was typed: of those around now, and after the last one used."""
    code = "".join(typed.split())
    if not secret or len(code) != 6 or not (code.isascii() and code.isdigit()):
        return None
    totp, now = pyotp.TOTP(secret, interval=STEP), int(time.time()) // STEP
    steps = [step for step in range(now - DRIFT, now + DRIFT + 1) if step > after]
    found = [step for step in steps if hmac.compare_digest(totp.generate_otp(step), code)]
    return found[0] if found else None


def _new_codes(row: User) -> list[str]:
    """Ten codes of 80 random bits, in four groups of four letters. Only their SHA-256 is kept."""
    codes = [b32encode(secrets.token_bytes(10)).decode().lower() for _ in range(RECOVERY_CODES)]
    row.recovery_codes = [_hash(code) for code in codes]
    return ["-".join(code[at : at + 4] for at in range(0, 16, 4)) for code in codes]


def _hash(typed: str) -> str:
    plain = "".join(letter for letter in typed.lower() if letter not in "- \t")
    return hashlib.sha256(plain.encode(errors="replace")).hexdigest()
