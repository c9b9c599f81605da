"""`repro gate`: whether a change made anything worse, for CI."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from repro.claim.claim import tiers_of
from repro.errors import ReproError
from repro.paths import index_url, project_root, store_dir

if TYPE_CHECKING:
    from harness.gate.result import Decision

PATH = click.Path(path_type=Path, dir_okay=False)


class GateCommand(click.Command):
    """A command whose mistaken options exit with 3: the exit code 2 of a gate means undecided."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """As click does it."""
        try:
            return super().make_context(*args, **extra)
        except click.UsageError as error:
            error.show()
            raise click.exceptions.Exit(3) from error


@click.command(cls=GateCommand)
@click.argument("names", nargs=-1, metavar="[PAPER | CLAIM]...")
@click.option(
    "--baseline", default="baseline.json", show_default=True, help="File, folder of such files or of records, or REV."
)
@click.option("--against", default="", metavar="REV", help="Also run this revision: fresh seeds, and costs.")
@click.option("--implementation", type=click.Path(path_type=Path), help="Gate this submission, not the references.")
@click.option("--changed-since", default="", metavar="REV", help="Only claims that the change since REV touches.")
@click.option("--costs", metavar="EXPR", help="Such as 'time<1.05, memory<1.10'; '' for none. Needs --against.")
@click.option("--time", "timed", multiple=True, metavar="CLAIM", help="Time this claim's first arm (repeatable).")
@click.option("--pairs", type=click.IntRange(min=2), default=20, show_default=True, help="Of timed runs, at most.")
@click.option("--seeds", type=int, help="Seeds of the first look at values, instead of each claim's own number.")
@click.option("--fresh", type=int, default=24, show_default=True, help="Fresh seeds that a suspicion may take.")
@click.option("--tier", default="cpu", show_default=True, help="cpu, long, gpu, cluster, several with commas, or all.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", help="What trials run on.")
@click.option("--trusted", is_flag=True, help="Run the submission without a jail.")
@click.option("--salt", default="", help="Derive the submission's seeds from this text as well.")
@click.option("--store", type=click.Path(path_type=Path), help="Where records are written.")
@click.option("--json", "json_file", type=PATH, help="Write the decision as JSON.")
@click.option("--markdown", "markdown_file", type=PATH, help="Write a summary; on GitHub, also the step's summary.")
@click.option("--junit", "junit_file", type=PATH, help="Write JUnit XML.")
@click.option("--annotations/--no-annotations", default=None, help="Print GitHub's annotations; by default on GitHub.")
def gate(
    baseline: str,
    against: str,
    costs: str | None,
    seeds: int | None,
    fresh: int,
    tier: str,
    implementation: Path | None,
    device: str,
    trusted: bool,
    salt: str,
    store: Path | None,
    json_file: Path | None,
    markdown_file: Path | None,
    junit_file: Path | None,
    annotations: bool | None,
    **selected: Any,
) -> None:
    """Fail if a claim that held no longer does, if quality dropped, or if costs rose.

    Exit codes: 0 fine, 1 regression, 2 undecided, 3 the gate could not run.
    """
    from rich.console import Console

    from harness.gate import run as gate_run
    from harness.gate.gate import SeedBudget
    from harness.gate.protocol import OpenProject
    from repro.record.store import Store

    own = str(implementation) if implementation else None
    try:
        project = OpenProject(root=str(project_root()), implementation=own, device=device, trusted=trusted, salt=salt)
        target = gate_run.GateTarget(project=project, tiers=tiers_of(tier))
        options = gate_run.GateOptions(
            baseline=baseline,
            against=against,
            costs=costs if costs is not None else gate_run.COSTS if against else "",
            budget=SeedBudget(seeds=seeds, fresh=fresh),
            **selected,
        )
        # stdout has the decision alone
        with _ended_like_interrupted(), Console(stderr=True).status("gate") as status:
            decision = gate_run.run(target, options, status.update, Store(store or store_dir(), index_url()))
    except (Exception, KeyboardInterrupt) as error:  # exit code 1 is a regression: nothing else may end with it
        if not isinstance(error, ReproError | KeyboardInterrupt):
            traceback.print_exc()
        decision = gate_run.failure(error, baseline, against)
    on_github = annotations if annotations is not None else os.environ.get("GITHUB_ACTIONS") == "true"
    printed = _delivered(lambda: _print(decision, on_github))  # if one way fails, the other is still tried
    written = _delivered(lambda: _write(decision, json_file, markdown_file, junit_file))
    sys.exit(decision.exit if printed and written else 3)


@contextlib.contextmanager
def _ended_like_interrupted() -> Iterator[None]:
    """Let SIGTERM, as a CI that cancels a job sends it, clean up like Ctrl-C: other revisions are checked out then."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _delivered(deliver: Callable[[], None]) -> bool:
    """Whether a disk or a pipe took the decision; if not, print why."""
    try:
        deliver()
        sys.stdout.flush()
    except OSError as error:
        click.echo(f"error: {error.filename or 'the decision'} cannot be written ({error.strerror})", err=True)
        if error.filename is None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more is written there
        return False
    return True


def _write(decision: Decision, json_file: Path | None, markdown_file: Path | None, junit_file: Path | None) -> None:
    from harness.gate import report

    for path, data in ((json_file, report.json_report), (junit_file, report.junit_report)):
        if path is not None:
            path.write_bytes(data(decision))
    if markdown_file is not None:
        markdown_file.write_text(report.markdown_report(decision), encoding="utf-8")
    step = os.environ.get("GITHUB_STEP_SUMMARY")
    if step:
        room = report.MAX_SUMMARY_BYTES - (Path(step).stat().st_size if Path(step).exists() else 0)
        with Path(step).open("a", encoding="utf-8") as file:
            file.write(report.markdown_report(decision, max(room, 1024)))


def _print(decision: Decision, annotated: bool) -> None:
    from harness.cli.tables import console, gate_sheet
    from harness.gate import report

    console().print(gate_sheet(decision, report.summary(decision)))
    if annotated:
        for line in report.github_annotations(decision, _prefix()):
            click.echo(line)


def _prefix() -> str | None:
    """Where the project lies in the repository that GitHub checked out, as "folder/"; None if it is not in there."""
    top, root = os.environ.get("GITHUB_WORKSPACE"), project_root().resolve()
    if not top:
        return ""
    if not root.is_relative_to(Path(top).resolve()):
        return None
    return f"{root.relative_to(Path(top).resolve()).as_posix()}/".removeprefix("./")
