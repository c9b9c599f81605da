"""The page of a paper as HTML, part by part. Texts of records are escaped where they are put in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from urllib.parse import urlencode

from leaderboard import blocks, published, style
from leaderboard.published import Pair, Scale
from leaderboard.queries import TIERS, Line, Section, counts
from repro.text import number

GROUPS = {
    "exact": ("Mechanism", "Exact claims: parameters, formulas, invariants; every case counts."),
    "reduced": ("Direction", "Orderings and slopes at reduced scale; at best supported."),
    "original": ("Number", "A published number in the paper's own setting."),
}
MOST = 12  # implementations that the summary shows, and claims that a sentence names
BESIDE = 3  # implementations that are compared at first


def address(page: str, paper: str, **asked: str | Sequence[str]) -> str:
    """The address of a page on a paper, relative to the board, ready to stand in an attribute."""
    given = {name: value for name, value in {"paper": paper, **asked}.items() if value}
    return escape(f"{page}?{urlencode(given, doseq=True, safe='/:')}")


def crumbs(*steps: tuple[str, str]) -> str:
    """Where we are: addresses, ready to stand in attributes, and names of the pages above this one."""
    links = [f'<a href="{link}">{escape(name)}</a>' for link, name in (("./", "Board"), *steps)]
    between = ' <span class="soft" aria-hidden="true">/</span> '
    return f'<nav class="crumbs" aria-label="Breadcrumb">{between.join(links)}</nav>'


def head(section: Section, departures: Sequence[str], implementations: int, *, aged: bool = True) -> str:
    """Title, facts and links, the story, the reference's deviations, and what the records add up to.

    Args:
        section: the paper with its lines.
        departures: how its reference deviates from it.
        implementations: how many answer its claims, the reference included.
        aged: whether to say how long ago the newest record was made, which a file cannot.
    """
    about, own = section.paper, section.claims
    facts = (style.authors(about, 20), str(about.year), escape(about.venue), style.source_link(about))
    story = f'<div class="story"><b>The story</b>{style.paragraphs(about.story)}</div>' if about.story.strip() else ""
    current = [one for one in own if not one.past]
    rejected, controls = sum(x.rejected for x in current), sum(x.controls for x in current)
    newest = max((x.created for x in own), default="")
    old = style.age(newest) if aged else ""
    judged = (f"{section.judged} of {section.known}", "claims judged")
    figures = [
        judged if section.known else (str(len(own)), "verdict" if len(own) == 1 else "verdicts"),
        (f"{rejected} of {controls}", "sabotages rejected"),
        (str(sum(x.controls == 0 for x in current)), "verdicts without a control"),
        (str(implementations), "implementation" if implementations == 1 else "implementations"),
        (style.day(newest) or "never", f"last verified, {old}" if old else "last verified"),
    ]
    drawn = "".join(f"<div><b>{escape(value)}</b><span>{name}</span></div>" for value, name in figures)
    shares = counts(current)
    tally = "".join(f"<span>{style.badge(name)}&ensp;{shares[name]}</span>" for name in style.BADGES if shares[name])
    tally += f"<span>{style.absent()}&ensp;{len(section.absent)}</span>" if section.absent else ""
    return style.wrap(
        f'{crumbs()}<h1>{escape(about.title)}</h1><div class="soft">{" · ".join(part for part in facts if part)}</div>'
        f'{story}<div class="figures">{drawn}</div><div class="marks">{tally}</div>{blocks.departures(departures)}'
    )


def heading(text: str, says: str = "") -> str:
    """A heading of a part of a page, and what the part shows."""
    return style.wrap(f"<h2>{escape(text)}</h2>" + (f'<p class="soft">{escape(says)}</p>' if says else ""))


def empty(title: str, body: str) -> str:
    """What stands below a page's title where the page has nothing to show, and what to do about it."""
    return style.wrap(f'<div class="empty"><h2>{title}</h2><p class="soft">{body}</p></div>')


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
    if shown > published.MOST:
        notes.append(f"The first {published.MOST} of {shown} are drawn; the table has all.")
    if shown < len(found):
        without = "is 0" if scale == "published" else "has no margin, or none in its unit"
        notes.append(f"Not drawn: {len(found) - shown}, where the published number {without}.")
    if stating:
        notes.append(
            f"{stating} {'claim states' if stating == 1 else 'claims state'} a number that no mean or exact value "
            "here stands beside: what is judged is a difference, a shape, or in another unit."
        )
    return style.wrap(f'<p class="soft small">{escape(" ".join(notes))}</p>')


