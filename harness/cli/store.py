"""`repro store`: the index of a store."""

from __future__ import annotations

from pathlib import Path

import click

from repro.paths import index_url, store_dir


@click.group()
def store() -> None:
    """Look after a store of records."""


@store.command()
@click.option("--store", "folder", type=click.Path(file_okay=False, path_type=Path), help="REPRO_STORE by default.")
def rebuild(folder: Path | None) -> None:
    """Read all record files into the index again: they are the truth, and it is derived from them.

    A file that is no valid record stays where it is; it is listed, and the exit code is 1 then.
    """
    from repro.errors import ReproError
    from repro.record.store import Store

    root = folder or store_dir()
    if not root.is_dir():
        raise ReproError(f"There is no store at {root}", "Give its folder with --store, or set REPRO_STORE.")
    found = Store(root, index_url())
    found.rebuild()
    problems = found.problems()
    for problem in problems:
        click.echo(f"{problem.path}: {problem.reason}")
    click.echo(f"the index of {root} has {len(found.rows())} records")
    if problems:
        raise SystemExit(1)
