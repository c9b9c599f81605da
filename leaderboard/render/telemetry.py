"""The page of telemetry: time, memory and energy. Texts of records are escaped where they are put in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from html import escape

from leaderboard.board.catalogue import with_row
from leaderboard.board.lines import label
from leaderboard.board.telemetry import DRAWN, RecordCost, Traces, cost
from leaderboard.board.units import several, short_time
from leaderboard.charts import telemetry as charts
from leaderboard.render import style
from leaderboard.render.components import footnote, notice
from leaderboard.render.links import breadcrumbs, claim_link, telemetry_link
from leaderboard.render.parts import Control, Html, PagePart, Place
from repro.numbers import duration, number
from repro.record.record import Record

TRIALS = 100  # rows of the table of trials
NONE = "not measured: "  # how `RecordCost.energy_says` begins where no trial was
DASH = '<span class="soft">&ndash;</span>'


def paper_page(titles: Mapping[str, str], paper: str, costs: Sequence[RecordCost], on: str = "") -> list[PagePart]:
    """The page of a paper: the costs of its claims, drawn and as a table."""
    items = "".join(f'<li><a href="{telemetry_link(key)}">{escape(title)}</a></li>' for key, title in titles.items())
    papers = style.wrap(f'<p class="soft">By paper:</p><ul>{items}</ul>')
    top = [Html(head()), Control("filters", [Html(papers)])]
    if not costs:
        return [*top, Html(nothing("Nothing of this paper was measured here"))]
    return [
        *top,
        Html(overview(titles[paper], costs, on)),
        subheading("Seconds by claim, stacked by arm"),
        Place(_seconds(costs)),
        subheading("Time, memory and energy by claim"),
        Html(claims(costs)),
    ]


def _seconds(costs: Sequence[RecordCost]) -> list[PagePart]:
    parts: list[PagePart] = []
    for machine in dict.fromkeys(one.machine for one in costs):
        there = [one for one in costs if one.machine == machine and one.arms]
        if there:
            more = f", the longest {charts.BARS} of {len(there)} claims" if len(there) > charts.BARS else ""
            parts += [Html(footnote(f"{machine}{more}")), charts.seconds(there)]
    return parts


def record_page(
    record: Record, records: Sequence[Record], found: Traces, chosen: Collection[str] = ()
) -> list[PagePart]:
    """What one record used: its arms, its series over time, its trials."""
    used = cost(record)
    parts: list[PagePart] = [Html(record_head(record, used))]
    if used.arms:
        parts += [subheading("By arm"), Html(arms(used))]
    parts += [subheading("Over time"), Place(_series(found, chosen)), subheading("Trials"), Html(trials(record))]
    earlier = others(record.id, records)
    return [*parts, Html(earlier)] if earlier else parts


def _series(found: Traces, chosen: Collection[str]) -> list[PagePart]:
    if not found.found:
        brief = "All of its trials took less than a second; only longer ones are sampled."
        why = brief if found.without else "The record names no trials, so that nothing was measured."
        none = style.wrap(f'<p class="note">No series over time. {why}</p>')
        return [Html(none + left_out(found, 0) * bool(found.unreadable))]
    rest = (trace for trace in found.found[DRAWN:] if trace.name in chosen)
    drawn = [*found.found[:DRAWN], *rest]
    key, note = arms_key(charts.looks(drawn)), left_out(found, len(drawn))
    parts: list[PagePart] = [Control("trials"), *([Html(key)] if key else [])]
    for gauge, picture in charts.pictures(drawn, chosen):
        parts += [Html(style.wrap(f"<h4>{gauge.name[0].upper()}{gauge.name[1:]}</h4>")), picture]
    return [*parts, Html(note)] if note else parts


def subheading(text: str) -> Html:
    """A heading below that of a paper or a record."""
    return Html(style.wrap(f"<h3>{escape(text)}</h3>"))


def head() -> str:
    """The title, and what is measured."""
    return style.wrap(
        "<h1>Telemetry</h1>"
        '<p class="lead">What trials used: wall and CPU time, memory, and on a GPU utilisation, power, temperature and '
        "clock. Everything is measured, or it is absent with the reason; nothing is estimated.</p>"
    )


def overview(title: str, costs: Sequence[RecordCost], on: str) -> str:
    """A paper's costs in figures."""
    machines = list(dict.fromkeys(one.machine for one in costs))
    where = f"on {on}" if on else f"on {machines[0]}" if len(machines) == 1 else f"on {len(machines)} kinds of machine"
    measured = sum(one.energy_j is not None for one in costs)
    figures = [
        (duration(sum(one.wall_s for one in costs)), "of wall time, all claims"),
        (style.memory(max((one.peak_bytes for one in costs), default=None)), "most memory of a trial"),
        (f"{measured} of {len(costs)}", "claims with measured energy"),
        (f"{sum(one.sampled for one in costs):,}", "trials with a series over time"),
    ]
    return style.wrap(
        f'<h2>{escape(title)}</h2><p class="soft">The newest record of each claim of the reference, {escape(where)}. '
        "Claims that share trials count them once each: a run of all claims takes less than the sum.</p>"
        + style.figures(figures)
    )


