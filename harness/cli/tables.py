"""What the commands print."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table

from harness.gate.baseline import Baseline
from harness.gate.result import Decision
from harness.pytest_plugin.row import measured, published, reported
from repro.claim.claim import Claim, arms_of
from repro.numbers import duration, number
from repro.record.record import Record, SamplePart
from repro.trial import implementation
from repro.trial.calibration import Calibration, calibration_of


def console() -> Console:
    """The terminal; wide enough for a table where output goes to a file."""
    plain = Console()
    return plain if plain.is_terminal else Console(width=160)


def claim_table(claims: list[Claim]) -> Table:
    """One line a claim."""
    table = columns("claim", "group", "tier", "seeds", "published", "says", right=("seeds",))
    for claim in claims:
        says = f"{claim.statement} [finding]" if claim.known_refutation else claim.statement
        cells = [claim.id, claim.group, claim.tier, str(claim.seeds), published(claim), says]
        table.add_row(*map(escape, cells))
    return table


def claim_facts(claim: Claim, root: Path) -> dict[str, Any]:
    """Everything about a claim, as JSON data."""
    calibration = calibration_of(claim, root)
    return {
        "id": claim.id,
        "paper": claim.paper.title,
        "place": claim.place,
        "says": claim.statement,
        "criterion": claim.criterion.says(),
        "reported": msgspec.to_builtins(claim.reported),
        "tier": claim.tier,
        "evidence": claim.evidence,
        "group": claim.group,
        "seeds": claim.seeds,
        "controls": {name: implementation.control(claim.paper.key, name, root).says for name in claim.controls},
        "expected_refuted": claim.expected.source if claim.expected else None,
        "arms": [arm.label for arm in arms_of(claim.measurements())],
        "data": sorted({arm.data for arm in arms_of(claim.measurements()) if arm.data}),
        "cost": claim.cost,
        "digest": claim.digest(),
        "calibration": msgspec.to_builtins(calibration) if calibration else None,
    }


def claim_sheet(claim: Claim, root: Path) -> Group:
    """One claim whole."""
    facts = claim_facts(claim, root)
    rows = [
        ("paper", f"{claim.paper.title} ({', '.join(claim.paper.authors)}, {claim.paper.year})"),
        (claim.place, claim.statement),
        ("published", "\n".join(reported(r) for r in claim.reported) or "no number that can be read; a statement"),
        ("criterion", facts["criterion"]),
        ("evidence", f"{claim.evidence}; tier {claim.tier}; {claim.seeds} seeds an arm"),
        ("arms", "\n".join(facts["arms"])),
        ("data", ", ".join(facts["data"]) or "generated"),
        ("controls", "\n".join(f"{name}: {says}" for name, says in facts["controls"].items())),
        ("expected", f"refuted: {claim.expected.source}" if claim.expected else "to hold"),
        ("calibration", _calibration_line(calibration_of(claim, root))),
        ("run it", f"repro run '{claim.id}' --controls" + ("" if claim.tier == "cpu" else f" --tier {claim.tier}")),
    ]
    if claim.cost:
        rows.append(("cost", claim.cost))
    return Group(f"[bold]{escape(claim.id)}[/]", _sheet(rows), "")


def explanation_sheet(claim: Claim) -> Group:
    """Why a finding does not hold, step by step, for a reader who redoes it."""
    assert claim.expected is not None
    rows = [(claim.place, claim.statement), ("refuted by", claim.expected.source)]
    calculation = Table(box=None, show_header=False, pad_edge=False)
    if (why := claim.expected.explanation) is not None:
        rows += [(f"in the paper, {quote.place}", f'"{quote.words}"') for quote in why.quotes]
        rows += [("the paper's setting", why.paper_setting), ("our setting", why.our_setting)]
        for place, step in enumerate(why.steps, 1):
            calculation.add_row(f"{place}.", *map(escape, (step.what, step.expression, f"= {step.result}")))
    return Group(f"[bold]{escape(claim.id)}[/]", _sheet(rows), "", calculation, "")


def _calibration_line(found: Calibration | None) -> str:
    if found is None:
        return "none"
    lines = [f"reference as expected in {found.passed.share()}"]
    lines += [f"{name} rejected in {rate.share()}" for name, rate in found.rejected.items()]
    stale = "" if found.current else " (of an earlier form of the claim)"
    return "; ".join(lines) + f"; {found.created[:10]}{stale}"


def record_sheet(record: Record) -> Group:
    """One record whole, but for its raw values at length and its telemetry series."""
    verdict, made = record.verdict, record.machine
    controls = [f"{c.name} ({'' if c.rejected else 'NOT '}rejected): {c.verdict.reason}" for c in record.controls]
    sheet = _sheet(
        [
            ("paper", f"{record.paper.title} ({record.paper.year})"),
            (record.claim.place, record.claim.says),
            ("published", "\n".join(reported(r) for r in record.claim.reported) or "a statement without a number"),
            ("criterion", record.claim.criterion.says()),
            ("verdict", f"{record.word} ({verdict.status}, {record.claim.evidence} evidence){_flags(record)}"),
            ("measured", measured(verdict, record.samples, record.claim.reported)),
            ("because", verdict.reason),
            ("controls", "\n".join(controls) or "not run"),
            ("samples", "\n".join(_sample_line(sample) for sample in record.samples)),
            ("trials", _cost_line(record)),
            ("machine", f"{made.gpu or made.cpu}, {made.cores} cores, {made.isa}, {made.os}"),
            ("software", f"repro {record.software.repro}, torch {record.software.torch}, {record.software.python}"),
            ("made", f"{record.created}, {record.runner}, commit {(record.source.commit or 'unknown')[:12]}"),
            ("rerun it", record.command),
        ]
    )
    return Group(f"[bold]{escape(record.claim.id)}[/] {record.implementation.kind} {record.id[7:23]}", sheet, "")


def _sheet(rows: list[tuple[str, str]]) -> Table:
    sheet = Table(box=None, show_header=False, pad_edge=False)
    sheet.add_column(style="bold")
    sheet.add_column(overflow="fold")
    for name, value in rows:
        sheet.add_row(name, escape(value))
    return sheet


def _flags(record: Record) -> str:
    marks = ["powerless"] * record.powerless + [record.flag] * bool(record.flag)
    return f"; {', '.join(marks)}" if marks else ""


def _sample_line(sample: SamplePart) -> str:
    flat = [v for row in sample.values for v in (row if isinstance(row, tuple) else (row,))]
    shown = ", ".join("diverged" if v is None else number(v) for v in flat[:8]) + (", ..." if len(flat) > 8 else "")
    return f"{sample.arm}: {sample.measurement} over {len(sample.seeds)} seeds: {shown} {sample.unit}"


def _cost_line(record: Record) -> str:
    usages = [trial.usage for trial in record.trials]
    joules = [usage.energy_j for usage in usages if usage.energy_j is not None]
    energy = f"{sum(joules):.0f} J" if joules else f"energy unknown ({usages[0].energy_method})" if usages else ""
    return f"{len(usages)}: {duration(sum(usage.wall_s for usage in usages))}; {energy}"


def baseline_table(found: Baseline) -> Table:
    """One line a claim of a baseline."""
    right = ("seeds", "measurements")
    table = columns("claim", "verdict", "evidence", *right, "device", "record", right=right)
    for claim, entry in sorted(found.claims.items()):
        seeds = str(len(entry.seeds)) if entry.seeds else "exact"
        counts = (seeds, str(len(entry.samples)))
        cells = (claim, entry.word, entry.evidence, *counts, entry.device, entry.records[0][7:23])
        table.add_row(*map(escape, cells))
    return table


def gate_sheet(decision: Decision, summary: str) -> Group:
    """A decision: its remarks, the worst first, what changed, and costs."""
    colours = {"error": "red", "regression": "red", "undecided": "yellow", "note": "dim"}
    remarks = Table(box=None, show_header=False, pad_edge=False)
    for _ in range(3):
        remarks.add_column(overflow="fold")
    for weight, colour in colours.items():
        for remark in decision.of(weight):  # type: ignore[arg-type]
            remarks.add_row(f"[{colour}]{weight}[/]", escape(remark.about), escape(remark.says))
    parts: list[Any] = [remarks] if decision.remarks else []
    changed = [row for row in decision.quality if row.state != "same"]
    if changed:
        table = columns("measurement that changed", "old", "new", "unit", "p", "state")
        for row in changed:
            name, p = f"{row.claim} {row.arm}: {row.measurement}", "" if row.p is None else f"{row.p:.2g}"
            table.add_row(*map(escape, (name, number(row.old), number(row.new), row.unit, p, row.state)))
        parts += ["", table]
    if decision.costs:
        table = columns("cost, new to old", "ratio", "interval", "below", "pairs", "state")
        for cost in decision.costs:
            ends = "" if cost.low is None or cost.high is None else f"[{cost.low:.3f}, {cost.high:.3f}]"
            ratio = "-" if cost.ratio is None else f"{cost.ratio:.3f}"
            name = f"{cost.claim} {cost.arm}: {cost.cost}"
            table.add_row(*map(escape, (name, ratio, ends, f"{cost.below:g}", str(cost.pairs), cost.state)))
        parts += ["", table]
    return Group(*parts, *([decision.power] if decision.power else []), "", f"[bold]{escape(summary)}[/]")


def columns(*names: str, right: Collection[str] = ()) -> Table:
    """A table with these columns, some of them set flush right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return table
