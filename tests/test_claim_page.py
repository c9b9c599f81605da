"""What a claim's page says of one record: samples, history, rerun, calibration, and how to cite."""

from __future__ import annotations

import csv
import io
import itertools
import json
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("streamlit", reason="the leaderboard needs the extra `board`")

import streamlit as st
from starlette.applications import Starlette

from leaderboard.api.board import Board
from leaderboard.api.reading import Reading
from leaderboard.board import citation, queries
from leaderboard.charts import history as history_chart
from leaderboard.render import claim as claim_page
from leaderboard.render import criterion as criterion_page
from leaderboard.render import rerun
from leaderboard.render import samples as samples_page
from leaderboard.render.rerun import ClaimContext
from repro.criterion.constructors import lower
from repro.record.record import Record, decode
from repro.record.store import Store
from tests import factory
from tests.factory import DEEP, FLAT
from tests.pages import changed, make_project, page
from tests.pages import typed as text

ROOT = Path(__file__).parents[1]
PUBLISHED = sorted((ROOT / "leaderboard" / "records").rglob("*.json"))
HOSTILE = '<script>alert(1)</script>"}\n\\input{x} % [a](javascript:b)'
COMMIT = factory.degrades().source.commit


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project, with no published records and an empty store."""
    return make_project(tmp_path, monkeypatch)


# the samples


def test_samples_are_numbers_by_arm_and_seed(project):
    """Each seed has its line with unit; what diverged says so, and the CSV has the same."""
    record = factory.degrades()
    part = msgspec.structs.replace(record.samples[0], values=(63.125, None, 58.9, 66.0, 69.3))
    record = changed(record, samples=(part, record.samples[1]))
    Store(project / "store").add(record)
    for shown in (
        text(page("claim", claim="he2015/plain-degrades")),
        text(page("record", record=record.id.removeprefix("sha256:")[:16])),
    ):
        table = shown.partition("Arm by seed, as numbers: all 10")[2].partition("</details>")[0]
        assert table.count("<tr>") == 11
        assert ">63.125%<" in table
        assert "diverged, or not finite" in table
    rows = list(csv.DictReader(io.StringIO(samples_page.as_csv(record))))
    assert [row["value"] for row in rows[:3]] == ["63.125", "not finite", "58.9"]
    assert [row["seed"] for row in rows[5:]] == list("01234")


def test_long_samples_are_limited_and_the_csv_has_all():
    """Of a curve the first fifty numbers are shown, with where they stand; the samples of compound parts count once."""
    record = factory.rises_and_falls()
    shown = samples_page.table(record)
    assert "50 of 120 shown" in shown
    assert shown.count("<tr>") == 51
    assert '<span class="value">1 swaps</span>' in shown
    rows = list(csv.DictReader(io.StringIO(samples_page.as_csv(record))))
    assert len(rows) == 120
    assert float(rows[23]["x"]) == 1e6
    assert rows[24]["point"] == "1"
    assert samples_page.count(factory.shortcut_cures()) == 15
    exact = list(csv.DictReader(io.StringIO(samples_page.as_csv(factory.parameters()))))
    assert (exact[1]["value"], exact[1]["expected"]) == ("462600.0", "460000.0")


def test_a_cell_of_the_samples_is_no_formula():
    """An arm's name that a spreadsheet would run gets an apostrophe, and rows of unequal length are no error."""
    record = factory.degrades()
    part = msgspec.structs.replace(record.samples[0], arm="=1+1", values=((1.0,), (2.0, None), (), (3.0,), (4.0,)))
    record = msgspec.structs.replace(record, samples=(part,))
    assert next(csv.DictReader(io.StringIO(samples_page.as_csv(record))))["arm"] == "'=1+1"
    assert "not finite" in samples_page.table(record)
    assert samples_page.table(msgspec.structs.replace(record, samples=())) == ""


# the history


def test_the_history_of_a_scaled_comparison_names_its_arms():
    """What was measured is said as above it on the page, not as the first and the second."""
    record = factory.make_record([FLAT, DEEP], lower(times=0.6))
    shown = claim_page.history([record], record).replace(criterion_page.MINUS, "-").replace(criterion_page.TIMES, "x")
    assert "“plain, 20 layers” - 0.6 x “plain, 56 layers”" in shown
    assert "second" not in shown


def test_a_long_history_says_how_much_of_it_is_shown(project, monkeypatch):
    """Not silently cut: the table says how many records there are."""
    monkeypatch.setattr(queries, "HISTORY", 2)
    for day in range(1, 4):
        Store(project / "store").add(factory.degrades(created=f"2026-01-0{day}T00:00:00Z"))
    assert "2 of 3 shown" in text(page("claim", claim="he2015/plain-degrades"))
    monkeypatch.setattr(queries, "HISTORY", 3)
    Store(project / "store").add(factory.degrades(name="short"))
    assert " shown" not in text(page("claim", claim="he2015/short")).partition("History</h2>")[2].partition("Trials")[0]


