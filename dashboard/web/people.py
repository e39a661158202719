"""People and their roles, and one's own password."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout, update_session_auth_hash
from django.contrib.auth.password_validation import password_validators_help_texts, validate_password
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _, gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dashboard import people as rules
from dashboard.models import User
from dashboard.web import once, trail
from dashboard.web.access import EVERYBODY, roles
from dashboard.web.audit import audit_url
from dashboard.web.forms import Form
from dashboard.web.parts import user_of

ROLE_LABELS = {
    "support": gettext_lazy("Support: find a number, explain a message, send one again"),
    "ops": gettext_lazy("Operations: lists, exports, attention, sending many again"),
    "admin": gettext_lazy("Admin: accounts, people, audit, settings"),
}
SHOWN = "password"  # what dashboard.web.once keeps for this page
WRONG_PASSWORDS = 5  # then whoever types is signed out: it may not be the person
WRONG_TRIES = "wrong_passwords"  # in the session


class RolesField(forms.MultipleChoiceField):
    """At least one of the three roles."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            choices=list(ROLE_LABELS.items()),
            widget=forms.CheckboxSelectMultiple,
            label=gettext_lazy("Roles"),
            **options,
        )


class PersonForm(Form):
    """A new person."""

    name = forms.CharField(
        max_length=150, label=gettext_lazy("Name"),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )  # fmt: skip
    roles = RolesField()


class RolesForm(Form):
    """The roles of somebody there is."""

    roles = RolesField()


@roles("admin")
@require_GET
def people(request: HttpRequest) -> HttpResponse:
    return _list(request, PersonForm())


@roles("admin")
@require_POST
def add(request: HttpRequest) -> HttpResponse:
    form = PersonForm(request.POST)
    if form.is_valid():
        password = rules.new_password()
        try:
            with transaction.atomic():
                made = rules.add_person(form.cleaned_data["name"], form.cleaned_data["roles"], password)
                trail.note(request, "person.added", _subject(made), roles=sorted(made.roles))
        except rules.NotAllowed as error:
            form.add_error("name", str(error))
        else:
            once.keep(request, SHOWN, made.get_username(), password)
            return redirect("people")
    return _list(request, form)


def _list(request: HttpRequest, form: PersonForm) -> HttpResponse:
    everybody = User.objects.order_by("-is_active", "username")
    context = {"people": everybody, "form": form, "shown": once.take(request, SHOWN), "role_labels": ROLE_LABELS}
    return render(request, "people.html", context)


@roles("admin")
@require_http_methods(["GET", "POST"])
def person(request: HttpRequest, pk: int) -> HttpResponse:
    """One person: changing roles here; the other changes are buttons."""
    found = get_object_or_404(User, pk=pk)
    form = RolesForm(request.POST if request.method == "POST" else None, initial={"roles": sorted(found.roles)})
    if request.method == "POST" and form.is_valid():
        before = sorted(found.roles)
        try:
            with transaction.atomic():
                if rules.change_roles(found, form.cleaned_data["roles"], by=user_of(request)):
                    trail.note(request, "person.roles", _subject(found), before=before, now=sorted(found.roles))
        except rules.NotAllowed as error:
            form.add_error("roles", str(error))
        else:
            messages.success(request, _("Saved."))
            return redirect("people")
    context = {
        "person": found,
        "form": form,
        "audit_url": audit_url(actor=found.get_username()),
        "https": settings.HTTPS,
    }
    return render(request, "person.html", context)


@roles("admin")
@require_POST
def enable(request: HttpRequest, pk: int) -> HttpResponseRedirect:
    return _enabled(request, pk, True)


@roles("admin")
@require_POST
def disable(request: HttpRequest, pk: int) -> HttpResponseRedirect:
    return _enabled(request, pk, False)


def _enabled(request: HttpRequest, pk: int, enabled: bool) -> HttpResponseRedirect:
    found = get_object_or_404(User, pk=pk)
    try:
        with transaction.atomic():
            if rules.set_enabled(found, enabled, by=user_of(request)):
                trail.note(request, "person.enabled" if enabled else "person.disabled", _subject(found))
    except rules.NotAllowed as error:
        messages.error(request, str(error))
    else:
        said = _("%(name)s can sign in again.") if enabled else _("%(name)s cannot sign in and was signed out.")
        messages.success(request, said % {"name": found.get_username()})
    return redirect("people")


@roles("admin")
@require_POST
def reset(request: HttpRequest, pk: int) -> HttpResponseRedirect:
    """A new password for one sign-in. One's own is changed on its own page, with the old one."""
    found = get_object_or_404(User, pk=pk)
    if found.pk == request.user.pk:
        return redirect("password")
    with transaction.atomic():
        password = rules.reset_password(found)
        trail.note(request, "person.password_reset", _subject(found))
    once.keep(request, SHOWN, found.get_username(), password)
    return redirect("people")


def _subject(person: User) -> str:
    return f"person {person.get_username()}"


# ------------------------------------------------------------------------------ one's own password


class PasswordForm(Form):
    """The old password, and the new one twice."""

    old = forms.CharField(
        strip=False, max_length=4096, label=gettext_lazy("Password now"),
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )  # fmt: skip
    new = forms.CharField(
        strip=False, max_length=4096, label=gettext_lazy("New password"),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )  # fmt: skip
    again = forms.CharField(
        strip=False, max_length=4096, label=gettext_lazy("New password again"),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )  # fmt: skip

    def __init__(self, person: User, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.person = person
        self.wrong = False  # the old password was not right

    def clean_old(self) -> str:
        old: str = self.cleaned_data["old"]
        if not self.person.check_password(old):
            self.wrong = True
            raise forms.ValidationError(_("This is not your password."))
        return old

    def clean_new(self) -> str:
        new: str = self.cleaned_data["new"]
        validate_password(new, self.person)
        if self.person.check_password(new):
            raise forms.ValidationError(_("This is the password you have now; choose another."))
        return new

    def clean_again(self) -> str:
        again: str = self.cleaned_data["again"]
        if "new" in self.cleaned_data and again != self.cleaned_data["new"]:
            raise forms.ValidationError(_("The two new passwords differ."))
        return again


@roles(*EVERYBODY)
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    """Change one's own password; every other session of the person ends."""
    me = user_of(request)
    form = PasswordForm(me, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            rules.set_password(me, form.cleaned_data["new"])
            trail.note(request, "person.password_changed", _subject(me))
        update_session_auth_hash(request, me)
        request.session.pop(WRONG_TRIES, None)
        messages.success(request, _("Your password is changed. You are signed out everywhere else."))
        return redirect("home")
    if form.wrong and (ended := wrong_password(request)):
        return ended
    context = {
        "form": form,
        "must": me.must_change_password,
        "rules": password_validators_help_texts(),
        "second_factor": settings.HTTPS and bool(me.sealed_totp),
        "codes_left": len(me.recovery_codes),
    }
    return render(request, "password.html", context)


def wrong_password(request: HttpRequest) -> HttpResponseRedirect | None:
    """Count a wrong password of somebody signed in; after five they are signed out."""
    tries = request.session[WRONG_TRIES] = request.session.get(WRONG_TRIES, 0) + 1
    if tries < WRONG_PASSWORDS:
        return None
    trail.note(request, "person.signed_out", _subject(user_of(request)), reason="wrong passwords")
    logout(request)
    return redirect("sign-in")
