"""`repro serve | token`: a shared board, for its keeper."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import click

from repro.errors import ReproError

STORE = click.option("--store", type=click.Path(path_type=Path), help="The board's store; REPRO_STORE by default.")


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=8502, show_default=True, help="Port to serve on.")
@click.option("--address", default="localhost", show_default=True, help="Address to serve on.")
@STORE
@click.option("--per-minute", default=120.0, show_default=True, help="Records a minute that one token may send.")
@click.option("--burst", default=60, show_default=True, help="Records that one token may send at once.")
@click.option("--largest", default=4 << 20, show_default=True, help="Bytes that a record may have.")
@click.option("--any-claim", is_flag=True, help="Take records of claims that this software does not know.")
def serve(
    port: int, address: str, store: Path | None, per_minute: float, burst: int, largest: int, any_claim: bool
) -> None:
    """Serve what stands beside the pages: records in and out, the board as JSON, and badges.

    It speaks plain http: put it and `repro leaderboard` behind one host that speaks https (docs/board.md).
    """
    if importlib.util.find_spec("uvicorn") is None:
        raise ReproError("The service needs uvicorn", "Run pip install -e '.[board]'.")
    from repro.paths import project_root, store_dir, store_environment

    if not (per_minute > 0 and burst > 0 and largest > 0):
        raise ReproError("A limit is not above zero", "Revoke tokens to take nothing in: `repro token revoke`.")
    root, folder, environment = project_root(), (store or store_dir()).resolve(), store_environment(store)
    command = [sys.executable, "-m", "leaderboard.service", "--address", address, "--port", str(port)]
    command += ["--per-minute", str(per_minute), "--burst", str(burst), "--largest", str(largest)]
    command += [] if any_claim else ["--known", str(_written_terms(folder))]
    click.echo(
        f"Beside the pages (`repro leaderboard`), route /api/*, /badge/* and /healthz to {address}:{port}", err=True
    )
    os.chdir(root)  # where leaderboard/ lies
    sys.stdout.flush()
    os.execve(sys.executable, command, environment)


@click.group()
def token() -> None:
    """Who may send records to this board."""


@token.command()
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, default=("publish",), help="publish, verify, admin; several times.")
@STORE
def new(name: str, scopes: tuple[str, ...], store: Path | None) -> None:
    """Make a token for NAME and print it, once."""
    click.echo(_tokens(store).new(name, scopes))  # pyright: ignore[reportArgumentType] -- checked there
    click.echo("It is not shown again. Whoever has it sets REPRO_TOKEN to it.", err=True)


@token.command("list")
@STORE
def list_tokens(store: Path | None) -> None:
    """List tokens, those that were revoked too."""
    for found in _tokens(store).all():
        state = f"revoked {found.revoked}" if found.revoked else "good"
        click.echo(f"{found.id}  {found.created}  {','.join(found.scopes):20}  {state:28}  {found.name}")


@token.command()
@click.argument("own", metavar="ID")
@STORE
def revoke(own: str, store: Path | None) -> None:
    """Revoke the token with this id; it works no longer, at once."""
    found = _tokens(store).revoke(own)
    click.echo(f"{found.id} of {found.name}: revoked {found.revoked}")


def _tokens(store: Path | None):
    from repro.paths import store_dir
    from repro.tokens import Tokens

    return Tokens(store or store_dir())


def _written_terms(folder: Path) -> Path:
    """Write down what today's claims say, for the service, which runs no claim's code."""
    import msgspec

    from repro.catalogue import Catalogue
    from repro.paths import write_whole
    from repro.record import claim_part, terms

    known = {claim.id: terms(claim.paper, claim_part(claim)) for claim in Catalogue().claims}
    path = folder / "known.json"
    try:
        write_whole(path, msgspec.json.encode(known))
    except OSError as error:
        raise ReproError(f"{path} cannot be written ({error.strerror})", "Set REPRO_STORE elsewhere.") from error
    return path
