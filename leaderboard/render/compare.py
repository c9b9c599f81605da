"""The page that compares implementations side by side. Texts of records are escaped where they are put in."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from leaderboard.board.comparison import DIFFERENT, ClaimComparison, ComparedClaim
from leaderboard.board.lines import REFERENCE, Section, Standing, counts
from leaderboard.render import components, style
from leaderboard.render.components import heading, notice, ratio_cells
from leaderboard.render.links import breadcrumbs, line_link, page_link
from leaderboard.render.parts import Control, Html, PagePart

SIGNS = {
    "same": ("=", "same verdict", "powerless"),
    "overlap": ("≈", "same verdict, intervals overlap", "powerless"),
    "apart": ("↕", "same verdict, intervals apart", "finding"),
    "verdict": ("≠", "another verdict", "refuted"),
    "version": ("@", "another version of the claim: not compared", "powerless"),
}


def page(
    section: Section, known: int, found: Sequence[ClaimComparison], names: Sequence[Standing | str], *, only: bool
) -> list[PagePart]:
    """The whole page.

    Args:
        section: the paper.
        known: how many implementations of it there are.
        found: the claims that any of those compared answers.
        names: the implementations that are compared; fewer than two compare nothing.
        only: whether to leave out the claims on which they do not differ.
    """
    parts: list[PagePart] = [Html(head(section)), Control("implementations")]
    if len(names) < 2:
        return [*parts, Html(choose(known))]
    rows = [one for one in found if one.differs] if only else found
    none = notice("No difference", "On the claims that can be compared, none differs from the first.")
    return [
        *parts,
        heading("Summary"),
        Html(summary(found, names)),
        heading("Claim by claim"),
        Control("only"),
        Html(legend()),
        Html(claims(rows, names) if rows else none),
        heading("Costs"),
        Html(costs(names)),
    ]


def head(section: Section) -> str:
    """Where we are, and what the marks mean."""
    about = section.paper
    here = breadcrumbs(
        (page_link("paper", about.key), about.title),
        (page_link("implementations", about.key), "Implementations"),
    )
    return style.wrap(
        f"{here}<h1>Implementations side by side</h1>"
        '<p class="lead">Each verdict is compared with that of the implementation that is named first.</p>'
    )


def legend() -> str:
    """What the marks mean."""
    items = "".join(f"<li>{_sign(name)}</li>" for name in SIGNS)
    note = (
        "Intervals that lie apart show that two estimates differ; that they overlap does not show that they are equal. "
        "Verdicts on different versions of a claim answer different questions."
    )
    return style.wrap(
        f'<ul class="legend" aria-label="What the marks mean">{items}</ul><p class="soft small">{note}</p>'
    )


def _sign(name: str) -> str:
    sign, says, hue = SIGNS[name]
    hollow = "" if name in DIFFERENT else " hollow"
    return f'<span class="badge long small {hue}{hollow}"><i aria-hidden="true">{sign}</i>{says}</span>'


def claims(found: Sequence[ClaimComparison], names: Sequence[Standing | str]) -> str:
    """A row for each claim, a column for each implementation."""
    heads = ("Claim", *(_called(one) for one in names))
    rows = [(_claim(one), *(_answer(answer) for answer in one.answers)) for one in found]
    return style.wrap(f'<div class="compared">{style.table(heads, rows)}</div>')


def _called(one: Standing | str) -> str:
    name = one if isinstance(one, str) else one.newest.implementation
    return name.removeprefix("submission:")


def _claim(one: ClaimComparison) -> str:
    line = one.about
    place = escape(f"{line.place} · {line.name}@{line.version}")
    return (
        f'<a href="{line_link(line)}">{style.row_tag(line.row)}{escape(line.says)}</a><span class="sub">{place}</span>'
    )


def _answer(answer: ComparedClaim) -> str:
    """Verdict, estimate with interval, and how that compares with the first one's."""
    line = answer.line
    if line is None:
        return '<span class="soft">not answered</span>'
    link = line_link(line, record=True)
    relation = _sign(answer.relation) if answer.relation in SIGNS else ""
    evidence = style.EVIDENCE[line.evidence]
    version = f", @{line.version}" if answer.relation == "version" else ""
    return (
        f'<a href="{link}">{style.badge(line.outcome)}</a><span class="sub">{evidence}{version}</span>'
        f"<div>{components.measured(line)}</div>{relation}"
    )


def summary(found: Sequence[ClaimComparison], names: Sequence[Standing | str]) -> str:
    """How many claims each answers, and how often it differs from the first."""
    heads = ("Implementation", "Division, and whether the project reran it", "Verdicts", "Compared with the first")
    rows = []
    for place, one in enumerate(names):
        own = [claim.answers[place] for claim in found]
        marks = style.tallies(counts(answer.line for answer in own if answer.line is not None))
        rows.append(
            (
                f"<b>{style.theirs(_called(one))}</b>",
                f'<div class="marks">{_who(one) or "&ndash;"}</div>',
                f'<div class="marks">{marks or "no verdict"}</div>',
                _counted(own) if place else "the first",
            )
        )
    return style.wrap(f'<div class="named">{style.table(heads, rows)}</div>')


def _who(one: Standing | str) -> str:
    if isinstance(one, str) or one.newest.is_reference:
        return ""
    return style.division(one.newest.division) + style.runner(one.runner)


def _counted(own: Sequence[ComparedClaim]) -> str:
    parts = [
        f"{count} {says}"
        for name, (_, says, _) in SIGNS.items()
        if (count := sum(answer.relation == name for answer in own))
    ]
    silent = sum(answer.relation == "silent" for answer in own)
    return "; ".join([*parts, *[f"{silent} without a verdict of one of the two"] * bool(silent)]) or "nothing in common"


def costs(names: Sequence[Standing | str]) -> str:
    """What each costs of what the reference costs: a row for each cost, drawn on one scale."""
    parts = [None if isinstance(one, str) else one.newest.submission for one in names]
    found = [{cost.what: cost for cost in part.costs} if part else {} for part in parts]
    whats = list(dict.fromkeys(what for costs in found for what in costs))
    if not whats:
        return style.wrap('<p class="soft">No cost of any of these was measured.</p>')
    reference = [_called(one) == REFERENCE for one in names]
    rows = [(style.theirs(what), *ratio_cells([costs.get(what) for costs in found], reference)) for what in whats]
    machines = sorted({one.newest.machine for one in names if not isinstance(one, str)})
    note = (
        "Ratios to the reference, with alternating runs on one machine and 95 % intervals; the dashed line is the "
        f"reference, and each row has one logarithmic scale. Machines of the newest records: {'; '.join(machines)}."
    )
    table = style.table(("Cost", *map(_called, names)), rows)
    return style.wrap(f'<div class="compared">{table}</div><p class="soft small">{escape(note)}</p>')


def choose(known: int) -> str:
    """What stands where fewer than two are chosen."""
    if known < 2:
        says = "Only one implementation of this paper has records; submissions appear here."
        return notice("There is nothing to compare", says, level=2)
    return notice("Choose two to four implementations", "The first one is what the others are compared with.", level=2)
