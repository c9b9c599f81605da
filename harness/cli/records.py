"""`repro show | verify | publish`: records."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from repro.claim.catalogue import Catalogue
from repro.errors import ReproError
from repro.paths import published_dir, store_dir
from repro.record.record import Record, decode, encode


@click.command()
@click.argument("name", metavar="FILE | ID")
@click.option("--json", "as_json", is_flag=True, help="The record itself.")
def show(name: str, as_json: bool) -> None:
    """Show a record, by file or by the beginning of its id."""
    from harness.cli.tables import console, record_sheet

    record = _record(name)
    if as_json:
        click.echo(encode(record).decode(), nl=False)
    else:
        console().print(record_sheet(record))


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[FILE | FOLDER]...")
def verify(paths: tuple[Path, ...]) -> None:
    """Check records: schema, hash, and that their claims are still what they were. All of the store by default."""
    today = {claim.id: claim.digest() for claim in Catalogue().claims}
    files = [file for path in paths or (store_dir(),) for file in _files(path)]
    newest: dict[str, tuple[Path, Record]] = {}
    problems = []
    for file in files:
        try:
            record = _sound(file)
        except ReproError as error:
            problems.append(f"{file.name}: {error.problem}")
            continue
        if record.claim.id not in newest or newest[record.claim.id][1].created <= record.created:
            newest[record.claim.id] = (file, record)
    for name, (file, record) in newest.items():
        if name not in today:
            click.echo(f"{file.name}: {name} is not among today's claims: retired, or of another version")
        elif record.claim.digest != today[name]:
            problems.append(f"{file.name}: the claim has changed since without a new version: {name}")
    for problem in problems:
        click.echo(problem)
    click.echo(f"{len(files) - len(problems)} of {len(files)} records are valid")
    if problems or not files:
        raise SystemExit(1)


@click.command()
@click.argument("names", nargs=-1, metavar="[PAPER | CLAIM]...")
@click.option("--store", type=click.Path(path_type=Path), help="The store to publish from.")
@click.option("--to", "url", metavar="URL", help="Send them to this shared board instead; the token is in REPRO_TOKEN.")
@click.option("--token-file", type=click.Path(path_type=Path), help="With --to: a file that holds the token.")
@click.option(
    "--implementation", metavar="NAME", help="With --to: the records of this submission, not the reference's."
)
@click.option("--verified", is_flag=True, help="With --to: the published records that a rerun has verified.")
def publish(
    names: tuple[str, ...],
    store: Path | None,
    url: str | None,
    token_file: Path | None,
    implementation: str | None,
    verified: bool,
) -> None:
    """Copy the newest record of each claim, unedited, into leaderboard/records/ for a pull request.

    With --to they are sent to a shared board, where they stand as self-reported. What is interrupted goes on when the
    same command is run again.
    """
    from harness.publish import publish as copy
    from harness.publish import publishable, verified_records
    from repro.record.store import Store

    if url is None and (token_file or implementation or verified):
        raise click.UsageError("--token-file, --implementation and --verified go with --to.")
    today = {claim.id for claim in Catalogue().select(names)}
    own = Store(store or store_dir(), read_only=True)
    if url is None:
        for path in copy(own, published_dir(), names):
            click.echo(path)
        return
    if verified:
        records = verified_records(Store(published_dir().parent, read_only=True), names)
    else:
        records = publishable(own, names, implementation or "reference")
    current = [record for record in records if record.claim.id in today]  # a board takes no others
    if not current:
        raise ReproError("All of these records are of claims that have changed since", "Run the claims again.")
    _send(url, token_file, current)


def _send(url: str, token_file: Path | None, records: Sequence[Record]) -> None:
    """Send records to a board, a line each.

    Raises:
        ReproError: if the board cannot be used; or in the end, if it refused some of them.
    """
    from repro.record.upload import Remote, read_token

    token = read_token(os.environ.get("REPRO_TOKEN", ""), token_file)
    remote = Remote(url, token, on_progress=lambda line: click.echo(line, err=True))
    refused = []
    for count, sent in enumerate(remote.send(records), start=1):
        reason = f": {sent.reason}" if sent.reason else ""
        click.echo(f"{count}/{len(records)} {sent.record.claim.id} {sent.record.id[7:23]} {sent.outcome}{reason}")
        if sent.outcome == "refused":
            refused.append(sent)
    if refused:
        raise ReproError(
            f"{remote.url} refused {len(refused)} of {len(records)} records", "The reasons stand beside them above."
        )


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        inside = path / "records" if (path / "records").is_dir() else path  # a shared board keeps its tokens beside it
        return sorted(file for file in inside.rglob("*.json") if file.is_file())
    if not path.is_file():
        raise ReproError(f"There is no record at {path}", "Give a record file, or a folder of them.")
    return [path]


def _sound(file: Path) -> Record:
    """The record in a file.

    Raises:
        ReproError: if it is not valid, or not named by its hash.
    """
    record = decode(file.read_bytes())
    if file.stem != record.id.removeprefix("sha256:")[: len(file.stem)]:
        raise ReproError("the file is not named by its record's hash", "Give it back its name.")
    return record


def _record(name: str) -> Record:
    from repro.record.store import Store

    if Path(name).is_file():
        return decode(Path(name).read_bytes())
    for root in (store_dir(), published_dir().parent):
        found = Store(root, read_only=True).find(name)
        if found is not None:
            return found
    raise ReproError(f"There is no record {name!r} in the store or among the published ones", "See `repro verify`.")
