"""Account screens: health without secrets for ops, everything but the secrets for admins."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dashboard.models import Account, Audit, Message
from dashboard.web.health import health
from providers import PROVIDERS
from tests.factory import account, sends, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]

CANARY = "canary-9f8e7d6c5b4a"
PUBLIC = "https://8.8.8.8"  # an address of the internet: no name is looked up


@pytest.fixture
def admin(db: None) -> Client:
    return signed_in("admin", name="ada")


@pytest.fixture
def bsg(db: None) -> Account:
    made = account("bsg", label="BSG Kenya")
    made.set_credentials({"api_key": CANARY}, "ada")
    made.save()
    return made


def fields(**changes: str) -> dict[str, str]:
    given = {"label": "", "base_url": "", "time_zone": "UTC", "rate": "10", "currency": "", "enabled": "on"}
    return {**given, "resend_cap": "10000", "spend_cap": "", **changes}


# ------------------------------------------------------------------------------ secrets


def test_no_page_ever_holds_a_credential(admin: Client, bsg: Account) -> None:
    token = bsg.webhook_url.split("/")[-2]
    pages = ["", "bsg/", "bsg/edit/", "bsg/credentials/"]
    found = [admin.get(f"/accounts/{page}") for page in pages]
    found.append(admin.post("/accounts/bsg/credentials/", {"api_key": CANARY + "\x07"}))  # refused: not given back
    found.append(admin.post("/accounts/bsg/credentials/", {"api_key": CANARY, "nonsense": CANARY}, follow=True))
    found.append(admin.post("/accounts/bsg/edit/", fields(rate="0"), follow=True))
    found.append(admin.get("/audit/"))
    for response in found:
        assert CANARY.encode() not in response.content
        assert CANARY[-4:].encode() not in response.content
    for page in ("", "bsg/edit/", "bsg/credentials/"):
        assert token.encode() not in admin.get(f"/accounts/{page}").content
    assert token.encode() in admin.get("/accounts/bsg/").content
    assert token.encode() not in signed_in("ops").get("/accounts/").content


def test_the_audit_names_the_fields_and_never_their_values(admin: Client, bsg: Account) -> None:
    admin.post("/accounts/bsg/credentials/", {"api_key": CANARY})
    admin.post("/accounts/bsg/rotate/", {"seen": bsg.hook_sha256[:12]})
    admin.post("/accounts/bsg/test/")
    rows = list(Audit.objects.order_by("pk").values_list("action", "subject", "actor_name"))
    assert rows == [(f"account.{what}", "account bsg", "ada") for what in ("credentials", "webhook_rotated", "tested")]
    assert CANARY not in json.dumps(list(Audit.objects.values_list("details", flat=True)))


# ------------------------------------------------------------------------------ adding and changing


def test_an_admin_adds_an_account_and_gives_its_credentials(admin: Client) -> None:
    response = admin.post("/accounts/~add/", fields(slug="new-one", provider="bsg", rate="", currency="kes"))
    assert response.headers["Location"] == "/accounts/new-one/credentials/"
    response = admin.post("/accounts/new-one/credentials/", {"api_key": f" {CANARY}\n"}, follow=True)
    assert response.redirect_chain == [("/accounts/new-one/", 302)]
    made = Account.objects.get(slug="new-one")
    assert (made.credentials, made.credentials_set_by) == ({"api_key": CANARY}, "ada")
    assert (made.rate, made.currency) == (PROVIDERS["bsg"].rate, "KES")
    assert made.test_wanted_at is not None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("slug", ""), ("slug", "with space"), ("slug", "a/b"), ("slug", "bsg"), ("slug", "x" * 51),
        ("provider", "nobody"), ("provider", ""), ("rate", "0"), ("rate", "-1"), ("rate", "nan"), ("rate", "inf"),
        ("rate", "1001"), ("rate", "fast"), ("time_zone", "Mars/Olympus"), ("currency", "€"), ("currency", "E1"),
        ("currency", "X" * 9), ("base_url", "ftp://example.org"), ("base_url", "not a url"), ("base_url", "https://"),
        ("base_url", "x" * 501), ("label", "x" * 101), ("label", "\0"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_and_nothing_is_made(admin: Client, bsg: Account, name: str, value: str) -> None:
    given = fields(slug="new-one", provider="bsg") | {name: value}
    response = admin.post("/accounts/~add/", given)
    assert response.status_code == 200
    assert name in response.context["form"].errors
    assert not Account.objects.filter(slug="new-one").exists()
    assert not Audit.objects.exists()


def test_a_private_address_is_refused_where_it_is_not_allowed(admin: Client, bsg: Account, settings: object) -> None:
    settings.ALLOW_PRIVATE_PROVIDER_URLS = False  # type: ignore[attr-defined]
    for url in ("https://127.0.0.1", "http://8.8.8.8", "https://169.254.169.254/latest"):
        response = admin.post("/accounts/bsg/edit/", fields(base_url=url))
        assert "base_url" in response.context["form"].errors


def test_a_changed_address_wipes_the_credentials_and_says_so(admin: Client, bsg: Account) -> None:
    assert b"wipes the stored credentials" in admin.get("/accounts/bsg/edit/").content
    response = admin.post("/accounts/bsg/edit/", fields(base_url=PUBLIC), follow=True)
    assert response.redirect_chain == [("/accounts/bsg/credentials/", 302)]
    assert b"credentials were wiped" in response.content
    bsg.refresh_from_db()
    assert (bsg.base_url, bsg.sealed_credentials, bsg.credentials) == (PUBLIC, "", {})
    assert Audit.objects.get().details["credentials"] == "wiped"


def test_other_changes_keep_the_credentials_and_the_slug(admin: Client, bsg: Account) -> None:
    response = admin.post("/accounts/bsg/edit/", fields(label="New", rate="2.5", enabled="", slug="other"))
    assert response.headers["Location"] == "/accounts/bsg/"
    bsg.refresh_from_db()
    assert (bsg.slug, bsg.label, bsg.rate, bsg.enabled) == ("bsg", "New", 2.5, False)
    assert bsg.credentials == {"api_key": CANARY}
    assert Audit.objects.get().details == {"changed": {"label": "New", "rate": "2.5", "enabled": "False"}}


def test_saving_without_a_change_leaves_no_trace(admin: Client, bsg: Account) -> None:
    admin.post("/accounts/bsg/edit/", fields(label="BSG Kenya"))
    assert not Audit.objects.exists()


def test_the_limits_of_sending_again_are_set_and_shown(admin: Client, bsg: Account) -> None:
    given = fields(currency="EUR", resend_cap="50", spend_cap="2.5")
    assert admin.post("/accounts/bsg/edit/", given).status_code == 302
    bsg.refresh_from_db()
    assert (bsg.resend_cap, bsg.spend_cap) == (50, Decimal("2.5"))
    page = admin.get("/accounts/bsg/").content.decode()
    assert "at most 50 texts" in page
    assert "2.50 EUR" in page
    assert 'name="spend_cap" value="2.5"' in admin.get("/accounts/bsg/edit/").content.decode()
    changed = Audit.objects.latest("pk").details["changed"]
    assert (changed["resend_cap"], changed["spend_cap"]) == ("50", "2.5")
    assert admin.post("/accounts/bsg/edit/", given | {"spend_cap": ""}).status_code == 302
    bsg.refresh_from_db()
    assert bsg.spend_cap is None


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"spend_cap": "5", "currency": ""}, "needs the account&#x27;s currency"),
        ({"spend_cap": "-1", "currency": "EUR"}, "greater than or equal to 0"),
        ({"resend_cap": ""}, "required"),
        ({"resend_cap": "-1"}, "greater than or equal to 0"),
    ],
)
def test_a_limit_that_cannot_be_kept_is_refused(admin: Client, bsg: Account, given: dict[str, str], says: str) -> None:
    response = admin.post("/accounts/bsg/edit/", fields(**given))
    assert says in response.content.decode()
    bsg.refresh_from_db()
    assert (bsg.resend_cap, bsg.spend_cap) == (10_000, None)


@pytest.mark.parametrize(
    "given", [{}, {"api_key": ""}, {"api_key": "  "}, {"api_key": "x" * 2001}, {"api_key": "a\tb"}]
)
def test_credentials_that_cannot_be_are_refused_and_the_old_ones_stay(
    admin: Client, bsg: Account, given: dict[str, str]
) -> None:
    response = admin.post("/accounts/bsg/credentials/", given)
    assert response.status_code == 200
    assert response.context["form"].errors
    bsg.refresh_from_db()
    assert bsg.credentials == {"api_key": CANARY}


def test_credentials_can_be_given_again_after_a_key_was_lost(admin: Client, bsg: Account) -> None:
    Account.objects.update(sealed_credentials="gAAAAAnonsense", sealed_hook="gAAAAAnonsense")
    page = admin.get("/accounts/bsg/")
    assert b"cannot be opened" in page.content
    assert admin.post("/accounts/bsg/credentials/", {"api_key": "new"}).status_code == 302
    assert admin.post("/accounts/bsg/rotate/", {"seen": bsg.hook_sha256[:12]}).status_code == 302
    bsg.refresh_from_db()
    assert bsg.credentials == {"api_key": "new"}
    assert bsg.webhook_url.startswith(settings.PUBLIC_URL)


# ------------------------------------------------------------------------------ connection test


def test_the_page_follows_the_connection_test_until_it_is_done(admin: Client, bsg: Account) -> None:
    htmx = {"HX-Request": "true"}
    assert admin.post("/accounts/bsg/test/").headers["Location"] == "/accounts/bsg/"
    page = admin.get("/accounts/bsg/").content.decode()
    assert "data-live" in page
    assert "waiting for the worker" in page
    part = admin.get("/accounts/bsg/?live=1", headers=htmx)
    assert part.status_code == 200
    assert part.content.lstrip().startswith(b"<section")
    Account.objects.update(test_wanted_at=timezone.now() - timedelta(minutes=1))
    assert b"Is one running?" in admin.get("/accounts/bsg/?live=1", headers=htmx).content
    Account.objects.update(tested_at=timezone.now(), test_ok=False, test_result="The provider refused the <key>.")
    part = admin.get("/accounts/bsg/?live=1", headers=htmx)
    assert part.status_code == 286
    assert b"It failed" in part.content
    assert b"refused the &lt;key&gt;." in part.content
    assert b"data-live" not in admin.get("/accounts/bsg/").content


# ------------------------------------------------------------------------------ the webhook's address


def test_a_new_address_leaves_the_old_one_valid_for_a_week(admin: Client, bsg: Account) -> None:
    old = bsg.hook_sha256
    admin.post("/accounts/bsg/rotate/", {"seen": old[:12]})
    bsg.refresh_from_db()
    assert bsg.hook_sha256 != old
    assert bsg.old_hook_sha256 == old
    assert bsg.old_hook_until
    assert timedelta(days=6, hours=23) < bsg.old_hook_until - timezone.now() <= timedelta(days=7)


def test_a_second_click_or_an_old_page_makes_no_third_address(admin: Client, bsg: Account) -> None:
    seen = bsg.hook_sha256[:12]
    admin.post("/accounts/bsg/rotate/", {"seen": seen})
    bsg.refresh_from_db()
    now = bsg.hook_sha256
    for given in ({"seen": seen}, {}, {"seen": now[:12]}, {"seen": "x" * 99}):
        response = admin.post("/accounts/bsg/rotate/", given, follow=True)
        assert b"alert-danger" in response.content
    bsg.refresh_from_db()
    assert bsg.hook_sha256 == now
    admin.post("/accounts/bsg/rotate/", {"seen": now[:12], "end_older": "on"})
    bsg.refresh_from_db()
    assert bsg.old_hook_sha256 == now


# ------------------------------------------------------------------------------ health


def test_health_says_the_most_important_thing(bsg: Account) -> None:
    now, minute = timezone.now(), timedelta(minutes=1)

    def level(**changes: object) -> str:
        for name, value in changes.items():
            setattr(bsg, name, value)
        return health(bsg, now, None).level

    assert level() == "warn"  # never asked
    assert level(last_success_at=now) == "ok"
    assert health(bsg, now, now - 5 * minute).level == "warn"
    assert "5 min" in health(bsg, now, now - 5 * minute).sentence
    assert health(bsg, now, now - minute).level == "ok"
    assert level(last_error_at=now - minute) == "ok"
    assert level(last_error_at=now + minute) == "bad"
    assert level(paused_until=now + minute, pause_reason="throttled") == "warn"
    assert level(pause_reason="credentials") == "bad"
    assert level(paused_until=now - minute, last_error_at=None) == "ok"
    assert level(sealed_credentials="") == "bad"
    assert level(enabled=False) == "off"


def test_ops_see_health_and_no_way_to_change_anything(bsg: Account) -> None:
    Account.objects.update(last_error="Timeout <b>", last_error_at=timezone.now())
    page = signed_in("ops").get("/accounts/").content.decode()
    assert "BSG Kenya" in page
    assert "Timeout &lt;b&gt;" in page
    assert set(re.findall('/accounts/bsg/[^"]*', page)) == {"/accounts/bsg/test-text/"}
    assert "~add" not in page


def test_the_oldest_due_check_is_shown_with_one_query_for_all(admin: Client, bsg: Account) -> None:
    sends(bsg, 3)
    Message.objects.update(next_check_at=timezone.now() - timedelta(minutes=7))
    assert "7 min ago" in admin.get("/accounts/").content.decode()
    counts = []
    for n in (1, 50, 200):
        for extra in range(n - Account.objects.count()):
            account(f"a{n}-{extra}")
        with CaptureQueriesContext(connection) as queries:
            assert admin.get("/accounts/").status_code == 200
        counts.append(len(queries))
    assert len(set(counts)) == 1


def test_an_account_that_is_not_there_is_404(admin: Client) -> None:
    for page in ("", "edit/", "credentials/"):
        assert admin.get(f"/accounts/nobody/{page}").status_code == 404
    for page in ("test/", "rotate/"):
        assert admin.post(f"/accounts/nobody/{page}").status_code == 404
        assert admin.get(f"/accounts/nobody/{page}")["Location"] == "/accounts/nobody/"


@pytest.mark.parametrize("provider", list(PROVIDERS))
def test_every_provider_has_its_form_and_its_page(admin: Client, provider: str) -> None:
    account("one", provider)
    page = admin.get("/accounts/one/credentials/").content.decode()
    for field in PROVIDERS[provider].credentials:
        assert re.search(rf'<input type="password" name="{field.name}"(?![^>]*value=)', page)
    page = admin.get("/accounts/one/").content.decode()
    for note in PROVIDERS[provider].not_documented:
        assert note.split()[0] in page
