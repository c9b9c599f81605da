"""From the stores to what the pages show, and beside them what the catalogue has and they have not. No Streamlit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from leaderboard.catalogue import Catalogue, Stated
from repro.criterion import Criterion, Equivalent, Higher, Lower, Matches, Ordered
from repro.paper import Paper, Reported
from repro.paths import index_url, published_dir, store_dir
from repro.record import Ratio, Record, SubmissionPart, hardware
from repro.store import Row, Store, Union
from repro.text import number
from repro.tokens import tokens_file
from repro.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd

REFERENCE = "reference"
TIERS = ("cpu", "gpu", "cluster")
EVIDENCE = ("exact", "reduced", "original")
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for the beginning of a formula
HISTORY = 50  # records of one claim that its page goes through
COSTS = 3  # of a submission that the board shows
Key = tuple[str, str, str, str]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the board: the newest record of a claim and an implementation, without its samples.

    Attributes:
        record: id of the record.
        claim: "key/name", without version and row.
        outcome: the record's word, or "powerless".
        estimate: what the criterion looks at, in `unit`; `low` and `high` are its interval.
        what: what the estimate is, such as "difference".
        n: seeds per arm, or cases of an exact claim.
        values: of an exact claim, what was measured in the unit of the published numbers, in their order.
        rejected: how many of the `controls` sabotaged implementations the criterion rejected.
        known: the source that shows the claim not to hold, for a finding.
        digest: hash of what defines the claim.
        source: hash of the implementation's source.
        division: of a submission: "closed" or "open"; None where the record does not say.
        deviations: how many deviations from the paper the implementation declares.
        submission: what a submission says of itself; None for the reference, and where the record does not say.
        past: why it does not count for today's claim, such as "retired"; "" where it does. See `marked`.
    """

    record: str
    paper: Paper
    claim: str
    name: str
    row: str | None
    version: int
    digest: str
    says: str
    place: str
    tier: str
    evidence: str
    outcome: str
    reported: tuple[Reported, ...]
    estimate: float | None
    low: float | None
    high: float | None
    bound: float | None
    unit: str
    what: str
    n: int
    values: tuple[float, ...]
    exact: bool
    reason: str
    rejected: int
    controls: int
    known: str
    implementation: str
    source: str
    division: str | None
    deviations: int
    submission: SubmissionPart | None
    created: str
    machine: str
    commit: str
    runner: str
    past: str = ""

    @property
    def key(self) -> Key:
        """What makes two records answers to the same question, whatever the claim's version."""
        return (self.paper.key, self.name, self.row or "", self.implementation)

    @property
    def case(self) -> tuple[str, str]:
        """The claim and its row, whatever answers it."""
        return (self.name, self.row or "")

    @property
    def is_reference(self) -> bool:
        """Whether the paper's reference is what answers."""
        return self.implementation == REFERENCE

    def comparable(self, other: Line | None) -> bool:
        """Whether both answer the same version of a claim; true where there is no other."""
        return other is None or (self.version, self.digest) == (other.version, other.digest)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """An implementation of a paper over all of its claims, whatever the filters leave of them.

    Attributes:
        newest: its newest line, which says what it is.
        lines: its lines of the claims as they stand for the reference; these are counted.
        outdated: its lines of another version of a claim than the reference's; these are not.
        unanswered: the reference's lines of which it has none.
        shown: its lines of either kind that the filters leave.
    """

    newest: Line
    lines: tuple[Line, ...]
    outdated: tuple[Line, ...]
    unanswered: tuple[Line, ...]
    shown: tuple[Line, ...]

    @property
    def runner(self) -> str:
        """Who vouches for it: "verified" if all its lines are, "partly verified" if some are, else "self-reported"."""
        found = {one.runner for one in (*self.lines, *self.outdated)}
        return found.pop() if len(found) == 1 else "partly verified"

    @property
    def trusted(self) -> bool:
        """Whether any of its lines comes from a run without a jail."""
        return any(unjailed(one.submission) for one in (*self.lines, *self.outdated))

    @property
    def sources(self) -> int:
        """How many versions of its source its lines come from."""
        return len({one.source for one in self.lines})


