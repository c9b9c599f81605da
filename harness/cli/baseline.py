"""`repro baseline`: the reviewed files that a gate compares with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from repro.claim.catalogue import Catalogue, is_named
from repro.claim.claim import tiers_of
from repro.errors import ReproError
from repro.paths import index_url, project_root, store_dir

if TYPE_CHECKING:
    from harness.gate.baseline import Baseline

FILE = click.argument("file", type=click.Path(path_type=Path))
MAKING = (
    click.argument("names", nargs=-1, metavar="[PAPER | CLAIM]..."),
    click.option(
        "--from", "place", type=click.Path(path_type=Path, file_okay=False, exists=True), help="Take records from here."
    ),
    click.option("--implementation", type=click.Path(path_type=Path), help="Of this submission."),
    click.option("--seeds", type=click.IntRange(min=2), help="Values at this many seeds, to find smaller drops."),
    click.option(
        "--tier", default="cpu", show_default=True, help="cpu, long, gpu, cluster, several with commas, or all."
    ),
    click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", help="To run on."),
    click.option("--trusted", is_flag=True, help="Run the submission without a jail."),
)
"""What `_make_baseline` takes."""


def making(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the file, and the options of `_make_baseline`."""
    for option in reversed((FILE, *MAKING)):
        command = option(command)
    return command


@click.group()
def baseline() -> None:
    """Write, show and update the baseline of a gate: FILE.json, or a folder with a file for each paper."""


@baseline.command()
@making
def write(file: Path, **options: Any) -> None:
    """Judge claims here, or take records with --from, and write FILE for review."""
    _write(_make_baseline(**options), file)


@baseline.command()
@FILE
def show(file: Path) -> None:
    """Show what a baseline holds."""
    from harness.cli.tables import baseline_table, console
    from harness.gate.baseline import read

    kept = read(file)
    console().print(baseline_table(kept))
    click.echo(f"{len(kept.claims)} claims of {kept.implementation}")


@baseline.command()
@making
def update(file: Path, names: tuple[str, ...], **options: Any) -> None:
    """Judge the named claims, or all, again; print what changes in FILE, and write it."""
    from harness.gate.baseline import read

    before = read(file)
    made = _make_baseline(names, **options)
    if made.implementation != before.implementation:
        raise ReproError(f"{file} is of {before.implementation}, not of {made.implementation}", "Write another file.")
    kept = {claim: entry for claim, entry in before.claims.items() if not is_named(claim, names)}
    after = msgspec.structs.replace(before, claims=kept | made.claims)
    for line in changes(before, after):
        click.echo(line)
    _write(after, file)


def _write(made: Baseline, file: Path) -> None:
    from harness.gate.baseline import write as write_baseline

    write_baseline(made, file)
    click.echo(f"{file}: {len(made.claims)} claims of {made.implementation}")


def changes(before: Baseline, after: Baseline) -> list[str]:
    """One line for each claim whose entry differs, for the reviewer."""
    lines = []
    for claim in sorted({*before.claims, *after.claims}):
        old, new = before.claims.get(claim), after.claims.get(claim)
        if old is None or new is None:
            lines.append(f"{'+' if old is None else '-'} {claim}")
        elif old != new:
            verdict = f"{old.outcome} became {new.outcome}" if old.outcome is not new.outcome else new.outcome
            values = "" if (old.seeds, old.samples) == (new.seeds, new.samples) else ", other values"
            lines.append(f"~ {claim}: {verdict}{values}")
    return lines


def _make_baseline(
    names: tuple[str, ...],
    place: Path | None,
    implementation: Path | None,
    seeds: int | None,
    tier: str,
    device: str,
    trusted: bool,
) -> Baseline:
    from harness.cli.tables import console
    from harness.gate import run
    from harness.gate.protocol import OpenProject
    from repro.record.store import Store
    from repro.trial.recording import save

    own = str(implementation) if implementation else None
    project = OpenProject(root=str(project_root()), implementation=own, device=device, trusted=trusted)
    target = run.GateTarget(project=project, tiers=tiers_of(tier))
    if place is not None:
        if seeds is not None:
            raise ReproError("The seeds of records are fixed", "Give --seeds or --from, not both.")
        found = run.narrowed(run.load_baseline(place, target), names, target)
        stated = {claim.id for claim in Catalogue(target.root).claims}  # records of claims that are gone stay published
        return msgspec.structs.replace(found, claims={name: e for name, e in found.claims.items() if name in stated})
    with console().status("judging") as status, target.working_tree() as revision:
        made = run.judge_baseline(revision, names, target, lambda line: _show(line, status.update), seeds)
        store = Store(store_dir(), index_url())
        for record in revision.records:
            save(store, record)
        return made


def _show(line: str, update: Callable[[str], None]) -> None:
    """Show progress, which the next line overwrites; what was left out stays to be read."""
    if " is left out: " in line:
        click.echo(line, err=True)
    else:
        update(line)
