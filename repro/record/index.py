"""The database index of a store: derived from the record files, and built again from them whenever need be.

SQLite by default, in write-ahead mode, every writing transaction begun with BEGIN IMMEDIATE; PostgreSQL by URL
for an index that several machines share. SQLite's write-ahead mode needs a local disk.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec
import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.pool import NullPool, StaticPool

from repro.errors import ReproError
from repro.record import Record, brief, encode, hardware

VERSION = "3"  # of the tables; an index of another version is built anew
BUSY_S = 60.0  # how long a writer waits for the others
LOCK = 0x726570726F  # PostgreSQL's advisory lock for writing


class Stamp(NamedTuple):
    """How a file looked when it was read. On a shared index `mtime_ns` is 0: clocks of machines differ."""

    size: int
    mtime_ns: int


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What the index knows about a record without opening it.

    Attributes:
        claim: its id, "key/name@version" with "[row]" for a row of a table.
        source: hash of the implementation's source.
        estimate: of the verdict, with its interval `low` to `high` over `n` seeds or cases.
        machine: the processor's name.
        hardware: what a record is filtered by, `repro.record.hardware`.
        wall_s: seconds of all trials together, each counted once.
        energy_j: joules of all trials together; None unless every one was measured.
        peak_bytes: the most memory of any trial: the GPU's where it used one, else the process's.
    """

    id: str
    path: str
    paper: str
    claim: str
    name: str
    row: str | None
    version: int
    digest: str
    kind: str
    implementation: str
    source: str
    evidence: str
    tier: str
    status: str
    word: str
    estimate: float | None
    low: float | None
    high: float | None
    n: int
    unit: str
    created: str
    machine: str
    gpu: str | None
    hardware: str
    runner: str
    division: str | None
    wall_s: float
    energy_j: float | None
    peak_bytes: int
    powerless: bool
    flag: str
    supersedes: str | None


class Problem(msgspec.Struct, frozen=True):
    """A file that is no sound record, by its path in the store, and why."""

    path: str
    reason: str


class Found(NamedTuple):
    """A file of the store as it was just read: a record with its bytes, or a problem."""

    path: str
    stamp: Stamp
    record: Record | None
    text: str  # the file's JSON, or the reason


