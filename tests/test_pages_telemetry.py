"""Telemetry, suite_score, submit and about: what they count and say, and the pages as Streamlit runs them."""

from __future__ import annotations

import html
import json
import math
import re
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("streamlit", reason="the leaderboard needs the extra `board`")


from leaderboard.board import queries, repository, suite_score
from leaderboard.board import telemetry as telemetry_board
from leaderboard.board.lines import REFERENCE
from leaderboard.board.queries import RecordFilter
from leaderboard.board.repository import CalibratedRate
from leaderboard.charts import telemetry as telemetry_chart
from leaderboard.render import about, style, submit
from leaderboard.render import suite_score as suite_score_page
from leaderboard.render import telemetry as telemetry_page
from repro.criterion.statistics import clopper_pearson
from repro.machine.telemetry import Series, Usage, pack
from repro.record.access_tokens import tokens_file
from repro.record.record import Record, TrialPart
from repro.record.store import Store
from tests import factory
from tests.pages import changed, page, text

COMMANDS = submit.COMMAND.findall(submit.TEXT.read_text())
HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script>'
REJECTED = [("label_smoothing", "Labels are smoothed.", [factory.sample("resnet-20", "test_error", "%", [12.7, 12.6])])]
GPU = msgspec.structs.replace(factory.MACHINE, cpu="Example CPU 9000", gpu="Example GPU H1", gpus=1)


@pytest.fixture
def store(tmp_path, monkeypatch):
    """An empty store in a project without published records."""
    (tmp_path / "claims" / "calibration").mkdir(parents=True)
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REPRO_STORE", str(tmp_path / "store"))
    return Store(tmp_path / "store")


def trial(number: int, arm: str = "deep", *, wall: float = 2.0, series: str | None = None, **used: object) -> TrialPart:
    """A trial with a key of its own."""
    spent = {"cpu_s": wall, "peak_rss_bytes": (100 + number) << 20, "energy_method": "none: no counter"} | used
    return TrialPart(
        key=f"{number:064x}", arm=arm, seed=number, preset="p", config={}, cached=False,
        usage=Usage(wall_s=wall, series=series, **spent),  # type: ignore[arg-type] -- the format checks it
    )  # fmt: skip


def sampled(points: int = 4, **columns: tuple[float | None, ...]) -> str:
    """A packed series with a point a second."""
    plain = {"rss_bytes": (2.0**20,) * points, "cpu_percent": (90.0,) * points}
    return pack(Series(t_s=tuple(float(i + 1) for i in range(points)), **(plain | columns)))


def on_gpu(**changes: object) -> Record:
    """A claim of the GPU tier whose trials were sampled on one."""
    gpu = {"gpu_percent": (95.0, None, 97.0, 96.0), "power_w": (300.0, 310.0, 305.0, 299.0)}
    spent = {"energy_j": 1000.0, "energy_method": "NVML energy counter of the whole GPU", "gpu_peak_bytes": 9 << 30}
    trials = tuple(trial(i, series=sampled(**gpu), **spent) for i in range(2))
    record = factory.table_row("ResNet-56", 6.97, [6.9, 7.0, 6.8], machine=GPU, **changes)
    return changed(record, trials=trials)


# telemetry: what is counted


def test_costs_count_each_trial_once():
    """Two arms that share a trial do not make it cost twice; the sum is that of the index."""
    shared = trial(1, wall=3.0)
    twice = msgspec.structs.replace(shared, arm="deep again")
    record = changed(factory.degrades(), trials=(shared, twice, trial(2, "shallow", wall=0.5)))
    found = telemetry_board.cost(record)
    assert (found.trials, found.wall_s) == (2, 3.5)
    assert [(arm.name, arm.trials) for arm in found.arms] == [("deep", 1), ("shallow", 1)]
    assert found.peak_bytes == 102 << 20


def test_the_sum_is_the_one_of_the_index(store):
    """What the page adds up is what the database says."""
    record = changed(factory.degrades(), trials=(trial(1), trial(2), trial(2)))
    store.add(record)
    (row,) = store.rows()
    assert math.isclose(telemetry_board.cost(record).wall_s, row.wall_s)


