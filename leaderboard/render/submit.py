"""The page on submissions as HTML: how to make one, what happens to it, and where those stand that there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from leaderboard import style
from leaderboard.blocks import name
from leaderboard.queries import Section, Standing, counts

LISTED = 100  # submissions that the page lists


@dataclass(frozen=True)
class Step:
    """A step on the way to the board: what it is, the command, and what the command does."""

    title: str
    command: str
    says: str


STEPS = (
    Step(
        "Start from the reference",
        "repro submission new he2015 my-resnet",
        "A folder with submission.toml and a copy of the reference as implementation.py. Change what you came to "
        "change; keep the names that the paper's contract asks for.",
    ),
    Step(
        "Check it",
        "repro submission check my-resnet",
        "Static checks and audits, in seconds: the same seed gives the same result, an answer does not depend on the "
        "rest of its batch, weights are all that training leaves behind.",
    ),
    Step(
        "Run the claims",
        "repro submission run my-resnet",
        "Every claim of the paper that you name, a fresh jail for each trial; time, memory and energy beside the "
        "reference, both by turns on your machine.",
    ),
    Step(
        "Publish",
        "repro submission publish my-resnet",
        "Copies the records, unedited, for a pull request together with the folder. Whoever has a token of a shared "
        "board sends them there instead: repro publish he2015 --implementation NAME --to URL.",
    ),
)
JAIL = (
    ("No network", "no socket but the one to the suite"),
    ("No files but its own", "system and packages are read-only; accounts, the repository and home are not there"),
    ("Nothing outlives it", "a fresh jail for each trial; what it writes is in memory and vanishes"),
    ("No labels, seeds, clock or scores", "they stay outside, and the suite measures what the implementation computes"),
    ("Ceilings", "on memory, processes, file size, output and wall time; beyond them it is killed"),
    (
        "Fails closed",
        "without bubblewrap or user namespaces nothing runs; --trusted leaves the jail out, and the record says so",
    ),
)


def head() -> str:
    """The title, and what a submission is."""
    return style.wrap(
        "<h1>Submit an implementation</h1>"
        '<p class="lead">A folder with your code is judged by the same claims as the reference. Four commands lead to '
        "the board; it needs Linux with bubblewrap (<code>apt-get install bubblewrap</code>).</p>"
        + style.part("Four commands")
    )


def step(number: int, one: Step) -> str:
    """The text of a step, above its command."""
    return style.wrap(f"<h3>{number}. {escape(one.title)}</h3><p>{escape(one.says)}</p>")


def steps() -> str:
    """All steps with their commands, for a page on which nothing can be clicked to copy."""
    return "".join(
        step(i, one) + style.wrap(f"<pre><code>{escape(one.command)}</code></pre>") for i, one in enumerate(STEPS, 1)
    )


def rules() -> str:
    """What is measured by whom, the divisions, the standing of records, and what the jail does."""
    divisions = [(style.division(key), f"{escape(one.meaning)}") for key, one in style.DIVISIONS.items()]
    vouched = [(style.runner(key), escape(one.meaning)) for key, one in style.RUNNERS.items()]
    jail = [(f"<b>{escape(what)}</b>", escape(how)) for what, how in JAIL]
    return style.wrap(
        style.part("What happens to it")
        + "<p>The implementation computes, the suite measures. Seeds are derived from the hash of your own source, so "
        "that results for known seeds cannot be shipped; a maintainer's rerun draws new ones. Results implausibly "
        "better than the reference's are flagged for a person to look at. How many functions are the reference's own "
        "is counted and shown.</p>"
        f"<h3>Divisions</h3>{_pairs(divisions)}<h3>Who vouches</h3>{_pairs(vouched)}<h3>The jail</h3>{_pairs(jail)}"
        '<p class="soft">More: <code>docs/submissions.md</code> on contracts, audits and costs, '
        "<code>docs/threats.md</code> on what the jail stops and what it does not, and "
        "<code>docs/reference/submission.schema.json</code> for submission.toml.</p>"
    )


def status(sections: Iterable[Section]) -> str:
    """Where the submissions stand that records are there of, in full or the newest `LISTED` of them."""
    found = [(one, section) for section in sections for one in section.standings if not one.newest.is_reference]
    shown = found
    if len(found) > LISTED:
        shown = sorted(found, key=lambda pair: pair[0].newest.created, reverse=True)[:LISTED]
    rows = [_standing(*pair) for pair in shown]
    heads = ("Submission", "Paper", "Standing", "Verdicts", "Newest record")
    body = style.table(heads, rows) if rows else '<p class="soft">No submission has been judged here yet.</p>'
    cut = f"The newest {len(rows)} of {len(found):,} are shown; a paper's page of implementations lists all of its own."
    note = f'<p class="soft small">{cut}</p>' if len(found) > len(rows) else ""
    return style.wrap(style.part("Submissions and where they stand") + body + note)


def _standing(one: Standing, section: Section) -> Sequence[str]:
    tally = counts(one.lines)
    verdicts = "".join(style.tally(outcome, tally[outcome]) for outcome in style.BADGES if tally[outcome])
    notes = f"{len(one.outdated)} outdated: of another version of the claim" if one.outdated else ""
    left = f"{len(one.unanswered)} of {len(section.reference)} claims not answered" if one.unanswered else ""
    marks = style.runner(one.runner) + style.division(one.newest.division) + (style.unjailed() if one.trusted else "")
    key = escape(section.paper.key)
    return (
        f"<b>{name(one.newest)}</b>",
        f'<a href="implementations?paper={key}"><span class="mono unbroken">{key}</span></a>',
        f'<div class="marks">{marks}</div>',
        f'<div class="marks">{verdicts}</div>' + "".join(f'<span class="sub">{x}</span>' for x in (notes, left) if x),
        f'<span class="unbroken">{style.day(one.newest.created)}</span>',
    )


def _pairs(rows: Iterable[tuple[str, str]]) -> str:
    return '<dl class="facts">' + "".join(f"<dt>{head}</dt><dd>{says}</dd>" for head, says in rows) + "</dl>"