def chart(picture) -> dict:
    """What Vega-Lite gets."""
    return json.loads(picture.chart.to_json())


def dated(day: int, version: int = 1, **changes) -> Record:
    """A record of a day in January."""
    return factory.degrades(created=f"2026-01-{day:02d}T00:00:00Z", version=version, **changes)


def test_the_history_is_drawn_with_a_break_where_the_version_changes():
    """Estimates with both ends of their intervals, and a labelled rule between the versions' records."""
    records = [dated(9, 2), dated(5), dated(1)]
    found = history_chart.strips(records, records[0])
    (picture,) = found.pictures
    sets = list(chart(picture)["datasets"].values())
    (rows,) = [rows for rows in sets if "estimate" in rows[0]]
    (rule,) = [rows for rows in sets if "text" in rows[0]]
    assert sorted(row["same"] for row in rows) == [False, False, True]
    assert all(row["low"] < row["estimate"] < row["high"] for row in rows)
    assert rule[0]["text"] == "version 2"
    assert sorted(row["at"] for row in rows)[1] < rule[0]["at"] < max(row["at"] for row in rows)
    assert "2026-01-05 00:00 UTC, version 1: 64.56%" in picture.alt
    assert "hollow one of another" in found.note


def test_each_implementation_or_machine_has_one_strip():
    """Implementations where there are several, else machines; no more than four."""
    other = msgspec.structs.replace(factory.MACHINE, cores=64)
    machines = history_chart.strips([dated(3), dated(2, machine=other)], dated(3)).pictures
    assert [chart(one)["title"]["text"] for one in machines] == ["2 cores x86_64 AVX512", "64 cores x86_64 AVX512"]
    records = [dated(9), *(dated(i, submission=f"s{i}", machine=other) for i in range(1, 6))]
    found = history_chart.strips(records, records[0])
    assert chart(found.pictures[0])["title"]["text"] == "reference"
    assert len(found.pictures) == history_chart.MOST
    assert "4 of 6 strips are drawn" in found.note


def test_what_cannot_be_compared_is_left_out_of_the_picture():
    """Another unit, another kind of estimate, no finite number, a date that is none: said, and in the table only."""
    here, bare = dated(9), dated(2)
    unlike = factory.make_record([DEEP, FLAT], lower(times=0.5), created="2026-01-03T00:00:00Z")
    nothing = msgspec.structs.replace(bare, verdict=msgspec.structs.replace(bare.verdict, estimate=None))
    never = msgspec.structs.replace(bare, created="2026-99-99T00:00:00Z")
    found = history_chart.strips([here, bare, unlike, nothing, never], here)
    assert len(found.pictures) == 1
    assert "3 of 5 records have no such finite number" in found.note
    assert history_chart.strips([here, unlike], here).pictures == []
    exact = [factory.parameters(created=f"2026-01-0{i}T00:00:00Z") for i in (1, 2)]
    assert history_chart.strips(exact, exact[0]).pictures == []


def test_of_a_compound_claim_the_same_part_is_drawn_for_every_record():
    """Numbers of different parts never stand in one picture."""
    records = [factory.shortcut_cures(created=f"2026-01-0{i}T00:00:00Z") for i in (1, 2)]
    deciding = records[0].verdict.parts.index(
        next(part for part in records[0].verdict.parts if part.estimate == records[0].verdict.estimate)
    )
    other = msgspec.structs.replace(records[1].verdict, estimate=123.0)
    found = history_chart.strips([records[0], msgspec.structs.replace(records[1], verdict=other)], records[0])
    drawn = [row["estimate"] for rows in chart(found.pictures[0])["datasets"].values() for row in rows]
    assert drawn == [records[0].verdict.estimate] * 2
    assert f"part {deciding + 1} is drawn" in found.note


# running it again


def test_an_older_version_is_rerun_at_its_commit(project):
    """The command alone would find no such claim: the commit comes first, then the environment."""
    Store(project / "store").add(dated(1))
    Store(project / "store").add(dated(2, 2))
    digits = dated(1).id.removeprefix("sha256:")[:16]
    for app in (page("claim", claim="he2015/plain-degrades", record=digits), page("record", record=digits)):
        assert app.code[0].value.splitlines() == [
            f"git checkout {COMMIT}",
            "pip install -c constraints.txt -e .",
            "repro run 'he2015/plain-degrades@1' --device cpu --controls",
        ]
        assert "there is a version 2" in text(app)
    newest = page("claim", claim="he2015/plain-degrades")
    assert "@2'" in newest.code[0].value
    assert "there is a version" not in text(newest)


