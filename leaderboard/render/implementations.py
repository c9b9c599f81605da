"""The page of a paper's implementations. Texts of records are escaped where they are put in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from html import escape

from leaderboard.board import pareto
from leaderboard.board.lines import REFERENCE, Section, Standing, counts, main_costs
from leaderboard.board.pareto import Aim, Contender, QualityAxis, cost
from leaderboard.board.units import several
from leaderboard.charts import pareto as pareto_chart
from leaderboard.charts.picture import Picture
from leaderboard.render import components, style
from leaderboard.render.components import footnote, heading, notice, ratio_cells
from leaderboard.render.links import breadcrumbs, page_link, record_link
from leaderboard.render.parts import Control, Html, PagePart, Place
from repro.numbers import number
from repro.record.record import Ratio

HEADS = ("Implementation", "Verdicts", "Time", "Memory", "Energy", "Source")
NONE = '<span class="soft">&ndash;</span>'
EACH = 50  # implementations on one page
SAID = 30  # members of the front that the text names


def page(
    section: Section,
    chosen: Sequence[Standing],
    listed: Sequence[Standing],
    quality: QualityAxis,
    what: str,
    aims: Mapping[tuple[str, str], Aim],
) -> list[PagePart]:
    """The whole page.

    Args:
        section: the paper, with the lines of all its implementations.
        chosen: those that the filters leave.
        listed: those of them that the table lists; the others are on other pages of it.
        quality: what they are compared by, with `aims`, which says what makes estimates of claims better.
        what: the cost that quality is set against; "" where none was measured.
        aims: by claim and row.
    """
    top = Html(head(section, len(section.standings)))
    if all(one.newest.is_reference for one in section.standings):
        return [top, Html(nothing(section))]
    compared = compare(section, chosen)
    place = [
        heading("Compared with the reference"),
        *([Html(compared)] if compared else []),
        *_listed(section, chosen, listed),
    ]
    against = _against(pareto.contenders(section, chosen, what, quality, aims), quality, what)
    return [top, Control("filters"), Place(place), heading("Quality against cost"), *against]


def _listed(section: Section, chosen: Sequence[Standing], listed: Sequence[Standing]) -> list[PagePart]:
    if all(one.newest.is_reference for one in chosen):
        return [Html(notice("Only the reference is left", "No submission matches these filters; widen them."))]
    parts: list[PagePart] = [Control("pages")]
    if 0 < len(listed) < len(chosen):
        first = chosen.index(listed[0]) + 1
        parts.append(Html(footnote(f"{first} to {first + len(listed) - 1} of {len(chosen)}")))
    return [*parts, Html(table(section, listed))]


def _against(found: Sequence[Contender], quality: QualityAxis, what: str) -> list[PagePart]:
    """Quality against cost, drawn and as a list."""
    if not what:
        return [Html(footnote("No cost of any implementation was measured."))]
    placed = [one for one in found if one.measured]
    best = pareto.front(found, quality)
    parts: list[PagePart] = [Control("axes")]
    if len(placed) > 1:
        make = partial(pareto_chart.chart, placed, best, quality, what)
        parts.append(Picture(make=make, alt=words(best, len(placed), quality, what)))
    if len(placed) > pareto_chart.MOST:
        parts.append(Html(footnote(f"The front and the first others are drawn, {pareto_chart.MOST} in all.")))
    return [*parts, Html(front(best, found, quality, what))]


def overview(titles: Mapping[str, str], names: Mapping[str, Sequence[str]]) -> str:
    """All papers, how many submissions each has, and the way to them."""
    rows = []
    for key, title in sorted(titles.items(), key=lambda each: (-len(names[each[0]]), each[0])):
        own = names[key]
        link = f'<a href="{page_link("implementations", key)}">{escape(title)}</a>'
        compared = _compare_link(key, [REFERENCE, *own[:1]], "Compare") if own else NONE
        many = f"{len(own)}: {components.few(own)}" if own else '<span class="soft">the reference only</span>'
        rows.append((f'{link}<span class="sub mono">{escape(key)}</span>', many, compared))
    return style.wrap(
        '<h1>Implementations</h1><p class="lead">Implementations of each paper\'s claims. The page of a paper compares '
        "each submission with the project's reference: its verdicts and what it costs.</p>"
        + style.table(("Paper", "Submissions", "Side by side"), rows)
        + '<p class="soft"><a href="submit">How to submit one</a>.</p>'
    )


def compare(section: Section, shown: Sequence[Standing]) -> str:
    """The way to the page that compares two of those that are shown; "" where there are no two."""
    names = [one.newest.implementation for one in shown[:2]]
    if len(names) < 2:
        return ""
    first, second = (style.theirs(name.removeprefix("submission:")) for name in names)
    return style.wrap(
        f"<p>{_compare_link(section.paper.key, names, f'Compare {first} and {second}, claim by claim')}</p>"
    )


def _compare_link(paper: str, names: Sequence[str], says: str) -> str:
    return f'<a href="{page_link("compare", paper, **{"with": names})}">{says}</a>'


def head(section: Section, total: int) -> str:
    """Where we are and how to read the page."""
    about = section.paper
    here = breadcrumbs((page_link("paper", about.key), about.title))
    return style.wrap(
        f"{here}<h1>Implementations of {escape(about.title)}</h1>"
        f'<p class="lead">{total} in all. Each is compared with the reference: verdicts on the same claims, and '
        "costs as ratios to the reference's, from alternating runs on one machine in the same isolation.</p>"
    )


def table(section: Section, shown: Sequence[Standing]) -> str:
    """A row for each implementation: who it is, verdicts, costs as ratios with intervals, and where it comes from."""
    reference = [one.newest.is_reference for one in shown]
    columns = [ratio_cells([_cost(one, place) for one in shown], reference, named=True) for place in range(3)]
    rows = [
        (_who(one), _verdicts(one, section), *cells, _source(one)) for one, *cells in zip(shown, *columns, strict=True)
    ]
    note = (
        "Costs are ratios to the reference's, with 95 % intervals over pairs of runs; the dashed line is the "
        "reference, and each column has one logarithmic scale. Nothing is estimated."
    )
    return style.wrap(f'{style.table(HEADS, rows)}<p class="soft small">{note}</p>')


def _who(one: Standing) -> str:
    newest = one.newest
    if newest.is_reference:
        return '<b>reference</b><span class="sub">The project\'s own, which the others are compared with.</span>'
    badges = style.division(newest.division) + style.runner(one.runner) + (style.unjailed() if one.trusted else "")
    says = newest.submission.summary if newest.submission else ""
    about = f'<div class="marks small">{badges}</div><span class="sub">{style.theirs(says)}</span>'
    return f"<b>{components.name(newest)}</b>{about}"


def _verdicts(one: Standing, section: Section) -> str:
    found, asked = style.tallies(counts(one.lines)), len(section.reference)
    notes = []
    if asked and not one.newest.is_reference:
        notes.append(f"{asked - len(one.unanswered)} of {asked} claims answered")
    if one.outdated:
        notes.append(f"{len(one.outdated)} on another version of the claim, not counted")
    return f'<div class="marks">{found}</div>' + "".join(f'<span class="sub">{note}</span>' for note in notes)


def _cost(one: Standing, place: int) -> Ratio | None:
    """A standing's time, memory or energy; of times, the one that training or else prediction takes, or the longest."""
    part = one.newest.submission
    if part is None:
        return None
    if place:
        return cost(one, ("peak memory", "energy")[place - 1])
    return next((found for found in main_costs(part.costs) if found.what.startswith("time to ")), None)


