"""`repro leaderboard`: serve the board."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import click

from repro.errors import ReproError


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True, help="Port to serve on.")
@click.option("--address", default="localhost", show_default=True, help="Address to serve on.")
@click.option(
    "--store",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Show this store beside the published records.",
)
def leaderboard(port: int, address: str, store: Path | None) -> None:
    """Serve the leaderboard: the published records and the local store."""
    if importlib.util.find_spec("streamlit") is None:
        raise ReproError("The leaderboard needs streamlit", "Run pip install -e '.[board]'.")
    from repro.paths import project_root, store_environment

    root, environment = project_root(), store_environment(store)
    command = [sys.executable, "-m", "streamlit", "run", str(root / "leaderboard" / "server.py")]
    command += ["--server.port", str(port), "--server.address", address, "--server.headless", "true"]
    os.chdir(root)  # where Streamlit looks for its theme
    sys.stdout.flush()
    os.execve(sys.executable, command, environment)
