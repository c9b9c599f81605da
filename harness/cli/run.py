"""`repro run`: claims by name, through pytest; their trials first on a cluster, if asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.plan import asked, planned, summary
from repro.claim.catalogue import Catalogue

if TYPE_CHECKING:
    from harness.pytest_plugin.options import SessionOptions
    from harness.submission.submission import Submission


@click.command()
@click.argument("names", nargs=-1, metavar="[PAPER | CLAIM]...")
@click.option("--controls", is_flag=True, help="Also run the sabotaged controls, which must be rejected.")
@click.option("--tier", default=None, help="cpu, long, gpu, cluster, or all; by default that of the named claims.")
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
def run(names: tuple[str, ...], jobs: str | None, engine: str, address: str | None, **given: Any) -> None:
    """Run claims and write their records; the same as pytest claims/ with a selection."""
    catalogue = Catalogue()
    chosen = catalogue.select(names)
    options = asked(chosen, names, **given)
    lost: set[str] = set()
    if options.without_gpu and options.implementation is None:
        click.echo(summary(planned(catalogue, options).total))
    if engine == "ray":
        from harness.cli.engine import check, compute

        check(options, jobs, address)
        lost, jobs = compute(options, catalogue, address, jobs), None
        chosen = [claim for claim in chosen if claim.id not in lost]
        if not chosen:
            sys.exit(1)
        if lost:
            options = replace(options, claim=tuple(claim.id for claim in chosen))
    sys.exit(judge(catalogue.root, {claim.paper.key for claim in chosen}, options, jobs) or bool(lost))


def judge(
    root: Path, papers: Iterable[str], options: SessionOptions, jobs: str | None, submission: Submission | None = None
) -> int:
    """Run pytest in this process on the claims of papers; its exit code.

    `submission` is what `options.implementation` names, where it has been checked already.
    """
    import pytest

    from harness.pytest_plugin.hooks import Handover

    files = sorted(str(root / "claims" / f"test_{paper}.py") for paper in papers)
    words = [*files, f"--rootdir={root}", *options.arguments(), *(["-n", jobs] if jobs is not None else [])]
    words += ["-W", "ignore:Module already imported so cannot be rewritten:pytest.PytestAssertRewriteWarning"]
    return int(pytest.main(words, [Handover(submission)] if submission is not None else None))
