"""`manage.py import_sends`: every notation of a CSV file, all or nothing, and again nothing new."""

from __future__ import annotations

import csv
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboard.domain import phone
from dashboard.domain.lifecycle import Bucket
from dashboard.ingest import csv_file, csv_table, incoming
from dashboard.ingest.csv_file import import_csv
from dashboard.ingest.register import Registered, register
from dashboard.models import Account, Batch, BatchCount, Event, HourCount, Message, Orphan, Recipient
from dashboard.models.messages import Source
from dashboard.tallies import tally
from tests.commands.conftest import Ran, Shell
from tests.core.making import assert_row_is_its_fold, says, webhook
from tests.worker.processes import start, wait_until

GOOD = "provider_message_id,to\nm1,+254712300001\nm2,+254712300002\n"


@pytest.fixture
def load(shell: Shell, account: Account, tmp_path: Path) -> object:
    def run(content: str | bytes) -> Ran:
        file = tmp_path / "sends.csv"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return shell("import_sends", str(file), "--account", "main")

    return run


def test_a_file_is_imported_and_again_nothing_new(load: object) -> None:
    assert callable(load)
    ran = load(GOOD)
    assert (ran.code, ran.out, ran.err) == (0, "2 accepted, 0 duplicates\n", "")
    assert list(Message.objects.order_by("pk").values_list("match_id", "recipient__digits", "status")) == [
        ("m1", "254712300001", "queued"),
        ("m2", "254712300002", "queued"),
    ]
    assert set(Event.objects.values_list("sources", flat=True)) == {Source.IMPORT}
    assert load(GOOD).out == "0 accepted, 2 duplicates\n"
    assert (Message.objects.count(), Event.objects.count()) == (2, 2)


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        GOOD.replace(",", ";"),
        GOOD.replace(",", "\t"),
        "\ufeff" + GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\r"),
        GOOD.replace("+", "'+"),
        GOOD.replace("provider_message_id,to", " Provider_Message_ID , TO "),
        GOOD.rstrip("\n"),
        GOOD.replace("\n", "\n\n"),
        GOOD.replace("\n", "\n,\n"),
        "sep=;\r\n" + GOOD.replace(",", ";"),
        'to,provider_message_id\n"+254712300001","m1"\n"+254 712 300 002",m2\n',
    ],
)
def test_files_come_in_many_notations(load: object, content: str) -> None:
    assert callable(load)
    assert load(content).out == "2 accepted, 0 duplicates\n"
    assert set(Message.objects.values_list("match_id", flat=True)) == {"m1", "m2"}
    assert set(Message.objects.values_list("recipient__digits", flat=True)) == {"254712300001", "254712300002"}


def test_every_field_and_an_unknown_one(load: object) -> None:
    assert callable(load)
    ran = load(
        "provider_message_id;to;reference;batch;text;cost;currency;parts;sent_at;colour\n"
        'm1;+254712300001;r;"B;1";"two\nlines ""quoted""";0.088;kes;2;2026-11-20T10:00:00+03:00;red\n'
        "m2;+254712300002;;;;;;;;\n"
    )
    assert (ran.code, ran.err) == (0, "Columns that were ignored: colour\n")
    first, second = Message.objects.select_related("batch").order_by("pk")
    assert first.batch is not None
    assert (first.batch.name, first.text, str(first.cost)[:5]) == ("B;1", 'two\nlines "quoted"', "0.088")
    assert (first.currency, first.parts, first.sent_at.hour) == ("KES", 2, 7)
    assert (second.batch, second.text, second.cost, second.parts) == (None, None, None, None)


