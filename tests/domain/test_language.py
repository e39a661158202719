"""Whatever the rules say can be said in another language: here one whose every word stands in brackets."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dashboard.domain import bulk, failures, language, phone, retries
from dashboard.domain.advice import advise
from dashboard.domain.bulk import CANARY, CANARY_WAIT, Fate, of_canary, of_latest
from dashboard.domain.reach import Record, reach
from dashboard.domain.retries import Doubts, left_out
from dashboard.domain.verdict import Verdict, verdict
from dashboard.domain.words import explain
from providers.base import Status
from tests.domain import test_advice, test_reach, test_verdict
from tests.domain.test_retries import NOW, REFUSALS, asked, later

SAYING = sorted(set(Path(language.__file__).parent.glob("*.py")) - {Path(failures.__file__)})  # which only reads
MARKERS = {"_", "gettext", "ngettext", "gettext_noop"}


def bracketed(text: str) -> str:
    """ "⟦It took ⟧{span}⟦.⟧": what is filled in stands outside."""
    return re.sub(r"(\{\w+\})|([^{]+)", lambda found: found[1] or f"⟦{found[2]}⟧", text)


@pytest.fixture(autouse=True)
def in_brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language._translator, "plain", bracketed)
    monkeypatch.setattr(language._translator, "counted", lambda one, many, n: bracketed(one if n == 1 else many))


def words(text: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]+", text.casefold()))


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from strings(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from strings(one)


def left(texts: Iterable[str], known: Any) -> set[str]:
    """The words that were not translated and that are none of what was known."""
    given = {word for text in strings(known) for word in words(text)} | {"eat"}  # the zone
    return {word for text in texts for word in words(re.sub("⟦[^⟦⟧]*⟧", " ", text))} - given


def of_verdict(found: Verdict) -> list[str]:
    return [found.sentence, found.customer, found.now, *(clause.text for clause in found.because)]


def known_of(facts: Any) -> Any:
    return asdict(replace(facts, zone=None))


@pytest.mark.parametrize("case", test_verdict.CASES, ids=lambda case: case.name)
def test_every_verdict_can_be_translated(case: test_verdict.Case) -> None:
    facts = case.facts()
    for more in ({}, {"opted_out": True}, {"unconfirmed": True}):
        assert not left(of_verdict(verdict(replace(facts, **more))), known_of(facts))


@pytest.mark.parametrize("case", test_reach.CASES, ids=lambda case: case.name)
def test_every_verdict_over_a_number_can_be_translated(case: test_reach.Case) -> None:
    found = reach(Record(case.sent, test_reach.NOW, test_verdict.NAIROBI))
    assert found is not None
    assert not left(of_verdict(found), [one.account for one in case.sent])


@pytest.mark.parametrize("scenario", test_advice.SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_advice_can_be_translated(scenario: test_advice.Scenario) -> None:
    facts = test_advice.facts(**scenario.given)
    found = advise(facts, test_advice.NOW)
    texts = [found.headline, found.double_why.text, *(reason.text for reason in found.reasons)]
    assert not left([*texts, *(row.why for row in found.rows)], asdict(facts))


@pytest.mark.parametrize(("given", "code", "says"), REFUSALS)
def test_every_refusal_can_be_translated(given: dict[str, Any], code: str, says: str) -> None:
    found = asked(**given)
    assert found is not None
    through = given.get("through")
    assert not left([found.sentence], [given.get("channel", ""), asdict(through) if through else ""])


def test_the_other_sentences_can_be_translated() -> None:
    doubts = (
        Doubts(may_reopen_until=later(minutes=5)), Doubts(unconfirmed=True), Doubts(same_text=5),
        Doubts(code_sent_at=later(days=-1)), *(Doubts(hopeless=failure) for failure in retries.HOPELESS),
    )  # fmt: skip
    refused = [left_out(one, NOW) for one in doubts]
    fates = ([Fate.FAILED] * 20, [Fate.DELIVERED] * 20, [Fate.PENDING] * 20, [Fate.FAILED] * 4 + [Fate.PENDING] * 16)
    judged = [of_canary(one, CANARY, CANARY_WAIT).why for one in fates]
    approval = {"planned_at": NOW, "now": NOW, "count": 600, "typed": 600, "by_planner": True, "second_above": 500}
    problems = [
        bulk.problem_with_approval(**approval | other)
        for other in ({}, {"count": 0}, {"typed": 1, "by_planner": False}, {"planned_at": later(days=-2)})
    ]
    meanings = [text for status in Status for text in (explain(status, "").sentence, explain(status, "").next)]
    spans = [retries.in_words(timedelta(seconds=seconds)) for seconds in (1, 60, 3_600, 86_400, 200_000)]
    numbers = []
    for odd in ("x", "12_34", "+1", "1" * 20):
        with pytest.raises(phone.NotANumber) as error:
            phone.parse(odd, "")
        numbers.append(str(error.value))
    texts = [one.sentence for one in refused if one] + [problem[1] for problem in problems if problem]
    assert (len(texts), len(meanings)) == (len(doubts) + len(problems), 2 * len(Status))
    texts += [*judged, of_latest([Fate.FAILED] * 50).why, *meanings, *spans, *numbers]
    assert not left(texts, "")


@pytest.mark.parametrize("path", SAYING, ids=lambda path: path.name)
def test_no_sentence_is_unmarked_and_none_is_put_together_before_it_is_translated(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    marked = [arg for call in calls if getattr(call.func, "id", "") in MARKERS for arg in call.args]
    assert not [node for arg in marked for node in ast.walk(arg) if isinstance(node, ast.JoinedStr)]
    said = {id(node) for arg in marked for node in ast.walk(arg)}
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said | docs:
            assert not re.search(r"[^\W\d_]{2,}[,;:]? [^\W\d_]+", node.value) or "(?" in node.value, node.value