def _source(one: Standing) -> str:
    """Which code its newest record comes from, on which machine, and how far it declares to depart from the paper."""
    newest = one.newest
    versions = f'<span class="sub">from {one.sources} versions of its source</span>' if one.sources > 1 else ""
    declared = f"{several(newest.deviations, 'deviation')} declared"
    shared = f"{style.theirs(newest.submission.shared)} functions shared; " if newest.submission else ""
    return (
        f'<span class="mono">{escape(newest.source.removeprefix("sha256:")[:10])}</span>{versions}'
        f'<span class="sub">{shared}{declared}</span>'
        f'<span class="sub"><a href="{record_link(newest.record)}">newest record</a>, '
        f"{style.day(newest.created)}, {escape(newest.machine)}</span>"
    )


def front(best: Sequence[Contender], found: Sequence[Contender], quality: QualityAxis, what: str) -> str:
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
        f"<p>Quality is {escape(quality.says)}. The front has those that no other beats in quality or cost without "
        "losing in the other, by point estimates; where intervals of cost overlap, the order is open."
        f"{' ' + '; '.join(left) + '.' if left else ''}</p>"
    )
    listed = f"<ol>{''.join(items)}</ol>{more}" if items else "<p>Nothing can be placed.</p>"
    return style.wrap(f"<h3>The front, the cheapest first</h3>{listed}{notes}")


def _member(one: Contender, quality: QualityAxis, what: str) -> str:
    spent = "1 by definition"
    if not one.standing.newest.is_reference and one.cost is not None:
        spent = style.ratio(one.cost)
    unit = f"{number(one.quality)}" if "%" not in quality.title else f"{number(one.quality)}%"
    name = components.name(one.standing.newest)
    return f"<b>{name}</b>: {escape(unit)} ({escape(one.of)}), {style.theirs(what)} {spent}"


def words(best: Sequence[Contender], drawn: int, quality: QualityAxis, what: str) -> str:
    """What the chart shows, for those who cannot see it."""
    shown = "; ".join(
        f"{one.standing.newest.implementation.removeprefix('submission:')}: {number(one.quality)} at "
        f"{number(one.cost.ratio) if one.cost else '-'}"
        for one in best[:SAID]
    )
    return f"{quality.title} against {what} of {drawn} implementations. On the front: {shown}"


def nothing(section: Section) -> str:
    """What stands where there is no submission."""
    return notice(
        "No submission yet",
        "Only the reference answers this paper's claims. <code>repro submission new "
        f"{escape(section.paper.key)} FOLDER</code> starts one; its cost is measured when it is run.",
        level=2,
    )
