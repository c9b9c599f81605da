"""The page of a claim as HTML, part by part. Texts of records are escaped where they are put in."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import replace
from html import escape

import numpy as np

from leaderboard import style, wording
from leaderboard.blocks import claim_link, measured, name, notice
from leaderboard.queries import Line, label, line, stated, unjailed, weighed
from leaderboard.repository import Calibration, Rate
from leaderboard.wording import Said
from repro.criterion import AllOf
from repro.measurement import Sample
from repro.paper import Paper
from repro.record import ClaimPart, Ratio, Record, SubmissionPart, hardware
from repro.text import number
from repro.verdict import Verdict


def claim_head(claim: ClaimPart, about: Paper) -> str:
    """Where we are, the statement, and where the paper makes it."""
    row = f'<span class="tag">{escape(claim.row)}</span> ' if claim.row else ""
    return style.wrap(
        f'<div class="crumbs"><a href="./">Board</a> <span class="soft">/</span> '
        f'<a href="paper?paper={escape(about.key)}">{escape(about.title)}</a></div>'
        f'<h1>{row}{escape(claim.says)}</h1><div class="soft">{escape(claim.place)} of {style.authors(about, 2)}, '
        f'{about.year} · {style.source_link(about)} · <span class="mono">{escape(claim.id)}</span></div>'
    )


def past(why: str) -> str:
    """That a record does not count for today's claim."""
    return style.wrap(f'<p class="note">{style.past(why)} This record does not count for the claims of today.</p>')


def verdict(record: Record, reference: Record | None = None) -> str:
    """The verdict with the numbers it rests on, in one panel.

    Args:
        record: of any implementation.
        reference: the reference's record of the same claim, for a submission's.
    """
    one = weighed(line(record), line(reference) if reference else None)
    notes = [f'<p class="num">{escape(wording.reason(record.verdict, wording.said(record)))}</p>']
    if record.powerless:
        through = ", ".join(control.name for control in record.controls if not control.rejected)
        notes.append(f"<p>Not rejected: {escape(through)}. A check that a sabotage passes proves nothing.</p>")
    elif one.outcome == "powerless":
        notes.append("<p>On the reference a sabotage passes this check, so no verdict of it counts.</p>")
    if one.known:
        notes.append(f"<p><b>Known not to hold.</b> {escape(one.known)}</p>")
    if record.flag:
        notes.append(f"<p><b>For review:</b> {escape(record.flag)}</p>")
    who = "" if one.is_reference else f'<span class="tag">{style.theirs(one.implementation)}</span>'
    who += style.unjailed() if unjailed(one.submission) else ""
    facts = f"evidence {one.evidence} · tier {one.tier} · {style.day(one.created)} · {one.runner}"
    return style.wrap(
        f'<div class="panel {one.outcome}"><div class="marks">{style.badge(one.outcome, large=True)}{who}</div>'
        f'<div class="soft small">{style.BADGES[one.outcome].meaning} · {escape(facts)}</div>{"".join(notes)}</div>'
    )


def sides(record: Record, reference: Record | None = None) -> str:
    """Published against measured, what the criterion could have seen, and the reference's verdict.

    Args:
        record: of any implementation.
        reference: the reference's record of the same claim, for a submission's.
    """
    one, found = line(record), record.verdict
    one = replace(one, what=wording.estimate(record) or one.what)
    stated = "".join(f"<div>{style.reported(fact)}</div>" for fact in one.reported)
    stated = stated or f'<span class="value many">a statement</span><span class="sub">{escape(one.place)}</span>'
    bound = style.amount(found.bound, found.unit) if found.bound is not None else "no violation"
    least = (
        f"smallest effect it could have detected: {style.amount(found.detectable, found.unit)}"
        if found.detectable is not None
        else "exact: every case counts"
        if one.exact
        else "no spread, so no smallest detectable effect"
    )
    level = f"level {number(found.level)} a side, p = {number(found.p)}" if found.p is not None else ""
    cards = (
        ("Published", stated),
        ("Measured", measured(one)),
        ("Bound of the criterion", _bound(bound, least, level)),
        *([("The reference", _beside(one, reference))] if reference else []),
    )
    return style.wrap(
        '<div class="sides">'
        + "".join(f'<div class="side"><b>{head}</b>{body}</div>' for head, body in cards)
        + "</div>"
    )


def _bound(bound: str, least: str, level: str) -> str:
    return f'<span class="value">{bound}</span><span class="sub">{least}</span><span class="sub">{level}</span>'


def criterion(record: Record) -> str:
    """The criterion in words that name the arms, and as a formula; where it has parts, each with its own verdict."""
    parts, judged = wording.said(record), record.verdict.parts
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


def _rule(part: Said) -> str:
    formula = f'<p class="soft small">{part.formula}</p>' if part.formula else ""
    return f"<p>{escape(part.words)}</p>{formula}"