@dataclass(frozen=True, kw_only=True)
class Section:
    """A paper, the lines of it that are asked for, and its implementations, the reference first.

    Attributes:
        lines: of every implementation.
        standings: of the reference, and of each other implementation with a line among these.
        reference: the reference's line by claim and row, whatever the filters leave.
        absent: claims that are asked for and that the reference has no record of; see `complete`.
        known: how many claims the paper has today; 0 where that is not known.
    """

    paper: Paper
    lines: tuple[Line, ...]
    standings: tuple[Standing, ...]
    reference: dict[tuple[str, str], Line]
    absent: tuple[Stated, ...] = ()
    known: int = 0

    @property
    def judged(self) -> int:
        """How many claims of today have a verdict on the reference, whatever the filters leave."""
        return sum(not one.past for one in self.reference.values())

    @property
    def claims(self) -> tuple[Line, ...]:
        """The reference's lines that are asked for: one for each claim and row."""
        return tuple(one for one in self.lines if one.is_reference)

    @property
    def findings(self) -> list[tuple[Line, tuple[Line, ...]]]:
        """Each claim and row that is known not to hold, once, and the same on other implementations.

        What is known is what the reference's record says; another's counts only where there is none of the reference.
        """
        grouped: dict[tuple[str, str], list[Line]] = {}
        for one in self.lines:
            grouped.setdefault(one.case, []).append(one)
        ordered = (sorted(found, key=lambda one: not one.is_reference) for found in grouped.values())
        return [(first, tuple(others)) for first, *others in ordered if first.known]


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What of the board is asked for; "" and () admit everything."""

    paper: str = ""
    verdict: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    tier: tuple[str, ...] = ()
    q: str = ""

    def admits(self, line: Line | Stated) -> bool:
        """Whether a line is asked for, or a claim without one; every word of the search text must occur in it."""
        own = line.implementation if isinstance(line, Line) and not line.is_reference else ""
        text = " ".join((line.claim, line.row or "", line.says, line.place, own, line.paper.title, *line.paper.authors))
        return (
            self.paper in ("", line.paper.key)
            and (not self.verdict or line.outcome in self.verdict)
            and (not self.evidence or line.evidence in self.evidence)
            and (not self.tier or line.tier in self.tier)
            and all(part in text.casefold() for part in self.q.casefold().split())
        )


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Which lines are fetched; "" admits every one.

    Attributes:
        implementation: as `label` says it.
        hardware: as `repro.record.hardware` says it.
    """

    paper: str = ""
    implementation: str = ""
    hardware: str = ""

    def heads(self, store: Store, runner: str | None = None) -> list[Record]:
        """The newest records of a store that are asked for, in brief."""
        kind, name = self._named
        return store.heads(
            paper=self.paper or None, kind=kind, implementation=name, hardware=self.hardware or None, runner=runner
        )

    def verified(self, store: Store) -> list[Row]:
        """The verified records of a store that are asked for; see `Store.verified`."""
        kind, name = self._named
        return store.verified(paper=self.paper or None, kind=kind, implementation=name, hardware=self.hardware or None)

    @property
    def _named(self) -> tuple[str | None, str | None]:
        kind, _, name = self.implementation.partition(":")
        return kind or None, name or None


def open_stores() -> Union:
    """The published records and the local store, read as one, as they are now."""
    return Union((Store(published_dir().parent, read_only=True), Store(store_dir(), index_url(), read_only=True)))


def line(record: Record) -> Line:
    """A record as a line of the board."""
    claim, verdict, bounds = record.claim, record.verdict, record.verdict.interval
    own = record.implementation
    return Line(
        record=record.id,
        paper=record.paper,
        claim=f"{record.paper.key}/{claim.name}",
        name=claim.name,
        row=claim.row,
        version=claim.version,
        digest=claim.digest,
        says=claim.says,
        place=claim.place,
        tier=claim.tier,
        evidence=claim.evidence,
        outcome="powerless" if record.powerless else record.word,
        reported=claim.reported,
        estimate=verdict.estimate,
        low=bounds[0] if bounds else None,
        high=bounds[1] if bounds else None,
        bound=verdict.bound,
        unit=verdict.unit,
        what=estimated(claim.criterion, verdict),
        n=verdict.n,
        values=_values(record),
        exact=not claim.criterion.statistical,
        reason=verdict.reason,
        rejected=sum(control.rejected for control in record.controls),
        controls=len(record.controls),
        known=claim.expected_refuted or "",
        implementation=label(record),
        source=own.source,
        division=own.division,
        deviations=own.deviations,
        submission=stated(record),
        created=record.created,
        machine=hardware(record),
        commit=(record.source.commit or "")[:10],
        runner=record.runner,
    )


def label(record: Record) -> str:
    """What people read: "reference", or the kind and the name."""
    return _label(record.implementation.kind, record.implementation.name)


def _named(row: Row) -> str:
    return _label(row.kind, row.implementation)


