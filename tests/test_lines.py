"""Lines of the board: what queries make of records, which of them count, and the charts of their samples."""

from __future__ import annotations

import csv
import io

import msgspec
import numpy as np
import pytest

pytest.importorskip("streamlit", reason="the leaderboard needs the extra `board`")

from leaderboard.board import downloads, queries
from leaderboard.board import lines as board_lines
from leaderboard.board.lines import Filters
from leaderboard.charts import samples as samples_chart
from leaderboard.render import style
from repro import Reported, holds
from repro.paths import store_dir
from repro.record.record import Ratio
from repro.record.store import Store
from tests import factory
from tests.pages import changed, page, text


def lines() -> dict[str, board_lines.Line]:
    """The board's lines by claim and row."""
    return {f"{line.name}/{line.row or ''}": line for line in queries.board(queries.open_stores())}


# queries


def test_a_line_says_what_its_record_says(store):
    """Outcome, estimate, interval, bound, n and controls of a line are the record's."""
    record = factory.degrades()
    line = lines()["plain-degrades/"]
    assert line.outcome == record.word == "supported"
    assert (line.estimate, line.bound, line.n) == (record.verdict.estimate, 20.0, 5)
    assert (line.low, line.high) == record.verdict.interval
    assert (line.rejected, line.controls) == (1, 1)
    assert line.what == "difference"


def test_an_exact_claim_shows_its_number_beside_the_published_one(project):
    """Where an exact claim measures one number in the published unit, the board shows it, not only "no violation"."""
    measured = factory.sample("resnet-20", "millions", "M", [[0.269722]], expected=[0.27])
    reported = (Reported(0.27, "M", "Table 6, ResNet-20, params"),)
    record = factory.make_record(
        [measured], holds(tolerance=0.005), name="one-count", evidence="exact", reported=reported
    )
    Store(store_dir()).add(record)
    assert lines()["one-count/"].values == (0.269722,)
    assert ">0.2697 M<" in text(page(full="true"))


def test_a_record_whose_control_passed_is_powerless(store):
    """The board shows that the check is worth nothing, not just an inconclusive verdict."""
    assert lines()["first-try/"].outcome == "powerless"


def test_the_newest_record_of_the_highest_version_is_shown(project):
    """An older record and an older version of a claim give way, wherever they lie."""
    store = Store(project / "store")
    for created, version in (("2026-11-19T00:00:00Z", 2), ("2026-11-20T00:00:00Z", 2), ("2026-11-21T00:00:00Z", 1)):
        store.add(factory.degrades(created=created, version=version))
    (line,) = queries.board(queries.open_stores())
    assert (line.version, line.created) == (2, "2026-11-20T00:00:00Z")


def test_published_and_local_records_are_one_board(project):
    """Records of both places are shown, each once."""
    Store(project / "leaderboard").add(factory.degrades())
    Store(project / "store").add(factory.degrades())
    Store(project / "store").add(factory.withdrawn())
    found = queries.board(queries.open_stores())
    assert sorted(line.name for line in found) == ["complexity-comparable-to-width", "plain-degrades"]


def test_a_submission_stands_beside_the_reference(project):
    """Two implementations of a claim are two lines."""
    store = Store(project / "store")
    store.add(factory.degrades())
    store.add(factory.degrades(submission="mine"))
    found = queries.board(queries.open_stores())
    assert sorted(line.implementation for line in found) == ["reference", "submission:mine"]
    (section,) = queries.sections(found)
    assert [line.implementation for line in section.claims] == ["reference"]
    assert [one.newest.implementation for one in section.standings] == ["reference", "submission:mine"]


def test_a_submission_is_counted_over_all_claims_whatever_is_shown(submitted):
    """Verdicts and unanswered claims are those of the whole board; only what unfolds follows the filters."""
    lines = queries.board(queries.open_stores())
    shown = [line for line in lines if Filters(q="MINE", verdict=("refuted",)).admits(line)]
    (section,) = queries.sections(lines, shown)
    mine = section.standings[1]
    assert section.claims == ()
    assert board_lines.counts(mine.lines) == {"supported": 1, "refuted": 1}
    assert [line.row for line in mine.shown] == ["ResNet-20"]
    left = {"shortcuts-cure", "parameters-as-printed", "ResNet-56", "ResNet-110", "first-try"}
    assert {line.row or line.name for line in mine.unanswered} == left


@pytest.mark.parametrize("change", [{"version": 2}, {"digest": "sha256:" + "e" * 64}])
def test_a_verdict_of_another_version_of_a_claim_is_not_counted(project, change):
    """Where version or digest are not those of the reference's claim, the two are not compared."""
    store = Store(project / "store")
    store.add(factory.degrades())
    record = factory.degrades(submission="mine")
    store.add(changed(record, claim=msgspec.structs.replace(record.claim, **change)))
    (section,) = queries.sections(queries.board(queries.open_stores()))
    mine = section.standings[1]
    assert (len(mine.lines), len(mine.outdated), len(mine.unanswered)) == (0, 1, 0)
    assert "another version of the claim, not counted" in text(page("implementations", paper="he2015"))
    asked = page("claim", claim="he2015/plain-degrades", implementation="submission:mine")
    assert "the two are not compared" in text(asked)


