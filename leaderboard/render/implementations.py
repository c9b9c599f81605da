"""The page of a paper's implementations as HTML. Texts of records are escaped where they are put in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from leaderboard import blocks, paper_sheet, record_sheet, style
from leaderboard.contest import Contender, Quality, cost
from leaderboard.queries import REFERENCE, Section, Standing, counts
from repro.record import Ratio
from repro.text import number

HEADS = ("Implementation", "Verdicts", "Time", "Memory", "Energy", "Source")
NAMED = 6  # submissions of a paper that the overview names
NONE = '<span class="soft">&ndash;</span>'
EACH = 50  # implementations on one page
SAID = 30  # members of the front that the text names


def overview(titles: Mapping[str, str], names: Mapping[str, Sequence[str]]) -> str:
    """All papers, how many submissions each has, and the way to them.

    Args:
        titles: of the papers, by key.
        names: what their submissions are called, by key.
    """
    rows = []
    for key, title in sorted(titles.items(), key=lambda each: (-len(names[each[0]]), each[0])):
        own = names[key]
        link = f'<a href="{paper_sheet.address("implementations", key)}">{escape(title)}</a>'
        listed = ", ".join(style.theirs(name.removeprefix("submission:")) for name in own[:NAMED])
        more = f" and {len(own) - NAMED} more" if len(own) > NAMED else ""
        beside = _beside(key, [REFERENCE, *own[:1]], "Compare") if own else NONE
        many = f"{len(own)}: {listed}{more}" if own else '<span class="soft">the reference only</span>'
        rows.append((f'{link}<span class="sub mono">{escape(key)}</span>', many, beside))
    return style.wrap(
        '<h1>Implementations</h1><p class="lead">Who answers the claims of which paper. On the page of a paper each '
        "submission stands beside the project's reference, with its verdicts and what it costs.</p>"
        + style.table(("Paper", "Submissions", "Side by side"), rows)
        + '<p class="soft"><a href="submit">Submit</a> says how to make one.</p>'
    )


def compare(section: Section, shown: Sequence[Standing]) -> str:
    """The way to the page that compares two of those that are shown; "" where there are no two."""
    names = [one.newest.implementation for one in shown[:2]]
    if len(names) < 2:
        return ""
    first, second = (style.theirs(name.removeprefix("submission:")) for name in names)
    return style.wrap(f"<p>{_beside(section.paper.key, names, f'Compare {first} and {second}, claim by claim')}</p>")


def _beside(paper: str, names: Sequence[str], says: str) -> str:
    return f'<a href="{paper_sheet.address("compare", paper, **{"with": names})}">{says}</a>'


def head(section: Section, total: int) -> str:
    """Where we are and how to read the page."""
    about = section.paper
    here = paper_sheet.crumbs((paper_sheet.address("paper", about.key), about.title))
    return style.wrap(
        f"{here}<h1>Implementations of {escape(about.title)}</h1>"
        f'<p class="lead">{total} in all. Each stands beside the reference: its verdicts on the same claims, and what '
        "it costs as a ratio to what the reference costs, both run by turns on one machine in the same isolation.</p>"
    )


def table(section: Section, shown: Sequence[Standing]) -> str:
    """A row for each implementation: who it is, verdicts, costs as ratios with intervals, and where it comes from."""
    columns = [_column(shown, [_cost(one, place) for one in shown]) for place in range(3)]
    rows = [
        (_who(one), _verdicts(one, section), *cells, _source(one)) for one, *cells in zip(shown, *columns, strict=True)
    ]
    note = (
        "Costs are times the reference's, with 95 % intervals over pairs of runs; the dashed line is the reference, "
        "and each column has one logarithmic scale. Where a cell says so, it was not measured; nothing is estimated."
    )
    return style.wrap(f'{style.table(HEADS, rows)}<p class="soft small">{note}</p>')


def _who(one: Standing) -> str:
    newest = one.newest
    if newest.is_reference:
        return '<b>reference</b><span class="sub">The project\'s own, which the others stand beside.</span>'
    badges = style.division(newest.division) + style.runner(one.runner) + (style.unjailed() if one.trusted else "")
    says = newest.submission.summary if newest.submission else ""
    about = f'<div class="marks small">{badges}</div><span class="sub">{style.theirs(says)}</span>'
    return f"<b>{blocks.name(newest)}</b>{about}"


def _verdicts(one: Standing, section: Section) -> str:
    tally, asked = counts(one.lines), len(section.reference)
    found = "".join(style.tally(name, tally[name]) for name in style.BADGES if tally[name])
    notes = []
    if asked and not one.newest.is_reference:
        notes.append(f"{asked - len(one.unanswered)} of {asked} claims answered")
    if one.outdated:
        notes.append(f"{len(one.outdated)} of another version of the claim, not counted")
    return f'<div class="marks">{found}</div>' + "".join(f'<span class="sub">{note}</span>' for note in notes)


def _cost(one: Standing, place: int) -> Ratio | None:
    """A standing's time, memory or energy; of times, the one that training or else prediction takes, or the longest."""
    part = one.newest.submission
    if part is None:
        return None
    if place:
        return cost(one, ("peak memory", "energy")[place - 1])
    times = [found for found in part.costs if found.what.startswith("time to ")]
    usual = [found for name in ("time to train", "time to predict") for found in times if found.what == name]
    return (usual or sorted(times, key=lambda found: -found.reference) or [None])[0]


