"""The page of a paper. Texts of records are escaped where they are put in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from html import escape

from leaderboard.board import citation, curves, reported
from leaderboard.board.citation import Addresses
from leaderboard.board.lines import TIERS, Line, Section, counts
from leaderboard.board.reported import Pair, Scale
from leaderboard.charts import forest
from leaderboard.charts.picture import Picture
from leaderboard.render import components, figures, samples, style
from leaderboard.render.components import citations, footnote, heading
from leaderboard.render.findings import findings
from leaderboard.render.links import breadcrumbs, claim_link, line_link, page_link
from leaderboard.render.parts import Control, Html, PagePart, Place
from repro.numbers import number
from repro.record.figure_data import FigureData
from repro.record.record import Record

GROUPS = {
    "exact": ("Mechanism", "Exact claims: parameters, formulas, invariants; every case counts."),
    "reduced": ("Direction", "Orderings and slopes at reduced scale; at best supported."),
    "original": ("Number", "A published number in the paper's own setting."),
}
MOST = 12  # implementations that the summary shows, and claims that a sentence names
COMPARED = 3  # implementations that are compared at first


def page(
    section: Section,
    names: Sequence[str],
    pairs: Sequence[Pair],
    scale: Scale,
    records: Sequence[Record],
    drawn: Sequence[FigureData] = (),
    *,
    deviations: Sequence[str],
    where: Addresses,
    aged: bool = True,
) -> list[PagePart]:
    """The whole page.

    Args:
        section: the paper.
        names: what all of its implementations are called.
        pairs: published numbers and ours, which are drawn on the `scale`.
        scale: one of `reported.AXES`.
        records: whose curves are drawn.
        drawn: the figures on top.
        deviations: of the reference from the paper.
        where: addresses of the page and what belongs to it.
        aged: whether to say how long ago the newest record was made, which a file cannot.
    """
    parts: list[PagePart] = [
        Html(head(section, deviations, len(names), aged=aged)),
        Place(figures.on_top(drawn)),
        Place(_published(section, pairs, scale)),
        Place(_curves(records)),
    ]
    if section.claims:
        parts += [heading("Claims"), Html(claims(section.claims))]
    if section.findings:
        parts.append(heading("Findings", "What is known not to hold, and who showed it."))
        parts.append(Html(style.wrap(findings(section))))
    if section.lines:
        parts += [heading("Implementations"), Html(implementations(section, names))]
    parts += [heading("Not measured"), Html(unmeasured(section))]
    return [*parts, citations(citation.of_paper(section.paper, where))]


def _published(section: Section, found: Sequence[Pair], scale: Scale) -> list[PagePart]:
    """Published numbers and ours; nothing where no claim states a number."""
    stating = [one for one in section.claims if one.reported]
    if not stating:
        return []
    marks = reported.marks(found, scale)
    without = len(stating) - len({pair.line.case for pair in found})
    parts: list[PagePart] = [heading("Published and reproduced"), Control("scale")]
    if marks:
        parts.append(Picture(make=partial(forest.chart, marks, scale), alt=forest.words(marks, scale)))
    parts.append(Html(forest_note(found, len(marks), scale, without)))
    return [*parts, Html(forest_table(found))] if found else parts


def _curves(records: Sequence[Record]) -> list[PagePart]:
    if not records:
        return []
    parts: list[PagePart] = [
        heading("Curves", "Every seed thin, their mean bold; over time, training or size."),
        Control("curve"),
    ]
    for record in records:
        parts += [Html(footnote(record.claim.says)), *samples.drawn(curves.only(record))]
    return parts


def head(section: Section, departures: Sequence[str], implementations: int, *, aged: bool = True) -> str:
    """Title, facts and links, the story, the reference's deviations, and what the records add up to."""
    about, own = section.paper, section.claims
    facts = (style.authors(about, 20), str(about.year), escape(about.venue), style.source_link(about))
    story = f'<div class="story"><b>The story</b>{style.paragraphs(about.story)}</div>' if about.story.strip() else ""
    current = [one for one in own if not one.past]
    judged = (f"{section.judged} of {section.known}", "claims judged")
    figures = [
        judged if section.known else (str(len(own)), "verdict" if len(own) == 1 else "verdicts"),
        (" of ".join(map(str, components.sabotages(own))), "sabotages rejected"),
        (str(sum(x.controls == 0 for x in current)), "verdicts without a control"),
        (str(implementations), "implementation" if implementations == 1 else "implementations"),
        components.last_verified(own, aged=aged),
    ]
    shares = counts(current)
    tally = "".join(f"<span>{style.badge(name)}&ensp;{shares[name]}</span>" for name in style.BADGES if shares[name])
    tally += f"<span>{style.absent()}&ensp;{len(section.absent)}</span>" if section.absent else ""
    return style.wrap(
        f'{breadcrumbs()}<h1>{escape(about.title)}</h1><div class="soft">{" · ".join(filter(None, facts))}</div>'
        f'{story}{style.figures(figures)}<div class="marks">{tally}</div>{components.departures(departures)}'
    )


