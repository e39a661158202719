"""Looking at pages in Chromium as a person would: does it fit, can everybody use it, and does the browser complain?"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from dashboard.models import User
from tests.factory import PASSWORD, person

# Both schemes and both widths every time; all four pairs of them in `test-all`.
LOOKS = [
    ("light", 1440),
    ("dark", 390),
    pytest.param("light", 390, marks=pytest.mark.slow),
    pytest.param("dark", 1440, marks=pytest.mark.slow),
]


WIDEST = """[...document.querySelectorAll('main *')].filter(one => one.getBoundingClientRect().right > innerWidth)
    .slice(0, 3).map(one => one.outerHTML.slice(0, 200))"""


class Look:
    """A page in one scheme and width. Calling it, with an address or where it is, says what is wrong there.

    `AFTERSEND_PICTURES` names a folder that gets a picture of each (`make pictures`).
    """

    def __init__(self, page: Page, base: str, scheme: str, width: int) -> None:
        self.page, self.base, self._scheme, self._width = page, base, scheme, width
        self._complaints: list[str] = []
        page.on("console", lambda line: self._hear(line.text) if line.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self._hear(str(error)))

    def _hear(self, complaint: str) -> None:
        self._complaints.append(complaint)

    def __call__(self, address: str = "", name: str = "") -> None:
        page = self.page
        if address:
            page.goto(self.base + address)
        at = page.url.removeprefix(self.base)
        assert page.evaluate("document.documentElement.dataset.bsTheme") == self._scheme, at
        assert page.evaluate("document.documentElement.scrollWidth") <= self._width, (at, page.evaluate(WIDEST))
        assert not self._complaints, (at, self._complaints)
        found = [(rule["id"], rule["nodes"][0]["html"]) for rule in Axe().run(page).response["violations"]]
        assert not found, (at, found)
        if folder := os.environ.get("AFTERSEND_PICTURES"):
            words = re.sub(r"[^a-z0-9]+", "-", (name or at).lower()).strip("-") or "overview"
            page.screenshot(path=Path(folder) / f"{words}.{self._scheme}-{self._width}.png", full_page=True)

    def expected(self, words: str) -> None:
        """The browser was to complain like this, and did."""
        assert any(words in complaint for complaint in self._complaints), (words, self._complaints)
        self._complaints = [complaint for complaint in self._complaints if words not in complaint]

    def quiet(self) -> None:
        assert not self._complaints, self._complaints


@contextmanager
def looking(browser: Browser, live_server: Any, scheme: Any, width: int) -> Iterator[Look]:
    """A look of its own, at the end of which the browser must not have complained."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    look = Look(context.new_page(), live_server.url, scheme, width)
    yield look
    look.quiet()
    context.close()


def sign_in(page: Page, base: str, *roles: str, to: str = "/", user: User | None = None) -> None:
    """As somebody new with these roles, or as `user`."""
    page.goto(f"{base}/sign-in/")
    page.fill("#id_username", (user or person(*roles)).username)
    page.fill("#id_password", PASSWORD)
    page.press("#id_password", "Enter")
    page.wait_for_url(f"{base}{to}")
