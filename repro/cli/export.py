"""`repro export`: the board in other forms."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import click

from repro.errors import ReproError


@click.group()
def export() -> None:
    """Write the board in a form that needs no server."""


@export.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--url", metavar="BASE", default="", help="Where it will lie: for canonical links and a site map.")
@click.option(
    "--store",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Export this store beside the published records.",
)
def site(folder: Path, url: str, store: Path | None) -> None:
    """Write the board as a static site: pages, records, CSV, JSON and badges; no server and no script.

    FOLDER must be missing, empty, or an earlier export, which is replaced in one step when everything is written.
    """
    if importlib.util.find_spec("altair") is None:
        raise ReproError("The export needs altair and pandas", "Run pip install -e '.[board]'.")
    from repro.paths import project_root, store_environment

    if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc):
        raise ReproError(f"{url} is no web address", "Give one such as https://example.org/board/.")
    base = f"{url.rstrip('/')}/" if url else ""
    environment = store_environment(store)
    command = [sys.executable, "-m", "leaderboard.site", str(folder.absolute()), "--url", base]
    os.chdir(project_root())  # where leaderboard/ lies
    sys.stdout.flush()
    os.execve(sys.executable, command, environment)
