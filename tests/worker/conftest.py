"""The rig: simulated providers on a real socket, and a clock that a test may move."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest
import time_machine
from django.test import override_settings

from dashboard.models import Retry, User
from providers.simulator.server import Simulator
from tests.factory import person
from tests.worker.rig import Rig


@pytest.fixture
def make_rig(transactional_db: None) -> Iterator[Callable[..., Rig]]:
    """Make a rig; the arguments are the simulator's."""
    with ExitStack() as stack:
        clock = stack.enter_context(time_machine.travel(datetime.now(UTC), tick=True))
        yield lambda **options: Rig(stack.enter_context(Simulator(speed=0, **options)), clock)


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    return make_rig()


@pytest.fixture
def at_most_once(rig: Rig, no_cool_down: None) -> Iterator[None]:
    """After the test: what left us is at most what the retries own up to."""
    yield
    went_out = Retry.objects.filter(state__in=["accepted", "outcome_unknown", "sending"])
    owned = Counter(went_out.values_list("root__recipient__digits", flat=True))
    assert not Counter(entry["to"] for entry in rig.sim.ledger()) - owned


@pytest.fixture
def ops(transactional_db: None) -> User:
    return person("ops")


@pytest.fixture
def no_cool_down() -> Iterator[None]:
    with override_settings(RETRY_COOL_DOWN=(0, 0)):
        yield
