"""A damaged index: whatever happened to it, the answers are those of the files, and a warning names the damage."""

from __future__ import annotations

import random
import shutil
import sqlite3
import warnings
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from sqlalchemy import exc

from harness.cli import cli
from repro.errors import ReproError
from repro.record import databases
from repro.record.record import encode
from repro.record.store import IndexWarning, Store
from tests.records import make_record

RECORDS = [make_record(number) for number in range(8)]
DAMAGES = 66
SQL = {
    "digit in a record": "UPDATE texts SET json = replace(json, '20', '21')",
    "digit in a short record": "UPDATE texts SET brief = replace(brief, '2', '3')",
    "estimate": "UPDATE records SET estimate = estimate + 1",
    "number as a text": "UPDATE records SET wall_s = 'x'",
    "bytes as a text": "UPDATE records SET unit = x'ff00'",
    "reason": "UPDATE problems SET reason = 'none'",
    "no short record": "DELETE FROM texts",
    "version that is no number": "UPDATE facts SET value = 'x' WHERE name = 'changes'",
    "older version": "UPDATE facts SET value = '1' WHERE name = 'version'",
    "no facts": "DROP TABLE facts",
    "no texts": "DROP TABLE texts",
    "column gone": "ALTER TABLE records RENAME COLUMN paper TO papers",
    "column more": "ALTER TABLE problems ADD COLUMN other TEXT NOT NULL DEFAULT 'x'",
    "view in place": "ALTER TABLE texts RENAME TO old; CREATE VIEW texts AS SELECT * FROM old WHERE 0",
    "another database": "DROP TABLE records; CREATE TABLE records (a)",
}
"""Damages that SQLite itself does not see."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    """The folder of a store with some records and a file that is none."""
    root = tmp_path_factory.mktemp("sound")
    store = Store(root)
    for record in RECORDS:
        store.add(record)
    (root / "records" / "toy2020" / "0000.json").write_text("{}")
    store.sync()
    return root


def answers(store: Store) -> dict[str, Any]:
    """What a store says, in all ways that it can be asked."""
    return {
        "rows": store.rows(),
        "records": list(store.records()),
        "one": store.get(RECORDS[3].id),
        "brief": sorted(store.latest(), key=lambda one: one.id),
        "papers": store.distinct("paper"),
        "flags": store.flags(),
        "problems": store.problems(),
    }


def on_disk(change: Callable[[bytearray, random.Random], bytearray]) -> Callable[[Path, random.Random], None]:
    """A damage that changes the bytes of the file."""

    def done(path: Path, chance: random.Random) -> None:
        path.write_bytes(change(bytearray(path.read_bytes()), chance))

    return done


def flipped(data: bytearray, chance: random.Random) -> bytearray:
    """Some bits turned over, anywhere."""
    for _ in range(chance.choice([1, 1, 3, 30])):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return data


def header(data: bytearray, chance: random.Random) -> bytearray:
    """A byte of the first hundred is another."""
    data[chance.randrange(100)] ^= chance.randrange(1, 256)
    return data


def page_lost(data: bytearray, chance: random.Random) -> bytearray:
    """A page of zeros."""
    start = 4096 * chance.randrange(len(data) // 4096)
    data[start : start + 4096] = bytes(4096)
    return data


def pages_swapped(data: bytearray, chance: random.Random) -> bytearray:
    """Two pages, not the first, each in the other's place."""
    one, other = (4096 * chance.randrange(1, len(data) // 4096) for _ in range(2))
    data[one : one + 4096], data[other : other + 4096] = data[other : other + 4096], data[one : one + 4096]
    return data


def folder(path: Path, chance: random.Random) -> None:
    """A folder in its place, with a file in it."""
    path.unlink()
    path.mkdir()
    (path / "mine").write_text("mine")


def changed_by_sql(path: Path, chance: random.Random, name: str) -> None:
    """A change that is a valid database again."""
    with closing(sqlite3.connect(path)) as index:
        index.executescript(SQL[name])


KINDS: dict[str, Callable[[Path, random.Random], None]] = {
    "bits": on_disk(flipped),
    "truncated": on_disk(lambda data, chance: data[: chance.randrange(len(data))]),
    "header": on_disk(header),
    "page lost": on_disk(page_lost),
    "pages swapped": on_disk(pages_swapped),
    "emptied": on_disk(lambda data, chance: bytearray()),
    "text": on_disk(lambda data, chance: bytearray(b"hello\n" * chance.randrange(1, 3000))),
    "folder": folder,
    "log of another": lambda path, chance: path.with_name(path.name + "-wal").write_bytes(chance.randbytes(9000)),
    "longer": on_disk(lambda data, chance: data + chance.randbytes(chance.randrange(1, 9000))),
    "read-only": lambda path, chance: path.chmod(0o444),
} | {name: lambda path, chance, name=name: changed_by_sql(path, chance, name) for name in SQL}


def test_a_damaged_index_changes_no_answer(sound, tmp_path):
    """Seeded damages of many kinds: the answers stay those of the files, and a rebuild leaves an index in order."""
    expected, kinds, wrong = answers(Store(sound)), list(KINDS), []
    for number in range(DAMAGES):
        root, kind, chance = tmp_path / str(number), kinds[number % len(kinds)], random.Random(number)
        read_only = number // len(kinds) % 2 == 1
        shutil.copytree(sound, root)
        KINDS[kind](root / "index.sqlite", chance)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            found = answers(Store(root, read_only=read_only))
            Store(root).rebuild()
        assert {one.category for one in said} <= {IndexWarning}
        if found != expected:
            wrong.append((number, kind, [name for name in expected if found[name] != expected[name]]))
        assert answers(Store(root, read_only=True)) == expected, (number, kind)
        shutil.rmtree(root)
    assert wrong == []


def test_rebuilding_mends_an_index_that_lies(tmp_path):
    """Whatever the tables say of unchanged files, they are read again."""
    store = Store(tmp_path)
    records = [make_record(number) for number in range(3)]
    for record in records:
        store.add(record)
    rows = store.rows()
    with closing(sqlite3.connect(store.root / "index.sqlite")) as index, index:
        index.execute("UPDATE texts SET json = '{}'")
        index.execute("UPDATE records SET word = 'refuted' WHERE id = ?", [records[0].id])
        index.execute("DELETE FROM records WHERE id = ?", [records[1].id])
    store.rebuild()
    assert store.rows() == rows
    assert sorted(store.records(), key=lambda one: one.id) == sorted(records, key=lambda one: one.id)


@pytest.mark.parametrize("name", ["digit in a record", "estimate"])
def test_what_is_wrong_is_said_and_the_damaged_index_is_kept(sound, tmp_path, name):
    """The warning names the reason and where the old index lies; a store that is open meanwhile goes on."""
    root = tmp_path / "store"
    shutil.copytree(sound, root)
    store = Store(root)
    rows = store.rows()
    changed_by_sql(root / "index.sqlite", random.Random(0), name)
    with pytest.warns(IndexWarning, match=r"is not what it was\); .* the old one is index\.sqlite\.damaged"):
        assert store.get(RECORDS[3].id) == RECORDS[3]
    assert store.rows() == rows
    assert (root / "index.sqlite.damaged").is_file()


def test_what_lay_in_place_of_the_index_is_not_lost(sound, tmp_path):
    """A folder is moved and kept, each under a name of its own."""
    root = tmp_path / "store"
    shutil.copytree(sound, root)
    for _ in range(2):
        folder(root / "index.sqlite", random.Random(0))
        with pytest.warns(IndexWarning):
            assert len(Store(root).rows()) == len(RECORDS)
    assert [(root / f"index.sqlite.damaged{end}" / "mine").read_text() for end in ("", "-2")] == ["mine", "mine"]


@pytest.mark.parametrize(
    ("code", "damaged"),
    [
        (sqlite3.SQLITE_BUSY, False),
        (sqlite3.SQLITE_FULL, False),
        (sqlite3.SQLITE_IOERR, False),
        (sqlite3.SQLITE_READONLY, False),
        (sqlite3.SQLITE_IOERR_SHORT_READ, True),
        (sqlite3.SQLITE_CORRUPT_INDEX, True),
        (sqlite3.SQLITE_NOTADB, True),
        (sqlite3.SQLITE_ERROR, True),
    ],
)
def test_only_damage_is_mended_by_a_new_file(tmp_path, code, damaged):
    """A busy file or a full disk is no damage, and is not moved."""
    original = sqlite3.OperationalError("it says")
    original.sqlite_errorcode = code
    (tmp_path / "index.sqlite").touch()
    error = exc.OperationalError("", {}, original)
    assert databases.damage(error, tmp_path / "index.sqlite") == ("it says" if damaged else None)


@pytest.mark.postgresql
def test_a_damaged_row_of_a_shared_index_is_an_error_until_it_is_rebuilt(tmp_path, empty_url):
    """Other machines' files are in it, so nothing is thrown away; the error says what to run, and that mends it."""
    store = Store(tmp_path / "store", empty_url)
    for record in RECORDS[:2]:
        store.add(record)
    engine = sa.create_engine(empty_url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE records SET estimate = 77"))
        connection.execute(sa.text("UPDATE texts SET json = replace(json, '20', '21')"))
    engine.dispose()
    with pytest.raises(ReproError, match=r"is damaged .* `repro store rebuild` on each machine"):
        store.rows()
    assert rebuilt(tmp_path / "store", REPRO_INDEX=empty_url) == (0, 2)
    assert list(store.records()) == RECORDS[:2]


def rebuilt(root: Path, **environment: str) -> tuple[int, int]:
    """Run the command; its exit code, and how many records it counts."""
    result = CliRunner(env=environment).invoke(cli, ["store", "rebuild", "--store", str(root)])
    return result.exit_code, int(result.output.split(" has ")[1].split(" ")[0])


def test_the_command_rebuilds_and_lists_what_is_no_record(sound, tmp_path):
    """All files are read again; one that is no record is listed, and the exit code says so."""
    root = tmp_path / "store"
    shutil.copytree(sound, root)
    (root / "index.sqlite").write_bytes(b"hello")
    with pytest.warns(IndexWarning):
        assert rebuilt(root) == (1, len(RECORDS))
    (root / "records" / "toy2020" / "0000.json").unlink()
    assert rebuilt(root) == (0, len(RECORDS))
    result = CliRunner().invoke(cli, ["store", "rebuild", "--store", str(tmp_path / "none")])
    assert isinstance(result.exception, ReproError)
    assert not (tmp_path / "none").exists()
    assert encode(Store(root).get(RECORDS[0].id)) == encode(RECORDS[0])