def test_one_bad_line_imports_nothing_and_is_named(load: object) -> None:
    assert callable(load)
    ran = load(GOOD + '"m\n3",+254712300003\nm4,hello\nm5\nm6\0,+254712300006,more\n,+254712300007\nm1,+254712300099\n')
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines() == [
        "line 4: provider_message_id: This holds a control character.",
        "line 6: to: This is not a phone number.",
        "line 7: This line has 1 cells, and the first line 2.",
        "line 8: This line has 3 cells, and the first line 2.",
        "line 9: provider_message_id: This field is needed.",
        "line 10: to: This message id stands with another number as well.",
        "Nothing was imported: 6 faults in 8 rows.",
    ]
    assert not Message.objects.exists()


def test_an_id_that_is_stored_with_another_number_imports_nothing(load: object) -> None:
    assert callable(load)
    load(GOOD)
    ran = load("provider_message_id,to\nm9,+254712300009\nm1,+254712300077\n")
    assert ran.code == 1
    assert "line 3: to: This message id stands with another number as well." in ran.err
    assert Message.objects.count() == 2


def test_many_faults_are_not_all_shown(load: object) -> None:
    assert callable(load)
    ran = load("provider_message_id,to\n" + "m,hello\n" * 3_000)
    lines = ran.err.splitlines()
    assert len(lines) == 22
    assert lines[20] == "... and 980 more"


def test_different_values_are_told_and_the_first_stay(load: object) -> None:
    assert callable(load)
    load("provider_message_id,to,reference\nm1,+254712300001,first\n")
    ran = load("provider_message_id,to,reference\nm1,+254712300001,second\n")
    assert (ran.code, ran.out) == (0, "0 accepted, 1 duplicates\n")
    assert ran.err == "line 2: reference: A different value was given first; it stays.\n"
    assert Message.objects.get().reference == "first"


def test_progress_is_told(load: object, monkeypatch: pytest.MonkeyPatch) -> None:
    assert callable(load)
    monkeypatch.setattr(csv_file, "CHUNK", dict.fromkeys(csv_file.CHUNK, 500))
    monkeypatch.setattr(csv_file, "TOLD", 1_000)
    rows = "".join(f"m{n},+2547123{n:05d}\n" for n in range(1_201))
    ran = load("provider_message_id,to\n" + rows)
    assert (ran.out, ran.err) == (
        "1201 accepted, 0 duplicates\n",
        "1000 rows read\n500 of 1201\n1000 of 1201\n1201 of 1201\n",
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "provider_message_id and to"),
        (b"\n\n", "provider_message_id and to"),
        (b"to\n+254712300001\n", "provider_message_id must"),
        (b"provider_message_id,to,to\nm,1,2\n", "twice"),
        (b"provider_message_id,to\nm1,+254712300001\nm\xff,+254712300002\n", "line 3: this is not UTF-8"),
        ("provider_message_id,to\n".encode("utf-16"), "UTF-8"),
        (b'provider_message_id,to\nm1,"+254712300001\n', "line 2"),
        (b"PK\x03\x04 a spreadsheet", "must be among"),
        (b"provider_message_id,to\n" + b"x" * 200_000 + b",1\n", "line 2"),
    ],
)
def test_a_file_that_is_something_else_is_one_line(
    shell: Shell, account: Account, tmp_path: Path, content: bytes, said: str
) -> None:
    file = tmp_path / "sends.csv"
    file.write_bytes(content)
    assert said in shell.fails("import_sends", str(file), "--account", "main")


