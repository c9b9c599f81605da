"""The page about the board: the text of `about.html` with the badges and the versions."""

from __future__ import annotations

from html import escape
from importlib import metadata
from pathlib import Path

from leaderboard.board.units import several
from leaderboard.render import style
from leaderboard.render.parts import Html, PagePart
from repro.criterion.verdict import Outcome
from repro.record.record import SCHEMA

TEXT = Path(__file__).with_name("about.html")


def page(counted: str) -> list[PagePart]:
    """The whole page; `counted` says what the board holds, in a few words."""
    found = [f"Repro {_version('repro')}", *(f"{name} {_version(name)}" for name in ("numpy", "scipy", "msgspec"))]
    versions = (
        ("software", escape(", ".join(found))),
        ("records", f"format {SCHEMA}, <code>docs/reference/record.schema.json</code>"),
        ("on this board", escape(counted)),
        ("licence", "Apache-2.0, for the software and the records"),
    )
    body = TEXT.read_text().replace("{legend}", style.legend(Outcome)).replace("{versions}", style.facts(versions))
    return [Html(style.wrap(body))]


def counted(records: int, papers: int, newest: str) -> str:
    """What the board holds, in a few words."""
    many, of = several(records, "verdict"), several(papers, "paper")
    return f"{many} on {of}, the newest of {style.day(newest)}" if newest else "no record yet"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "from source"