META = sa.MetaData()
RECORDS = sa.Table(
    "records",
    META,
    sa.Column("id", sa.String(71), primary_key=True),
    sa.Column("path", sa.String(200), nullable=False, unique=True),
    sa.Column("paper", sa.String(60), nullable=False, index=True),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("claim", "name")),
    sa.Column("row", sa.Text),
    sa.Column("version", sa.Integer, nullable=False),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("digest", "kind", "implementation", "source")),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("evidence", "tier")),
    *(sa.Column(name, sa.Text, nullable=False) for name in ("status", "word")),
    *(sa.Column(name, sa.Double) for name in ("estimate", "low", "high")),
    sa.Column("n", sa.Integer, nullable=False),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("created", sa.String(40), nullable=False, index=True),
    sa.Column("machine", sa.Text, nullable=False),
    sa.Column("gpu", sa.Text, index=True),
    sa.Column("hardware", sa.Text, nullable=False, index=True),
    sa.Column("runner", sa.Text, nullable=False, index=True),
    sa.Column("division", sa.Text),
    sa.Column("wall_s", sa.Double, nullable=False),
    sa.Column("energy_j", sa.Double),
    sa.Column("peak_bytes", sa.BigInteger, nullable=False),
    sa.Column("powerless", sa.Boolean, nullable=False),
    sa.Column("flag", sa.Text, nullable=False),
    sa.Column("supersedes", sa.String(71)),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("mtime_ns", sa.BigInteger, nullable=False),
    sa.Index("records_flagged", "created", sqlite_where=sa.text("flag != ''"), postgresql_where=sa.text("flag != ''")),
    sa.Index("records_case", "paper", "name", "created"),
    sa.Index("records_newest", "claim", "kind", "implementation", "created"),
    sa.Index("records_heads", "kind", "implementation", "paper", "name", "row", "version", "created", "id"),
)
TEXTS = sa.Table(  # apart, so that what goes through many records reads little
    "texts",
    META,
    sa.Column("id", sa.String(71), primary_key=True),
    sa.Column("brief", sa.Text, nullable=False),
    sa.Column("json", sa.Text, nullable=False),
)
PROBLEMS = sa.Table(
    "problems",
    META,
    sa.Column("path", sa.String(400), primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("mtime_ns", sa.BigInteger, nullable=False),
)
FACTS = sa.Table("facts", META, sa.Column("name", sa.String(40), primary_key=True), sa.Column("value", sa.Text))
COLUMNS = [RECORDS.c[name] for name in Row.__struct_fields__]
SAME = ("kind", "implementation", "paper", "name", "row", "version", "digest", "source", "word", "powerless")
"""In which a rerun agrees with what it verifies."""


class Index:
    """The tables behind a store.

    Args:
        engine: made by `local`, `snapshot` or `shared`.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._lock = threading.RLock()  # a snapshot has one connection for all threads
        self._insert = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert

    def prepare(self) -> None:
        """Make the tables, or make them anew if they are of another version."""
        with self._writing() as connection:
            self._wait(connection)
            exists = sa.inspect(connection).has_table("facts")
            if exists and _fact(connection, "version") == VERSION:
                return
            META.drop_all(connection)
            META.create_all(connection)
            connection.execute(
                FACTS.insert(), [{"name": "version", "value": VERSION}, {"name": "changes", "value": "0"}]
            )

    def exists(self) -> bool:
        """Whether the tables are there, in this version."""
        with self._reading() as connection:
            return sa.inspect(connection).has_table("facts") and _fact(connection, "version") == VERSION

    def stamps(self) -> dict[str, Stamp]:
        """The files that the index knows, by path, as they were when they were read."""
        with self._reading() as connection:
            known = sa.union_all(
                sa.select(RECORDS.c.path, RECORDS.c.size, RECORDS.c.mtime_ns),
                sa.select(PROBLEMS.c.path, PROBLEMS.c.size, PROBLEMS.c.mtime_ns),
            )
            return {path: Stamp(size, mtime) for path, size, mtime in connection.execute(known)}

    def paths(self) -> set[str]:
        """The files that the index knows."""
        with self._reading() as connection:
            return set(connection.scalars(sa.union_all(sa.select(RECORDS.c.path), sa.select(PROBLEMS.c.path))))

    def update(self, found: Sequence[Found], gone: Collection[str] = ()) -> None:
        """Take in files that were read and forget those that are gone, in one transaction."""
        with self._writing() as connection:
            self._wait(connection)
            self._forget(connection, [*gone, *(file.path for file in found)])
            self._take_in(connection, found)

    def rows(self, where: Mapping[str, str | bool | None]) -> list[Row]:
        """The records whose columns have these values (None: any), oldest first."""
        wanted = [RECORDS.c[name] == value for name, value in where.items() if value is not None]
        query = sa.select(*COLUMNS).where(*wanted).order_by(RECORDS.c.created, RECORDS.c.id)
        with self._reading() as connection:
            return [Row(**row._mapping) for row in connection.execute(query)]

    def with_prefix(self, prefix: str) -> list[Row]:
        """The records whose id begins so."""
        query = sa.select(*COLUMNS).where(RECORDS.c.id.startswith(prefix, autoescape=True)).order_by(RECORDS.c.id)
        with self._reading() as connection:
            return [Row(**row._mapping) for row in connection.execute(query)]

    def texts(self, ids: Sequence[str]) -> dict[str, str]:
        """The JSON of records, by id."""
        with self._reading() as connection:
            query = sa.select(TEXTS.c.id, TEXTS.c.json).where(TEXTS.c.id.in_(ids))
            return {row.id: row.json for row in connection.execute(query)}

    def heads(self, where: Mapping[str, str | None]) -> list[str]:
        """The JSON of `repro.record.brief` of each claim's newest record, by implementation, among those.

        A claim's row counts as a claim of its own, and its highest version goes before what is newer.
        """
        wanted = [RECORDS.c[name] == value for name, value in where.items() if value is not None]
        case = [RECORDS.c[name] for name in ("kind", "implementation", "paper", "name", "row")]
        age = [RECORDS.c[name].desc() for name in ("version", "created", "id")]
        rank = sa.func.row_number().over(partition_by=case, order_by=age).label("rank")
        ranked = sa.select(RECORDS.c.id, rank).where(*wanted).subquery()
        query = sa.select(TEXTS.c.brief).join(ranked, TEXTS.c.id == ranked.c.id).where(ranked.c.rank == 1)
        with self._reading() as connection:
            return list(connection.scalars(query))

    def verified(self, where: Mapping[str, str | None]) -> list[Row]:
        """Of the verified records among those, the newest of each that say the same of the same source."""
        wanted = [RECORDS.c[name] == value for name, value in where.items() if value is not None]
        age = [RECORDS.c[name].desc() for name in ("created", "id")]
        rank = sa.func.row_number().over(partition_by=[RECORDS.c[name] for name in SAME], order_by=age).label("rank")
        ranked = sa.select(RECORDS.c.id, rank).where(RECORDS.c.runner == "verified", *wanted).subquery()
        query = sa.select(*COLUMNS).join(ranked, RECORDS.c.id == ranked.c.id).where(ranked.c.rank == 1)
        with self._reading() as connection:
            return [Row(**row._mapping) for row in connection.execute(query)]

    def flagged(self, most: int) -> list[Row]:
        """The newest records with a flag, at most so many, the newest first."""
        age = [RECORDS.c[name].desc() for name in ("created", "id")]
        query = sa.select(*COLUMNS).where(RECORDS.c.flag != sa.literal_column("''")).order_by(*age).limit(most)
        with self._reading() as connection:
            return [Row(**row._mapping) for row in connection.execute(query)]

    def among(self, ids: Sequence[str]) -> list[str]:
        """Which of these ids are of records here."""
        with self._reading() as connection:
            return list(connection.scalars(sa.select(RECORDS.c.id).where(RECORDS.c.id.in_(ids))))

    def flags(self) -> list[str]:
        """The ids of all records with a flag."""
        query = sa.select(RECORDS.c.id).where(RECORDS.c.flag != sa.literal_column("''"))
        with self._reading() as connection:
            return list(connection.scalars(query))

    def briefs(self, ids: Sequence[str]) -> list[str]:
        """The JSON of `repro.record.brief` of records, in any order."""
        with self._reading() as connection:
            return list(connection.scalars(sa.select(TEXTS.c.brief).where(TEXTS.c.id.in_(ids))))

    def distinct(self, name: str, where: Mapping[str, str | None]) -> list[str]:
        """The values of a column among the records whose columns have these values, sorted."""
        wanted = [RECORDS.c[column] == value for column, value in where.items() if value is not None]
        query = sa.select(RECORDS.c[name]).where(*wanted).distinct()
        with self._reading() as connection:
            # Sorted here: each database orders letters in its own way.
            return sorted(connection.scalars(query), key=lambda value: (value is None, value))

    def problems(self) -> list[Problem]:
        """Files that are no sound records."""
        with self._reading() as connection:
            found = connection.execute(sa.select(PROBLEMS.c.path, PROBLEMS.c.reason))
            return [Problem(path, reason) for path, reason in sorted(tuple(one) for one in found)]

    def changes(self) -> str:
        """A number that grows with every transaction that changed something."""
        with self._reading() as connection:
            return _fact(connection, "changes") or "0"

    def _wait(self, connection: sa.Connection) -> None:
        """Wait for other writers, as BEGIN IMMEDIATE does: transactions that lock rows in other orders may deadlock."""
        if self._engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))

    def _forget(self, connection: sa.Connection, paths: Sequence[str]) -> None:
        for start in range(0, len(paths), 500):  # databases limit the number of parameters
            some = paths[start : start + 500]
            ids = sa.select(RECORDS.c.id).where(RECORDS.c.path.in_(some))
            connection.execute(TEXTS.delete().where(TEXTS.c.id.in_(ids)))
            for table in (RECORDS, PROBLEMS):
                connection.execute(table.delete().where(table.c.path.in_(some)))

    def _take_in(self, connection: sa.Connection, found: Sequence[Found]) -> None:
        records = [_values(file, file.record) for file in found if file.record is not None]
        problems = [
            {"path": file.path, "reason": file.text, **file.stamp._asdict()} for file in found if file.record is None
        ]
        texts = [
            {"id": file.record.id, "brief": encode(brief(file.record)).decode(), "json": file.text}
            for file in found
            if file.record is not None
        ]
        for table, values in ((RECORDS, records), (PROBLEMS, problems)):
            if values:
                connection.execute(self._insert(table).on_conflict_do_nothing(), values)
        if texts:
            insert = self._insert(TEXTS)
            new = {name: insert.excluded[name] for name in ("brief", "json")}
            connection.execute(insert.on_conflict_do_update(index_elements=[TEXTS.c.id], set_=new), texts)
        count = sa.cast(sa.cast(FACTS.c.value, sa.BigInteger) + 1, sa.Text)
        connection.execute(FACTS.update().where(FACTS.c.name == "changes").values(value=count))

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with self._lock, self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self._lock, self._engine.execution_options(writes=True).begin() as connection:
            yield connection


def local(path: Path) -> sa.Engine:
    """The SQLite file at `path`, made if need be. Only one process may make it at a time."""
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)), poolclass=NullPool, connect_args={"timeout": BUSY_S}
    )

    @event.listens_for(engine, "connect")
    def connected(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")  # the files are the truth; the index may lose its last second

    _begin_immediate(engine)
    return engine


def reading(path: Path) -> sa.Engine:
    """The SQLite file at `path`, which must be there, for reading: nothing is written, not even beside it."""
    engine = sa.create_engine("sqlite://", creator=lambda: _readable(path), poolclass=NullPool)
    _begin_immediate(engine)
    return engine


def _readable(path: Path) -> sqlite3.Connection:
    # Without a write-ahead log nobody is writing, and `immutable` keeps SQLite from making one.
    wal = path.with_name(path.name + "-wal").exists()
    address = f"file:{quote(str(path.absolute()))}?mode=ro{'' if wal else '&immutable=1'}"
    return sqlite3.connect(address, uri=True, timeout=5.0, isolation_level=None, check_same_thread=False)


def snapshot(path: Path) -> sa.Engine:
    """A private copy of the SQLite file at `path`, or an empty database if it is not there or not readable.

    It is in memory, and on the disk where it is large; it goes with the engine.
    """
    copy = _private()
    try:
        original = _readable(path)
        try:
            original.backup(copy)
            copy.execute("PRAGMA quick_check(1)")
        finally:
            original.close()
    except sqlite3.Error:
        copy.close()
        copy = _private()
    engine = sa.create_engine("sqlite://", creator=lambda: copy, poolclass=StaticPool)
    _begin_immediate(engine)
    return engine


def _private() -> sqlite3.Connection:
    return sqlite3.connect("", check_same_thread=False, isolation_level=None)


def shared(url: str) -> sa.Engine:
    """An index by URL, such as postgresql+psycopg://host/board.

    Raises:
        ReproError: if the URL is not one of PostgreSQL or SQLite, or its driver is not installed.
    """
    try:
        parsed = sa.make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            return local(Path(parsed.database))
        if parsed.get_backend_name() != "postgresql":
            raise ReproError("The index of a store is SQLite or PostgreSQL", "Use postgresql+psycopg://host/database.")
        return sa.create_engine(parsed, poolclass=NullPool)
    except exc.ArgumentError as error:
        raise ReproError("The URL of the index cannot be read", "Use postgresql+psycopg://host/database.") from error
    except ModuleNotFoundError as error:
        raise ReproError(f"The index needs {error.name}", "Run pip install 'repro[board]'.") from error


def check(record: Record) -> None:
    """Refuse what the columns cannot hold, so that no record on disk keeps an index from being built.

    Raises:
        ReproError: for a text that is too long for its column or holds NUL, and for an integer beyond 32 or 64 bits.
    """
    for name, value in _columns(record).items():
        kind = RECORDS.c[name].type
        if isinstance(value, str):
            longest = kind.length if isinstance(kind, sa.String) else None
            fits = "\0" not in value and (longest is None or len(value) <= longest)
        elif isinstance(value, int):
            fits = abs(value) < (2**63 if isinstance(kind, sa.BigInteger | sa.Double) else 2**31)
        else:
            fits = True
        if not fits:
            raise ReproError(f"The record's {name} does not fit into an index", "See docs/board.md for what does.")


def _begin_immediate(engine: sa.Engine) -> None:
    @event.listens_for(engine, "begin")
    def begun(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _fact(connection: sa.Connection, name: str) -> str | None:
    return connection.scalar(sa.select(FACTS.c.value).where(FACTS.c.name == name))


def _values(file: Found, record: Record) -> dict[str, Any]:
    """A row of the table: the columns of a record, its file's path and stamp."""
    return {**_columns(record), "path": file.path, **file.stamp._asdict()}


def _columns(record: Record) -> dict[str, Any]:
    """The columns of a record that do not depend on its file."""
    claim, implementation, verdict = record.claim, record.implementation, record.verdict
    usages = list({trial.key: trial.usage for trial in record.trials}.values())
    energies = [usage.energy_j for usage in usages]
    measured = [energy for energy in energies if energy is not None]
    low, high = verdict.interval or (None, None)
    row = Row(
        id=record.id,
        path="",
        paper=record.paper.key,
        claim=claim.id,
        name=claim.name,
        row=claim.row,
        version=claim.version,
        digest=claim.digest,
        kind=implementation.kind,
        implementation=implementation.name,
        source=implementation.source,
        evidence=claim.evidence,
        tier=claim.tier,
        status=verdict.status,
        word=record.word,
        estimate=verdict.estimate,
        low=low,
        high=high,
        n=verdict.n,
        unit=verdict.unit,
        created=record.created,
        machine=record.machine.cpu,
        gpu=record.machine.gpu,
        hardware=hardware(record),
        runner=record.runner,
        division=implementation.division,
        wall_s=sum(usage.wall_s for usage in usages),
        energy_j=sum(measured) if energies and len(measured) == len(energies) else None,
        peak_bytes=max((usage.gpu_peak_bytes or usage.peak_rss_bytes for usage in usages), default=0),
        powerless=record.powerless,
        flag=record.flag,
        supersedes=record.supersedes,
    )
    return msgspec.structs.asdict(row)
