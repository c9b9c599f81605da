"""How verdicts, numbers and texts look. Whatever comes out of a record is escaped here before it becomes HTML."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from html import escape
from pathlib import Path

from leaderboard.board.units import unit_suffix
from repro.criterion.verdict import Outcome
from repro.numbers import interval, number
from repro.paper import Paper, Reported
from repro.record.record import Ratio

SHEET = Path(__file__).with_name("style.css")


@dataclass(frozen=True)
class Badge:
    """A verdict as people see it: a letter, a word and a colour class; hollow where the evidence is less than full."""

    letter: str
    word: str
    meaning: str
    hollow: bool = False


HOLLOW = (Outcome.SUPPORTED, Outcome.INCONCLUSIVE, Outcome.POWERLESS)
BADGES = {one: Badge(one.letter, one, one.meaning, hollow=one in HOLLOW) for one in Outcome}

ABSENT = Badge("&ndash;", "not measured", "nobody has run it yet: no number, no verdict", hollow=True)

DIVISIONS = {
    "closed": Badge("C", "closed", "the paper's protocol: the same presets as the reference"),
    "open": Badge("O", "open", "anything but the data and the measure may differ", hollow=True),
}
RUNNERS = {
    "verified": Badge("✓", "verified", "run again by the project, with the same verdict"),
    "partly verified": Badge("◐", "partly verified", "the project ran some of its claims again", hollow=True),
    "self-reported": Badge("&ndash;", "self-reported", "run by whoever sent it in", hollow=True),
}
UNJAILED = Badge("!", "trusted", "run without a jail")

EVIDENCE = {"exact": "exact cases", "reduced": "reduced scale", "original": "original setting"}


def wrap(body: str) -> str:
    """A piece of a page, under the style sheet."""
    return f'<div class="r">{body}</div>'


def badge(outcome: Outcome, *, large: bool = False) -> str:
    """The badge of an outcome; its letter carries the meaning where colour cannot."""
    return _badge(BADGES[outcome], outcome, large=large)


def absent(*, large: bool = False) -> str:
    """The badge of a claim that nobody has run."""
    return _badge(ABSENT, "absent", large=large)


def past(why: str) -> str:
    """The mark of a verdict that does not count for today's claim; "" where it does."""
    return f'<span class="tag past" title="not counted: {escape(why)}">{escape(why)}</span>' if why else ""


def row_tag(row: str | None) -> str:
    """Which row of a table a claim is, for rows of one claim make the same statement; "" where it is no table."""
    return f'<span class="tag">{escape(row)}</span> ' if row else ""


def tallies(counted: Mapping[Outcome, int]) -> str:
    """How many verdicts have each outcome that occurs: letters and numbers."""
    present = [(outcome, counted[outcome]) for outcome in Outcome if counted.get(outcome)]
    return "".join(_badge(BADGES[one], one, text=str(many), title=f"{many} {one}") for one, many in present)


def division(name: str | None) -> str:
    """The badge of a submission's division; "" where the record does not say."""
    return _badge(DIVISIONS[name], "division") if name else ""


def runner(name: str) -> str:
    """The badge of who ran records."""
    return _badge(RUNNERS[name], "reproduced" if name == "verified" else "powerless")


def unjailed() -> str:
    """The warning that a submission was run without a jail."""
    return _badge(UNJAILED, "refuted", text=f"{UNJAILED.word}: {UNJAILED.meaning}")


def _badge(look: Badge, hue: str, *, large: bool = False, text: str = "", title: str = "") -> str:
    classes = " ".join(["badge", hue, *["hollow"] * look.hollow, *["large"] * large])
    title, letter = title or f"{look.word}: {look.meaning}", f'<i aria-hidden="true">{look.letter}</i>'
    return f'<span class="{classes}" title="{title}">{letter}<span>{text or look.word}</span></span>'


def mark(text: str, *, good: bool) -> str:
    """A tick or a cross with its word."""
    look, sign = ("reproduced", "✓") if good else ("refuted", "✗")
    return f'<span class="badge {look}"><i aria-hidden="true">{sign}</i>{text}</span>'


def legend(present: Iterable[Outcome] = ()) -> str:
    """What the letters mean; that of an unexpected verdict only where it occurs."""
    shown = [one for one in Outcome if one is not Outcome.UNEXPECTED or one in set(present)]
    items = [f'<li>{badge(one)}<span class="soft">{one.meaning}</span></li>' for one in shown]
    items.append(f'<li>{absent()}<span class="soft">{ABSENT.meaning}</span></li>')
    return f'<ul class="legend" aria-label="What the badges mean">{"".join(items)}</ul>'


def amount(value: float | None, name: str = "1") -> str:
    """A number with its unit, as HTML."""
    return escape(f"{number(value)}{unit_suffix(name)}")


def span(low: float | None, high: float | None) -> str:
    """An interval in brackets, as HTML; "" where there is none."""
    return escape(interval((low, high))) if low is not None and high is not None else ""


def theirs(text: str, *, mono: bool = False) -> str:
    """A text that a submission brings, as HTML; it neither widens the page nor turns the text around it."""
    return f'<bdi class="theirs{" mono" if mono else ""}">{escape(text)}</bdi>'


