"""The store: files are the truth, the index follows them, and concurrent writers lose nothing."""

from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from repro import paths
from repro.errors import ReproError
from repro.paths import atomic_write
from repro.record.queries import newest
from repro.record.record import encode
from repro.record.store import IndexWarning, MergedStore, Store
from tests.records import EACH, make_record, write_some
from tests.test_record import INVALID

WRITERS = 8


@pytest.fixture
def store(tmp_path) -> Store:
    """An empty store."""
    return Store(tmp_path / "store")


@pytest.fixture
def shared_url(postgresql_url) -> Iterator[str]:
    """PostgreSQL without any tables of ours."""
    engine = sa.create_engine(postgresql_url)
    with engine.begin() as connection:
        connection.execute(sa.text("drop table if exists records, texts, problems, facts"))
    yield postgresql_url
    engine.dispose()


def test_added_records_come_back(store):
    """A record is in its paper's folder, byte for byte canonical, and found by its id and by its beginning."""
    record = make_record(1)
    path = store.add(record)
    assert path == store.root / "records" / "toy2020" / (record.id[7:23] + ".json") == store.path(record)
    assert path.read_bytes() == encode(record)
    assert store.get(record.id) == store.get(record.id[7:13]) == store.find(record.id[:12]) == record
    assert list(store.records()) == [record]
    assert {store.find(name) for name in ("ffffffff", "\udcff", "\0", "%")} == {None}  # no database takes each
    with pytest.raises(ReproError, match="no record"):
        store.get("ffffffff")
    with pytest.raises(ReproError, match="no record"):
        store.get("%")


def test_adding_again_changes_nothing(store):
    """A record that is there already is left alone, and the version of the store with it."""
    store.add(make_record(1))
    before = store.version()
    store.add(make_record(1))
    assert len(store.rows()) == 1
    assert store.version() == before
    store.add(make_record(2))
    assert store.version() != before


def test_an_ambiguous_beginning_is_refused(store):
    """A beginning that fits two records names neither."""
    for number in range(2):
        store.add(make_record(number))
    with pytest.raises(ReproError, match="2 records begin"):
        store.get("")


def test_rows_can_be_filtered_and_the_newest_found(store):
    """Filters narrow by paper, claim, kind and implementation; the newest of each claim and implementation is last."""
    records = [make_record(n) for n in range(3)]
    records += [make_record(9, name="other"), make_record(5, paper="aa2021"), make_record(7, implementation="mine")]
    for record in records:
        store.add(record)
    assert [row.id for row in store.rows(paper="toy2020", implementation="reference")] == [
        r.id for r in (*records[:3], records[3])
    ]
    assert [row.created for row in store.rows()] == sorted(row.created for row in store.rows())
    assert [r.id for r in store.records(kind="submission")] == [records[5].id]
    assert {r.id for r in store.newest()} == {records[2].id, records[3].id, records[4].id, records[5].id}
    assert store.newest_of(claim="toy2020/a-claim@1") == records[2]
    assert store.newest_of(claim="toy2020/a-claim@1", kind="submission", implementation="mine") == records[5]
    assert store.newest_of(claim="toy2020/absent@1") is None


def test_rows_hold_the_facts_of_their_record(store):
    """The index repeats what the record says, without opening it."""
    record = make_record(4)
    store.add(record)
    (row,) = store.rows()
    assert (row.claim, row.word, row.estimate, row.low, row.high, row.n) == (
        "toy2020/a-claim@1",
        "supported",
        4,
        -1,
        3,
        2,
    )
    assert (row.wall_s, row.energy_j, row.peak_bytes) == (1.5, None, 100)
    assert (row.machine, row.gpu, row.powerless, row.flag) == ("Test CPU", None, False, "")


def test_the_index_can_be_thrown_away(store):
    """Without its index, or with garbage in its place, a store answers as before."""
    for number in range(3):
        store.add(make_record(number))
    rows = store.rows()
    for damage in (None, b"garbage" * 1000):
        (store.root / "index.sqlite").unlink()
        if damage:
            (store.root / "index.sqlite").write_bytes(damage)
        with pytest.warns(IndexWarning, match="a new one was made from the files") if damage else nullcontext():
            assert Store(store.root).rows() == rows
    store.rebuild()
    assert store.rows() == rows


