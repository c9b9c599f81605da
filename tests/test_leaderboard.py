"""The leaderboard without a browser: queries on records, and the pages as Streamlit runs them."""

from __future__ import annotations

import csv
import io
import re
import shutil

import msgspec
import numpy as np
import pytest

pytest.importorskip("streamlit", reason="the leaderboard needs the extra `board`")

from streamlit.testing.v1 import AppTest

from leaderboard import blocks, charts, queries, style
from leaderboard.queries import Filters
from repro import Reported, holds
from repro.errors import ReproError
from repro.paths import store_dir
from repro.record import Ratio, SubmissionPart, sample_part
from repro.store import Store
from tests import factory, pages
from tests.pages import APP, changed, text

HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script>[a](javascript:alert(3))'


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project, with no published records and an empty store."""
    (tmp_path / "claims").mkdir()
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REPRO_STORE", str(tmp_path / "store"))
    return tmp_path


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """The folder of a store with one record of every kind that the board can show."""
    folder = tmp_path_factory.mktemp("filled")
    for record in factory.board():
        Store(folder).add(record)
    return folder


@pytest.fixture
def submitted(store):
    """The same with a submission that was judged by two claims of a paper, and refuted in one."""
    store.add(factory.degrades(submission="mine"))
    store.add(factory.table_row("ResNet-20", 8.75, [12.9, 13.2, 13.0], submission="mine"))
    return store


@pytest.fixture
def store(project, filled):
    """A store of one's own with one record of every kind."""
    shutil.copytree(filled, project / "store")
    return Store(project / "store")


def page(name: str = "board", **parameters: str) -> AppTest:
    """As `pages.page`; the board has every claim in full unless it is filtered."""
    return pages.page(name, **(parameters or ({"full": "true"} if name == "board" else {})))


def lines() -> dict[str, queries.Line]:
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
    assert ">0.2697 M<" in text(page())


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
    assert queries.counts(mine.lines) == {"supported": 1, "refuted": 1}
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
    """One rerun of the project does not vouch for the other claims."""
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
    assert "All wrong" not in text(page())