def _estimate(found: Verdict) -> str:
    ends = style.span(*found.interval) if found.interval else ""
    return (
        f'<span class="value">{style.amount(found.estimate, found.unit)}</span> <span class="soft value">{ends}</span>'
    )


def _beside(one: Line, reference: Record) -> str:
    """The reference's verdict on the same claim, with a link to it."""
    its = line(reference)
    other = "" if one.comparable(its) else f"of another version, @{its.version}: the two are not compared; "
    link = claim_link(its.claim, its.row, its.implementation, its.record)
    return f'{style.badge(its.outcome)}{measured(its)}<span class="sub">{other}<a href="{link}">its record</a></span>'


def submission(record: Record) -> str:
    """What a submission says of itself, how it was run, and what was checked before it was scored."""
    own, part = record.implementation, stated(record)
    division = style.division(own.division)
    facts = [
        ("name", name(line(record))),
        ("division", _meant(division, style.DIVISIONS[own.division].meaning) if own.division else ""),
        ("vouched for", _meant(style.runner(record.runner), style.RUNNERS[record.runner].meaning)),
    ]
    if part is None:
        return style.wrap(style.facts(facts) + '<p class="soft">This record says nothing more of the submission.</p>')
    facts += [
        ("summary", style.theirs(part.summary)),
        ("authors", ", ".join(map(style.theirs, part.authors))),
        ("licence", style.theirs(part.licence)),
        ("isolation", _meant(style.unjailed() if unjailed(part) else "", part.isolation)),
        ("seeds", _seeds(part)),
        ("code", f"{style.theirs(part.shared)} functions shared with the reference"),
        ("deviations", _list(part.deviations) or "none declared"),
        ("audits", _list(part.audits) or "none passed before this was scored"),
    ]
    return style.wrap(style.facts(facts))


def _meant(badge: str, meaning: str) -> str:
    return f'{badge} <span class="soft">{style.theirs(meaning)}</span>' if badge else style.theirs(meaning)


def _seeds(part: SubmissionPart) -> str:
    if part.salt:
        return f"derived from its source, the salt {style.theirs(part.salt, mono=True)} and each trial's seed"
    return "derived from its source and each trial's seed; no salt"


def _list(items: Iterable[str]) -> str:
    found = "".join(f"<li>{style.theirs(item)}</li>" for item in items)
    return f"<ul>{found}</ul>" if found else ""


def costs(found: Sequence[Ratio]) -> str:
    """What a submission costs as ratios to the reference's, with their intervals and the reference's own values."""
    rows = [
        (
            style.theirs(cost.what),
            style.ratio(cost) + drawn,
            f"{cost.pairs}",
            _own_value(cost),
        )
        for cost, drawn in zip(found, style.ratio_forests(found), strict=True)
    ]
    if not rows:
        return style.wrap('<p class="soft">Not measured.</p>')
    heads = ("What", "Ratio to the reference's", "Pairs of runs", "The reference's own")
    note = "Geometric means over pairs of runs, both in the same isolation on one machine, by turns; 95 % t intervals."
    scale = "All are drawn on one logarithmic scale; the dashed line is the reference."
    return style.wrap(style.table(heads, rows) + f'<p class="soft small">{note} {scale}</p>')


def _own_value(cost: Ratio) -> str:
    value = style.memory(cost.reference) if cost.unit == "B" else style.amount(cost.reference, cost.unit)
    return f'<span class="value">{value}</span>'


def found_cases(samples: Iterable[Sample], few: int) -> str:
    """Exact samples: found against demanded, case by case where there are at most `few`, else by their extremes."""
    rows: list[tuple[str, ...]] = []
    for sample in samples:
        found = sample.values.ravel()
        wanted = np.broadcast_to(np.asarray(sample.expected, dtype=float), sample.values.shape).ravel()
        name = escape(f"{sample.arm}, {sample.measurement.replace('_', ' ')}")
        if found.size <= few:
            cases = enumerate(zip(found, wanted, strict=True), start=1)
            rows += [(name, str(i), _value(f, sample), _value(w, sample), _value(f - w)) for i, (f, w) in cases]
        else:
            worst = np.abs(np.where(found == wanted, 0.0, found - wanted)).max()
            rows.append(
                (name, f"all {found.size:,}", _extremes(found, sample), _extremes(wanted, sample), _value(worst))
            )
    return style.wrap(style.table(("Measurement", "Case", "Found", "Demanded", "Difference"), rows))


def _value(value: float, sample: Sample | None = None) -> str:
    if not np.isfinite(value):
        return "diverged"
    return style.amount(float(value), sample.unit if sample else "1")


def _extremes(values: np.ndarray, sample: Sample) -> str:
    low, high = values.min(), values.max()
    return _value(low, sample) if low == high else f"{_value(low)} to {_value(high, sample)}"