def test_limits(shell: Shell, account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "sends.csv"
    file.write_text(GOOD)
    monkeypatch.setattr(csv_file, "MOST_ROWS", 1)
    assert "cut it" in shell.fails("import_sends", str(file), "--account", "main")
    monkeypatch.setattr(csv_file, "MOST_BYTES", 10)
    assert "2 GB" in shell.fails("import_sends", str(file), "--account", "main")


def test_no_such_file_or_account(shell: Shell, account: Account) -> None:
    assert "cannot be read" in shell.fails("import_sends", "/nowhere.csv", "--account", "main")
    assert "nobody" in shell.fails("import_sends", "/nowhere.csv", "--account", "nobody")
    assert "--account" in shell.fails("import_sends", "/nowhere.csv")


def test_a_number_that_changed_between_the_passes_leaves_nothing_behind(
    load: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(load)
    real = csv_file.register

    def raced(*arguments: object) -> list[Registered]:
        results = real(*arguments)  # type: ignore[arg-type]
        results[1] = Registered(refused=("to", "other_recipient", "Taken meanwhile."))
        return results

    monkeypatch.setattr(csv_file, "register", raced)
    ran = load(GOOD)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.splitlines() == ["line 3: to: Taken meanwhile.", "Nothing was imported: 1 faults in 2 rows."]
    assert not Message.objects.exists()


def test_how_many_differ_is_told_and_only_some_are_shown(load: object, monkeypatch: pytest.MonkeyPatch) -> None:
    assert callable(load)
    monkeypatch.setattr(csv_file, "MOST_FAULTS", 30)
    rows = [f"m{n},+2547123{n:05d}," for n in range(50)]
    load("provider_message_id,to,reference\n" + "".join(f"{row}first\n" for row in rows))
    ran = load("provider_message_id,to,reference\n" + "".join(f"{row}second\n" for row in rows))
    assert (ran.code, ran.out) == (0, "0 accepted, 50 duplicates\n")
    assert len(ran.err.splitlines()) == 21
    assert ran.err.endswith("... and 30 more\n")


def test_reports_that_came_before_the_file_are_attached_and_counted(load: object, account: Account) -> None:
    assert callable(load)
    webhook(account, says("bsg", "m1", "delivered"))
    load("provider_message_id,to,batch\nm1,+254712300001,b\nm2,+254712300002,b\n")
    assert list(Message.objects.order_by("match_id").values_list("status", flat=True)) == ["delivered", "queued"]
    assert not Orphan.objects.filter(message=None).exists()
    (buckets,) = tally(Batch.objects.values_list("pk", flat=True)).values()
    assert (buckets[Bucket.DELIVERED], buckets[Bucket.PENDING]) == (1, 1)
    assert_row_is_its_fold()


def test_each_distinct_number_is_read_once_and_plain_ones_at_a_glance(
    load: object, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    assert callable(load)
    settings.DEFAULT_REGION = "KE"
    read, full = [], []
    monkeypatch.setattr(incoming.phone, "parse", lambda text, region: read.append(text) or parse(text, region))
    monkeypatch.setattr(phone, "_parse", lambda text, region: full.append(text) or parse_fully(text, region))
    rows = (f"m{n},{('0712 300 001', '+254712300002', '0712-300-003')[n % 3]}\n" for n in range(300))
    assert load("provider_message_id,to\n" + "".join(rows)).out == "300 accepted, 0 duplicates\n"
    assert Recipient.objects.count() == 3
    assert sorted(full) == ["0712 300 001", "0712-300-003"]
    assert len(read) == 102


parse, parse_fully = phone.parse, phone._parse


# ------------------------------------------------------------------------------ long files


def write(path: Path, rows: int, text: str = "") -> Path:
    """Half of the numbers are the same for two rows, some ids stand twice, and the batches are made on the way."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["provider_message_id", "to", "batch", "sent_at", "text"])
        for n in range(rows):
            at = f"2026-11-20T{n % 24:02d}:00:00Z"
            writer.writerow([f"m{n}", f"+2547{n % (rows // 2):08d}", f"b{n // 200}", at, text])
        for n in range(0, rows, 100):
            writer.writerow([f"m{n}", f"+2547{n % (rows // 2):08d}", "", "", ""])
    return path


def assert_all_there(rows: int) -> None:
    assert Message.objects.count() == Event.objects.count() == rows
    assert Recipient.objects.count() == rows // 2
    assert Batch.objects.count() == rows // 200
    assert sum(BatchCount.objects.values_list("n", flat=True)) == rows
    assert sum(HourCount.objects.values_list("n", flat=True)) == rows
    assert set(Message.objects.values_list("status", "effective")) == {("queued", "queued")}


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_file, "CHUNK", dict.fromkeys(csv_file.CHUNK, 50))


@pytest.fixture
def main(transactional_db: None) -> Account:
    return Account.make(slug="main", provider_key="bsg", currency="EUR")


def quiet(what: str, done: int, rows: int) -> None:
    pass


def test_a_long_file_is_stored_in_many_transactions(main: Account, tmp_path: Path, small_chunks: None) -> None:
    told: list[tuple[str, int, int]] = []
    file = write(tmp_path / "sends.csv", 1_000)
    found = import_csv(main, file, lambda *said: told.append(said))
    assert (found.rows, found.accepted, found.duplicates, found.faults) == (1_010, 1_000, 10, [])
    assert [said for said in told if said[0] == "stored"][-1] == ("stored", 1_010, 1_010)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert_all_there(1_000)
    again = import_csv(main, file, quiet)
    assert (again.accepted, again.duplicates, again.differs) == (0, 1_010, [])
    assert_all_there(1_000)


@pytest.mark.parametrize("broken", [0, 3, 7])
def test_what_fails_half_way_is_completed_by_the_same_file(
    main: Account, tmp_path: Path, small_chunks: None, monkeypatch: pytest.MonkeyPatch, broken: int
) -> None:
    calls: Iterator[int] = iter(range(1_000))

    def failing(*arguments: Any) -> list[Registered]:
        results = register(*arguments)
        if next(calls) >= broken:
            raise ZeroDivisionError
        return results

    file = write(tmp_path / "sends.csv", 1_000)
    with monkeypatch.context() as patch:
        patch.setattr(csv_file, "register", failing)
        with pytest.raises(ZeroDivisionError):
            import_csv(main, file, quiet)
    assert Message.objects.count() == Event.objects.count() <= broken * 50
    import_csv(main, file, quiet)
    assert_all_there(1_000)


IN_SMALL_CHUNKS = """
import django
django.setup()
from django.core.management import call_command
from dashboard.ingest import csv_file
csv_file.CHUNK = dict.fromkeys(csv_file.CHUNK, 50)
call_command("import_sends", {file!r}, account="main")
"""


def test_a_killed_import_is_completed_by_the_same_file(main: Account, tmp_path: Path) -> None:
    rows = 2_000
    file = write(tmp_path / "sends.csv", rows)
    script = IN_SMALL_CHUNKS.format(file=str(file))
    for most in (0, 500, 1_000):
        process = start("-c", script)
        wait_until(lambda most=most: Message.objects.count() > most or process.poll() is not None)  # noqa: B023
        process.kill()
        process.communicate()
        there = Message.objects.count()
        assert there == Event.objects.count() == sum(HourCount.objects.values_list("n", flat=True))
        assert 0 < there < rows
    process = start("-c", script)
    out = process.communicate()[0]
    assert process.returncode == 0, out
    assert_all_there(rows)


def test_one_wrong_line_at_the_end_of_a_long_file_stores_nothing(
    main: Account, tmp_path: Path, small_chunks: None
) -> None:
    file = write(tmp_path / "sends.csv", 400)
    with file.open("a", encoding="utf-8") as end:
        end.write("m7,+254799999999,,,\n")
    found = import_csv(main, file, quiet)
    assert [(fault.line, fault.fault.code) for fault in found.faults] == [(406, "other_recipient")]
    assert (found.accepted, found.duplicates, Message.objects.count()) == (0, 0, 0)


def test_memory_does_not_grow_with_the_file(
    account: Account, tmp_path: Path, small_chunks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_file, "register", lambda account, sends, source: [Registered(new=True)] * len(sends))
    monkeypatch.setattr(csv_table, "REMEMBERED", 100)

    def peak(rows: int) -> int:
        file = write(tmp_path / f"{rows}.csv", rows, "x" * 1_000)
        tracemalloc.start()
        import_csv(account, file, quiet)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(200)
    assert peak(4_000) - peak(400) < 3_600 * 100  # a line has a thousand bytes and more
