"""What the trials of a record ran and used, as a table. Texts of records are escaped where they are put in."""

from __future__ import annotations

import json
from html import escape

import msgspec

from leaderboard.board.units import several
from leaderboard.render import style
from leaderboard.render.links import telemetry_link
from leaderboard.render.parts import Html, PagePart, Table
from repro.machine.environment import Machine
from repro.numbers import duration, number
from repro.record.record import Record, TrialPart

DECIMALS = {"wall (s)": 2, "CPU (s)": 2, "memory (MiB)": 0, "GPU memory (MiB)": 0, "energy (J)": 2}


def parts(record: Record) -> list[PagePart]:
    """What the trials used together, and each of them."""
    return [Html(usage(record)), *([table(record)] if record.trials else [])]


def table(record: Record) -> Table:
    """Every trial with what it ran, what it used, and how that was measured; columns that say nothing are left out."""
    rows = [_row(trial) for trial in record.trials]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    known = {name: values for name, values in columns.items() if any(value is not None for value in values)}
    return Table(known, {name: digits for name, digits in DECIMALS.items() if name in known})


def _row(trial: TrialPart) -> dict[str, object]:
    used = trial.usage
    return {
        "arm": trial.arm,
        "seed": trial.seed,
        "preset": trial.preset,
        "config": json.dumps(trial.config, sort_keys=True, ensure_ascii=False),
        "data": trial.data or "generated",
        "from cache": trial.cached,
        "machine": _elsewhere(trial.machine),
        "wall (s)": used.wall_s,
        "CPU (s)": used.cpu_s,
        "memory (MiB)": used.peak_rss_bytes / 2**20,
        "GPU memory (MiB)": None if used.gpu_peak_bytes is None else used.gpu_peak_bytes / 2**20,
        "GPU memory by": used.gpu_peak_method or None,
        "energy (J)": used.energy_j,
        "energy by": used.energy_method,
        "series": "sampled" if used.series else None,
        "key": trial.key,
    }


def _elsewhere(machine: Machine | msgspec.UnsetType) -> str | None:
    """What computed a trial, where that is not the record's own machine."""
    return None if machine is msgspec.UNSET else machine.gpu or f"{machine.cpu}, {machine.cores} cores"


def usage(record: Record) -> str:
    """What the trials used together, in a sentence, and what was not measured."""
    used = [trial.usage for trial in record.trials]
    if not used:
        return style.wrap('<p class="soft">This record names no trials.</p>')
    joules = [one.energy_j for one in used if one.energy_j is not None]
    energy = f"{number(sum(joules))} J in {len(joules)} of {len(used)} trials" if joules else "energy not measured"
    methods = "; ".join(sorted({one.energy_method for one in used}))
    cached, most = sum(trial.cached for trial in record.trials), max(one.peak_rss_bytes for one in used) / 2**20
    says = (
        f"{several(len(used), 'trial')}, {duration(sum(one.wall_s for one in used))} of wall time "
        f"together, at most {most:,.0f} MiB of memory; {energy} ({methods}). "
        f"{cached} came from the cache, and were measured earlier."
    )
    link = f'<a href="{telemetry_link(record=record.id)}">Over time, trial by trial</a>'
    sampled = f"<p>{link}</p>" if any(one.series for one in used) else ""
    return style.wrap(f"<p>{escape(says)}</p>{sampled}")