def _label(kind: str, name: str) -> str:
    return kind if kind == REFERENCE else f"{kind}:{name}"


def stated(record: Record) -> SubmissionPart | None:
    """What a submission says of itself; None for all others, and where the record does not say."""
    found = record.implementation.submission
    return None if found is msgspec.UNSET else found


def unjailed(part: SubmissionPart | None) -> bool:
    """Whether a submission says that it was run without a jail."""
    return part is not None and part.isolation.startswith("none")


def weighed(one: Line, reference: Line | None) -> Line:
    """A line in the light of the reference's: where a sabotage gets through the check, no verdict of it counts."""
    if reference is None or reference.outcome != "powerless" or not one.comparable(reference):
        return one
    return replace(one, outcome="powerless")


def main_costs(costs: Sequence[Ratio]) -> list[Ratio]:
    """At most three of a submission's costs: a time, peak memory, energy, and another time where there is room.

    Training goes before prediction, and both before the function that takes the reference longest.
    """
    found = {cost.what: cost for cost in costs}
    usual = [found[name] for name in ("time to train", "time to predict") if name in found]
    times = [cost for cost in costs if cost.what.startswith("time to ")]
    times = usual or sorted(times, key=lambda cost: -cost.reference)[:1]
    rest = [found[name] for name in ("peak memory", "energy") if name in found]
    return (times[:1] + rest + times[1:])[:COSTS]


def estimated(rule: Criterion, verdict: Verdict) -> str:
    """What a verdict's estimate is, in a few words."""
    if verdict.parts:
        return f"deciding part of {len(verdict.parts)}"
    if isinstance(rule, Lower | Higher | Equivalent | Matches) and rule.log:
        return "log ratio"
    if isinstance(rule, Lower | Higher) and rule.times != 1:
        return f"first \N{MINUS SIGN} {number(rule.times)} \N{MULTIPLICATION SIGN} second"
    if isinstance(rule, Lower | Higher | Equivalent | Ordered):
        return "difference"
    return {"Holds": "violations", "PowerLaw": "exponent"}.get(type(rule).__name__, "mean")


def board(stores: Union, asked: Asked | None = None) -> tuple[Line, ...]:
    """The newest line of each claim and implementation, of the claim's highest version; in the order of the page."""
    asked = asked or Asked()
    lines = _best(stores, asked)
    every = asked.implementation in ("", REFERENCE) and not asked.hardware
    reference = lines if every else _best(stores, Asked(paper=asked.paper, implementation=REFERENCE))
    counted = (weighed(one, reference.get((*key[:3], REFERENCE))) for key, one in lines.items())
    return tuple(sorted(counted, key=_place_on_page))


def _best(stores: Union, asked: Asked) -> dict[Key, Line]:
    best: dict[Key, tuple[tuple[object, ...], Line]] = {}
    for store in stores.stores:
        for vouched, found in _candidates(store, asked):
            rank = (vouched, found.version, found.created)
            if found.key not in best or rank > best[found.key][0]:
                best[found.key] = (rank, found)
    return _confirmed(stores, asked, {key: found for key, (_, found) in best.items()})


def _confirmed(stores: Union, asked: Asked, best: dict[Key, Line]) -> dict[Key, Line]:
    """The same, with a verified record in place of a newer self-reported one that says the same of the same source.

    So a rerun at home takes no mark away. A record of another source, or with another word, has to earn its own.
    """
    open_to = {_said(one): key for key, one in best.items() if one.runner != "verified"}
    by: dict[Key, tuple[Row, Store]] = {}
    for store in stores.stores if open_to else ():
        for row in asked.verified(store):
            key = open_to.get(_said_by(row))
            if key and (key not in by or (row.created, row.id) > (by[key][0].created, by[key][0].id)):
                by[key] = (row, store)
    for store in stores.stores:
        found = store.briefs([row.id for row, there in by.values() if there is store])
        best |= {one.key: one for one in map(line, found)}
    return best


def _said(one: Line) -> tuple[object, ...]:
    """What a rerun has to agree in with what it verifies; a record's row of the index has the same of its own."""
    return (*one.key, one.version, one.digest, one.source, one.outcome)


def _said_by(row: Row) -> tuple[object, ...]:
    outcome = "powerless" if row.powerless else row.word
    return (row.paper, row.name, row.row or "", _named(row), row.version, row.digest, row.source, outcome)


def quarantines(store: Store) -> bool:
    """Whether a store takes records from others, so that only the verified ones in it stand beside published ones."""
    return tokens_file(store.root).exists()


