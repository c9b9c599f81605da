"""Where an index lies: a SQLite file, in use, read in place or copied, or a database by its URL.

SQLite works in write-ahead mode, which needs a local disk, and every writing transaction begins with BEGIN IMMEDIATE.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.pool import NullPool, Pool, StaticPool

from repro.errors import ReproError

BUSY_S = 60.0  # how long a writer waits for the others
OUTSIDE = {
    *(sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY),
    *(sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN),
    *(sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_NOLFS),
}
"""Errors of SQLite that a new file would not mend: other processes, the disk, permissions, memory."""
SHORT = {sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS}
"""Those among them that are of a file that lacks its end, or of what lies below it."""


def local(path: Path) -> sa.Engine:
    """The SQLite file at `path`, made if need be. Only one process may make it at a time."""
    return _sqlite(lambda: _writable(path))


def reading(path: Path) -> sa.Engine:
    """The SQLite file at `path`, which must be there, for reading: nothing is written, not even beside it."""
    return _sqlite(lambda: _readable(path))


def snapshot(path: Path) -> sa.Engine:
    """A private copy of the SQLite file at `path`, or an empty database if it is not there, not readable or damaged.

    It is in memory, and on the disk where it is large; it goes with the engine.
    """
    copy = _connect("")
    try:
        with contextlib.closing(_readable(path)) as original:
            original.backup(copy)
        sound = copy.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",)
    except sqlite3.Error:
        sound = False
    if not sound:
        copy.close()
        return empty()
    return _sqlite(lambda: copy, StaticPool)


def empty() -> sa.Engine:
    """A database without tables, in memory or on the disk where it is large, which goes with the engine."""
    made = _connect("")
    return _sqlite(lambda: made, StaticPool)


def damage(error: exc.DBAPIError, path: Path | None = None) -> str | None:
    """What is wrong with a SQLite file; None where the error is of another kind, such as a full disk.

    Of a file at `path` that can be made anew it counts as damage, too, if it may not be written or is no file.
    """
    original = error.orig
    if not isinstance(original, sqlite3.Error):
        return None
    code = getattr(original, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    unfit = path is not None and path.exists() and not (path.is_file() and os.access(path, os.R_OK | os.W_OK))
    if code & 0xFF in OUTSIDE and code not in SHORT and not unfit:
        return None
    return str(original).strip().partition("\n")[0]


def set_aside(path: Path) -> Path | None:
    """Move a SQLite file, or what lies in its place, to the name that is returned; None if there is nothing.

    Its log goes first: a new file must not find the log of another.

    Raises:
        OSError: if it cannot be moved.
    """
    for end in ("-wal", "-shm"):
        _moved(path.with_name(path.name + end))
    return _moved(path)


def _moved(path: Path) -> Path | None:
    """Move something to a name with "damaged" in it: a file in place of an earlier one, all else beside it."""
    if not (path.exists() or path.is_symlink()):
        return None
    target, number = path.with_name(f"{path.name}.damaged"), 1
    while target.is_dir() or (target.exists() and path.is_dir()):
        number += 1
        target = path.with_name(f"{path.name}.damaged-{number}")
    path.replace(target)
    return target


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


def _sqlite(connect: Callable[[], sqlite3.Connection], pool: type[Pool] = NullPool) -> sa.Engine:
    """An engine whose transactions are begun here, not by the driver; those that write lock the file at once."""
    engine = sa.create_engine("sqlite://", creator=connect, poolclass=pool)

    @event.listens_for(engine, "begin")
    def begun(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _writable(path: Path) -> sqlite3.Connection:
    connection = _connect(str(path), timeout=BUSY_S)
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")  # the files are the truth; the index may lose its last second
    return connection


def _readable(path: Path) -> sqlite3.Connection:
    # Without a write-ahead log nobody is writing, and `immutable` keeps SQLite from making one.
    wal = path.with_name(path.name + "-wal").exists()
    return _connect(f"file:{quote(str(path.absolute()))}?mode=ro{'' if wal else '&immutable=1'}", timeout=5.0, uri=True)


def _connect(database: str, *, timeout: float = 5.0, uri: bool = False) -> sqlite3.Connection:
    """A connection that begins no transaction by itself and may be used by any thread."""
    return sqlite3.connect(database, timeout=timeout, isolation_level=None, check_same_thread=False, uri=uri)
