"""Filters typed into the search box: `status:expired account:bsg batch:October since:2h overdue`.

What they mean becomes the query of the messages list; what means nothing gets a sentence with the nearest right one.
No value that could be a phone number gets into that query: it becomes an address.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from difflib import get_close_matches
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.domain import phone
from dashboard.domain.lifecycle import Bucket
from dashboard.models import Account, Batch
from dashboard.queries import ENDED, NO_COUNTRY, BadFilter, batches_called, country_of
from dashboard.web import countries
from dashboard.web.spans import BadSpan, span_of
from providers import PROVIDERS
from providers.base import Status

Query = dict[str, str]

_TOKEN = re.compile(r'([^\W\d]\w*):("[^"]*"|\S*)|("[^"]*"|\S+)')
_DIGITS = re.compile(r"[+(]?[\d().-]{2,}")
# As people may write them, and what they are here.
_NAMES = {
    "status": "status", "bucket": "bucket", "counts": "bucket", "account": "account", "provider": "provider",
    "ended": "ended", "country": "country", "batch": "batch", "reference": "reference", "ref": "reference",
    "id": "id", "message": "id",
    "number": "number", "phone": "number", "to": "number",
    "since": "since", "last": "since", "from": "since", "until": "until",
    "overdue": "overdue", "contradicted": "conflict", "conflict": "conflict", "twice": "twice",
}  # fmt: skip
_FLAGS = {"overdue": "overdue", "contradicted": "conflict", "conflict": "conflict", "twice": "twice"}
LOOK_UPS = frozenset({"id", "reference", "number"})  # alone they are no filter but the thing itself
NEAR = 0.6
BATCHES_COMPARED = 300  # the newest, for a name that is none


class _Wrong(Exception):
    """What a filter's value cannot be: a sentence, and the text that it should perhaps have been."""

    def __init__(self, sentence: str, better: str = "") -> None:
        super().__init__(sentence)
        self.better = better


@dataclass(frozen=True, slots=True)
class _Token:
    """`name:value`, or a bare word (no name)."""

    text: str
    name: str
    value: str

    @property
    def meant(self) -> str:
        """The filter's name, "" if this is none."""
        return _NAMES.get(self.name.lower(), "") if self.name else _FLAGS.get(self.value.lower(), "")


@dataclass(slots=True)
class Asked:
    """What the filters typed mean: the list's query or, where `troubles` says why some mean nothing, `better`: the
    whole search as it may have been meant, "" if nobody can tell."""

    query: Query = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)
    better: str = ""

    @property
    def url(self) -> str:
        return f"{reverse('messages')}?{urlencode(self.query, safe=':')}"

    @property
    def batch(self) -> int | None:
        """The one batch, where only that was asked for."""
        name = self.query.get("batch", "")
        return int(name[3:]) if name.startswith("id:") and len(self.query) == 1 else None


def plain(text: str) -> str:
    """What is to be looked up: the text itself, or the value of a lone `id:`, `reference:` or `number:`."""
    tokens = _tokens(text)
    alone = len(tokens) == 1 and tokens[0].meant in LOOK_UPS and tokens[0].value
    return tokens[0].value if alone else text


def asked(text: str) -> Asked | None:
    """The filters in `text`; None if it has none. A constant number of queries for each filter."""
    tokens = _tokens(text)
    if not any(token.name and token.meant for token in tokens) and not all(token.meant for token in tokens):
        return None
    if len(tokens) == 1 and tokens[0].meant in LOOK_UPS:
        return None
    found = Asked()
    return _corrected(found, tokens, lambda token: _add(found.query, token))


def mistyped(text: str) -> Asked:
    """What is wrong with words like `stauts:expired`, for a search that found nothing."""
    return _corrected(Asked(), _tokens(text), _check_name)


def _corrected(found: Asked, tokens: list[_Token], read: Callable[[_Token], None]) -> Asked:
    """Read every token, collecting what is wrong and what would be right."""
    words = []
    for token in tokens:
        try:
            read(token)
            words.append(token.text)
        except _Wrong as wrong:
            words.append(wrong.better)
            if str(wrong) not in found.troubles:  # a number in groups is one trouble
                found.troubles.append(str(wrong))
    found.better = " ".join(words) if found.troubles and all(words) else ""
    return found


def _check_name(token: _Token) -> None:
    if token.name and not token.meant and get_close_matches(token.name.lower(), _NAMES, 1, 0.75):
        raise _not_a_filter(token)


