"""Drawings as HTML: one for wide screens and one for phones, of which the style sheet shows one."""

from __future__ import annotations

from base64 import b64encode
from html import escape

from leaderboard.charts.picture import Vector
from leaderboard.render import style

WIDTHS = {"broad": 880, "slim": 345}
"""Pixels by class of the style sheet."""
INKS = "svg{color:#565d66}@media(prefers-color-scheme:dark){svg{color:#b4bac2}}"
"""Colours of text in an image, which does not know the page's."""


def inline(vector: Vector) -> str:
    """A drawing as part of a page, in the page's own colours."""
    drawn = "".join(f'<div class="{name}">{vector.draw(width)}</div>' for name, width in WIDTHS.items())
    return style.wrap(f'<figure class="drawing">{drawn}</figure>')


def as_image(vector: Vector) -> str:
    """A drawing as an image, for pages that take no SVG."""
    drawn = []
    for name, width in WIDTHS.items():
        text = vector.draw(width).replace(">", f"><style>{INKS}</style>", 1)
        code = b64encode(text.encode()).decode()
        drawn.append(f'<img class="{name}" alt="{escape(vector.alt)}" src="data:image/svg+xml;base64,{code}">')
    return style.wrap(f'<figure class="drawing">{"".join(drawn)}</figure>')