@pytest.mark.parametrize(
    ("joules", "total", "says"),
    [
        ((5.0, 6.0), 11.0, "NVML"),
        ((None, None), None, "not measured: no counter"),
        ((5.0, None), None, "measured in 1 of 2 trials only: no counter"),
    ],
)
def test_energy_is_measured_or_absent_with_its_reason(joules, total, says):
    """A sum over trials of which one was not measured is no measurement."""
    methods = ["none: no counter" if one is None else "NVML" for one in joules]
    pairs = enumerate(zip(joules, methods, strict=True))
    trials = tuple(trial(i, energy_j=one, energy_method=method) for i, (one, method) in pairs)
    found = telemetry_board.cost(changed(factory.degrades(), trials=trials))
    assert (found.energy_j, found.energy_says) == (total, says)
    assert (" J<" in telemetry_page.energy(found)) == (total is not None)


def test_a_claim_stands_with_its_newest_record_on_each_machine(store):
    """Without a machine the newest record counts, on whichever it was made; with one, the newest there."""
    for machine, day in ((factory.MACHINE, 1), (factory.MACHINE, 3), (GPU, 5)):
        store.add(
            factory.table_row("ResNet-20", 8.75, [8.6, 8.8], machine=machine, created=f"2026-11-0{day}T00:00:00Z")
        )
    store.add(factory.table_row("ResNet-20", 8.75, [8.6, 8.8], submission="mine", created="2026-11-09T00:00:00Z"))
    found = telemetry_board.costs(queries.open_stores(), "he2015")
    assert sorted((one.machine, one.created[8:10]) for one in found) == [("Example CPU 3000", "03"), (GPU.gpu, "05")]
    assert [one.machine for one in telemetry_board.shown(found)] == [GPU.gpu]
    assert [one.created[8:10] for one in telemetry_board.shown(found, "Example CPU 3000")] == ["03"]


def test_only_what_was_sampled_is_drawn():
    """A trial on a CPU has no chart of a GPU; readings that failed leave a gap and no zero."""
    on_cpu = telemetry_board.traces(
        changed(factory.degrades(), trials=(trial(1, series=sampled()), trial(2, wall=0.3)))
    )
    assert (len(on_cpu.found), on_cpu.without) == (1, 1)
    assert [gauge.name for gauge, _ in telemetry_chart.pictures(on_cpu.found)] == ["memory of the process", "CPU"]
    traces = telemetry_board.traces(on_gpu())
    drawn = {gauge.name: picture for gauge, picture in telemetry_chart.pictures(traces.found)}
    assert set(drawn) == {"memory of the process", "CPU", "GPU utilisation", "power of the GPU"}
    (rows,) = drawn["GPU utilisation"].chart.to_dict()["datasets"].values()
    assert [row["value"] for row in rows] == 2 * [95.0, 97.0, 96.0]
    assert "2 trials: between 95 and 97 %" in drawn["GPU utilisation"].alt


def test_chosen_trials_are_set_off_and_long_series_thinned():
    """The chosen one is drawn again, bold; a chart holds at most so many points, however many trials there are."""
    trials = tuple(trial(i, series=sampled(900)) for i in range(20))
    traces = telemetry_board.traces(changed(factory.degrades(), trials=trials)).found
    (_, memory), *_ = telemetry_chart.pictures(traces, ["deep, seed 3"])
    thin, bold, _ = memory.chart.layer
    assert set(bold.data["trial"]) == {"deep, seed 3"}
    assert len(thin.data) <= telemetry_chart.POINTS


def test_names_of_trials_differ():
    """Two trials with arm and seed in common can both be chosen."""
    one = trial(1, series=sampled())
    other = msgspec.structs.replace(one, key="f" * 64)
    assert [trace.name for trace in telemetry_board.traces(changed(factory.degrades(), trials=(one, other))).found] == [
        "deep, seed 1",
        "deep, seed 1 (2)",
    ]


def test_seconds_are_stacked_by_arm():
    """A bar has a piece for each arm, in one unit for all claims."""
    record = changed(factory.degrades(), trials=(trial(1, wall=7200.0), trial(2, "shallow", wall=3600.0)))
    picture = telemetry_chart.seconds([telemetry_board.cost(record)])
    assert list(picture.chart.layer[0].data["wall"]) == [2.0, 1.0]
    assert "hours of wall time" in picture.chart.to_json()
    assert "plain-degrades: 3.0 h" in picture.alt


