"""`repro claims`: what can be checked."""

from __future__ import annotations

import json

import click

from repro.errors import ReproError


@click.command()
@click.argument("names", nargs=-1, metavar="[PAPER | CLAIM]...")
@click.option("--tier", type=click.Choice(["cpu", "long", "gpu", "cluster"]), help="Only claims of this tier.")
@click.option("--group", type=click.Choice(["mechanism", "direction", "number"]), help="Only claims of this group.")
@click.option("--findings", is_flag=True, help="Only claims that are known not to hold.")
@click.option("--show", is_flag=True, help="Everything about each claim: facts, criterion, controls, calibration.")
@click.option("--explain", is_flag=True, help="Why findings do not hold: the paper's words and the calculation.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def claims(
    names: tuple[str, ...],
    tier: str | None,
    group: str | None,
    findings: bool,
    show: bool,
    explain: bool,
    as_json: bool,
) -> None:
    """List claims without running them; a single claim is shown whole."""
    from harness.cli.tables import claim_facts, claim_sheet, claim_table, console, explanation_sheet
    from repro.claim.catalogue import Catalogue

    catalogue = Catalogue()
    found = [
        c
        for c in catalogue.select(names)
        if (tier is None or c.tier == tier)
        and (group is None or c.group == group)
        and (c.known_refutation or not (findings or explain))
    ]
    if as_json:
        click.echo(json.dumps([claim_facts(c, catalogue.root) for c in found], indent=2, ensure_ascii=False))
    elif explain:
        if not found:
            raise ReproError("None of these claims is a finding", "List them: repro claims --findings")
        for claim in found:
            console().print(explanation_sheet(claim))
    elif show or (len(found) == 1 and names):
        for claim in found:
            console().print(claim_sheet(claim, catalogue.root))
    else:
        console().print(claim_table(found))
        click.echo(f"{len(found)} claims. Show one whole: repro claims {found[0].id if found else 'PAPER/NAME'}")
