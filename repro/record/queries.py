"""What can be asked of records through the index of their store."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypedDict, TypeVar, Unpack

import sqlalchemy as sa

from repro.errors import ReproError
from repro.record.index import PROBLEMS, RECORDS, TEXTS, Problem, Row, summed, whole
from repro.record.record import DECODER, Record

BATCH = 200  # ids in one query
COLUMNS = [*(RECORDS.c[name] for name in Row.__struct_fields__), RECORDS.c.sum]
BRIEFS = sa.select(TEXTS.c.id, TEXTS.c.brief, TEXTS.c.sum)
AGE = (RECORDS.c.created, RECORDS.c.id)
CASE = ("kind", "implementation", "paper", "name", "row")
"""One claim, a row of a table being one, on one implementation."""
SAME = (*CASE, "version", "digest", "source", "word", "powerless")
"""In which a rerun agrees with what it verifies."""
T = TypeVar("T")
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
    """Questions that the index answers without opening a file; keyword arguments narrow them, see `Where`.

    Attributes:
        left_out: records that no answer contains, by id, each with what is wrong with it; they are among the problems.
    """

    left_out: Mapping[str, Problem] = {}

    def leave_out(self, name: str, reason: str) -> None:
        """Have the record with this id in no answer any more; nothing is written, and it is as before when reopened."""
        for row in self._rows(sa.select(*COLUMNS).where(RECORDS.c.id == name)):
            self.left_out = {**self.left_out, name: Problem(row.path, reason)}

    @abstractmethod
    def _ask(self, query: sa.Executable, read: Callable[[list[Any]], T]) -> T:
        """What is read of the index's answer; `read` raises DamagedIndex if it is not what was written."""

    def rows(self, **where: Unpack[Where]) -> list[Row]:
        """What the index knows of the records, oldest first."""
        return self._rows(sa.select(*COLUMNS).where(*self._wanted(where)).order_by(*AGE))

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
        return self._briefs(_first_of_each(CASE, (RECORDS.c.version, *AGE), self._wanted(where), BRIEFS, TEXTS.c.id))

    def verified(self, **where: Unpack[Where]) -> list[Row]:
        """The newest verified record of each claim, its version and digest, implementation, source and word."""
        wanted = [*self._wanted(where), RECORDS.c.runner == "verified"]
        return self._rows(_first_of_each(SAME, AGE, wanted, sa.select(*COLUMNS), RECORDS.c.id))

    def flagged(self, most: int) -> list[Row]:
        """The newest records with a flag, at most so many, the newest first."""
        newest_first = [column.desc() for column in AGE]
        return self._rows(sa.select(*COLUMNS).where(HAS_FLAG, *self._wanted({})).order_by(*newest_first).limit(most))

    def flags(self) -> list[str]:
        """The ids of all records with a flag."""
        return self._ask(sa.select(RECORDS.c.id).where(HAS_FLAG, *self._wanted({})), _first)

    def among(self, ids: Sequence[str]) -> set[str]:
        """Which of these ids are of records here."""
        queries = (sa.select(RECORDS.c.id).where(RECORDS.c.id.in_(some)) for some in _batches(self._shown(ids)))
        return {name for query in queries for name in self._ask(query, _first)}

    def briefs(self, ids: Sequence[str]) -> list[Record]:
        """Those of the records with these ids that are here, in any order: brief, see `repro.record.record.brief`."""
        queries = (BRIEFS.where(TEXTS.c.id.in_(some)) for some in _batches(self._shown(ids)))
        return [record for query in queries for record in self._briefs(query)]

    def distinct(self, column: str, **where: Unpack[Where]) -> list[str]:
        """The values of a column among the records, sorted."""
        values = self._ask(sa.select(RECORDS.c[column]).where(*self._wanted(where)).distinct(), _first)
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
        rows = self._rows(
            sa.select(*COLUMNS).where(RECORDS.c.id.startswith(prefix, autoescape=True), *self._wanted({}))
        )
        if len(rows) > 1:
            raise ReproError(f"{len(rows)} records begin with {name!r}", "Give more digits.")
        return next(self._open(rows), None)

    def problems(self) -> list[Problem]:
        """Files below `records` that are not valid records or are left out, and why."""
        found = self._ask(sa.select(PROBLEMS.c.path, PROBLEMS.c.reason, PROBLEMS.c.sum), _as_problems)
        return sorted([*found, *self.left_out.values()], key=lambda one: one.path)

    def _wanted(self, where: Where) -> list[sa.ColumnElement[bool]]:
        wanted = [RECORDS.c[name] == value for name, value in where.items() if value is not None]
        return [*wanted, RECORDS.c.id.not_in(self.left_out)] if self.left_out else wanted

    def _shown(self, ids: Sequence[str]) -> list[str]:
        return [name for name in ids if name not in self.left_out]

    def _rows(self, query: sa.Executable) -> list[Row]:
        return self._ask(query, _as_rows)

    def _briefs(self, query: sa.Executable) -> list[Record]:
        return self._ask(query, _as_briefs)

    def _open(self, rows: Sequence[Row]) -> Iterator[Record]:
        """The whole records of rows, in their order; each has the hash that is its id.

        Those that were removed since the rows were read are left out.
        """
        for some in _batches([row.id for row in rows]):
            query = (
                sa.select(RECORDS.c.id, TEXTS.c.json)
                .outerjoin(TEXTS, TEXTS.c.id == RECORDS.c.id)
                .where(RECORDS.c.id.in_(some))
            )
            found = self._ask(query, _as_records)
            yield from (found[name] for name in some if name in found)


def _first(found: list[Any]) -> list[Any]:
    return [one for (one,) in found]


def _as_rows(found: list[Any]) -> list[Row]:
    for *values, written in found:
        summed(values, written)
    return [Row(**dict(zip(Row.__struct_fields__, row, strict=False))) for row in found]


def _as_briefs(found: list[Any]) -> list[Record]:
    for name, text, written in found:
        summed([name, text], written)
    return [DECODER.decode(text) for _, text, _ in found]


def _as_records(found: list[Any]) -> dict[str, Record]:
    return {name: DECODER.decode(whole(name, text)) for name, text in found}


def _as_problems(found: list[Any]) -> list[Problem]:
    for path, reason, written in found:
        summed([path, reason], written)
    return [Problem(path, reason) for path, reason, _ in found]


def newest(rows: Iterable[Row]) -> list[Row]:
    """The last row of each claim and implementation, of rows that are ordered by age."""
    return list({(row.claim, row.kind, row.implementation): row for row in rows}.values())


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
