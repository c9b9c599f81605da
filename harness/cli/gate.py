"""`repro gate`: whether a change made anything worse, for CI."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from harness.check import Question, Subject
    from harness.decision import Decision

PATH = click.Path(path_type=Path, dir_okay=False)


class Command(click.Command):
    """A command whose mistaken options exit with 3: of a gate, 2 means undecided."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """As click does it."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            error.show()
            raise click.exceptions.Exit(3) from error


@click.command(cls=Command)
@click.argument("names", nargs=-1, metavar="[PAPER | CLAIM]...")
@click.option("--baseline", default="baseline.json", show_default=True, help="FILE, folder of records, or REV.")
@click.option("--against", default="", metavar="REV", help="Run this revision beside: fresh seeds of both, and costs.")
@click.option("--implementation", type=click.Path(path_type=Path), help="Gate this submission, not the references.")
@click.option("--changed-since", default="", metavar="REV", help="Only claims that the change since REV touches.")
@click.option("--costs", metavar="EXPR", help="Such as 'time<1.05, memory<1.10'; '' for none. Needs --against.")
@click.option("--time", "timed", multiple=True, metavar="CLAIM", help="Time this claim's first arm (repeatable).")
@click.option("--pairs", type=click.IntRange(min=2), default=20, show_default=True, help="Of timed runs, at most.")
@click.option("--seeds", type=int, help="Seeds of the first look at values, instead of each claim's own number.")
@click.option("--fresh", type=int, default=24, show_default=True, help="Fresh seeds that a suspicion may take.")
@click.option("--tier", default="cpu", show_default=True, help="cpu, gpu, cluster, several with commas, or all.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", help="What trials run on.")
@click.option("--trusted", is_flag=True, help="Run the submission without a jail.")
@click.option("--salt", default="", help="Derive the submission's seeds from this text as well.")
@click.option("--store", type=click.Path(path_type=Path), help="Where records are written.")
@click.option("--json", "json_file", type=PATH, help="Write the decision as JSON.")
@click.option("--markdown", "markdown_file", type=PATH, help="Write a summary; on GitHub, also the step's summary.")
@click.option("--junit", "junit_file", type=PATH, help="Write JUnit XML.")
@click.option("--annotations/--no-annotations", default=None, help="Print GitHub's annotations; by default on GitHub.")
def gate(
    names: tuple[str, ...],
    baseline: str,
    against: str,
    implementation: Path | None,
    changed_since: str,
    costs: str | None,
    timed: tuple[str, ...],
    pairs: int,
    seeds: int | None,
    fresh: int,
    tier: str,
    device: str,
    trusted: bool,
    salt: str,
    store: Path | None,
    json_file: Path | None,
    markdown_file: Path | None,
    junit_file: Path | None,
    annotations: bool | None,
) -> None:
    """Fail if a claim that held does not, if quality dropped, or if it became dearer.

    Exit codes: 0 fine, 1 regression, 2 undecided, 3 the gate could not run.
    """
    from harness import check
    from harness.gate import Plan
    from repro.paths import project_root

    question = check.Question(baseline=baseline, against=against)
    try:
        subject = check.Subject(
            root=project_root(),
            implementation=implementation,
            device=device,
            trusted=trusted,
            salt=salt,
            tiers=tiers_of(tier),
        )
        question = check.Question(
            baseline=baseline,
            against=against,
            names=names,
            changed_since=changed_since,
            costs=costs if costs is not None else check.COSTS if against else "",
            timed=timed,
            pairs=pairs,
            plan=Plan(seeds=seeds, fresh=fresh),
        )
        decision = _run(subject, question, store)
    except (Exception, KeyboardInterrupt) as error:  # exit code 1 is a regression: nothing else may end with it
        from repro.errors import ReproError

        if not isinstance(error, ReproError | KeyboardInterrupt):
            traceback.print_exc()
        decision = check.failed(error, question)
    on_github = annotations if annotations is not None else os.environ.get("GITHUB_ACTIONS") == "true"
    told = _told(lambda: _print(decision, on_github))  # what is not written can at least be read, and the reverse
    written = _told(lambda: _write(decision, json_file, markdown_file, junit_file))
    sys.exit(decision.exit if told and written else 3)


def _told(tell: Callable[[], None]) -> bool:
    """Whether a disk or a pipe took the decision; if not, that is said."""
    try:
        tell()
        sys.stdout.flush()
    except OSError as error:
        click.echo(f"error: {error.filename or 'the decision'} cannot be written ({error.strerror})", err=True)
        if error.filename is None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is not tried again
        return False
    return True


def tiers_of(text: str) -> tuple[str, ...]:
    """The tiers that an option names.

    Raises:
        ReproError: for one that does not exist.
    """
    from repro.claim import TIERS
    from repro.errors import unknown

    if text == "all":
        return TIERS
    for name in text.split(","):
        if name not in TIERS:
            raise unknown("tier", name, [*TIERS, "all"])
    return tuple(text.split(","))


def _run(subject: Subject, question: Question, store: Path | None) -> Decision:
    from rich.console import Console

    from harness import check
    from repro.paths import index_url, store_dir
    from repro.store import Store

    with Console(stderr=True).status("gate") as status:  # what is printed is the decision alone
        return check.run(subject, question, status.update, Store(store or store_dir(), index_url()))


def _write(decision: Decision, json_file: Path | None, markdown_file: Path | None, junit_file: Path | None) -> None:
    from harness import outlets

    for path, data in ((json_file, outlets.to_json), (junit_file, outlets.junit)):
        if path is not None:
            path.write_bytes(data(decision))
    if markdown_file is not None:
        markdown_file.write_text(outlets.markdown(decision), encoding="utf-8")
    step = os.environ.get("GITHUB_STEP_SUMMARY")
    if step:
        room = outlets.MOST_BYTES - (Path(step).stat().st_size if Path(step).exists() else 0)
        with Path(step).open("a", encoding="utf-8") as file:
            file.write(outlets.markdown(decision, max(room, 1024)))


def _print(decision: Decision, annotated: bool) -> None:
    from harness import outlets
    from repro.cli.tables import console, gate_sheet

    console().print(gate_sheet(decision, outlets.summary(decision)))
    if annotated:
        for line in outlets.annotated(decision, _prefix()):
            click.echo(line)


def _prefix() -> str | None:
    """Where the project lies in the repository that GitHub checked out, as "folder/"; None if it is not in there."""
    from repro.paths import project_root

    top, root = os.environ.get("GITHUB_WORKSPACE"), project_root().resolve()
    if not top:
        return ""
    if not root.is_relative_to(Path(top).resolve()):
        return None
    return f"{root.relative_to(Path(top).resolve()).as_posix()}/".removeprefix("./")
