"""What the pages show: lines from the stores, and the claims of the catalogue that have no record. No Streamlit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from leaderboard.board import curves, reported
from leaderboard.board.catalogue import RETIRED, BoardCatalogue, ListedClaim
from leaderboard.board.curves import Curve
from leaderboard.board.lines import (
    EVIDENCE,
    REFERENCE,
    TIERS,
    Line,
    LineKey,
    Section,
    Standing,
    _label,
    grouped,
    label,
    line,
    natural,
    weighed,
)
from leaderboard.board.pareto import Aim, aim
from leaderboard.board.reported import Pair
from repro.errors import ReproError
from repro.paths import index_url, published_dir, store_dir
from repro.record.access_tokens import tokens_file
from repro.record.queries import Where
from repro.record.record import Record
from repro.record.store import MergedStore, Row, Store

HISTORY = 50  # records of one claim that its page goes through


@dataclass(frozen=True, kw_only=True)
class RecordFilter:
    """Which lines are fetched; "" admits every one.

    Attributes:
        implementation: as `label` says it.
        hardware: as `repro.record.record.hardware` says it.
    """

    paper: str = ""
    implementation: str = ""
    hardware: str = ""

    @property
    def columns(self) -> Where:
        """The same as a store's index is asked."""
        kind, _, name = self.implementation.partition(":")
        return Where(
            paper=self.paper or None, kind=kind or None, implementation=name or None, hardware=self.hardware or None
        )


def open_stores() -> MergedStore:
    """The published records and the local store, read as one, as they are now."""
    return MergedStore((Store(published_dir().parent, read_only=True), Store(store_dir(), index_url(), read_only=True)))


def _named(row: Row) -> str:
    return _label(row.kind, row.implementation)


def board(stores: MergedStore, asked: RecordFilter | None = None) -> tuple[Line, ...]:
    """The newest line of each claim and implementation, of the claim's highest version; in the order of the page."""
    asked = asked or RecordFilter()
    lines = _best(stores, asked)
    every = asked.implementation in ("", REFERENCE) and not asked.hardware
    reference = lines if every else _best(stores, RecordFilter(paper=asked.paper, implementation=REFERENCE))
    counted = (weighed(one, reference.get((*key[:3], REFERENCE))) for key, one in lines.items())
    return tuple(sorted(counted, key=_place_on_page))


def _best(stores: MergedStore, asked: RecordFilter) -> dict[LineKey, Line]:
    best: dict[LineKey, tuple[tuple[object, ...], Line]] = {}
    for store in stores.stores:
        for by_project, found in _candidates(store, asked):
            rank = (by_project, found.version, found.created)
            if found.key not in best or rank > best[found.key][0]:
                best[found.key] = (rank, found)
    return _confirmed(stores, asked, {key: found for key, (_, found) in best.items()})


def _confirmed(stores: MergedStore, asked: RecordFilter, best: dict[LineKey, Line]) -> dict[LineKey, Line]:
    """The same, with a verified record in place of a newer self-reported one that says the same of the same source.

    So a rerun at home takes no mark away. A record of another source, or with another outcome, has to earn its own.
    """
    open_to = {_verified_key(one): key for key, one in best.items() if one.runner != "verified"}
    by: dict[LineKey, tuple[Row, Store]] = {}
    for store in stores.stores if open_to else ():
        for row in store.verified(**asked.columns):
            own = (row.paper, row.name, row.row or "", _named(row), row.version, row.digest, row.source, row.outcome)
            key = open_to.get(own)
            if key and (key not in by or (row.created, row.id) > (by[key][0].created, by[key][0].id)):
                by[key] = (row, store)
    for store in stores.stores:
        found = store.briefs([row.id for row, there in by.values() if there is store])
        best |= {one.key: one for one in map(line, found)}
    return best


def _verified_key(one: Line) -> tuple[object, ...]:
    """What a rerun has to agree in with what it verifies; a record's row of the index has the same of its own."""
    return (*one.key, one.version, one.digest, one.source, one.outcome)


def quarantines(store: Store) -> bool:
    """Whether a store takes records from others, so that only its verified ones count like published ones."""
    return tokens_file(store.root).exists()


