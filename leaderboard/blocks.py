"""The parts of the pages as HTML. Texts of records are hostile input: each is escaped where it is put in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from urllib.parse import urlencode

from leaderboard import style
from leaderboard.queries import Calibration, Line, Rate, Section, counts, label, line, machine_name
from repro.criterion import AllOf
from repro.measurement import Sample
from repro.record import Record
from repro.text import number
from repro.verdict import Verdict

WIDTHS = ("37%", "14%", "14%", "18%", "8%", "9%")
HEADS = ("Claim", "Verdict", "Published", "Measured", "Controls", "Checked")


def claim_link(claim: str, row: str | None = None, implementation: str = "reference", record: str = "") -> str:
    """The address of a claim's page, relative to the board, ready to stand in an attribute."""
    asked = {"claim": claim, "row": row or "", "record": record.removeprefix("sha256:")[:16]}
    if implementation != "reference":
        asked["implementation"] = implementation
    return escape("claim?" + urlencode({name: value for name, value in asked.items() if value}, safe="/:"))


def headline(lines: Sequence[Line]) -> str:
    """The title, what the board is, the counts and the legend."""
    tally, rejected, controls = counts(lines), sum(x.rejected for x in lines), sum(x.controls for x in lines)
    figures = [
        (str(len({x.paper.key for x in lines})), "papers"),
        (str(len(lines)), "verdicts"),
        (f"{rejected} of {controls}", "sabotaged implementations rejected"),
        (style.day(max((x.created for x in lines), default="")), "newest record"),
    ]
    numbers = "".join(f"<div><b>{escape(value)}</b><span>{name}</span></div>" for value, name in figures)
    return style.wrap(
        "<h1>What deep-learning papers claim, and what we measured</h1>"
        '<p class="lead">Each line is a statement of a paper, judged by a criterion that was fixed beforehand. '
        "A criterion counts only if it also rejects implementations that were sabotaged on purpose.</p>"
        + (f'<div class="figures">{numbers}</div>' if lines else "")
        + style.legend(tally)
    )


def paper(section: Section) -> str:
    """A paper: its facts, what became of it, its counts, and the table of its claims."""
    about, tally = section.paper, counts(section.lines)
    facts = " · ".join(
        part for part in (style.authors(about), str(about.year), escape(about.venue), style.source_link(about)) if part
    )
    story = f'<div class="story"><b>The story</b>{style.paragraphs(about.story)}</div>' if about.story.strip() else ""
    shares = "".join(f"<span>{style.badge(o)} {tally[o]}</span>" for o in style.BADGES if tally[o])
    columns = "".join(f'<col style="width:{width}">' for width in WIDTHS)
    heads = "".join(f'<th scope="col">{head}</th>' for head in HEADS)
    rows = "".join(_row(one) for one in section.lines)
    return style.wrap(
        f'<section class="paper" id="{escape(about.key)}"><h2>{escape(about.title)}</h2><div class="soft">{facts}</div>'
        f'{story}<div class="tally">{shares}</div><table class="claims"><colgroup>{columns}</colgroup>'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></section>"
    )


def _row(one: Line) -> str:
    tag = f'<span class="tag">{escape(one.row)}</span> ' if one.row else ""
    other = f' <span class="tag">{escape(one.implementation)}</span>' if one.implementation != "reference" else ""
    place = escape(f"{one.place} · {one.name}@{one.version}")
    link = claim_link(one.claim, one.row, one.implementation)
    tier = f'<span class="tag">{escape(one.tier)}</span>' if one.tier != "cpu" else ""
    ratio = f"{one.rejected} of {one.controls}" if one.controls else "–"
    cells = (
        ("", f'<a class="statement" href="{link}">{tag}{escape(one.says)}</a>{other}<span class="sub">{place}</span>'),
        (HEADS[1], f'{style.badge(one.outcome)}<span class="sub">{style.EVIDENCE[one.evidence]} {tier}</span>'),
        (HEADS[2], published(one)),
        (HEADS[3], measured(one)),
        (
            HEADS[4],
            f'<span class="value">{ratio}</span>' + ('<span class="sub">rejected</span>' if one.controls else ""),
        ),
        (
            HEADS[5],
            f'<span class="value">{style.day(one.created)}</span><span class="sub">{escape(one.machine)}</span>',
        ),
    )
    return (
        "<tr>"
        + "".join(
            f'<td data-label="{head}"><div>{body}</div></td>' if head else f'<td class="whole">{body}</td>'
            for head, body in cells
        )
        + "</tr>"
    )


