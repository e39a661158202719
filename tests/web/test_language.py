"""Every page in a language in which each word stands in brackets: what stands outside them cannot be translated."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any
from zoneinfo import available_timezones

import pytest
from django.test import Client, RequestFactory
from django.utils import translation
from django.utils.text import capfirst

from dashboard.ingest import bulk
from dashboard.ingest.retry import request_retry
from dashboard.models import Account, Message, Orphan
from dashboard.models.people import ROLES
from dashboard.queries import filter_messages
from dashboard.web import errors
from dashboard.web.countries import code_of, in_words
from providers import PROVIDERS
from providers.base import Status
from tests.factory import account, person, report, reports, sends, signed_in, webhook

pytestmark = pytest.mark.django_db

SHOWN = {"title", "aria-label", "placeholder", "alt", "label", "data-now", "data-ago", "data-in", "data-other"}
VOID = {"br", "img", "input", "link", "meta", "path", "rect"}
NOT_SAID = {"script", "style", "code", "kbd", "pre", "textarea"}
FILLED = re.compile(r"(%\(\w+\)[sd]|%[sd%]|\{\w*\})")


def bracketed(text: str) -> str:
    """ "⟦It took ⟧{span}⟦.⟧": what is filled in stands outside."""
    return "".join(part if n % 2 or not part else f"⟦{part}⟧" for n, part in enumerate(FILLED.split(str(text))))


def one_of(one: str, many: str, count: int) -> str:
    return bracketed(one if count == 1 else many)


@pytest.fixture
def in_brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = translation._trans
    translation.gettext("x")  # the engine is chosen at the first word
    monkeypatch.setattr(engine, "gettext", bracketed)
    monkeypatch.setattr(engine, "ngettext", one_of)
    monkeypatch.setattr(engine, "pgettext", lambda context, text: bracketed(text))
    monkeypatch.setattr(engine, "npgettext", lambda context, one, many, count: one_of(one, many, count))


class Said(HTMLParser):
    """The words of a page: its text, and what its attributes say."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.attributes = "", ""
        self.open: list[tuple[str, bool]] = []  # the elements we are in, and whether they say nothing of ours
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        quoted = "word" in (given.get("class") or "").split()
        if tag not in VOID:
            self.open.append((tag, quoted or tag in NOT_SAID))
        self.text += " " if tag not in {"b", "strong", "em", "a", "span", "time", "bdi"} else ""
        said = SHOWN | ({"value"} if tag == "input" and given.get("type") in {"submit", "button"} else set())
        self.attributes += "".join(f" {value} " for name, value in attrs if name in said)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()[0] != tag:
            pass  # some elements need no end

    def handle_data(self, data: str) -> None:
        self.text += "" if any(silent for _tag, silent in self.open) else data


# Said by somebody else, or kept as it was: providers' words, what an adapter says of its provider's documents, why a
# report could not be read. And codes: roles, zones, statuses, filters, headers, the fields of the audit.
OTHERS = [
    text
    for provider in PROVIDERS.values()
    for text in (
        provider.webhook_setup, *provider.word_notes.values(), *provider.not_documented,
        *(text for field in provider.credentials for text in (field.label, field.help)),
    ) if text
]  # fmt: skip
CODES = {
    "Aftersend", *ROLES, *available_timezones(), "overdue", "webhook",
    *(name for provider in PROVIDERS.values() for name in (provider.key, *provider.label.split())),
    "account", "amount", "bucket", "bulk", "costs", "currency", "estimated", "filters", "message", "messages", "send",
    "to", "content-type",
}  # fmt: skip
# With a digit or a slash: numbers, times, zones, addresses. In capitals: zones, currencies, countries. And Qq: ours.
GIVEN = re.compile(r"[\d/:]|^[A-Z]{2,3}$|[Qq]q")


def outside(page: str) -> set[str]:
    """The words outside all brackets that ought to stand inside."""
    said = Said(page)
    found = set()
    for text in (said.text, said.attributes):
        for other in (*OTHERS, *Orphan.objects.values_list("problem", flat=True)):
            text = text.replace(other, " ").replace(capfirst(other), " ") if other else text
        text = re.sub("“⟧[^⟦⟧]*⟦”", "“”", text)  # quoted
        for part in re.split("⟦[^⟦⟧]*⟧", text):
            found |= {word.strip(".,:;·…“”‘’()⟦⟧?!-–=@<>") for word in part.split()}
    return {word for word in found if re.search(r"[^\W\d_]", word) and not GIVEN.search(word)} - CODES


# ------------------------------------------------------------------------------ a world whose own words begin with Qq


def failing(shop: Account, first: int, count: int) -> list[Message]:
    found = sends(shop, count, first=first, text="Qqtext 482135", sender="Qqsender", batch="Qqbatch", reference="Qqref")
    reports([(message, Status.FAILED) for message in found], detail="Qqdetail")
    return found


