"""The parts of the pages as HTML. Texts of records are hostile input: each is escaped where it is put in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from urllib.parse import urlencode

from leaderboard import style
from leaderboard.queries import Line, Section, Standing, counts, main_costs
from repro.text import number

WIDTHS = ("37%", "14%", "14%", "18%", "8%", "9%")
HEADS = ("Claim", "Verdict", "Published", "Measured", "Controls", "Checked")
STANDINGS = ("Implementation", "Verdicts", "Code", "Costs")
NAMED = 6  # claims that are named as not answered


def claim_link(claim: str, row: str | None = None, implementation: str = "reference", record: str = "") -> str:
    """The address of a claim's page, relative to the board, ready to stand in an attribute."""
    asked = {"claim": claim, "row": row or "", "record": record.removeprefix("sha256:")[:16]}
    if implementation != "reference":
        asked["implementation"] = implementation
    return escape("claim?" + urlencode({name: value for name, value in asked.items() if value}, safe="/:"))


def headline(lines: Sequence[Line], others: int = 0) -> str:
    """The title, what the board is, the counts of the references' lines, and the legend.

    Args:
        lines: the references'.
        others: how many submissions there are.
    """
    rejected, controls = sum(x.rejected for x in lines), sum(x.controls for x in lines)
    figures = [
        (str(len({x.paper.key for x in lines})), "papers"),
        (str(len(lines)), "verdicts"),
        (f"{rejected} of {controls}", "sabotaged implementations rejected"),
        *[(str(others), "submission" if others == 1 else "submissions")] * bool(others),
        (style.day(max((x.created for x in lines), default="")), "newest record"),
    ]
    numbers = "".join(f"<div><b>{escape(value)}</b><span>{name}</span></div>" for value, name in figures)
    return style.wrap(
        "<h1>What deep-learning papers claim, and what we measured</h1>"
        '<p class="lead">Each line is a statement of a paper, judged by a criterion that was fixed beforehand. '
        "A criterion counts only if it also rejects implementations that were sabotaged on purpose.</p>"
        + (f'<div class="figures">{numbers}</div>' if lines else "")
        + style.legend(counts(lines))
    )


def paper(section: Section, departures: Sequence[str] = (), others: Sequence[str] = ()) -> str:
    """A paper: its facts, what became of it, its counts, the table of its claims, and where its submissions are.

    Args:
        section: the paper with its lines.
        departures: how its reference deviates from it.
        others: its submissions, as `queries.label` calls them.
    """
    about, tally = section.paper, counts(section.lines)
    facts = " · ".join(
        part for part in (style.authors(about), str(about.year), escape(about.venue), style.source_link(about)) if part
    )
    story = f'<div class="story"><b>The story</b>{style.paragraphs(about.story)}</div>' if about.story.strip() else ""
    shares = "".join(f"<span>{style.badge(o)} {tally[o]}</span>" for o in style.BADGES if tally[o])
    claims = f'<div class="tally">{shares}</div>{claims_table(section.lines)}'
    link = f"paper?paper={escape(about.key)}"
    return style.wrap(
        f'<section class="paper" id="{escape(about.key)}"><h2><a href="{link}">{escape(about.title)}</a></h2>'
        f'<div class="soft">{facts}</div>{story}{_departures(departures)}{claims}{_others(about.key, others)}</section>'
    )


def _others(paper: str, names: Sequence[str]) -> str:
    """How many submissions a paper has, by name where there are few."""
    if not names:
        return ""
    few = ", ".join(style.theirs(one.removeprefix("submission:")) for one in names[:NAMED])
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    many = f"{len(names)} submission{'' if len(names) == 1 else 's'}"
    link = f'<a href="implementations?paper={escape(paper)}">{many} beside the reference</a>'
    return f'<p class="small">{link}: {few}{more}</p>'


def _departures(found: Sequence[str]) -> str:
    """The reference's numbered deviations, folded."""
    if not found:
        return ""
    many = f"{len(found)} deviation{'' if len(found) == 1 else 's'}"
    items = "".join(f"<li>{escape(text)}</li>" for text in found)
    return f"<details><summary>{many} of the reference from the paper</summary><ol>{items}</ol></details>"


