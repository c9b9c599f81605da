"""The bodies of the exported pages, made by the functions that make the app's."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from html import escape

from leaderboard import (
    about,
    absent_sheet,
    blocks,
    charts,
    citing,
    contest,
    implementations_sheet,
    paper_sheet,
    published,
    queries,
    record_sheet,
    repository,
    rerun,
    sheet,
    style,
    submitting,
    trust,
    trust_sheet,
    usage_sheet,
)
from leaderboard.catalogue import Catalogue, Stated
from leaderboard.citing import Addresses, Text
from leaderboard.queries import Line, Section
from leaderboard.repository import Calibration
from leaderboard.rerun import Around
from leaderboard.site import places
from leaderboard.trust import History
from repro.record import Record
from repro.store import Union

NOT_DRAWN = "Charts are in the app (<code>repro leaderboard</code>); the record has all of their numbers."


def board(
    sections: Sequence[Section],
    names: Mapping[str, Sequence[str]],
    problems: Sequence[tuple[str, str]],
    catalogue: Catalogue,
) -> str:
    """The first page.

    Args:
        sections: papers with the reference's lines, and the claims that nobody has run.
        names: what their submissions are called, by paper.
        problems: files that are no sound records.
        catalogue: the claims of today.
    """
    others = len({name for found in names.values() for name in found})
    lines = [one for section in sections for one in section.lines]
    parts = [blocks.headline(lines, others, catalogue, aged=False)]
    if sections:
        parts.append(blocks.overview(sections, names, aged=False))
    for section in sections:
        key = section.paper.key
        parts.append(blocks.paper(section, repository.deviations(key), names.get(key, ())))
    if not sections:
        parts.append(blocks.empty(filtered=False))
    if problems:
        parts.append(style.wrap(style.part("Files that are not sound records")) + blocks.problems(problems))
    link = '<a href="{0}" download>{0}</a>'
    files = f"{link.format('board.csv')}, {link.format('board.json')}"
    parts.append(style.wrap(f'<p class="soft small">All verdicts, those of submissions too: {files}.</p>'))
    return "".join(parts)


def paper(stores: Union, section: Section, names: Sequence[str], where: Addresses | None = None) -> str:
    """A paper.

    Args:
        stores: for the whole records of claims that state a number.
        section: its lines, of all implementations.
        names: what all of its implementations are called.
        where: addresses of the page and what belongs to it.
    """
    stating = [one for one in section.claims if one.reported]
    pairs = [x for one in stating for x in published.pairs(one, None if one.exact else stores.get(one.record))]
    parts = [paper_sheet.head(section, repository.deviations(section.paper.key), len(names), aged=False)]
    if pairs:
        says = "The app draws these numbers with their intervals as a chart."
        parts += [paper_sheet.heading("Published and reproduced", says), paper_sheet.forest_table(pairs)]
    if section.claims:
        parts += [paper_sheet.heading("Claims"), paper_sheet.claims(section.claims)]
    if section.findings:
        parts.append(paper_sheet.heading("Findings", "What is known not to hold, and who showed it."))
        parts.append(paper_sheet.findings(section))
    if section.lines:
        parts += [paper_sheet.heading("Implementations"), paper_sheet.implementations(section, names)]
    parts += [paper_sheet.heading("Not measured"), paper_sheet.unmeasured(section)]
    parts.append(_texts(citing.of_paper(section.paper, where or citing.nowhere())))
    return "".join(parts)


def implementations(section: Section) -> str:
    """The implementations of a paper, and which of them are on the front of quality against cost."""
    parts = [implementations_sheet.head(section, len(section.standings))]
    if all(one.newest.is_reference for one in section.standings):
        return "".join([*parts, implementations_sheet.nothing(section)])
    parts += [paper_sheet.heading("Each beside the reference"), implementations_sheet.table(section, section.standings)]
    whats = contest.costs_of(section)
    if whats:
        found = contest.contenders(section, section.standings, whats[0], contest.ALL, {})
        best = contest.front(found, contest.ALL)
        parts.append(paper_sheet.heading("Quality against cost"))
        parts.append(implementations_sheet.front(best, found, contest.ALL, whats[0]))
    return "".join(parts)


def all_implementations(sections: Sequence[Section]) -> str:
    """All submissions, and where the pages of the papers' implementations are."""
    links = "".join(
        f'<li><a href="{paper_sheet.address("implementations", one.paper.key)}">{escape(one.paper.title)}</a></li>'
        for one in sections
    )
    return style.wrap(f"<h1>Implementations</h1><p>By paper:</p><ul>{links}</ul>") + submitting.status(sections)


