"""The page that sets implementations side by side, as HTML. Texts of records are escaped where they are put in."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from leaderboard import blocks, paper_sheet, style
from leaderboard.comparison import DIFFERENT, Answer, Beside
from leaderboard.queries import Section, Standing, counts
from repro.record import Ratio

SIGNS = {
    "same": ("=", "same verdict", "powerless"),
    "overlap": ("≈", "same verdict, intervals overlap", "powerless"),
    "apart": ("↕", "same verdict, intervals apart", "finding"),
    "verdict": ("≠", "another verdict", "refuted"),
    "version": ("@", "another version of the claim: not compared", "powerless"),
}


def head(section: Section) -> str:
    """Where we are, and what the marks mean."""
    about = section.paper
    here = paper_sheet.crumbs(
        (paper_sheet.address("paper", about.key), about.title),
        (paper_sheet.address("implementations", about.key), "Implementations"),
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


def claims(found: Sequence[Beside], names: Sequence[Standing | str]) -> str:
    """A row for each claim, a column for each implementation.

    Args:
        found: the claims.
        names: the implementations, by name where one has no line.
    """
    heads = ("Claim", *(_called(one) for one in names))
    rows = [(_claim(one), *(_answer(answer) for answer in one.answers)) for one in found]
    return style.wrap(f'<div class="beside">{style.table(heads, rows)}</div>')


def _called(one: Standing | str) -> str:
    name = one if isinstance(one, str) else one.newest.implementation
    return name.removeprefix("submission:")


def _claim(one: Beside) -> str:
    line = one.about
    tag = f'<span class="tag">{escape(line.row)}</span> ' if line.row else ""
    link = blocks.claim_link(line.claim, line.row, line.implementation)
    place = escape(f"{line.place} · {line.name}@{line.version}")
    return f'<a href="{link}">{tag}{escape(line.says)}</a><span class="sub">{place}</span>'


def _answer(answer: Answer) -> str:
    """Verdict, estimate with interval, and what that is beside the first one's."""
    line = answer.line
    if line is None:
        return '<span class="soft">not answered</span>'
    link = blocks.claim_link(line.claim, line.row, line.implementation, line.record)
    beside = _sign(answer.relation) if answer.relation in SIGNS else ""
    evidence = style.EVIDENCE[line.evidence]
    version = f", @{line.version}" if answer.relation == "version" else ""
    return (
        f'<a href="{link}">{style.badge(line.outcome)}</a><span class="sub">{evidence}{version}</span>'
        f"<div>{blocks.measured(line)}</div>{beside}"
    )


def summary(found: Sequence[Beside], names: Sequence[Standing | str]) -> str:
    """How many claims each answers, and how often it differs from the first."""
    heads = ("Implementation", "Division, and whether the project ran it again", "Verdicts", "Beside the first")
    rows = []
    for place, one in enumerate(names):
        own = [beside.answers[place] for beside in found]
        tally = counts(answer.line for answer in own if answer.line is not None)
        marks = "".join(style.tally(name, tally[name]) for name in style.BADGES if tally[name])
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


def _counted(own: Sequence[Answer]) -> str:
    parts = [
        f"{count} {says}"
        for name, (_, says, _) in SIGNS.items()
        if (count := sum(answer.relation == name for answer in own))
    ]
    silent = sum(answer.relation == "silent" for answer in own)
    return "; ".join([*parts, *[f"{silent} with no verdict of one of the two"] * bool(silent)]) or "nothing in common"


def costs(names: Sequence[Standing | str]) -> str:
    """What each costs of what the reference costs: a row for each cost, drawn on one scale."""
    parts = [None if isinstance(one, str) else one.newest.submission for one in names]
    found = [{cost.what: cost for cost in part.costs} if part else {} for part in parts]
    whats = list(dict.fromkeys(what for costs in found for what in costs))
    if not whats:
        return style.wrap('<p class="soft">No cost of any of these was measured.</p>')
    rows = [(style.theirs(what), *_cells(what, found, names)) for what in whats]
    machines = sorted({one.newest.machine for one in names if not isinstance(one, str)})
    note = (
        "Times what the reference costs, both run by turns on one machine, with 95 % intervals; the dashed line is the "
        f"reference, and each row has one logarithmic scale. Machines of the newest records: {'; '.join(machines)}."
    )
    table = style.table(("Cost", *map(_called, names)), rows)
    return style.wrap(f'<div class="beside">{table}</div><p class="soft small">{escape(note)}</p>')


def _cells(what: str, found: Sequence[dict[str, Ratio]], names: Sequence[Standing | str]) -> list[str]:
    drawn = iter(style.ratio_forests([costs[what] for costs in found if what in costs]))
    return [
        style.ratio(costs[what]) + next(drawn)
        if what in costs
        else f'<span class="sub">{"1 by definition" if _called(one) == "reference" else "not measured"}</span>'
        for costs, one in zip(found, names, strict=True)
    ]


def choose(known: int) -> str:
    """What stands where fewer than two are chosen."""
    if known < 2:
        return paper_sheet.empty(
            "There is nothing to compare", "Only one implementation of this paper has records; submissions appear here."
        )
    return paper_sheet.empty(
        "Choose two to four implementations", "The first one is what the others are compared with."
    )
