"""`repro run --engine ray`: the missing trials on a cluster, before pytest judges."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

from repro.claim.catalogue import Catalogue
from repro.errors import ReproError
from repro.machine.process_group import world
from repro.paths import cache_dir
from repro.trial.cache import Cache

if TYPE_CHECKING:
    from harness.cluster.plan import Plan
    from harness.cluster.scheduler import Progress, Report
    from harness.pytest_plugin.options import SessionOptions

INTERRUPTED = 2  # pytest's exit code
EVERY_S = 5.0  # of progress, one line at most this often where output goes to a file


def check(options: SessionOptions, jobs: str | None, address: str | None) -> None:
    """Check that options of `repro run` and an engine go together.

    Raises:
        ReproError: if not.
    """
    if options.implementation is not None:
        raise ReproError(
            "--engine ray runs references and controls; a submission runs in a jail on one machine",
            "Leave out --engine ray, or use `repro submission run`.",
        )
    if options.no_cache:
        raise ReproError("--engine ray hands its results on in the cache", "Set REPRO_CACHE to a new folder instead.")
    if jobs is not None and (address is not None or not jobs.isdigit()):
        raise ReproError("-n says how many workers a cluster that is started here has", "Give a number, no --address.")
    if world() > 1:
        raise ReproError("--engine ray sends each trial to one process, and torchrun has started several", "Take one.")


def compute(options: SessionOptions, catalogue: Catalogue, address: str | None, jobs: str | None) -> set[str]:
    """Compute the missing trials of a selection on a cluster, and keep them in the cache.

    Returns:
        Ids of claims that cannot be judged, since trials of theirs were lost with their workers again and again.

    Raises:
        ReproError: if there is no cluster, or its workers are another environment.
    """
    from harness.cli.plan import planned, summary

    lost: set[str] = set()
    while True:  # what a control needs further shows when its first trials have been judged
        found = planned(catalogue, options)
        click.echo(summary(found.total))
        if not found.missing:
            return lost
        report = _mapped(found, catalogue, address, int(jobs) if jobs else None)
        click.echo(f"{len(report.computed)} trials computed, {len(report.found)} found, {len(report.failed)} failed")
        for trial in found.missing:
            if trial.key in report.lost:
                lost |= {use.claim for use in trial.needed_by}
                click.echo(f"not judged: {', '.join(sorted(lost))}: {report.lost[trial.key]}", err=True)
        if report.failed or report.lost:
            return lost


def _mapped(found: Plan, catalogue: Catalogue, address: str | None, workers: int | None) -> Report:
    from harness.cluster.ray_pool import connected
    from harness.cluster.scheduler import Engine

    cache = Cache(cache_dir() / "trials")
    try:
        with connected(address, found.device, catalogue.root, workers) as pool, _progress() as say:
            return Engine(pool, cache, catalogue.root, say).map(found.missing)
    except KeyboardInterrupt:
        kept = sum(cache.path(trial.key).is_file() for trial in found.missing)
        click.echo(f"\nstopped: {kept} of {len(found.missing)} trials are done and kept; the same command resumes")
        sys.exit(INTERRUPTED)


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """Say how far the map is: one line that changes on a terminal, else a line now and then."""
    from harness.cli.tables import console

    if console().is_terminal:
        with console().status("waiting for workers") as status:
            yield lambda progress: status.update(_words(progress))
        return
    shown_at = time.monotonic()

    def say(progress: Progress) -> None:
        nonlocal shown_at
        if progress.done + progress.failed == progress.total or time.monotonic() - shown_at >= EVERY_S:
            shown_at = time.monotonic()
            click.echo(_words(progress))

    yield say


def _words(progress: Progress) -> str:
    words = [f"{progress.done} of {progress.total} trials", f"{progress.running} sent"]
    words += [f"{progress.elsewhere} computed elsewhere"] * bool(progress.elsewhere)
    words += [f"{progress.failed} failed"] * bool(progress.failed)
    return ", ".join(words) + (f"; {progress.last}" if progress.last else "")
