"""The second step of signing in, setting it up, and what to do without the phone."""

from __future__ import annotations

from urllib.parse import urlencode

import segno
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _, ngettext
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from dashboard import second_factor as rules, vault
from dashboard.models import User
from dashboard.web import once, trail
from dashboard.web.access import EVERYBODY, roles
from dashboard.web.middleware import CODE_GIVEN, sign_in_url
from dashboard.web.parts import user_of
from dashboard.web.people import WRONG_TRIES, wrong_password
from dashboard.web.sign_in import inside

WRONG_CODES = 5  # in a row, then whoever types is signed out
SHOWN = "recovery codes"  # what dashboard.web.once keeps for the page of the codes
_WRONG, _SECRET, _AGAIN = "wrong_codes", "totp_set_up", "totp_again"  # in the session


@roles(*EVERYBODY)
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def code(request: HttpRequest) -> HttpResponse:
    """Ask for the code."""
    me, page = user_of(request), _next(request)
    if not settings.HTTPS or request.session.get(CODE_GIVEN):
        return redirect(page)
    if rules.refused(me):
        return _refuse(request)
    context = {"next": page, "recovery": "recovery" in request.POST, "wrong": request.method == "POST"}
    if request.method != "POST":
        return render(request, "second_factor.html", context)
    if context["recovery"]:
        answer = rules.try_recovery_code(me, request.POST["recovery"][:100])
    else:
        answer = rules.try_code(me, request.POST.get("code", "")[:100])
    if answer is rules.Answer.RIGHT:
        _given(request)
        if context["recovery"]:
            _tell_what_is_left(request, me)
        return redirect(page)
    if answer is rules.Answer.REFUSED:
        trail.note(request, "person.second_factor_refused", _subject(me), reason="wrong codes")
        return _refuse(request)
    tries = request.session[_WRONG] = request.session.get(_WRONG, 0) + 1
    if tries >= WRONG_CODES:
        trail.note(request, "person.signed_out", _subject(me), reason="wrong codes")
        logout(request)
        return redirect(sign_in_url(page, "codes"))
    return render(request, "second_factor.html", context)


def _refuse(request: HttpRequest) -> HttpResponse:
    logout(request)
    return render(request, "sign_in_locked.html", {"codes": True}, status=429)


def _given(request: HttpRequest) -> None:
    """From here on the session opens pages; nobody who knew its key before knows the new one."""
    for name in (_WRONG, _SECRET, _AGAIN):
        request.session.pop(name, None)
    request.session.cycle_key()
    request.session[CODE_GIVEN] = True


def _tell_what_is_left(request: HttpRequest, me: User) -> None:
    me.refresh_from_db(fields=["recovery_codes"])
    left = len(me.recovery_codes)
    trail.note(request, "person.recovery_code_used", _subject(me), left=left)
    said = ngettext("%(left)s recovery code is left.", "%(left)s recovery codes are left.", left) % {"left": left}
    messages.warning(request, said + " " + _("“Change my password” has new ones, and a new phone."))


@roles(*EVERYBODY)
@sensitive_post_parameters()
@sensitive_variables("secret", "address", "codes_")
@require_http_methods(["GET", "POST"])
def set_up(request: HttpRequest) -> HttpResponse:
    """Show a secret until a code of it is typed; then it is kept and never shown again."""
    me, page = user_of(request), _next(request)
    again = bool(request.session.get(_AGAIN))
    if not settings.HTTPS or (me.sealed_totp and not again):
        return redirect(page)
    secret = _secret_of(request, me)
    if request.method == "POST":
        with transaction.atomic():
            codes_ = rules.set_up(me, secret, request.POST.get("code", "")[:100], again=again)
            if codes_ is not None:
                trail.note(request, "person.second_factor_set_up", _subject(me))
        if codes_ is not None:
            _given(request)
            once.keep(request, SHOWN, me.get_username(), " ".join(codes_))
            return redirect(f"{reverse('second-factor-codes')}?{urlencode({'next': page})}")
    address = rules.address(me, secret)
    context = {
        "next": page,
        "again": again,
        "wrong": request.method == "POST",
        "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        "address": address,
        "qr": segno.make(address, error="m").svg_data_uri(scale=5, border=4, dark="#000", light="#fff"),
    }
    return render(request, "second_factor_set_up.html", context)


def _secret_of(request: HttpRequest, me: User) -> str:
    """The secret this session is setting up: the same after a reload, sealed until it is confirmed."""
    try:
        return str(vault.open_sealed(request.session.get(_SECRET, ""), me.pk, _SECRET)["secret"])
    except vault.Unreadable:
        secret = rules.new_secret()
        request.session[_SECRET] = vault.seal({"secret": secret}, me.pk, _SECRET)
        return secret


@roles(*EVERYBODY)
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def codes(request: HttpRequest) -> HttpResponse:
    """Show new recovery codes, once; a POST with the password makes them."""
    me = user_of(request)
    if request.method == "POST":
        if stopped := _without_password(request):
            return stopped
        with transaction.atomic():
            made = rules.new_recovery_codes(me)
            trail.note(request, "person.recovery_codes_made", _subject(me))
        once.keep(request, SHOWN, me.get_username(), " ".join(made))
        return redirect("second-factor-codes")
    shown = once.take(request, SHOWN)
    if shown is None:
        return redirect("password")
    return render(request, "second_factor_codes.html", {"codes": shown.secret.split(), "next": _next(request)})


@roles(*EVERYBODY)
@sensitive_post_parameters()
@require_POST
def replace(request: HttpRequest) -> HttpResponse:
    """Set up another phone. The old one counts until a code of the new one was typed."""
    if stopped := _without_password(request):
        return stopped
    request.session[_AGAIN] = True
    return redirect("second-factor-set-up")


def _without_password(request: HttpRequest) -> HttpResponseRedirect | None:
    """Where to go instead if there is no second factor to change, or the password is wrong."""
    me = user_of(request)
    if not settings.HTTPS or not me.sealed_totp:
        return redirect("password")
    if me.check_password(request.POST.get("password", "")[:4096]):
        request.session.pop(WRONG_TRIES, None)
        return None
    if ended := wrong_password(request):
        return ended
    messages.error(request, _("This is not your password."))
    return redirect("password")


@roles("admin")
@require_POST
def reset(request: HttpRequest, pk: int) -> HttpResponseRedirect:
    """For somebody without phone and recovery codes. One's own is replaced on one's own page, with the password."""
    found = get_object_or_404(User, pk=pk)
    if found.pk == request.user.pk:
        return redirect("password")
    with transaction.atomic():
        rules.remove(found)
        trail.note(request, "person.second_factor_reset", _subject(found))
    said = _("%(name)s was signed out and sets up a new second factor at the next sign-in.")
    messages.success(request, said % {"name": found.get_username()})
    return redirect("people")


def _next(request: HttpRequest) -> str:
    return inside(request, request.POST.get("next", request.GET.get("next", "")))


def _subject(person: User) -> str:
    return f"person {person.get_username()}"
