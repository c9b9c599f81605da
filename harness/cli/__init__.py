"""The command line: `repro claims | plan | run | submission | gate | show | verify | publish | leaderboard | ...`."""

from __future__ import annotations

import io
import sys

import click

from harness.cli.baseline import baseline
from harness.cli.board import export, leaderboard, serve, token
from harness.cli.calibrate import calibrate
from harness.cli.claims import claims
from harness.cli.data import data
from harness.cli.doctor import doctor
from harness.cli.gate import gate
from harness.cli.paper import paper
from harness.cli.plan import plan
from harness.cli.readme import readme
from harness.cli.records import publish, show, verify
from harness.cli.run import run
from harness.cli.store import store
from harness.cli.submission import submission
from repro.errors import ReproError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="repro")
def cli() -> None:
    """Reproduce the claims of the papers that made deep learning."""


for command in (
    *(claims, plan, run, submission, gate, baseline, show, verify, publish, calibrate),
    *(paper, data, doctor, leaderboard, serve, token, export, readme, store),
):
    cli.add_command(command)


def main() -> None:
    """The console script: an error that a user can mend is two lines on stderr and exit code 1.

    So is what the system refuses, such as a name that is too long.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without some character shows another, and nothing fails
    try:
        cli(standalone_mode=True)
    except ReproError as error:
        click.echo(f"error: {error.problem}", err=True)
        if error.remedy:
            click.echo(f"       {error.remedy}", err=True)
        sys.exit(1)
    except OSError as error:
        what = f": {str(error.filename)[:200]}" if error.filename is not None else ""
        click.echo(f"error: {error.strerror or error}{what}", err=True)
        sys.exit(1)
