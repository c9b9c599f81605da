"""Write the export: `repro export site` runs this."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from leaderboard.board.queries import open_stores
from leaderboard.export.build import files
from leaderboard.export.folder import check, write
from leaderboard.render.guard import leave_out_faulty, left_out
from repro.errors import ReproError
from repro.record.index import Problem
from repro.record.store import MergedStore


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--url", default="", help="Where it will lie, with a slash at its end.")
def export(folder: Path, url: str) -> None:
    """Write the board into a folder."""
    try:
        check(folder)  # before the records are read
        stores = open_stores()
        if not stores.distinct("paper"):
            raise _nothing(stores.problems())
        count = _written(folder, stores, url)
        for problem in left_out(stores):
            click.echo(f"left out: {problem.path}: {problem.reason}", err=True)
    except ReproError as error:
        click.echo(f"error: {error.problem}", err=True)
        if error.remedy:
            click.echo(f"       {error.remedy}", err=True)
        sys.exit(1)
    click.echo(f"{count} files in {folder}; open {folder / 'index.html'}")


def _written(folder: Path, stores: MergedStore, url: str) -> int:
    """Write the export; where a record keeps a page from being made, without that record. How many files it has."""
    while True:
        try:
            return write(folder, files(stores, url))
        except ReproError:
            raise
        except Exception:
            if not leave_out_faulty(stores):
                raise


def _nothing(problems: list[Problem]) -> ReproError:
    if not problems:
        return ReproError("There are no records to export", "Run claims and publish them: repro run, repro publish.")
    first = f"{problems[0].path}: {problems[0].reason}"
    return ReproError(f"None of {len(problems)} record files can be read, such as {first}", "See `repro verify`.")


if __name__ == "__main__":
    export(prog_name="repro export site")
