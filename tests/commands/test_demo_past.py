"""The week that a demo writes down before it begins: ended, counted, never asked about, and the same every time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from dashboard import demo
from dashboard.domain.lifecycle import FINALS
from dashboard.ingest.counts import recount, squash
from dashboard.models import Message
from providers import PROVIDERS
from tests.factory import account

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_its_texts_have_ended_are_counted_and_are_never_due(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "PAST", timedelta(hours=3))
    ours, now = account(provider, provider), timezone.now()
    for _ in range(2):  # a demo that is started again has the same week
        demo.past(ours, now)
        told = list(Message.objects.filter(account=ours).order_by("pk"))
        assert 3 * demo.BY_NIGHT / 2 <= len(told) <= 3 * demo.BY_DAY * 2
        assert len({message.match_id for message in told}) == len(told)
    assert {message.status for message in told} <= {status.value for status in FINALS}
    delivered = sum(message.status == "delivered" for message in told)
    assert 0.7 < delivered / len(told) < 1
    assert all(message.next_check_at is None for message in told)
    hour = now.replace(minute=0, second=0, microsecond=0)
    for message in told:
        assert hour - timedelta(hours=3) <= message.sent_at < hour
        assert message.final_at is not None
        assert timedelta() < message.final_at - message.sent_at < timedelta(hours=2)
    squash()
    assert sum(recount(repair=False)) == 0
