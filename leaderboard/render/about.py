"""The page about the board: the text of `about.html` with the statistics, the badges and the versions."""

from __future__ import annotations

from html import escape
from importlib import metadata
from pathlib import Path

from leaderboard.board.units import several
from leaderboard.render import style
from leaderboard.render.parts import Html, PagePart
from repro.criterion.verdict import Outcome
from repro.record.record import SCHEMA

BOUND = "t<sub>1&minus;&alpha;</sub>&thinsp;SE"  # how far the bound of a mean lies from it
CRITERIA = (
    (
        "holds",
        "no case departs from what exact reasoning demands",
        "|x &minus; e| &le; tolerance, for every case",
    ),
    (
        "equals",
        "a count or a derived number is the published one, to within a margin",
        "|x &minus; published| &le; margin",
    ),
    ("lower, higher", "one arm is below (above) another by more than an effect", f"d&#773; + {BOUND} &lt; &minus;by"),
    ("at most, at least", "a mean respects a bound", f"x&#773; + {BOUND} &le; bound"),
    (
        "matches, equivalent",
        "a mean lies within a margin of a number; two arms differ by less than one",
        f"|d&#773;| + {BOUND} &lt; margin",
    ),
    ("ordered", "each arm is below the next", "<em>lower</em> for all neighbours"),
    (
        "power law",
        "a log-log slope lies in a range, and no logarithm or offset law explains the points better",
        f"low &lt; b &plusmn; {BOUND} &lt; high; no rival's AICc smaller by more than 2",
    ),
    (
        "interior peak",
        "a mean curve peaks in the inner 80 % of its grid, well above both ends",
        "(peak &minus; end) / SE above a threshold at both ends; a fall by more than a share of the peak",
    ),
    ("monotone", "a curve goes one way", "Kendall's &tau; and the largest reversal, each within a bound over seeds"),
    ("all of", "several of these at once", "every part holds"),
)
TEXT = Path(__file__).with_name("about.html")


def page(counted: str) -> list[PagePart]:
    """The whole page; `counted` says what the board holds, in a few words."""
    rows = [(f"<b>{rule}</b>", says, f'<span class="num">{formula}</span>') for rule, says, formula in CRITERIA]
    criteria = style.table(("Criterion", "Holds when", "As a formula"), rows)
    found = [f"Repro {_version('repro')}", *(f"{name} {_version(name)}" for name in ("numpy", "scipy", "msgspec"))]
    versions = (
        ("software", escape(", ".join(found))),
        ("records", f"format {SCHEMA}, <code>docs/reference/record.schema.json</code>"),
        ("on this board", escape(counted)),
        ("licence", "Apache-2.0, for the software and the records"),
    )
    parts = {
        "{criteria}": f'<div class="tight">{criteria}</div>',
        "{legend}": style.legend(Outcome),
        "{versions}": style.facts(versions),
    }
    body = TEXT.read_text()
    for place, part in parts.items():
        body = body.replace(place, part)
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