def examples(accounts: Iterable[str]) -> list[str]:
    """What may be typed, to choose from."""
    ended = [f"ended:{how}" for how in ENDED]
    fixed = ["overdue", "contradicted", "twice", "since:1h", "since:24h", "since:7d", "since:today"]
    return [
        *(f"status:{status.value}" for status in Status), *(f"bucket:{bucket.value}" for bucket in Bucket),
        *(f"account:{slug}" for slug in accounts), *ended, *fixed,
    ]  # fmt: skip


def _tokens(text: str) -> list[_Token]:
    return [
        _Token(match[0], match[1] or "", (match[2] if match[1] else match[3]).strip('"'))
        for match in _TOKEN.finditer(text)
    ]


def _quoted(value: str) -> str:
    return f'"{value}"' if " " in value else value


def _add(query: Query, token: _Token) -> None:
    """Put what the token means into the query. Raises _Wrong."""
    name = token.meant
    if not name:
        raise _not_a_filter(token)
    if token.name and not token.value:
        example = {"number": "", "id": "", "reference": ""}.get(name, "status:expired")
        raise _Wrong(_("%(name)s: has no value.") % {"name": token.name} + (f" {_example(example)}" if example else ""))
    meaning = _READERS[name](token)
    if (
        set(meaning) & set(query)
        or ("last" in meaning and "since" in query)
        or ("since" in meaning and "last" in query)
    ):
        raise _Wrong(_("%(name)s: can be given once only.") % {"name": token.name or token.value})
    query.update(meaning)


def _example(text: str) -> str:
    return _("Write it like %(example)s.") % {"example": text}


def _not_a_filter(token: _Token) -> _Wrong:
    near = get_close_matches(token.name.lower() if token.name else token.value.lower(), [*_NAMES], 1, 0.75)
    if token.name and near:
        sentence = _("%(name)s: did you mean %(near)s:?") % {"name": token.name, "near": near[0]}
        return _Wrong(sentence, f"{near[0]}:{_quoted(token.value)}")
    if not token.name and near and near[0] in _FLAGS:
        return _Wrong(_("%(word)s: did you mean %(near)s?") % {"word": token.value, "near": near[0]}, near[0])
    if _like_a_number(token.value) or _DIGITS.fullmatch(token.value):
        return _Wrong(_no_number())
    sentence = _("“%(word)s” is no filter. Filters are written like status:expired or batch:October.")
    return _Wrong(sentence % {"word": token.text})


def _no_number() -> str:
    return _(
        "A number and filters do not go together: the address of the list would hold the number. "
        "Look up the number alone; its page has all its messages."
    )


def _like_a_number(value: str) -> bool:
    return bool(phone.typed(value, settings.DEFAULT_REGION).whole)


# ------------------------------------------------------------------------------ each filter's value


def _status(token: _Token) -> Query:
    value = _key(token.value)
    if value in set(Status):
        return {"status": value}
    if value in set(Bucket):  # "pending" is no status, and everybody says it
        return {"bucket": value}
    words = _provider_words()
    raise _nearest(token, {**{name: name for name in (*Status, *Bucket)}, **words}, words.get(token.value.lower(), ""))


def _bucket(token: _Token) -> Query:
    value = _key(token.value)
    if value in set(Bucket):
        return {"bucket": value}
    raise _nearest(token, {name: name for name in Bucket})


def _ended(token: _Token) -> Query:
    if _key(token.value) in ENDED:
        return {"ended": _key(token.value)}
    raise _nearest(token, {name: name for name in ENDED})


def _country(token: _Token) -> Query:
    try:
        return {"country": country_of(countries.code_of(token.value)) or NO_COUNTRY}
    except BadFilter:
        sentence = _("%(typed)s: write the two letters of the country or its name, like country:KE.") % {
            "typed": token.text
        }
        raise _Wrong(sentence) from None


def _provider_words() -> dict[str, str]:
    """What the providers say, and what we call it."""
    return {word: status.value for one in PROVIDERS.values() for word, status in one.words.items() if word}


def _account(token: _Token) -> Query:
    names = {}
    for account in Account.objects.only("slug", "label"):
        names[account.name.lower()] = names[account.slug.lower()] = account.slug
    if slug := names.get(token.value.lower()):
        return _safe("account", slug)
    raise _nearest(token, names)


