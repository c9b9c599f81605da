"""Pages of papers, records, implementations and comparisons: what they compute, and what Streamlit makes of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("streamlit", reason="the leaderboard needs the extra `board`")

from streamlit.testing.v1 import AppTest

from leaderboard.board import lines, pareto, queries, verification
from leaderboard.render import implementations, style
from leaderboard.render import record as record_page
from leaderboard.render.links import short_id
from repro import Reported
from repro.criterion.constructors import at_most
from repro.record.record import Ratio, Record, SubmissionPart, encode
from repro.record.store import Store
from tests import factory
from tests.pages import changed, page, text

ROOT = Path(__file__).parents[1]
HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script>'
PAGES = ("paper", "implementations", "compare")


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """The folder of a store with one record of every kind, and a submission that is refuted in one claim."""
    folder = tmp_path_factory.mktemp("filled")
    for record in [*factory.board(), *submission("mine")]:
        Store(folder).add(record)
    return folder


def submission(name: str, errors=(12.9, 13.2, 13.0), **changes) -> list[Record]:
    """A submission to two claims of he2015."""
    facts = {"submission": name, **changes}
    return [factory.degrades(**facts), factory.table_row("ResNet-20", 8.75, list(errors), **facts)]


def charts_of(app: AppTest) -> list:
    """The charts of a page."""
    return list(app.get("vega_lite_chart") or app.get("arrow_vega_lite_chart"))


def section(key: str = "he2015") -> lines.Section:
    """A paper of the store."""
    found = [one for one in queries.board(queries.open_stores()) if one.paper.key == key]
    return queries.sections(found)[0]


def digits(record: Record) -> str:
    """A record as addresses name it."""
    return short_id(record.id)


def ratio(what: str, value: float, **changes) -> Ratio:
    """A cost."""
    facts = {"low": value / 1.05, "high": value * 1.05, "pairs": 5, "unit": "s", "reference": 2.0}
    return Ratio(what=what, ratio=value, **(facts | changes))


# pages


def test_the_page_of_a_paper_has_all_its_parts(store):
    """Story, forest with its table, claims by group, implementations, and what no record says."""
    app = page("paper", paper="he2015")
    shown = text(app)
    for part in ("Very deep plain networks", "Mechanism", "Direction", "Number", "Implementations", "Not measured"):
        assert part in shown
    assert "Not settled: " in shown
    assert "There is no record of a claim of the long or cluster tier" in shown
    assert len(charts_of(app)) == 1
    assert "+29.12%" in shown
    assert 'href="implementations?paper=he2015"' in shown
    assert 'href="compare?paper=he2015&amp;with=reference&amp;with=submission:mine"' in shown.replace("%3A", ":")
    assert "Difference" in shown


def test_the_scale_of_the_forest_and_the_curve_are_in_the_address(store):
    """The note says which scale is drawn; the chosen curve is the one that is shown."""
    assert "per cent of the published number" in text(page("paper", paper="he2015"))
    assert "in margins of the criterion" in text(page("paper", paper="he2015", scale="in margins"))
    assert "per cent of the published number" in text(page("paper", paper="he2015", scale="no such scale"))
    app = page("paper", paper="aaronson2014", curve="entropy-quadratic")
    assert app.selectbox(key="curve").value == "entropy-quadratic"
    assert "The greatest entropy grows" in text(app)


@pytest.mark.parametrize("name", PAGES)
def test_an_unknown_paper_is_helped(store, name):
    """The page names the papers that there are, and links to itself with each."""
    shown = text(page(name, paper=HOSTILE))
    assert "There is no record of a paper &lt;img" in shown
    assert f'href="{name}?paper=aaronson2014"' in shown
    bare = text(page(name))
    assert ("No paper is named" in bare) == (name != "implementations")
    assert f'href="{name}?paper=aaronson2014"' in bare


@pytest.mark.parametrize("name", [*PAGES, "record"])
def test_an_empty_store_is_no_error(project, name):
    """Each page says that there is nothing yet."""
    assert "<h1>" in text(page(name, paper="he2015", record="abcdef"))


@pytest.mark.parametrize("record", factory.board(), ids=lambda r: r.claim.id)
def test_every_kind_of_record_has_a_page(store, record):
    """Its words, verdict, samples, trials, command and id are there, and it can be downloaded."""
    app = page("record", record=digits(record))
    shown = text(app)
    for part in (record.claim.says, record.verdict.reason, record.id, record.samples[0].arm):
        assert style.escape(part) in shown
    assert app.code[0].value.splitlines()[-1] == record.command
    assert len(app.dataframe[0].value) == len(record.trials)
    assert app.get("download_button")


def test_the_json_of_a_record_is_shown_when_asked_for(store):
    """It is folded away at first, and whole."""
    record = factory.degrades()
    shown = page("record", record=digits(record), raw="true").code[-1].value
    assert json.loads(shown) == json.loads(encode(record))


def test_the_verify_button_says_what_agreed(store):
    """All agrees on a valid file; one that was changed or taken away while the page is open is found."""
    record = factory.degrades()
    app = page("record", record=digits(record))
    assert "Nothing disagrees" not in text(app)
    assert "Nothing disagrees" in text(app.button(key="verify").click().run())
    path = store.path(record)
    reread = queries.open_stores()
    path.write_bytes(path.read_bytes().replace(b"63.1", b"63.2"))
    (check,) = verification.verify(verification.stored(reread, record), record.id)
    assert "disagree: do not rely on this record" in record_page.checks([check])
    path.unlink()
    assert verification.stored(reread, record) is None


def test_records_name_what_they_replace_and_what_replaced_them(store):
    """Both directions are links."""
    old = factory.degrades()
    new = changed(factory.degrades(created="2026-12-01T00:00:00Z"), supersedes=old.id)
    store.add(new)
    assert f'href="record?record={digits(new)}"' in text(page("record", record=digits(old))).partition("replaced by")[2]
    assert f'href="record?record={digits(old)}"' in text(page("record", record=digits(new))).partition("replaces")[2]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("", "No record is named"),
        ("0123456789", "No store has a record"),
        ("abc", "between 4 and 64 digits"),
        ("%%%%", "between 4 and 64 digits"),
        (HOSTILE, "There is no record &lt;img"),
    ],
)
def test_an_unknown_record_is_helped(store, asked, says):
    """A wrong address says what an id looks like."""
    assert says in text(page("record", record=asked))


def test_a_damaged_file_is_named_with_what_is_wrong(store, project):
    """The address of a record whose file is no longer valid says so."""
    folder = project / "store" / "records" / "he2015"
    (folder / "0000000000000000.json").write_text('{"not": "json')
    shown = text(page("record", record="00000000"))
    assert "not a valid record" in shown
    assert "0000000000000000.json" in shown


def test_implementations_are_filtered_by_division_and_by_who_vouches(store):
    """Each filter has a permalink; the reference stays, and an unknown value is said and left out."""
    for record in submission("theirs", division="open", runner="verified"):
        store.add(record)
    assert "mine" not in rows_of(page("implementations", paper="he2015", division="open"))
    assert "theirs" not in rows_of(page("implementations", paper="he2015", runner="self-reported"))
    both = page("implementations", paper="he2015", division="sideways")
    assert {"reference", "mine", "theirs"} <= rows_of(both)
    assert "There is no division “sideways” here. Shown instead: open and closed." in text(both)
    none = page("implementations", paper="he2015", division="open", runner="self-reported")
    assert "Only the reference is left" in text(none)


def rows_of(app: AppTest) -> set[str]:
    """The names in the table of implementations."""
    table = text(app).partition("Energy</th>")[2].partition("</table>")[0]
    return set(re.findall(r'<td data-label="Implementation"><div><b>(?:<bdi class="theirs">)?([\w-]+)', table))


def test_costs_and_the_front_are_listed(store):
    """Ratios with intervals in the table, the front in words, and the axes in the address."""
    app = page("implementations", paper="he2015")
    shown = text(app)
    assert style.ratio(factory.SUBMISSION.costs[0]) in shown
    front = shown.partition("The front")[2]
    assert "<b>reference</b>" in front.replace('<bdi class="theirs">', "").replace("</bdi>", "")
    assert "time to train" in front
    assert len(charts_of(app)) == 1
    other = page("implementations", paper="he2015", quality="table-6[ResNet-20]", cost="peak memory")
    assert "lower is better" in text(other)
    assert "8.7% (reproduced, n = 3), " in text(other)


def test_the_table_of_implementations_has_pages(store, monkeypatch):
    """Fifty on each; with more the rest is on further pages, which have addresses, and one too many is the last."""
    assert implementations.EACH == 50
    monkeypatch.setattr(implementations, "EACH", 2)
    for name in ("more", "other", "zero"):
        store.add(factory.degrades(submission=name))
    first, second, third = (page("implementations", paper="he2015", page=str(i)) for i in (1, 2, 3))
    assert [rows_of(app) for app in (first, second, third)] == [{"reference", "mine"}, {"more", "other"}, {"zero"}]
    assert "5 to 5 of 5" in text(third)


def test_two_implementations_stand_side_by_side(store):
    """A claim on which they differ is marked, and the filter leaves only such."""
    chosen = ["reference", "submission:mine"]
    shown = text(page("compare", paper="he2015", **{"with": chosen}))
    assert "another verdict</span></td>" in re.sub(r"</div>", "", shown)
    assert "same verdict, intervals overlap" in shown.partition("<tbody>")[2]
    assert "not answered" in shown
    only = text(page("compare", paper="he2015", only="true", **{"with": chosen}))
    assert "ResNet-20" in only
    assert "A deeper plain network" not in only


def test_another_version_is_not_compared(store):
    """A verdict on another version of a claim stands there, with a mark that says so and no other."""
    for record in submission("old"):
        store.add(changed(record, claim=msgspec.structs.replace(record.claim, digest="sha256:" + "e" * 64)))
    shown = text(page("compare", paper="he2015", **{"with": ["reference", "submission:old"]}))
    table = shown.partition("What the marks mean")[2].partition("<tbody>")[2].partition("</table>")[0]
    assert "another version of the claim: not compared" in table
    assert "another verdict" not in table
    assert "No difference" in text(
        page("compare", paper="he2015", only="true", **{"with": ["reference", "submission:old"]})
    )


def test_a_comparison_needs_two_that_exist(store):
    """An unknown name is said, and one alone is not compared."""
    app = page("compare", paper="he2015", **{"with": ["reference", "submission:nobody"]})
    assert "There is no implementation “submission:nobody” here." in text(app)
    assert "Choose two to four" in text(app)
    many = ["reference", "submission:mine", "a", "b", "c"]
    assert "There is no implementation “a” here." in text(page("compare", paper="he2015", **{"with": many}))
    for name in ("more", "other", "zero"):
        store.add(factory.degrades(submission=name))
    many = ["reference", *(f"submission:{name}" for name in ("mine", "more", "other", "zero"))]
    assert "At most 4 can be compared; the address names 5" in text(page("compare", paper="he2015", **{"with": many}))
    assert "nothing to compare" in text(page("compare", paper="aaronson2014", **{"with": "reference"}))


def test_hostile_texts_are_shown_as_text(project):
    """Markup in any text of a record is escaped on every one of these pages."""
    paper = msgspec.structs.replace(
        factory.RESNET, title=HOSTILE, authors=(HOSTILE,), story=HOSTILE, venue=HOSTILE, arxiv=HOSTILE
    )
    part = SubmissionPart(
        summary=HOSTILE,
        authors=(HOSTILE,),
        licence=HOSTILE,
        deviations=(HOSTILE,),
        isolation=HOSTILE,
        audits=(HOSTILE,),
        shared=HOSTILE,
        costs=(ratio(f"time to {HOSTILE}", 0.5, low=-1e300, high=1e300), ratio(HOSTILE, 2.0)),
    )
    bad = factory.sample(HOSTILE, HOSTILE, HOSTILE, [3.0, 3.1, 3.2])
    fact = Reported(1.0, HOSTILE, "Table " + HOSTILE)
    facts = {"paper": paper, "name": HOSTILE, "says": HOSTILE, "row": HOSTILE, "place": HOSTILE, "reported": (fact,)}
    made = {}
    for who in (None, HOSTILE):
        record = factory.make_record(
            [bad],
            at_most(fact, plus=0.5),
            controls=[(HOSTILE, HOSTILE, [bad])],
            finding=HOSTILE,
            submission=who,
            part=part,
            command=HOSTILE,
            **facts,
        )
        made[who] = changed(record, flag=HOSTILE, data={HOSTILE: "a" * 64})
        Store(project / "store").add(made[who])
    seen = [text(page("record", record=digits(record), raw="true")) for record in made.values()]
    seen += [text(page(name, paper="he2015")) for name in PAGES]
    seen.append(text(page("compare", paper="he2015", **{"with": ["reference", f"submission:{HOSTILE}"]})))
    seen.append(text(page("implementations", paper="he2015", cost=HOSTILE, quality=HOSTILE)))
    app = page("record", record=digits(made[HOSTILE]))
    seen.append(text(app.button(key="verify").click().run()))
    for shown in seen:
        assert "&lt;script&gt;" in shown
        assert "<script" not in shown
        assert "<img" not in shown


def test_quality_counts_what_is_left_out(store):
    """Of all claims, an unanswered one does not hold; of those answered it is not asked; powerless ones never count."""
    own = section()
    mine = [one for one in own.standings if not one.newest.is_reference]
    ((all_,), (answered,)) = (pareto.contenders(own, mine, "", q, {}) for q in (pareto.ALL, pareto.ANSWERED))
    assert (all_.of, answered.of) == ("1 of 6 claims", "1 of 2 claims")
    assert (all_.quality, answered.quality) == (pytest.approx(100 / 6), 50.0)


def test_costs_that_cannot_have_been_measured_are_not_placed(project):
    """A ratio of nothing or less, or of more than a run can cost, is no cost."""
    for i, value in enumerate((0.0, -1.0, 1e300)):
        part = msgspec.structs.replace(factory.SUBMISSION, costs=(ratio("time to train", value, low=None, high=None),))
        Store(project / "store").add(factory.degrades(submission=f"s{i}", part=part))
    assert {pareto.cost(one, "time to train") for one in section().standings} == {None}


def test_implementations_of_all_papers_and_the_way_to_compare_two(store):
    """The entry of the menu lists papers with their submissions; each leads to a comparison with the reference."""
    store.add(factory.degrades(submission="mine"))
    shown = text(page("implementations"))
    assert "<h1>Implementations</h1>" in shown
    link = "compare?paper=he2015&amp;with=reference&amp;with=submission:mine"
    assert f'href="{link}"' in shown
    assert shown.index("he2015") < shown.index("aaronson2014")  # papers with submissions go first
    assert f'href="{link}"' in text(page("implementations", paper="he2015"))
    assert "compare?" not in text(page("implementations", paper="aaronson2014"))