def claims(costs: Sequence[RecordCost]) -> str:
    """Time, memory and energy by claim; why some energy was not measured stands once, above the table."""
    heads = ("Claim", "Trials", "Wall", "CPU", "Memory", "Energy", "Machine")
    named = (", ".join(arm.name for arm in one.arms) if len(one.arms) > 1 else "" for one in costs)
    rows = [
        (
            f'<a href="{telemetry_link(claim=one.full)}">{escape(one.short)}</a>'
            f'<div class="soft">@{one.version}, {style.day(one.created)}{f"; arms: {escape(arms)}" * bool(arms)}</div>',
            f"{one.trials:,}" + _sub(f"{one.sampled} with a series" if one.sampled else ""),
            _value(short_time(one.wall_s)),
            _value(short_time(one.cpu_s)),
            _memory(one.peak_bytes, one.gpu_peak_bytes),
            '<span class="soft unbroken">not measured</span>' if one.energy_says.startswith(NONE) else energy(one),
            escape(one.machine) + _sub("" if one.tier == "cpu" else f"tier {one.tier}"),
        )
        for one, arms in zip(costs, named, strict=True)
    ]
    reasons = Counter(one.energy_says.removeprefix(NONE) for one in costs if one.energy_says.startswith(NONE))
    notes = [f"of {several(count, 'claim')}: {reason}" for reason, count in reasons.items()]
    note = f'<p class="soft">No energy was measured {escape("; ".join(notes))}.</p>' if notes else ""
    return style.wrap(note + style.table(heads, rows))


def energy(one: RecordCost) -> str:
    """Joules with the method, or why they were not measured."""
    if one.energy_j is None:
        return f'<span class="soft">{escape(one.energy_says)}</span>'
    return _value(f"{number(one.energy_j)} J") + _sub(one.energy_says)


def back(record: Record) -> str:
    """The way from one record to its paper and its claim."""
    about, claim = record.paper, record.claim
    case = with_row(f"{about.key}/{claim.name}", claim.row)
    return style.wrap(breadcrumbs((telemetry_link(about.key), about.title), (telemetry_link(claim=case), case)))


def rows(claim: str, cases: Sequence[str]) -> str:
    """The rows of a claim that is a table, to choose from."""
    items = "".join(f'<li><a href="{telemetry_link(claim=case)}">{escape(case)}</a></li>' for case in cases)
    return style.wrap(f"<p>{escape(claim)} is a table. Choose a row:</p><ul>{items}</ul>")


def record_head(record: Record, one: RecordCost) -> str:
    """Which record is shown, with a link to it, its machine and its energy."""
    made = claim_link(one.claim, one.row, one.implementation, one.record)
    machine = record.machine
    gpu = f"{machine.gpus} x {machine.gpu}, driver {machine.driver or 'unknown'}" if machine.gpu else ""
    facts = (
        ("claim", f'<a href="{made}">{style.row_tag(one.row)}{escape(one.claim)}@{one.version}</a>'),
        ("made", style.moment(one.created)),
        ("implementation", style.theirs(label(record))),
        ("processor", escape(f"{machine.cpu}, {machine.cores} cores, {style.memory(machine.memory_bytes)}")),
        ("GPU", escape(gpu)),
        ("energy", energy(one)),
    )
    return style.wrap(f"<h2>{escape(record.claim.says)}</h2>{style.facts(facts)}")


