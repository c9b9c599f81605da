"""The parts of a page as files show them: HTML without scripts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from leaderboard.charts.picture import Picture, Vector
from leaderboard.render import style, vectors
from leaderboard.render.parts import Code, Download, Fold, Html, PagePart, Place, SideBySide, Table

LONGEST = 100  # rows of a table that a page holds


def html(parts: Sequence[PagePart]) -> str:
    """Parts of a page, one below the other."""
    return "".join(map(_drawn, parts))


def _drawn(part: PagePart) -> str:
    match part:
        case Html():
            return part.body
        case Vector():
            return vectors.inline(part)
        case Picture(vector=Vector() as vector):
            return vectors.inline(vector)
        case Picture():
            note = '<figcaption class="soft small">What the chart in the app shows</figcaption>'
            return style.wrap(f"<figure>{note}<p>{escape(part.alt)}</p></figure>")
        case Code():
            return style.wrap(f"<pre><code>{escape(part.text)}</code></pre>")
        case Table():
            return _table(part)
        case Download():
            return style.wrap(f'<p><a href="{escape(part.name)}" download>{escape(part.label)}</a></p>')
        case Fold():
            return f'<details class="r"><summary>{escape(part.title)}</summary>{html(part.parts)}</details>'
        case Place() | SideBySide():
            return html(part.parts)
        case _:
            return html(part.instead)


def _table(part: Table) -> str:
    """The first rows of a table; the record that the page links to has all of them."""
    names = list(part.columns)
    rows = list(zip(*part.columns.values(), strict=True))
    cells = [
        [_cell(value, part.decimals.get(name)) for name, value in zip(names, row, strict=True)]
        for row in rows[:LONGEST]
    ]
    more = len(rows) - len(cells)
    note = f'<p class="soft small">{more} more are in the record.</p>' if more > 0 else ""
    table = style.table(names, cells, stack=False)
    return style.wrap(f'<div class="wide" role="region" aria-label="Table" tabindex="0">{table}</div>{note}')


def _cell(value: object, decimals: int | None) -> str:
    if value is None:
        return "&ndash;"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float) and decimals is not None:
        return f'<span class="value">{value:,.{decimals}f}</span>'
    return style.theirs(str(value))