@pytest.mark.parametrize(
    ("runners", "says"),
    [
        (("verified", "verified"), "verified"),
        (("verified", "self-reported"), "partly verified"),
        (("self-reported", "self-reported"), "self-reported"),
    ],
)
def test_a_submission_is_verified_when_all_its_verdicts_are(project, runners, says):
    """One rerun by the project says nothing of the other claims."""
    for record, runner in zip((factory.degrades, factory.shortcut_cures), runners, strict=True):
        Store(project / "store").add(record(submission="mine", runner=runner))
    (section,) = queries.sections(queries.board(queries.open_stores()))
    assert section.standings[0].runner == says
    assert style.runner(says) in text(page("implementations", paper="he2015"))


def test_verdicts_of_several_sources_are_said(project):
    """A submission whose verdicts come from different versions of its code is not passed off as one."""
    records = factory.degrades(submission="mine"), factory.shortcut_cures(submission="mine")
    for record, source in zip(records, "ef", strict=True):
        own = msgspec.structs.replace(record.implementation, source=source * 64)
        Store(project / "store").add(changed(record, implementation=own))
    assert "from 2 versions of its source" in text(page("implementations", paper="he2015"))


def test_no_submission_passes_a_check_that_a_sabotage_passes(project):
    """Where the reference's record shows that a check is worth nothing, a submission's verdict is powerless too."""
    for changes in ({}, {"submission": "mine", "controls": ()}):
        Store(project / "store").add(factory.powerless(**changes))
    found = queries.board(queries.open_stores())
    assert [line.outcome for line in found] == ["powerless", "powerless"]
    shown = text(page("claim", claim="he2015/first-try", implementation="submission:mine"))
    assert style.badge("powerless", large=True) in shown
    assert "no verdict of it counts" in shown
    assert "0 of 1 rejected" in shown


def test_facts_of_a_paper_come_from_the_reference(project):
    """A newer record of a submission cannot rewrite the title or the story of a paper."""
    Store(project / "store").add(factory.degrades())
    fake = msgspec.structs.replace(factory.RESNET, title="All wrong", story="All wrong")
    Store(project / "store").add(factory.degrades(submission="mine", paper=fake, created="2027-01-01T00:00:00Z"))
    assert "All wrong" not in text(page(full="true"))


def test_history_keeps_the_newest_record_of_the_reference_and_what_is_asked_for(project, monkeypatch):
    """However many records others have, these are among those that a claim's page goes through."""
    monkeypatch.setattr(queries, "HISTORY", 2)
    Store(project / "store").add(factory.degrades(created="2026-01-01T00:00:00Z"))
    for day in range(1, 6):
        Store(project / "store").add(factory.degrades(submission="mine", created=f"2026-02-0{day}T00:00:00Z"))
    found = queries.history(queries.open_stores(), "he2015/plain-degrades", None)
    assert [board_lines.label(record) for record in found] == ["submission:mine", "submission:mine", "reference"]
    oldest = factory.degrades(submission="mine", created="2026-02-01T00:00:00Z").id.removeprefix("sha256:")
    Store(project / "store").add(factory.degrades(submission="theirs", created="2026-01-02T00:00:00Z"))
    asked = {"implementation": "submission:theirs", "digits": oldest[:16]}
    kept = queries.history(queries.open_stores(), "he2015/plain-degrades", None, **asked)
    assert [(board_lines.label(record), record.created[:10]) for record in kept[2:]] == [
        ("submission:mine", "2026-02-01"),
        ("submission:theirs", "2026-01-02"),
        ("reference", "2026-01-01"),
    ]


@pytest.mark.parametrize(
    ("whats", "shown"),
    [
        (["train", "predict", "peak", "energy"], ["time to train", "peak memory", "energy"]),
        (["predict", "peak", "train"], ["time to train", "peak memory", "time to predict"]),
        (["simulate", "gradients", "peak"], ["time to gradients", "peak memory"]),
        ([], []),
    ],
)
def test_the_board_shows_three_costs_at_most(whats, shown):
    """A time, memory and energy come first; of unusual functions the one that takes the reference longest."""
    names = {"peak": "peak memory", "energy": "energy"}
    whats = [names.get(what, f"time to {what}") for what in whats]
    costs = [Ratio(what=what, ratio=1.0, pairs=1, unit="s", reference=float(i)) for i, what in enumerate(whats)]
    assert [cost.what for cost in board_lines.main_costs(costs)] == shown


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (Filters(paper="aaronson2014", verdict=("finding",)), {"complexity-comparable-to-width"}),
        (Filters(evidence=("exact",)), {"parameters-as-printed"}),
        (Filters(tier=("gpu",), verdict=("refuted", "reproduced")), {"table-6"}),
        (Filters(q="sean carroll ENTROPY"), {"entropy-quadratic"}),
        (Filters(q="no such words"), set()),
    ],
)
def test_filters_admit_what_they_say(store, filters, names):
    """Each filter narrows the board by its own column, and the search wants all of its words."""
    assert {line.name for line in lines().values() if filters.admits(line)} == names


