"""`manage.py import_sends`: every notation of a CSV file, all or nothing, and again nothing new."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboard.ingest import csv_file
from dashboard.ingest.register import Registered
from dashboard.models import Account, Event, Message
from dashboard.models.messages import Source
from tests.commands.conftest import Ran, Shell

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


def test_progress_is_told(load: object) -> None:
    assert callable(load)
    rows = "".join(f"m{n},+2547123{n:05d}\n" for n in range(1_201))
    ran = load("provider_message_id,to\n" + rows)
    assert (ran.out, ran.err) == ("1201 accepted, 0 duplicates\n", "500 of 1201\n1000 of 1201\n1201 of 1201\n")


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
    assert "200 MB" in shell.fails("import_sends", str(file), "--account", "main")


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