def forest_note(found: Sequence[Pair], shown: int, scale: Scale, stating: int) -> str:
    """How to read the chart, and what it leaves out."""
    length = {
        "published": "as per cent of the published number. Negative is below it, which may be better or worse",
        "margin": "in margins of the criterion: at 1 or -1 lies the bound that the mean must respect",
    }[scale]
    notes = [
        "The upright line is the published number; a disc is our estimate with the letter of its verdict, the bar its "
        "interval and the short tick the criterion's bound, where there are such. An exact value has no interval. "
        f"Differences are drawn {length}."
    ]
    if shown > reported.MOST:
        notes.append(f"The first {reported.MOST} of {shown} are drawn; the table has all.")
    if shown < len(found):
        without = "is 0" if scale == "published" else "has no margin, or none in its unit"
        notes.append(f"Not drawn: {len(found) - shown}, where the published number {without}.")
    if stating:
        notes.append(
            f"{stating} {'claim states' if stating == 1 else 'claims state'} a number that cannot be shown here: "
            "what is judged is a difference, a shape, or in another unit."
        )
    return style.wrap(f'<p class="soft small">{escape(" ".join(notes))}</p>')


def forest_table(found: Iterable[Pair]) -> str:
    """The numbers of the chart, folded."""
    heads = ("Claim", "Verdict", "Published", "Ours", "Difference", "In margins")
    rows = []
    for pair in found:
        part, margin = reported.mark(pair, "published"), reported.mark(pair, "margin")
        one = pair.line
        link = line_link(one)
        rows.append(
            (
                f'<a href="{link}">{escape(reported.named(pair))}</a>',
                style.badge(one.outcome),
                style.reported(pair.fact),
                f'<span class="value">{style.amount(pair.value, pair.fact.unit)}</span> '
                f'<span class="soft value">{style.span(pair.low, pair.high) or "exact" * one.exact}</span>',
                f'<span class="value">{_signed(part.value)}%</span>' if part else "&ndash;",
                f'<span class="value">{_signed(margin.value)}</span>' if margin else "&ndash;",
            )
        )
    return style.wrap(f"<details><summary>The same as a table</summary>{style.table(heads, rows)}</details>")


def _signed(value: float) -> str:
    return escape(f"{'+' if value > 0 else ''}{number(value)}")


def claims(lines: Sequence[Line]) -> str:
    """The reference's claims by group, each group with what it is."""
    parts = []
    for evidence, (name, says) in GROUPS.items():
        own = [one for one in lines if one.evidence == evidence]
        if own:
            tally = style.tallies(counts(own))
            parts.append(
                f'<h3>{name}</h3><p class="soft small">{says}</p><div class="marks small">{tally}</div>'
                f"{components.claims_table(own)}"
            )
    return style.wrap("".join(parts)) if parts else ""