def test_rows_of_a_table_are_ordered_by_their_numbers(store):
    """ResNet-110 comes after ResNet-56, as in the table of the paper."""
    rows = [line.row for line in queries.board(queries.open_stores()) if line.name == "table-6"]
    assert rows == ["ResNet-20", "ResNet-56", "ResNet-110"]
    assert queries.rows_of(queries.open_stores(), "he2015/table-6") == rows


def test_the_version_follows_the_content(store):
    """The key of the caches is stable, and changes when a record is added."""
    before = queries.open_stores().version()
    assert queries.open_stores().version() == before
    store.add(factory.degrades(created="2026-12-01T00:00:00Z"))
    assert queries.open_stores().version() != before


def test_reading_leaves_the_store_as_it_is(store, project):
    """The board writes nothing, neither into the store nor into the published records."""
    before = {path: path.stat().st_mtime_ns for path in project.rglob("*")}
    queries.board(queries.open_stores())
    queries.history(queries.open_stores(), "he2015/plain-degrades", None)
    assert {path: path.stat().st_mtime_ns for path in project.rglob("*")} == before


def test_csv_has_a_line_for_each_verdict_and_no_formula(project):
    """The download is whole, and no cell of it begins like a formula of a spreadsheet."""
    Store(project / "store").add(factory.degrades(says="=HYPERLINK(1)"))
    (row,) = csv.DictReader(io.StringIO(downloads.csv(queries.board(queries.open_stores()))))
    assert row["statement"] == "'=HYPERLINK(1)"
    assert (row["implementation"], row["runner"]) == ("reference", "self-reported")
    assert float(row["estimate"]) == pytest.approx(factory.degrades().verdict.estimate)


# charts


def test_seeds_are_drawn_with_the_published_value(store):
    """The chart of a scalar has every seed, the published number and the criterion's bound."""
    (picture,) = samples_chart.pictures(factory.table_row("ResNet-56", 6.97, [8.9, 9.1, 9.0]))
    drawn = picture.chart.to_json()
    assert all(f'"value": {value}' in drawn for value in (8.9, 9.1, 9.0))
    assert "published 6.97, Table 6, ResNet-56" in drawn
    assert "bound 7.47" in drawn
    assert "3 seeds" in picture.alt


def test_curves_have_seeds_and_their_mean():
    """A curve is drawn once for each seed, thin, and once as the mean over seeds."""
    record = factory.rises_and_falls()
    (picture,) = samples_chart.pictures(record)
    thin, bold, _ = picture.chart.layer
    assert len(thin.data) == 5 * 24
    mean = np.mean(record.samples[0].values, axis=0)
    assert np.allclose(bold.data["value"], mean)


def test_long_curves_and_many_cases_are_thinned():
    """At most 500 points of a curve or of a set of cases are drawn, the worst case always among them."""
    long = factory.sample("a", "loss", "nats", np.ones((2, 4000)), x=np.arange(4000.0))
    assert (
        len(samples_chart.curves([long], samples_chart._published(factory.degrades(), "nats")).layer[0].data) == 2 * 500
    )
    found = np.zeros((1, 4000))
    found[0, 1234] = 7.0
    many = factory.sample("a", "error", "1", found, expected=np.zeros(4000))
    frame = samples_chart._against(many)
    assert len(frame) <= 500
    assert 1234 in set(frame["case"])


def test_diverged_seeds_are_said_and_not_drawn():
    """A seed without a finite value is missing from the points and named in the label."""
    chart = samples_chart.points(
        [factory.sample("a", "loss", "nats", [1.0, np.nan, 1.2])], samples_chart._rules(factory.degrades(), "")
    )
    drawn = chart.to_json()
    assert "1 of 3 seeds diverged" in drawn
    assert "NaN" not in drawn


def test_arms_are_named_by_what_tells_them_apart():
    """Settings that all arms share are left out of the labels."""
    arms = ["plain depth=42 width=8", "plain depth=10 width=8"]
    samples = [factory.sample(arm, "train_error", "%", [1.0, 2.0]) for arm in arms]
    assert samples_chart._names(samples) == ["plain depth=42", "plain depth=10"]