def test_an_interrupted_reading_of_many_files_goes_on(store, monkeypatch):
    """What was taken in before stays, and only the rest is read when the store is opened again."""
    records = [make_record(number) for number in range(5)]
    for record in records:
        atomic_write(store.path(record), encode(record))
    monkeypatch.setattr("repro.record.store.BATCH", 2)
    read, seen = Store._read, []

    def reading(self, path):
        seen.append(path)
        if len(seen) == 4:
            raise KeyboardInterrupt
        return read(self, path)

    monkeypatch.setattr(Store, "_read", reading)
    with pytest.raises(KeyboardInterrupt):
        Store(store.root).rows()
    assert len(Store(store.root).rows()) == 5
    assert len(seen) == 4 + 3
    assert sorted(seen[4:]) == sorted(set(seen) - set(seen[:2]))


def test_files_that_come_and_go_are_noticed(store):
    """A file that appears is indexed on opening, one that vanishes is forgotten, and the version says so."""
    kept, gone = store.add(make_record(1)), store.add(make_record(2))
    versions = {store.version()}
    gone.unlink()
    new = make_record(3)
    store.path(new).write_bytes(encode(new))
    versions.add(store.version())
    assert {row.path for row in Store(store.root).rows()} == {
        f"records/toy2020/{p.name}" for p in (kept, store.path(new))
    }
    assert len(versions) == 2


def test_an_index_of_another_version_is_built_anew(store):
    """Tables that another version of the software made are replaced from the files."""
    store.add(make_record(1))
    with sqlite3.connect(store.root / "index.sqlite") as connection:
        connection.execute("update facts set value = '0' where name = 'version'")
    connection.close()
    assert len(Store(store.root).rows()) == 1


@pytest.mark.parametrize("damage", INVALID)
def test_one_bad_file_is_a_problem_and_nothing_more(store, damage):
    """An invalid file is listed with its reason, hides no other record, and its record is not served any longer."""
    good, bad = make_record(1), make_record(0)
    store.add(good)
    store.add(bad)
    store.path(bad).write_bytes(INVALID[damage][0])
    for reader in (Store(store.root), Store(store.root, read_only=True)):
        assert list(reader.records()) == [good]
        (problem,) = reader.problems()
        assert problem.path == f"records/toy2020/{store.path(bad).name}"
        assert problem.reason
    store.add(bad)  # mends it
    assert store.problems() == []
    assert len(store.rows()) == 2


def test_files_under_a_wrong_name_are_problems(store):
    """A valid record under another name or in another paper's folder is not served from there."""
    record = make_record(1)
    path = store.add(record)
    shutil.copy(path, path.with_name("0" * 16 + ".json"))
    other = store.root / "records" / "aa2021" / path.name
    other.parent.mkdir()
    shutil.copy(path, other)
    store.sync()
    assert len(store.rows()) == 1
    assert [p.reason for p in store.problems()] == [f"The record belongs at records/toy2020/{path.name}"] * 2


def test_odd_things_in_the_folder_do_no_harm(store):
    """Folders, broken links and other files among the records are passed over or listed, never raised."""
    store.add(make_record(1))
    folder = store.root / "records" / "toy2020"
    (folder / "folder.json").mkdir()
    (folder / "link.json").symlink_to(folder / "nowhere")
    (folder / "left.tmp").write_text("x")
    (store.root / "records" / "file.json").write_text("x")
    os.mkfifo(folder / "pipe.json")  # whose reader would wait for a writer
    store.sync()
    assert len(store.rows()) == 1
    assert [p.path for p in store.problems()] == ["records/toy2020/folder.json", "records/toy2020/pipe.json"]


def test_reading_only_writes_nothing(store):
    """A missing store is empty and stays missing; an existing one is not touched, with or without an index."""
    absent = Store(store.root, read_only=True)
    assert (absent.rows(), absent.problems(), absent.find("a")) == ([], [], None)
    assert not store.root.exists()
    record = make_record(1)
    store.add(record)
    for name in ("index.sqlite", None):
        before = contents(store.root)
        reader = Store(store.root, read_only=True)
        assert list(reader.records()) == [record]
        with pytest.raises(ReproError, match="reading only"):
            reader.add(make_record(2))
        with pytest.raises(ReproError, match="reading only"):
            reader.rebuild()
        assert contents(store.root) == before
        if name:
            (store.root / name).unlink()


def test_reading_only_follows_what_comes(store):
    """After `sync` it has what was added since, by the store or by hand, and still writes nothing."""
    store.add(make_record(1))
    reader = Store(store.root, read_only=True)
    assert len(reader.rows()) == 1
    atomic_write(store.path(make_record(2)), encode(make_record(2)))
    before = contents(store.root)
    reader.sync()
    assert len(reader.rows()) == 2
    assert contents(store.root) == before
    store.add(make_record(3))
    reader.sync()
    assert len(reader.rows()) == 3


