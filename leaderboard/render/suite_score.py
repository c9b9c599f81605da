"""The page of trust. Texts of records are escaped where they are put in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from html import escape

from leaderboard.board.catalogue import BoardCatalogue
from leaderboard.board.lines import Line, Section
from leaderboard.board.mutants import MutationReport, read
from leaderboard.board.repository import CalibratedRate, CalibrationSummary
from leaderboard.board.suite_score import (
    Checked,
    EscapedControl,
    EscapeNote,
    History,
    checked,
    current,
    escape_notes,
    missed,
    pooled,
)
from leaderboard.board.units import several
from leaderboard.render import style
from leaderboard.render.components import name, notice
from leaderboard.render.links import claim_link, line_link, page_link
from leaderboard.render.parts import Html, PagePart
from repro.criterion.verdict import Outcome
from repro.record.store import Row

NONE = '<span class="soft">&ndash;</span>'


def page(
    sections: Sequence[Section],
    past: History,
    kept: Mapping[str, tuple[Mapping[str, CalibrationSummary], str]],
    everyone: Sequence[Line],
    catalogue: BoardCatalogue,
) -> list[PagePart]:
    """The whole page.

    Args:
        sections: papers with the reference's lines.
        past: what the history of the records shows.
        kept: calibrations by id of the claim, and what is wrong with their file, by paper.
        everyone: the lines of all implementations.
        catalogue: the claims of today.
    """
    found = {one.paper.key: checked(one.claims, kept[one.paper.key][0]) for one in sections}
    troubles = {key: trouble for key, (_, trouble) in kept.items()}
    reports = {one.paper.key: report for one in sections if (report := read(one.paper.key)) is not None}
    if not everyone:
        command = "<code>pytest claims/ --controls</code>"
        says = f"There are no records. Run {command}; each claim is then judged on its sabotages too."
        nothing = notice("Nothing to judge yet", says)
        return [Html(head(sections, past, found, everyone, reports)), Html(nothing)]
    parts = (
        head(sections, past, found, everyone, reports),
        sabotages(sections, len(catalogue.missing((x.paper.key, *x.case) for x in everyone if x.is_reference))),
        mutants(sections, reports),
        escaped(past.escaped, escape_notes()),
        false_rejections(sections, found, troubles),
        runners(everyone, past.published),
        flagged(past),
    )
    return [Html(part) for part in parts if part]


def head(
    sections: Sequence[Section],
    past: History,
    found: Mapping[str, Sequence[Checked]],
    every: Sequence[Line],
    reports: Mapping[str, MutationReport],
) -> str:
    """The title, what the page is for, and the score in figures."""
    own = [one for section in sections for one in section.claims]
    rejected, controls = sum(one.rejected for one in own), sum(one.controls for one in own)
    wrong = pooled(missed(one.passed) for of in found.values() for one in current(of))
    fixed = sum(not one.open for one in past.escaped)
    others = [other for report in reports.values() for other in report.alternatives]
    accepted = sum(other.accepted == other.of for other in others)
    caught, differing = (sum(getattr(x, what) for x in reports.values()) for what in ("caught", "differing"))
    sent = [one for one in every if not one.is_reference]
    rerun = sum(one.runner == "verified" for one in sent)
    figures = [
        (f"{rejected:,} of {controls:,}", "sabotages rejected"),
        (f"{caught:,} of {differing:,}" if reports else "", "mutants caught"),
        (f"{accepted} of {len(others)}" if reports else "", "alternatives accepted"),
        (f"{wrong.hits:,} of {wrong.of:,}", "fresh repeats rejected the reference") if wrong.of else ("", ""),
        (f"{len(past.escaped) - fixed}", f"escaped controls, {fixed} more fixed since"),
        (f"{rerun:,} of {len(sent):,}" if sent else "", "verdicts on submissions rerun by the project"),
        (f"{past.flags:,}", "record for review" if past.flags == 1 else "records for review"),
    ]
    return style.wrap(
        "<h1>Trust</h1>"
        '<p class="lead">A check that accepts everything proves nothing; neither does one that rejects everything. '
        "Here the suite itself is judged: by implementations that were broken on purpose, and by repeats of the "
        "reference on seeds that no claim uses.</p>" + (style.figures(figures) if every else "")
    )


def mutants(sections: Sequence[Section], reports: Mapping[str, MutationReport]) -> str:
    """How many one-line mutations of a reference the exact claims notice, and which alternatives they accept."""
    heads = ("Paper", "Mutants caught", "Equivalent", "Alternatives", "Exact claims that accept them")
    rows, folded = [], []
    for section in sections:
        report = reports.get(section.paper.key)
        if report is None:
            continue
        accepted, judged = sum(x.accepted for x in report.alternatives), sum(x.of for x in report.alternatives)
        equivalent = f"{len(report.mutants) - report.differing}"
        caught, others = _of(report.caught, report.differing), f"{len(report.alternatives)}"
        rows.append((_paper(section), caught, equivalent, others, _of(accepted, judged)))
        lines = [
            (f'<span class="mono">{escape(m.change)}</span>', escape(m.equivalent or "no claim notices"))
            for m in report.survivors
        ]
        if lines:
            summary = f"<summary>{escape(section.paper.key)}: survivors, one by one</summary>"
            folded.append(f"<details>{summary}{style.table(('Mutation', 'Why it survives'), lines)}</details>")
    if not rows:
        return ""
    return style.wrap(
        style.part("Mutants and alternatives")
        + "<p>Sabotages are mistakes that somebody thought of. These nobody chose: one line of the reference changed "
        "by a program (a term dropped, a constant changed, a statement skipped), drawn at random from all lines that "
        "run. A survivor may be equivalent: it computes the same. Alternatives are correct implementations that share "
        "no code with the reference, and must be accepted.</p>" + style.table(heads, rows) + "".join(folded)
    )


def sabotages(sections: Sequence[Section], untried: int = 0) -> str:
    """How many sabotages the newest records of the reference reject, by paper, and by claim where it is unfolded."""
    heads = ("Paper", "Sabotages rejected", "Claims with sabotages", "Powerless")
    left = "One claim has" if untried == 1 else f"{untried:,} claims have"
    without = f' <a href="./">{left}</a> no record yet: their sabotages have not been tried, and are not counted.'
    rows, folded = [], []
    for section in sections:
        tried = [one for one in section.claims if one.controls]
        rows.append(
            (
                _paper(section),
                _of(sum(one.rejected for one in tried), sum(one.controls for one in tried)),
                _of(len(tried), len(section.claims)),
                str(sum(one.outcome is Outcome.POWERLESS for one in section.claims)),
            )
        )
        lines = [(_claim(one), _of(one.rejected, one.controls), style.badge(one.outcome)) for one in section.claims]
        folded.append(_fold(section, len(lines), style.table(("Claim", "Rejected", "Verdict"), lines)))
    return style.wrap(
        style.part("Sabotages")
        + "<p>Each claim is also judged on implementations with one stated mistake, of the kind that people make. A "
        "claim that accepts one of them is powerless, and its verdict counts as inconclusive. From the newest record "
        f"of each claim of the reference.{without if untried else ''}</p>" + style.table(heads, rows) + "".join(folded)
    )


def escaped(found: Sequence[EscapedControl], known: Sequence[EscapeNote] = ()) -> str:
    """The controls that escaped, when that was seen and when it was fixed."""
    says = "No record shows a sabotage that was not rejected." if not found else ""
    rows = [
        (
            f'<span class="mono">{escape(one.control)}</span><span class="sub">{escape(one.says)}</span>',
            f'<a href="{claim_link(one.claim, one.row)}">{style.row_tag(one.row)}{escape(one.claim)}</a>'
            f'<span class="sub">@{one.version}</span>',
            f'<a href="{claim_link(one.claim, one.row, record=one.record)}">{style.day(one.since)}</a>',
            _fixed(one),
        )
        for one in found
    ]
    by_hand = [
        (
            _day(one.date.isoformat()),
            f'<a href="{claim_link(one.claim) if "/" in one.claim else page_link("paper", one.claim)}">'
            f'{escape(one.claim)}</a><span class="sub">@{one.version}</span>',
            escape(one.what)
            + (f'<span class="sub">found by {escape(one.found)}</span>' if one.found else "")
            + f'<span class="sub">source: {escape(one.source)}</span>',
            f'{escape(one.fix)}<span class="sub">commit <span class="mono">{escape(one.commit)}</span></span>',
        )
        for one in known
    ]
    noted = (
        "<h3>Noted by hand</h3><p>What went wrong with a claim and is in no record, with the source of each note.</p>"
    )
    return style.wrap(
        style.part("Escaped controls")
        + f"<p>Sabotaged implementations that a claim accepted. {says} If you find one, it is the most welcome "
        "contribution: it becomes a control that the claim must reject from then on.</p>"
        + (style.table(("Sabotage", "Claim", "Accepted since", "Fixed"), rows) if rows else "")
        + (noted + style.table(("Fixed on", "Claim", "What happened", "What fixed it"), by_hand) if by_hand else "")
    )


def _fixed(one: EscapedControl) -> str:
    if one.fixed:
        link = claim_link(one.claim, one.row, record=one.fixed)
        changed = f"by version @{one.fixed_version}" if one.fixed_version != one.version else "without a new version"
        return (
            f'{style.mark("rejected", good=True)}<span class="sub"><a href="{link}">{style.day(one.ended)}</a>, '
            f"{changed}</span>"
        )
    if one.dropped:
        return '<span class="soft">no longer tried: the sabotage was removed</span>'
    return style.mark("not rejected", good=False)


def false_rejections(
    sections: Sequence[Section], found: Mapping[str, Sequence[Checked]], troubles: Mapping[str, str]
) -> str:
    """How often the reference was rejected on fresh seeds, pooled by paper, and by claim where it is unfolded."""
    heads = ("Paper", "Reference wrongly rejected", "Sabotages rejected", "Calibrated", "Without calibration")
    rows, folded = [], []
    for section in sections:
        key, wrong = section.paper.key, troubles.get(section.paper.key, "")
        of, now = found.get(key, ()), current(found.get(key, ()))
        without = Counter(one.why.partition(":")[0] for one in of if one.found is None)
        stale = sum(one.stale for one in of)
        left = [f"{count} {why}" for why, count in without.items()] + [f"{stale} changed since"] * bool(stale)
        rows.append(
            (
                _paper(section),
                share(pooled(missed(one.passed) for one in now)),
                share(pooled(rate for one in now for rate in one.rejected.values())),
                _of(len(now), len(of)),
                (escape(", ".join(left)) or NONE)
                + (f'<div class="note refuted">{escape(wrong)}</div>' if wrong else ""),
            )
        )
        lines = [(_claim(one.line), *_rates(one)) for one in of]
        folded.append(_fold(section, len(of), style.table(("Claim", *heads[1:4]), lines)))
    return style.wrap(
        style.part("False rejections")
        + "<p>Each statistical claim of the default tier was repeated as a whole on fresh seeds. How often the "
        "reference did <em>not</em> get the expected verdict is the claim's false-rejection rate; how often "
        "each sabotage was rejected is its power. Intervals are Clopper-Pearson at 95 %: 20 repeats without a failure "
        "still admit a rate of 16.8 %. Pooled intervals take all repeats as independent; claims that share trials are "
        "not, so they are a little too narrow.</p>" + style.table(heads, rows) + "".join(folded)
    )


def _rates(one: Checked) -> tuple[str, str, str]:
    if one.found is None:
        return NONE, NONE, f'<span class="soft">{escape(one.why)}</span>'
    changed = '<span class="sub">the claim has changed since: not counted</span>' if one.stale else ""
    rates = "".join(
        f'<div><span class="mono">{escape(control)}</span> {share(rate)}</div>'
        for control, rate in one.found.rejected.items()
    )
    return share(missed(one.found.passed)), rates or NONE, escape(style.day(one.found.created)) + changed


def share(rate: CalibratedRate) -> str:
    """A rate with its interval; a dash where nothing was repeated."""
    if not rate.of:
        return NONE
    ends = f"[{rate.low:.1%}, {rate.high:.1%}]"
    return f'<span class="value">{rate.hits:,} of {rate.of:,}</span><span class="sub value">{ends}</span>'


def runners(lines: Sequence[Line], published: Collection[str] = ()) -> str:
    """Who ran how many verdicts, of the reference and of submissions."""
    kinds = [("The reference", [one for one in lines if one.is_reference])]
    kinds += [("Submissions", [one for one in lines if not one.is_reference])]
    heads = ("Of", "Verdicts", "Published", "Verified", "Self-reported")
    rows = []
    for kind, of in kinds:
        tally = Counter("published" if one.record in published else one.runner for one in of)
        ours = _of(tally["published"], len(of)) if kind == kinds[0][0] else NONE
        counted = (ours, _of(tally["verified"], len(of)), _of(tally["self-reported"], len(of)))
        if of:
            rows.append((kind, f"{len(of):,}", *counted))
    return style.wrap(
        style.part("Who ran it")
        + "<p>The reference is the project's own. Its records are <em>published</em> by pull request; others were "
        "run on this machine or sent in. A submission is <em>self-reported</em> by whoever made it, until the project "
        "reruns the same claims with fresh seeds and finds the same verdicts: then it is <em>verified</em>.</p>"
        + style.table(heads, rows)
    )


def flagged(past: History) -> str:
    """Records that a person should look at, since something about them is too good or otherwise odd."""
    if not past.flagged:
        return style.wrap(
            style.part("For review") + "<p>No record is flagged. An estimate outside of what the reference reaches in "
            "calibration, on either side, would be: implausibly good results are looked at, not celebrated.</p>"
        )
    rows = [(_day(row.created), _flagged(row), escape(row.flag)) for row in past.flagged]
    more = f"<p>The newest {len(rows)} of {past.flags:,}.</p>" if past.flags > len(rows) else ""
    return style.wrap(style.part("For review") + more + style.table(("Date", "Record", "What to look at"), rows))


def _flagged(row: Row) -> str:
    own = row.implementation if row.kind == "reference" else f"{row.kind}:{row.implementation}"
    link = claim_link(f"{row.paper}/{row.name}", row.row, own, row.id)
    return f'<a href="{link}">{style.theirs(row.claim)}</a><span class="sub">{style.theirs(own)}</span>'


def _day(created: str) -> str:
    return f'<span class="unbroken">{style.day(created)}</span>'


def _paper(section: Section) -> str:
    link, key = page_link("paper", section.paper.key), escape(section.paper.key)
    return f'<a href="{link}">{escape(section.paper.title)}</a><span class="sub mono">{key}</span>'


def _claim(one: Line) -> str:
    own = "" if one.is_reference else f'<span class="sub">{name(one)}</span>'
    return f'<a href="{line_link(one)}">{style.row_tag(one.row)}{escape(one.name)}</a>{own}'


def _of(part: int, whole: int) -> str:
    return f'<span class="value">{part:,} of {whole:,}</span>' if whole else NONE


def _fold(section: Section, count: int, body: str) -> str:
    key, many = escape(section.paper.key), several(count, "claim")
    return f"<details><summary>{key}: {many}, one by one</summary>{body}</details>"
