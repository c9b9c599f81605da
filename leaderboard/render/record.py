"""The page of a record as HTML, part by part. Texts of records are escaped where they are put in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

import msgspec

from leaderboard import blocks, paper_sheet, style
from leaderboard.queries import REFERENCE, label
from leaderboard.verification import Check
from repro.machine import Machine
from repro.record import Record, SamplePart
from repro.text import duration, number

if TYPE_CHECKING:
    import pandas as pd

DIGITS = 16  # of a record's id in an address
SEEDS = 20  # values of a sample that its line shows


def record_link(record_id: str) -> str:
    """The address of a record's page, relative to the board, ready to stand in an attribute."""
    return escape(f"record?record={short(record_id)}")


def short(record_id: str) -> str:
    """The first digits of an id, as in the name of its file."""
    return record_id.removeprefix("sha256:")[:DIGITS]


def head(record: Record, replaced_by: Sequence[str]) -> str:
    """Where we are, what the record says, and the records before and after it."""
    claim, about = record.claim, record.paper
    own = label(record)
    link = blocks.claim_link(f"{about.key}/{claim.name}", claim.row, own)
    row = f"[{claim.row}]" if claim.row else ""
    here = paper_sheet.crumbs((paper_sheet.address("paper", about.key), about.title), (link, f"{claim.name}{row}"))
    who = "" if own == REFERENCE else f'<span class="tag">{style.theirs(own)}</span>'
    before = _chain([record.supersedes] if record.supersedes else [])
    return style.wrap(
        f'{here}<h1>Record <span class="mono">{escape(short(record.id))}</span></h1>'
        f'<p class="lead">{escape(claim.says)} {who}</p>'
        + style.facts(
            (
                ("claim", f'<a href="{link}"><span class="mono">{escape(claim.id)}</span></a>, {escape(claim.place)}'),
                ("created", escape(f"{style.day(record.created)} {record.created[11:19]} UTC")),
                ("vouched for", f"{style.runner(record.runner)} <span class='soft'>{_runner(record)}</span>"),
                ("id", f'<span class="mono">{escape(record.id)}</span>'),
                ("schema", str(record.schema)),
                ("replaces", before or "no earlier record"),
                ("replaced by", _chain(replaced_by) or "no later record says so"),
            )
        )
    )


def _runner(record: Record) -> str:
    return style.RUNNERS[record.runner].meaning


def _chain(ids: Iterable[str]) -> str:
    return ", ".join(f'<a class="mono" href="{record_link(found)}">{escape(short(found))}</a>' for found in ids)


def checks(found: Sequence[Check]) -> str:
    """What was checked just now, and what agreed."""
    rows = [
        (escape(check.name), _told(check.agreed), f'<span class="num">{escape(check.says)}</span>') for check in found
    ]
    wrong = sum(check.agreed is False for check in found)
    said = "Nothing disagrees." if not wrong else f"{wrong} of {len(found)} disagree: do not rely on this record."
    note = (
        "The file was read again from the store, its content hashed, and its samples judged by its criterion. No trial "
        "was run: whether the samples are what the implementation computes, only a rerun shows."
    )
    table = style.table(("What", "Agrees", "Found"), rows)
    return style.wrap(f'<div role="status"><p><b>{said}</b></p></div>{table}<p class="soft small">{note}</p>')


def _told(agreed: bool | None) -> str:
    if agreed is None:
        return '<span class="badge inconclusive hollow"><i aria-hidden="true">?</i>cannot be told</span>'
    return style.mark("agrees" if agreed else "disagrees", good=agreed)


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
    return style.wrap(style.table(heads, rows)) if rows else style.wrap('<p class="soft">It keeps no samples.</p>')


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
    return f'<span class="value">{escape(shown)}</span>' + (" …" if len(numbers) > SEEDS else "")


def trials(record: Record) -> pd.DataFrame:
    """Every trial with what it ran, what it used, and how that was measured; columns that say nothing are left out."""
    import pandas as pd

    frame = pd.DataFrame(
        [
            {
                "arm": trial.arm,
                "seed": trial.seed,
                "preset": trial.preset,
                "config": json.dumps(trial.config, sort_keys=True, ensure_ascii=False),
                "data": trial.data or "generated",
                "from cache": trial.cached,
                "machine": _elsewhere(trial.machine),
                "wall (s)": trial.usage.wall_s,
                "CPU (s)": trial.usage.cpu_s,
                "memory (MiB)": trial.usage.peak_rss_bytes / 2**20,
                "GPU memory (MiB)": None if trial.usage.gpu_peak_bytes is None else trial.usage.gpu_peak_bytes / 2**20,
                "GPU memory by": trial.usage.gpu_peak_method or None,
                "energy (J)": trial.usage.energy_j,
                "energy by": trial.usage.energy_method,
                "series": "sampled" if trial.usage.series else None,
                "key": trial.key,
            }
            for trial in record.trials
        ]
    )
    return frame.dropna(axis="columns", how="all")


def _elsewhere(machine: Machine | msgspec.UnsetType) -> str | None:
    """What computed a trial, where that is not the record's own machine."""
    return None if machine is msgspec.UNSET else machine.gpu or f"{machine.cpu}, {machine.cores} cores"


def usage(record: Record) -> str:
    """What the trials used together, in a sentence; what was not measured is said."""
    used = [trial.usage for trial in record.trials]
    if not used:
        return style.wrap('<p class="soft">This record names no trials.</p>')
    joules = [one.energy_j for one in used if one.energy_j is not None]
    energy = f"{number(sum(joules))} J in {len(joules)} of {len(used)} trials" if joules else "energy not measured"
    methods = "; ".join(sorted({one.energy_method for one in used}))
    cached, most = sum(trial.cached for trial in record.trials), max(one.peak_rss_bytes for one in used) / 2**20
    says = (
        f"{len(used)} trial{'' if len(used) == 1 else 's'}, {duration(sum(one.wall_s for one in used))} of wall time "
        f"together, at most {most:,.0f} MiB of memory; {energy} ({methods}). "
        f"{cached} came from the cache, and were measured earlier."
    )
    link = f'<a href="telemetry?record={escape(short(record.id))}">Over time, trial by trial</a>'
    sampled = f"<p>{link}</p>" if any(one.series for one in used) else ""
    return style.wrap(f"<p>{escape(says)}</p>{sampled}")


def pretty(record: Record) -> str:
    """The record as JSON with indents; its file is the same content on one line."""
    return json.dumps(msgspec.to_builtins(record), indent=1, sort_keys=True, ensure_ascii=False)


def unknown(asked: str, why: str, files: Sequence[tuple[str, str]]) -> str:
    """No such record: why, and whether a damaged file is meant.

    Args:
        asked: what stands in the address.
        why: one sentence.
        files: damaged files whose names begin so, each with what is wrong.
    """
    help_ = "<p>A record is named by at least four digits of its id, as <code>repro list</code> and the pages of " + (
        'claims show it. <a href="./">The board</a> has all claims.</p>'
    )
    title = f"There is no record {escape(asked[:72])}" if asked else "No record is named in this address"
    if not files:
        return style.wrap(f"{paper_sheet.crumbs()}<h1>{title}</h1><p>{escape(why)}</p>{help_}")
    rows = [(f'<span class="mono">{escape(path)}</span>', escape(reason)) for path, reason in files]
    return style.wrap(
        f"{paper_sheet.crumbs()}<h1>This file is not a sound record</h1>"
        f"{style.table(('File', 'What is wrong with it'), rows)}"
        "<p>It is shown nowhere else. A record is never edited; run its claim again.</p>"
    )
