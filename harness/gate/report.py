"""Reporters of a decision, for people and machines: Markdown, GitHub annotations, JUnit XML and JSON."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable

import msgspec

from harness.gate.result import CostChange, Decision, QualityChange, Remark, Weight
from repro.numbers import number

MAX_SUMMARY_BYTES = 1 << 20  # of a step's summary on GitHub: a longer one is dropped whole
MAX_ANNOTATIONS = 10  # remarks of each kind: GitHub shows no more of one step
MARKS = {0: "✅", 1: "❌", 2: "❔", 3: "💥"}
HEADINGS: dict[Weight, str] = {
    "error": "Why",
    "regression": "Regressions",
    "undecided": "Undecided",
    "note": "Notes",
}
NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what XML 1.0 does not admit


def json_report(decision: Decision) -> bytes:
    """JSON as `docs/reference/gate.schema.json` says."""
    return msgspec.json.format(msgspec.json.encode(decision), indent=1) + b"\n"


def summary(decision: Decision) -> str:
    """One line: the outcome and what it rests on."""
    if decision.exit == 3:
        return f"{decision.outcome}: {decision.remarks[0].says}"
    parts = [f"{decision.claims} claims compared, {decision.same} of them the same to the last bit"]
    parts += [f"{len(decision.costs)} costs side by side"] if decision.costs else []
    return f"{decision.outcome}: {', '.join(parts)}"


def markdown_report(decision: Decision, max_bytes: int = MAX_SUMMARY_BYTES) -> str:
    """A summary in GitHub's Markdown of at most `max_bytes`; what does not fit is left out, with a note."""
    lines = [f"## {MARKS[decision.exit]} Gate: {_cell(summary(decision))}", ""]
    header = {"Baseline": decision.baseline, "Beside": decision.against, "Machine": decision.machine}
    lines += [f"{name}: {_cell(value)}  " for name, value in header.items() if value]
    lines += [decision.power, ""] if decision.power else [""]
    for weight, heading in HEADINGS.items():
        remarks = decision.of(weight)
        lines += [f"### {heading}", "", *(f"- {_line(remark)}" for remark in remarks), ""] if remarks else []
    changed = [row for row in decision.quality if row.state != "same"]
    if changed:
        lines += ["### Measurements that changed", "", *_table(QUALITY, map(_quality_cells, changed)), ""]
    if decision.costs:
        lines += [
            "### Costs, new to old, runs interleaved on this machine",
            "",
            *_table(COSTS, map(_cost_cells, decision.costs)),
        ]
    return _truncate(lines, max_bytes)


QUALITY = ("claim", "measurement", "old", "new", "shift [95 %]", "seeds", "p", "")
COSTS = ("claim", "arm", "cost", "ratio [interval]", "threshold", "pairs", "")


def _line(remark: Remark) -> str:
    about = f"`{remark.about}` " if remark.about else ""
    return f"{about}{_cell(remark.says)}"


def _quality_cells(row: QualityChange) -> list[str]:
    ends = "" if row.low is None or row.high is None else f" [{number(row.low)}, {number(row.high)}]"
    seeds = f"{row.seeds[0]}" if row.seeds[0] == row.seeds[1] else f"{row.seeds[0]} to {row.seeds[1]}"
    name = f"{row.measurement} of {row.arm}" + (f", in {row.unit}" if row.unit != "1" else "")
    shift = "" if row.shift is None else number(row.shift) + ends + (" (log)" if row.log else "")
    p = "" if row.p is None else f"{row.p:.2g}"
    return [row.claim, name, number(row.old), number(row.new), shift, seeds, p, row.state]


def _cost_cells(cost: CostChange) -> list[str]:
    ratio = cost.method or "not measured"
    if cost.ratio is not None and cost.low is not None and cost.high is not None:
        ratio = f"{cost.ratio:.3f} [{cost.low:.3f}, {cost.high:.3f}]"
    return [cost.claim, cost.arm, cost.cost, ratio, f"< {cost.below:g}", str(cost.pairs), cost.state]


