"""The store: record files, which are the truth, and a database index that is derived from them."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import msgspec
from filelock import FileLock
from sqlalchemy import exc

from repro.errors import ReproError
from repro.index import Found, Index, Problem, Row, Stamp, check, local, reading, shared, snapshot
from repro.paths import write_whole
from repro.record import LARGEST, Record, decode, encode, file_name

BATCH = 200  # files that are read into the index in one transaction
MANY = 1000  # files of a folder that `Store.version` looks at one by one

__all__ = ["Problem", "Row", "Store", "Union", "newest"]


class Store:
    """Records below a folder: `records/<paper>/<first digits of the hash>.json`.

    Nothing is made before it is first used. Several processes may use a store at once.

    Args:
        root: the folder.
        index: URL of a database that several stores share; by default SQLite in the folder.
        read_only: never write anything; a folder that is missing is an empty store.

    Attributes:
        root: the folder.
        url: of the shared index, or None.
    """

    def __init__(self, root: Path, index: str | None = None, *, read_only: bool = False) -> None:
        self.root = root
        self.read_only = read_only
        self.url = index
        self._large: set[str] = set()  # folders that `version` has found to hold many files

    def add(self, record: Record) -> Path:
        """Write a sealed record whole or not at all, and index it. Adding it again changes nothing.

        Raises:
            ReproError: if the store is read-only or its disk is full, with what to do; or if the record is not sound.
        """
        if self.read_only:
            raise ReproError(f"The store {self.root} was opened for reading only", "Open another one.")
        data = encode(record)
        decode(data)
        check(record)
        path = self.path(record)
        if not path.is_file() or path.read_bytes() != data:
            with self._explained():
                write_whole(path, data)
        found = Found(self._relative(path), self._stamp(path), record, data.decode())
        with self._explained():
            self._index.update([found])
        return path

    def path(self, record: Record) -> Path:
        """Where the file of a record lies."""
        return self.root / "records" / record.paper.key / file_name(record)

    def get(self, name: str) -> Record:
        """The record with this id, or the only one whose id begins so ("sha256:" may be left out).

        Raises:
            ReproError: if there is none, or more than one.
        """
        found = self._named(name)
        if len(found) == 1:
            return next(self._open(found))
        if found:
            raise ReproError(f"{len(found)} records begin with {name!r}", "Give more digits.")
        raise ReproError(f"The store has no record {name!r}", "Give the first digits of an id.")

    def find(self, name: str) -> Record | None:
        """As `get`, but None if there is none.

        Raises:
            ReproError: if more than one record begins so.
        """
        return self.get(name) if self._named(name) else None

    def rows(
        self,
        *,
        paper: str | None = None,
        claim: str | None = None,
        name: str | None = None,
        kind: str | None = None,
        implementation: str | None = None,
        runner: str | None = None,
        powerless: bool | None = None,
    ) -> list[Row]:
        """What the index knows of the records with these properties, oldest first, without opening them."""
        where: dict[str, str | bool | None] = {"paper": paper, "claim": claim, "name": name, "kind": kind}
        where |= {"implementation": implementation, "runner": runner, "powerless": powerless}
        with self._explained():
            return self._index.rows(where)

    def records(
        self,
        *,
        paper: str | None = None,
        claim: str | None = None,
        kind: str | None = None,
        implementation: str | None = None,
    ) -> Iterator[Record]:
        """The records with these properties, oldest first."""
        return self._open(self.rows(paper=paper, claim=claim, kind=kind, implementation=implementation))

    def newest(
        self,
        *,
        paper: str | None = None,
        claim: str | None = None,
        kind: str | None = None,
        implementation: str | None = None,
        runner: str | None = None,
    ) -> Iterator[Record]:
        """The newest record of each claim (a row of a table is one) and implementation."""
        rows = self.rows(paper=paper, claim=claim, kind=kind, implementation=implementation, runner=runner)
        return self._open(newest(rows))

    def heads(
        self,
        *,
        paper: str | None = None,
        kind: str | None = None,
        implementation: str | None = None,
        hardware: str | None = None,
        runner: str | None = None,
    ) -> list[Record]:
        """The newest record of each claim's highest version, by implementation: brief, see `repro.record.brief`."""
        where = {
            "paper": paper,
            "kind": kind,
            "implementation": implementation,
            "hardware": hardware,
            "runner": runner,
        }
        with self._explained():
            return [msgspec.json.decode(text, type=Record) for text in self._index.heads(where)]

    def verified(
        self,
        *,
        paper: str | None = None,
        kind: str | None = None,
        implementation: str | None = None,
        hardware: str | None = None,
    ) -> list[Row]:
        """The newest verified record of each claim, its version and digest, implementation, source and word."""
        where = {"paper": paper, "kind": kind, "implementation": implementation, "hardware": hardware}
        with self._explained():
            return self._index.verified(where)

    def flagged(self, most: int) -> list[Row]:
        """The newest records with a flag, at most so many, the newest first."""
        with self._explained():
            return self._index.flagged(most)

    def among(self, ids: Sequence[str]) -> set[str]:
        """Which of these ids are of records here."""
        with self._explained():
            return {
                name for start in range(0, len(ids), BATCH) for name in self._index.among(ids[start : start + BATCH])
            }

    def flags(self) -> list[str]:
        """The ids of all records with a flag."""
        with self._explained():
            return self._index.flags()

    def briefs(self, ids: Sequence[str]) -> list[Record]:
        """Those of the records with these ids that are here, in any order: brief, see `repro.record.brief`."""
        found: list[Record] = []
        for start in range(0, len(ids), BATCH):
            with self._explained():
                texts = self._index.briefs(ids[start : start + BATCH])
            found += [msgspec.json.decode(text, type=Record) for text in texts]
        return found

    def distinct(self, name: str, *, paper: str | None = None, kind: str | None = None) -> list[str]:
        """The values of one property of `Row` among the records with these properties, sorted."""
        with self._explained():
            return self._index.distinct(name, {"paper": paper, "kind": kind})

    def latest(self, *, claim: str, kind: str = "reference", implementation: str | None = None) -> Record | None:
        """The newest record of one claim, or None."""
        rows = self.rows(claim=claim, kind=kind, implementation=implementation)
        return next(self._open(rows[-1:]), None)

    def problems(self) -> list[Problem]:
        """Files below `records` that are no sound records, and why."""
        with self._explained():
            return self._index.problems()

    def version(self) -> str:
        """A short text that changes whenever the content does.

        It costs a look at the folders, and at each file in those with few: of a folder with many files it changes only
        when one is added, replaced or removed, which is all that happens to records.
        """
        total = hashlib.sha256()
        with self._explained():
            for folder in sorted(_folders(self.root / "records")):
                total.update(f"{folder.name} {folder.stat().st_mtime_ns}\n".encode())
                if folder.name not in self._large:
                    files = self._files(folder)
                    if len(files) > MANY:
                        self._large.add(folder.name)
                    else:
                        total.update(repr(sorted(files.items())).encode())
        if self.url is not None:
            with self._explained():
                total.update(self._index.changes().encode())
        return total.hexdigest()[:16]

    def sync(self) -> None:
        """Bring the index up to date with the files; done on opening, and cheap when nothing has changed.

        A shared index keeps rows whose file is not here, since another machine may have it. A store for reading only
        looks again at what is there.
        """
        with self._explained():
            if not self.read_only:
                self._sync(self._index)
            elif self.url is None:
                self.__dict__.pop("_index", None)

    def rebuild(self) -> None:
        """Read all files into the index again, whatever it knows; of a shared index, the part that they are of.

        Raises:
            ReproError: if the store is read-only.
        """
        if self.read_only:
            raise ReproError(f"The store {self.root} was opened for reading only", "Open it for writing.")
        with self._explained():
            self._take_in(self._index, self._index.stamps(), {})

    @cached_property
    def _index(self) -> Index:
        if self.read_only:
            if self.url is None:
                return self._as_it_is() or self._copied()
            index = Index(shared(self.url))
            if not index.exists():
                raise ReproError("The shared index has no tables", "Open it once for writing.")
        elif self.url is not None:
            index = Index(shared(self.url))
            index.prepare()
        else:
            index = self._own_index()
        if not self.read_only:
            self._sync(index)
        return index

    def _as_it_is(self) -> Index | None:
        """The SQLite file on the disk, read in place, if it is there and up to date with the files."""
        index = Index(reading(self.root / "index.sqlite"))
        with contextlib.suppress(exc.DatabaseError):
            if index.exists() and self._follows(index):
                return index
        return None

    def _follows(self, index: Index) -> bool:
        """Whether an index is up to date with the files; with their names where they are many, as in `version`."""
        names = {
            f"records/{folder.name}/{entry.name}"
            for folder in _folders(self.root / "records")
            for entry in _scan(folder)
            if entry.name.endswith(".json")
        }
        return index.paths() == names if len(names) > MANY else index.stamps() == self._listing()

    def _copied(self) -> Index:
        """A copy of it that is brought up to date where it is, since nothing may be written here."""
        index = Index(snapshot(self.root / "index.sqlite"))
        index.prepare()
        self._sync(index)
        return index

    def _own_index(self) -> Index:
        """The SQLite file of this store; one that is damaged is made anew."""
        self.root.mkdir(parents=True, exist_ok=True)
        path = self.root / "index.sqlite"
        with FileLock(self.root / "index.lock"):
            index = Index(local(path))
            try:
                index.prepare()
            except exc.DatabaseError as error:
                if isinstance(error, exc.OperationalError):  # locked, full or read-only: not damaged
                    raise
                for file in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
                    file.unlink(missing_ok=True)
                index = Index(local(path))
                index.prepare()
        return index

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

    def _listing(self) -> dict[str, Stamp]:
        """All record files, by path in the store."""
        return {
            path: stamp for folder in _folders(self.root / "records") for path, stamp in self._files(folder).items()
        }

    def _files(self, folder: Path) -> dict[str, Stamp]:
        """The record files of one paper, by path in the store."""
        found: dict[str, Stamp] = {}
        for entry in _scan(folder):
            if entry.name.endswith(".json"):
                with contextlib.suppress(OSError):  # removed since it was listed, or a broken link
                    found[f"records/{folder.name}/{entry.name}"] = self._stamped(entry.stat())
        return found

    def _read(self, path: str) -> Found:
        """A file of the store, decoded; whatever is wrong with it is a problem to be shown, never an error."""
        file = self.root / path
        stamp = Stamp(0, 0)
        try:
            stamp = self._stamp(file)
            if stamp.size > LARGEST:
                raise ReproError(f"The record has {stamp.size:,} bytes, more than {LARGEST:,}")
            data = file.read_bytes()
            record = decode(data)
            check(record)
            expected = self._relative(self.path(record))
            if path != expected:
                raise ReproError(f"The record belongs at {expected}", "Move it there.")
        except (ReproError, OSError) as error:
            return Found(path, stamp, None, error.problem if isinstance(error, ReproError) else f"{error.strerror}")
        return Found(path, stamp, record, data.decode())

    def _stamp(self, path: Path) -> Stamp:
        return self._stamped(path.stat())

    def _stamped(self, facts: os.stat_result) -> Stamp:
        return Stamp(facts.st_size, 0 if self.url is not None else facts.st_mtime_ns)

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _named(self, name: str) -> list[Row]:
        with self._explained():
            return self._index.with_prefix("sha256:" + name.removeprefix("sha256:"))

    def _open(self, rows: Sequence[Row]) -> Iterator[Record]:
        for start in range(0, len(rows), 100):
            some = rows[start : start + 100]
            with self._explained():
                texts = self._index.texts([row.id for row in some])
            for row in some:
                if row.id in texts:
                    yield msgspec.json.decode(texts[row.id], type=Record)  # checked when it was taken in

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


