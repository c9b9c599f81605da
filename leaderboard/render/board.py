"""The first page: papers and their claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from leaderboard.board import downloads
from leaderboard.board.catalogue import BoardCatalogue
from leaderboard.board.lines import Line, Section
from leaderboard.render import components
from leaderboard.render.components import footnote
from leaderboard.render.parts import Control, Download, Fold, Html, PagePart, Place, SideBySide


@dataclass(frozen=True, kw_only=True)
class BoardContent:
    """What the first page shows.

    Attributes:
        reference: the reference's lines, which the headline counts.
        sections: the papers that are asked for.
        names: what their submissions are called, by paper.
        deviations: how their references deviate from them, by paper; needed where claims are shown in full.
        overview: whether to show a letter for each claim.
        full: whether to show every claim in full.
        lines: that are asked for, to be downloaded.
        total: how many lines there are to ask for.
        aged: whether to say how long ago the newest record was made, which a file cannot.
    """

    reference: Sequence[Line]
    catalogue: BoardCatalogue
    submissions: int
    sections: Sequence[Section]
    names: Mapping[str, Sequence[str]]
    deviations: Mapping[str, Sequence[str]] = field(default_factory=dict)
    overview: bool
    full: bool
    lines: Sequence[Line]
    total: int
    problems: Sequence[tuple[str, str]]
    aged: bool = True


def page(content: BoardContent) -> list[PagePart]:
    """The whole page."""
    headline = components.headline(content.reference, content.submissions, content.catalogue, aged=content.aged)
    parts: list[PagePart] = [Html(headline)]
    if content.reference or content.submissions or content.catalogue.claims:
        parts += [Control("filters"), Place(_papers(content)), *_downloads(content)]
    else:
        parts.append(Html(components.empty(filtered=False)))
    return [*parts, *_problems(content.problems)]


def _papers(content: BoardContent) -> list[PagePart]:
    parts: list[PagePart] = []
    if content.overview and content.sections:
        parts.append(Html(components.overview(content.sections, content.names, aged=content.aged)))
    for one in content.sections if content.full else ():
        key = one.paper.key
        parts.append(Html(components.paper(one, content.deviations.get(key, ()), content.names.get(key, ()))))
    return parts


def _downloads(content: BoardContent) -> list[PagePart]:
    """The lines that are shown, as files; where there are none, what to do about it."""
    lines = content.lines
    if not lines:
        return [] if content.sections else [Html(components.empty(filtered=True))]
    table = Download(label="Download as CSV", name="board.csv", mime="text/csv", content=lambda: downloads.csv(lines))
    plain = Download(
        label="Download as JSON",
        name="board.json",
        mime="application/json",
        content=lambda: downloads.as_json(lines),
    )
    return [SideBySide([table, plain, Html(footnote(f"{len(lines)} of {content.total} verdicts shown"))])]


def _problems(found: Sequence[tuple[str, str]]) -> list[PagePart]:
    if not found:
        return []
    files = "1 file is not a valid record" if len(found) == 1 else f"{len(found)} files are not valid records"
    return [Fold(f"{files} and not shown above", [Html(components.problems(found))])]
