"""The statements by which a database fills itself, in words that SQLite and PostgreSQL share.

Whatever looks random is the message's number times a large odd one: the same in every run and on both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dashboard.ingest.quarters import ADDS, SUMS

DAY = 86_400
DAYS = 90
KEPT_DAYS = 30  # so long texts and bodies are kept
WRAP = 4_294_967_296
# (of a hundred recipients, dialling prefix, country)
COUNTRIES = (
    (40, "2547", "KE"), (15, "2567", "UG"), (12, "2557", "TZ"), (10, "2348", "NG"), (8, "3806", "UA"),
    (5, "2332", "GH"), (4, "277", "ZA"),
    (2, "2507", "RW"), (1, "447", "GB"), (1, "491", "DE"), (1, "336", "FR"), (1, "3546", "IS"),
)  # fmt: skip
# Of a hundred thousand messages. Account 5 makes each text an order of its own; account 9 is hardly used.
ACCOUNTS = ((45_000, 1), (25_000, 2), (12_000, 3), (8_000, 4), (5_000, 5), (3_000, 6), (1_500, 7), (490, 8), (10, 9))
STATUSES = (
    (91_380, "delivered"), (3_000, "expired"), (2_500, "undeliverable"), (1_200, "failed"), (800, "rejected"),
    (1_000, "unknown"), (100, "cancelled"), (20, "sent"),
)  # fmt: skip
LATELY = ((45_000, "delivered"), (2_000, "undeliverable"), (30_000, "sent"), (15_000, "submitted"), (8_000, "queued"))
BATCH = 5_000  # messages of all accounts among which those of one are a batch
FINAL = "('delivered', 'expired', 'undeliverable', 'failed', 'rejected', 'unknown', 'cancelled')"
BODY = '{"message_id":"%s","status":"%s","to":"+254700000000","timestamp":"2026-01-01T00:00:00Z","parts":1}'


def recipient_id(r: int) -> str:
    return f"{r * 2_654_435_761 % WRAP:08x}{r:08x}"


def prefix_of(r: int) -> str:
    place = r % 100
    for share, prefix, _ in COUNTRIES:
        place -= share
        if place < 0:
            return prefix
    raise AssertionError(r)


def _choose(place: str, shares: tuple[tuple[int, object], ...]) -> str:
    """CASE over a number, each value with its share."""
    parts, below = [], 0
    for share, value in shares:
        below += share
        parts.append(f"WHEN {place} < {below} THEN {_literal(value)}")
    return f"CASE {' '.join(parts)} END"


def _literal(value: object) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)


def _of(multiplier: int, parts: int) -> str:
    """A number below `parts` that looks random, for each n."""
    return f"((n * {multiplier}) % {WRAP} * {parts} / {WRAP})"


@dataclass(frozen=True, slots=True)
class Build:
    """The statements for so many messages. `now` in seconds since 1970."""

    vendor: str
    messages: int
    recipients: int
    now: int

    # -- where the two differ

    def _at(self, seconds: str) -> str:
        if self.vendor == "postgresql":
            return f"to_timestamp({seconds})"
        return f"strftime('%Y-%m-%d %H:%M:%S', {seconds}, 'unixepoch')"

    def _hex(self, number: str) -> str:
        return f"lpad(to_hex({number}), 8, '0')" if self.vendor == "postgresql" else f"printf('%08x', {number})"

    def _long_hex(self, text: str) -> str:
        """64 hexadecimal digits."""
        return f"(md5({text}) || md5({text} || 'b'))" if self.vendor == "postgresql" else "lower(hex(randomblob(32)))"

    def _series(self, first: int, last: int, name: str = "series") -> str:
        if self.vendor == "postgresql":
            return f"generate_series({first}::bigint, {last}) AS {name}(n)"
        return (
            f"(WITH RECURSIVE counter(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM counter WHERE n < {last}) "
            f"SELECT n FROM counter) AS {name}"
        )

    def _after(self, at: str, seconds: str) -> str:
        if self.vendor == "postgresql":
            return f"{at} + ({seconds}) * interval '1 second'"
        return f"strftime('%Y-%m-%d %H:%M:%S', {at}, '+' || ({seconds}) || ' seconds')"

    def _hour(self, at: str) -> str:
        return f"date_trunc('hour', {at})" if self.vendor == "postgresql" else f"strftime('%Y-%m-%d %H:00:00', {at})"

    def _quarter(self, hour: str) -> str:
        if self.vendor == "postgresql":
            return f"to_timestamp(floor(extract(epoch FROM {hour}) / 21600) * 21600)"
        return f"datetime(strftime('%s', {hour}) / 21600 * 21600, 'unixepoch')"

    def _body(self, text: str) -> str:
        return f"convert_to({text}, 'UTF8')" if self.vendor == "postgresql" else f"CAST({text} AS BLOB)"

    # -- before the messages

    def before(self) -> Iterator[tuple[str, str]]:
        columns = "id, account_id, name, provider_batch_id, created_at, currency"
        yield (
            "the large batch",
            (
                f"INSERT INTO dashboard_batch ({columns}) "
                f"VALUES (1, 1, 'the whole town', '', {self._at(str(self.now - 60 * DAY))}, '')"
            ),
        )
        groups = self.messages // BATCH + 1
        born = self._at(f"{self.now - DAYS * DAY} + g.n * {DAYS * DAY} / {groups}")
        several = f"({', '.join(str(pk) for _, pk in ACCOUNTS if pk != 5)})"
        yield (
            "batches",
            (
                f"INSERT INTO dashboard_batch ({columns}) SELECT 10 + g.n * 10 + a.id, a.id, 'campaign ' || g.n, "
                f"CASE WHEN a.id % 2 = 0 THEN 'b-' || a.id || '-' || g.n ELSE '' END, {born}, '' "
                f"FROM {self._series(0, groups - 1, 'g')} CROSS JOIN dashboard_account a "
                f"WHERE a.id IN {several}"
            ),
        )

    # -- messages, their events, and what was kept

    def piece(self, first: int, last: int) -> Iterator[str]:
        yield self._orders(first, last)
        yield self._messages(first, last)
        yield self._evidence(first, last, 1)
        yield self._evidence(first, last, 2)
        for place in (0, 1, 2):
            yield self._events(first, last, place)

    @property
    def _large(self) -> tuple[int, int]:
        """The messages of the large batch."""
        return self.messages * 3 // 10, self.messages * 4 // 10

    @property
    def _first_order(self) -> int:
        return 10 + (self.messages // BATCH + 2) * 10

    def _account(self) -> str:
        low, high = self._large
        return f"CASE WHEN n > {low} AND n <= {high} THEN 1 ELSE {_choose(_of(2_654_435_761, 100_000), ACCOUNTS)} END"

    def _sent(self) -> str:
        """In seconds; ids and times go together but for half an hour, and for what was imported later."""
        even = f"{self.now} - ({self.messages} - n) * {DAYS * DAY} / {self.messages}"
        early = f"CASE WHEN n % 211 = 0 THEN {3 * DAY} ELSE {_of(668_265_263, 1_800)} END"
        return f"{even} - {early}"

    def _orders(self, first: int, last: int) -> str:
        return (
            "INSERT INTO dashboard_batch (id, account_id, name, provider_batch_id, created_at, currency) "
            f"SELECT {self._first_order} + n, 5, 'o-' || n, 'o-' || n, {self._at(self._sent())}, '' "
            f"FROM {self._series(first, last)} WHERE {self._account()} = 5"
        )

    def _messages(self, first: int, last: int) -> str:
        low, high = self._large
        even = _of(2_246_822_519, 1 << 30)
        skewed = f"({even} * {even} / {1 << 30} * {self.recipients} / {1 << 30})"
        # Of each thousand, the sixth fails and is sent again as the seventh, which mostly arrives: same account, number
        # and batch. `n` is the root's id.
        again = "n % 1000 = 7 AND n > 1000"
        ids = f"SELECT n AS id, n - CASE WHEN {again} THEN 1 ELSE 0 END AS n FROM {self._series(first, last)}"
        facts = (
            f"SELECT id, n, id <> n AS again, {self._account()} AS a, {self._sent()} AS sent, "
            f"CASE WHEN n % 2000 = 3 THEN 0 ELSE {skewed} END AS r, "
            f"CASE WHEN {self._sent()} > {self.now - 3600} THEN {_choose(_of(3_266_489_917, 100_000), LATELY)} "
            f"ELSE {_choose(_of(3_266_489_917, 100_000), STATUSES)} END AS usual FROM ({ids}) AS i"
        )
        told = (
            "SELECT f.*, CASE WHEN id % 100000 = 1006 THEN 'delivered' WHEN id > 1000 AND id % 1000 = 6 THEN 'failed' "
            "WHEN again AND id % 10000 = 7 THEN 'failed' WHEN again THEN 'delivered' ELSE usual END AS status, "
            f"r % 100 AS place FROM ({facts}) AS f"
        )
        batch = (
            f"CASE WHEN n > {low} AND n <= {high} THEN 1 WHEN a = 5 THEN {self._first_order} + n "
            f"WHEN n % 10 < 3 THEN NULL ELSE 10 + n / {BATCH} * 10 + a END"
        )
        text = "'Dear customer, your parcel ' || n || ' is ready. Come to the shop at the corner, open from 8 to 18.'"
        was_saved = "id % 1000 = 6 AND id > 1000 AND id % 10000 <> 6"
        own_id = f"{self._hex('id * 2654435761 % 4294967296')} || '-' || id"
        columns = {
            "id": "id", "account_id": "a", "provider_message_id": own_id, "match_id": own_id,
            "recipient_id": f"{self._hex('r * 2654435761 % 4294967296')} || {self._hex('r')}",
            "country": _choose("place", tuple((share, name) for share, _, name in COUNTRIES)),
            "reference": "CASE WHEN id % 100 = 50 THEN 'spring' WHEN id % 2 = 0 THEN 'ORD-' || id ELSE '' END",
            "batch_id": batch, "provider_batch_id": "''", "root_id": "CASE WHEN again THEN n END",
            "sent_by_us": "again",
            "text": f"CASE WHEN sent > {self.now - KEPT_DAYS * DAY} THEN {text} END", "sender": "'Shop'", "route": "''",
            "parts": "1", "cost": "CASE WHEN n % 3 = 0 THEN NULL WHEN place < 40 THEN 0.8 ELSE 0.035 END",
            "currency": "CASE WHEN n % 3 = 0 THEN '' WHEN place < 40 THEN 'KES' ELSE 'EUR' END", "extra": "'{}'",
            "sent_at": self._at("sent"), "created_at": self._at("sent"), "status": "status", "attempt": "0",
            "provider_status": "status", "negatives": "0", "not_sent": "FALSE", "reported": "TRUE",
            "conflict": "id % 50000 = 11 AND status = 'delivered'",
            "effective": f"CASE WHEN {was_saved} THEN 'delivered' ELSE status END",
            "deliveries": f"CASE WHEN id % 100000 = 1006 THEN 2 WHEN {was_saved} OR status = 'delivered' AND NOT again "
                          "THEN 1 ELSE 0 END",
            "unconfirmed": "FALSE", "own_retries": "0", "heard_at": self._at("sent + 20"),
            "final_at": f"CASE WHEN status IN {FINAL} THEN {self._at('sent + 20')} END",
            "next_check_at": f"CASE WHEN status NOT IN {FINAL} THEN {self._at(f'{self.now} + id % 600')} END",
            "lease": "''", "asked": "2", "asked_at": self._at("sent + 15"), "answer_sha256": "''",
        }  # fmt: skip
        return (
            f"INSERT INTO dashboard_message ({', '.join(columns)}) SELECT {', '.join(columns.values())} "
            f"FROM ({told}) AS t"
        )

    def _evidence(self, first: int, last: int, which: int) -> str:
        """1: the answer that said "sent"; 2: the report with the final word."""
        said = "'sent'" if which == 1 else "m.status"
        kept = f"m.text IS NOT NULL AND m.sent_at > {self._at(str(self.now - KEPT_DAYS * DAY))}"
        body = (
            "'" + BODY.replace("%s", "' || m.provider_message_id || '", 1).replace("%s", f"' || {said} || '", 1) + "'"
        )
        columns = {
            "id": f"2 * m.id - {2 - which}", "account_id": "m.account_id", "message_id": "m.id",
            "call": "'status'" if which == 1 else "'webhook'", "is_item": "FALSE",
            "exchange_id": self._long_hex(f"m.id || 'x{which}'"),
            "received_at": self._after("m.sent_at", "10" if which == 1 else "20"), "http_status": "200",
            "headers": """'{"Content-Type": "application/json"}'""", "adapter": "'1'", "context": "'{}'",
            "body": f"CASE WHEN {kept} THEN {self._body(body)} END",
            "received_sha256": self._long_hex("m.id || 'r'"), "sha256": self._long_hex("m.id || 's'"),
            "masked": "FALSE", "signature": "''", "problem": "''",
            "removed_why": f"CASE WHEN {kept} THEN '' ELSE 'retention' END",
            "removed_at": f"CASE WHEN {kept} THEN NULL ELSE m.sent_at END",
        }  # fmt: skip
        final = f" AND m.status IN {FINAL}" if which == 2 else ""
        return (
            f"INSERT INTO dashboard_evidence ({', '.join(columns)}) SELECT {', '.join(columns.values())} "
            f"FROM dashboard_message m WHERE m.id BETWEEN {first} AND {last}{final}"
        )

    def _events(self, first: int, last: int, place: int) -> str:
        """0: registered, 1: sent, 2: the final word."""
        said = ("'queued'", "'sent'", "m.status")[place]
        heard = self._after("m.sent_at", ("0", "10", "20")[place])
        columns = {
            "id": f"3 * m.id - {2 - place}", "message_id": "m.id",
            "key": self._long_hex(f"m.id || 'k{place}'"),
            "status": "CASE WHEN m.id % 20000 = 15 THEN NULL ELSE " + said + " END" if place == 1 else said,
            "word": said, "note": "CASE WHEN m.id % 20000 = 15 THEN 'unmapped' ELSE '' END" if place == 1 else "''",
            "detail": "''", "attempt": "0", "part": "''", "by_provider": "FALSE" if place == 0 else "TRUE",
            "not_sent": "FALSE", "at_raw": "''", "at": heard, "zone": "'stated'", "received_at": heard,
            "sources": ("4", "2", "1")[place], "count": "1",
            "evidence_id": "NULL" if place == 0 else f"2 * m.id - {2 - place}",
        }  # fmt: skip
        final = f" AND m.status IN {FINAL}" if place == 2 else ""
        names = ", ".join(f'"{name}"' for name in columns)
        return (
            f"INSERT INTO dashboard_event ({names}) SELECT {', '.join(columns.values())} "
            f"FROM dashboard_message m WHERE m.id BETWEEN {first} AND {last}{final}"
        )

    # -- after the messages

    def after(self, ops: int, admin: int, audits: int) -> Iterator[tuple[str, str]]:
        yield (
            "the sums of batches",
            (
                "INSERT INTO dashboard_batchcount (batch_id, status, n) SELECT batch_id, effective, count(*) "
                "FROM dashboard_message WHERE batch_id IS NOT NULL AND root_id IS NULL GROUP BY batch_id, effective"
            ),
        )
        texts = "INSERT INTO dashboard_batchtext (batch_id, kind, currency, price, n) SELECT batch_id, "
        for kind, price, which in (
            ("first", "'', 0", "root_id IS NULL"), ("again", "'', 0", "root_id IS NOT NULL"),
            ("priced", "currency, cost", "cost IS NOT NULL"),
        ):  # fmt: skip
            by = ", currency, cost" if kind == "priced" else ""
            yield (
                f"the texts of batches: {kind}",
                (
                    f"{texts} '{kind}', {price}, count(*) FROM dashboard_message "
                    f"WHERE batch_id IS NOT NULL AND {which} GROUP BY batch_id{by}"
                ),
            )
        hour = self._hour("sent_at")
        yield (
            "the sums of hours",
            (
                "INSERT INTO dashboard_hourcount (hour, account_id, country, status, n, rolled) "
                f"SELECT {hour}, account_id, country, status, count(*), 1 = 1 FROM dashboard_message "
                f"GROUP BY {hour}, account_id, country, status"
            ),
        )
        yield (
            "the sums of quarters of a day",
            (
                f"INSERT INTO dashboard_quartercount (quarter, account_id, country, {', '.join(SUMS)}) "
                f"SELECT {self._quarter('hour')}, account_id, country, {', '.join(f'sum({name})' for name in SUMS)} "
                f"FROM (SELECT hour, account_id, country, {ADDS} FROM dashboard_hourcount) AS hours GROUP BY 1, 2, 3"
            ),
        )
        yield "retries", self._retries(ops)
        yield (
            "a run of many",
            (
                "INSERT INTO dashboard_bulk (id, user_id, reason, filter, state, costs, canary, note, created_at, "
                f"changed_at, approved_at) VALUES (1, {ops}, 'for measuring', '{{}}', 'done', '[]', 0, '', "
                f"{self._at(str(self.now))}, {self._at(str(self.now))}, {self._at(str(self.now))})"
            ),
        )
        yield (
            "its items",
            (
                "INSERT INTO dashboard_bulkitem (bulk_id, position, message_id, code, why, retry_id) "
                "SELECT 1, r.id, r.root_id, '', '', r.id FROM dashboard_retry r WHERE r.id <= 10000"
            ),
        )
        yield (
            "orphans",
            (
                "INSERT INTO dashboard_orphan (account_id, match_id, word, problem, evidence_id, received_at) "
                "SELECT e.account_id, 'nobody-' || e.id, 'delivered', "
                "CASE WHEN e.id % 20000 = 2 THEN 'not JSON' ELSE '' END, "
                "e.id, e.received_at FROM dashboard_evidence e WHERE e.id % 20000 = 2 OR e.id % 5000 = 0"
            ),
        )
        yield "the audit", self._audit(ops, admin, audits)

    def _retries(self, ops: int) -> str:
        return (
            "INSERT INTO dashboard_retry (id, root_id, original_id, failed_as, account_id, via, message_id, user_id, "
            "reason, nonce, reference, quoted_currency, state, detail, created_at, changed_at, looks) "
            f"SELECT m.id / 1000, m.root_id, m.root_id, 'failed', m.account_id, 'send', m.id, {ops}, 'for measuring', "
            + self._long_hex("m.id || 'n'")
            + ", 'ref' || m.id, '', 'accepted', '', m.sent_at, m.sent_at, 0 "
            "FROM dashboard_message m WHERE m.root_id IS NOT NULL"
        )

    def _audit(self, ops: int, admin: int, audits: int) -> str:
        spread = self.messages // max(audits, 1) or 1
        action = (
            "CASE WHEN n % 1000 = 1 THEN 'account.changed' WHEN n % 10 = 1 THEN 'messages.exported' "
            "WHEN n % 5000 = 2 THEN 'person.roles' ELSE 'retry' END"
        )
        return (
            "INSERT INTO dashboard_audit (at, actor_id, actor_name, ip, action, subject, reason, details) "
            f"SELECT {self._at(f'{self.now} - ({audits} - n) * {DAYS * DAY} / {max(audits, 1)}')}, "
            f"CASE WHEN n % 10000 = 1 THEN {admin} ELSE {ops} END, "
            "CASE WHEN n % 10000 = 1 THEN 'admin' ELSE 'ops' END, "
            f"NULL, {action}, CASE WHEN n % 10 = 1 THEN 'messages' ELSE 'message ' || (n * {spread}) END, '', '{{}}' "
            f"FROM {self._series(1, audits)}"
        )