def endorsed(
    stores: MergedStore, paper: str | None = None, name: str | None = None, *, powerless: bool | None = None
) -> list[Row]:
    """The reference's records of every version and age that the project endorses, the oldest first.

    What others sent to a shared board, and nobody has verified, is not among them.
    """
    found: dict[str, Row] = {}
    for store in stores.stores:
        runner = "verified" if quarantines(store) else None
        found |= {
            row.id: row
            for row in store.rows(paper=paper, name=name, kind=REFERENCE, runner=runner, powerless=powerless)
        }
    return sorted(found.values(), key=lambda row: (row.created, row.id))


def _candidates(store: Store, asked: RecordFilter) -> Iterator[tuple[bool, Line]]:
    """The newest lines of a store, and whether the project endorses each.

    What others sent in stands in quarantine: however new it is, it takes no line's place that the project endorses.
    """
    if not quarantines(store):
        yield from ((True, one) for one in _lines(store, asked.columns))
        return
    for runner in ("self-reported", "verified"):
        yield from ((runner == "verified", one) for one in _lines(store, asked.columns | Where(runner=runner)))


def _lines(store: Store, asked: Where) -> list[Line]:
    """The newest lines of a store; a record that makes none is left out, and the one before it has its place."""
    while True:
        known, found = len(store.left_out), store.latest(**asked)
        lines = [one for one in (_line(store, record) for record in found) if one is not None]
        if len(store.left_out) == known:
            return lines


def _line(store: Store, record: Record) -> Line | None:
    try:
        return line(record)
    except Exception as error:  # whatever a record does, it does to its own line only
        store.leave_out(record.id, f"It cannot be shown: {type(error).__name__}")
        return None


def sections(lines: Iterable[Line], shown: Iterable[Line] | None = None) -> list[Section]:
    """Lines by paper, for the papers of which something is shown.

    The paper's facts are those of the reference's newest record, so that no submission changes them.

    Args:
        lines: the whole board.
        shown: those that are asked for; None for all.
    """
    every = grouped(lines, lambda one: one.paper.key)
    asked = every if shown is None else grouped(shown, lambda one: one.paper.key)
    return [_section(found, asked[key]) for key, found in every.items() if key in asked]


def complete(
    found: Iterable[Section],
    lines: Iterable[Line],
    catalogue: BoardCatalogue,
    admits: Callable[[ListedClaim], bool] = lambda _: True,
) -> list[Section]:
    """Sections with the claims that nobody has run, and with the papers of which there is no record at all.

    Args:
        found: papers with what is asked for of their lines.
        lines: the whole board, or the reference's lines of it.
        catalogue: the claims of today.
        admits: which of the claims without a record are asked for.
    """
    missing = catalogue.missing((x.paper.key, *x.case) for x in lines if x.is_reference)
    own, absent = {one.paper.key: one for one in found}, grouped(filter(admits, missing), lambda one: one.paper.key)
    known = Counter(key for key, _, _ in catalogue.claims)
    return [
        replace(
            own.get(key) or Section(paper=catalogue.papers[key], lines=(), standings=(), reference={}),
            absent=tuple(sorted(absent.get(key, ()), key=_place_on_page)),
            known=known[key],
        )
        for key in sorted(own.keys() | absent.keys())
    ]


def marked(lines: Iterable[Line], catalogue: BoardCatalogue) -> tuple[Line, ...]:
    """Lines, those of claims that have changed or gone since then with a word on that.

    Claims that are gone and were known not to hold are left out: what is no longer stated accuses no paper.
    """
    found = ((one, catalogue.past((one.paper.key, *one.case), one.version, one.digest)) for one in lines)
    return tuple(replace(one, past=past) if past else one for one, past in found if not (past == RETIRED and one.known))


def _section(every: list[Line], shown: list[Line]) -> Section:
    """A paper with all its lines and those that are asked for."""
    reference = {one.case: one for one in every if one.is_reference}
    own, asked = (grouped(lines, lambda one: one.implementation) for lines in (every, shown))
    present = own.keys() & (asked.keys() | {REFERENCE})
    ordered = sorted(present, key=lambda name: (name != REFERENCE, name.casefold(), name))
    return Section(
        paper=max(every, key=lambda one: (one.is_reference, one.created)).paper,
        lines=tuple(shown),
        standings=tuple(_standing(own[name], asked.get(name, []), reference) for name in ordered),
        reference=reference,
    )