def _column(shown: Sequence[Standing], found: Sequence[Ratio | None]) -> list[str]:
    """The cells of one kind of cost, drawn on one scale."""
    drawn = iter(style.ratio_forests([one for one in found if one is not None]))
    return [
        _ratio(cost, next(drawn))
        if cost is not None
        else f'<span class="sub">{"1 by definition" if one.newest.is_reference else "not measured"}</span>'
        for one, cost in zip(shown, found, strict=True)
    ]


def _ratio(one: Ratio, drawn: str) -> str:
    what = "" if one.what in ("peak memory", "energy") else f'<span class="sub">{style.theirs(one.what)}</span>'
    return f"{style.ratio(one)}{what}{drawn}"


def _source(one: Standing) -> str:
    """Which code its newest record comes from, on which machine, and how far it declares to depart from the paper."""
    newest = one.newest
    several = f'<span class="sub">from {one.sources} versions of its source</span>' if one.sources > 1 else ""
    declared = f"{newest.deviations} deviation{'' if newest.deviations == 1 else 's'} declared"
    shared = f"{style.theirs(newest.submission.shared)} functions shared; " if newest.submission else ""
    return (
        f'<span class="mono">{escape(newest.source.removeprefix("sha256:")[:10])}</span>{several}'
        f'<span class="sub">{shared}{declared}</span>'
        f'<span class="sub"><a href="{record_sheet.record_link(newest.record)}">newest record</a>, '
        f"{style.day(newest.created)}, {escape(newest.machine)}</span>"
    )


def front(best: Sequence[Contender], found: Sequence[Contender], quality: Quality, what: str) -> str:
    """The front in words, and what could not be placed."""
    items = [f"<li>{_member(one, quality, what)}</li>" for one in best[:SAID]]
    more = f"<p>and {len(best) - SAID} more</p>" if len(best) > SAID else ""
    missing = sum(one.cost is None for one in found)
    without = sum(one.quality is None for one in found)
    left = []
    if missing:
        left.append(f"{missing} of {len(found)} have no measured {style.theirs(what)} and are not placed")
    if without:
        left.append(f"{without} of {len(found)} have no such quality")
    notes = (
        f"<p>Quality is {escape(quality.says)}. On the front are those that no other one beats in quality or in cost "
        "without losing in the other, by the point estimates; where intervals of cost overlap, the order is not "
        "settled."
        f"{' ' + '; '.join(left) + '.' if left else ''}</p>"
    )
    listed = f"<ol>{''.join(items)}</ol>{more}" if items else "<p>Nothing can be placed.</p>"
    return style.wrap(f"<h3>The front, the cheapest first</h3>{listed}{notes}")


def _member(one: Contender, quality: Quality, what: str) -> str:
    spent = "1 by definition"
    if not one.standing.newest.is_reference and one.cost is not None:
        spent = style.ratio(one.cost)
    unit = f"{number(one.quality)}" if "%" not in quality.title else f"{number(one.quality)}%"
    return f"<b>{blocks.name(one.standing.newest)}</b>: {escape(unit)} ({escape(one.of)}), {style.theirs(what)} {spent}"


def words(best: Sequence[Contender], drawn: int, quality: Quality, what: str) -> str:
    """What the chart shows, for those who cannot see it."""
    shown = "; ".join(
        f"{one.standing.newest.implementation.removeprefix('submission:')}: {number(one.quality)} at "
        f"{number(one.cost.ratio) if one.cost else '-'}"
        for one in best[:SAID]
    )
    return f"{quality.title} against {what} of {drawn} implementations. On the front: {shown}"


def nothing(section: Section) -> str:
    """What stands where there is no submission."""
    return paper_sheet.empty(
        "No submission yet",
        "Only the reference answers this paper's claims. <code>repro submission new "
        f"{escape(section.paper.key)} FOLDER</code> starts one; its cost is measured when it is run.",
    )
