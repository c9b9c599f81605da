"""Figures: what is drawn is in records, on a paper's page and a claim's, in the app and in the export."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.paper.checks import PaperFiles
from harness.paper.checks import figure as figure_rule
from repro import Axis, Drawn, Exhibit, Figure, Reported, axis, exhibit
from repro.claim.catalogue import Catalogue
from repro.claim.figure import Showcase, showcase
from repro.criterion.exhibit import AXES, LARGEST, ExhibitPart
from repro.errors import ReproError
from repro.record.claim_list import CatalogueEntry, PaperCatalogue, encode, folder_of, read
from repro.record.figure_data import FigureData, by_claim, exhibit_data, figure_data
from repro.record.record import Record, decode
from repro.record.store import Store
from tests import factory

pytest.importorskip("streamlit", reason="the leaderboard needs the extra `board`")

from leaderboard.board import figures as board_figures
from leaderboard.board import queries
from leaderboard.charts import figure as charts
from leaderboard.charts.picture import Picture, Vector
from leaderboard.charts.vector import svg
from leaderboard.export import build, places
from leaderboard.render import vectors
from leaderboard.render.links import short_id
from tests.pages import changed, make_project, page, text

ROOT = Path(__file__).parents[1]
PAPERS = sorted(Catalogue(ROOT).papers)
HOSTILE = '<script>alert(1)</script>" onload="x'
CONTROL = "a\x00\x1b\ud800b"
CUP = exhibit(
    np.arange(24.0).reshape(2, 3, 4),
    axis("time", [HOSTILE, "end"]),
    axis("row", range(3)),
    axis("column", list("abcd")),
    unit="<i>B</i>",
    kind="image",
    place="Figure 2",
    says=f"Cream {HOSTILE}",
)
LINES = Figure(
    place="Figure 6",
    says="Deeper is worse.",
    kind="lines",
    x="layers",
    draws=(
        Drawn("plain-degrades", "train_error", arm="plain depth=42", label="plain", x=42),
        Drawn(
            "plain-degrades",
            "train_error",
            arm="plain depth=10",
            label="plain",
            x=10,
            published=Reported(1.5, "%", "Figure 6, plain-20"),
        ),
    ),
)
BARS = msgspec.structs.replace(LINES, kind="bars", x="")
CURVE = Figure(place="Figure 2", says="A hump.", kind="lines", log="xy", draws=(Drawn("rise", "complexity"),))
DRAWN = (LINES, BARS, CURVE, msgspec.structs.replace(BARS, log="x"))
RISE = factory.rises_and_falls(name="rise")
PLAIN = factory.degrades()


def part(shown: Exhibit, arm: str = HOSTILE) -> ExhibitPart:
    """What the first trial of an arm recorded."""
    return ExhibitPart(arm=arm, measurement="cup", seed=3, exhibit=shown)


def with_exhibits(*shown: Exhibit, **changes) -> Record:
    """A record with exhibits."""
    return changed(factory.degrades(**changes), exhibits=tuple(part(one) for one in shown))


def numbers(data: FigureData, source: str = "measured") -> list[float]:
    """The numbers of a figure's CSV from one source."""
    rows = csv.DictReader(io.StringIO(board_figures.as_csv(data)))
    return [float(row["value"]) for row in rows if row["source"].startswith(source) and row["value"] != "nan"]


# what is drawn


@pytest.mark.parametrize("key", PAPERS)
def test_every_number_of_a_figure_is_in_a_published_record(key):
    """The figures of each paper hold measured numbers of its records, and published ones with a place; no others."""
    records = [decode(path.read_bytes()) for path in (ROOT / "leaderboard" / "records" / key).glob("*.json")]
    own = by_claim(one for one in records if one.implementation.kind == "reference")
    assert list(figure_rule(PaperFiles(key, ROOT))) == []
    for found in showcase(key, ROOT).figures:
        data = figure_data(found, own)
        known: set[float] = set()
        for record in data.records:
            kept = json.loads((ROOT / "leaderboard" / "records" / key / f"{short_id(record.id)}.json").read_text())
            known |= set(_leaves([s["values"] for s in kept["samples"]]))
            known |= set(_leaves([one["exhibit"]["numbers"] for one in kept.get("exhibits", [])]))
        assert numbers(data)
        assert set(numbers(data)) <= known
        assert set(numbers(data, "published")) <= {f.value for f in _facts(found, data)}


def _leaves(tree: object) -> list[float]:
    if isinstance(tree, list):
        return [leaf for branch in tree for leaf in _leaves(branch)]
    return [] if tree is None else [float(tree)]  # type: ignore[arg-type] -- numbers only


