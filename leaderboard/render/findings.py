"""The page of findings: what papers state that does not hold, and who showed it."""

from __future__ import annotations

from collections.abc import Sequence

from leaderboard.board.lines import Section
from leaderboard.render import components, style
from leaderboard.render.parts import Html, PagePart


def page(sections: Sequence[Section]) -> list[PagePart]:
    """The whole page.

    Args:
        sections: papers with all lines.
    """
    found = [one for one in sections if one.findings]
    none = components.notice("No findings yet", 'Nothing on <a href="./">the board</a> is known not to hold.')
    return [Html(head()), *(Html(components.findings(one)) for one in found), *([] if found else [Html(none)])]


def head() -> str:
    """The title, and what a finding is."""
    return style.wrap(
        '<h1>Findings</h1><p class="lead">Claims that later literature, their own authors or plain arithmetic '
        "contradict. Each is judged as the paper states it, and is expected to be refuted.</p>"
    )