def test_a_bar_says_its_time_as_the_table_does_and_its_arms_have_a_legend():
    """Milliseconds are not "0.0 s", one trial is no "trials", and colours are named where there are several."""
    quick = telemetry_board.cost(changed(factory.degrades(), trials=(trial(1, wall=0.0071),)))
    chart = telemetry_chart.seconds([quick]).chart.to_dict()
    assert "7.1 ms in 1 trial" in json.dumps(chart)
    assert "1 trials" not in json.dumps(chart)
    assert chart["layer"][0]["encoding"]["color"]["legend"] is None
    both = telemetry_board.cost(changed(factory.degrades(), trials=(trial(1), trial(2, "shallow"))))
    colour = telemetry_chart.seconds([quick, both]).chart.to_dict()["layer"][0]["encoding"]["color"]
    assert colour["legend"]["orient"] == "top"
    assert colour["scale"]["domain"] == ["first arm of a claim", "second arm of a claim"]
    assert "arms: deep, shallow" in telemetry_page.claims([both])


def test_why_energy_was_not_measured_is_said_once():
    """Above the table, with the number of claims; rows say that it was not."""
    found = [telemetry_board.cost(changed(factory.degrades(name=f"c{i}"), trials=(trial(1),))) for i in range(3)]
    reason = found[0].energy_says.removeprefix("not measured: ")
    shown = telemetry_page.claims(found)
    assert shown.count(html.escape(reason)) == 1
    assert f"No energy was measured of 3 claims: {html.escape(reason)}." in shown
    assert shown.count(">not measured<") == 3
    some = (trial(1), trial(2, energy_j=5.0, energy_method="a counter"))
    assert "measured in 1 of 2 trials only" in telemetry_page.claims(
        [telemetry_board.cost(changed(factory.degrades(), trials=some))]
    )


# telemetry: the page


def test_telemetry_of_a_paper_and_of_a_claim(store):
    """The paper's page lists its claims with energy or the reason; a claim's address alone leads to its charts."""
    store.add(factory.rises_and_falls())
    store.add(on_gpu())
    overview = text(page("telemetry", paper="he2015"))
    assert "table-6[ResNet-56]" in overview
    assert "2,000 J" in overview
    assert "No energy was measured of 1 claim: no NVML and no readable RAPL counter" in text(
        page("telemetry", paper="aaronson2014")
    )
    claim = page("telemetry", claim="he2015/table-6[ResNet-56]")
    assert "GPU utilisation" in text(claim)
    assert claim.selectbox[0].value == "he2015"
    assert len(claim.get("vega_lite_chart")) == 4


def test_choices_of_telemetry_stand_in_the_address(store):
    """Another paper takes the claim out of the address; a machine on which nothing ran says so."""
    store.add(factory.rises_and_falls())
    store.add(on_gpu())
    app = page("telemetry", claim="he2015/table-6[ResNet-56]", machine=GPU.gpu)
    app.selectbox[0].select("aaronson2014").run()
    assert not app.exception
    assert app.query_params["paper"] in ("aaronson2014", ["aaronson2014"])
    assert "claim" not in app.query_params
    assert "complexity-rises-and-falls" in text(app)


def test_a_record_of_telemetry_is_named_by_its_digits(store):
    """Any record can be seen, a submission's too, and a damaged series does not take the page down."""
    broken = changed(factory.degrades(submission="mine"), trials=(trial(1, series="AAAA"), trial(2, series=sampled())))
    store.add(broken)
    shown = text(page("telemetry", record=broken.id[7:23]))
    assert "damaged, and not shown: deep, seed 1" in shown
    assert ">submission:mine<" in shown


@pytest.mark.parametrize(
    "asked",
    [
        {"paper": "nobody1999"},
        {"claim": "he2015/no-such"},
        {"claim": HOSTILE},
        {"record": "ffff"},
        {"record": HOSTILE},
        {"paper": "he2015", "machine": "none"},
        {"claim": "he2015/table-6"},
    ],
)
def test_telemetry_of_what_is_not_there_helps(store, asked):
    """Each address gives a page that leads on, and shows no markup of its own."""
    store.add(on_gpu())
    shown = text(page("telemetry", **asked))
    assert 'href="telemetry' in shown
    assert "<script>" not in shown


def test_empty_pages_help(store):
    """Without any record each page says what to do or what it is."""
    assert "No records yet" in text(page("telemetry"))
    assert "Nothing to judge yet" in text(page("trust"))
    assert "No submission has been judged here yet" in text(page("submit"))
    assert "no record yet" in text(page("about"))


# trust


