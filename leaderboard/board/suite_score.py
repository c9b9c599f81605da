"""The suite's own score: how often it rejects what it must, and how often what it must not. No Streamlit here."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import msgspec.toml

from leaderboard.board.lines import REFERENCE, Line, grouped
from leaderboard.board.queries import endorsed
from leaderboard.board.repository import CalibratedRate, CalibrationSummary
from repro.criterion.statistics import clopper_pearson
from repro.paths import published_dir
from repro.record.record import Record
from repro.record.store import MergedStore, Row

NOTES = Path(__file__).parents[1] / "escaped_controls.toml"
FLAGGED = 50  # records for review that are listed


@dataclass(frozen=True, kw_only=True)
class EscapedControl:
    """A control that a claim accepted.

    Attributes:
        claim: "key/name", with `row` and `version` as they stood then.
        says: what is wrong with that implementation.
        record: id of the first record that shows it, made at `since`.
        fixed: id of the first later record in which the sabotage was rejected, made at `ended` under `fixed_version`;
            "" where there is none.
        dropped: whether the claim's newest record with controls no longer tries it.
    """

    claim: str
    row: str | None
    version: int
    control: str
    says: str
    record: str
    since: str
    fixed: str = ""
    ended: str = ""
    fixed_version: int = 0
    dropped: bool = False

    @property
    def open(self) -> bool:
        """Whether the claim still accepts it."""
        return not self.fixed and not self.dropped


class EscapeNote(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong with a claim and is in no record, from `escaped_controls.toml`.

    Attributes:
        date: of the commit that fixed it.
        claim: "key/name", or the key of a paper.
        version: of the claim, as it was then.
        found: how it was found; "" where that is not written down.
        fix: what fixed it.
        commit: that fixed it, in seven digits.
        source: where this is known from.
    """

    date: datetime.date
    claim: str
    version: int
    what: str
    found: str
    fix: str
    commit: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A claim of the board and its calibration.

    Attributes:
        found: None where it has not been calibrated; `why` says why.
        stale: the claim has changed since it was calibrated, so that the rates are of another one.
    """

    line: Line
    found: CalibrationSummary | None
    why: str
    stale: bool


@dataclass(frozen=True, kw_only=True)
class History:
    """What only the history of the records shows, and which of them are published.

    Attributes:
        escaped: controls that a claim accepted, those that it still accepts first.
        flagged: the newest records that a person should look at.
        flags: how many there are.
        published: ids of the reference's records that lie in the repository.
    """

    escaped: tuple[EscapedControl, ...]
    flagged: tuple[Row, ...]
    flags: int
    published: frozenset[str] = frozenset()


def history(stores: MergedStore) -> History:
    """Ask the index for what is flagged, and open the records of the claims that ever accepted a control.

    What others sent to a shared board, and nobody has verified, cannot make the suite look worse than it is.
    """
    accepting = {_case(row) for row in endorsed(stores, powerless=True)}
    named = sorted({(paper, name) for paper, name, _ in accepting})
    ordered = [row for one in named for row in endorsed(stores, *one) if _case(row) in accepting]
    newest = {row.id: row for store in stores.stores for row in store.flagged(FLAGGED)}
    ours = [store for store in stores.stores if store.root == published_dir().parent]
    flagged = sorted(newest.values(), key=lambda row: (row.created, row.id), reverse=True)
    return History(
        escaped=tuple(escaped_controls(stores.get(row.id) for row in ordered)),
        flagged=tuple(flagged[:FLAGGED]),
        flags=len({name for store in stores.stores for name in store.flags()}),
        published=frozenset(row.id for store in ours for row in store.rows(kind=REFERENCE)),
    )


def escape_notes(path: Path | None = None) -> list[EscapeNote]:
    """What is kept by hand in `escaped_controls.toml`, the newest first."""
    found = msgspec.toml.decode((path or NOTES).read_bytes(), type=dict[str, list[EscapeNote]])["escaped"]
    return sorted(found, key=lambda one: one.date, reverse=True)


def _case(row: Row) -> tuple[str, str, str | None]:
    return (row.paper, row.name, row.row)


def escaped_controls(records: Iterable[Record]) -> list[EscapedControl]:
    """The controls that were accepted, from the reference's records of any number of claims, the oldest first."""
    cases = grouped(records, lambda one: (f"{one.paper.key}/{one.claim.name}", one.claim.row))
    found = [one for (claim, _), of in cases.items() for one in _escaped(claim, of)]
    return sorted(found, key=lambda one: (not one.open, one.since, one.claim, one.row or "", one.control))


def _escaped(claim: str, records: Sequence[Record]) -> list[EscapedControl]:
    """Those of one claim, whose records are ordered by age; a record without controls says nothing."""
    going: dict[str, EscapedControl] = {}
    over: list[EscapedControl] = []
    for record in (one for one in records if one.controls):
        for control in record.controls:
            earlier = going.get(control.name)
            if control.rejected and earlier:
                changes = {"fixed": record.id, "ended": record.created, "fixed_version": record.claim.version}
                over.append(replace(going.pop(control.name), **changes))
            elif not control.rejected and not earlier:
                going[control.name] = EscapedControl(
                    claim=claim,
                    row=record.claim.row,
                    version=record.claim.version,
                    control=control.name,
                    says=control.says,
                    record=record.id,
                    since=record.created,
                )
    tried = {control.name for control in next((r for r in reversed(records) if r.controls), records[-1]).controls}
    return [*over, *(replace(one, dropped=name not in tried) for name, one in going.items())]


def checked(lines: Iterable[Line], kept: Mapping[str, CalibrationSummary]) -> list[Checked]:
    """The reference's claims, each with its calibration or the reason why it has none."""
    every = []
    for one in (line for line in lines if line.is_reference):
        found = kept.get(one.id)
        expensive = f"tier {one.tier}: twenty repeats cost too much; its seeds are all there is"
        why = "exact: no seed decides it" if one.exact else expensive if one.tier != "cpu" else "not calibrated yet"
        stale = found is not None and found.digest != one.digest
        every.append(Checked(line=one, found=found, why="" if found else why, stale=stale))
    return every


def missed(passed: CalibratedRate) -> CalibratedRate:
    """How often the reference did not get the expected verdict, from how often it did."""
    return CalibratedRate(passed.of - passed.hits, passed.of, 1 - passed.high, 1 - passed.low)


def pooled(rates: Iterable[CalibratedRate]) -> CalibratedRate:
    """All repeats taken together, with a 95 % Clopper-Pearson interval as if they were independent."""
    found = list(rates)
    hits, of = sum(rate.hits for rate in found), sum(rate.of for rate in found)
    low, high = clopper_pearson(hits, of)
    return CalibratedRate(hits, of, low, high)


def current(found: Iterable[Checked]) -> list[CalibrationSummary]:
    """The calibrations that are of the claims as they stand."""
    return [one.found for one in found if one.found is not None and not one.stale]
