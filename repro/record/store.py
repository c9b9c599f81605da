"""The store: record files, which are the truth, and a database index that is derived from them."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, Unpack

import sqlalchemy as sa
from filelock import FileLock
from sqlalchemy import exc

from repro.errors import ReproError
from repro.paths import atomic_write
from repro.record import databases
from repro.record.index import DamagedIndex, Index, Problem, Row, ScannedFile, Stamp, check
from repro.record.queries import RecordQueries, Where
from repro.record.record import LARGEST, Record, decode, encode, file_name

BATCH = 200  # files that are read into the index in one transaction
MANY = 1000  # files of a folder that `Store.version` looks at one by one
CHECKED = 256 << 20  # bytes of an index that is gone through when it is opened: some 0.3 s
HELP = "the files are read instead; run `repro store rebuild`"

T = TypeVar("T")


class IndexWarning(UserWarning):
    """An index was damaged; another one was made from the files."""


class Store(RecordQueries):
    """Records below a folder: `records/<paper>/<first digits of the hash>.json`.

    Nothing is made before it is first used. Several processes may use a store at once.

    Args:
        root: the folder.
        index: URL of a database that several stores share; by default SQLite in the folder.
        read_only: never write anything; a folder that is missing is an empty store.
    """

    def __init__(self, root: Path, index: str | None = None, *, read_only: bool = False) -> None:
        self.root = root
        self.read_only = read_only
        self.url = index
        self._distrusted = False  # of a store for reading only: the index on the disk is damaged
        self._large: set[str] = set()  # folders that `version` has found to hold many files

    def add(self, record: Record) -> Path:
        """Write a sealed record whole or not at all, and index it. Adding it again changes nothing.

        Raises:
            ReproError: if the store is read-only or its disk is full, with what to do; or if the record is not valid.
        """
        if self.read_only:
            raise ReproError(f"The store {self.root} was opened for reading only", "Open another one.")
        data = encode(record)
        decode(data)
        check(record)
        path = self.path(record)
        with self._explained():
            if not path.is_file() or path.read_bytes() != data:
                atomic_write(path, data)
            found = ScannedFile(self._relative(path), self._stamped(path.stat()), record, data.decode())
            self._mended(lambda: self._index.update([found]))
        return path

    def path(self, record: Record) -> Path:
        """Where the file of a record lies."""
        return self.root / "records" / record.paper.key / file_name(record)

    def version(self) -> str:
        """A short text that changes whenever the content does.

        It costs a look at the folders, and at each file in those with few: of a folder with many files it changes only
        when one is added, replaced or removed, which is all that happens to records.
        """
        total = hashlib.sha256()
        with self._explained():
            for folder in sorted(self._folders()):
                total.update(f"{folder.name} {folder.stat().st_mtime_ns}\n".encode())
                if folder.name not in self._large:
                    files = self._files(folder)
                    if len(files) > MANY:
                        self._large.add(folder.name)
                    else:
                        total.update(repr(sorted(files.items())).encode())
            if self.url is not None:
                total.update(self._index.changes().encode())
        return total.hexdigest()[:16]

    def sync(self) -> None:
        """Bring the index up to date with the files; done on opening, and cheap when nothing has changed.

        A shared index keeps rows whose file is not here, since another machine may have it. A store for reading only
        looks again at what is there.
        """
        with self._explained():
            if not self.read_only:
                self._mended(lambda: self._sync(self._index))
            elif self.url is None:
                self._distrusted = False  # somebody may have mended it
                vars(self).pop("_index", None)

    def rebuild(self) -> None:
        """Read all files into the index again, whatever it knows; of a shared index, the part that they are of.

        Raises:
            ReproError: if the store is read-only.
        """
        if self.read_only:
            raise ReproError(f"The store {self.root} was opened for reading only", "Open it for writing.")
        with self._explained():
            self._mended(lambda: self._take_in(self._index, self._index.stamps(), {}))
            self._mended(self._check)

    def _ask(self, query: sa.Executable, read: Callable[[list[Any]], T]) -> T:
        with self._explained():
            return self._mended(lambda: self._index.ask(query, read))

    def _check(self) -> None:
        self._index.check()

    def _mended(self, task: Callable[[], T]) -> T:
        """What a task on the index gives; where the index turns out to be damaged, on another one made from the files.

        Raises:
            ReproError: if a shared index is damaged, which other machines' files are in, with what to do.
        """
        before = self._identity()
        try:
            return task()
        except DamagedIndex as error:
            reason = str(error)
        except exc.DBAPIError as error:
            found = databases.damage(error, self._sqlite) if self.url is None else None
            if found is None:
                raise
            reason = found
        self._renew(reason, before)
        return task()

    def _renew(self, reason: str, before: int | None) -> None:
        """Make sure that the index will be made anew when it is next used, and say so."""
        if self.url is not None:
            raise ReproError(
                f"The shared index of the store {self.root} is damaged ({reason})",
                "Run `repro store rebuild` on each machine that has record files.",
            )
        vars(self).pop("_index", None)
        if self.read_only:
            self._distrusted, remedy = True, HELP
        else:
            with self._locked():
                if self._identity() != before:
                    return  # another process or thread was faster
                target = databases.set_aside(self._sqlite)
            remedy = f"a new one was made from the files, and the old one is {target.name if target else 'gone'}"
        self._warn(reason, remedy)

    def _warn(self, reason: str, remedy: str) -> None:
        warnings.warn(f"the index of {self.root} was damaged ({reason}); {remedy}", IndexWarning, stacklevel=2)

    def _identity(self) -> int | None:
        """What tells the file of the index from another one in its place."""
        try:
            return self._sqlite.stat().st_ino
        except OSError:
            return None

    def _locked(self) -> FileLock:
        return FileLock(self.root / "index.lock")

    @cached_property
    def _index(self) -> Index:
        if self.url is not None:
            index = Index(databases.shared(self.url))
            if not self.read_only:
                index.prepare()
            elif not index.exists():
                raise ReproError("The shared index has no tables", "Open it once for writing.")
        elif self.read_only:
            return self._index_to_read()
        else:
            index = self._own_index()
        if not self.read_only:
            self._sync(index)
        return index

    def _index_to_read(self) -> Index:
        """The SQLite file, read in place if it is up to date, else a copy that is: nothing may be written here."""
        if self._distrusted:
            index = Index(databases.empty())
        else:
            index = Index(databases.reading(self._sqlite))
            try:
                if index.exists() and self._sound(index) and self._follows(index):
                    return index
            except DamagedIndex as error:
                self._warn(str(error), HELP)
            except exc.DatabaseError as error:
                if reason := databases.damage(error):
                    self._warn(reason, HELP)
            index = Index(databases.snapshot(self._sqlite))
        index.prepare()
        self._sync(index)
        return index

    def _sound(self, index: Index) -> bool:
        """Whether the file of an index is in order, as far as that can be told in little time.

        Raises:
            DamagedIndex: if it is not.
        """
        if self._sqlite.stat().st_size <= CHECKED:
            index.check()
        return True

    def _follows(self, index: Index) -> bool:
        """Whether an index is up to date with the files; with their names where they are many, as in `version`."""
        names = {f"records/{folder.name}/{entry.name}" for folder in self._folders() for entry in _json_files(folder)}
        known = index.stamps()
        return known.keys() == names if len(names) > MANY else known == self._listing()

    def _own_index(self) -> Index:
        """The SQLite file of this store."""
        self.root.mkdir(parents=True, exist_ok=True)
        index = Index(databases.local(self._sqlite))
        with self._locked():
            index.prepare()
            self._sound(index)
        return index

    @property
    def _sqlite(self) -> Path:
        return self.root / "index.sqlite"

    def _sync(self, index: Index) -> None:
        known = index.stamps()
        self._take_in(index, known, known)

    def _take_in(self, index: Index, known: Collection[str], same: Mapping[str, Stamp]) -> None:
        """Forget the files that are gone and read those that are not the same, some in each transaction.

        So memory is bounded, other writers get their turn, and what is interrupted goes on where it was.

        Args:
            index: the tables.
            known: the paths that they had before the files are listed: a file written since is new, never gone.
            same: the stamps of files that need not be read.
        """
        listing = self._listing()
        changed = [path for path, stamp in listing.items() if same.get(path) != stamp]
        gone = [path for path in known if path not in listing] if self.url is None else []
        if gone:
            index.update([], gone)
        for start in range(0, len(changed), BATCH):
            index.update([self._read(path) for path in changed[start : start + BATCH]])

    def _folders(self) -> list[Path]:
        """The folders of the papers that have records."""
        return [Path(entry.path) for entry in _scan(self.root / "records") if entry.is_dir()]

    def _listing(self) -> dict[str, Stamp]:
        """All record files, by path in the store."""
        return {path: stamp for folder in self._folders() for path, stamp in self._files(folder).items()}

    def _files(self, folder: Path) -> dict[str, Stamp]:
        """The record files of one paper, by path in the store."""
        files: dict[str, Stamp] = {}
        for entry in _json_files(folder):
            with contextlib.suppress(OSError):  # removed since it was listed, or a broken link
                files[f"records/{folder.name}/{entry.name}"] = self._stamped(entry.stat())
        return files

    def _read(self, path: str) -> ScannedFile:
        """A file of the store, decoded; whatever is wrong with it is a problem to be shown, never an error."""
        file = self.root / path
        stamp = Stamp(0, 0)
        try:
            facts = file.stat()
            stamp = self._stamped(facts)
            if not stat.S_ISREG(facts.st_mode):
                raise ReproError("It is no file")  # to read a pipe would wait for who writes into it
            if stamp.size > LARGEST:
                raise ReproError(f"The record has {stamp.size:,} bytes, more than {LARGEST:,}")
            data = file.read_bytes()
            record = decode(data)
            check(record)
            expected = self._relative(self.path(record))
            if path != expected:
                raise ReproError(f"The record belongs at {expected}", "Move it there.")
        except ReproError as error:
            return ScannedFile(path, stamp, None, error.problem)
        except OSError as error:
            return ScannedFile(path, stamp, None, f"{error.strerror}")
        return ScannedFile(path, stamp, record, data.decode())

    def _stamped(self, facts: os.stat_result) -> Stamp:
        return Stamp(facts.st_size, 0 if self.url is not None else facts.st_mtime_ns)

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what the disk or the database refuses into an error that says what to do."""
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise ReproError(
                    f"The disk of the store {self.root} is full", "Free space or set REPRO_STORE elsewhere."
                ) from error
            raise ReproError(
                f"The store {self.root} cannot be used ({error.strerror or error})",
                "Set REPRO_STORE to a folder that can be written.",
            ) from error
        except exc.DBAPIError as error:
            cause = str(error.orig).strip().partition("\n")[0]
            remedy = "Check that the database is there." if self.url else "Set REPRO_STORE to a folder on a local disk."
            raise ReproError(f"The index of the store {self.root} cannot be used ({cause})", remedy) from error


