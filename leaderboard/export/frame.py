"""The document around the body of a page, as files show it: no script, one style sheet, links that need no server."""

from __future__ import annotations

from html import escape
from pathlib import Path

from leaderboard.export.places import relative

SHEET = Path(__file__).with_name("site.css")  # what a page without Streamlit needs besides the style sheet of the app
MENU = (
    ("index.html", "Board"),
    ("findings.html", "Findings"),
    ("trust.html", "Trust"),
    ("implementations.html", "Implementations"),
    ("telemetry.html", "Telemetry"),
    ("submit.html", "Submit"),
    ("about.html", "About"),
)
POLICY = "script-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'"


def document(page: str, title: str, body: str, note: str, url: str = "") -> str:
    """A whole page.

    Args:
        page: its path in the export.
        title: of the page, as text.
        body: HTML.
        note: a line below everything, as text.
        url: where the export will lie, with a slash at its end; "" where that is not known.
    """
    items = "".join(
        f'<li><a href="{relative(path, page)}"{" aria-current=page" * (path == page)}>{name}</a></li>'
        for path, name in MENU
    )
    menu = f'<nav class="r" aria-label="Pages"><ul>{items}</ul></nav>'
    canonical = f'<link rel="canonical" href="{escape(url + page)}">' if url else ""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)} · Repro</title>{canonical}"
        f'<link rel="stylesheet" href="{relative("style.css", page)}"></head><body>'
        f'<a class="skip" href="#content">To the content</a><header>{menu}</header>'
        f'<main id="content">{body}</main>'
        f'<footer class="r"><p class="soft small">{escape(note)}</p></footer></body></html>\n'
    )
