"""`repro baseline`: the reviewed file that a gate compares with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from repro.errors import ReproError

if TYPE_CHECKING:
    from harness.baseline import Baseline

FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
NAMES = click.argument("names", nargs=-1, metavar="[PAPER | CLAIM]...")
FROM = click.option(
    "--from", "place", type=click.Path(path_type=Path, file_okay=False, exists=True), help="Take records from here."
)
IMPLEMENTATION = click.option("--implementation", type=click.Path(path_type=Path), help="Of this submission.")
SEEDS = click.option("--seeds", type=click.IntRange(min=2), help="Keep values at so many seeds, for smaller drops.")
TIER = click.option("--tier", default="cpu", show_default=True, help="cpu, gpu, cluster, several with commas, or all.")
DEVICE = click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", help="To run on.")
TRUSTED = click.option("--trusted", is_flag=True, help="Run the submission without a jail.")


@click.group()
def baseline() -> None:
    """Write, show and update the baseline of a gate."""


@baseline.command()
@FILE
@NAMES
@FROM
@IMPLEMENTATION
@SEEDS
@TIER
@DEVICE
@TRUSTED
def write(
    file: Path,
    names: tuple[str, ...],
    place: Path | None,
    implementation: Path | None,
    seeds: int | None,
    tier: str,
    device: str,
    trusted: bool,
) -> None:
    """Judge claims here, or take records with --from, and write FILE for review."""
    from harness.baseline import write as keep

    found = _measured(names, place, implementation, seeds, tier, device, trusted)
    keep(found, file)
    click.echo(f"{file}: {len(found.claims)} claims of {found.implementation}")


@baseline.command()
@FILE
def show(file: Path) -> None:
    """Show what a baseline holds."""
    from harness.baseline import read
    from repro.cli.tables import baseline_table, console

    found = read(file)
    console().print(baseline_table(found))
    click.echo(f"{len(found.claims)} claims of {found.implementation}")


@baseline.command()
@FILE
@NAMES
@FROM
@IMPLEMENTATION
@SEEDS
@TIER
@DEVICE
@TRUSTED
def update(
    file: Path,
    names: tuple[str, ...],
    place: Path | None,
    implementation: Path | None,
    seeds: int | None,
    tier: str,
    device: str,
    trusted: bool,
) -> None:
    """Judge the named claims, or all, anew; say what changed in FILE, and write it."""
    from harness.baseline import Baseline, read
    from harness.baseline import write as keep
    from repro.catalogue import matches_id

    before = read(file)
    found = _measured(names, place, implementation, seeds, tier, device, trusted)
    if found.implementation != before.implementation:
        raise ReproError(f"{file} is of {before.implementation}, not of {found.implementation}", "Write another file.")
    kept = {
        claim: entry
        for claim, entry in before.claims.items()
        if names and not any(matches_id(claim, name) for name in names)
    }
    after = Baseline(implementation=before.implementation, claims=kept | found.claims)
    for line in changes(before, after):
        click.echo(line)
    keep(after, file)
    click.echo(f"{file}: {len(after.claims)} claims of {after.implementation}")


def changes(before: Baseline, after: Baseline) -> list[str]:
    """One line for each claim whose entry differs: what a reviewer should know."""
    lines = []
    for claim in sorted({*before.claims, *after.claims}):
        old, new = before.claims.get(claim), after.claims.get(claim)
        if old is None or new is None:
            lines.append(f"{'+' if old is None else '-'} {claim}")
        elif old != new:
            verdict = f"{old.word} became {new.word}" if old.word != new.word else new.word
            values = "" if (old.seeds, old.samples) == (new.seeds, new.samples) else ", other values"
            lines.append(f"~ {claim}: {verdict}{values}")
    return lines


def _measured(
    names: tuple[str, ...],
    place: Path | None,
    implementation: Path | None,
    seeds: int | None,
    tier: str,
    device: str,
    trusted: bool,
) -> Baseline:
    from harness import check
    from repro.cli.gate import tiers_of
    from repro.cli.tables import console
    from repro.paths import index_url, project_root, store_dir
    from repro.publish import save
    from repro.store import Store

    subject = check.Subject(
        root=project_root(), implementation=implementation, device=device, trusted=trusted, tiers=tiers_of(tier)
    )
    if place is not None:
        if seeds is not None:
            raise ReproError("Records hold the seeds that they hold", "Leave --seeds or --from out.")
        return check.narrowed(check.stored(place, subject), names, subject)
    with console().status("judging") as status, subject.side() as side:
        found = check.judged(side, names, subject, lambda line: _said(line, status.update), seeds)
        store = Store(store_dir(), index_url())
        for record in side.records:
            save(store, record)
        return found


def _said(line: str, update: Callable[[str], None]) -> None:
    """Progress is overwritten, but what was left out stays to be read."""
    if " is left out: " in line:
        click.echo(line, err=True)
    else:
        update(line)