def controls(record: Record, known: Calibration | None, reference: Record | None = None) -> str:
    """The sabotaged implementations, and how the criterion told each of them from the reference.

    Args:
        record: of any implementation.
        known: the calibration of its claim.
        reference: the reference's record of the same claim, for a submission's.
    """
    if not record.controls and reference is not None and reference.controls:
        its = line(reference)
        link = claim_link(its.claim, its.row, its.implementation, its.record)
        return style.wrap(
            f"<p>Sabotages are judged with the reference: {its.rejected} of {its.controls} rejected, "
            f'<a href="{link}">on its record</a>.</p>'
        )
    if not record.controls:
        return style.wrap(
            '<p class="soft">This record was made without controls; run the claim with <code>--controls</code>.</p>'
        )
    rows, said = [], wording.said(record)
    for control in record.controls:
        told = "rejected" if control.rejected else "not rejected"
        rate = known.rejected.get(control.name) if known else None
        rows.append(
            (
                f'<span class="mono">{escape(control.name)}</span><span class="sub">{escape(control.says)}</span>',
                f"{style.mark(told, good=control.rejected)}<span class='sub'>{escape(control.verdict.status)}</span>",
                _estimate(control.verdict)
                + f'<span class="sub">{escape(wording.reason(control.verdict, said))}</span>',
                share(rate) if rate else '<span class="sub">not calibrated</span>',
            )
        )
    return style.wrap(style.table(("Sabotage", "Verdict", "Measured", "Rejected on fresh seeds"), rows))


def calibration(found: Calibration | None, trouble: str, record: Record) -> str:
    """How often the criterion said what it should on seeds that the claim does not use."""
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


def share(rate: Rate) -> str:
    """A rate with its interval."""
    ends = f"[{rate.low:.1%}, {rate.high:.1%}]"
    return f'<span class="value">{rate.hits} of {rate.of}</span> <span class="soft">{ends}</span>'


def history(records: Iterable[Record], current: Record, every: int = 0) -> str:
    """The records of a claim over time, versions and implementations.

    Args:
        records: the newest, and those of which the page speaks.
        current: the one that the page shows.
        every: how many there are in all; 0 where these are all.
    """
    rows = []
    for record in records:
        one = line(record)
        one = replace(one, what=wording.estimate(record) or one.what)
        link = claim_link(one.claim, one.row, one.implementation, one.record)
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
    note = f"{len(rows)} of {every:,} shown: the newest, those of which this page speaks, and no other."
    return style.wrap(f'{table}<p class="soft small">{note}</p>')


def more(record: Record) -> str:
    """Where the rest of a record is: all of it, with a button that verifies it, and its trials over time."""
    digits = escape(record.id.removeprefix("sha256:")[:16])
    return style.wrap(
        f'<p><a href="record?record={digits}">The whole record, and a button that verifies it</a> · '
        f'<a href="telemetry?record={digits}">its trials over time</a></p>'
    )


def provenance(record: Record) -> str:
    """What ran it, from which source, on which data."""
    machine, software, source = record.machine, record.software, record.source
    gpu = f"{machine.gpus} x {machine.gpu}, driver {machine.driver or 'unknown'}" if machine.gpu else ""
    versions = {"torch": software.torch, "numpy": software.numpy, "scipy": software.scipy, "numba": software.numba}
    packages = ", ".join(f"{name} {found}" for name, found in versions.items() if found)
    data = "".join(
        f'<div>{escape(name)} <span class="mono soft">{escape(digest)}</span></div>'
        for name, digest in record.data.items()
    )
    commit = f"{source.commit}{' with uncommitted changes' if source.dirty else ''}" if source.commit else "not in git"
    threads = f"{software.threads} thread{'' if software.threads == 1 else 's'}"
    return style.wrap(
        style.facts(
            (
                (
                    "machine",
                    escape(f"{machine.cpu}, {hardware(record)}, {style.memory(machine.memory_bytes)}, {machine.os}"),
                ),
                ("GPU", escape(gpu)),
                ("software", escape(f"Python {software.python}, {packages}; {threads}, {software.precision}")),
                ("commit", f'<span class="mono">{escape(commit)}</span>'),
                (
                    "implementation",
                    f"{style.theirs(label(record))} "
                    f'<span class="mono soft">{escape(record.implementation.source)}</span>',
                ),
                ("data", data or "generated"),
                ("claim digest", f'<span class="mono soft">{escape(record.claim.digest)}</span>'),
                ("record", f'<span class="mono soft">{escape(record.id)}</span>'),
                (
                    "supersedes",
                    f'<span class="mono soft">{escape(record.supersedes or "")}</span>' if record.supersedes else "",
                ),
            )
        )
    )


def rows(claim: str, found: Iterable[str], absent: Container[str] = ()) -> str:
    """The rows of a claim that is a table, to choose from.

    Args:
        claim: "key/name".
        found: its rows.
        absent: those of them that nobody has run.
    """
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