def _facts(found: Figure, data: FigureData) -> list[Reported]:
    stated = [fact for record in data.records for fact in record.claim.reported]
    return [*stated, *(one.published for one in found.draws if one.published)]


def test_single_numbers_are_joined_by_their_labels():
    """Points stand at their x in order, each seed is a line, and the published number has its place."""
    data = figure_data(LINES, by_claim([PLAIN]))
    (line,) = data.series
    assert line.x.tolist() == [10, 42]
    assert line.values[0].tolist() == [1.1, 63.1]
    assert line.mean.tolist() == [pytest.approx(1.18), pytest.approx(65.74)]
    assert [(x, fact.value) for x, fact in line.published] == [(10, 1.5)]
    assert data.seeds == (0, 1, 2, 3, 4)
    assert (data.x, data.y, data.unit) == ("layers", "train error (%)", "%")


def test_a_seed_that_diverged_or_is_missing_leaves_a_gap():
    """The mean is over what there is; no number is made up."""
    lost = factory.sample("plain depth=42", "train_error", "%", [np.nan, 71.4])
    short = factory.sample("plain depth=10", "train_error", "%", [1.0, 2.0, 3.0])
    record = factory.make_record([lost, short], PLAIN.claim.criterion)
    (line,) = figure_data(LINES, by_claim([record])).series
    assert line.mean.tolist() == [2.0, 71.4]
    assert np.isnan(line.values).sum() == 2
    assert len(numbers(figure_data(LINES, by_claim([record])))) == 4


def test_published_numbers_of_the_claim_in_the_same_unit_are_rules():
    """Those in another unit, pure numbers and those that are marked beside a bar are not."""
    facts = (Reported(7.0, "%", "Table 6"), Reported(0.5, "nats", "Table 6"), Reported(2.0, "1", "Table 6"))
    record = factory.degrades(reported=(*facts, Reported(1.5, "%", "Figure 6, plain-20")))
    assert figure_data(BARS, by_claim([record])).rules == facts[:1]


def test_the_newest_record_of_the_highest_version_is_drawn():
    """As on the board; a row has its own."""
    old, new = factory.degrades(created="2026-11-30T00:00:00Z"), factory.degrades(version=2)
    row = factory.table_row("ResNet-20", 8.75, [8.7, 8.8, 8.9])
    assert by_claim([new, old, row]) == {"plain-degrades": new, "table-6[ResNet-20]": row}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"draws": (Drawn("no-such", "train_error"),)}, "draws 'no-such', of which there is no record"),
        ({"draws": (Drawn("plain-degrades", "loss", arm="a"),)}, "'loss' of 'a', which the record of he2015/plain"),
        ({"draws": (Drawn("plain-degrades", "train_error"),)}, "single number 'train_error' without its x"),
        ({"draws": (*LINES.draws, Drawn("rise", "complexity"))}, "in several units: %, bytes"),
        ({"kind": "bars", "draws": (Drawn("rise", "complexity"),)}, "A bar is a single number"),
        ({"draws": (Drawn("rise", "complexity"), Drawn("rise", "complexity"))}, "two lines of a name"),
        ({"kind": "exhibit"}, "has no such exhibit"),
    ],
)
def test_what_records_do_not_hold_is_not_drawn(changes, says):
    """Each has an error that says what is missing and what to do."""
    with pytest.raises(ReproError, match=says) as caught:
        figure_data(msgspec.structs.replace(LINES, **changes), by_claim([PLAIN, RISE]))
    assert caught.value.remedy


def test_rows_of_unequal_length_are_not_drawn():
    """A valid record may hold them."""
    (sample,) = RISE.samples
    record = changed(RISE, samples=(msgspec.structs.replace(sample, values=((1.0, 2.0), (1.0,)), seeds=(0, 1)),))
    with pytest.raises(ReproError, match="no common shape"):
        figure_data(CURVE, by_claim([record]))


