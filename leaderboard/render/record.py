"""The page of a record. Texts of records are escaped where they are put in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape

import msgspec

from leaderboard.board import citation
from leaderboard.board.catalogue import with_row
from leaderboard.board.citation import Addresses
from leaderboard.board.lines import REFERENCE, label
from leaderboard.board.verification import VerificationCheck
from leaderboard.render import claim as claim_page
from leaderboard.render import figures, judgement, provenance, rerun, style, submission, trials
from leaderboard.render.components import citations, footnote, heading
from leaderboard.render.links import breadcrumbs, claim_link, page_link, record_link, short_id
from leaderboard.render.parts import Code, Control, Html, PagePart, SideBySide
from leaderboard.render.rerun import ClaimContext
from leaderboard.render.samples import parts as sample_parts
from repro.numbers import number
from repro.record.record import Record, SamplePart, file_name

SEEDS = 20  # values of a sample that its line shows
WIDEST = 400_000  # letters of JSON that a page can show without becoming slow


def page(
    record: Record,
    around: ClaimContext,
    where: Addresses,
    replaced_by: Sequence[str],
    *,
    reference: Record | None = None,
    raw: bool = False,
) -> list[PagePart]:
    """The whole page.

    Args:
        record: that is shown.
        around: what is known about its claim apart from it.
        where: addresses of the page and what belongs to it.
        replaced_by: ids of the records that replace it, the oldest first.
        reference: the reference's record of the same claim, for a submission's.
        raw: whether its JSON is to stand on the page.
    """
    by_hand = f"Download the record and run: repro verify {file_name(record)}"
    return [
        Html(head(record, replaced_by)),
        Html(claim_page.verdict(record, reference)),
        heading("Verify"),
        Control("verify", [Html(footnote(by_hand))]),
        heading("Run it again"),
        *rerun.parts(record, around),
        heading("Published and measured"),
        Html(claim_page.sides(record, reference)),
        heading("Criterion"),
        Html(judgement.criterion(record)),
        heading("Controls"),
        Html(judgement.controls(record, around.calibration, reference)),
        *submission.parts(record),
        heading("Samples"),
        Html(samples(record.samples)),
        *sample_parts(record),
        *figures.exhibits(record),
        heading("Trials"),
        *trials.parts(record),
        heading("Provenance"),
        Html(provenance.provenance(record)),
        citations(citation.of_claim(record, where)),
        heading("Raw JSON"),
        SideBySide([claim_page.download(record), Control("raw")]),
        *([_json(record)] if raw else []),
    ]


def _json(record: Record) -> PagePart:
    """The record as JSON with indents; its file is the same content on one line."""
    text = json.dumps(msgspec.to_builtins(record), indent=1, sort_keys=True, ensure_ascii=False)
    if len(text) <= WIDEST:
        return Code(text, height=520)
    return Html(footnote(f"Its {len(text):,} letters are too many for a page; download it instead."))


def head(record: Record, replaced_by: Sequence[str]) -> str:
    """Breadcrumbs, what the record states, and the records before and after it."""
    claim, about = record.claim, record.paper
    own = label(record)
    link = claim_link(f"{about.key}/{claim.name}", claim.row, own)
    here = breadcrumbs((page_link("paper", about.key), about.title), (link, with_row(claim.name, claim.row)))
    who = "" if own == REFERENCE else f'<span class="tag">{style.theirs(own)}</span>'
    meaning = style.RUNNERS[record.runner].meaning
    before = _chain([record.supersedes] if record.supersedes else [])
    return style.wrap(
        f'{here}<h1>Record <span class="mono">{escape(short_id(record.id))}</span></h1>'
        f'<p class="lead">{escape(claim.says)} {who}</p>'
        + style.facts(
            (
                ("claim", f'<a href="{link}"><span class="mono">{escape(claim.id)}</span></a>, {escape(claim.place)}'),
                ("created", style.moment(record.created)),
                ("run by", f"{style.runner(record.runner)} <span class='soft'>{meaning}</span>"),
                ("id", f'<span class="mono">{escape(record.id)}</span>'),
                ("schema", str(record.schema)),
                ("replaces", before or "no earlier record"),
                ("replaced by", _chain(replaced_by) or "no later record"),
            )
        )
    )


def _chain(ids: Iterable[str]) -> str:
    return ", ".join(f'<a class="mono" href="{record_link(found)}">{escape(short_id(found))}</a>' for found in ids)


def checks(found: Sequence[VerificationCheck]) -> str:
    """What was checked just now, and what agreed."""
    marks = {agreed: style.mark("agrees" if agreed else "disagrees", good=agreed) for agreed in (True, False)}
    undecided = '<span class="badge inconclusive hollow"><i aria-hidden="true">?</i>undecided</span>'
    rows = [
        (escape(check.name), {**marks, None: undecided}[check.agreed], f'<span class="num">{escape(check.says)}</span>')
        for check in found
    ]
    wrong = sum(check.agreed is False for check in found)
    summary = "Nothing disagrees." if not wrong else f"{wrong} of {len(found)} disagree: do not rely on this record."
    note = (
        "The file was read again from the store, its content hashed, and its samples judged by its criterion. No trial "
        "was run: whether the samples are what the implementation computes, only a rerun shows."
    )
    table = style.table(("What", "Agrees", "Found"), rows)
    return style.wrap(f'<div role="status"><p><b>{summary}</b></p></div>{table}<p class="soft small">{note}</p>')


def samples(found: Sequence[SamplePart]) -> str:
    """Every sample with its seeds and what it holds, in the order in which the criterion judges them."""
    heads = ("Arm", "Measurement", "Unit", "Seeds", "Values")
    rows = [
        (
            f'<span class="mono">{escape(part.arm)}</span>',
            escape(part.measurement),
            escape(part.unit),
            _seeds(part.seeds),
            _values(part),
        )
        for part in found
    ]
    return style.wrap(style.table(heads, rows)) if rows else style.wrap('<p class="soft">It has no samples.</p>')


def _seeds(seeds: Sequence[int]) -> str:
    if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[0] + len(seeds))):
        return f"{len(seeds)}: {seeds[0]} to {seeds[-1]}"
    more = f" and {len(seeds) - SEEDS} more" if len(seeds) > SEEDS else ""
    return f"{len(seeds)}: {', '.join(map(str, seeds[:SEEDS]))}{more}"


def _values(part: SamplePart) -> str:
    """A sample's numbers, or how many there are for each seed and what they run over."""
    rows = [value for value in part.values if isinstance(value, tuple)]
    if rows:
        sizes = sorted({len(row) for row in rows})
        many = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
        over = f" over {escape(part.x_unit or 'a grid')}" if part.x is not None else ""
        gaps = sum(value is None for row in rows for value in row)
        lost = f", {gaps:,} not finite" if gaps else ""
        return f"{many} values for each seed{over}{lost}"
    numbers = [value for value in part.values if not isinstance(value, tuple)]
    shown = ", ".join("diverged" if value is None else number(value) for value in numbers[:SEEDS])
    return escape(shown) + (" …" if len(numbers) > SEEDS else "")


def unknown(asked: str, why: str, files: Sequence[tuple[str, str]]) -> str:
    """No such record: why, and which damaged files may be meant, each with what is wrong."""
    help_ = "<p>A record is named by at least four digits of its id, as <code>repro list</code> and the pages of " + (
        'claims show it. <a href="./">The board</a> has all claims.</p>'
    )
    title = f"There is no record {escape(asked[:72])}" if asked else "No record is named in this address"
    if not files:
        return style.wrap(f"{breadcrumbs()}<h1>{title}</h1><p>{escape(why)}</p>{help_}")
    rows = [(f'<span class="mono">{escape(path)}</span>', escape(reason)) for path, reason in files]
    return style.wrap(
        f"{breadcrumbs()}<h1>This file is not a valid record</h1>"
        f"{style.table(('File', 'What is wrong with it'), rows)}"
        "<p>It is not shown anywhere else. Records are never edited; run the claim again.</p>"
    )