def _candidates(store: Store, asked: Asked) -> Iterator[tuple[bool, Line]]:
    """The newest lines of a store, and whether each is vouched for.

    What others sent in stands in quarantine: however new it is, it takes no line's place that the project vouches for.
    """
    if not quarantines(store):
        yield from ((True, line(record)) for record in asked.heads(store))
        return
    for runner in ("self-reported", "verified"):
        yield from ((runner == "verified", line(record)) for record in asked.heads(store, runner))


def sections(lines: Iterable[Line], shown: Iterable[Line] | None = None) -> list[Section]:
    """Lines by paper, for the papers of which something is shown.

    The paper's facts are those of the reference's newest record, so that no submission changes them.

    Args:
        lines: the whole board.
        shown: those that are asked for; None for all.
    """
    every, asked = _by_paper(lines), None if shown is None else _by_paper(shown)
    return [
        _section(found, found if asked is None else asked[key])
        for key, found in every.items()
        if asked is None or key in asked
    ]


def complete(
    found: Iterable[Section],
    lines: Iterable[Line],
    catalogue: Catalogue,
    admits: Callable[[Stated], bool] = lambda _: True,
) -> list[Section]:
    """Sections with the claims that nobody has run, and with the papers of which there is no record at all.

    Args:
        found: papers with what is asked for of their lines.
        lines: the whole board, or the reference's lines of it.
        catalogue: the claims of today.
        admits: which of the claims without a record are asked for.
    """
    own, absent = {one.paper.key: one for one in found}, dict[str, list[Stated]]()
    for one in catalogue.missing((x.paper.key, *x.case) for x in lines if x.is_reference):
        if admits(one):
            absent.setdefault(one.paper.key, []).append(one)
    known = Counter(key for key, _, _ in catalogue.claims)
    return [
        replace(
            own.get(key) or Section(paper=catalogue.papers[key], lines=(), standings=(), reference={}),
            absent=tuple(sorted(absent.get(key, ()), key=_place_on_page)),
            known=known[key],
        )
        for key in sorted(own.keys() | absent.keys())
    ]


def marked(lines: Iterable[Line], catalogue: Catalogue) -> tuple[Line, ...]:
    """Lines, those of claims that have changed or gone since then with a word on that."""
    found = ((one, catalogue.past((one.paper.key, *one.case), one.version, one.digest)) for one in lines)
    return tuple(replace(one, past=past) if past else one for one, past in found)


def _by_paper(lines: Iterable[Line]) -> dict[str, list[Line]]:
    grouped: dict[str, list[Line]] = {}
    for one in lines:
        grouped.setdefault(one.paper.key, []).append(one)
    return grouped


def _section(every: list[Line], shown: list[Line]) -> Section:
    """A paper with all its lines and those that are asked for."""
    reference = {one.case: one for one in every if one.is_reference}
    own, asked = _by_name(every), _by_name(shown)
    present = own.keys() & (asked.keys() | {REFERENCE})
    ordered = sorted(present, key=lambda name: (name != REFERENCE, name.casefold(), name))
    return Section(
        paper=max(every, key=lambda one: (one.is_reference, one.created)).paper,
        lines=tuple(shown),
        standings=tuple(_standing(own[name], asked.get(name, []), reference) for name in ordered),
        reference=reference,
    )


def _by_name(lines: Iterable[Line]) -> dict[str, list[Line]]:
    grouped: dict[str, list[Line]] = {}
    for one in lines:
        grouped.setdefault(one.implementation, []).append(one)
    return grouped


def _standing(own: list[Line], shown: list[Line], reference: dict[tuple[str, str], Line]) -> Standing:
    answered = {one.case for one in own}
    return Standing(
        newest=max(own, key=lambda one: one.created),
        lines=tuple(one for one in own if one.comparable(reference.get(one.case))),
        outdated=tuple(one for one in own if not one.comparable(reference.get(one.case))),
        unanswered=tuple(one for case, one in reference.items() if case not in answered),
        shown=tuple(shown),
    )


def implementations(stores: Union, paper: str = "") -> list[str]:
    """What implementations of a paper, or of any, are called: the reference, then the submissions by name."""
    names = stores.distinct("implementation", paper=paper or None, kind="submission")
    return [REFERENCE, *(f"submission:{name}" for name in sorted(names, key=str.casefold))]


def counts(lines: Iterable[Line]) -> Counter[str]:
    """How many lines have each outcome."""
    return Counter(one.outcome for one in lines)


