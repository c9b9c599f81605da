"""What the pages of papers, records, implementations and comparisons compute: pure functions of records."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

pytest.importorskip("altair", reason="the leaderboard needs the extra `board`")

from leaderboard.board import comparison, curves, lines, pareto, queries, reported, verification
from leaderboard.charts import forest
from leaderboard.charts import pareto as pareto_chart
from repro import Reported, higher, holds
from repro.criterion.constructors import all_of, at_most, lower, matches, ordered
from repro.errors import ReproError
from repro.record.record import Ratio, Record, encode, sample_part
from tests import factory
from tests.pages import changed

ROOT = Path(__file__).parents[1]


# published numbers beside ours


def pairs_of(record: Record) -> list[reported.Pair]:
    """What a record states beside what it measured."""
    return reported.pairs(lines.line(record), record)


def test_a_mean_stands_beside_the_number_it_is_tested_against():
    """Estimate, interval and bound on both scales: per cent of the published number, and margins of the criterion."""
    record = factory.table_row("ResNet-56", 6.97, [8.9, 9.1, 9.0])
    (pair,) = pairs_of(record)
    part, margin = reported.mark(pair, "published"), reported.mark(pair, "margin")
    assert (pair.fact.value, pair.value, pair.bound) == (6.97, pytest.approx(9.0), 7.47)
    assert part.value == pytest.approx(100 * (9.0 / 6.97 - 1))
    assert margin.value == pytest.approx((9.0 - 6.97) / 0.5)
    assert margin.bound == pytest.approx(1.0)
    assert part.low < part.value < part.high


def test_a_log_ratio_is_turned_back_into_a_value():
    """`matches(log=True)` estimates a log ratio; the pair is in the unit of the published number again."""
    fact = Reported(50.0, "s", "Table 1")
    drawn = factory.sample("a", "time", "s", [99.0, 100.0, 101.0])
    (pair,) = pairs_of(factory.make_record([drawn], matches(fact, within=0.1, log=True), reported=(fact,)))
    assert pair.value == pytest.approx(100.0, rel=1e-3)
    assert reported.mark(pair, "published").value == pytest.approx(100.0, abs=0.2)
    assert pair.bound == pytest.approx(50 * np.exp(0.1))


def test_exact_values_pair_with_published_ones_and_have_no_interval():
    """A count beside a printed one; where the two are of different number, nothing is paired."""
    measured = factory.sample("resnet-20", "millions", "M", [[0.2697]], expected=[0.27])
    facts = (Reported(0.27, "M", "Table 6, ResNet-20"),)
    record = factory.make_record([measured], holds(tolerance=0.005), evidence="exact", reported=facts)
    (pair,) = pairs_of(record)
    assert (pair.value, pair.low, pair.high) == (0.2697, None, None)
    assert reported.mark(pair, "margin") is None
    assert pairs_of(factory.parameters()) == []
    other = (*facts, Reported(1.0, "G", "Table 1"))
    two = changed(record, claim=msgspec.structs.replace(record.claim, reported=other), samples=record.samples * 2)
    assert pairs_of(two) == []


def test_a_difference_is_no_published_number():
    """An error in per cent is not set beside a difference of errors, though both are in per cent."""
    assert pairs_of(factory.degrades(reported=(Reported(27.94, "%", "Table 2"),))) == []


def test_a_number_of_zero_has_no_relative_scale():
    """Nothing is divided by zero: such a pair is not drawn, and the margin of a bound on the number is none."""
    fact = Reported(0.0, "%", "Table 1")
    (pair,) = pairs_of(
        factory.make_record([factory.sample("a", "e", "%", [1.0, 1.1])], at_most(fact), reported=(fact,))
    )
    assert reported.mark(pair, "published") is None
    assert reported.mark(pair, "margin") is None


def test_parts_of_a_compound_claim_are_paired_each_with_its_own_number():
    """The estimate of a part is set beside the number of that part, not of the deciding one."""
    one, two = Reported(8.0, "%", "Table 6, a"), Reported(9.0, "%", "Table 6, b")
    drawn = [factory.sample("a", "e", "%", [8.1, 8.2, 8.3]), factory.sample("b", "e", "%", [9.4, 9.5, 9.6])]
    rule = all_of(at_most(one, plus=1.0), at_most(two, plus=1.0))
    found = pairs_of(factory.make_record(drawn, rule, groups=(1, 1), reported=(one, two)))
    assert [(pair.fact.value, round(pair.value, 3)) for pair in found] == [(8.0, 8.2), (9.0, 9.5)]
    assert [reported.named(pair) for pair in found] == ["plain-degrades, Table 6, a", "plain-degrades, Table 6, b"]


def test_the_forest_has_a_lettered_mark_for_each_pair():
    """Letter, both ends and the bound of each row are in the chart, and its words have the numbers."""
    found = reported.marks(pairs_of(factory.table_row("ResNet-56", 6.97, [8.9, 9.1, 9.0])), "margin")
    drawn = json.loads(forest.chart(found, "margin").to_json())
    (rows,) = [data for data in drawn["datasets"].values() if "letter" in data[0]]
    assert (rows[0]["letter"], rows[0]["bound"]) == ("X", pytest.approx(1.0))
    assert rows[0]["low"] < rows[0]["value"] < rows[0]["high"]
    assert "margins of the criterion" in json.dumps(drawn)
    assert "table-6[ResNet-56]: refuted, +4.06" in forest.words(found, "margin")


# verification


def test_a_valid_record_agrees_with_itself():
    """Bytes, hash, verdict, numbers, word and controls of every kind of record that the board can show."""
    for record in factory.board():
        found = verification.verify(encode(record), record.id)
        names = ["the file", "the hash", "the verdict", "the numbers", "the outcome", "the controls"]
        assert [check.name for check in found] == names
        assert {check.agreed for check in found} == {True}, (record.claim.id, found)


def test_published_records_can_be_judged_again():
    """The criterion says of the samples of every tenth published record what the record says."""
    for path in sorted((ROOT / "leaderboard" / "records").rglob("*.json"))[::10]:
        data = path.read_bytes()
        assert all(check.agreed for check in verification.verify(data, json.loads(data)["id"])), path.name


def forged(record: Record, **changes) -> dict[str, bool | None]:
    """What the checks say of a record that was changed and sealed again."""
    made = changed(record, **changes)
    return {check.name: check.agreed for check in verification.verify(encode(made), made.id)}


def test_a_forged_verdict_is_found():
    """A record whose verdict, numbers, word or controls do not follow from the rest does not pass, though sealed."""
    record = factory.table_row("ResNet-56", 6.97, [8.9, 9.1, 9.0])
    verdict = msgspec.structs.replace(record.verdict, status="holds")
    assert forged(record, verdict=verdict)["the verdict"] is False
    assert forged(record, verdict=msgspec.structs.replace(record.verdict, estimate=6.9))["the numbers"] is False
    assert forged(record, word="reproduced")["the outcome"] is False
    through = tuple(msgspec.structs.replace(control, rejected=False) for control in record.controls)
    assert forged(record, controls=through)["the controls"] is False
    assert forged(record, powerless=True)["the controls"] is False
    better = sample_part(factory.sample("ResNet-56", "test_error", "%", [6.9, 6.95, 7.0]))
    assert forged(record, samples=(better,))["the verdict"] is False


def test_a_forged_part_of_a_compound_verdict_is_found():
    """The numbers of each part are compared too."""
    record = factory.shortcut_cures()
    parts = list(record.verdict.parts)
    parts[1] = msgspec.structs.replace(parts[1], estimate=0.0)
    assert forged(record, verdict=msgspec.structs.replace(record.verdict, parts=tuple(parts)))["the numbers"] is False


def test_changed_bytes_are_no_record():
    """A single digit changed in the file is found, and nothing else of it is believed."""
    record = factory.degrades()
    (check,) = verification.verify(encode(record).replace(b"63.1", b"63.2"), record.id)
    assert (check.agreed, check.name) == (False, "the file")
    assert "hash" in check.says


def test_another_record_in_its_place_is_found():
    """The file is valid, but is not the record that is shown."""
    other = factory.parameters()
    found = {check.name: check.agreed for check in verification.verify(encode(other), factory.degrades().id)}
    assert (found["the file"], found["the hash"]) == (True, False)


def test_samples_that_cannot_be_judged_are_said():
    """Rows of unequal length, or samples that nobody can share out among the parts, are no agreement."""
    record = factory.degrades()
    ragged = msgspec.structs.replace(record.samples[0], values=((1.0, 2.0), (3.0,), (1.0,), (2.0,), (4.0,)))
    assert forged(record, samples=(ragged,))["the verdict"] is None
    two = all_of(ordered(), ordered())
    with pytest.raises(ReproError, match="shared out"):
        verification.regrouped(two, [factory.sample(str(i), "e", "%", [1.0, 2.0]) for i in range(5)])


def test_samples_are_shared_out_by_what_parts_take():
    """A part of open length takes what the others leave, and nested parts their own."""
    drawn = [factory.sample(str(i), "e", "%", [1.0, 2.0]) for i in range(6)]
    first, rest, last = verification.regrouped(all_of(higher(), ordered(), all_of(at_most(1.0))), drawn)
    assert [[s.arm for s in part] for part in (first, rest)] == [["0", "1"], ["2", "3", "4"]]
    assert last[0][0].arm == "5"


def test_fewer_seeds_leave_the_word_open():
    """A record may read inconclusive because it has too few seeds, which it does not say; that is no disagreement."""
    assert forged(factory.degrades(), word="inconclusive")["the outcome"] is None


# contest


def ratio(what: str, value: float, **changes) -> Ratio:
    """A cost."""
    facts = {"low": value / 1.05, "high": value * 1.05, "pairs": 5, "unit": "s", "reference": 2.0}
    return Ratio(what=what, ratio=value, **(facts | changes))


def contenders(*measured: tuple[float | None, float | None]) -> list[pareto.Contender]:
    """Contenders of these qualities and costs, told apart by their place in the row."""
    standings = queries.sections([lines.line(record) for record in (factory.degrades(),)])[0].standings
    return [
        pareto.Contender(standing=standings[0], quality=q, cost=None if c is None else ratio("t", c), of=str(i))
        for i, (q, c) in enumerate(measured)
    ]


@pytest.mark.parametrize(
    ("better", "front"),
    [(True, ["1", "0", "2"]), (False, ["1"])],
)
def test_the_front_has_those_that_no_other_beats(better, front):
    """Dominated ones and those without a measurement are left out, ties stay, and the cheapest goes first."""
    quality = pareto.QualityAxis(name="x", title="x", says="x", better=better)
    found = contenders((50, 1.0), (30, 0.5), (80, 2.0), (40, 1.5), (None, 0.1), (99, None))
    assert [one.of for one in pareto.front(found, quality)] == front
    assert [one.of for one in pareto.front(contenders((50, 1.0), (50, 1.2)), quality)] == ["0"]
    tied = contenders((50, 1.0), (50, 1.0))
    assert [one.of for one in pareto.front(tied, quality)] == ["0", "1"]


def test_the_estimate_of_a_claim_is_a_quality_where_an_end_of_it_is_better():
    """Lower for bounds from above, higher for those from below, nearer for equivalence, and nothing for shapes."""
    assert pareto.aim(at_most(1.0)) == pareto.aim(lower()) == pareto.Aim("low")
    assert pareto.aim(higher()) == pareto.Aim("high")
    assert pareto.aim(matches(8.75, within=0.5)) == pareto.Aim("near", 8.75)
    assert pareto.aim(matches(8.75, within=0.5, log=True)) == pareto.Aim("near", 0.0)
    assert pareto.aim(factory.rises_and_falls().claim.criterion) is None
    assert pareto.aim(factory.shortcut_cures().claim.criterion) is None


# comparison


def test_verdicts_are_compared_with_the_first_one():
    """Same, another verdict, intervals that overlap or lie apart, another version, and none."""
    base = lines.line(factory.degrades())
    other = replace(base, implementation="submission:x")
    assert comparison.relation(base, other) == "overlap"
    assert comparison.relation(base, replace(other, low=90.0, high=95.0)) == "apart"
    assert comparison.relation(base, replace(other, low=1.0, high=5.0)) == "apart"
    assert comparison.relation(base, replace(other, low=90.0, high=95.0, unit="nats")) == "same"
    assert comparison.relation(base, replace(other, low=None)) == "same"
    assert comparison.relation(base, replace(other, outcome="refuted")) == "verdict"
    assert comparison.relation(base, replace(other, outcome="refuted", version=2)) == "version"
    assert comparison.relation(base, replace(other, digest="sha256:" + "e" * 64)) == "version"
    assert comparison.relation(None, other) == comparison.relation(base, None) == "silent"


# curves


def test_long_curves_and_findings_go_first_and_no_curve_twice():
    """At most so many, each with something that no earlier one shows."""
    long, short = factory.rises_and_falls(), factory.quadratic()
    again = factory.rises_and_falls(name="again")
    found = curves.telling([short, again, long, factory.degrades()])
    assert [one.name for one in found] == ["again", "entropy-quadratic"]
    known = factory.rises_and_falls(name="zzz", finding="It is known.")
    assert curves.telling([factory.quadratic(finding="It is known."), long, known])[0].name == "zzz"
    assert len(curves.telling([long, short], most=1)) == 1


def test_a_chart_of_the_front_holds_every_point_and_its_order():
    """The front is a stepped line from the cheapest, and better is always up."""
    found = contenders((50, 1.0), (30, 0.5), (80, 2.0))
    quality = pareto.QualityAxis(name="x", title="x", says="x", better=False)
    best = pareto.front(found, quality)
    drawn = json.loads(pareto_chart.chart(found, best, quality, "time").to_json())
    assert '"reverse": true' in json.dumps(drawn)
    sizes = sorted(len(data) for data in drawn["datasets"].values())
    assert sizes == [1, len(best), 3] == [1, 1, 3]


def test_every_point_of_a_small_chart_has_its_name():
    """On the front or not; where there are more, those on the front have."""
    found = contenders((50, 1.0), (40, 1.5), (30, 2.0))
    best = pareto.front(found, pareto.ALL)
    assert len(best) == 1
    assert all(_layer(pareto_chart.chart(found, best, pareto.ALL, "time"))["side"])
    many = contenders(*[(50 + i % 2, 1 + i / 10) for i in range(pareto_chart.ALL_NAMED + 1)])
    best = pareto.front(many, pareto.ALL)
    sides = _layer(pareto_chart.chart(many, best, pareto.ALL, "time"))["side"]
    assert [bool(side) for side in sides] == [i < len(best) for i in range(len(many))]


def test_the_axes_of_the_front_are_fitted_to_the_points():
    """No layer draws the axis of cost down to 0, and a share of claims hardly goes beyond 100 %."""
    found = contenders((100, 1.0), (100, 1.4))
    drawn = json.loads(pareto_chart.chart(found, pareto.front(found, pareto.ALL), pareto.ALL, "time").to_json())
    scales = [layer["encoding"]["x"]["scale"] for layer in drawn["layer"]]
    assert all(scale["zero"] is False and 0.8 < scale["domain"][0] < 1 for scale in scales)
    assert drawn["layer"][-1]["encoding"]["y"]["scale"]["domain"][1] < 104
    legend = drawn["layer"][3]["encoding"]["color"]["legend"]
    assert legend["symbolOpacity"] == 1
    assert set(legend["values"]) <= {"reference", "open division", "closed division", "division not said"}


def _layer(chart: object):
    """The points of a chart of the front."""
    return chart.layer[3].data  # type: ignore[attr-defined] -- a chart of layers