def test_what_is_no_figure_is_refused(tmp_path):
    """A place, a sentence and something to draw; the file states a tuple of figures."""
    with pytest.raises(ValueError, match="needs a place in the paper"):
        Figure(place="page 6", says="It rises.", kind="bars", draws=BARS.draws)
    with pytest.raises(ValueError, match="1 to 24 measurements, not 0"):
        Figure(place="Figure 6", says="It rises.", kind="bars", draws=())
    with pytest.raises(ValueError, match="1 to 240 letters"):
        Figure(place="Figure 6", says="", kind="bars", draws=BARS.draws)
    assert showcase("toy2020", tmp_path) == Showcase()
    (tmp_path / "claims" / "figures").mkdir(parents=True)
    (tmp_path / "claims" / "figures" / "toy2020.py").write_text("FIGURES = [1]\n")
    with pytest.raises(ReproError, match=r"claims/figures/toy2020.py has no FIGURES\. State a tuple"):
        showcase("toy2020", tmp_path)
    (tmp_path / "claims" / "figures" / "toy2021.py").write_text(
        "from tests.test_figures import BARS\n\nFIGURES = (BARS,)\nTHEME = 'poetry'\n"
    )
    with pytest.raises(ReproError, match=r"unknown THEME 'poetry'\. Choose of: vision; sequence;"):
        showcase("toy2021", tmp_path)


# how it is drawn


@pytest.mark.parametrize("width", vectors.WIDTHS.values())
@pytest.mark.parametrize("figure", DRAWN, ids=lambda one: one.kind + one.log)
def test_a_figure_is_a_chart_and_an_svg_with_the_same_numbers(figure, width):
    """The chart's data are the figure's numbers and their means; the SVG is well-formed, has words, and no script."""
    data = figure_data(figure, by_claim([PLAIN, RISE]))
    drawn = charts.picture(data)
    assert isinstance(drawn, Picture)
    spec = drawn.chart.to_dict()
    known = {*numbers(data), *numbers(data, "published"), *(float(v) for one in data.series for v in one.mean)}
    plotted = [row["value"] for rows in spec["datasets"].values() for row in rows if "value" in row]
    assert plotted
    assert set(plotted) <= known
    assert drawn.vector is not None
    _sound(drawn.vector.draw(width), drawn.alt)


def test_the_words_of_a_figure_say_what_is_to_be_seen():
    """Place, statement, each line with its ends."""
    said = charts.words(figure_data(LINES, by_claim([PLAIN])))
    assert said == "Figure 6, redrawn from measurements: Deeper is worse. plain: from 1.18% at 10 to 65.74% at 42."


def _sound(drawing: str, alt: str) -> None:
    root = ElementTree.fromstring(drawing)
    assert root.get("aria-label") == alt
    assert root.get("role") == "img"
    allowed = {"svg", "text", "path", "circle", "rect", "image", "title"}
    assert {node.tag.rpartition("}")[2] for node in root.iter()} <= allowed
    assert not any(name.startswith("on") for node in root.iter() for name in node.attrib)
    assert re.search(r"\bnan\b|\binf\b", re.sub(r">[^<]*<", "><", drawing)) is None


CELLS = st.one_of(st.none(), st.floats(-LARGEST, LARGEST), st.sampled_from([0.0, 1e-300, 5e-324, 1.0]))


@st.composite
def exhibits(draw) -> Exhibit:
    """Any exhibit that a record may keep."""
    kind = draw(st.sampled_from(sorted(AXES)))
    letters = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=9)
    names = st.lists(letters, min_size=3, max_size=3, unique=True)
    sizes = [draw(st.integers(1, 5)) for _ in range(AXES[kind] + draw(st.integers(0, 1)))]
    if kind == "points":
        sizes[-1] = draw(st.integers(2, 3))
    axes = []
    for place, size in enumerate(sizes):
        last = place == len(sizes) - 1
        labels = draw(names) if kind == "points" and last else []
        numbers = draw(st.lists(st.floats(-LARGEST, LARGEST), min_size=size, max_size=size))
        axes.append(Axis(draw(st.text("ab<&\"'", min_size=1, max_size=9)), tuple(labels[:size] or numbers)))
    values = draw(st.lists(CELLS, min_size=math.prod(sizes), max_size=math.prod(sizes)))
    return Exhibit(kind=kind, numbers=tuple(values), axes=tuple(axes), unit="<u>", place="Figure 1", says="It & <it>")


@settings(deadline=None, max_examples=150)
@given(exhibits(), st.sampled_from(["", "x", "y", "xy"]))
def test_every_exhibit_that_a_record_may_keep_is_drawn(shown, log):
    """Whatever its numbers and texts, the drawing is well-formed, and its page does not break."""
    data = replace(exhibit_data(part(shown), PLAIN), log=log, y=CONTROL, x=CONTROL)
    for width in vectors.WIDTHS.values():
        _sound(svg(data, width, f"a & {CONTROL}"), "a & a   b")
    assert board_figures.as_csv(data)
    assert charts.words(data)


