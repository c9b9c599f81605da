"""The criterion on a claim's page: in words that name the arms, and as the formula that was tested."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import numpy as np
import pytest

pytest.importorskip("streamlit", reason="the leaderboard needs the extra `board`")

from leaderboard.render import criterion as criterion_page
from leaderboard.render import judgement
from repro import Reported
from repro.criterion.comparisons import Criterion
from repro.criterion.constructors import (
    all_of,
    at_least,
    at_most,
    equivalent,
    higher,
    holds,
    interior_peak,
    lower,
    matches,
    monotone,
    ordered,
    power_law,
)
from repro.record.record import decode
from repro.record.store import Store
from tests import factory
from tests.factory import DEEP, FLAT
from tests.pages import make_project, page
from tests.pages import typed as text

PUBLISHED = sorted((Path(__file__).parents[1] / "leaderboard" / "records").rglob("*.json"))
HOSTILE = '<script>alert(1)</script>"}\n\\input{x} % [a](javascript:b)'
TEST = factory.sample("plain, 20 layers", "test_error", "%", [3.0, 2.5, 4.0])
OTHER = factory.sample("plain, 56 layers", "updates", "updates", [9.0, 8.0, 7.0])
CURVE = factory.sample("cups n=60", "entropy", "B", np.add.outer([0.0, 0.1], np.arange(1, 9) ** 2), x=np.arange(1, 9))
CASES = factory.sample("resnet-20", "millions", "M", [[0.2697]], expected=[0.27])
FACT = Reported(60.0, "%", "Table 1")

KINDS: list[tuple[Criterion, list, str, str]] = [
    (
        higher(by=20.0),
        [DEEP, FLAT],
        "Train error: “plain, 56 layers” is above “plain, 20 layers” by more than 20 percentage points, on average",
        "&gt; 20%</b>, where d\u0305 is the mean over seeds of “plain, 56 layers” - “plain, 20 layers”; one-sided",
    ),
    (
        lower(by=-1.0),
        [DEEP, FLAT],
        "“plain, 56 layers” is less than 1 percentage point above “plain, 20 layers”, on average",
        "SE &lt; 1%</b>",
    ),
    (
        higher(by=-2.0),
        [DEEP, FLAT],
        "“plain, 56 layers” is less than 2 percentage points below “plain, 20 layers”",
        "SE &gt; -2%</b>",
    ),
    (
        lower(times=0.6),
        [FLAT, DEEP],
        "“plain, 20 layers” is below 0.6 times “plain, 56 layers”, on average",
        "“plain, 20 layers” - 0.6 x “plain, 56 layers”",
    ),
    (
        higher(by=math.log(2.0), times=3.0, log=True),
        [DEEP, FLAT],
        "“plain, 56 layers” is above 6 times “plain, 20 layers”, in geometric means",
        "log(“plain, 56 layers” / (3 x “plain, 20 layers”))",
    ),
    (lower(), [FLAT, TEST], "“plain, 20 layers”: train error is below test error, on average", "train error - test"),
    (
        equivalent(100.0),
        [DEEP, FLAT],
        "“plain, 56 layers” and “plain, 20 layers” differ by less than 100 percentage points",
        "two one-sided paired t tests",
    ),
    (equivalent(9.0, log=True), [DEEP, FLAT], "differ by a factor of less than 8103.08, in geometric", "&lt; 9</b>"),
    (
        ordered(by=0.1),
        [FLAT, TEST],
        "train error; test error: in this order each is below the next by more than 0.1 percentage points",
        "of which all must hold",
    ),
    (
        at_most(FACT, plus=20.0),
        [DEEP],
        "“plain, 56 layers”, train error: the mean over seeds is at most 80%: the published 60% (Table 1) plus a "
        "margin of 20 percentage points",
        "&le; 80%</b>",
    ),
    (at_least(7.0), [OTHER], "“plain, 56 layers”, updates: the mean over seeds is at least 7.", "&ge; 7"),
    (
        matches(FACT, within=9.0),
        [DEEP],
        "the mean over seeds lies less than 9 percentage points from the published 60% (Table 1)",
        "train error of “plain, 56 layers” - 60%; two one-sided t tests",
    ),
    (matches(60.0, within=0.5, log=True), [DEEP], "lies within a factor of 1.64872 of 60%", "/ 60%)"),
    (
        power_law(1.5, 2.5),
        [CURVE],
        "“cups …”, entropy over swaps: a power law with an exponent between 1.5 and 2.5",
        "b is the slope of log entropy against log swaps",
    ),
    (interior_peak(), [CURVE], "a peak in the inner 80 % of the grid, more than 3 standard errors above", "0.15 peak"),
    (
        monotone(),
        [CURVE],
        "steadily rising: Kendall's τ of at least 0.95, and no reversal as large as 2 %",
        "2 % of the",
    ),
    (holds(0.005), [CASES], "“resnet-20”, millions (M): every case is 0.27 to within 0.005, without", "&le; 0.005</b>"),
    (holds(relation="at_most"), [CASES], "every case is at most 0.27, without exception", "x &le; e</b>"),
    (holds(1.0, relation="at_least"), [CASES], "every case is at least 0.27 less 1", "x &ge; e &minus; 1</b>"),
]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project, with no published records and an empty store."""
    return make_project(tmp_path, monkeypatch)


