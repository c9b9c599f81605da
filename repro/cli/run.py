"""`repro run`: claims by name, through pytest."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.argument("names", nargs=-1, metavar="[PAPER | CLAIM]...")
@click.option("--controls", is_flag=True, help="Also run the sabotaged controls, which must be rejected.")
@click.option("--tier", default=None, help="cpu, gpu, cluster, or all; by default that of the named claims.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", help="What trials run on.")
@click.option("--seeds", type=int, help="Seeds per arm instead of each claim's own number.")
@click.option("--implementation", type=click.Path(path_type=Path), help="Judge this one, not the reference.")
@click.option("--store", type=click.Path(path_type=Path), help="Where records are written.")
@click.option("--no-cache", is_flag=True, help="Compute every trial again.")
@click.option("-n", "--jobs", help="Processes, as in pytest -n (needs pytest-xdist).")
def run(
    names: tuple[str, ...],
    controls: bool,
    tier: str | None,
    device: str,
    seeds: int | None,
    implementation: Path | None,
    store: Path | None,
    no_cache: bool,
    jobs: str | None,
) -> None:
    """Run claims and write their records; the same as pytest claims/ with a selection."""
    import pytest

    from repro.catalogue import Catalogue

    catalogue = Catalogue()
    chosen = catalogue.select(names)
    tiers = tier or (",".join(sorted({c.tier for c in chosen})) if any("/" in name for name in names) else "cpu")
    files = sorted({str(catalogue.root / "claims" / f"test_{c.paper.key}.py") for c in chosen})
    arguments = [*files, f"--rootdir={catalogue.root}", "--tier", tiers, "--device", device]
    arguments += [word for name in names for word in ("--claim", name)]
    arguments += ["--controls"] * controls + ["--no-cache"] * no_cache
    for option, value in (("--seeds", seeds), ("--implementation", implementation), ("--store", store), ("-n", jobs)):
        arguments += [option, str(value)] if value is not None else []
    sys.exit(int(pytest.main(arguments)))
