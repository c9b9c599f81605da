"""The page of a claim, from one of its records. Texts of records are escaped where they are put in."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from html import escape

from leaderboard.board import citation
from leaderboard.board.catalogue import StatedClaim
from leaderboard.board.citation import Addresses
from leaderboard.board.lines import Line, label, line, unjailed, weighed
from leaderboard.charts import history as history_chart
from leaderboard.render import criterion as wording
from leaderboard.render import figures, judgement, provenance, rerun, samples, style, submission, trials
from leaderboard.render.components import citations, footnote, heading, measured, notice
from leaderboard.render.findings import explanation
from leaderboard.render.links import breadcrumbs, claim_link, line_link, page_link, record_link, telemetry_link
from leaderboard.render.parts import Download, Html, PagePart
from leaderboard.render.rerun import ClaimContext
from repro.criterion.verdict import Outcome
from repro.numbers import number
from repro.paper import Paper
from repro.record.record import ClaimPart, Record, encode, file_name


def page(
    record: Record,
    records: Sequence[Record],
    around: ClaimContext,
    where: Addresses,
    *,
    reference: Record | None = None,
    past: str = "",
) -> list[PagePart]:
    """The whole page.

    Args:
        record: that is shown.
        records: of the claim, the newest first.
        around: what is known about the claim apart from the record.
        where: addresses of the page and what belongs to it.
        reference: the reference's record of the same claim, for a submission's.
        past: why the record does not count for today's claim; "" where it does.
    """
    newest = next((one for one in records if label(one) == label(record)), record)
    outdated = f'<p class="note">{style.past(past)} This record does not count for the claims of today.</p>'
    older = '<p class="note">This is not the newest record of this claim; see its history below.</p>'
    estimates = history_chart.strips(records, record)
    return [
        Html(claim_head(record.claim, record.paper)),
        *([Html(style.wrap(outdated))] if past else []),
        *([Html(style.wrap(older))] if newest.id != record.id else []),
        Html(verdict(record, reference)),
        Html(sides(record, reference)),
        *submission.parts(record),
        heading("Criterion"),
        Html(judgement.criterion(record)),
        *([heading("Samples"), *samples.parts(record)] if record.samples else []),
        *figures.exhibits(record),
        heading("Controls"),
        Html(judgement.controls(record, around.calibration, reference)),
        heading("Calibration"),
        Html(judgement.calibration(around.calibration, around.trouble, record)),
        heading("Run it again"),
        *rerun.parts(record, around),
        heading("History"),
        *estimates.pictures,
        *([Html(footnote(estimates.note))] if estimates.pictures else []),
        Html(history(records, record, around.records)),
        heading("Trials"),
        *trials.parts(record),
        heading("Provenance"),
        Html(provenance.provenance(record)),
        citations(citation.of_claim(record, where)),
        Html(more(record)),
        download(record),
    ]


def download(record: Record) -> Download:
    """The record's file."""
    return Download(
        label="Download the record (JSON)",
        name=file_name(record),
        mime="application/json",
        content=lambda: encode(record),
    )


def claim_head(claim: ClaimPart, about: Paper) -> str:
    """Breadcrumbs, the statement, and where the paper makes it."""
    return style.wrap(
        f"{breadcrumbs((page_link('paper', about.key), about.title))}"
        f"<h1>{style.row_tag(claim.row)}{escape(claim.says)}</h1>"
        f'<div class="soft">{escape(claim.place)} of {style.authors(about, 2)}, '
        f'{about.year} · {style.source_link(about)} · <span class="mono">{escape(claim.id)}</span></div>'
    )


def verdict(record: Record, reference: Record | None = None) -> str:
    """The verdict of any implementation with the numbers it rests on, in one panel."""
    one = weighed(line(record), line(reference) if reference else None)
    notes = [f'<p class="num">{escape(wording.reason(record.verdict, wording.criterion_text(record)))}</p>']
    if record.powerless:
        through = ", ".join(control.name for control in record.controls if not control.rejected)
        notes.append(f"<p>Not rejected: {escape(through)}. A check that a sabotage passes proves nothing.</p>")
    elif one.outcome is Outcome.POWERLESS:
        notes.append("<p>On the reference a sabotage passes this check, so no verdict of it counts.</p>")
    if one.known:
        notes.append(f"<p><b>Known not to hold.</b> {escape(one.known)}</p>{explanation(one.why)}")
    if record.flag:
        notes.append(f"<p><b>For review:</b> {escape(record.flag)}</p>")
    who = "" if one.is_reference else f'<span class="tag">{style.theirs(one.implementation)}</span>'
    who += style.unjailed() if unjailed(one.submission) else ""
    facts = f"evidence {one.evidence} · tier {one.tier} · {style.day(one.created)} · {one.runner}"
    return style.wrap(
        f'<div class="panel {one.outcome}"><div class="marks">{style.badge(one.outcome, large=True)}{who}</div>'
        f'<div class="soft small">{one.outcome.meaning} · {escape(facts)}</div>{"".join(notes)}</div>'
    )


