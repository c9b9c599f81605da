"""What reruns a record: the commit, the environment and the command, and what to know about each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

from leaderboard.board.lines import submission_part, unjailed
from leaderboard.board.repository import CalibrationSummary
from leaderboard.board.units import several
from leaderboard.render import style
from leaderboard.render.parts import Code, Html, PagePart
from repro.record.record import Record

COMMIT = re.compile(r"[0-9a-f]{7,64}")
OURS = re.compile(r"repro run '[a-z0-9]+/[\w-]+@\d+(\[[^'\n]*\])?'( --?[a-z][a-z-]*( (?!-)[\w./-]+)?)*")
INSTALL = "pip install -c constraints.txt -e ."


@dataclass(frozen=True)
class ClaimContext:
    """What is known about a claim apart from one record of it.

    Attributes:
        records: how many there are of it, of every version and implementation.
        version: the highest one.
        commit: of the checkout that shows the page; "" where there is none, or where it has changes.
        calibration: of the claim; None where there is none, or where `trouble` says what is wrong with its file.
    """

    records: int
    version: int
    commit: str = ""
    calibration: CalibrationSummary | None = None
    trouble: str = ""


def parts(record: Record, around: ClaimContext) -> list[PagePart]:
    """What reruns a record, to copy, and what to know about it."""
    return [Code(commands(record, around)), Html(notes(record, around))]


def commands(record: Record, around: ClaimContext) -> str:
    """The shell commands that run this record again, in a clone of the project."""
    commit = _commit(record)
    lines = [f"git checkout {commit}"] if commit and commit != around.commit else []
    return "\n".join([*lines, INSTALL, record.command])


def notes(record: Record, around: ClaimContext) -> str:
    """What the lines rest on, as HTML."""
    own, part = record.implementation, submission_part(record)
    found = [_source(record, around)]
    if not OURS.fullmatch(record.command):
        found.append("<b>The last line is not one that this software writes.</b> Read it before you run it.")
    if record.claim.version < around.version:
        found.append(
            f"This is version {record.claim.version} of the claim; there is a version {around.version}. A checkout "
            f"that has the newer one answers that the claim {escape(record.claim.id)} is unknown."
        )
    found += [_software(record), _seeds(record)]
    if own.kind == "submission":
        place = f"harness/submissions/{own.key}/{own.name}"
        found.append(
            f"{style.theirs(own.name)} is a submission: unless {style.theirs(place, mono=True)} has it, give "
            "<code>--implementation</code> the folder where you keep it. What was judged hashes to "
            f'<span class="mono">{escape(own.source)}</span>.'
        )
    if unjailed(part):
        found.append("It ran <b>without a jail</b>: read its code before you do the same.")
    elif part is not None:
        found.append(f"It ran in a jail, which your machine must have as well: {style.theirs(part.isolation)}.")
    found.append(
        "Trials of the same sources that are in your cache are not computed again; <code>--no-cache</code> computes "
        "all of them."
    )
    return style.wrap(f"<ul>{''.join(f'<li>{note}</li>' for note in found)}</ul>")


def _commit(record: Record) -> str:
    """The commit that the record was made from; "" where it names none."""
    commit = record.source.commit or ""
    return commit if COMMIT.fullmatch(commit) else ""


def _source(record: Record, around: ClaimContext) -> str:
    """Which source the lines check out, and whether it is all that ran."""
    digest = f'<span class="mono">{escape(record.implementation.source)}</span>'
    if not _commit(record):
        return (
            "The record was not made in a git checkout and names no commit, so its source cannot be checked out: "
            f"the implementation's hashes to {digest}."
        )
    here = "This board runs from the commit of the record" if _commit(record) == around.commit else ""
    here = here or "The first line goes to the commit of the record, with the claim and the code as they were"
    if record.source.dirty:
        return (
            f"{here}; but <b>there were uncommitted changes</b>, so what ran may differ from it. The "
            f"implementation that ran hashes to {digest}."
        )
    if record.source.dirty is None:
        return f"{here}; the record does not say whether there were uncommitted changes."
    return f"{here}; there were no uncommitted changes."


def _software(record: Record) -> str:
    """What to install, and what it ran on."""
    found = record.software
    versions = {"torch": found.torch, "numpy": found.numpy, "scipy": found.scipy, "numba": found.numba}
    names = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    where = f"{record.machine.gpus} x {record.machine.gpu}" if record.machine.gpu else record.machine.cpu
    return escape(
        f"It ran on Python {found.python} with {names or 'no library named'}, on {where}. With other versions "
        "or hardware, numbers that come from training can differ."
    )


def _seeds(record: Record) -> str:
    """Which seeds were drawn."""
    seeds = sorted({trial.seed for trial in record.trials} or {seed for part in record.samples for seed in part.seeds})
    if not seeds:
        return "The record names no seeds."
    if seeds == [0]:
        return "It used one seed, 0."
    run = len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1))
    shown = f"{seeds[0]} to {seeds[-1]}" if run else ", ".join(map(str, seeds[:20])) + " …" * (len(seeds) > 20)
    by = "the command states how many" if "--seeds" in record.command else "the claim's own number"
    return f"It used {several(len(seeds), 'seed')}: {shown}; {by}."