def test_history_keeps_the_newest_record_of_the_reference_and_what_is_asked_for(project, monkeypatch):
    """However many records others have, these are among those that a claim's page goes through."""
    monkeypatch.setattr(queries, "HISTORY", 2)
    Store(project / "store").add(factory.degrades(created="2026-01-01T00:00:00Z"))
    for day in range(1, 6):
        Store(project / "store").add(factory.degrades(submission="mine", created=f"2026-02-0{day}T00:00:00Z"))
    found = queries.history(queries.open_stores(), "he2015/plain-degrades", None)
    assert [queries.label(record) for record in found] == ["submission:mine", "submission:mine", "reference"]
    oldest = factory.degrades(submission="mine", created="2026-02-01T00:00:00Z").id.removeprefix("sha256:")
    Store(project / "store").add(factory.degrades(submission="theirs", created="2026-01-02T00:00:00Z"))
    asked = {"implementation": "submission:theirs", "digits": oldest[:16]}
    kept = queries.history(queries.open_stores(), "he2015/plain-degrades", None, **asked)
    assert [(queries.label(record), record.created[:10]) for record in kept[2:]] == [
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
    assert [cost.what for cost in queries.main_costs(costs)] == shown


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
    (row,) = csv.DictReader(io.StringIO(queries.csv(queries.board(queries.open_stores()))))
    assert row["statement"] == "'=HYPERLINK(1)"
    assert (row["implementation"], row["runner"]) == ("reference", "self-reported")
    assert float(row["estimate"]) == pytest.approx(factory.degrades().verdict.estimate)


# charts


def test_seeds_are_drawn_with_the_published_value(store):
    """The chart of a scalar has every seed, the published number and the criterion's bound."""
    (picture,) = charts.pictures(factory.table_row("ResNet-56", 6.97, [8.9, 9.1, 9.0]))
    drawn = picture.chart.to_json()
    assert all(f'"value": {value}' in drawn for value in (8.9, 9.1, 9.0))
    assert "published 6.97, Table 6, ResNet-56" in drawn
    assert "bound 7.47" in drawn
    assert "3 seeds" in picture.alt


def test_curves_have_seeds_and_their_mean():
    """A curve is drawn once for each seed, thin, and once as the mean over seeds."""
    record = factory.rises_and_falls()
    (picture,) = charts.pictures(record)
    thin, bold, _ = picture.chart.layer
    assert len(thin.data) == 5 * 24
    mean = np.mean(record.samples[0].values, axis=0)
    assert np.allclose(bold.data["value"], mean)


def test_long_curves_and_many_cases_are_thinned():
    """At most 500 points of a curve or of a set of cases are drawn, the worst case always among them."""
    long = factory.sample("a", "loss", "nats", np.ones((2, 4000)), x=np.arange(4000.0))
    assert len(charts.curves([long], charts._published(factory.degrades(), "nats")).layer[0].data) == 2 * 500
    found = np.zeros((1, 4000))
    found[0, 1234] = 7.0
    many = factory.sample("a", "error", "1", found, expected=np.zeros(4000))
    frame = charts._against(many)
    assert len(frame) <= 500
    assert 1234 in set(frame["case"])


def test_diverged_seeds_are_said_and_not_drawn():
    """A seed without a finite value is missing from the points and named in the label."""
    chart = charts.points(
        [factory.sample("a", "loss", "nats", [1.0, np.nan, 1.2])], charts._rules(factory.degrades(), "")
    )
    drawn = chart.to_json()
    assert "1 of 3 seeds diverged" in drawn
    assert "NaN" not in drawn


def test_arms_are_named_by_what_tells_them_apart():
    """Settings that all arms share are left out of the labels."""
    arms = ["plain depth=42 width=8", "plain depth=10 width=8"]
    samples = [factory.sample(arm, "train_error", "%", [1.0, 2.0]) for arm in arms]
    assert charts._names(samples) == ["plain depth=42", "plain depth=10"]


# pages


def test_the_board_shows_papers_claims_and_the_story(store):
    """Each paper has its facts and its story, each claim its statement, verdict, published and measured numbers."""
    shown = text(page())
    assert "Quantifying the Rise and Fall" in shown
    assert "In June 2014 the first author withdrew that" in shown
    assert "Kaiming He" in shown
    assert "A deeper plain network has the higher training error." in shown
    assert "64.56%" in shown
    assert "[55.61, 73.51]" in shown
    assert 'href="claim?claim=he2015/table-6&amp;row=ResNet-56"' in shown
    for outcome in ("reproduced", "supported", "refuted", "inconclusive", "finding", "powerless"):
        assert style.badge(outcome) in shown


def test_the_overview_has_a_letter_for_each_verdict(store):
    """Each letter is named and leads to its claim; a filter, or the toggle, opens the claims in full."""
    app = AppTest.from_file(str(APP), default_timeout=300).run()
    shown = text(app)
    lines = queries.board(queries.open_stores())
    assert len(re.findall(r'<a class="badge [^"]*" href="claim\?', shown)) == len(lines)
    assert 'title="A deeper plain network has the higher training error. plain-degrades: supported"' in shown
    assert "table-6[ResNet-56]: " in shown
    assert '<table class="claims">' not in shown
    assert '<table class="claims">' in text(page())
    assert '<table class="claims">' in text(page(paper="he2015"))


def test_each_badge_has_a_letter_of_its_own():
    """A badge is told by its letter alone, for those who do not see its colour."""
    letters = [badge.letter for kind in (style.BADGES, style.DIVISIONS, style.RUNNERS) for badge in kind.values()]
    assert len(set(letters)) == len(letters)


@pytest.mark.parametrize(
    ("key", "value", "there", "gone"),
    [
        ("paper", "he2015", "A deeper plain network", "Quantifying the Rise"),
        ("verdict", "finding", "most complex state", "Deep Residual Learning"),
        ("evidence", "exact", "parameters that the table prints", "most complex state"),
        ("tier", "gpu", "ResNet-56", "plain network has"),
        ("q", "entropy", "greatest entropy", "most complex state"),
    ],
)
def test_every_filter_has_a_permalink(store, key, value, there, gone):
    """A query parameter sets the filter when the page is opened."""
    sections = text(page(**{key: value})).partition("</ul>")[2]
    assert there in sections
    assert gone not in sections


def test_a_filter_that_matches_nothing_says_so(store):
    """Instead of an empty table there is a way back."""
    assert "Nothing matches these filters" in text(page(q="no such words"))


def test_setting_a_filter_narrows_the_board(store):
    """The widgets do what the addresses do."""
    app = page()
    app.selectbox(key="paper").set_value("aaronson2014").run()
    assert not app.exception
    assert "Deep Residual Learning" not in text(app)


def test_an_empty_store_says_how_to_fill_it(project):
    """Without records the board is no error: it names the command that makes them."""
    assert "make claims" in text(page())
    assert "No findings yet" in text(page("findings"))
    assert not (project / "store").exists()


def test_corrupt_records_are_problem_lines(store, project):
    """A file that is no record is named with what is wrong, and everything else is shown."""
    good = next((project / "store" / "records" / "he2015").glob("*.json"))
    (good.parent / "0000000000000000.json").write_text("{not json")
    (good.parent / "1111111111111111.json").write_bytes(good.read_bytes().replace(b'"word"', b'"wort"'))
    app = page()
    assert "A deeper plain network" in text(app)
    assert [one.label for one in app.expander if "2 files are not sound records" in one.label]
    assert "0000000000000000.json" in text(app)
    assert "wort" in text(app)


def test_a_store_that_cannot_be_read_is_one_message(store, monkeypatch):
    """The reason stands on the page, without a traceback."""

    def refuse(self):
        raise ReproError("The store is not there", "Set REPRO_STORE.")

    monkeypatch.setattr(Store, "version", refuse)
    app = page()
    assert "The store is not there" in text(app)
    assert "Set REPRO_STORE." in text(app)


@pytest.mark.parametrize("record", factory.board(), ids=lambda r: r.claim.id)
def test_every_kind_of_claim_has_a_page(store, record):
    """The page shows statement, verdict, criterion, controls and the command, and can be downloaded."""
    row = {"row": record.claim.row} if record.claim.row else {}
    app = page("claim", claim=f"{record.paper.key}/{record.claim.name}", **row)
    shown = text(app)
    outcome = "powerless" if record.powerless else record.word
    for part in (record.claim.says, record.verdict.reason, record.controls[0].says):
        assert style.escape(part) in shown
    assert style.badge(outcome, large=True) in shown
    assert record.command in [code.value.rpartition("\n")[2] for code in app.code]
    assert record.id in shown
    assert app.get("download_button")


def test_the_claim_page_draws_samples_and_lists_trials(store):
    """There is a chart with a description, and a line for each trial with its time and memory."""
    app = page("claim", claim="he2015/plain-degrades")
    assert len(app.get("vega_lite_chart") or app.get("arrow_vega_lite_chart")) == 1
    trials = app.dataframe[0].value
    assert len(trials) == 10
    assert list(trials["wall (s)"]) == [2.31] * 10
    assert "energy (J)" not in trials
    assert "no readable RAPL counter" in text(app)


def test_a_finding_names_its_source(store):
    """What the author withdrew is shown with where he did."""
    source = "blog update of 3 June 2014"
    assert source in text(page("claim", claim="aaronson2014/complexity-comparable-to-width"))
    assert source in text(page("findings"))


def test_findings_of_one_table_are_told_apart(project):
    """Rows of a claim make the same statement from the same source: each finding says which row it is."""
    for row in ("3 buckets", "7 buckets"):
        Store(project / "store").add(factory.withdrawn(row=row))
    for shown in (text(page("findings")), text(page("paper", paper="aaronson2014")).split(">Findings</h2>")[1]):
        for row in ("3 buckets", "7 buckets"):
            assert f'<span class="tag">{row}</span> The' in shown


def test_a_powerless_claim_names_the_control_that_got_through(store):
    """The reader learns which sabotage was not rejected."""
    assert "Not rejected: label_smoothing" in text(page("claim", claim="he2015/first-try"))


def test_history_has_every_record_and_leads_to_each(store):
    """Older records are listed with their dates, and a permalink opens one of them."""
    old = factory.degrades(created="2025-01-02T03:04:05Z")
    store.add(old)
    digits = old.id.removeprefix("sha256:")[:16]
    newest = page("claim", claim="he2015/plain-degrades")
    assert "2025-01-02" in text(newest)
    assert f"record={digits}" in text(newest)
    opened = page("claim", claim="he2015/plain-degrades", record=digits)
    assert "not the newest record" in opened.info[0].value
    assert old.id in text(opened)
    store.add(factory.degrades(submission="mine", created="2027-01-01T00:00:00Z"))
    assert not page("claim", claim="he2015/plain-degrades").info, "a submission's record does not make it old"


def test_an_unknown_claim_is_helped(store):
    """A wrong address leads back, and a table without a row to its rows."""
    assert "There is no record of he2015/nothing" in text(page("claim", claim="he2015/nothing"))
    assert "No claim is named" in text(page("claim"))
    assert "row=ResNet-110" in text(page("claim", claim="he2015/table-6"))


def test_the_board_names_the_submissions_of_a_paper(submitted):
    """The table of claims is the reference's; below it a link leads to the submissions."""
    paper = text(page()).partition('id="he2015"')[2]
    claims, _, below = paper.partition("</table>")
    assert "mine" not in claims
    assert '<a href="implementations?paper=he2015">1 submission beside the reference</a>' in below


def test_a_submission_or_hardware_may_be_chosen_on_the_board(submitted):
    """The same table, of another implementation, or of records of one kind of machine."""
    shown = text(page(implementation="submission:mine"))
    assert 'href="claim?claim=he2015/table-6&amp;row=ResNet-20&amp;implementation=submission:mine"' in shown
    assert shown.count('class="statement"') == 2
    assert "64.56%" in text(page(hardware="2 cores x86_64 AVX512"))


def test_costs_are_ratios_with_intervals(submitted):
    """The page of the implementations and the claim's page say what a submission costs of what the reference costs."""
    for shown in (
        text(page("implementations", paper="he2015")),
        text(page("claim", claim="he2015/plain-degrades", implementation="submission:mine")),
    ):
        assert "time to train" in shown
        assert style.ratio(factory.SUBMISSION.costs[0]) in shown
        assert "<b>0.93&times;</b>" in shown
        assert "[0.90, 0.96]" in shown
    assert ">2.41 s<" in shown
    assert ">310 MiB<" in shown


def test_the_headline_counts_the_reference_only(submitted):
    """A submission changes no count of verdicts and of sabotages, and is counted itself."""
    board = text(page())
    own = [line for line in queries.board(queries.open_stores()) if line.is_reference]
    found = re.findall(r"<b>([^<]*)</b><span>(.*?)</span>", board)
    assert ("1", "submission") in found
    assert (str(len(own)), "verdicts") in found


def test_a_run_without_a_jail_is_warned_of(project):
    """One trusted record is enough for the warning, among the implementations and on the page of its claim."""
    trusted = msgspec.structs.replace(factory.SUBMISSION, isolation="none (trusted)", salt="")
    Store(project / "store").add(factory.degrades(submission="mine", part=trusted, created="2026-01-01T00:00:00Z"))
    Store(project / "store").add(factory.shortcut_cures(submission="mine"))
    own = {name: text(page("claim", claim=f"he2015/{name}")) for name in ("plain-degrades", "shortcuts-cure")}
    assert style.unjailed() in text(page("implementations", paper="he2015"))
    assert style.unjailed() in own["plain-degrades"]
    assert "no salt" in own["plain-degrades"]
    assert style.unjailed() not in own["shortcuts-cure"]


def test_the_page_of_a_submissions_claim_says_what_it_is(submitted):
    """Division, who vouches, isolation, salt, authors, licence, deviations and audits; the reference stands beside."""
    shown = text(page("claim", claim="he2015/plain-degrades", implementation="submission:mine"))
    part, reference = factory.SUBMISSION, factory.degrades()
    for said in (part.summary, *part.authors, part.licence, part.isolation, part.salt, *part.deviations, *part.audits):
        assert style.escape(said) in shown
    assert "derived from its source, the salt" in shown
    for badge in (style.division("closed"), style.runner("self-reported"), style.badge("supported")):
        assert badge in shown
    assert f'record={reference.id.removeprefix("sha256:")[:16]}">its record' in shown
    assert ">Submission</h2>" not in text(page("claim", claim="he2015/plain-degrades"))


def test_records_from_before_submissions_said_anything_are_shown(project):
    """A record without the part on its submission has its row and its page."""
    Store(project / "store").add(factory.degrades(submission="mine", part=None))
    assert "not measured" in text(page("implementations", paper="he2015"))
    assert "says nothing more" in text(page("claim", claim="he2015/plain-degrades"))


def test_findings_are_the_references_with_submissions_beside(store):
    """A finding is one panel; a submission joins it, and cannot declare a finding of its own."""
    store.add(factory.withdrawn(submission="mine"))
    store.add(factory.degrades(submission="mine", finding="It is said so."))
    shown = text(page("findings"))
    assert shown.count('class="panel') == 1
    assert "implementation=submission:mine" in shown
    assert "It is said so." not in shown


def test_samples_without_a_common_shape_do_not_take_the_page_down(project):
    """A record may hold rows of unequal length; its page says that they cannot be drawn."""
    record = factory.degrades()
    ragged = msgspec.structs.replace(record.samples[0], values=((1.0, 2.0), (3.0,), (1.0,), (2.0,), (4.0,)))
    Store(project / "store").add(changed(record, samples=(ragged,)))
    assert "cannot be drawn" in text(page("claim", claim="he2015/plain-degrades"))


def test_hostile_texts_are_shown_as_text(project):
    """Markup in any text of a record is escaped on every page."""
    paper = msgspec.structs.replace(
        factory.RESNET,
        title=HOSTILE,
        authors=(HOSTILE,),
        story=HOSTILE,
        arxiv=HOSTILE,
        url="javascript:alert(1)",
        venue=HOSTILE,
    )
    arms = [factory.sample(HOSTILE, HOSTILE, HOSTILE, v) for v in ([60.0, 61.0, 66.0], [1.0, 0.5, 1.5])]
    rejected = [factory.sample(HOSTILE, HOSTILE, HOSTILE, [1.0, 1.1, 0.9])] * 2
    record = factory.degrades(
        paper=paper,
        says=HOSTILE,
        row=HOSTILE,
        place=HOSTILE,
        submission=HOSTILE,
        part=SubmissionPart(
            summary=HOSTILE,
            authors=(HOSTILE,),
            licence=HOSTILE,
            deviations=(HOSTILE,),
            isolation=f"none{HOSTILE}",
            salt=HOSTILE,
            audits=(HOSTILE,),
            shared=HOSTILE,
            costs=tuple(
                Ratio(what=what, ratio=0.0, low=-1e300, high=1e300, pairs=1, unit=HOSTILE, reference=-1e300)
                for what in (f"time to {HOSTILE}", HOSTILE)
            ),
        ),
        finding=HOSTILE,
        controls=[(HOSTILE, HOSTILE, rejected)],
        machine=msgspec.structs.replace(factory.MACHINE, cpu=HOSTILE, os=HOSTILE, gpu=HOSTILE),
        command=HOSTILE,
        reported=(Reported(1.0, HOSTILE, "Table " + HOSTILE),),
    )
    drawn = tuple(sample_part(arm) for arm in arms)
    Store(project / "store").add(changed(record, data={HOSTILE: "a" * 64}, flag=HOSTILE, samples=drawn))
    (project / "store" / "records" / "he2015" / "<script>alert(4).json").write_text('{"schema":1,"<script>x":2}')
    seen = [text(page()), text(page("findings"))]
    seen.append(text(page("claim", claim="he2015/plain-degrades", row=HOSTILE, implementation=f"submission:{HOSTILE}")))
    seen.append(text(page("claim", claim="he2015/plain-degrades")))
    seen.append(text(page("claim", claim=f"he2015/{HOSTILE}")))
    for shown in seen:
        body = shown.replace("&lt;script&gt;", "").replace("&lt;img", "")
        assert "<script" not in body
        assert "<img" not in body
        assert 'href="javascript' not in body
    assert "&lt;script&gt;" in seen[0]
    for field in ("summary", "authors", "licence", "isolation", "seeds", "code", "deviations", "audits"):
        value = seen[2].partition(f"<dt>{field}</dt>")[2].partition("</dd>")[0]
        assert style.escape(HOSTILE) in value, field


def test_links_of_papers_are_web_addresses_only():
    """An address that is no web address is not made a link."""
    paper = msgspec.structs.replace(factory.RESNET, arxiv="", url="javascript:alert(1)")
    assert style.source_link(paper) == ""
    assert "https://example.org" in style.source_link(msgspec.structs.replace(paper, url="https://example.org"))


def test_an_interval_is_drawn_within_its_line():
    """All marks of the small interval picture lie between its ends, and none is drawn without an interval."""
    drawn = style.forest(64.6, 55.6, 73.5, 20.0, "supported")
    lefts = [float(x) for x in re.findall(r"left:([-\d.]+)%", drawn)]
    assert lefts == sorted(lefts, key=lambda x: (x != lefts[0], x))
    assert all(0 <= x <= 100 for x in lefts)
    assert style.forest(1.0, None, None, 2.0, "reproduced") == ""
    costs = [Ratio(what="t", ratio=r, low=r / 1.1, high=r * 1.1, pairs=5, unit="s", reference=1.0) for r in (0.5, 2.0)]
    drawn = [re.findall(r"(?:left|width):([-\d.]+)%", one) for one in style.ratio_forests(costs)]
    assert drawn[0][0] == drawn[1][0] == "50.0", "the reference lies at one place in all rows"
    assert drawn[0][2] == drawn[1][2], "equal factors are equally wide"
    assert style.ratio_forests([msgspec.structs.replace(costs[0], low=0.0)]) == [""]
    assert "no violation" in blocks.measured(queries.line(factory.parameters()))
