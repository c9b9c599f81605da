"""How a claim was judged, as HTML: the criterion, the controls, and the calibration. Texts of records are escaped."""

from __future__ import annotations

from html import escape

from leaderboard.board.lines import line
from leaderboard.board.repository import CalibratedRate, CalibrationSummary
from leaderboard.render import criterion as wording
from leaderboard.render import style
from leaderboard.render.criterion import CriterionText
from leaderboard.render.links import line_link
from repro.criterion.comparisons import AllOf
from repro.criterion.verdict import Verdict
from repro.record.record import Record


def criterion(record: Record) -> str:
    """The criterion in words that name the arms, and as a formula; where it has parts, each with its own verdict."""
    parts, judged = wording.criterion_text(record), record.verdict.parts
    terms = 't, SE and &alpha;, and each rule in general, are <a href="about">on the page about the board</a>.'
    if wording.shortened(record):
        terms += f" In a name, {wording.LEFT_OUT} stands for settings that all arms share; the samples have them."
    note = f'<p class="soft small">{terms}</p>'
    if isinstance(record.claim.criterion, AllOf) and len(parts) == len(judged):
        rows = [
            (
                f"{i}",
                _rule(part),
                escape(found.status),
                _estimate(found),
                escape(wording.reason(found, [part])),
            )
            for i, (part, found) in enumerate(zip(parts, judged, strict=True), start=1)
        ]
        heads = ("Part", "All of these must hold", "Verdict", "Measured", "In numbers")
        return style.wrap(f"{style.table(heads, rows)}{note}")
    rows = [(escape(found.status), _estimate(found), escape(found.reason)) for found in judged]
    table = style.table(("Part", "Measured", "In numbers"), rows) if rows else ""
    return style.wrap("".join(map(_rule, parts)) + table + note)


def _rule(part: CriterionText) -> str:
    formula = f'<p class="soft small">{part.formula}</p>' if part.formula else ""
    return f"<p>{escape(part.words)}</p>{formula}"


def _estimate(found: Verdict) -> str:
    ends = style.span(*found.interval) if found.interval else ""
    return (
        f'<span class="value">{style.amount(found.estimate, found.unit)}</span> <span class="soft value">{ends}</span>'
    )


def controls(record: Record, known: CalibrationSummary | None, reference: Record | None = None) -> str:
    """The sabotaged implementations, and how the criterion judged each of them."""
    if not record.controls and reference is not None and reference.controls:
        its = line(reference)
        link = line_link(its, record=True)
        return style.wrap(
            f"<p>Sabotages are judged with the reference: {its.rejected} of {its.controls} rejected, "
            f'<a href="{link}">on its record</a>.</p>'
        )
    if not record.controls:
        return style.wrap(
            '<p class="soft">This record was made without controls; run the claim with <code>--controls</code>.</p>'
        )
    rows, texts = [], wording.criterion_text(record)
    for control in record.controls:
        mark = style.mark("rejected" if control.rejected else "not rejected", good=control.rejected)
        rate = known.rejected.get(control.name) if known else None
        rows.append(
            (
                f'<span class="mono">{escape(control.name)}</span><span class="sub">{escape(control.says)}</span>',
                f"{mark}<span class='sub'>{escape(control.verdict.status)}</span>",
                _estimate(control.verdict)
                + f'<span class="sub">{escape(wording.reason(control.verdict, texts))}</span>',
                share(rate) if rate else '<span class="sub">not calibrated</span>',
            )
        )
    return style.wrap(style.table(("Sabotage", "Verdict", "Measured", "Rejected on fresh seeds"), rows))


def calibration(found: CalibrationSummary | None, trouble: str, record: Record) -> str:
    """How often the criterion gave the expected verdict on seeds that the claim does not use."""
    if trouble:
        return style.wrap(f'<p class="note refuted">{escape(trouble)}</p>')
    if found is None:
        exact = not record.claim.criterion.statistical
        why = "An exact claim needs none: no seed decides it." if exact else "Not calibrated yet."
        return style.wrap(f'<p class="soft">{why}</p>')
    stale = "" if found.digest == record.claim.digest else " The claim has changed since then."
    rejected = "".join(
        f"<dt>{escape(name)}</dt><dd>{share(rate)} rejected</dd>" for name, rate in found.rejected.items()
    )
    return style.wrap(
        f'<dl class="facts"><dt>reference</dt><dd>{share(found.passed)} judged as expected</dd>{rejected}</dl>'
        f'<p class="soft small">On fresh seeds, {escape(style.day(found.created))}; 95 % Clopper-Pearson intervals.'
        f"{stale}</p>"
    )


def share(rate: CalibratedRate) -> str:
    """A rate with its interval."""
    ends = f"[{rate.low:.1%}, {rate.high:.1%}]"
    return f'<span class="value">{rate.hits} of {rate.of}</span> <span class="soft value">{ends}</span>'