class MergedStore:
    """Several stores read as one, such as the published records and the local ones; a record counts once."""

    def __init__(self, stores: Iterable[Store]) -> None:
        self.stores = tuple(stores)

    def rows(self, **where: Unpack[Where]) -> list[Row]:
        """As `Store.rows`, over all stores."""
        rows = {row.id: row for store in self.stores for row in store.rows(**where)}
        return sorted(rows.values(), key=lambda row: (row.created, row.id))

    def distinct(self, column: str, **where: Unpack[Where]) -> list[str]:
        """As `Store.distinct`, over all stores."""
        return sorted({value for store in self.stores for value in store.distinct(column, **where)})

    def get(self, name: str) -> Record:
        """As `Store.get`, over all stores.

        Raises:
            ReproError: if there is no such record, or more than one.
        """
        records = {record.id: record for store in self.stores if (record := store.find(name)) is not None}
        if len(records) > 1:
            raise ReproError(f"{len(records)} records begin with {name!r}", "Give more digits.")
        for record in records.values():
            return record
        raise ReproError(f"No store has a record {name!r}", "Give the first digits of an id.")

    def problems(self) -> list[Problem]:
        """The problems of all stores."""
        return [problem for store in self.stores for problem in store.problems()]

    def version(self) -> str:
        """A text that changes whenever the content of a store does."""
        return "-".join(store.version() for store in self.stores)

    def sync(self) -> None:
        """Bring every index up to date with its files."""
        for store in self.stores:
            store.sync()


def _json_files(folder: Path) -> list[os.DirEntry[str]]:
    return [entry for entry in _scan(folder) if entry.name.endswith(".json")]


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
