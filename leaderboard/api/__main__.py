"""Run the service: `repro serve`, which says first what today's claims are."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
import uvicorn

from leaderboard.api.app import create
from leaderboard.api.connections import settings
from leaderboard.api.ingest import read_known
from repro.errors import ReproError
from repro.paths import index_url, published_dir, store_dir
from repro.record.store import Store


@click.command()
@click.option("--address", required=True)
@click.option("--port", type=int, required=True)
@click.option("--known", type=click.Path(path_type=Path), help="What today's claims say; without it any is taken.")
@click.option("--per-minute", type=float, required=True)
@click.option("--burst", type=int, required=True)
@click.option("--largest", type=int, required=True)
def serve(address: str, port: int, known: Path | None, per_minute: float, burst: int, largest: int) -> None:
    """Serve until stopped."""
    try:
        app = create(
            Store(store_dir(), index_url()),
            Store(published_dir().parent, read_only=True),
            read_known(known) if known is not None else None,
            largest=largest,
            per_minute=per_minute,
            burst=burst,
        )
    except ReproError as error:
        click.echo(f"error: {error.problem}", err=True)
        if error.remedy:
            click.echo(f"       {error.remedy}", err=True)
        sys.exit(1)
    proxies = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1,::1")
    uvicorn.Server(
        settings(app, host=address, port=port, timeout_graceful_shutdown=20, forwarded_allow_ips=proxies)
    ).run()


if __name__ == "__main__":
    serve(prog_name="repro serve")
