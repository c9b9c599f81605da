"""`repro plan`: the trials that a selection of claims needs, and what they will cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from repro.claim.catalogue import Catalogue
from repro.claim.claim import Claim
from repro.numbers import duration
from repro.paths import cache_dir, published_dir, store_dir
from repro.trial.cache import Cache
from repro.trial.judge import resolve_device

if TYPE_CHECKING:
    from rich.table import Table

    from harness.cluster.plan import Plan, Total
    from harness.pytest_plugin.options import SessionOptions


@click.command()
@click.argument("names", nargs=-1, metavar="[PAPER | CLAIM]...")
@click.option("--controls", is_flag=True, help="Also plan the sabotaged controls.")
@click.option("--tier", default=None, help="cpu, long, gpu, cluster, or all; by default that of the named claims.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", help="What trials run on.")
@click.option("--seeds", type=click.IntRange(min=1), help="Seeds per arm instead of each claim's own number.")
@click.option("--store", type=click.Path(path_type=Path), help="A store whose records say what trials cost.")
@click.option("--json", "as_json", is_flag=True, help="As JSON: docs/reference/plan.schema.json is its schema.")
def plan(names: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """List the trials that claims need, which of them are in the cache, and what the others will cost."""
    from harness.cli.tables import console

    catalogue = Catalogue()
    found = planned(catalogue, asked(catalogue.select(names), names, **given))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    console().print(plan_table(found))
    for left in found.left:
        click.echo(f"not planned: {left.claim}: {left.reason}")
    click.echo(summary(found.total))


def asked(chosen: Sequence[Claim], names: tuple[str, ...], tier: str | None, **given: Any) -> SessionOptions:
    """The options of a session, given those of a command; `chosen` are the claims that `names` mean.

    Where no tier is named, it is that of claims that are, or else the default.
    """
    from harness.pytest_plugin.options import SessionOptions

    usual = ",".join(sorted({claim.tier for claim in chosen})) if any("/" in name for name in names) else "cpu"
    return SessionOptions(claim=names, tier=tier or usual, **given)


def planned(catalogue: Catalogue, options: SessionOptions) -> Plan:
    """The plan of what `repro run` with the same options would judge.

    Raises:
        ReproError: for a name, a tier or a device that is not there.
    """
    from harness.cluster.plan import make
    from harness.pytest_plugin.cases import cases, selected
    from repro.record.store import Store
    from repro.trial.cost_estimate import Past

    papers = sorted({claim.paper.key for claim in catalogue.select(options.claim)})
    every = cases(catalogue.claims, options)
    wanted = selected(every, options)
    device = resolve_device(options.device)
    stores = [Store(root, read_only=True) for root in (published_dir().parent, options.store or store_dir())]
    past = Past.of(record for paper in papers for store in stores for record in store.records(paper=paper))
    cache = Cache(cache_dir() / "trials")
    chosen, slowly = [case for case in every if case in wanted], options.without_gpu
    return make(chosen, options.seeds, device, catalogue.root, cache, past, without_gpu=slowly)


def plan_table(found: Plan) -> Table:
    """One line for each claim, implementation and arm; a trial that several share is counted in the first."""
    from rich.markup import escape

    from harness.cli.tables import columns

    right = ("trials", "cached", "shared", "will cost")
    table = columns("claim", "implementation", "arm", *right, right=right)
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
    words = f"{total.trials} trials, {total.cached} in the cache, {total.missing} to do"
    costs = ", ".join(f"{duration(seconds)} on {on}" for on, seconds in total.wall_s.items())
    if not total.missing:
        return words
    if not total.unknown:
        return f"{words}: {costs}, one after the other"
    known = f"at least {costs}, one after the other; " if costs else ""
    return f"{words}: {known}of {total.unknown} the cost is not known"