def test_an_escaped_control_is_shown_until_it_is_rejected(store):
    """Open at first; fixed by the version whose record rejects it; dropped where it is no longer tried."""
    store.add(factory.powerless(created="2026-01-01T00:00:00Z"))
    store.add(factory.powerless(created="2026-01-02T00:00:00Z"))
    (control,) = suite_score.history(queries.open_stores()).escaped
    assert (control.since, control.open, control.control) == ("2026-01-01T00:00:00Z", True, "label_smoothing")
    store.add(factory.powerless(created="2026-01-03T00:00:00Z", controls=()))  # says nothing
    assert suite_score.history(queries.open_stores()).escaped[0].open
    store.add(factory.powerless(created="2026-01-04T00:00:00Z", version=2, controls=REJECTED))
    (control,) = suite_score.history(queries.open_stores()).escaped
    assert (control.open, control.ended, control.fixed_version) == (False, "2026-01-04T00:00:00Z", 2)
    assert "by version @2" in suite_score_page.escaped([control])


def test_a_sabotage_that_was_removed_is_not_fixed(store):
    """A claim that no longer tries what got through has not shown that it rejects it."""
    other = [("another", "Something else.", REJECTED[0][2])]
    store.add(factory.powerless(created="2026-01-01T00:00:00Z"))
    store.add(factory.powerless(created="2026-01-02T00:00:00Z", controls=other))
    (control,) = suite_score.history(queries.open_stores()).escaped
    assert (control.open, control.fixed, control.dropped) == (False, "", True)
    assert "was removed" in suite_score_page.escaped([control])


def test_what_others_sent_in_does_not_count_against_the_suite(store):
    """In a store that takes records from strangers, a powerless record of theirs is no escape of ours."""
    store.add(factory.powerless())
    assert len(suite_score.history(queries.open_stores()).escaped) == 1
    tokens_file(store.root).write_text("[]")
    assert suite_score.history(queries.open_stores()).escaped == ()


def calibrate(root: Path, record: Record, hits: int, of: int = 20, digest: str = "") -> None:
    """Keep a calibration of a record's claim."""
    low, high = clopper_pearson(hits, of)
    rate = {"hits": hits, "of": of, "low": low, "high": high}
    one = {"digest": digest or record.claim.digest, "created": "2026-11-01T00:00:00Z", "passed": rate}
    path = root / "claims" / "calibration" / f"{record.paper.key}.json"
    kept = msgspec.json.decode(path.read_bytes()) if path.exists() else {}
    path.write_bytes(msgspec.json.encode(kept | {record.claim.id: one | {"rejected": {"a_control": rate}}}))


def test_false_rejections_are_pooled_over_current_calibrations(store):
    """A calibration of a claim that has changed since is shown and not counted; exact claims need none."""
    root = store.root.parent
    for record in (factory.degrades(), factory.shortcut_cures(), factory.parameters()):
        store.add(record)
    calibrate(root, factory.degrades(), 19)
    calibrate(root, factory.shortcut_cures(), 0, digest="sha256:" + "e" * 64)
    lines = queries.board(queries.open_stores(), RecordFilter(implementation=REFERENCE))
    found = suite_score.checked(lines, repository.calibrations("he2015")[0])
    why = {one.line.name: one.why.partition(":")[0] for one in found}
    assert why == {"plain-degrades": "", "shortcuts-cure": "", "parameters-as-printed": "exact"}
    rate = suite_score.pooled(suite_score.missed(one.passed) for one in suite_score.current(found))
    low, high = clopper_pearson(1, 20)
    assert (rate.hits, rate.of) == (1, 20)
    assert math.isclose(rate.low, low)
    assert math.isclose(rate.high, high)
    shown = text(page("trust"))
    assert f"[{low:.1%}, {high:.1%}]" in shown
    assert "changed since: not counted" in shown


def test_missing_is_the_complement_of_passing():
    """The interval of what was missed is that of what passed, turned round."""
    low, high = clopper_pearson(17, 20)
    rate = suite_score.missed(CalibratedRate(17, 20, low, high))
    assert (rate.hits, rate.of) == (3, 20)
    assert math.isclose(rate.low, clopper_pearson(3, 20)[0])
    assert math.isclose(rate.high, clopper_pearson(3, 20)[1])


def test_a_damaged_calibration_file_is_said(store):
    """The page stands, with what is wrong with the file."""
    store.add(factory.degrades())
    (store.root.parent / "claims" / "calibration" / "he2015.json").write_text("{broken")
    assert "he2015.json cannot be read" in text(page("trust"))


