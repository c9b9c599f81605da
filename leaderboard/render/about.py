"""The page about the board as HTML: the method in short, the statistics, the words, versions and licence."""

from __future__ import annotations

from html import escape
from importlib import metadata

from leaderboard import style
from repro.record import SCHEMA

BOUND = "t<sub>1&minus;&alpha;</sub>&thinsp;SE"  # how far the bound of a mean lies from it
CRITERIA = (
    (
        "holds",
        "no case of all departs from what exact reasoning demands",
        "|x &minus; e| &le; tolerance, for every case",
    ),
    ("lower, higher", "one arm is below (above) another by more than an effect", f"d&#773; + {BOUND} &lt; &minus;by"),
    ("at most, at least", "a mean respects a bound", f"x&#773; + {BOUND} &le; bound"),
    (
        "matches, equivalent",
        "a mean lies within a margin of a number; two arms differ by less than one",
        f"|d&#773;| + {BOUND} &lt; margin",
    ),
    ("ordered", "each arm is below the next", "<em>lower</em> for all neighbours"),
    (
        "power law",
        "a log-log slope lies in a range, and no logarithm or offset law explains the points better",
        f"low &lt; b &plusmn; {BOUND} &lt; high; no rival's AICc smaller by more than 2",
    ),
    (
        "interior peak",
        "a mean curve peaks in the inner 80 % of its grid, well above both ends",
        "(peak &minus; end) / SE above a threshold at both ends; a fall by more than a share of the peak",
    ),
    ("monotone", "a curve goes one way", "Kendall's &tau; and the largest reversal, each within a bound over seeds"),
    ("all of", "several of these at once", "every part holds"),
)
GLOSSARY = (
    ("paper", "a publication, keyed by author and year"),
    ("claim", "a statement of a paper that can be tested, with a version"),
    ("criterion", "the rule, fixed beforehand, that turns samples into a verdict"),
    ("trial", "one arm of a claim at one seed"),
    ("sample", "a measurement over seeds"),
    ("control", "an implementation that is wrong on purpose, in one stated way"),
    ("powerless", "a control got through the criterion, so that no verdict of it counts"),
    ("evidence", "exact (reasoning decides), original (the paper's own scale) or reduced (smaller)"),
    ("tier", "what a claim needs: cpu (two cores, minutes), gpu (one) or cluster (several)"),
    ("submission", "an implementation by others, judged by the same claims"),
    ("verified", "run again by the project, with the same verdict"),
    ("record", "a verdict with its raw values and where it came from, never edited, named by its own hash"),
)


def page(counted: str) -> str:
    """The whole page.

    Args:
        counted: what the board holds, in a few words.
    """
    return head() + method() + statistics() + words() + glossary() + versions(counted)


def head() -> str:
    """The title, and why there is a board."""
    return style.wrap(
        "<h1>About</h1>"
        '<p class="lead">Papers state things that can be tested. Here each statement is a check that can fail, judged '
        "on an implementation by a rule that was fixed before anything ran, with all raw values kept.</p>"
    )


def method() -> str:
    """The way from a statement to a verdict."""
    return style.wrap(
        style.part("Method")
        + "<p>A claim names its arms, its seeds and its criterion. Each arm runs at each seed once, as a trial; the "
        "implementation computes and the suite measures. The samples go through the criterion, which knows three "
        "outcomes: <em>holds</em>, <em>refuted</em> and <em>inconclusive</em>. Too few seeds never pass, and a run "
        "that diverged counts against the claim. The same criterion is then tried on implementations that were "
        "sabotaged on purpose: it must "
        'reject every one of them. How well that works is shown under <a href="trust">trust</a>; what papers say that '
        'is known not to hold stands under <a href="findings">findings</a>.</p>'
        "<p>What runs on two cores in minutes is mostly a reduced version of the experiment. It shows a direction, "
        "not the paper's number, and therefore never reads more than <em>supported</em>. Papers' own numbers need a "
        "GPU, or several. Time, memory and energy are measured or absent; nothing is estimated. The whole "
        "of it: <code>docs/method.md</code>.</p>"
    )


def statistics() -> str:
    """The criteria in words and as formulas."""
    rows = [(f"<b>{rule}</b>", says, f'<span class="num">{formula}</span>') for rule, says, formula in CRITERIA]
    return style.wrap(
        style.part("Statistics")
        + "<p>Student's t over 3 to 20 seeds, paired where arms share seeds and Welch's where not, at level &alpha; = "
        "0.01 for each one-sided test unless a claim says otherwise. Below, x&#773; is a mean over seeds, d&#773; a "
        "mean difference of two arms, SE the standard error and t the quantile of Student's distribution: the terms "
        "with &plusmn; and + are confidence bounds. No bootstrap: at so few seeds its intervals are too narrow. A "
        "claim is refuted when the opposite bound falls short of the margin, and inconclusive otherwise. With each "
        "verdict stands the smallest effect that would have been found with 90 % power.</p>"
        + f'<div class="tight">{style.table(("Criterion", "Holds when", "As a formula"), rows)}</div>'
    )


def words() -> str:
    """What the verdicts mean."""
    return style.wrap(style.part("Verdicts") + style.legend(("unexpected",)))


def glossary() -> str:
    """The words of the board."""
    items = "".join(f"<div><dt>{word}</dt> <dd>{escape(says)}</dd></div>" for word, says in GLOSSARY)
    return style.wrap(style.part("Words") + f'<dl class="glossary">{items}</dl>')


def versions(counted: str) -> str:
    """Software, format of records, and licence."""
    found = [f"Repro {_version('repro')}", *(f"{name} {_version(name)}" for name in ("numpy", "scipy", "msgspec"))]
    return style.wrap(
        style.part("Versions and licence")
        + style.facts(
            (
                ("software", escape(", ".join(found))),
                ("records", f"format {SCHEMA}, <code>docs/reference/record.schema.json</code>"),
                ("on this board", escape(counted)),
                ("licence", "Apache-2.0, for the software and the records"),
            )
        )
    )


def counted(records: int, papers: int, newest: str) -> str:
    """What the board holds, in a few words.

    Args:
        records: lines of the board.
        papers: how many papers they are of.
        newest: when the newest record was made; "" where there is none.
    """
    many = "1 verdict" if records == 1 else f"{records:,} verdicts"
    of = "1 paper" if papers == 1 else f"{papers} papers"
    return f"{many} on {of}, the newest of {style.day(newest)}" if newest else "no record yet"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "from source"
