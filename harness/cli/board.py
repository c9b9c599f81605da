"""`repro leaderboard | export | serve | token`: the board as pages and as files, and a shared board for its keeper."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import click
import msgspec

from repro.claim.catalogue import Catalogue
from repro.errors import ReproError
from repro.paths import atomic_write, project_root, store_dir, store_environment
from repro.record.record import claim_part, terms

STORE = click.option("--store", type=click.Path(path_type=Path), help="The board's store; REPRO_STORE by default.")
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=8501, show_default=True, help="Port to serve on.")
@click.option("--address", default="localhost", show_default=True, help="Address to serve on.")
@click.option("--store", type=FOLDER, help="Show this store beside the published records.")
def leaderboard(port: int, address: str, store: Path | None) -> None:
    """Serve the leaderboard: the published records and the local store."""
    _need("streamlit", "The leaderboard needs streamlit")
    server = str(project_root() / "leaderboard" / "web" / "server.py")
    options = ["--server.port", str(port), "--server.address", address, "--server.headless", "true"]
    _run_module("streamlit", ["run", server, *options], store)


@click.group()
def export() -> None:
    """Write the board in a form that needs no server."""


@export.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--url", metavar="BASE", default="", help="Where it will lie: for canonical links and a site map.")
@click.option("--store", type=FOLDER, help="Export this store beside the published records.")
def site(folder: Path, url: str, store: Path | None) -> None:
    """Write the board as a static site: pages, records, CSV, JSON and badges; no server and no script.

    FOLDER must be missing, empty, or an earlier export, which is replaced in one step when everything is written.
    """
    _need("altair", "The export needs altair and pandas")
    if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc):
        raise ReproError(f"{url} is no web address", "Give one such as https://example.org/board/.")
    base = f"{url.rstrip('/')}/" if url else ""
    _run_module("leaderboard.export", [str(folder.absolute()), "--url", base], store)


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
    _need("uvicorn", "The service needs uvicorn")
    if not (per_minute > 0 and burst > 0 and largest > 0):
        raise ReproError("A limit is not above zero", "Revoke tokens to take nothing in: `repro token revoke`.")
    options = ["--address", address, "--port", str(port), "--per-minute", str(per_minute), "--burst", str(burst)]
    options += ["--largest", str(largest)]
    options += [] if any_claim else ["--known", str(_written_terms((store or store_dir()).resolve()))]
    click.echo(
        f"Beside the pages (`repro leaderboard`), route /api/*, /badge/* and /healthz to {address}:{port}", err=True
    )
    _run_module("leaderboard.api", options, store)


def _need(package: str, problem: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise ReproError(problem, "Run pip install -e '.[board]'.")


def _run_module(module: str, arguments: list[str], store: Path | None) -> None:
    """Become `python -m MODULE` in the project's root, where leaderboard/ and Streamlit's theme lie."""
    environment = store_environment(store)
    os.chdir(project_root())
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", module, *arguments], environment)


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
    from repro.record.access_tokens import Tokens

    return Tokens(store or store_dir())


def _written_terms(folder: Path) -> Path:
    """Write down what today's claims say, for the service, which runs no claim's code."""
    known = {claim.id: terms(claim.paper, claim_part(claim)) for claim in Catalogue().claims}
    path = folder / "known.json"
    try:
        atomic_write(path, msgspec.json.encode(known))
    except OSError as error:
        raise ReproError(f"{path} cannot be written ({error.strerror})", "Set REPRO_STORE elsewhere.") from error
    return path