@pytest.fixture
def pages(in_brackets: None, settings: Any) -> dict[str, str]:
    """Every address, and the page that a person with all roles gets."""
    settings.RETRY_COOL_DOWN = ("0", "0")
    settings.SITE_TIME_ZONE = "Africa/Nairobi"
    admin = person("admin", "ops", "support", name="Qqada")
    shop, other = account("bsg", label="Qqshop"), account("qqrt", "roycetalk", label="Qqother")
    account("qqoff", "smsbat", label="Qqoff", enabled=False)
    failed, fates = (
        failing(shop, 0, 4),
        sends(other, len(Status), first=100, text="Qqtext", batch="Qqmany", cost="0.5", currency="EUR"),
    )
    reports([(message, status) for message, status in zip(fates, Status, strict=True)])
    webhook(other, {"message_id": "Qqstray", "status": "delivered"})
    webhook(other, b"{Qqnonsense")
    webhook(other, {"message_id": fates[5].match_id, "status": "Qqodd"})
    again, _ = request_retry(failed[0].pk, reason="Qqwhy", nonce="1", user=admin)
    report(failed[1], Status.DELIVERED)
    filters = {"account": "bsg", "bucket": "undeliverable"}
    plan = bulk.plan(filter_messages(**filters), user=admin, reason="Qqwhy", filters=filters)
    run = bulk.plan(filter_messages(**filters), user=admin, reason="Qqwhy", filters=filters)
    bulk.approve(run.pk, user=admin, typed=None)
    client = Client()
    client.force_login(admin, backend="dashboard.web.sessions.Backend")
    addresses = [
        "/",
        "/?hours=168",
        "/find/",
        "/help/statuses/",
        "/attention/",
        "/messages/",
        "/messages/?bucket=pending&since=2h",
        "/messages/?status=expired&account=qqoff",
        "/messages/?q=Qqnothing",
        "/batches/",
        "/bulk/",
        f"/bulk/{plan.pk}/",
        f"/bulk/{run.pk}/",
        "/bulk/new/?bucket=undeliverable",
        "/accounts/",
        "/accounts/bsg/",
        "/accounts/qqoff/",
        "/accounts/bsg/edit/",
        "/accounts/bsg/credentials/",
        "/accounts/bsg/test-text/",
        "/accounts/~add/",
        "/people/",
        f"/people/{admin.pk}/",
        "/people/tokens/",
        "/password/",
        "/audit/",
        "/second-factor/set-up/",
        "/nowhere/",
        "/messages/999999/",
        f"/messages/{again.root_id}/doubt/",
        *(f"/messages/{message.pk}/" for message in [*failed, *fates]),
        *(f"/messages/{message.pk}/retry/" for message in [*failed[:2], *fates[8:]]),
        *(f"/recipients/{message.recipient_id}/" for message in [failed[0], fates[0], fates[8], fates[13]]),
        *(f"/batches/{message.batch_id}/" for message in (failed[0], fates[0])),
        f"/messages/{fates[5].pk}/evidence/{fates[5].events.exclude(evidence=None).latest('pk').evidence_id}/",
    ]
    return {address: client.get(address).content.decode() for address in addresses}


def test_every_page_can_be_translated_from_its_first_word_to_its_last(pages: dict[str, str]) -> None:
    found = {address: outside(page) for address, page in pages.items()}
    for page_of_codes in ("/help/statuses/", "/audit/"):
        found[page_of_codes] -= {status.value for status in Status}
    assert {address: words for address, words in found.items() if words} == {}


def test_what_says_that_something_went_wrong_can_be_translated(in_brackets: None) -> None:
    request = RequestFactory().get("/", headers={"HX-Request": "true"})
    answers = [
        Client(enforce_csrf_checks=True).post("/sign-in/", {"username": "x"}),
        Client().get("/messages/", headers={"HX-Request": "true"}),
        signed_in("support").get("/people/"),
        errors.broken(RequestFactory().get("/")), errors.broken(request), errors.bad_request(request, ValueError()),
    ]  # fmt: skip
    assert [outside(answer.content.decode()) for answer in answers] == [set()] * len(answers)


def test_a_page_says_which_language_it_is_in(settings: Any) -> None:
    settings.LANGUAGE_CODE = "ar"
    page = Client().get("/sign-in/").content.decode()
    assert '<html lang="ar" dir="rtl"' in page


def test_a_site_has_one_language_whatever_a_browser_prefers() -> None:
    page = Client().get("/sign-in/", headers={"Accept-Language": "fr"}).content.decode()
    assert '<html lang="en" class' in page


def test_countries_have_their_names_in_the_sites_language() -> None:
    with translation.override("de"):
        assert (in_words("ZA"), in_words("XK"), code_of("südafrika")) == ("Südafrika (ZA)", "XK", "ZA")
    assert (in_words("TZ"), code_of("Tanzania"), code_of("nowhere")) == ("Tanzania (TZ)", "TZ", "nowhere")