@pytest.mark.parametrize(("rule", "drawn", "words", "formula"), KINDS, ids=map(str, range(len(KINDS))))
def test_every_kind_of_criterion_names_its_arms(project, rule, drawn, words, formula):
    """On the claim's page: the arms' own names, the margin in their unit, and what was tested as a formula."""
    record = factory.make_record(drawn, rule, evidence="reduced" if rule.statistical else "exact")
    Store(project / "store").add(record)
    shown = text(page("claim", claim="he2015/plain-degrades")).replace("&#x27;", "'")
    shown = shown.partition("Criterion</h2>")[2].partition("Controls</h2>")[0]
    assert words in shown
    assert formula in shown
    level = f"&alpha; = {rule.level:g}" if rule.statistical else "no test, so no level"
    assert level in shown


def test_a_compound_criterion_names_the_arms_of_each_part(project):
    """Each part has its own arms and number, and the reason of the whole names them too, not a and b."""
    record = factory.shortcut_cures()
    Store(project / "store").add(record)
    shown = text(page("claim", claim="he2015/shortcuts-cure"))
    assert "Train error: “residual depth=42” is less than 1 percentage point above “residual depth=10”" in shown
    assert "Train error: “residual depth=42” is below 0.1 times “plain depth=42”" in shown
    assert "a - 0.1 b" in record.verdict.parts[1].reason
    assert "a - 0.1 b" not in shown
    assert "“residual depth=42” - 0.1 x “plain depth=42” is -6" in shown


def test_nested_and_unfit_samples_are_worded_or_left_in_general_words():
    """A compound part is one line; where samples do not match the parts, the rule names no arms."""
    one, two = factory.sample("a", "x", "1", [1.0, 2.0]), factory.sample("b", "x", "1", [5.0, 6.0])
    rule = all_of(at_most(9.0), all_of(lower(), at_least(1.0)))
    kept = factory.make_record([two, one, two, one], all_of(at_most(9.0), lower(), at_least(1.0)), groups=(1, 2, 1))
    nested = msgspec.structs.replace(kept, claim=msgspec.structs.replace(kept.claim, criterion=rule))
    words = [part.words for part in criterion_page.criterion_text(nested)]
    assert words == [
        "“b”, x: the mean over seeds is at most 9.",
        "X: “a” is below “b”, on average over seeds. “a”, x: the mean over seeds is at least 1.",
    ]
    short = msgspec.structs.replace(factory.shortcut_cures(), samples=())
    assert all("The first is lower than the second" in part.words for part in criterion_page.criterion_text(short))
    alone = msgspec.structs.replace(factory.degrades(), samples=factory.degrades().samples[:1])
    assert criterion_page.criterion_text(alone)[0].words.startswith("The first is higher than the second")


def test_welch_is_said_where_seeds_differ():
    """Arms at other seeds are not paired, and the formula says so."""
    record = factory.degrades()
    moved = msgspec.structs.replace(record.samples[1], seeds=(5, 6, 7, 8, 9))
    (found,) = criterion_page.criterion_text(msgspec.structs.replace(record, samples=(record.samples[0], moved)))
    assert "one-sided Welch's t test" in found.formula


def test_every_published_criterion_is_worded():
    """No record of the project falls back to words without names, and none speaks of a and b."""
    assert PUBLISHED
    for path in PUBLISHED:
        record = decode(path.read_bytes())
        parts = criterion_page.criterion_text(record)
        assert all(part.formula for part in parts), path
        places = [fact.place for fact in record.claim.reported]  # a paper may speak of the first layer
        words = [part.words.replace(place, "") for part in parts for place in places or [""]]
        assert not any("the first" in text.lower() for text in words), path
        told = criterion_page.reason(record.verdict, parts)
        assert " b " not in told.partition(";")[0], (path, told)


def test_hostile_names_are_escaped_in_words_and_formulas():
    """Arms, measurements and units of a record are text in the criterion as well."""
    drawn = [factory.sample(f"{HOSTILE}{i}", HOSTILE, HOSTILE, [1.0 * i, 2.0 * i, 3.0 * i]) for i in (1, 2)]
    shown = judgement.criterion(factory.make_record(drawn, lower(times=1e300)))
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown
    assert "<script" not in judgement.criterion(factory.make_record(drawn, equivalent(1e300, log=True)))
