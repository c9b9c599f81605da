"""What pages have in common, as HTML. Texts of records are hostile input: each is escaped where it is put in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from leaderboard.board import citation
from leaderboard.board.catalogue import BoardCatalogue, ListedClaim
from leaderboard.board.citation import CitationText
from leaderboard.board.lines import Line, Section, counts
from leaderboard.board.units import several
from leaderboard.render import style
from leaderboard.render.links import claim_link, line_link, page_link
from leaderboard.render.parts import Code, Fold, Html, PagePart
from repro.numbers import number
from repro.record.record import Ratio

WIDTHS = ("37%", "14%", "14%", "18%", "8%", "9%")
HEADS = ("Claim", "Verdict", "Published", "Measured", "Controls", "Checked")
ABSENT_WIDTHS = ("40%", "16%", "18%", "26%")
ABSENT_HEADS = ("Claim", "Verdict", "Published", "Needs")
NEEDS = {"cpu": "two cores, minutes", "gpu": "one GPU", "cluster": "several GPUs"}
NAMED = 6  # submissions of a paper that are named


def headline(
    lines: Sequence[Line], others: int = 0, catalogue: BoardCatalogue | None = None, *, aged: bool = True
) -> str:
    """The title, what the board is, the counts of the references' lines among all claims, and the legend."""
    every = catalogue or BoardCatalogue()
    missing = "Only claims with a record are shown, for the list of all claims is missing"
    missing = f'<p class="note small">{missing}: {escape(every.trouble)}.</p>'
    figures = [
        (str(len({x.paper.key for x in lines} | every.papers.keys())), "papers"),
        (f"{sum(not x.past for x in lines)} of {len(every.claims)}", "claims judged")
        if every.claims
        else (str(len(lines)), "verdicts"),
        (" of ".join(map(str, sabotages(lines))), "sabotaged implementations rejected"),
        *[(str(others), "submission" if others == 1 else "submissions")] * bool(others),
        last_verified(lines, aged=aged),
    ]
    return style.wrap(
        "<h1>What deep-learning papers claim, and what we measured</h1>"
        '<p class="lead">Each verdict is on a statement of a paper, by a criterion that was fixed beforehand. '
        "A criterion counts only if it also rejects implementations that were sabotaged on purpose.</p>"
        + (style.figures(figures) if lines or every.claims else "")
        + missing * bool(every.trouble)
        + style.legend(counts(lines))
    )


def sabotages(lines: Iterable[Line]) -> tuple[int, int]:
    """How many sabotaged implementations were rejected, and how many there are, of the lines that count today."""
    current = [one for one in lines if not one.past]
    return sum(one.rejected for one in current), sum(one.controls for one in current)


def last_verified(lines: Iterable[Line], *, aged: bool) -> tuple[str, str]:
    """The day of the newest record as a figure, with how long ago that was where `aged`."""
    newest = max((one.created for one in lines), default="")
    old = style.age(newest) if aged else ""
    return style.day(newest) or "never", f"last verified, {old}" if old else "last verified"


def paper(section: Section, deviations: Sequence[str] = (), others: Sequence[str] = ()) -> str:
    """A paper: its facts, what became of it, its counts, the table of its claims, and where its submissions are."""
    about, tally = section.paper, counts(one for one in section.lines if not one.past)
    facts = " · ".join(
        part for part in (style.authors(about), str(about.year), escape(about.venue), style.source_link(about)) if part
    )
    body = f'<div class="story">{style.paragraphs(about.story)}</div>'
    story = f"<details><summary>The story</summary>{body}</details>" if about.story.strip() else ""
    shares = "".join(f"<span>{style.badge(o)} {tally[o]}</span>" for o in style.BADGES if tally[o])
    shares += f"<span>{style.absent()} {len(section.absent)}</span>" if section.absent else ""
    claims = f'<div class="tally">{shares}</div>' + (claims_table(section.lines) if section.lines else "")
    claims += f"<h3>Not measured</h3>{absent_table(section.absent)}" if section.absent else ""
    many = f'<a href="{page_link("implementations", about.key)}">{several(len(others), "submission")}'
    compared = f'<p class="small">{many} compared with the reference</a>: {few(others)}</p>' if others else ""
    link = page_link("paper", about.key)
    return style.wrap(
        f'<section class="paper" id="{escape(about.key)}"><h2><a href="{link}">{escape(about.title)}</a></h2>'
        f'<div class="soft">{facts}</div>{story}{departures(deviations)}{claims}{compared}</section>'
    )