def _table(names: Iterable[str], rows: Iterable[list[str]]) -> list[str]:
    head = list(names)
    lines = [head, ["---"] * len(head), *([_cell(cell) for cell in cells] for cells in rows)]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _cell(text: str) -> str:
    """Text that stays within its cell and is no markup."""
    flat = " ".join(text.split())
    return re.sub(r"([\\|<>*_`])", r"\\\1", flat)


def _truncate(lines: list[str], max_bytes: int) -> str:
    """All lines, or as many as fit with a note after them."""
    text = "\n".join(lines).rstrip() + "\n"
    if len(text.encode()) <= max_bytes:
        return text
    kept, used = [], 0
    note = "\n\nTruncated: the whole summary is larger than may be shown. The JSON file has everything.\n"
    for line in lines:
        used += len(line.encode()) + 1
        if used + len(note.encode()) > max_bytes:
            break
        kept.append(line)
    return "\n".join(kept).rstrip() + note


def github_annotations(decision: Decision, prefix: str | None = "") -> list[str]:
    """GitHub's workflow commands for the ten worst regressions and the ten worst of what is undecided.

    Args:
        decision: what to annotate.
        prefix: path of the project in its repository, which the paths of claims are relative to; None if the claims
            lie elsewhere, so that no line of the repository is theirs.
    """
    lines = []
    kinds: tuple[tuple[str, Weight], ...] = (("error", "error"), ("error", "regression"), ("warning", "undecided"))
    for command, weight in kinds:
        remarks = decision.of(weight)
        for remark in remarks[:MAX_ANNOTATIONS]:
            here = remark.file and prefix is not None
            place = f"file={_property(f'{prefix}{remark.file}')},line={remark.line}," if here else ""
            title = f"title={_property(remark.about or 'gate')}"
            lines.append(f"::{command} {place}{title}::{_message(remark.says)}")
    return lines


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")


def junit_report(decision: Decision) -> bytes:
    """JUnit XML: a case for each claim that was compared or is remarked on, and for each cost."""
    suite = ET.Element("testsuite", name="gate")
    counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    about: dict[str, list[Remark]] = {name: [] for name in sorted({row.claim for row in decision.quality})}
    for remark in decision.remarks:
        if remark.topic != "cost":
            about.setdefault(remark.about or "gate", []).append(remark)
    if not about:
        about["gate"] = []
    for name, remarks in about.items():
        _case(suite, counts, "gate", name, remarks)
    for cost in decision.costs:
        own = [remark for remark in decision.remarks if remark.topic == "cost" and remark.says == cost.says]
        _case(suite, counts, "gate.costs", f"{cost.claim} {cost.arm} {cost.cost}", own)
    for name, count in counts.items():
        suite.set(name, str(count))
    root = ET.Element("testsuites", dict(suite.attrib))
    root.append(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _case(suite: ET.Element, counts: dict[str, int], group: str, name: str, remarks: list[Remark]) -> None:
    case = ET.SubElement(suite, "testcase", classname=group, name=_xml(name), time="0")
    counts["tests"] += 1
    by_weight = {remark.weight: remark for remark in reversed(remarks)}  # the first of each
    bad, open_ = by_weight.get("error") or by_weight.get("regression"), by_weight.get("undecided")
    if bad is not None:
        broken = bad.weight == "error" or bad.topic == "crashed"
        kind, count = ("error", "errors") if broken else ("failure", "failures")
        says = "\n".join(r.says for r in remarks if r.weight == bad.weight)
        ET.SubElement(case, kind, type=bad.topic, message=_xml(bad.says)).text = _xml(says)
        counts[count] += 1
    elif open_ is not None:
        ET.SubElement(case, "skipped", message=_xml(open_.says))
        counts["skipped"] += 1
    notes = [r.says for r in remarks if r.weight == "note"]
    if notes:
        ET.SubElement(case, "system-out").text = _xml("\n".join(notes))


def _xml(text: str) -> str:
    return NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