def arms(one: RecordCost) -> str:
    """Time and memory by arm."""
    heads = ("Arm", "Trials", "Wall", "Mean wall", "CPU", "Memory")
    rows = [
        (
            escape(arm.name),
            f"{arm.trials:,}" + _sub(f"{arm.cached} measured earlier" if arm.cached else ""),
            _value(short_time(arm.wall_s)),
            _value(short_time(arm.wall_s / arm.trials)),
            _value(short_time(arm.cpu_s)),
            _memory(arm.peak_bytes, arm.gpu_peak_bytes),
        )
        for arm in one.arms
    ]
    return style.wrap(style.table(heads, rows))


def arms_key(looks: Mapping[str, tuple[str, str]]) -> str:
    """Which line is of which arm, by colour and kind of line, for all charts below it; "" for one arm."""
    if len(looks) < 2:
        return ""
    items = "".join(
        f'<li><span class="line" style="border-top:3px {kind} {hue}" aria-hidden="true"></span>'
        f'<span>{escape(arm)} <span class="soft">({kind})</span></span></li>'
        for arm, (hue, kind) in looks.items()
    )
    return style.wrap(f'<ul class="legend" aria-label="Lines of the charts">{items}</ul>')


def left_out(found: Traces, drawn: int) -> str:
    """What the charts do not show; "" where they show all."""
    notes = []
    if found.without:
        keep = "keeps" if found.without == 1 else "keep"
        notes.append(
            f"{several(found.without, 'trial')} {keep} no series: only what takes a second or longer is sampled, "
            "twice a second"
        )
    if drawn < len(found.found):
        notes.append(f"{drawn} of {len(found.found)} series are drawn; choose trials to see others")
    if found.unreadable:
        notes.append(f"damaged, and not shown: {'; '.join(found.unreadable)}")
    return style.wrap(f'<p class="soft small">{escape(". ".join(notes))}.</p>') if notes else ""


def trials(record: Record) -> str:
    """A record's trials in a table, the first ones where there are many."""
    found = record.trials[:TRIALS]
    heads = ("Arm", "Seed", "Preset", "Wall", "CPU", "Memory", "Energy")
    rows = [
        (
            escape(one.arm),
            str(one.seed),
            escape(one.preset) + _sub(one.data or "generated"),
            _value(short_time(one.usage.wall_s)) + _sub("measured earlier" if one.cached else ""),
            _value(short_time(one.usage.cpu_s)),
            _memory(one.usage.peak_rss_bytes, one.usage.gpu_peak_bytes),
            DASH if one.usage.energy_j is None else _value(f"{number(one.usage.energy_j)} J"),
        )
        for one in found
    ]
    if not rows:
        return style.wrap('<p class="soft">This record names no trials.</p>')
    more = len(record.trials) - len(found)
    note = f'<p class="soft small">{more} more are in the record.</p>' if more else ""
    return style.wrap(style.table(heads, rows) + note)


def nothing(what: str) -> str:
    """Where there is no telemetry to show."""
    return notice(
        what,
        'See <a href="telemetry">all claims</a>, or <a href="./">the board</a>. Trials are measured whenever a claim '
        "is run: <code>repro run PAPER</code>.",
    )


def others(current: str, found: Sequence[Record]) -> str:
    """Other records of the same claim, to be seen instead."""
    rows = [
        (
            f'<a href="{telemetry_link(record=one.id)}">{style.day(one.created)}</a>'
            + _sub(f"{one.created[11:19]} UTC"),
            style.theirs(label(one)),
            escape(one.machine.gpu or one.machine.cpu),
            _value(short_time(sum({t.key: t.usage.wall_s for t in one.trials}.values()))),
        )
        for one in found
        if one.id != current
    ]
    if not rows:
        return ""
    table = style.table(("Made", "Implementation", "Machine", "Wall"), rows)
    many = several(len(rows), "other record")
    return style.wrap(f"<details><summary>{many} of this claim</summary>{table}</details>")


def _memory(process: int, gpu: int | None) -> str:
    return _value(style.memory(process)) + _sub(f"GPU {style.memory(gpu)}" if gpu is not None else "")


def _value(text: str) -> str:
    return f'<span class="value unbroken">{escape(text)}</span>'


def _sub(text: str) -> str:
    return f'<span class="sub">{escape(text)}</span>' if text else ""
