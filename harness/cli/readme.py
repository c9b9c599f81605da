"""`repro readme`: what is written from the claims: README.md's table of papers, and the board's list of all claims."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from repro.errors import ReproError

START = "<!-- papers: written by `repro readme`, checked by the tests -->\n"
END = "<!-- end of papers -->"
LETTERS = {"reproduced": "R", "supported": "S", "finding": "F", "refuted": "X", "inconclusive": "I"}


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if one of them is not current.")
def readme(check: bool) -> None:
    """Write the table of papers into README.md, and all claims into leaderboard/catalogue.json."""
    from repro.listing import path_of
    from repro.paths import project_root, write_whole

    root = project_root()
    path, list_path = root / "README.md", path_of(root)
    before = path.read_text()
    after, claims = with_table(before, table(root)), claim_list(root)
    if check and after != before:
        raise ReproError("The table of papers in README.md is not current", "Run `repro readme`.")
    if check and (not list_path.is_file() or list_path.read_bytes() != claims):
        raise ReproError(f"{list_path.name}, the board's list of all claims, is not current", "Run `repro readme`.")
    if not check:
        path.write_text(after)
        write_whole(list_path, claims)


def claim_list(root: Path) -> bytes:
    """The file that tells the board of all claims, those that nobody has run too."""
    from repro.catalogue import Catalogue
    from repro.listing import encode, listing

    catalogue = Catalogue(root)
    return encode(listing(catalogue.papers.values(), catalogue.claims))


def with_table(text: str, lines: list[str]) -> str:
    """README's text with the table between its two marks.

    Raises:
        ReproError: if the marks are gone.
    """
    head, start, rest = text.partition(START)
    _, end, tail = rest.partition(END)
    if not start or not end:
        raise ReproError("README.md has lost the marks of the table of papers", f"Put back {START.strip()} and {END}.")
    return head + start + "\n" + "\n".join(lines) + "\n\n" + end + tail


def table(root: Path) -> list[str]:
    """The table's lines: each paper with its claims, the verdicts that are published, and when."""
    from repro.catalogue import Catalogue
    from repro.record import Record
    from repro.store import Store

    catalogue = Catalogue(root)
    newest: dict[str, Record] = {}
    for record in Store(root / "leaderboard", read_only=True).newest(kind="reference"):
        newest[record.claim.id] = record
    lines = ["| paper | claims | verdicts | on a GPU | last verified |", "| --- | --- | --- | --- | --- |"]
    for key, paper in catalogue.papers.items():
        claims = catalogue.select([key])
        records = [newest[c.id] for c in claims if c.id in newest]
        words = Counter(record.word for record in records)
        verdicts = ", ".join(f"{words[word]} {letter}" for word, letter in LETTERS.items() if words[word])
        gpu = [c for c in claims if c.tier != "cpu"]
        measured = sum(c.id in newest for c in gpu)
        last = max((record.created[:10] for record in records), default="-")
        name = f"`{key}` [{paper.title}]({paper.url}) ({paper.year})"
        there = f"{measured} of {len(gpu)} measured" if gpu else "-"
        lines.append(f"| {name} | {len(claims)} | {verdicts or '-'} | {there} | {last} |")
    return lines
