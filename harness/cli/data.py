"""`repro data`: the datasets."""

from __future__ import annotations

import click

from repro import data as datasets


@click.group()
def data() -> None:
    """List, get and verify datasets."""


@data.command("list")
def list_() -> None:
    """Every dataset, with its origin and whether it is here."""
    for name in datasets.names():
        facts, here = datasets.describe(name), "here" if datasets.available(name) else "-"
        click.echo(f"{name:<10} {here:<5} {facts.says}; {facts.url}")


@data.command()
@click.argument("names", nargs=-1, required=True)
def get(names: tuple[str, ...]) -> None:
    """Download datasets from their canonical addresses and check them."""
    from rich.progress import Progress

    with Progress(transient=True) as bar:
        for name in names:
            task = bar.add_task(name, total=None)
            datasets.fetch(name, lambda done, total, task=task: bar.update(task, completed=done, total=total))
            datasets.load(name)
            click.echo(f"{name}: here and verified")


@data.command()
@click.argument("names", nargs=-1)
def verify(names: tuple[str, ...]) -> None:
    """Read datasets and check every checksum; all that are here if none is named."""
    for name in names or [n for n in datasets.names() if datasets.available(n)]:
        loaded = datasets.load(name)
        note = f"; {loaded.note}" if loaded.note else ""
        click.echo(f"{name}: {len(loaded.train)} + {len(loaded.test)} items, sha256 {loaded.digest}{note}")