def published(one: Line, most: int = 2) -> str:
    """The numbers that the paper states for a claim, each with its place."""
    if not one.reported:
        return '<span class="sub">no number stated</span>'
    more = len(one.reported) - most
    shown = "".join(f"<div>{style.reported(fact)}</div>" for fact in one.reported[:most])
    return shown + (f'<span class="sub">and {more} more</span>' if more > 0 else "")


def measured(one: Line) -> str:
    """The estimate with its interval and n; for exact claims, the violations among the cases."""
    if one.estimate is None:
        return f'<span class="value">no finite number</span><span class="sub">{_size(one)}</span>'
    if one.unit == "violations":
        found = "no violation" if one.estimate == 0 else f"{number(one.estimate)} violations"
        return f'<span class="value">{found}</span><span class="sub">in {_size(one)}</span>'
    ends = style.span(one.low, one.high)
    return (
        f'<span class="value">{style.amount(one.estimate, one.unit)}</span>'
        + (f' <span class="value soft">{ends}</span>' if ends else "")
        + f'<span class="sub">{escape(one.what)}, {_size(one)}</span>'
        + style.forest(one.estimate, one.low, one.high, one.bound, one.outcome)
    )


def _size(one: Line) -> str:
    kind = "case" if one.unit == "violations" else "seed"
    return f"{one.n:,} {kind}{'' if one.n == 1 else 's'}"


def empty(*, filtered: bool) -> str:
    """What stands where there is nothing to show, and what to do about it."""
    if filtered:
        return style.wrap(
            '<div class="empty"><h3>Nothing matches these filters</h3><p class="soft">Widen the search, or '
            '<a href="./">show everything</a>.</p></div>'
        )
    return style.wrap(
        '<div class="empty"><h3>No records yet</h3><p class="soft">Run <code>make claims</code> (or <code>pytest claims/ '
        "--controls</code>): it takes about two minutes, needs no download, and its records appear here.</p></div>"
    )


def problems(found: Iterable[tuple[str, str]]) -> str:
    """Files that could not be read as records, one line each."""
    rows = [(f'<span class="mono">{escape(path)}</span>', escape(reason)) for path, reason in found]
    return style.wrap(style.table(("File", "What is wrong with it"), rows))


def claim_head(record: Record) -> str:
    """Where we are, the statement, and where the paper makes it."""
    claim, about = record.claim, record.paper
    row = f'<span class="tag">{escape(claim.row)}</span> ' if claim.row else ""
    return style.wrap(
        f'<div class="crumbs"><a href="./">Board</a> <span class="soft">›</span> '
        f'<a href="./?paper={escape(about.key)}">{escape(about.title)}</a></div>'
        f'<h1>{row}{escape(claim.says)}</h1><div class="soft">{escape(claim.place)} of {style.authors(about, 2)}, '
        f'{about.year} · {style.source_link(about)} · <span class="mono">{escape(claim.id)}</span></div>'
    )


