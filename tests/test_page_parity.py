"""The app and the static export draw the same parts: headings, tables, texts to copy, and what charts show."""

from __future__ import annotations

import re
from html import escape

import pytest

pytest.importorskip("streamlit", reason="the leaderboard needs the extra `board`")

from leaderboard.board import queries
from leaderboard.export import build, places
from leaderboard.render.links import short_id
from repro.record.store import Store
from tests import factory
from tests.pages import changed, page, text

HEADING = re.compile(r"<(h[1-6])[^>]*>(.*?)</\1>", re.DOTALL)
TABLE = re.compile(r"<table.*?</table>", re.DOTALL)
LINK = re.compile(r' href="[^"]*"')
MINE = factory.degrades(submission="mine")
CLAIM = factory.degrades()
GRID = changed(factory.rises_and_falls(name="on-a-grid"), trials=factory.rises_and_falls().trials[:1])


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with a record of every kind, a submission, and two versions of one claim; and its export."""
    root = tmp_path_factory.mktemp("parity")
    (root / "claims").mkdir()
    (root / "pyproject.toml").touch()
    store = Store(root / "store")
    older = factory.degrades(created="2026-11-01T00:00:00Z")
    for record in (*factory.board(), MINE, older, GRID):
        store.add(record)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("REPRO_STORE", str(root / "store"))
        files = {path: data.decode() for path, data in build.files(queries.open_stores())}
        yield files


PAGES = {
    "board": ("board", {}, "index.html"),
    "paper": ("paper", {"paper": "he2015"}, places.paper("he2015")),
    "paper with curves": ("paper", {"paper": "aaronson2014"}, places.paper("aaronson2014")),
    "claim": ("claim", {"claim": "he2015/plain-degrades"}, places.claim("he2015/plain-degrades")),
    "exact claim": ("claim", {"claim": "he2015/parameters-as-printed"}, places.claim("he2015/parameters-as-printed")),
    "table": ("claim", {"claim": "he2015/table-6"}, places.claim("he2015/table-6")),
    "record": ("record", {"record": short_id(CLAIM.id)}, places.record(CLAIM.id)),
    "submission's record": ("record", {"record": short_id(MINE.id)}, places.record(MINE.id)),
    "implementations": ("implementations", {}, "implementations.html"),
    "implementations of a paper": ("implementations", {"paper": "he2015"}, places.implementations("he2015")),
    "telemetry": ("telemetry", {}, "telemetry.html"),
    "telemetry of a paper": ("telemetry", {"paper": "he2015"}, places.telemetry("he2015")),
    "telemetry of a record": ("telemetry", {"record": short_id(CLAIM.id)}, places.telemetry_record(CLAIM.id)),
    "findings": ("findings", {}, "findings.html"),
    "trust": ("trust", {}, "trust.html"),
    "submit": ("submit", {}, "submit.html"),
    "about": ("about", {}, "about.html"),
}


def headings(html: str) -> list[tuple[str, str]]:
    """Level and text of each heading, in their order."""
    return [(found[1], re.sub("<[^>]*>", "", found[2])) for found in HEADING.finditer(html)]


def unlinked_tables(html: str) -> list[str]:
    """The tables of a page, without their links, which the export turns into files."""
    return [LINK.sub("", found) for found in TABLE.findall(html)]


@pytest.mark.parametrize("name", PAGES)
def test_app_and_export_have_the_same_parts(project, name):
    """Same headings in the same order, the app's tables, commands and citations, and each chart in words."""
    view, asked, path = PAGES[name]
    app, exported = page(view, **asked), project[path]
    shown, found = headings(text(app)), headings(exported)
    assert found == shown
    assert found[0][0] == "h1"
    body = LINK.sub("", exported)
    for table in unlinked_tables(text(app)):
        assert re.sub(r"\d+ days? ago|today", "", table) in re.sub(r"\d+ days? ago|today", "", body)
    addresses = {code.value for fold in app.expander for code in fold.code if not code.value.startswith("@misc")}
    for code in app.code:  # addresses of a server are not those of a file
        assert code.value in addresses or escape(code.value) in exported
    charts = app.get("vega_lite_chart") or app.get("arrow_vega_lite_chart")
    assert exported.count("<figure>") >= len(charts)


def test_the_exported_claim_has_samples_trials_provenance_history_and_how_to_rerun(project):
    """All that the record of its verdict holds stands on the page of a claim, or one link away."""
    exported = project[places.claim("he2015/plain-degrades")]
    names = [name for _, name in headings(exported)]
    wanted = ["Criterion", "Samples", "Controls", "Calibration", "Run it again", "History", "Trials", "Provenance"]
    assert [name for name in names if name in wanted] == wanted
    parts = dict(zip(names, re.split(r"<h2[^>]*>", exported), strict=False))
    assert "63.1" in parts["Samples"]
    assert f'href="../../record/{short_id(CLAIM.id)}.csv"' in parts["Samples"]
    assert escape(CLAIM.command) in parts["Run it again"]
    assert parts["History"].count("<tr>") == 1 + 2 + 1
    assert parts["Trials"].count("<tr>") == 1 + len(CLAIM.trials)
    assert ">2.31<" in parts["Trials"]
    assert CLAIM.id in parts["Provenance"]
    assert str(CLAIM.source.commit) in parts["Provenance"]
    assert "plain depth=42: 5 seeds, mean 65.74" in parts["Samples"]


def test_files_that_the_export_links_to_are_what_the_app_downloads(project):
    """The samples as CSV and the record as JSON lie beside the page of the record."""
    record = short_id(CLAIM.id)
    assert f'href="{record}.json"' in project[f"record/{record}.html"]
    assert f'href="{record}.csv"' in project[f"record/{record}.html"]
    assert project[f"record/{record}.csv"].count("\n") == 11