def claims_table(lines: Iterable[Line]) -> str:
    """Lines, a row each: statement, verdict, published, measured, controls, date."""
    columns = "".join(f'<col style="width:{width}">' for width in WIDTHS)
    heads = "".join(f'<th scope="col">{head}</th>' for head in HEADS)
    rows = "".join(_row(one) for one in lines)
    return (
        f'<table class="claims"><colgroup>{columns}</colgroup>'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _row(one: Line) -> str:
    tag = f'<span class="tag">{escape(one.row)}</span> ' if one.row else ""
    place = escape(f"{one.place} · {one.name}@{one.version}")
    link = claim_link(one.claim, one.row, one.implementation)
    tier = f'<span class="tag">{escape(one.tier)}</span>' if one.tier != "cpu" else ""
    ratio = f"{one.rejected} of {one.controls}" if one.controls else "&ndash;"
    rejected = f'<span class="value">{ratio}</span>' + ('<span class="sub">rejected</span>' if one.controls else "")
    checked = f'<span class="value">{style.day(one.created)}</span><span class="sub">{escape(one.machine)}</span>'
    outcome = f'{style.badge(one.outcome)}<span class="sub">{style.EVIDENCE[one.evidence]} {tier}</span>'
    cells = zip(HEADS[1:], (outcome, published(one), measured(one), rejected, checked), strict=True)
    return (
        f'<tr><td class="whole"><a class="statement" href="{link}">{tag}{escape(one.says)}</a>'
        f'<span class="sub">{place}</span></td>'
        + "".join(f'<td class="{h.lower()}" data-label="{h}"><div>{cell}</div></td>' for h, cell in cells)
        + "</tr>"
    )


def implementations(section: Section) -> str:
    """The reference and the submissions of a paper, a row each; the claims of a submission unfold below its row."""
    if all(one.newest.is_reference for one in section.standings):
        return ""
    heads = "".join(f"<span>{escape(head)}</span>" for head in STANDINGS)
    rows = "".join(_standing(one, section) for one in section.standings)
    return (
        f'<h3>Implementations</h3><div class="heads" aria-hidden="true">{heads}</div>'
        f'<ul class="implementations">{rows}</ul>'
    )


def _standing(one: Standing, section: Section) -> str:
    cells = zip(STANDINGS, (_who(one), _verdicts(one, section), _code(one), _costs(one)), strict=True)
    drawn = "".join(f'<div data-label="{escape(head)}"><div>{cell}</div></div>' for head, cell in cells)
    return f'<li><div class="cells">{drawn}</div>{_unfolding(one, section) if one.shown else ""}</li>'


def _who(one: Standing) -> str:
    """Its name, its badges, and what it says of itself."""
    newest = one.newest
    if newest.is_reference:
        says = "The project's own, which the submissions stand beside."
    else:
        says = newest.submission.summary if newest.submission else ""
    badges = "" if newest.is_reference else style.division(newest.division) + style.runner(one.runner)
    badges += style.unjailed() if one.trusted else ""
    marks = f'<div class="marks">{badges}</div>' if badges else ""
    return f'<b>{name(newest)}</b>{marks}<span class="sub">{style.theirs(says)}</span>'


def _verdicts(one: Standing, section: Section) -> str:
    """How many of its verdicts have which outcome, and what it leaves out."""
    tally, asked = counts(one.lines), len(section.reference)
    found = [style.tally(outcome, tally[outcome]) for outcome in style.BADGES if tally[outcome]]
    notes = []
    if not one.newest.is_reference and asked:
        notes.append(
            f"{len(one.unanswered)} of {asked} claims not answered" if one.unanswered else "answers all claims"
        )
    if one.outdated:
        notes.append(f"{len(one.outdated)} of another version of the claim, not counted")
    if one.sources > 1:
        notes.append(f"from {one.sources} versions of its source")
    return f'<div class="marks">{"".join(found)}</div>' + "".join(f'<span class="sub">{note}</span>' for note in notes)


def _code(one: Standing) -> str:
    """How much of it is the reference's, and how far it says that it departs from the paper."""
    part, count = one.newest.submission, one.newest.deviations
    declared = f"{count} deviation{'' if count == 1 else 's'} from the paper" if count else "no deviation declared"
    if part is None:
        return f'<span class="sub">{declared}</span>'
    shared = f'<span class="value">{style.theirs(part.shared)}</span> functions shared with the reference'
    return f'{shared}<span class="sub">{declared}</span>'


def _costs(one: Standing) -> str:
    """A submission's main costs, each as a ratio to the reference's."""
    costs = one.newest.submission.costs if one.newest.submission else ()
    if not costs:
        return f'<span class="sub">{"1 by definition" if one.newest.is_reference else "not measured"}</span>'
    main = main_costs(costs)
    shown = "".join(
        f'<div class="cost"><span>{escape(cost.what)}</span><span>{style.ratio(cost)}</span></div>' for cost in main
    )
    more = len(costs) - len(main)
    left = f"; {more} more on the pages of its claims" if more else ""
    return f'{shown}<span class="sub">of the reference\'s, with 95 % intervals{left}</span>'


def _unfolding(one: Standing, section: Section) -> str:
    """The claims of a submission, folded: verdict, measurement and the reference's verdict; and those it leaves out."""
    if one.newest.is_reference:
        return ""
    total = len(one.lines) + len(one.outdated)
    many = f"{total} verdict{'' if total == 1 else 's'}"
    says = many if len(one.shown) == total else f"{len(one.shown)} of {many}"
    rows = [_answer(line, section.reference.get(line.case)) for line in one.shown]
    table = style.table(("Claim", "Verdict", "Measured", "Reference"), rows)
    names = [f'<a href="{claim_link(x.claim, x.row)}">{_short(x)}</a>' for x in one.unanswered[:NAMED]]
    more = [f"and {len(one.unanswered) - NAMED} more"] * (len(one.unanswered) > NAMED)
    left = f'<p class="small">Not answered: {", ".join([*names, *more])}</p>' if names else ""
    return f"<details><summary>{says}, claim by claim</summary>{table}{left}</details>"


def _answer(one: Line, reference: Line | None) -> tuple[str, str, str, str]:
    link = claim_link(one.claim, one.row, one.implementation)
    place = escape(f"{one.place} · {one.name}@{one.version}")
    tag = f'<span class="tag">{escape(one.row)}</span> ' if one.row else ""
    note = "" if one.comparable(reference) else " · another version of the claim"
    beside = style.badge(reference.outcome) if reference else "&ndash;"
    return (
        f'<a class="statement" href="{link}">{tag}{escape(one.says)}</a><span class="sub">{place}</span>',
        f'{style.badge(one.outcome)}<span class="sub">{style.EVIDENCE[one.evidence]}{note}</span>',
        measured(one),
        beside,
    )


def _short(one: Line) -> str:
    return escape(f"{one.name}[{one.row}]" if one.row else one.name)


def name(one: Line) -> str:
    """What an implementation is called: "reference", or the name of the submission, as HTML."""
    return style.theirs(one.implementation.removeprefix("submission:"))


def published(one: Line, most: int = 2) -> str:
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
    kind = "case" if one.unit == "violations" else "seed"
    return f"{one.n:,} {kind}{'' if one.n == 1 else 's'}"


def finding(one: Line, others: Iterable[Line] = ()) -> str:
    """A claim that does not hold, with the source that shows it, and what came of it on other implementations."""
    link = claim_link(one.claim, one.row, one.implementation)
    badges = "".join(
        f'<a href="{claim_link(x.claim, x.row, x.implementation)}">{style.badge(x.outcome)} {name(x)}</a>'
        for x in others
    )
    beside = f'<div class="marks small"><span class="soft">On submissions:</span>{badges}</div>' if badges else ""
    return (
        f'<div class="panel {one.outcome}">{style.badge(one.outcome)}'
        f'<p><a class="statement" href="{link}">{escape(one.says)}</a></p>'
        f'<p class="soft small">{escape(one.place)} · {escape(one.name)}@{one.version}</p>'
        f'<p><b>Source.</b> {escape(one.known)}</p><p class="num small">{escape(one.reason)}</p>{beside}</div>'
    )


def findings(section: Section) -> str:
    """The findings of one paper."""
    about, body = section.paper, "".join(finding(one, others) for one, others in section.findings)
    facts = f'<h2>{escape(about.title)}</h2><div class="soft">{style.authors(about)} · {about.year}</div>'
    return style.wrap(f'<section class="paper">{facts}{body}</section>')


def problems(found: Iterable[tuple[str, str]]) -> str:
    """Files that could not be read as records, one line each."""
    rows = [(f'<span class="mono">{escape(path)}</span>', escape(reason)) for path, reason in found]
    return style.wrap(style.table(("File", "What is wrong with it"), rows))


def notice(title: str, body: str) -> str:
    """A page or a part of it that has nothing to show, and what to do about it."""
    return style.wrap(f'<div class="empty"><h3>{title}</h3><p class="soft">{body}</p></div>')


def empty(*, filtered: bool) -> str:
    """What stands where there are no claims."""
    if filtered:
        return notice("Nothing matches these filters", 'Widen the search, or <a href="./">show everything</a>.')
    return notice(
        "No records yet",
        "Run <code>make claims</code>, or <code>pytest claims/ --controls</code>. It takes about two minutes and needs "
        "no download; its records appear here.",
    )


def footnote(text: str) -> str:
    """A line of small print."""
    return style.wrap(f'<div class="soft small">{escape(text)}</div>')
