"""`repro plan`: the trials that a selection of claims needs, and what they will cost."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.table import Table

    from repro.catalogue import Catalogue
    from repro.claim import Claim
    from repro.plan import Plan, Total


@click.command()
@click.argument("names", nargs=-1, metavar="[PAPER | CLAIM]...")
@click.option("--controls", is_flag=True, help="Also plan the sabotaged controls.")
@click.option("--tier", default=None, help="cpu, gpu, cluster, or all; by default that of the named claims.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", help="What trials run on.")
@click.option("--seeds", type=click.IntRange(min=1), help="Seeds per arm instead of each claim's own number.")
@click.option("--store", type=click.Path(path_type=Path), help="A store whose records say what trials cost.")
@click.option("--json", "as_json", is_flag=True, help="As JSON: docs/reference/plan.schema.json is its schema.")
def plan(
    names: tuple[str, ...],
    controls: bool,
    tier: str | None,
    device: str,
    seeds: int | None,
    store: Path | None,
    as_json: bool,
) -> None:
    """List the trials that claims need, which of them are in the cache, and what the others will cost."""
    import msgspec

    from repro.catalogue import Catalogue
    from repro.cli.tables import console

    asked = Selection(names=names, controls=controls, tier=tier, device=device, seeds=seeds, store=store)
    found = planned(Catalogue(), asked)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    console().print(plan_table(found))
    for left in found.left:
        click.echo(f"not planned: {left.claim}: {left.reason}")
    click.echo(summary(found.total))


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which claims are meant, and how they are to be run: the options of `repro plan`, and the same of `repro run`."""

    names: tuple[str, ...]
    controls: bool
    tier: str | None
    device: str
    seeds: int | None
    store: Path | None


def planned(catalogue: Catalogue, asked: Selection) -> Plan:
    """The plan of what `repro run` with the same options would judge.

    Raises:
        ReproError: for a name, a tier or a device that is not there.
    """
    from repro.cache import Cache
    from repro.estimate import Past
    from repro.paths import cache_dir, published_dir, store_dir
    from repro.plan import make
    from repro.session import cases, selected
    from repro.store import Store
    from repro.suite import resolve_device

    chosen = catalogue.select(asked.names)
    tier = asked.tier or tiers(asked.names, chosen)
    options = Namespace(controls=asked.controls, tier=tier, claim=list(asked.names), implementation=None)
    options.trusted, options.salt = False, ""
    found = cases(catalogue.claims, options)
    wanted = selected(found, options, catalogue.root)
    settled = resolve_device(asked.device)
    papers = sorted({claim.paper.key for claim in chosen})
    stores = [Store(root, read_only=True) for root in (published_dir().parent, asked.store or store_dir())]
    past = Past.of(record for paper in papers for one in stores for record in one.records(paper=paper))
    cache = Cache(cache_dir() / "trials")
    return make([case for case in found if case in wanted], asked.seeds, settled, catalogue.root, cache, past)


def tiers(names: Sequence[str], chosen: Sequence[Claim]) -> str:
    """The tiers that are meant where none is named: those of claims that are, else the default."""
    return ",".join(sorted({claim.tier for claim in chosen})) if any("/" in name for name in names) else "cpu"


def plan_table(found: Plan) -> Table:
    """One line for each claim, implementation and arm; a trial that several share is counted in the first."""
    from rich.markup import escape
    from rich.table import Table

    from repro.text import duration

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("claim", "implementation", "arm", "trials", "cached", "shared", "will cost"):
        table.add_column(
            name, justify="left" if name in ("claim", "implementation", "arm") else "right", overflow="fold"
        )
    for line in found.lines:
        known = duration(line.wall_s) if line.trials - line.cached > line.unknown else ""
        words = [known, f"{line.unknown} unknown" if line.unknown else ""]
        counts = [str(n) if n else "" for n in (line.trials, line.cached, line.shared)]
        table.add_row(
            *map(escape, (line.claim, line.implementation, line.arm, *counts, " + ".join(filter(None, words))))
        )
    return table


def summary(total: Total) -> str:
    """The plan in one line."""
    from repro.text import duration

    words = f"{total.trials} trials, {total.cached} in the cache, {total.missing} to do"
    costs = ", ".join(f"{duration(seconds)} on {on}" for on, seconds in total.wall_s.items())
    if not total.missing:
        return words
    if not total.unknown:
        return f"{words}: {costs}, one after the other"
    known = f"at least {costs}, one after the other; " if costs else ""
    return f"{words}: {known}of {total.unknown} the cost is not known"