def verdict(record: Record) -> str:
    """The verdict with the numbers it rests on, in one panel."""
    one = line(record)
    notes = [f'<p class="num">{escape(one.reason)}</p>']
    if record.powerless:
        through = ", ".join(control.name for control in record.controls if not control.rejected)
        notes.append(f"<p>Not rejected: {escape(through)}. A check that a sabotage passes proves nothing.</p>")
    if one.known:
        notes.append(f"<p><b>Known not to hold.</b> {escape(one.known)}</p>")
    if record.flag:
        notes.append(f"<p><b>For review:</b> {escape(record.flag)}</p>")
    who = "" if one.implementation == "reference" else f' <span class="tag">{escape(one.implementation)}</span>'
    tier = f"{style.EVIDENCE[one.evidence]} · tier {one.tier} · {style.day(one.created)} · {one.runner}"
    return style.wrap(
        f'<div class="verdict {one.outcome}">{style.badge(one.outcome, large=True)}{who}'
        f'<div class="soft small">{style.BADGES[one.outcome].meaning} · {escape(tier)}</div>{"".join(notes)}</div>'
    )


def sides(record: Record) -> str:
    """Published against measured, and what the criterion could have seen."""
    one, found = line(record), record.verdict
    stated = "".join(f"<div>{style.reported(fact)}</div>" for fact in one.reported)
    stated = (
        stated or f'<span class="value many">a statement</span><span class="sub">{escape(one.place)}: no number</span>'
    )
    bound = style.amount(found.bound, found.unit) if found.bound is not None else "no violation"
    least = (
        f"smallest effect it could have detected: {style.amount(found.detectable, found.unit)}"
        if found.detectable is not None
        else "exact: every case counts"
        if one.exact
        else "no spread, so no smallest detectable effect"
    )
    level = f"level {number(found.level)} a side, p = {number(found.p)}" if found.p is not None else ""
    cards = (("Published", stated), ("Measured", measured(one)), ("Must reach", _bound(bound, least, level)))
    return style.wrap(
        '<div class="sides">'
        + "".join(f'<div class="side"><b>{head}</b>{body}</div>' for head, body in cards)
        + "</div>"
    )


def _bound(bound: str, least: str, level: str) -> str:
    return f'<span class="value">{bound}</span><span class="sub">{least}</span><span class="sub">{level}</span>'


def criterion(record: Record) -> str:
    """The criterion in words; of a compound one, each part with its own verdict."""
    rule, found = record.claim.criterion, record.verdict
    body = f"<p>{escape(rule.says())}</p>"
    if not found.parts:
        return style.wrap(body)
    says = [part.says() for part in rule.parts] if isinstance(rule, AllOf) else []
    named = says if len(says) == len(found.parts) else [f"part {i + 1}" for i in range(len(found.parts))]
    rows = [
        (escape(words), escape(part.status), _estimate(part), escape(part.reason))
        for words, part in zip(named, found.parts, strict=True)
    ]
    intro = "" if says else body
    return style.wrap(intro + style.table(("Part", "Verdict", "Measured", "In numbers"), rows))


def _estimate(found: Verdict) -> str:
    ends = style.span(*found.interval) if found.interval else ""
    return (
        f'<span class="value">{style.amount(found.estimate, found.unit)}</span> <span class="soft value">{ends}</span>'
    )


def found_cases(samples: Iterable[Sample]) -> str:
    """Exact cases that are few: found against demanded."""
    rows = []
    for sample in samples:
        wanted = sample.values * 0 + sample.expected
        for i, (found, need) in enumerate(zip(sample.values.ravel(), wanted.ravel(), strict=True)):
            named = f"{sample.arm}, {sample.measurement.replace('_', ' ')}"
            values = (style.amount(float(v), sample.unit) if v == v else "diverged" for v in (found, need))
            rows.append((escape(named), str(i + 1), *values, escape(number(float(found - need)))))
    return style.wrap(style.table(("Measurement", "Case", "Found", "Demanded", "Difference"), rows))


