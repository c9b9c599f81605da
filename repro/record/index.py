"""The tables of an index: derived from a store's record files, and built again from them whenever need be."""

from __future__ import annotations

import hashlib
import threading
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from repro.criterion.verdict import Outcome, RecordedOutcome
from repro.errors import ReproError
from repro.record.record import Record, brief, encode, hardware

VERSION = "4"  # of the tables; an index of another version is built anew
LOCK = 0x726570726F  # PostgreSQL's advisory lock for writing

T = TypeVar("T")


class DamagedIndex(Exception):
    """What the tables hold is not what was written into them."""


class Stamp(NamedTuple):
    """How a file looked when it was read. On a shared index `mtime_ns` is 0: clocks of machines differ."""

    size: int
    mtime_ns: int


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What the index knows about a record without opening it: a column for each attribute.

    Attributes:
        claim: its id, "key/name@version" with "[row]" for a row of a table.
        source: hash of the implementation's source.
        estimate: of the verdict, with its interval `low` to `high` over `n` seeds or cases.
        machine: the processor's name.
        hardware: what a record is filtered by, `repro.record.record.hardware`.
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
    word: RecordedOutcome
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

    @property
    def outcome(self) -> Outcome:
        """What people read of the record."""
        return Outcome.read(self.word, powerless=self.powerless)


class Problem(msgspec.Struct, frozen=True):
    """A file that is not a valid record, by its path in the store, and why."""

    path: str
    reason: str


class ScannedFile(NamedTuple):
    """A file of the store as it was just read: a record with its bytes, or a problem."""

    path: str
    stamp: Stamp
    record: Record | None
    text: str  # the file's JSON, or the reason


TYPES = {"str": sa.Text, "RecordedOutcome": sa.Text, "int": sa.Integer, "float": sa.Double, "bool": sa.Boolean}
SIZED = {
    "id": sa.String(71),
    "path": sa.String(200),
    "paper": sa.String(60),
    "created": sa.String(40),
    "supersedes": sa.String(71),
    "peak_bytes": sa.BigInteger(),
}
"""Columns whose type is another than that of their attribute in TYPES."""
INDEXED = ("paper", "created", "gpu", "hardware", "runner")


def _column(name: str, annotation: str) -> sa.Column[Any]:
    """The column of an attribute of `Row`, by its annotation: "str", or "str | None" for one that may be null."""
    python_type, _, null = annotation.partition(" | ")
    return sa.Column(
        name,
        SIZED.get(name, TYPES[python_type]),
        nullable=bool(null),
        primary_key=name == "id",
        unique=name == "path",
        index=name in INDEXED,
    )


