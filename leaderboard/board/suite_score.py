"""The suite's own score: how often it rejects what it must, and how often what it must not. No Streamlit here."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import msgspec.toml

from leaderboard.queries import REFERENCE, Line
from leaderboard.repository import Calibration, Rate
from leaderboard.vouched import reference_rows
from repro.paths import project_root, published_dir
from repro.record import Record
from repro.statistics import clopper_pearson
from repro.store import Row, Store, Union

NOTED = Path(__file__).with_name("slips.toml")
FLAGGED = 50  # records for review that are listed


@dataclass(frozen=True, kw_only=True)
class Slip:
    """A sabotage that got through the check of a claim.

    Attributes:
        claim: "key/name", with `row` and `version` as they stood then.
        says: what was wrong with the implementation that got through.
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
        """Whether it still gets through."""
        return not self.fixed and not self.dropped


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong with a claim and is in no record, from `slips.toml`.

    Attributes:
        date: of the commit that mended it.
        claim: "key/name", or the key of a paper.
        version: of the claim, as it was then.
        found: how it was found; "" where that is not written down.
        commit: that mended it, in seven digits.
        source: where this is known from.
    """

    date: datetime.date
    claim: str
    version: int
    what: str
    found: str
    mended: str
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
    found: Calibration | None = None
    why: str = ""
    stale: bool = False


@dataclass(frozen=True, kw_only=True)
class History:
    """What only the history of the records shows, and which of them are published.

    Attributes:
        slips: sabotages that got through, those that still do first.
        flagged: the newest records that a person should look at.
        flags: how many there are.
        published: ids of the reference's records that lie in the repository.
    """

    slips: tuple[Slip, ...]
    flagged: tuple[Row, ...]
    flags: int
    published: frozenset[str] = frozenset()


def history(stores: Union) -> History:
    """Ask the index for what is flagged, and open the records of claims that a sabotage ever got through.

    What others sent to a shared board, and nobody has verified, cannot make the suite look worse than it is.
    """
    pierced = {_case(row) for row in reference_rows(stores, powerless=True)}
    named = sorted({(paper, name) for paper, name, _ in pierced})
    ordered = [row for one in named for row in reference_rows(stores, *one) if _case(row) in pierced]
    newest = {row.id: row for store in stores.stores for row in store.flagged(FLAGGED)}
    flagged = sorted(newest.values(), key=lambda row: (row.created, row.id), reverse=True)
    return History(
        slips=tuple(slips(stores.get(row.id) for row in ordered)),
        flagged=tuple(flagged[:FLAGGED]),
        flags=len({name for store in stores.stores for name in store.flags()}),
        published=frozenset(row.id for store in _repository(stores) for row in store.rows(kind=REFERENCE)),
    )


def _repository(stores: Union) -> list[Store]:
    """Those of the stores that are the repository's."""
    return [store for store in stores.stores if store.root == published_dir().parent]


def noted(path: Path | None = None) -> list[Noted]:
    """What is kept by hand in `slips.toml`, the newest first."""
    found = msgspec.toml.decode((path or NOTED).read_bytes(), type=dict[str, list[Noted]])["slip"]
    return sorted(found, key=lambda one: one.date, reverse=True)


def _case(row: Row) -> tuple[str, str, str | None]:
    return (row.paper, row.name, row.row)


def slips(records: Iterable[Record]) -> list[Slip]:
    """The sabotages that got through, from the reference's records of any number of claims, the oldest first."""
    grouped: dict[tuple[str, str | None], list[Record]] = {}
    for record in records:
        grouped.setdefault((f"{record.paper.key}/{record.claim.name}", record.claim.row), []).append(record)
    found = [slip for (claim, _), of in grouped.items() for slip in _slips(claim, of)]
    return sorted(found, key=lambda slip: (not slip.open, slip.since, slip.claim, slip.row or "", slip.control))


def _slips(claim: str, records: Sequence[Record]) -> list[Slip]:
    """Those of one claim, whose records are ordered by age; a record without controls says nothing."""
    going: dict[str, Slip] = {}
    over: list[Slip] = []
    for record in (one for one in records if one.controls):
        for control in record.controls:
            earlier = going.get(control.name)
            if control.rejected and earlier:
                changes = {"fixed": record.id, "ended": record.created, "fixed_version": record.claim.version}
                over.append(_changed(going.pop(control.name), **changes))
            elif not control.rejected and not earlier:
                going[control.name] = Slip(
                    claim=claim,
                    row=record.claim.row,
                    version=record.claim.version,
                    control=control.name,
                    says=control.says,
                    record=record.id,
                    since=record.created,
                )
    tried = {control.name for control in next((r for r in reversed(records) if r.controls), records[-1]).controls}
    return [*over, *(_changed(slip, dropped=name not in tried) for name, slip in going.items())]


def _changed(slip: Slip, **changes: object) -> Slip:
    return Slip(**(vars(slip) | changes))  # type: ignore[arg-type] -- fields of its own


def calibrations(paper: str, root: Path | None = None) -> tuple[dict[str, Calibration], str]:
    """All calibrations that are kept for a paper, by id of the claim, and what is wrong with the file."""
    path = (root or project_root()) / "claims" / "calibration" / f"{paper}.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Calibration]), ""
    except FileNotFoundError:
        return {}, ""
    except (OSError, msgspec.MsgspecError) as error:
        return {}, f"{path.name} cannot be read: {error}"


def checked(lines: Iterable[Line], kept: Mapping[str, Calibration]) -> list[Checked]:
    """The reference's claims, each with its calibration or the reason why it has none."""
    return [_checked(one, kept.get(claim_id(one))) for one in lines if one.is_reference]


def _checked(one: Line, found: Calibration | None) -> Checked:
    if found is None:
        return Checked(line=one, why=_why_not(one))
    return Checked(line=one, found=found, stale=found.digest != one.digest)


def _why_not(one: Line) -> str:
    if one.exact:
        return "exact: no seed decides it"
    if one.tier != "cpu":
        return f"tier {one.tier}: twenty repeats cost too much; its seeds are all there is"
    return "not calibrated yet"


def claim_id(one: Line) -> str:
    """The id of a line's claim, as records state it."""
    return f"{one.claim}@{one.version}" + (f"[{one.row}]" if one.row is not None else "")


def missed(passed: Rate) -> Rate:
    """How often the reference did not get the expected verdict, from how often it did."""
    return Rate(passed.of - passed.hits, passed.of, 1 - passed.high, 1 - passed.low)


def pooled(rates: Iterable[Rate]) -> Rate:
    """All repeats taken together, with a 95 % Clopper-Pearson interval as if they were independent."""
    found = list(rates)
    hits, of = sum(rate.hits for rate in found), sum(rate.of for rate in found)
    low, high = clopper_pearson(hits, of)
    return Rate(hits, of, low, high)


def current(found: Iterable[Checked]) -> list[Calibration]:
    """The calibrations that are of the claims as they stand."""
    return [one.found for one in found if one.found is not None and not one.stale]