def test_of_many_files_the_names_are_compared(store, monkeypatch):
    """Opening a large store for reading looks at no file; one more, one less and another one are noticed."""
    monkeypatch.setattr("repro.record.store.MANY", 2)
    records = [make_record(number) for number in range(4)]
    for record in records[:3]:
        store.add(record)

    def seen() -> set[str]:
        return {row.id for row in Store(store.root, read_only=True).rows()}

    with monkeypatch.context() as patch:
        patch.setattr(Store, "_stamped", lambda *_: pytest.fail("a file was looked at"))
        assert seen() == {record.id for record in records[:3]}
    store.path(records[0]).rename(store.path(records[0]).with_suffix(".kept"))
    assert seen() == {record.id for record in records[1:3]}
    atomic_write(store.path(records[3]), encode(records[3]))
    assert seen() == {record.id for record in records[1:]}
    (store.root / "records" / "toy2020" / "damaged.json").write_text("{")
    assert len(Store(store.root, read_only=True).problems()) == 1
    assert seen() == {record.id for record in records[1:]}


def contents(root: Path) -> dict[str, int]:
    """Every file with the time it was last changed."""
    return {str(path): path.stat().st_mtime_ns for path in root.rglob("*")}


def test_a_reader_sees_what_a_writer_adds(store):
    """A board that is open sees new records after it has looked again."""
    store.add(make_record(1))
    reader = Store(store.root, read_only=True)
    seen, version = reader.rows(), reader.version()
    store.add(make_record(2))
    assert reader.version() != version
    reader.sync()
    assert len(reader.rows()) == len(seen) + 1


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (errno.ENOSPC, "is full"),
        (errno.EDQUOT, "is full"),
        (errno.EROFS, "cannot be used"),
        (errno.EACCES, "REPRO_STORE"),
    ],
    ids=["full", "quota", "read-only", "forbidden"],
)
@pytest.mark.parametrize("step", ["fsync", "link", "fsync by name", "replace by name", "mkstemp by name"])
def test_what_cannot_be_written_leaves_nothing_half_written(store, monkeypatch, code, says, step):
    """A full or read-only disk gives one error with the remedy; no file and no temporary file is left."""

    def fail(*arguments: object, **options: object) -> None:
        raise OSError(code, os.strerror(code))

    step, _, named = step.partition(" by ")
    if named:
        monkeypatch.setattr(paths, "NAMELESS", None)
    elif paths.NAMELESS is None:
        pytest.skip("this system has no files without a name")
    monkeypatch.setattr(tempfile if step == "mkstemp" else os, step, fail)
    with pytest.raises(ReproError, match=says) as caught:
        store.add(make_record(1))
    assert caught.value.remedy
    monkeypatch.undo()
    assert [path for path in store.root.rglob("*") if path.is_file()] == []
    assert store.rows() == []


def test_records_that_are_not_sealed_are_refused(store):
    """A record whose id is not its hash never reaches the disk."""
    record = make_record(1, flag="x")
    with pytest.raises(ReproError, match="states the hash"):
        store.add(msgspec.structs.replace(record, flag="y"))
    assert not store.root.exists()


def test_several_stores_read_as_one(tmp_path):
    """Published and local records are merged, each counted once."""
    one, other = Store(tmp_path / "a"), Store(tmp_path / "b")
    for number, stores in ((1, [one]), (2, [one, other]), (3, [other])):
        for store in stores:
            store.add(make_record(number))
    both = MergedStore(
        [
            Store(tmp_path / "a", read_only=True),
            Store(tmp_path / "b", read_only=True),
            Store(tmp_path / "c", read_only=True),
        ]
    )
    assert [row.estimate for row in both.rows()] == [1, 2, 3]
    assert [row.estimate for row in newest(both.rows(paper="toy2020"))] == [3]
    assert both.get(make_record(2).id) == make_record(2)
    assert both.problems() == []
    with pytest.raises(ReproError, match="No store has"):
        both.get("ffff")
    with pytest.raises(ReproError, match="begin with"):
        both.get("")
    before = both.version()
    one.add(make_record(4))
    both.sync()
    assert both.version() != before
    assert len(both.rows()) == 4


def write_at_once(root: Path, url: str | None) -> None:
    """Start all writers together and wait for them."""
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_some, args=(str(root), url, writer)) for writer in range(WRITERS)]
    for process in writers:
        process.start()
    for process in writers:
        process.join(120)
    assert [process.exitcode for process in writers] == [0] * WRITERS