def forest_table(found: Iterable[Pair]) -> str:
    """The numbers of the chart, folded."""
    heads = ("Claim", "Verdict", "Published", "Ours", "Difference", "In margins")
    rows = []
    for pair in found:
        part, margin = published.mark(pair, "published"), published.mark(pair, "margin")
        one = pair.line
        link = blocks.claim_link(one.claim, one.row, one.implementation)
        rows.append(
            (
                f'<a href="{link}">{escape(published.named(pair))}</a>',
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
            shares = counts(own)
            tally = "".join(style.tally(found, shares[found]) for found in style.BADGES if shares[found])
            parts.append(
                f'<h3>{name}</h3><p class="soft small">{says}</p><div class="marks small">{tally}</div>'
                f"{blocks.claims_table(own)}"
            )
    return style.wrap("".join(parts)) if parts else ""


def findings(section: Section) -> str:
    """What of the paper is known not to hold."""
    return style.wrap("".join(blocks.finding(one, others) for one, others in section.findings))


def unmeasured(section: Section) -> str:
    """What the records leave open: the claims that nobody has run, and what is not settled by those that were."""
    own = section.claims
    tiers = {tier: sum(one.tier == tier for one in own) for tier in TIERS}
    said = ", ".join(f"{count} of the {tier} tier" for tier, count in tiers.items() if count) or "none"
    missing = [tier for tier, count in tiers.items() if not count]
    items = [f"Verdicts on the reference: {said}."]
    if section.known:
        items.append(_left(section))
    elif missing:
        items.append(
            f"There is no record of a claim of the {' or '.join(missing)} tier. Whether the paper has such claims, "
            f"records cannot say: <code>repro claims {escape(section.paper.key)}</code> lists all of them."
        )
    if not any(one.evidence == "original" for one in own):
        items.append("No published number was judged in the paper's own setting.")
    bare = [one for one in own if not one.controls]
    if bare:
        items.append(f"Without a control: {_links(bare)}.")
    single = [one for one in own if not one.exact and one.estimate is not None and one.low is None]
    if single:
        items.append(f"An estimate without an interval: {_links(single)}.")
    open_ = [one for one in own if one.outcome in ("inconclusive", "powerless")]
    if open_:
        items.append(f"Not settled: {_links(open_)}.")
    unread = [one for one in own if any(not fact.verified for fact in one.reported)]
    if unread:
        items.append(f"Published numbers that were not read in the paper itself: {_links(unread)}.")
    items.append(
        f'What trials cost, and where energy was not measured, is on the page of <a href="'
        f'{address("telemetry", section.paper.key)}">telemetry</a>.'
    )
    table = blocks.absent_table(section.absent) if section.absent else ""
    return style.wrap("<ul>" + "".join(f"<li>{item}</li>" for item in items) + f"</ul>{table}")


def _left(section: Section) -> str:
    """How many claims of today have no verdict, by what they need; and which verdicts are of earlier claims."""
    tiers = {tier: sum(one.tier == tier for one in section.absent) for tier in TIERS}
    needed = ", ".join(f"{count} of the {tier} tier" for tier, count in tiers.items() if count)
    past = [one for one in section.claims if one.past]
    said = (
        f"The reference has no record of {len(section.absent)} of {section.known} claims: {needed}; they stand below."
    )
    earlier = f" Not counted, for the claim has changed or is gone: {_links(past)}." if past else ""
    return (said if section.absent else "The reference has a record of every claim.") + earlier


def _links(lines: Sequence[Line]) -> str:
    names = [
        f'<a href="{blocks.claim_link(x.claim, x.row)}">{escape(f"{x.name}[{x.row}]" if x.row else x.name)}</a>'
        for x in lines[:MOST]
    ]
    return ", ".join(names) + (f" and {len(lines) - MOST} more" if len(lines) > MOST else "")


def implementations(section: Section, names: Sequence[str]) -> str:
    """The implementations with their verdicts in a few words, and the way to their page.

    Args:
        section: the paper with the lines of the first of them.
        names: of all.
    """
    rows = []
    for one in section.standings:
        tally = counts(one.lines)
        verdicts = "".join(style.tally(name, tally[name]) for name in style.BADGES if tally[name])
        who = "" if one.newest.is_reference else style.division(one.newest.division) + style.runner(one.runner)
        answered = sum(not x.past for x in (*one.lines, *one.outdated))
        missing, every = len(one.unanswered), len(section.reference)
        if section.known:
            missing, every = section.known - answered, section.known
        left = f"{missing} of {every}" if missing else "none"
        cells = (f'<div class="marks">{cell}</div>' if cell else "&ndash;" for cell in (who, verdicts))
        rows.append((blocks.name(one.newest), *cells, left))
    key, more = section.paper.key, len(names) - len(section.standings)
    says = f"{more} more, with costs and sources" if more > 0 else "Costs and sources"
    links = [f'<a href="{address("implementations", key)}">{says}</a>']
    if len(names) > 1:
        beside = {"with": [one.newest.implementation for one in section.standings[:BESIDE]]}
        links.append(f'<a href="{address("compare", key, **beside)}">Side by side</a>')
    heads = ("Implementation", "Division and who vouches", "Verdicts", "Claims not answered")
    return style.wrap(f"{style.table(heads, rows)}<p>{' · '.join(links)}</p>")


def unknown(paper: str, known: Iterable[tuple[str, str]], page: str = "paper") -> str:
    """No such paper among the records, and those that there are.

    Args:
        paper: what was asked for.
        known: keys and titles of the papers that have records.
        page: where their links lead.
    """
    title = f"There is no record of a paper {escape(paper)}" if paper else "No paper is named in this address"
    links = "".join(f'<li><a href="{address(page, key)}">{escape(title)}</a></li>' for key, title in known)
    body = (
        f"<p>These have records:</p><ul>{links}</ul>"
        if links
        else "<p>There are no records yet. Run <code>make claims</code>; its records appear here.</p>"
    )
    return style.wrap(f"{crumbs()}<h1>{title}</h1>{body}")