def ratio(cost: Ratio) -> str:
    """A cost as a ratio to the reference's, with its 95 % interval, as HTML."""
    ends = f"[{_times(cost.low)}, {_times(cost.high)}]" if cost.low is not None and cost.high is not None else ""
    return (
        f'<span class="value"><b>{escape(_times(cost.ratio))}&times;</b></span>'
        f' <span class="value soft">{escape(ends) or "no interval"}</span>'
    )


def _times(value: float) -> str:
    return f"{value:.2f}" if 0.1 <= value < 100 else number(value)


def reported(fact: Reported) -> str:
    """A published number, its place below it, as HTML."""
    place = fact.place if fact.verified else f"{fact.place}, not read in the paper itself"
    return f'<span class="value">{amount(fact.value, fact.unit)}</span><span class="sub">{escape(place)}</span>'


def forest(estimate: float | None, low: float | None, high: float | None, bound: float | None, outcome: Outcome) -> str:
    """An interval against its bound, drawn to its own scale; "" unless there is an interval and a bound."""
    if estimate is None or low is None or high is None or bound is None:
        return ""
    title = f"interval against the bound {number(bound)}"
    return _forest((estimate, low, high, bound), (min(low, bound), max(high, bound)), outcome, title)


def ratio_forests(costs: Sequence[Ratio]) -> list[str]:
    """Intervals of costs against 1, all on one logarithmic scale; "" for one without a positive interval."""
    known = [(cost.ratio, cost.low, cost.high) if cost.low and cost.high else None for cost in costs]
    logs = [[math.log(x) for x in found] + [0.0] if found and min(found) > 0 else None for found in known]
    every = [0.0, *(x for found in logs for x in found or ())]
    return [_forest(found, (min(every), max(every)), "division", "ratio against 1") if found else "" for found in logs]


def _forest(marks: Sequence[float], ends: tuple[float, float], outcome: str, title: str) -> str:
    """Estimate, low, high and bound, drawn between ends and a little room."""
    room = 0.06 * (ends[1] - ends[0])
    if not room > 0:
        return ""
    dot, left, right, mark = (100 * (x - ends[0] + room) / (ends[1] - ends[0] + 2 * room) for x in marks)
    return (
        f'<div class="forest {outcome}" title="{escape(title)}" aria-hidden="true">'
        f'<span class="axis"></span><span class="bound" style="left:{mark:.1f}%"></span>'
        f'<span class="span" style="left:{left:.1f}%;width:{right - left:.1f}%"></span>'
        f'<span class="dot" style="left:{dot:.1f}%"></span></div>'
    )


def part(title: str) -> str:
    """The heading of a part of a page."""
    return f'<h2 class="part">{escape(title)}</h2>'


def paragraphs(text: str) -> str:
    """A text with blank lines between its paragraphs, as HTML."""
    parts = [part.strip() for part in text.replace("\r\n", "\n").split("\n\n")]
    return "".join(f"<p>{escape(part)}</p>" for part in parts if part)


def authors(paper: Paper, most: int = 6) -> str:
    """The authors, the first ones where there are many, as HTML."""
    shown = ", ".join(paper.authors[:most]) + (" and others" if len(paper.authors) > most else "")
    return escape(shown)


def source_link(paper: Paper) -> str:
    """A link to the paper, where it states an arXiv number or a web address."""
    if paper.arxiv:
        return f'<a href="https://arxiv.org/abs/{escape(paper.arxiv)}">arXiv:{escape(paper.arxiv)}</a>'
    if paper.url.startswith(("https://", "http://")):
        return f'<a href="{escape(paper.url)}">the paper</a>'
    return ""


def memory(size: float | None) -> str:
    """Bytes as people read them."""
    if size is None:
        return "&ndash;"
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def day(created: str) -> str:
    """The date of a record's time."""
    return created[:10]


def moment(created: str) -> str:
    """Day and time of a record, as HTML."""
    return escape(f"{day(created)} {created[11:19]} UTC")


def age(created: str, now: datetime | None = None) -> str:
    """How long ago the day of a record's time was; "" for a time that is to come, or no date."""
    try:
        days = ((now or datetime.now(UTC)).date() - date.fromisoformat(day(created))).days
    except ValueError:
        return ""
    return {0: "today", 1: "1 day ago"}.get(days, f"{days} days ago") if days >= 0 else ""


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """A list of named facts; the values are HTML, and empty ones are left out."""
    items = [f"<dt>{escape(name)}</dt><dd>{value}</dd>" for name, value in pairs if value]
    return f'<dl class="facts">{"".join(items)}</dl>'


def figures(pairs: Iterable[tuple[str, str]]) -> str:
    """Large numbers, each above what it counts; texts, of which those without a number are left out."""
    items = "".join(f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>" for value, name in pairs if value)
    return f'<div class="figures">{items}</div>'


def table(heads: Iterable[str], rows: Iterable[Iterable[str]], *, stack: bool = True) -> str:
    """A table whose cells are HTML; on a phone each row becomes a list with the heads as labels."""
    heads = list(heads)
    head = "".join(f'<th scope="col">{escape(h)}</th>' for h in heads)
    body = "".join(
        "<tr>"
        + "".join(f'<td data-label="{escape(h)}"><div>{c}</div></td>' for h, c in zip(heads, row, strict=True))
        + "</tr>"
        for row in rows
    )
    kind = "stack" if stack else "plain"
    return f'<table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