def history(
    stores: Union, claim: str, row: str | None, implementation: str = REFERENCE, digits: str = ""
) -> list[Record]:
    """The records of a claim "key/name" and row, of every version and implementation, the newest first.

    Where there are many, the older ones are left out, but the newest of the reference, that of `implementation`, and
    the record whose hash begins with `digits` are kept.
    """
    key, _, name = claim.partition("/")
    rows = [found for found in stores.rows(paper=key, name=name) if found.row == row]
    rows.sort(key=lambda found: (found.version, found.created), reverse=True)
    newest = {_named(found): found.id for found in reversed(rows)}
    always = {newest.get(REFERENCE), newest.get(implementation)}
    asked = f"sha256:{digits}" if digits else None
    kept = [
        found
        for i, found in enumerate(rows)
        if i < HISTORY or found.id in always or (asked and found.id.startswith(asked))
    ]
    return [stores.get(found.id) for found in kept]


def extent(stores: Union, claim: str, row: str | None) -> tuple[int, int]:
    """How many records a claim "key/name" and row has, of every version and implementation, and its highest version."""
    key, _, name = claim.partition("/")
    versions = [found.version for found in stores.rows(paper=key, name=name) if found.row == row]
    return len(versions), max(versions, default=0)


def reference_of(records: Iterable[Record]) -> Record | None:
    """The first of a claim's records that is the reference's."""
    return next((record for record in records if label(record) == REFERENCE), None)


def rows_of(stores: Union, claim: str) -> list[str]:
    """The rows that a claim "key/name" has records of."""
    key, _, name = claim.partition("/")
    return sorted({found.row for found in stores.rows(paper=key, name=name) if found.row}, key=natural)


def problems(stores: Union) -> list[tuple[str, str]]:
    """Files that are not records: (file, what is wrong with it)."""
    return [(problem.path, problem.reason) for problem in stores.problems()]


def table(lines: Sequence[Line]) -> pd.DataFrame:
    """Lines as a frame, one column a field, for downloads."""
    import pandas as pd

    flat = [
        {
            "paper": one.paper.key,
            "claim": one.claim,
            "row": one.row or "",
            "version": one.version,
            "statement": one.says,
            "place": one.place,
            "verdict": one.outcome,
            "evidence": one.evidence,
            "tier": one.tier,
            "published": "; ".join(f"{r.value:g} {r.unit} ({r.place})" for r in one.reported),
            "estimate": one.estimate,
            "low": one.low,
            "high": one.high,
            "unit": one.unit,
            "n": one.n,
            "controls_rejected": one.rejected,
            "controls": one.controls,
            "implementation": one.implementation,
            "division": one.division or "",
            "runner": one.runner,
            "created": one.created,
            "machine": one.machine,
            "commit": one.commit,
            "record": one.record,
        }
        for one in lines
    ]
    return pd.DataFrame(flat)


def as_json(lines: Sequence[Line]) -> str:
    """Lines as a JSON array of objects, one key a column of `table`; null where there is no number."""
    rows = table(lines).astype(object)
    return msgspec.json.encode(rows.where(rows.notna(), None).to_dict(orient="records")).decode()


def csv(lines: Sequence[Line]) -> str:
    """Lines as CSV; a cell that a spreadsheet would run as a formula is quoted with an apostrophe."""
    frame = table(lines)
    for column in frame.select_dtypes(exclude="number"):
        frame[column] = [cell(value) if isinstance(value, str) else value for value in frame[column]]
    return frame.to_csv(index=False)


def cell(text: str) -> str:
    """A text as a cell of CSV: one that a spreadsheet would run as a formula gets an apostrophe."""
    return f"'{text}" if text.startswith(FORMULA) else text


def _place_on_page(one: Line | Stated) -> tuple[object, ...]:
    return (
        one.paper.key,
        EVIDENCE.index(one.evidence),
        TIERS.index(one.tier),
        one.name,
        natural(one.row or ""),
        one.implementation if isinstance(one, Line) else "",
    )


def natural(text: str) -> tuple[object, ...]:
    """A key that sorts names by the numbers in them, as in the tables of papers."""
    digits = "".join(c if c.isdigit() else " " for c in text).split()
    return (tuple(int(d) for d in digits), text)


def _values(record: Record) -> tuple[float, ...]:
    if record.verdict.unit != "violations" or not record.claim.reported:
        return ()
    unit = record.claim.reported[0].unit
    found = [np.ravel(np.asarray(s.values, dtype=float)) for s in record.samples if s.unit == unit]
    return tuple(float(values[0]) for values in found if values.size == 1 and np.isfinite(values[0]))