def few(names: Sequence[str]) -> str:
    """The first submissions by their names, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(style.theirs(one.removeprefix("submission:")) for one in names[:NAMED]) + more


def departures(found: Sequence[str]) -> str:
    """The reference's numbered deviations, folded."""
    if not found:
        return ""
    many = several(len(found), "deviation")
    items = "".join(f"<li>{escape(text)}</li>" for text in found)
    return f"<details><summary>{many} of the reference from the paper</summary><ol>{items}</ol></details>"


def claims_table(lines: Iterable[Line]) -> str:
    """Lines, a row each: statement, verdict, published, measured, controls, date."""
    return _table(WIDTHS, HEADS, map(_row, lines))


def absent_table(found: Iterable[ListedClaim]) -> str:
    """Claims that nobody has run, a row each: statement, published numbers, and what they need."""
    rows = []
    for one in found:
        outcome = f'{style.absent()}<span class="sub">{style.EVIDENCE[one.evidence]} {_tier(one)}</span>'
        cells = (outcome, published(one), escape(needs(one)))
        rows.append(_cells(one, claim_link(one.claim, one.row), ABSENT_HEADS[1:], cells))
    return _table(ABSENT_WIDTHS, ABSENT_HEADS, rows)


def _table(widths: Iterable[str], names: Iterable[str], rows: Iterable[str]) -> str:
    columns = "".join(f'<col style="width:{width}">' for width in widths)
    heads = "".join(f'<th scope="col">{head}</th>' for head in names)
    return (
        f'<table class="claims"><colgroup>{columns}</colgroup>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def needs(one: ListedClaim) -> str:
    """What a claim needs to be run: what it says of its cost, else what its tier means; not yet escaped."""
    return one.listed.cost or NEEDS[one.tier]


def _tier(one: Line | ListedClaim) -> str:
    return f'<span class="tag">{escape(one.tier)}</span>' if one.tier != "cpu" else ""


def _row(one: Line) -> str:
    ratio = f"{one.rejected} of {one.controls}" if one.controls else "&ndash;"
    rejected = f'<span class="value">{ratio}</span>' + ('<span class="sub">rejected</span>' if one.controls else "")
    checked = f'<span class="value">{style.day(one.created)}</span><span class="sub">{escape(one.machine)}</span>'
    tags = " ".join(part for part in (style.EVIDENCE[one.evidence], _tier(one), style.past(one.past)) if part)
    outcome = f'{style.badge(one.outcome)}<span class="sub">{tags}</span>'
    link = line_link(one)
    return _cells(one, link, HEADS[1:], (outcome, published(one), measured(one), rejected, checked))


def _cells(one: Line | ListedClaim, link: str, heads: Iterable[str], cells: Iterable[str]) -> str:
    """A row of a table of claims: the statement, and cells under their heads."""
    place = escape(f"{one.place} · {one.name}@{one.version}")
    return (
        f'<tr><td class="whole"><a class="statement" href="{link}">{style.row_tag(one.row)}{escape(one.says)}</a>'
        f'<span class="sub">{place}</span></td>'
        + "".join(
            f'<td class="{h.lower()}" data-label="{h}"><div>{cell}</div></td>'
            for h, cell in zip(heads, cells, strict=True)
        )
        + "</tr>"
    )


def name(one: Line) -> str:
    """What an implementation is called: "reference", or the name of the submission, as HTML."""
    return style.theirs(one.implementation.removeprefix("submission:"))


def published(one: Line | ListedClaim, most: int = 2) -> str:
    """The numbers that the paper states for a claim, each with its place."""
    if not one.reported:
        return '<span class="sub">see the statement</span>'
    more = len(one.reported) - most
    shown = "".join(f"<div>{style.reported(fact)}</div>" for fact in one.reported[:most])
    return shown + (f'<span class="sub">and {more} more</span>' if more > 0 else "")


def measured(one: Line) -> str:
    """The estimate with its interval and n; for exact claims, the violations among the cases."""
    if one.estimate is None:
        return f'<span class="value">no finite number</span><span class="sub">{_size(one)}</span>'
    if one.unit == "violations":
        found = {0: "no violation", 1: "1 violation"}.get(int(one.estimate), f"{number(one.estimate)} violations")
        if one.values and one.reported:
            shown = [style.amount(value, one.reported[0].unit) for value in one.values[:2]]
            numbers = "".join(f'<div class="value">{text}</div><span class="sub">&nbsp;</span>' for text in shown[:-1])
            return f'{numbers}<div class="value">{shown[-1]}</div><span class="sub">{found} in {_size(one)}</span>'
        return f'<span class="value">{found}</span><span class="sub">in {_size(one)}</span>'
    ends = style.span(one.low, one.high)
    return (
        f'<span class="value">{style.amount(one.estimate, one.unit)}</span>'
        + (f' <span class="value soft">{ends}</span>' if ends else "")
        + f'<span class="sub">{escape(one.what)}, {_size(one)}</span>'
        + style.forest(one.estimate, one.low, one.high, one.bound, one.outcome)
    )


def _size(one: Line) -> str:
    return several(one.n, "case" if one.unit == "violations" else "seed")


def ratio_cells(costs: Sequence[Ratio | None], reference: Sequence[bool], *, named: bool = False) -> list[str]:
    """Costs as cells that are drawn on one scale.

    Args:
        costs: of implementations; None where none was measured, as of the reference.
        reference: which of them is the reference's.
        named: whether a cell says what took a time.
    """

    def what(cost: Ratio) -> str:
        return "" if cost.what in ("peak memory", "energy") else f'<span class="sub">{style.theirs(cost.what)}</span>'

    drawn = iter(style.ratio_forests([one for one in costs if one is not None]))
    return [
        style.ratio(cost) + (what(cost) if named else "") + next(drawn)
        if cost is not None
        else f'<span class="sub">{"1 by definition" if own else "not measured"}</span>'
        for cost, own in zip(costs, reference, strict=True)
    ]


def problems(found: Iterable[tuple[str, str]]) -> str:
    """Files that could not be read as records, one line each."""
    rows = [(f'<span class="mono">{escape(path)}</span>', escape(reason)) for path, reason in found]
    return style.wrap(style.table(("File", "What is wrong with it"), rows))


def notice(title: str, body: str, *, level: int = 3) -> str:
    """A page (at level 2) or a part of it that has nothing to show, and what to do about it."""
    return style.wrap(f'<div class="empty"><h{level}>{title}</h{level}><p class="soft">{body}</p></div>')


def empty(*, filtered: bool) -> str:
    """What stands where there are no claims."""
    if filtered:
        return notice("Nothing matches these filters", 'Widen the search, or <a href="./">show everything</a>.')
    return notice(
        "No records yet",
        "Run <code>make claims</code>, or <code>pytest claims/ --controls</code>. It takes about six minutes and needs "
        "no download; its records appear here.",
    )


def footnote(text: str) -> str:
    """A line of small print."""
    return style.wrap(f'<div class="soft small">{escape(text)}</div>')


def heading(text: str, says: str = "") -> Html:
    """A heading of a part of a page, and what the part shows."""
    lead = f'<p class="soft">{escape(says)}</p>' if says else ""
    return Html(style.wrap(f"<h2>{escape(text)}</h2>{lead}"))


def citations(found: Iterable[CitationText]) -> Fold:
    """Texts to copy, folded."""
    parts: list[PagePart] = [part for one in found for part in (Html(footnote(one.title)), Code(one.text))]
    return Fold(citation.TITLE, parts)
