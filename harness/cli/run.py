"""`repro run`: claims by name, through pytest; their trials first on a cluster, if asked for."""

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
@click.option("--implementation", type=click.Path(path_type=Path), help="Judge this submission, not the reference.")
@click.option("--trusted", is_flag=True, help="Run that implementation without a jail; its record says so.")
@click.option("--salt", default="", help="Derive that implementation's seeds from this text as well.")
@click.option("--store", type=click.Path(path_type=Path), help="Where records are written.")
@click.option("--no-cache", is_flag=True, help="Compute every trial again.")
@click.option("-n", "--jobs", help="Processes, as in pytest -n (needs pytest-xdist); of a local cluster, its workers.")
@click.option("--engine", type=click.Choice(["pytest", "ray"]), default="pytest", help="What computes trials.")
@click.option("--address", envvar="RAY_ADDRESS", help="Ray: HOST:PORT or auto; by default a cluster is started here.")
def run(
    names: tuple[str, ...],
    controls: bool,
    tier: str | None,
    device: str,
    seeds: int | None,
    implementation: Path | None,
    trusted: bool,
    salt: str,
    store: Path | None,
    no_cache: bool,
    jobs: str | None,
    engine: str,
    address: str | None,
) -> None:
    """Run claims and write their records; the same as pytest claims/ with a selection."""
    from repro.catalogue import Catalogue
    from repro.cli.plan import Selection, tiers

    catalogue = Catalogue()
    chosen = catalogue.select(names)
    tiers_asked = tier or tiers(names, chosen)
    lost: set[str] = set()
    if engine == "ray":
        from repro.cli.engine import check, compute

        check(implementation, no_cache=no_cache, jobs=jobs, address=address)
        selection = Selection(names=names, controls=controls, tier=tiers_asked, device=device, seeds=seeds, store=store)
        lost, jobs = compute(selection, catalogue, address, jobs), None
        chosen = [claim for claim in chosen if claim.id not in lost]
        names = tuple(claim.id for claim in chosen) if lost else names
        if not chosen:
            sys.exit(1)
    files = sorted({str(catalogue.root / "claims" / f"test_{c.paper.key}.py") for c in chosen})
    arguments = [*files, f"--rootdir={catalogue.root}", "--tier", tiers_asked, "--device", device]
    arguments += [word for name in names for word in ("--claim", name)]
    arguments += ["--controls"] * controls + ["--no-cache"] * no_cache + ["--trusted"] * trusted
    arguments += ["--salt", salt] if salt else []
    for option, value in (("--seeds", seeds), ("--implementation", implementation), ("--store", store), ("-n", jobs)):
        arguments += [option, str(value)] if value is not None else []
    sys.exit(judge(arguments) or bool(lost))


def judge(arguments: list[str]) -> int:
    """Run pytest with these arguments; its exit code."""
    import pytest

    quiet = "ignore:Module already imported so cannot be rewritten:pytest.PytestAssertRewriteWarning"
    return int(pytest.main([*arguments, "-W", quiet]))
