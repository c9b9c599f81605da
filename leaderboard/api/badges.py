"""Badges for other pages: a label and counts of verdicts, as SVG and as JSON for shields.io.

Texts of records are hostile input. Into a badge come the addresses of papers and claims, words of ours, and the name of
a submission, without control characters, cut, and escaped.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from leaderboard.api.board import BoardEntry
from leaderboard.board.lines import REFERENCE
from repro.criterion.verdict import Outcome

COLOURS = {  # dark enough for white text at 4.5 to 1, as WCAG asks
    Outcome.REPRODUCED: "#00695c",
    Outcome.SUPPORTED: "#107066",
    Outcome.FINDING: "#6a4fb3",
    Outcome.INCONCLUSIVE: "#7a5d00",
    Outcome.POWERLESS: "#5f6771",
    Outcome.REFUTED: "#b9380f",
    Outcome.UNEXPECTED: "#b9380f",
}
NONE = "#5f6771"
LONGEST = 48  # characters of a part
HEIGHT = 20  # pixels
CHARACTER, MARGIN = 6.6, 10  # pixels, of Verdana at 11 px


@dataclass(frozen=True)
class Face:
    """What a badge shows: two texts, and the colour behind the second."""

    label: str
    message: str
    colour: str


def face(entries: Sequence[BoardEntry], paper: str, claim: str | None, implementation: str) -> Face:
    """The badge of a paper, or of one of its claims with all its rows, on one implementation.

    Its colour is that of the verdict that is worst news; only a badge of nothing but such is wholly reproduced.
    """
    found = [
        one
        for one in entries
        if one.paper.key == paper and one.implementation == implementation and claim in (None, one.name)
    ]
    name = paper if claim is None else f"{paper}/{claim}"
    label = name if implementation == REFERENCE else f"{name} · {implementation.partition(':')[2]}"
    counted = Counter(one.outcome for one in found)
    if not counted:
        return Face(_plain(label), "no record", NONE)
    present = [outcome for outcome in Outcome if counted[outcome]]
    message = present[0] if len(found) == 1 else ", ".join(f"{counted[outcome]} {outcome}" for outcome in present)
    sent_in = sum(one.quarantined for one in found)
    if sent_in:
        message += " (self-reported)" if sent_in == len(found) else f" ({sent_in} self-reported)"
    return Face(_plain(label), message, COLOURS[present[-1]])


def shields(shown: Face) -> dict[str, object]:
    """The badge as an endpoint of shields.io."""
    return {"schemaVersion": 1, "label": shown.label, "message": shown.message, "color": shown.colour}


def svg(shown: Face) -> str:
    """The badge as a picture that needs nothing else."""
    left, right = _width(shown.label), _width(shown.message)
    label, message = escape(shown.label), escape(shown.message)
    total = left + right
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total}" height="{HEIGHT}" role="img" '
        f'aria-label="{label}: {message}"><title>{label}: {message}</title>'
        f'<clipPath id="r"><rect width="{total}" height="{HEIGHT}" rx="3"/></clipPath>'
        f'<g clip-path="url(#r)"><rect width="{left}" height="{HEIGHT}" fill="#3b4149"/>'
        f'<rect x="{left}" width="{right}" height="{HEIGHT}" fill="{shown.colour}"/></g>'
        '<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f'<text x="{left / 2:g}" y="14" textLength="{left - MARGIN}">{label}</text>'
        f'<text x="{left + right / 2:g}" y="14" textLength="{right - MARGIN}">{message}</text></g></svg>'
    )


def _width(text: str) -> int:
    return round(CHARACTER * len(text)) + MARGIN


def _plain(text: str) -> str:
    """A text without what is no character to be seen, which XML may not even hold, and not too long."""
    seen = "".join(c if c == " " or unicodedata.category(c)[0] not in "CZ" else " " for c in text)
    return seen if len(seen) <= LONGEST else seen[: LONGEST - 1] + "…"