class Union:
    """Several stores read as one, such as the published records and the local ones; a record counts once.

    Args:
        stores: in order of precedence for files, though equal ids have equal content.
    """

    def __init__(self, stores: Iterable[Store]) -> None:
        self.stores = tuple(stores)

    def rows(
        self,
        *,
        paper: str | None = None,
        claim: str | None = None,
        name: str | None = None,
        kind: str | None = None,
    ) -> list[Row]:
        """As `Store.rows`, over all stores."""
        found = (row for store in self.stores for row in store.rows(paper=paper, claim=claim, name=name, kind=kind))
        return sorted({row.id: row for row in found}.values(), key=lambda row: (row.created, row.id))

    def newest(self, *, paper: str | None = None, claim: str | None = None, kind: str | None = None) -> list[Row]:
        """The newest row of each claim and implementation, over all stores."""
        return newest(self.rows(paper=paper, claim=claim, kind=kind))

    def distinct(self, name: str, *, paper: str | None = None, kind: str | None = None) -> list[str]:
        """As `Store.distinct`, over all stores."""
        return sorted({value for store in self.stores for value in store.distinct(name, paper=paper, kind=kind)})

    def get(self, name: str) -> Record:
        """As `Store.get`, over all stores.

        Raises:
            ReproError: if there is no such record, or more than one.
        """
        found = {record.id: record for store in self.stores if (record := store.find(name)) is not None}
        if len(found) == 1:
            return next(iter(found.values()))
        if found:
            raise ReproError(f"{len(found)} records begin with {name!r}", "Give more digits.")
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


def newest(rows: Iterable[Row]) -> list[Row]:
    """The last row of each claim and implementation, of rows that are ordered by age."""
    return list({(row.claim, row.kind, row.implementation): row for row in rows}.values())


def _folders(root: Path) -> list[Path]:
    return [Path(entry.path) for entry in _scan(root) if entry.is_dir()]


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
