"""What can be asked of records through the index of their store."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypedDict, Unpack

import sqlalchemy as sa

from repro.errors import ReproError
from repro.record.index import PROBLEMS, RECORDS, TEXTS, Problem, Row
from repro.record.record import DECODER, Record

BATCH = 200  # ids in one query
COLUMNS = [RECORDS.c[name] for name in Row.__struct_fields__]
AGE = (RECORDS.c.created, RECORDS.c.id)
CASE = ("kind", "implementation", "paper", "name", "row")
"""One claim, a row of a table being one, on one implementation."""
SAME = (*CASE, "version", "digest", "source", "word", "powerless")
"""In which a rerun agrees with what it verifies."""
HAS_FLAG = RECORDS.c.flag != sa.literal_column("''")


class Where(TypedDict, total=False):
    """Values that properties of `Row` must have; any, where one is None or not given."""

    paper: str | None
    claim: str | None
    name: str | None
    kind: str | None
    implementation: str | None
    hardware: str | None
    runner: str | None
    powerless: bool | None


class RecordQueries(ABC):
    """Questions that the index answers without opening a file; keyword arguments narrow them, see `Where`."""

    @abstractmethod
    def _ask(self, query: sa.Executable) -> list[Any]:
        """What the index answers."""

    def rows(self, **where: Unpack[Where]) -> list[Row]:
        """What the index knows of the records, oldest first."""
        return self._rows(sa.select(*COLUMNS).where(*_wanted(where)).order_by(*AGE))

    def records(self, **where: Unpack[Where]) -> Iterator[Record]:
        """The records, oldest first."""
        return self._open(self.rows(**where))

    def newest(self, **where: Unpack[Where]) -> Iterator[Record]:
        """The newest record of each claim (a row of a table is one) and implementation."""
        return self._open(newest(self.rows(**where)))

    def newest_of(self, *, claim: str, kind: str = "reference", implementation: str | None = None) -> Record | None:
        """The newest record of one claim, or None."""
        rows = self.rows(claim=claim, kind=kind, implementation=implementation)
        return next(self._open(rows[-1:]), None)

    def latest(self, **where: Unpack[Where]) -> list[Record]:
        """The newest record of each claim's highest version, by implementation, as `record.brief`.

        A row of a table counts as a claim, and its highest version goes before what is newer.
        """
        briefs = sa.select(TEXTS.c.brief)
        return self._briefs(_first_of_each(CASE, (RECORDS.c.version, *AGE), _wanted(where), briefs, TEXTS.c.id))

    def verified(self, **where: Unpack[Where]) -> list[Row]:
        """The newest verified record of each claim, its version and digest, implementation, source and word."""
        wanted = [*_wanted(where), RECORDS.c.runner == "verified"]
        return self._rows(_first_of_each(SAME, AGE, wanted, sa.select(*COLUMNS), RECORDS.c.id))

    def flagged(self, most: int) -> list[Row]:
        """The newest records with a flag, at most so many, the newest first."""
        newest_first = [column.desc() for column in AGE]
        return self._rows(sa.select(*COLUMNS).where(HAS_FLAG).order_by(*newest_first).limit(most))

    def flags(self) -> list[str]:
        """The ids of all records with a flag."""
        return [name for (name,) in self._ask(sa.select(RECORDS.c.id).where(HAS_FLAG))]

    def among(self, ids: Sequence[str]) -> set[str]:
        """Which of these ids are of records here."""
        queries = (sa.select(RECORDS.c.id).where(RECORDS.c.id.in_(some)) for some in _batches(ids))
        return {name for query in queries for (name,) in self._ask(query)}

    def briefs(self, ids: Sequence[str]) -> list[Record]:
        """Those of the records with these ids that are here, in any order: brief, see `repro.record.record.brief`."""
        queries = (sa.select(TEXTS.c.brief).where(TEXTS.c.id.in_(some)) for some in _batches(ids))
        return [record for query in queries for record in self._briefs(query)]

    def distinct(self, column: str, **where: Unpack[Where]) -> list[str]:
        """The values of a column among the records, sorted."""
        values = [value for (value,) in self._ask(sa.select(RECORDS.c[column]).where(*_wanted(where)).distinct())]
        return sorted(values, key=lambda value: (value is None, value))  # each database orders letters in its own way

    def get(self, name: str) -> Record:
        """The record with this id, or the only one whose id begins so ("sha256:" may be left out).

        Raises:
            ReproError: if there is none, or more than one.
        """
        record = self.find(name)
        if record is None:
            raise ReproError(f"The store has no record {name!r}", "Give the first digits of an id.")
        return record

    def find(self, name: str) -> Record | None:
        """As `get`, but None if there is none.

        Raises:
            ReproError: if more than one record begins so.
        """
        digits = name.removeprefix("sha256:").lower()
        if not re.fullmatch("[0-9a-f]*", digits):  # not asked for: no database takes every text
            return None
        prefix = f"sha256:{digits}"
        rows = self._rows(sa.select(*COLUMNS).where(RECORDS.c.id.startswith(prefix, autoescape=True)))
        if len(rows) > 1:
            raise ReproError(f"{len(rows)} records begin with {name!r}", "Give more digits.")
        return next(self._open(rows), None)

    def problems(self) -> list[Problem]:
        """Files below `records` that are not valid records, and why."""
        return [
            Problem(path, reason) for path, reason in sorted(self._ask(sa.select(PROBLEMS.c.path, PROBLEMS.c.reason)))
        ]

    def _rows(self, query: sa.Executable) -> list[Row]:
        return [Row(**row._mapping) for row in self._ask(query)]

    def _briefs(self, query: sa.Executable) -> list[Record]:
        return [DECODER.decode(text) for (text,) in self._ask(query)]

    def _open(self, rows: Sequence[Row]) -> Iterator[Record]:
        """The whole records of rows, in their order; checked when they were taken in, and not again."""
        for some in _batches([row.id for row in rows]):
            texts = dict(map(tuple, self._ask(sa.select(TEXTS.c.id, TEXTS.c.json).where(TEXTS.c.id.in_(some)))))
            yield from (DECODER.decode(texts[name]) for name in some if name in texts)


def newest(rows: Iterable[Row]) -> list[Row]:
    """The last row of each claim and implementation, of rows that are ordered by age."""
    return list({(row.claim, row.kind, row.implementation): row for row in rows}.values())


def _wanted(where: Where) -> list[sa.ColumnElement[bool]]:
    return [RECORDS.c[name] == value for name, value in where.items() if value is not None]


def _first_of_each(
    same: Sequence[str],
    order: Sequence[sa.Column[Any]],
    wanted: Sequence[sa.ColumnElement[bool]],
    query: sa.Select[*tuple[Any, ...]],
    own: sa.Column[Any],
) -> sa.Select[*tuple[Any, ...]]:
    """A query for the records that come last in an order among those that have some columns in common.

    Args:
        same: the columns that they have in common.
        order: columns by which they are ordered, the first counting most.
        wanted: which records count at all.
        query: what is asked of the records.
        own: the query's column of ids.
    """
    place = sa.func.row_number().over(
        partition_by=[RECORDS.c[name] for name in same], order_by=[column.desc() for column in order]
    )
    ranked = sa.select(RECORDS.c.id, place.label("rank")).where(*wanted).subquery()
    return query.join(ranked, own == ranked.c.id).where(ranked.c.rank == 1)


def _batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))
