"""`repro calibrate`: how often the reference passes and each control is rejected, on fresh seeds."""

from __future__ import annotations

import click

from repro.claim.catalogue import Catalogue


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="PAPER | CLAIM...")
@click.option(
    "--repeats",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="Independent verdicts, each on seeds of its own.",
)
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", help="What trials run on.")
@click.option("--first-seed", default=1_000_000, show_default=True, help="Raise it if the design has seen these seeds.")
@click.option("--confirm", is_flag=True, help="Only compute the first repeat again, for claims whose code has changed.")
@click.option("--write", is_flag=True, help="Keep the result in claims/calibration/.")
def calibrate(
    names: tuple[str, ...], repeats: int, jobs: int, device: str, first_seed: int, confirm: bool, write: bool
) -> None:
    """Rerun statistical claims of the default tier on fresh seeds; trials are kept, so it can be resumed."""
    from harness.cli.tables import console
    from repro.trial import calibration

    catalogue = Catalogue()
    chosen = [claim for claim in catalogue.select(names) if claim.statistical and claim.tier == "cpu"]
    failed = False
    if confirm:
        with console().status("confirming") as status:
            for result, same in calibration.confirm(chosen, jobs, device, catalogue.root, on_progress=status.update):
                if write and same:
                    calibration.keep(result, catalogue.root)
                click.echo(f"{result.claim}: {'the same numbers' if same else 'other numbers: calibrate it anew'}")
                failed |= not same
        raise SystemExit(1 if failed else 0)
    with console().status("calibrating") as status:
        for result in calibration.run(
            chosen, repeats, jobs, device, catalogue.root, first_seed, on_progress=status.update
        ):
            if write:
                calibration.keep(result, catalogue.root)
            shares = "; ".join(f"{name} rejected in {rate.share()}" for name, rate in result.rejected.items())
            click.echo(f"{result.claim}: as expected in {result.passed.share()}; {shares}")
            failed |= not result.passes
    if failed:
        click.echo("A reference failed or a control passed more often than 1 time in 100: do not rely on that claim.")
        raise SystemExit(1)
