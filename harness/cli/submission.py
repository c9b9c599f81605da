"""`repro submission`: somebody's implementation, from a template to a record."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.run import judge
from repro.claim.catalogue import matches
from repro.errors import unknown
from repro.paths import project_root, published_dir, store_dir
from repro.trial.judge import resolve_device

if TYPE_CHECKING:
    from harness.submission.submission import Submission

PATH = click.argument("path", type=click.Path(path_type=Path), metavar="FOLDER")
TRUSTED = click.option("--trusted", is_flag=True, help="Without a jail: only for code of your own; the record says so.")
SALT = click.option("--salt", default="", help="Derive the seeds that it is given from this text as well.")
STORE = click.option("--store", type=click.Path(path_type=Path), help="Where records are written.")


@click.group()
def submission() -> None:
    """Have your own implementation judged by the same claims, isolated from what judges it."""


@submission.command()
@click.argument("paper")
@click.argument("target", type=click.Path(path_type=Path), metavar="FOLDER")
def new(paper: str, target: Path) -> None:
    """Write a submission that passes, to start from."""
    from harness.submission.template import new as write

    made = write(paper, target)
    click.echo(f"{made}/ is a copy of the reference of {paper}, which passes. Next: repro submission check {made}")


@submission.command()
@PATH
@TRUSTED
def check(path: Path, trusted: bool) -> None:
    """Check a submission without scoring it: its folder, then, in its jail, the audits of its contract."""
    from harness.submission.submission import Submission

    if not _audited(Submission.at(path, trusted=trusted)):
        raise SystemExit(1)


@submission.command()
@PATH
@click.argument("claims", nargs=-1, metavar="[CLAIM]...")
@TRUSTED
@SALT
@STORE
@click.option("--tier", default="cpu", show_default=True, help="cpu, long, gpu, or all.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="What trials run on.")
@click.option("--no-costs", is_flag=True, help="Do not time it beside the reference.")
@click.option("-n", "--jobs", help="Processes, as in pytest -n (needs pytest-xdist).")
def run(path: Path, claims: tuple[str, ...], no_costs: bool, jobs: str | None, **given: Any) -> None:
    """Audit a submission, time it beside the reference, judge the claims that it answers, and write their records."""
    from harness.pytest_plugin.options import SessionOptions
    from harness.submission.submission import Submission

    found = Submission.at(path, trusted=given["trusted"], salt=given["salt"])
    paper = found.checked.manifest.paper
    names = [claim if claim.startswith(f"{paper}/") else f"{paper}/{claim}" for claim in claims]
    for name in names:
        if not any(matches(claim.id, name) for claim in found.checked.claims):
            raise unknown("claim that it answers", name, {claim.id for claim in found.checked.claims})
    if found.report is None and not _audited(found):
        raise SystemExit(1)
    if not no_costs:
        _timed(found, given["device"])
    options = SessionOptions(claim=tuple(names), implementation=path, **given)
    raise SystemExit(judge(project_root(), [paper], options, jobs, found))


@submission.command()
@PATH
@STORE
def publish(path: Path, store: Path | None) -> None:
    """Copy the newest record of each claim it was judged by into leaderboard/records/, for a pull request."""
    from harness.publish import publish_submission
    from harness.submission.submission import Submission
    from repro.record.store import Store

    own = Submission.at(path).known
    for file in publish_submission(Store(store or store_dir(), read_only=True), published_dir(), own):
        click.echo(file)


@submission.command()
@PATH
@STORE
@click.option("-n", "--jobs", help="Processes, as in pytest -n (needs pytest-xdist).")
def verify(path: Path, store: Path | None, jobs: str | None) -> None:
    """Judge a published submission anew, on fresh seeds, and mark what comes out the same as verified."""
    from harness.publish import verify_submission
    from harness.pytest_plugin.options import SessionOptions
    from harness.submission.submission import Submission
    from repro.record.store import Store

    salt = secrets.token_hex(8)
    found = Submission.at(path, salt=salt)
    if not _audited(found):  # anew, since the salt draws what is looked at
        raise SystemExit(1)
    options = SessionOptions(implementation=path, salt=salt, store=store)
    judge(project_root(), [found.checked.manifest.paper], options, jobs, found)
    fresh = Store(store or store_dir(), read_only=True)
    differ = 0
    for rerun in verify_submission(fresh, published_dir(), found.known, salt):
        differ += rerun.path is None
        click.echo(f"{rerun.claim}: {rerun.before}, now {rerun.after or 'no verdict'}: {rerun.path or 'not verified'}")
    if differ:
        raise SystemExit(1)


def _audited(found: Submission) -> bool:
    """Run the audits, a line each; whether all passed."""
    click.echo(f"{found.checked.manifest.name}: {len(found.checked.files)} files, {found.host.isolation}")
    passed = True
    for result in found.audit():
        click.echo(f"{'ok' if result.passed else '--'}  {result.audit}: {result.message}")
        passed &= result.passed
    return passed


def _timed(found: Submission, device: str) -> None:
    from harness.cli.tables import console

    if found.report is not None and found.report.costs:
        return
    with console().status("timing it beside the reference") as status:
        for pairs in found.measure(resolve_device(device)):
            status.update(f"timing it beside the reference: {pairs} pairs of runs")
    known = found.report
    for ratio in known.costs if known else ():
        interval = "" if ratio.low is None else f" [{ratio.low:.2f}, {ratio.high:.2f}]"
        click.echo(f"{ratio.what}: {ratio.ratio:.2f}{interval} of the reference's {ratio.reference:.3g} {ratio.unit}")