def test_trust_counts_sabotages_runners_and_flags(store):
    """Figures are those of the records; hostile texts stay texts."""
    store.add(factory.degrades())
    store.add(factory.powerless())
    store.add(factory.degrades(submission="mine", runner="verified"))
    store.add(changed(factory.rises_and_falls(submission=HOSTILE), flag=HOSTILE))
    shown = text(page("trust"))
    assert "<b>1 of 2</b><span>sabotages rejected" in shown
    assert "<b>1 of 2</b><span>verdicts on submissions rerun by the project" in shown
    assert "<b>1</b><span>record for review" in shown
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


# submit and about


def test_submissions_stand_with_their_status(store):
    """Self-reported, verified and outdated ones are told apart, and the commands can be copied."""
    store.add(factory.degrades())
    store.add(factory.degrades(submission="good", runner="verified"))
    store.add(factory.degrades(submission="old", version=9))
    store.add(factory.degrades(submission=HOSTILE))
    app = page("submit")
    assert [one.value for one in app.code] == COMMANDS
    shown = text(app)
    assert shown.count("1 outdated: another version of the claim") == 1
    assert style.runner("verified") in shown
    assert style.runner("self-reported") in shown
    assert "<script>" not in shown


def test_commands_of_submitting_are_commands_of_ours():
    """What the page tells people to type exists."""
    from harness.cli.submission import submission

    assert len(COMMANDS) == 4
    for command in COMMANDS:
        program, group, name, *_ = command.split()
        assert (program, group) == ("repro", "submission")
        assert name in submission.commands


def test_about_explains_every_criterion_and_verdict(store):
    """No criterion and no word of the board is left without an explanation."""
    shown = about.TEXT.read_text()
    rules = re.findall(r'data-label="Criterion"><div><b>(.*?)</b>', shown)
    names = {name for names in rules for name in names.split(", ")}
    kinds = {
        "holds",
        "equals",
        "lower",
        "higher",
        "at_most",
        "at_least",
        "matches",
        "equivalent",
        "ordered",
        "power_law",
    }
    kinds |= {"interior_peak", "monotone", "all_of"}
    assert {name.replace(" ", "_") for name in names} == kinds
    store.add(factory.degrades())
    shown = text(page("about"))
    assert all(style.badge(outcome) in shown for outcome in style.BADGES)
    assert "1 verdict on 1 paper" in shown


def test_what_is_written_down_by_hand_is_shown_with_its_source():
    """Each has a date, a commit of seven digits and a source; texts are escaped; a whole paper is a link too."""
    known = suite_score.escape_notes()
    assert [one.date for one in known] == sorted((one.date for one in known), reverse=True)
    assert all(re.fullmatch("[0-9a-f]{7}", one.commit) and one.source and one.what and one.fix for one in known)
    shown = suite_score_page.escaped([], known)
    assert "passed in 18 of 20 repeats" in shown
    assert 'href="claim?claim=he2015/residual-gains-from-depth"' in shown
    assert 'href="paper?paper=he2015"' in shown
    assert "No record shows" in shown
    odd = msgspec.structs.replace(known[0], what="<script>", found="<b>")
    assert "&lt;script&gt;" in suite_score_page.escaped([], [odd])
    assert "<b>" not in suite_score_page.escaped([], [odd])


def test_what_is_written_down_is_from_the_changelog_or_the_history():
    """Of the changelog each such entry names what the changelog has."""
    changelog = (Path(__file__).parents[1] / "CHANGELOG.md").read_text()
    for one in suite_score.escape_notes():
        if one.source.startswith("CHANGELOG.md"):
            assert f"`{one.claim.rpartition('/')[2]}`" in changelog


def test_published_records_of_the_reference_are_counted_apart(store, tmp_path):
    """They are vouched for by lying in the repository; what was run here is not; submissions are by who ran them."""
    published = Store(tmp_path / "leaderboard")
    published.add(factory.degrades())
    published.add(factory.degrades(submission="ours", runner="verified"))
    store.add(factory.parameters())
    store.add(factory.degrades(submission="mine"))
    stores = queries.open_stores()
    shown = suite_score_page.runners(queries.board(stores), suite_score.history(stores).published)
    cells = re.findall(r"(\d+ of \d+)", shown)
    assert cells == ["1 of 2", "0 of 2", "1 of 2", "1 of 2", "1 of 2"]