def sides(record: Record, reference: Record | None = None) -> str:
    """Published against measured, what the criterion could have seen, and the reference's verdict.

    Args:
        record: of any implementation.
        reference: the reference's record of the same claim, for a submission's.
    """
    one, found = line(record), record.verdict
    one = replace(one, what=wording.estimate(record) or one.what)
    bound = style.amount(found.bound, found.unit) if found.bound is not None else "no violation"
    least = (
        f"smallest effect it could have detected: {style.amount(found.detectable, found.unit)}"
        if found.detectable is not None
        else "exact: every case counts"
        if one.exact
        else "no spread, so no smallest detectable effect"
    )
    level = f"level {number(found.level)} a side, p = {number(found.p)}" if found.p is not None else ""
    bounds = f'<span class="value">{bound}</span><span class="sub">{least}</span><span class="sub">{level}</span>'
    cards = {"Published": published(one), "Measured": measured(one), "Bound of the criterion": bounds}
    if reference:
        cards["The reference"] = _of_reference(one, reference)
    return style.wrap(side_by_side(cards))


def side_by_side(cards: Mapping[str, str]) -> str:
    """Cards with their heads, next to one another."""
    items = "".join(f'<div class="side"><b>{head}</b>{body}</div>' for head, body in cards.items())
    return f'<div class="sides">{items}</div>'


def published(one: StatedClaim) -> str:
    """All numbers that a paper states for a claim, or that it makes a statement."""
    numbers = "".join(f"<div>{style.reported(fact)}</div>" for fact in one.reported)
    return numbers or f'<span class="value many">a statement</span><span class="sub">{escape(one.place)}</span>'


def _of_reference(one: Line, reference: Record) -> str:
    """The reference's verdict on the same claim, with a link to it."""
    its = line(reference)
    other = "" if one.comparable(its) else f"another version, @{its.version}: the two are not compared; "
    link = line_link(its, record=True)
    return f'{style.badge(its.outcome)}{measured(its)}<span class="sub">{other}<a href="{link}">its record</a></span>'


def history(records: Iterable[Record], current: Record, every: int = 0) -> str:
    """Records of a claim over time, versions and implementations; `every` is how many there are in all, 0 for these."""
    rows = []
    for record in records:
        one = line(record)
        one = replace(one, what=wording.estimate(record) or one.what)
        link = line_link(one, record=True)
        at = f"{one.created[11:19]} UTC{' (shown)' if record.id == current.id else ''}"
        dirty = " with changes" if record.source.dirty else ""
        commit = f'<span class="mono">{escape(one.commit)}</span>{dirty}' if one.commit else "no commit"
        rows.append(
            (
                f'<a href="{link}">{style.day(one.created)}</a><span class="sub">{at}</span>',
                style.badge(one.outcome),
                measured(one),
                f'@{one.version}<span class="sub">{style.theirs(one.implementation)}</span>',
                escape(one.machine),
                commit,
            )
        )
    table = style.table(("Date", "Verdict", "Measured", "Version", "Machine", "Commit"), rows)
    if every <= len(rows):
        return style.wrap(table)
    note = f"{len(rows)} of {every:,} shown: the newest, and those that this page refers to."
    return style.wrap(f'{table}<p class="soft small">{note}</p>')


def more(record: Record) -> str:
    """Where the rest of a record is: all of it, with how to verify it, and its trials over time."""
    return style.wrap(
        f'<p><a href="{record_link(record.id)}">The whole record, and how to verify it</a> · '
        f'<a href="{telemetry_link(record=record.id)}">its trials over time</a></p>'
    )


def rows(claim: str, found: Iterable[str], absent: Container[str] = ()) -> str:
    """The rows of a claim that is a table, to choose from; `absent` are those that nobody has run."""
    items = "".join(
        f'<li><a href="{claim_link(claim, row)}">{escape(row)}</a>{", not measured" * (row in absent)}</li>'
        for row in found
    )
    return style.wrap(
        f'<h1>{escape(claim)}</h1><p class="lead">This claim is a table. Choose a row:</p><ul>{items}</ul>'
    )


def unknown(claim: str) -> str:
    """No such claim among the records."""
    return notice(
        f"There is no record of {escape(claim)}" if claim else "No claim is named in this address",
        'See <a href="./">the board</a> for what has been judged, or run <code>repro claims</code> for what can be.',
    )