def test_the_commit_of_the_checkout_need_not_be_checked_out():
    """Where the board runs from the record's own commit, the line is left out."""
    assert "git checkout" not in rerun.commands(factory.degrades(), ClaimContext(1, 1, str(COMMIT)))
    assert "git checkout" in rerun.commands(factory.degrades(), ClaimContext(1, 1, "f" * 40))


@pytest.mark.parametrize(
    ("source", "says", "checked_out"),
    [
        ({"dirty": True}, "uncommitted changes</b>", True),
        ({"dirty": None}, "the record does not say", True),
        ({"commit": None, "dirty": None}, "names no commit", False),
        ({"commit": "HEAD; rm -rf ~"}, "names no commit", False),
    ],
)
def test_what_the_commit_does_not_hold_is_said(source, says, checked_out):
    """Uncommitted changes, no checkout at all, and what is no commit."""
    record = factory.degrades()
    record = changed(record, source=msgspec.structs.replace(record.source, **source))
    assert says in rerun.notes(record, ClaimContext(1, 1))
    assert ("git checkout" in rerun.commands(record, ClaimContext(1, 1))) == checked_out


def test_a_submission_is_rerun_with_its_folder_and_salt():
    """Where its code lies, what it must hash to, its jail, and how many seeds."""
    part = factory.SUBMISSION
    line = "repro run 'he2015/plain-degrades@1' --device cpu --seeds 5 --implementation harness/submissions/he2015/mine"
    record = factory.degrades(submission="mine", command=f"{line} --salt {part.salt}")
    assert rerun.commands(record, ClaimContext(1, 1)).endswith(f"{line} --salt {part.salt}")
    said = rerun.notes(record, ClaimContext(1, 1))
    for words in ("harness/submissions/he2015/mine", "b" * 64, part.isolation, "5 seeds: 0 to 4; the command states"):
        assert words in said
    assert "not one that this software writes" not in said
    loose = msgspec.structs.replace(part, isolation="none (trusted)")
    assert "without a jail" in rerun.notes(factory.degrades(submission="mine", part=loose), ClaimContext(1, 1))


@pytest.mark.parametrize("end", ["; curl x | sh", " && x", "\nrm -rf ~", " $(x)", " `x`", " > y"])
def test_a_command_that_this_software_does_not_write_is_marked(end):
    """Whoever sends a record chooses its command; nobody is to copy another one unread."""
    record = factory.degrades(command=f"repro run 'he2015/plain-degrades@1' --device cpu{end}")
    assert "Read it before you run it" in rerun.notes(record, ClaimContext(1, 1))


def test_no_published_command_is_marked():
    """What the project publishes is what the software writes."""
    for path in PUBLISHED:
        assert rerun.OURS.fullmatch(decode(path.read_bytes()).command), path


# citation, linking, embedding


def test_a_paper_and_a_record_are_cited_by_what_records_say():
    """BibTeX with title, authors, year and arXiv number; the record with its id, commit and version of the software."""
    record = factory.degrades()
    where = citation.served_claim("https://board.example/x/", record)
    paper, own, link, *_ = citation.of_claim(record, where)
    assert paper.text.startswith("@misc{he2015,\n  title = {{Deep Residual Learning for Image Recognition}},\n")
    assert "author = {Kaiming He and Xiangyu Zhang and Shaoqing Ren and Jian Sun}" in paper.text
    assert "eprint = {1512.03385}" in paper.text
    assert "url" not in paper.text
    for fact in (record.id, str(COMMIT), "Repro 0.1.0", "year = {2026}", "he2015/plain-degrades@1", "supported"):
        assert fact in own.text
    assert "author" not in own.text
    assert link.text == "https://board.example/x/claim?claim=he2015/plain-degrades"
    mine = citation.bibtex_record(factory.degrades(submission="mine"), "claim?x")
    assert "author = {Ada Lovelace and Charles Babbage}" in mine
    assert "url" not in mine


def test_nothing_of_a_record_is_a_command_or_markup_in_what_is_copied():
    """Braces balance in BibTeX, and neither Markdown nor HTML is left by a hostile name."""
    paper = msgspec.structs.replace(factory.RESNET, title=HOSTILE, authors=(HOSTILE, "A and B"), url="javascript:x")
    record = factory.degrades(paper=paper, name=HOSTILE, row=HOSTILE, submission=HOSTILE)
    found = {
        one.title: one.text for one in citation.of_claim(record, citation.served_claim("https://b.example/", record))
    }
    for entry in (found["The paper, for BibTeX"], found["This record, for BibTeX"]):
        bare = entry.replace("\\{", "").replace("\\}", "")
        depth = list(itertools.accumulate({"{": 1, "}": -1}.get(c, 0) for c in bare))
        assert min(depth) == depth[-1] == 0
        assert depth.index(0, entry.index("{")) == len(bare) - 1
        assert "\\input" not in entry
    assert "{A and B}" in found["The paper, for BibTeX"]
    assert "url" not in found["The paper, for BibTeX"]
    assert "<" not in found["Badge, for Markdown"]
    assert found["Badge, for Markdown"].count("](") == 2
    assert found["Badge, for HTML"].count("<") == 3
    assert found["Badge, for HTML"].count('"') == 6