META = sa.MetaData()
RECORDS = sa.Table(
    "records",
    META,
    *(_column(name, annotation) for name, annotation in Row.__annotations__.items()),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("mtime_ns", sa.BigInteger, nullable=False),
    sa.Column("sum", sa.BigInteger, nullable=False),
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
    sa.Column("sum", sa.BigInteger, nullable=False),  # of `brief`; the whole record has its own hash
    sa.Column("json", sa.Text, nullable=False),
)
PROBLEMS = sa.Table(
    "problems",
    META,
    sa.Column("path", sa.String(400), primary_key=True),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("sum", sa.BigInteger, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("mtime_ns", sa.BigInteger, nullable=False),
)
FACTS = sa.Table("facts", META, sa.Column("name", sa.String(40), primary_key=True), sa.Column("value", sa.Text))


class Index:
    """The tables behind a store, in SQLite or PostgreSQL; engines are made by `repro.record.databases`."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._lock = threading.RLock()  # a snapshot has one connection for all threads
        self._postgresql = engine.dialect.name == "postgresql"
        self._insert = postgresql.insert if self._postgresql else sqlite.insert

    def prepare(self) -> None:
        """Make the tables, or make them anew if they are of another version."""
        with self._writing() as connection:
            if _is_current(connection):
                return
            META.drop_all(connection)
            META.create_all(connection)
            connection.execute(
                FACTS.insert(), [{"name": "version", "value": VERSION}, {"name": "changes", "value": "0"}]
            )

    def exists(self) -> bool:
        """Whether the tables are there, in this version."""
        with self._reading() as connection:
            return _is_current(connection)

    def ask(self, query: sa.Executable, read: Callable[[list[Any]], T]) -> T:
        """What is read of the tables' answer.

        Raises:
            DamagedIndex: if it is not what was written.
        """
        with self._reading() as connection:
            try:
                return read(list(connection.execute(query)))
            except (ValueError, TypeError, ArithmeticError, AttributeError) as error:  # a value of another type
                raise DamagedIndex(f"{type(error).__name__} while it was read") from error

    def stamps(self) -> dict[str, Stamp]:
        """The files that the index knows, by path, as they were when they were read."""
        tables = (sa.select(table.c.path, table.c.size, table.c.mtime_ns) for table in (RECORDS, PROBLEMS))
        return self.ask(sa.union_all(*tables), lambda found: {path: Stamp(size, mtime) for path, size, mtime in found})

    def check(self) -> None:
        """Whether the file of an index in SQLite is sound; the values in it are checked as they are read.

        Raises:
            DamagedIndex: with what is wrong first.
        """
        if self._postgresql:
            return
        with self._reading() as connection:
            said = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
        if said != "ok":
            raise DamagedIndex(str(said).partition("\n")[0])

    def changes(self) -> str:
        """A number that grows with every transaction that changed something."""
        with self._reading() as connection:
            return _fact(connection, "changes") or "0"

    def update(self, files: Sequence[ScannedFile], gone: Collection[str] = ()) -> None:
        """Take in files that were read and forget those that are gone, in one transaction."""
        with self._writing() as connection:
            self._forget(connection, [*gone, *(file.path for file in files)])
            self._take_in(connection, files)

    def _forget(self, connection: sa.Connection, paths: Sequence[str]) -> None:
        for start in range(0, len(paths), 500):  # databases limit the number of parameters
            some = paths[start : start + 500]
            ids = sa.select(RECORDS.c.id).where(RECORDS.c.path.in_(some))
            connection.execute(TEXTS.delete().where(TEXTS.c.id.in_(ids)))
            for table in (RECORDS, PROBLEMS):
                connection.execute(table.delete().where(table.c.path.in_(some)))

    def _take_in(self, connection: sa.Connection, files: Sequence[ScannedFile]) -> None:
        records, problems, texts = [], [], []
        for path, stamp, record, text in files:
            if record is None:
                problems.append({"path": path, "reason": text, "sum": check_sum([path, text]), **stamp._asdict()})
            else:
                values = {**_columns(record), "path": path}
                records.append({**values, "sum": check_sum(values.values()), **stamp._asdict()})
                short = encode(brief(record)).decode()
                texts.append({"id": record.id, "brief": short, "sum": check_sum([record.id, short]), "json": text})
        for table, values in ((RECORDS, records), (PROBLEMS, problems)):
            if values:
                connection.execute(self._insert(table).on_conflict_do_nothing(), values)
        if texts:
            insert = self._insert(TEXTS)
            new = {name: insert.excluded[name] for name in ("brief", "sum", "json")}
            connection.execute(insert.on_conflict_do_update(index_elements=[TEXTS.c.id], set_=new), texts)
        count = sa.cast(sa.cast(FACTS.c.value, sa.BigInteger) + 1, sa.Text)
        connection.execute(FACTS.update().where(FACTS.c.name == "changes").values(value=count))

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with self._lock, self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """A transaction that no other writer is in: those that lock rows in other orders may deadlock."""
        with self._lock, self._engine.execution_options(writes=True).begin() as connection:
            if self._postgresql:  # SQLite waits at BEGIN IMMEDIATE
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
            yield connection


def check_sum(values: Iterable[Any]) -> int:
    """A sum over values of columns, whichever way a database gives numbers back: 1 for 1.0 or True, 0 for -0.0."""
    plain = [value + 0.0 if isinstance(value, int | float) else value for value in values]
    return zlib.crc32(msgspec.msgpack.encode(plain))


def whole(name: str, text: str) -> bytes:
    """The JSON of a record from the tables, which must have the hash that is the record's id.

    Raises:
        DamagedIndex: if it has not.
    """
    rest = text.rstrip("\n").replace(f'"id":"{name}",', "", 1).encode()
    if f"sha256:{hashlib.sha256(rest).hexdigest()}" != name:
        raise DamagedIndex(f"the record {name[:23]} is not what it was")
    return text.encode()


def summed(values: Sequence[Any], written: int) -> None:
    """Refuse values that have not the sum that was written beside them.

    Raises:
        DamagedIndex: naming the first value.
    """
    if check_sum(values) != written:
        raise DamagedIndex(f"the row of {str(values[0])[:23]} is not what it was")


def check(record: Record) -> None:
    """Refuse what the columns cannot hold, so that no record on disk keeps an index from being built.

    Raises:
        ReproError: for a text that is too long for its column or holds NUL, and for an integer beyond 32 or 64 bits.
    """
    for name, value in _columns(record).items():
        kind = RECORDS.c[name].type
        fits = True
        if isinstance(value, str):
            longest = kind.length if isinstance(kind, sa.String) else None
            fits = "\0" not in value and (longest is None or len(value) <= longest)
        elif isinstance(value, int):
            fits = abs(value) < (2**63 if isinstance(kind, sa.BigInteger | sa.Double) else 2**31)
        if not fits:
            raise ReproError(f"The record's {name} does not fit into an index", "See docs/board.md for what does.")


def _is_current(connection: sa.Connection) -> bool:
    return sa.inspect(connection).has_table("facts") and _fact(connection, "version") == VERSION


def _fact(connection: sa.Connection, name: str) -> str | None:
    return connection.scalar(sa.select(FACTS.c.value).where(FACTS.c.name == name))


def _columns(record: Record) -> dict[str, Any]:
    """The columns of a record that do not depend on its file."""
    usages = list({trial.key: trial.usage for trial in record.trials}.values())
    energies = [usage.energy_j for usage in usages]
    measured = [energy for energy in energies if energy is not None]
    low, high = record.verdict.interval or (None, None)
    same = (
        (record, ("id", "word", "created", "runner", "powerless", "flag", "supersedes")),
        (record.claim, ("name", "row", "version", "digest", "evidence", "tier")),
        (record.implementation, ("kind", "source", "division")),
        (record.verdict, ("status", "estimate", "n", "unit")),
    )
    row = Row(
        **{name: getattr(part, name) for part, names in same for name in names},
        path="",
        paper=record.paper.key,
        claim=record.claim.id,
        implementation=record.implementation.name,
        low=low,
        high=high,
        machine=record.machine.cpu,
        gpu=record.machine.gpu,
        hardware=hardware(record),
        wall_s=sum(usage.wall_s for usage in usages),
        energy_j=sum(measured) if energies and len(measured) == len(energies) else None,
        peak_bytes=max((usage.gpu_peak_bytes or usage.peak_rss_bytes for usage in usages), default=0),
    )
    return msgspec.structs.asdict(row)