def unmeasured(section: Section) -> str:
    """What the records leave open: the claims that nobody has run, and what is not settled by those that were."""
    own = section.claims
    tiers = {tier: sum(one.tier == tier for one in own) for tier in TIERS}
    judged = ", ".join(f"{count} of the {tier} tier" for tier, count in tiers.items() if count) or "none"
    missing = [tier for tier, count in tiers.items() if not count]
    items = [f"Verdicts on the reference: {judged}."]
    if section.known:
        items.append(_left(section))
    elif missing:
        items.append(
            f"There is no record of a claim of the {' or '.join(missing)} tier. Whether the paper has such claims, "
            f"records cannot say: <code>repro claims {escape(section.paper.key)}</code> lists all of them."
        )
    if not any(one.evidence == "original" for one in own):
        items.append("No published number was judged in the paper's own setting.")
    unread = "Published numbers that were not read in the paper itself"
    lacking = {
        "Without a control": [one for one in own if not one.controls],
        "An estimate without an interval": [
            one for one in own if not one.exact and one.estimate is not None and one.low is None
        ],
        "Not settled": [one for one in own if one.outcome.rank == 1],
        unread: [one for one in own if any(not fact.verified for fact in one.reported)],
    }
    items += [f"{what}: {_links(of)}." for what, of in lacking.items() if of]
    items.append(
        f'What trials cost, and where energy was not measured, is on the page of <a href="'
        f'{page_link("telemetry", section.paper.key)}">telemetry</a>.'
    )
    table = components.absent_table(section.absent) if section.absent else ""
    return style.wrap("<ul>" + "".join(f"<li>{item}</li>" for item in items) + f"</ul>{table}")


def _left(section: Section) -> str:
    """How many claims of today have no verdict, by what they need; and which verdicts are of earlier claims."""
    tiers = {tier: sum(one.tier == tier for one in section.absent) for tier in TIERS}
    needed = ", ".join(f"{count} of the {tier} tier" for tier, count in tiers.items() if count)
    past = [one for one in section.claims if one.past]
    absent = (
        f"The reference has no record of {len(section.absent)} of {section.known} claims: {needed}; they stand below."
    )
    earlier = f" Not counted, for the claim has changed or is gone: {_links(past)}." if past else ""
    return (absent if section.absent else "The reference has a record of every claim.") + earlier


def _links(lines: Sequence[Line]) -> str:
    names = [f'<a href="{claim_link(x.claim, x.row)}">{escape(x.short)}</a>' for x in lines[:MOST]]
    return ", ".join(names) + (f" and {len(lines) - MOST} more" if len(lines) > MOST else "")


def implementations(section: Section, names: Sequence[str]) -> str:
    """The implementations with their verdicts in a few words, and the way to their page."""
    rows = []
    for one in section.standings:
        verdicts = style.tallies(counts(one.lines))
        who = "" if one.newest.is_reference else style.division(one.newest.division) + style.runner(one.runner)
        answered = sum(not x.past for x in (*one.lines, *one.outdated))
        missing, every = len(one.unanswered), len(section.reference)
        if section.known:
            missing, every = section.known - answered, section.known
        left = f"{missing} of {every}" if missing else "none"
        cells = (f'<div class="marks">{cell}</div>' if cell else "&ndash;" for cell in (who, verdicts))
        rows.append((components.name(one.newest), *cells, left))
    key, more = section.paper.key, len(names) - len(section.standings)
    says = f"{more} more, with costs and sources" if more > 0 else "Costs and sources"
    links = [f'<a href="{page_link("implementations", key)}">{says}</a>']
    if len(names) > 1:
        compared = {"with": [one.newest.implementation for one in section.standings[:COMPARED]]}
        links.append(f'<a href="{page_link("compare", key, **compared)}">Side by side</a>')
    heads = ("Implementation", "Division and who ran it", "Verdicts", "Claims not answered")
    return style.wrap(f"{style.table(heads, rows)}<p>{' · '.join(links)}</p>")


def unknown(paper: str, known: Iterable[tuple[str, str]], page: str = "paper") -> str:
    """No such paper among the records, and those that there are, with links to a page of theirs."""
    title = f"There is no record of a paper {escape(paper)}" if paper else "No paper is named in this address"
    links = "".join(f'<li><a href="{page_link(page, key)}">{escape(title)}</a></li>' for key, title in known)
    body = (
        f"<p>These have records:</p><ul>{links}</ul>"
        if links
        else "<p>There are no records yet. Run <code>make claims</code>; its records appear here.</p>"
    )
    return style.wrap(f"{breadcrumbs()}<h1>{title}</h1>{body}")
