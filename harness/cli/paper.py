"""`repro paper`: write the files of a new paper, and say what a paper's files lack."""

from __future__ import annotations

import click

from repro.paths import project_root

KEY = click.argument("key")


@click.group()
def paper() -> None:
    """Write the skeleton of a paper, and check a paper before CI does."""


@paper.command()
@KEY
def new(key: str) -> None:
    """Write the files of the paper KEY, as in he2015 or cs231n: one claim and one control, which fail."""
    from harness.paper.skeleton import MARK, write

    for path in write(key, project_root()):
        click.echo(path)
    click.echo(f"Fill in what says {MARK}, the oracle first; then: repro paper check {key}")


@paper.command()
@KEY
def check(key: str) -> None:
    """Say what the paper KEY lacks, one line each; exit with 1 if anything."""
    from harness.paper.checks import missing

    found = list(missing(key, project_root()))
    for rule, line in found:
        click.echo(f"{rule}: {line}")
    if found:
        raise SystemExit(1)
    click.echo(f"{key} is complete.")