# pages


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with an empty store."""
    return make_project(tmp_path, monkeypatch)


def stated(project: Path, records: list[Record], *found: Figure) -> None:
    """Add records, and write the list of their claims, with figures of the first one's paper."""
    for record in records:
        Store(project / "store").add(record)
    folder_of(project).mkdir(parents=True, exist_ok=True)
    for paper in {one.paper.key: one.paper for one in records}.values():
        claims = tuple(
            CatalogueEntry(claim=one.claim, seeds=5, controls=()) for one in records if one.paper.key == paper.key
        )
        drawn = found if paper == records[0].paper else ()
        listed = PaperCatalogue(paper=paper, claims=claims, figures=drawn)
        (folder_of(project) / f"{paper.key}.json").write_bytes(encode(listed))


def exported(project: Path) -> dict[str, str]:
    """The export, by path."""
    return {path: data.decode() for path, data in build.files(queries.open_stores())}


def test_the_figures_of_a_paper_stand_on_top_in_both_outputs(project):
    """The first one first, with caption, link to the claim and a CSV of its numbers; the export draws it as SVG."""
    stated(project, [PLAIN, RISE], LINES, BARS)
    assert read(project)[1].figures == (LINES, BARS)
    app, files = page("paper", paper="he2015"), exported(project)
    shown = files[places.paper("he2015")]
    for html in (text(app), shown):
        assert html.index("<b>Figure 6 of the paper, redrawn.</b> Deeper is worse.") < html.index(">Claims<")
        assert "5 seeds, 0 to 4. Hollow: published. Evidence: reduced scale." in html
        assert "on 4 cores" in html or "cores x86_64" in html
    data = figure_data(LINES, by_claim([PLAIN]))
    assert files["paper/he2015-figure-1.csv"] == board_figures.as_csv(data)
    assert 'href="he2015-figure-1.csv"' in shown
    assert shown.count("<svg") == 4
    charts_shown = app.get("vega_lite_chart") or app.get("arrow_vega_lite_chart")
    assert len(charts_shown) >= 2
    assert 'class="drawing"' not in files[places.paper("aaronson2014")]


def test_without_figures_the_newest_record_with_exhibits_stands_on_top(project):
    """And hostile texts of its trial are texts, in the app, in the export and in the CSV."""
    newest = with_exhibits(CUP, created="2026-11-25T00:00:00Z", name="cup")
    stated(project, [PLAIN, newest])
    app, files = page("paper", paper="he2015"), exported(project)
    shown = files[places.paper("he2015")]
    for html in (text(app), shown):
        assert "<b>Figure 2 of the paper, redrawn.</b> Cream &lt;script&gt;" in html
        assert "One trial, seed 3." in html
        assert "<script" not in html.replace("script-src", "")
        assert 'onload="' not in html
    assert text(app).count("data:image/svg+xml;base64,") == 2
    rows = list(csv.reader(io.StringIO(files["paper/he2015-figure-1.csv"])))
    assert rows[1] == ["Figure 2", HOSTILE, "3", "0.0", "a", "0.0", "<i>B</i>", "measured"]
    assert len(rows) == 1 + 24
    drawn = charts.picture(exhibit_data(part(CUP), newest))
    assert isinstance(drawn, Vector)
    _sound(drawn.draw(345), drawn.alt)


def test_exhibits_stand_on_the_page_of_their_claim_and_their_record(project):
    """With a heading of their own and a CSV each; records without have none."""
    record = with_exhibits(CUP, CUP, name="cup")
    stated(project, [record, RISE])
    files, own = exported(project), short_id(record.id)
    for view, asked, path in (
        ("claim", {"claim": "he2015/cup"}, places.claim("he2015/cup")),
        ("record", {"record": own}, places.record(record.id)),
    ):
        app = page(view, **asked)
        for html in (text(app), files[path]):
            assert html.count("<h2>Exhibits</h2>") == 1
            assert html.count("Figure 2 of the paper, redrawn.") == 2
        assert f"{own}-exhibit-2.csv" in files[path]
    assert f"record/{own}-exhibit-2.csv" in files
    assert f"record/{own}-exhibit-3.csv" not in files
    assert "Exhibits" not in files[places.claim("aaronson2014/rise")]


def test_a_figure_without_its_record_is_left_out(project):
    """The others stand."""
    gone = msgspec.structs.replace(LINES, place="Figure 9", draws=(Drawn("no-such", "train_error"),))
    stated(project, [PLAIN], gone, BARS)
    section = queries.sections(queries.board(queries.open_stores()))[0]
    found = board_figures.on_top(queries.open_stores(), section, (gone, BARS))
    assert [one.place for one in found] == ["Figure 6"]
    assert isinstance(charts.picture(exhibit_data(part(CUP), PLAIN)), Vector)