def _provider(token: _Token) -> Query:
    keys = {name: one.key for one in PROVIDERS.values() for name in (one.key.lower(), one.label.lower())}
    value = token.value.lower()
    if value not in keys:
        raise _nearest(token, keys)
    slugs = list(Account.objects.filter(provider_key=keys[value]).values_list("slug", flat=True)[:6])
    if len(slugs) == 1:
        return _safe("account", slugs[0])
    if not slugs:
        raise _Wrong(_("No account is with %(provider)s.") % {"provider": PROVIDERS[keys[value]].label})
    several = ", ".join(f"account:{slug}" for slug in slugs)
    sentence = _("%(count)s accounts are with %(provider)s. Say which: %(accounts)s.")
    raise _Wrong(sentence % {"count": len(slugs), "provider": PROVIDERS[keys[value]].label, "accounts": several})


def _batch(token: _Token) -> Query:
    try:
        pks = batches_called(token.value)
    except BadFilter as error:
        raise _Wrong(str(error)) from None
    if len(pks) == 1:
        return {"batch": f"id:{pks[0]}"}
    if pks:
        return _safe("batch", token.value)
    newest = Batch.objects.order_by("-pk").values_list("name", flat=True)[:BATCHES_COMPARED]
    raise _nearest(token, {name.lower(): name for name in newest})


def _reference(token: _Token) -> Query:
    return _safe("reference", token.value)


def _id(token: _Token) -> Query:
    return _safe("provider_message_id", token.value)


def _number(token: _Token) -> Query:
    raise _Wrong(_no_number())


def _since(token: _Token) -> Query:
    try:
        span_of(token.value)
    except BadSpan:
        return {"since": _day(token, _("since:2h, since:30min, since:7d, since:today or since:2026-11-20"))}
    return {"last": token.value.lower()}


def _until(token: _Token) -> Query:
    return {"until": _day(token, _("until:today, until:yesterday or until:2026-11-20"))}


def _day(token: _Token, examples: str) -> str:
    today = timezone.now().astimezone(ZoneInfo(settings.SITE_TIME_ZONE)).date()
    named = {"today": today, "yesterday": today - timedelta(days=1)}
    if day := named.get(token.value.lower()):
        return day.isoformat()
    try:
        return date.fromisoformat(token.value).isoformat()
    except ValueError:
        near = get_close_matches(token.value.lower(), named, 1, NEAR)
        if near:
            raise _nearest(token, {name: name for name in named}) from None
        raise _Wrong(
            _("%(typed)s: is no time. Write %(examples)s.") % {"typed": token.text, "examples": examples}
        ) from None


def _flag(token: _Token) -> Query:
    name = token.meant
    if not token.name or token.value.lower() in ("yes", "on", "true", "1"):
        return {name: "on"}
    raise _Wrong(_("%(name)s: stands alone, without a value.") % {"name": token.name}, token.name)


_READERS: Mapping[str, Callable[[_Token], Query]] = {
    "status": _status, "bucket": _bucket, "account": _account, "provider": _provider, "batch": _batch,
    "reference": _reference, "id": _id, "number": _number, "since": _since, "until": _until, "overdue": _flag,
    "conflict": _flag, "twice": _flag, "country": _country, "ended": _ended,
}  # fmt: skip


def _key(value: str) -> str:
    """ "Outcome unknown" and "outcome-unknown" are outcome_unknown."""
    return re.sub(r"[\s-]+", "_", value.strip().lower())


def _safe(name: str, value: str) -> Query:
    if _like_a_number(value):
        raise _Wrong(_no_number())
    return {name: value}


def _nearest(token: _Token, known: Mapping[str, str], exact: str = "") -> _Wrong:
    """What a value that means nothing may have meant. `known` maps what is compared to what is then written."""
    near = get_close_matches(token.value.lower(), known, 1, NEAR)
    meant = exact or (known[near[0]] if near else "")
    if meant:
        sentence = _("%(typed)s: did you mean %(meant)s?") % {"typed": token.text, "meant": meant}
        return _Wrong(sentence, f"{token.name}:{_quoted(meant)}")
    some = sorted(set(known.values()))
    if not some or len(some) > 20:
        return _Wrong(_("%(typed)s: there is nothing of that name.") % {"typed": token.text})
    sentence = _("%(typed)s: there is nothing of that name. There is %(names)s.")
    return _Wrong(sentence % {"typed": token.text, "names": ", ".join(some)})
