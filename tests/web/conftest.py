"""What the tests of pages share: a real browser, https, and a clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from playwright.sync_api import Browser, sync_playwright

from dashboard.web import home, messages_list


@pytest.fixture(scope="module")
def browser(chromium_options: dict[str, Any]) -> Iterator[Browser]:
    """Chromium. Its driver runs an event loop in this thread, which Django takes for asynchronous code."""
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        chromium = playwright.chromium.launch(**chromium_options)
        yield chromium
        chromium.close()


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    """What pages share is kept for half a minute: of another test, of other rows."""
    messages_list._asked.clear()
    home._refreshed.clear()


@pytest.fixture
def https(settings: Any) -> None:
    """As if PUBLIC_URL were https."""
    settings.HTTPS = True


@pytest.fixture
def clock() -> Iterator[Any]:
    """A clock that stands still until it is moved."""
    with time_machine.travel(datetime(2026, 11, 20, 9, 0, tzinfo=UTC), tick=False) as traveller:
        yield traveller
