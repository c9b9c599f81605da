"""The first page: papers and their claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from leaderboard.board import downloads
from leaderboard.board.catalogue import BoardCatalogue
from leaderboard.board.lines import Line, Section
from leaderboard.render import components
from leaderboard.render.components import footnote
from leaderboard.render.overview import headlines
from leaderboard.render.overview import overview as overview_of
from leaderboard.render.parts import Control, Download, Fold, Html, PagePart, Place, SideBySide


def page(
    reference: Sequence[Line],
    catalogue: BoardCatalogue,
    submissions: int,
    sections: Sequence[Section],
    names: Mapping[str, Sequence[str]],
    lines: Sequence[Line],
    total: int,
    problems: Sequence[tuple[str, str]],
    *,
    overview: bool,
    sort: str = "theme",
    deviations: Mapping[str, Sequence[str]] | None,
    aged: bool = True,
) -> list[PagePart]:
    """The whole page.

    Args:
        reference: the reference's lines, which the headline counts.
        catalogue: the claims of today.
        submissions: how many there are.
        sections: the papers that are asked for.
        names: what their submissions are called, by paper.
        lines: that are asked for, to be downloaded.
        total: how many lines there are to ask for.
        problems: files that are no records, and what is wrong with them.
        overview: whether to show a row for each paper.
        sort: what these are sorted by, one of `overview.SORTS`.
        deviations: how the references deviate from their papers, where every claim is to be shown in full; else None.
        aged: whether to say how long ago the newest record was made, which a file cannot.
    """
    parts: list[PagePart] = [Html(components.headline(reference, submissions, catalogue, aged=aged))]
    if reference or submissions or catalogue.claims:
        shown = []
        if overview and sections:
            first = headlines(sections, catalogue)
            shown = [Html(first)] * bool(first)
            shown.append(Html(overview_of(sections, names, catalogue, sort=sort, aged=aged)))
        if deviations is not None:
            keys = [one.paper.key for one in sections]
            shown += [
                Html(components.paper(one, deviations[key], names[key]))
                for key, one in zip(keys, sections, strict=True)
            ]
        parts += [Control("filters"), Place(shown), *_downloads(lines, total, filtered=not sections)]
    else:
        parts.append(Html(components.empty(filtered=False)))
    if problems:
        many = len(problems)
        files = "1 file is not a valid record" if many == 1 else f"{many} files are not valid records"
        parts.append(Fold(f"{files} and not shown above", [Html(components.problems(problems))]))
    return parts


def _downloads(lines: Sequence[Line], total: int, *, filtered: bool) -> list[PagePart]:
    """The lines that are shown, as files; where the filters leave nothing at all, what to do about it."""
    if not lines:
        return [Html(components.empty(filtered=True))] if filtered else []
    table = Download(label="Download as CSV", name="board.csv", mime="text/csv", content=lambda: downloads.csv(lines))
    plain = Download(
        label="Download as JSON", name="board.json", mime="application/json", content=lambda: downloads.as_json(lines)
    )
    return [SideBySide([table, plain, Html(footnote(f"{len(lines)} of {total} verdicts shown"))])]
