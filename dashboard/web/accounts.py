"""Provider accounts: how each is doing (ops and admins), and everything about them (admins)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django import forms
from django.contrib import messages
from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dashboard.accounts import Wrong, save_account
from dashboard.ingest.checks import want_test
from dashboard.models import Account, Message
from dashboard.vault import Unreadable
from dashboard.web import trail
from dashboard.web.access import roles
from dashboard.web.account_forms import AccountForm, CredentialsForm, NewAccountForm, RotateForm
from dashboard.web.audit import audit_url
from dashboard.web.health import Health, health
from dashboard.web.parts import STOP_POLLING, page_or_partial, user_of

NO_WORKER_AFTER = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Row:
    """One account of the list."""

    account: Account
    health: Health
    oldest_due: datetime | None


@roles("ops", "admin")
@require_GET
def accounts(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    rows = [_row(account, now) for account in with_lag(now)]
    return render(request, "accounts.html", {"rows": rows, "now": now})


def with_lag(now: datetime) -> QuerySet[Account]:
    """The accounts, each with the time since when its oldest check has been due."""
    due = Message.objects.filter(account=OuterRef("pk"), next_check_at__lte=now).order_by("next_check_at")
    return Account.objects.annotate(oldest_due=Subquery(due.values("next_check_at")[:1]))


def _row(account: Account, now: datetime) -> Row:
    oldest_due: datetime | None = account.oldest_due  # type: ignore[attr-defined]
    return Row(account, health(account, now, oldest_due), oldest_due)


# ------------------------------------------------------------------------------ one account


@roles("admin")
@require_GET
def account(request: HttpRequest, slug: str) -> HttpResponse:
    """The page of one account; asked by htmx, only the part about the connection test."""
    now = timezone.now()
    found = get_object_or_404(with_lag(now), slug=slug)
    testing = found.test_wanted_at is not None and found.tested_at is None
    context = {
        "row": _row(found, now),
        "account": found,
        "testing": testing,
        "no_worker": testing and now - (found.test_wanted_at or now) > NO_WORKER_AFTER,
        "webhook_url": _webhook_url(found),
        "old_hook_valid": found.old_hook_until is not None and found.old_hook_until > now,
        "rotate": RotateForm(initial={"seen": found.hook_sha256[:12]}),
        "now": now,
        "audit_url": audit_url(subject=f"account {found.slug}"),
        "not_known": sorted(found.without(now)),
    }
    template = page_or_partial(request, "account.html", "test")
    if template == "account.html" or testing:
        return render(request, template, context)
    return render(request, template, context, status=STOP_POLLING)


def _webhook_url(account: Account) -> str:
    """The address that reports go to; "" if it cannot be opened any more."""
    try:
        return account.webhook_url
    except Unreadable:
        return ""


@roles("admin")
@require_http_methods(["GET", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    form = NewAccountForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        made = _save(request, form, given["slug"], "account.added", given)
        if made:
            messages.success(request, _("The account was added. Now give it its credentials."))
            return redirect("account-credentials", made.slug)
    return render(request, "account_form.html", {"form": form})


@roles("admin")
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, slug: str) -> HttpResponse:
    found = get_object_or_404(Account, slug=slug)
    form = AccountForm(request.POST) if request.method == "POST" else AccountForm.of(found)
    if request.method == "POST" and form.is_valid():
        had = bool(found.sealed_credentials)
        saved = _save(request, form, slug, "account.changed", form.cleaned_data, before=found)
        if saved and had and not saved.sealed_credentials:
            messages.warning(request, _("The address has changed, so the credentials were wiped. Give them again."))
            return redirect("account-credentials", slug)
        if saved:
            messages.success(request, _("Saved."))
            return redirect("account", slug)
    return render(request, "account_form.html", {"form": form, "account": found})


def _save(
    request: HttpRequest,
    form: forms.Form,
    slug: str,
    action: str,
    given: dict[str, object],
    before: Account | None = None,
) -> Account | None:
    """Save what the form says and note what has changed; None, and errors on the form, if it cannot be taken."""
    fields = {name: value for name, value in given.items() if name != "slug"}
    noted = [name for name in fields if name != "provider"]
    old = {name: getattr(before, name) for name in noted} if before else {}
    try:
        with transaction.atomic():
            saved = save_account(slug, by=user_of(request).get_username(), **fields)  # type: ignore[arg-type]
            new = {name: getattr(saved, name) for name in noted}
            changed = {name: value for name, value in new.items() if not before or value != old[name]}
            wiped = before is not None and bool(before.sealed_credentials) and not saved.sealed_credentials
            if not before or changed:
                trail.note(
                    request, action, f"account {slug}", changed={name: str(value) for name, value in changed.items()},
                    **({"credentials": "wiped"} if wiped else {}),
                )  # fmt: skip
    except Wrong as error:
        form.add_error(error.field if error.field in form.fields else None, str(error))
        return None
    return saved


# ------------------------------------------------------------------------------ its secrets


@roles("admin")
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def credentials(request: HttpRequest, slug: str) -> HttpResponse:
    """Replace all credentials. What is stored is shown nowhere, not even its last letters."""
    found = get_object_or_404(Account, slug=slug)
    form = CredentialsForm(found.provider.credentials, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                save_account(slug, by=user_of(request).get_username(), credentials=form.cleaned_data)
                trail.note(request, "account.credentials", f"account {slug}", fields=sorted(form.cleaned_data))
        except Wrong as error:
            form.add_error(None, str(error))
        else:
            want_test(found)
            messages.success(request, _("The credentials were replaced; the connection is being tested."))
            return redirect("account", slug)
    return render(request, "account_credentials.html", {"form": form, "account": found})


@roles("admin")
@require_POST
def test_connection(request: HttpRequest, slug: str) -> HttpResponseRedirect:
    found = get_object_or_404(Account, slug=slug)
    want_test(found)
    trail.note(request, "account.tested", f"account {slug}")
    return redirect("account", slug)


@roles("admin")
@require_POST
def rotate(request: HttpRequest, slug: str) -> HttpResponseRedirect:
    """A new webhook address; the one before it stays valid for a week."""
    form = RotateForm(request.POST)
    with transaction.atomic():
        found = get_object_or_404(Account.objects.select_for_update(), slug=slug)
        refusal = _why_not_rotate(form, found)
        if not refusal:
            found.new_hook()
            found.save(update_fields=["hook_sha256", "sealed_hook", "old_hook_sha256", "old_hook_until"])
            trail.note(request, "account.webhook_rotated", f"account {slug}")
    if refusal:
        messages.error(request, refusal)
    else:
        messages.success(request, _("The webhook has a new address. The one before it works for 7 more days."))
    return redirect("account", slug)


def _why_not_rotate(form: RotateForm, account: Account) -> str:
    if not form.is_valid():
        return _("The form could not be read. Nothing was changed.")
    if form.cleaned_data["seen"] != account.hook_sha256[:12]:
        return _("The address has been changed since this page was made. Nothing was changed now.")
    old_valid = account.old_hook_until is not None and account.old_hook_until > timezone.now()
    if old_valid and not form.cleaned_data["end_older"]:
        return _("An older address is still valid; a new one would end it at once. Tick the box if that is meant.")
    return ""
