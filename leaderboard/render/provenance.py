"""What a record was made with, as HTML. Texts of records are escaped where they are put in."""

from __future__ import annotations

from html import escape

from leaderboard.board.lines import label
from leaderboard.render import style
from repro.record.record import Record, hardware


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