def _standing(own: list[Line], shown: list[Line], reference: dict[tuple[str, str], Line]) -> Standing:
    answered = {one.case for one in own}
    return Standing(
        newest=max(own, key=lambda one: one.created),
        lines=tuple(one for one in own if one.comparable(reference.get(one.case))),
        outdated=tuple(one for one in own if not one.comparable(reference.get(one.case))),
        unanswered=tuple(one for case, one in reference.items() if case not in answered),
        shown=tuple(shown),
    )


def implementations(stores: MergedStore, paper: str = "") -> list[str]:
    """What implementations of a paper, or of any, are called: the reference, then the submissions by name."""
    names = stores.distinct("implementation", paper=paper or None, kind="submission")
    return [REFERENCE, *(f"submission:{name}" for name in sorted(names, key=str.casefold))]


def history(
    stores: MergedStore, claim: str, row: str | None, implementation: str = REFERENCE, digits: str = ""
) -> list[Record]:
    """The records of a claim "key/name" and row, of every version and implementation, the newest first.

    Where there are many, the older ones are left out, but the newest of the reference, that of `implementation`, and
    the record whose hash begins with `digits` are kept.
    """
    rows = sorted(_rows(stores, claim, row), key=lambda found: (found.version, found.created), reverse=True)
    newest = {_named(found): found.id for found in reversed(rows)}
    always = {newest.get(REFERENCE), newest.get(implementation)}
    asked = f"sha256:{digits}" if digits else None
    kept = [
        found
        for i, found in enumerate(rows)
        if i < HISTORY or found.id in always or (asked and found.id.startswith(asked))
    ]
    return [stores.get(found.id) for found in kept]


def extent(stores: MergedStore, claim: str, row: str | None) -> tuple[int, int]:
    """How many records a claim "key/name" and row has, of every version and implementation, and its highest version."""
    versions = [found.version for found in _rows(stores, claim, row)]
    return len(versions), max(versions, default=0)


def _rows(stores: MergedStore, claim: str, row: str | None) -> list[Row]:
    """What the index has of a claim "key/name" and row."""
    key, _, name = claim.partition("/")
    return [found for found in stores.rows(paper=key, name=name) if found.row == row]


def pairs(stores: MergedStore, section: Section) -> list[Pair]:
    """Published numbers and ours, of those of a paper's claims that have both."""
    stating = [one for one in section.claims if one.reported]
    return [pair for one in stating for pair in reported.pairs(one, None if one.exact else record_of(stores, one))]


def curve_list(stores: MergedStore, section: Section) -> list[Curve]:
    """The most telling curves of a paper's claims."""
    found = (record_of(stores, one) for one in section.claims if not one.exact)
    return curves.telling(one for one in found if one is not None)


def aims(stores: MergedStore, section: Section) -> dict[tuple[str, str], Aim]:
    """Of a paper's claims those whose estimate is better the lower, the higher or the nearer to a number it is."""
    found = ((one.case, record_of(stores, one)) for one in section.reference.values() if not one.exact)
    wanted = {case: aim(record.claim.criterion) for case, record in found if record is not None}
    return {case: one for case, one in wanted.items() if one is not None}


def successors(stores: MergedStore, paper: str, record_id: str) -> list[str]:
    """The ids of the records that say that they replace this one, the oldest first."""
    return [row.id for row in stores.rows(paper=paper) if row.supersedes == record_id]


def record_of(stores: MergedStore, one: Line) -> Record | None:
    """The record of a line; None where it is no longer there, which the next version of the stores will show."""
    try:
        return stores.get(one.record)
    except ReproError:
        return None


def reference_of(records: Iterable[Record]) -> Record | None:
    """The first of a claim's records that is the reference's."""
    return next((record for record in records if label(record) == REFERENCE), None)


def rows_of(stores: MergedStore, claim: str) -> list[str]:
    """The rows that a claim "key/name" has records of."""
    key, _, name = claim.partition("/")
    return sorted({found.row for found in stores.rows(paper=key, name=name) if found.row}, key=natural)


def problems(stores: MergedStore) -> list[tuple[str, str]]:
    """Files that are not records: (file, what is wrong with it)."""
    return [(problem.path, problem.reason) for problem in stores.problems()]


def _place_on_page(one: Line | ListedClaim) -> tuple[object, ...]:
    return (
        one.paper.key,
        EVIDENCE.index(one.evidence),
        TIERS.index(one.tier),
        one.name,
        natural(one.row or ""),
        one.implementation if isinstance(one, Line) else "",
    )