def test_the_pages_fold_away_how_to_cite_and_the_addresses_are_served(project):
    """On claim, paper and record pages; each badge and JSON address is a route that answers."""
    record = factory.degrades(submission="mine")
    for one in (record, factory.degrades()):
        Store(project / "store").add(one)
    digits = record.id.removeprefix("sha256:")[:16]
    asked = {"claim": "he2015/plain-degrades", "implementation": "submission:mine"}
    opened = [page("claim", **asked), page("paper", paper="he2015"), page("record", record=digits)]
    routes = Starlette(routes=Reading(Board(queries.open_stores())).routes()).router
    for app in opened:
        assert [one.label for one in app.expander] == [citation.TITLE]
        said = [one.value for one in app.expander[0].code]
        assert said[0].startswith("@misc{he2015,")
        for address in [x for x in said if x.startswith("api/")]:
            assert any(
                route.matches({"type": "http", "path": f"/{address}", "method": "GET"})[0].value == 2
                for route in routes.routes
            ), address
        assert any("badge/he2015" in x for x in said)
    assert f"record?record={digits}" in [one.value for one in opened[2].expander[0].code]
    paths = {route.path for route in Reading(Board(queries.open_stores())).routes("/x/board/")}
    assert paths == {f"/x/board{route.path}" for route in routes.routes}


@pytest.mark.parametrize(
    ("url", "base"),
    [
        (None, ""),
        ("http://localhost:8502/claim", "http://localhost:8502/"),
        ("https://b.example/x/claim/", "https://b.example/x/"),
        ("https://b.example/x", "https://b.example/x/"),
    ],
)
def test_the_address_of_the_board_is_that_of_its_page(url, base):
    """Whether it lies at the root or below a path."""
    assert citation.base_of(url, "claim") == base


# calibration and deviations


def calibrated(root: Path, record: Record, digest: str) -> None:
    """Keep a calibration of a record's claim."""
    rate = {"hits": 19, "of": 20, "low": 0.7513, "high": 0.9987}
    kept = {
        "digest": digest,
        "created": "2026-11-01T00:00:00Z",
        "passed": rate,
        "rejected": {"residual_as_plain": rate},
    }
    (root / "claims" / "calibration" / "he2015.json").write_text(json.dumps({record.claim.id: kept}))


def test_the_calibration_of_a_claim_is_on_its_page(project):
    """Both rates with their intervals and the date; a claim that has changed since says so; damage is said."""
    record = factory.degrades()
    Store(project / "store").add(record)

    def shown() -> str:
        return text(page("claim", claim="he2015/plain-degrades")).partition("Calibration</h2>")[2].partition("<h2")[0]

    assert "Not calibrated yet" in shown()
    calibrated(project, record, record.claim.digest)
    said = shown()
    assert said.count("19 of 20") == 2
    assert "[75.1%, 99.9%]" in said
    assert "judged as expected" in said
    assert "<dt>residual_as_plain</dt>" in said
    assert "2026-11-01" in said
    assert "has changed since" not in said
    calibrated(project, record, "sha256:" + "e" * 64)
    assert "The claim has changed since then" in shown()
    (project / "claims" / "calibration" / "he2015.json").write_text("{broken")
    assert "he2015.json cannot be read" in shown()


def test_an_exact_claim_needs_no_calibration(project):
    """No seed decides it."""
    Store(project / "store").add(factory.parameters())
    assert "An exact claim needs none" in text(page("claim", claim="he2015/parameters-as-printed"))


def test_the_deviations_of_the_reference_are_on_the_page_of_the_paper(project):
    """Folded, numbered and escaped, as the header of the reference lists them."""
    Store(project / "store").add(factory.degrades())
    assert "of the reference from the paper" not in text(page("paper", paper="he2015"))
    header = '"""A reference.\n\nDeviations:\n  1. Section 3.4: here <b>32</b>\n     pixels; memory.\n  2. None.\n"""\n'
    (project / "reference" / "he2015.py").write_text(header)
    st.cache_data.clear()
    shown = text(page("paper", paper="he2015"))
    assert "<summary>2 deviations of the reference from the paper</summary>" in shown
    assert "<li>Section 3.4: here &lt;b&gt;32&lt;/b&gt; pixels; memory.</li>" in shown