def test_concurrent_writers_lose_nothing(tmp_path):
    """Eight processes that open one new store at once and write to it end with every record in files and index."""
    write_at_once(tmp_path / "s", None)
    store = Store(tmp_path / "s", read_only=True)
    assert len(list((tmp_path / "s" / "records" / "toy2020").glob("*.json"))) == WRITERS * EACH + 1
    assert len(store.rows()) == WRITERS * EACH + 1
    with sqlite3.connect(tmp_path / "s" / "index.sqlite") as connection:
        assert connection.execute("select count(*) from records").fetchone()[0] == WRITERS * EACH + 1
    connection.close()


@pytest.mark.postgresql
def test_concurrent_writers_lose_nothing_on_postgresql(tmp_path, shared_url):
    """The same on a shared index in PostgreSQL, tables made by whoever comes first."""
    write_at_once(tmp_path / "s", shared_url)
    assert len(Store(tmp_path / "s", shared_url).rows()) == WRITERS * EACH + 1


@pytest.mark.postgresql
def test_a_shared_index_serves_several_machines(tmp_path, shared_url):
    """Two stores share an index: each sees the other's records, neither forgets them, and a board can read all."""
    one, other = Store(tmp_path / "a", shared_url), Store(tmp_path / "b", shared_url)
    one.add(make_record(1))
    version = one.version()
    other.add(make_record(2))
    assert one.version() != version
    for store in (one, other, Store(tmp_path / "c", shared_url, read_only=True)):
        store.sync()
        assert [record.verdict.estimate for record in store.records()] == [1, 2]
    one.rebuild()
    assert len(one.rows()) == 2
    one.path(make_record(1)).write_bytes(b"{}")
    one.sync()
    assert [problem.path for problem in one.problems()] == [f"records/toy2020/{one.path(make_record(1)).name}"]
    assert one.get(make_record(2).id[:20]) == make_record(2)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nonsense", "cannot be read"),
        ("mysql://host/board", "SQLite or PostgreSQL"),
        ("postgresql+psycopg://127.0.0.1:1/none", "cannot be used"),
    ],
)
def test_an_index_that_is_not_there_is_one_clear_error(tmp_path, url, says):
    """A URL that is wrong, of another database or of no server says so."""
    with pytest.raises(ReproError, match=says):
        Store(tmp_path, url).rows()


class StoreMachine(RuleBasedStateMachine):
    """A store under any order of additions, removals, damage, rebuilding and reopening, against a set of records."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="repro-store-"))
        self.store = Store(self.root)
        self.expected: dict[str, float | None] = {}
        self.damaged: set[str] = set()

    @initialize(numbers=st.lists(st.integers(0, 5), max_size=3))
    def fill(self, numbers: list[int]) -> None:
        for number in numbers:
            self.add(number)

    @rule(number=st.integers(0, 5))
    def add(self, number: int) -> None:
        record = make_record(number)
        self.store.add(record)
        self.expected[record.id] = record.verdict.estimate
        self.damaged.discard(record.id)

    @rule(number=st.integers(0, 5))
    def remove(self, number: int) -> None:
        record = make_record(number)
        self.store.path(record).unlink(missing_ok=True)
        self.expected.pop(record.id, None)
        self.damaged.discard(record.id)
        self.store.sync()

    @rule(number=st.integers(0, 5), size=st.integers(0, 500))
    def damage(self, number: int, size: int) -> None:
        record = make_record(number)
        path = self.store.path(record)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(record)[:size])
        self.expected.pop(record.id, None)
        self.damaged.add(record.id)
        self.store.sync()

    @rule()
    def rebuild(self) -> None:
        self.store.rebuild()

    @rule(lose_index=st.booleans())
    def reopen(self, lose_index: bool) -> None:
        if lose_index:
            (self.root / "index.sqlite").unlink(missing_ok=True)
        self.store = Store(self.root)

    @invariant()
    def index_says_what_files_say(self) -> None:
        rows = self.store.rows()
        assert {row.id: row.estimate for row in rows} == self.expected
        assert len(self.store.problems()) == len(self.damaged)
        assert len(newest(rows)) == bool(rows)

    def teardown(self) -> None:
        shutil.rmtree(self.root)


TestStoreUnderAnyOrder = StoreMachine.TestCase
TestStoreUnderAnyOrder.settings = settings(max_examples=15, stateful_step_count=12, deadline=None, derandomize=True)
