"""`repro readme`: what is written from the claims: README.md's table of papers, and the board's list of claims."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from repro.claim.catalogue import Catalogue
from repro.criterion.verdict import Outcome
from repro.errors import ReproError, unknown
from repro.paths import atomic_write, project_root

START = "<!-- papers: written by `repro readme`, checked by the tests -->\n"
END = "<!-- end of papers -->"


@click.command()
@click.argument("keys", nargs=-1, metavar="[PAPER]...")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if one of them is not current.")
def readme(keys: tuple[str, ...], check: bool) -> None:
    """Write the table of papers into README.md, and the claims of each into leaderboard/catalogue/<key>.json.

    With PAPER only its own list is written, and no file that papers share.
    """
    from repro.record.claim_list import folder_of

    root = project_root()
    path, folder = root / "README.md", folder_of(root)
    lists = claim_lists(root, keys)
    kept = {file.name: file.read_bytes() for file in folder.glob("*.json") if not keys or file.stem in keys}
    before = path.read_text() if not keys else ""
    after = with_table(before, table(root)) if not keys else ""
    if check and after != before:
        raise ReproError("The table of papers in README.md is not current", "Run `repro readme`.")
    if check and kept != lists:
        name = min(name for name in {*kept, *lists} if kept.get(name) != lists.get(name))
        raise ReproError(f"{name}, the board's list of claims of a paper, is not current", "Run `repro readme`.")
    if not check:
        if after != before:
            path.write_text(after)
        for name in lists:
            atomic_write(folder / name, lists[name])
        for name in kept.keys() - lists.keys():
            (folder / name).unlink()


def claim_lists(root: Path, keys: Sequence[str] = ()) -> dict[str, bytes]:
    """By name the files that tell the board of each paper's claims, those that nobody has run too.

    Raises:
        ReproError: for a key that no paper has.
    """
    from repro.claim.figure import showcase
    from repro.record.claim_list import encode, listing

    catalogue = Catalogue(root)
    papers = catalogue.papers
    if strange := next((key for key in keys if key not in papers), None):
        raise unknown("paper", strange, papers)
    return {
        f"{key}.json": encode(listing(papers[key], catalogue.select([key]), showcase(key, root)))
        for key in keys or papers
    }


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
    from repro.record.store import Store

    catalogue = Catalogue(root)
    newest = {
        record.claim.id: record for record in Store(root / "leaderboard", read_only=True).newest(kind="reference")
    }
    lines = ["| paper | claims | verdicts | hours or a GPU | last verified |", "| --- | --- | --- | --- | --- |"]
    for key, paper in catalogue.papers.items():
        claims = catalogue.select([key])
        records = [newest[c.id] for c in claims if c.id in newest]
        count = Counter(record.outcome for record in records)
        verdicts = ", ".join(f"{count[outcome]} {outcome.letter}" for outcome in Outcome if count[outcome])
        costly = [c for c in claims if c.tier != "cpu"]
        measured = sum(c.id in newest for c in costly)
        last = max((record.created[:10] for record in records), default="-")
        address = paper.url or (paper.arxiv and f"https://arxiv.org/abs/{paper.arxiv}")
        title = f"[{paper.title}]({address})" if address else paper.title
        name = f"`{key}` {title} ({paper.year})"
        there = f"{measured} of {len(costly)} measured" if costly else "-"
        lines.append(f"| {name} | {len(claims)} | {verdicts or '-'} | {there} | {last} |")
    return lines