def controls(record: Record, known: Calibration | None) -> str:
    """The sabotaged implementations, and how the criterion told each of them from the reference."""
    if not record.controls:
        return style.wrap(
            '<p class="soft">This record was made without controls; run the claim with <code>--controls</code>.</p>'
        )
    rows = []
    for control in record.controls:
        told = "rejected" if control.rejected else "not rejected"
        rate = known.rejected.get(control.name) if known else None
        rows.append(
            (
                f'<span class="mono">{escape(control.name)}</span><span class="sub">{escape(control.says)}</span>',
                f"{style.mark(told, good=control.rejected)}<span class='sub'>{escape(control.verdict.status)}</span>",
                _estimate(control.verdict) + f'<span class="sub">{escape(control.verdict.reason)}</span>',
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
        f'<p class="soft small">On fresh seeds, {style.day(escape(found.created))}; 95 % Clopper-Pearson intervals.{stale}</p>'
    )


def share(rate: Rate) -> str:
    """A rate with its interval."""
    return f'<span class="value">{rate.hits} of {rate.of}</span> <span class="soft">[{rate.low:.1%}, {rate.high:.1%}]</span>'


def history(records: Iterable[Record], current: Record) -> str:
    """The records of a claim over time, versions and implementations."""
    rows = []
    for record in records:
        one = line(record)
        link = claim_link(one.claim, one.row, one.implementation, one.record)
        here = " (shown)" if record.id == current.id else ""
        dirty = " with changes" if record.source.dirty else ""
        commit = f'<span class="mono">{escape(one.commit)}</span>{dirty}' if one.commit else "no commit"
        rows.append(
            (
                f'<a href="{link}">{style.day(one.created)}</a><span class="sub">{escape(one.created[11:19])} UTC{here}</span>',
                style.badge(one.outcome),
                measured(one),
                f'@{one.version}<span class="sub">{escape(one.implementation)}</span>',
                escape(one.machine),
                commit,
            )
        )
    return style.wrap(style.table(("Date", "Verdict", "Measured", "Version", "Machine", "Commit"), rows))


def provenance(record: Record) -> str:
    """What ran it, from which source, on which data."""
    machine, software, source = record.machine, record.software, record.source
    gpu = f"{machine.gpus} × {machine.gpu}, driver {machine.driver or 'unknown'}" if machine.gpu else ""
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
                    escape(
                        f"{machine.cpu}, {machine_name(record)}, {style.memory(machine.memory_bytes)}, {machine.os}"
                    ),
                ),
                ("GPU", escape(gpu)),
                ("software", escape(f"Python {software.python}, {packages}; {threads}, {software.precision}")),
                ("commit", f'<span class="mono">{escape(commit)}</span>'),
                (
                    "implementation",
                    f'{escape(label(record))} <span class="mono soft">{escape(record.implementation.source)}</span>',
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


def finding(one: Line) -> str:
    """A claim that does not hold, with the source that shows it."""
    return (
        f'<div class="verdict {one.outcome}">{style.badge(one.outcome)}'
        f'<p><a class="statement" href="{claim_link(one.claim, one.row, one.implementation)}">{escape(one.says)}</a></p>'
        f'<p class="soft small">{escape(one.place)} · {escape(one.name)}@{one.version}</p>'
        f"<p><b>Source.</b> {escape(one.known)}</p><p class='num small'>{escape(one.reason)}</p></div>"
    )


def findings(section: Section) -> str:
    """The findings of one paper."""
    about = section.paper
    body = "".join(finding(one) for one in section.lines)
    return style.wrap(
        f'<section class="paper"><h2>{escape(about.title)}</h2><div class="soft">{style.authors(about)} · {about.year}</div>{body}</section>'
    )


def rows(claim: str, found: Iterable[str]) -> str:
    """The rows of a claim that is a table, to choose from."""
    items = "".join(f'<li><a href="{claim_link(claim, row)}">{escape(row)}</a></li>' for row in found)
    return style.wrap(
        f'<h1>{escape(claim)}</h1><p class="lead">This claim is a table. Choose a row:</p><ul>{items}</ul>'
    )


def unknown(claim: str) -> str:
    """No such claim among the records."""
    what = f"There is no record of “{escape(claim)}”" if claim else "No claim is named in this address"
    return style.wrap(
        f'<div class="empty"><h3>{what}</h3><p class="soft">See <a href="./">the board</a> for what has been judged, or '
        "run <code>repro claims</code> for what can be.</p></div>"
    )