def claim(
    found: Sequence[Record],
    known: Calibration | None,
    trouble: str,
    around: Around,
    where: Addresses | None = None,
    past: str = "",
) -> str:
    """A claim: its newest record, and its history.

    Args:
        found: its records, the newest first; the reference's goes before others.
        known: its calibration.
        trouble: what is wrong with the file of calibrations.
        around: what is known of the claim beside them.
        where: addresses of the page and what belongs to it.
        past: why the record that is shown does not count for today's claim; "" where it does.
    """
    one = queries.reference_of(found) or found[0]
    parts = [sheet.claim_head(one.claim, one.paper), *[sheet.past(past)] * bool(past)]
    parts += [sheet.verdict(one), sheet.sides(one)]
    parts += [_heading("Criterion"), sheet.criterion(one)]
    parts += [_heading("Controls"), sheet.controls(one, known)]
    parts += [_heading("Calibration"), sheet.calibration(known, trouble, one)]
    parts += [_heading("Run it again"), _rerun(one, around)]
    parts += [_heading("History"), sheet.history(found, one, around.records)]
    parts.append(_texts(citing.of_claim(one, where or citing.nowhere())))
    parts.append(style.wrap(f'<p><a href="{record_sheet.record_link(one.id)}">The whole record</a></p>'))
    return "".join(parts)


def absent(one: Stated) -> str:
    """A claim that nobody has run."""
    return absent_sheet.head(one) + absent_sheet.body(one) + _heading("Run it") + _code(one.listed.command)


def rows(name: str, found: Sequence[str], missing: Container[str]) -> str:
    """The rows of a claim that is a table, and which of them nobody has run."""
    return sheet.rows(name, found, missing)


def record(
    one: Record,
    replaced_by: Sequence[str],
    reference: Record | None,
    known: Calibration | None,
    around: Around,
    where: Addresses | None = None,
) -> str:
    """A record with everything in it but its series.

    Args:
        one: the record.
        replaced_by: ids of those that say that they replace it.
        reference: the reference's record of the same claim, for a submission's.
        known: the calibration of its claim.
        around: what is known of the claim beside it.
        where: addresses of the page and what belongs to it.
    """
    parts = [record_sheet.head(one, replaced_by), sheet.verdict(one, reference)]
    parts += [_heading("Run it again"), _rerun(one, around)]
    parts += [_heading("Published and measured"), sheet.sides(one, reference)]
    parts += [_heading("Criterion"), sheet.criterion(one)]
    parts += [_heading("Controls"), sheet.controls(one, known, reference)]
    if one.implementation.kind == "submission":
        part = queries.stated(one)
        parts += [_heading("Submission"), sheet.submission(one)]
        parts += [_heading("Costs"), sheet.costs(part.costs if part else ())]
    parts += [_heading("Samples"), record_sheet.samples(one.samples), _cases(one)]
    parts += [_heading("Trials"), record_sheet.usage(one), usage_sheet.trials(one)]
    parts += [_heading("Provenance"), sheet.provenance(one)]
    parts.append(_texts(citing.of_claim(one, where or citing.nowhere())))
    parts.append(
        style.wrap(
            f'<p><a href="{places.record(one.id, "json")}" download>The record itself, as JSON</a>. {NOT_DRAWN}</p>'
        )
    )
    return "".join(parts)


def _cases(one: Record) -> str:
    """Exact samples against what is demanded; "" where rows have unequal lengths and cannot be compared."""
    try:
        exact = charts.exact_samples(one)
        return sheet.found_cases(exact, charts.FEW) if exact else ""
    except (ValueError, IndexError):
        return ""


def findings(sections: Sequence[Section]) -> str:
    """What does not hold."""
    found = [one for one in sections if one.findings]
    head = style.wrap(
        '<h1>Findings</h1><p class="lead">Claims that later literature, their own authors or plain arithmetic '
        "contradict. Each is judged as the paper states it, and is expected to be refuted.</p>"
    )
    none = blocks.notice("No findings yet", 'Nothing on <a href="./">the board</a> is known not to hold.')
    return head + ("".join(map(blocks.findings, found)) or none)


def trusted(sections: Sequence[Section], past: History, lines: Sequence[Line], catalogue: Catalogue) -> str:
    """The suite's own score."""
    kept = {one.paper.key: trust.calibrations(one.paper.key) for one in sections}
    return "".join(trust_sheet.page(sections, past, kept, lines, catalogue))


def submit(sections: Sequence[Section]) -> str:
    """How to submit."""
    return submitting.head() + submitting.steps() + submitting.rules() + submitting.status(sections)


def about_it(counted: str) -> str:
    """Method, statistics, words."""
    return about.page(counted)


def _heading(text: str) -> str:
    return paper_sheet.heading(text)


def _rerun(one: Record, around: Around) -> str:
    return _code(rerun.commands(one, around)) + rerun.notes(one, around)


def _texts(found: Sequence[Text]) -> str:
    """Texts to copy, folded."""
    parts = "".join(
        f'<p class="soft small">{escape(x.title)}</p><pre><code>{escape(x.text)}</code></pre>' for x in found
    )
    return style.wrap(f"<details><summary>{citing.TITLE}</summary>{parts}</details>")


def _code(text: str) -> str:
    return style.wrap(f"<pre><code>{escape(text)}</code></pre>")
