"""What addresses ask of the pages: what widgets write there, what they follow, and what of it names nothing."""

from __future__ import annotations

import pytest

pytest.importorskip("streamlit", reason="the leaderboard needs the extra `board`")


from repro.record.store import Store
from tests import factory
from tests.pages import page, text


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A project of its own with one record of every kind."""
    (tmp_path / "claims").mkdir()
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REPRO_STORE", str(tmp_path / "store"))
    found = Store(tmp_path / "store")
    for record in factory.board():
        found.add(record)
    return found


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("paper", "nobody", "All papers"),
        ("verdict", "foo", "every verdict"),
        ("evidence", "hearsay", "every evidence"),
        ("tier", "moon", "every tier"),
        ("implementation", "gone", "The references"),
        ("hardware", "x", "Any hardware"),
        ("full", "perhaps", "false"),
    ],
)
def test_a_part_of_the_address_that_names_nothing_is_said(store, key, value, shown):
    """The notice says what is shown instead, and the rest of the filters is kept."""
    app = page(q="entropy", **{key: value})
    notice, _, rest = text(app).partition("<h1>")
    assert f"There is no {key} “{value}” here. Shown instead: {shown}." in notice
    assert notice.count("<li>") == 1
    assert "greatest entropy" in rest.partition("</ul>")[2]
    assert "Shown instead" not in text(page(q="entropy"))


def test_what_is_known_of_the_address_is_kept_beside_what_is_not(store):
    """One of two verdicts, and a parameter that no page has."""
    shown = text(page(verdict=["finding", "foo"], papper="he2015"))
    assert "There is no verdict “foo” here. Shown instead: the rest." in shown
    assert "There is nothing called “papper” to ask for." in shown
    assert "most complex state" in shown.partition("</ul>")[2]
    assert "A deeper plain network" not in shown


def test_a_change_of_a_filter_takes_out_of_the_address_what_is_wrong_and_keeps_the_rest(store):
    """The widgets show what the address says, and the address what they are changed to."""
    app = page(q="entropy", paper="aaronson2014", verdict=["foo", "reproduced"], papper="he2015")
    assert app.text_input(key="q").value == "entropy"
    app.button_group(key="evidence").set_value(["exact"]).run()
    app.selectbox(key="paper").select("All papers").run()
    assert not app.exception
    assert dict(app.query_params) == {"q": "entropy", "verdict": "reproduced", "evidence": "exact"}
    assert "Not all of this address" not in text(app)
    app.button_group(key="verdict").set_value(["finding"]).run()
    app.text_input(key="q").set_value("").run()
    assert dict(app.query_params) == {"verdict": "finding", "evidence": "exact"}


def test_a_filter_follows_the_address_when_that_changes(store):
    """As it does when people go back: the widget shows what the address says, not what it was set to."""
    app = page(paper="he2015", tier="gpu")
    app.selectbox(key="paper").select("aaronson2014").run()
    app.query_params["paper"] = "he2015"
    app.run()
    assert app.selectbox(key="paper").value == "he2015"
    assert app.button_group(key="tier").value == ["gpu"]
    del app.query_params["paper"], app.query_params["tier"]
    app.run()
    assert app.selectbox(key="paper").value == "All papers"
    assert app.button_group(key="tier").value == []


@pytest.mark.parametrize("asked", [{"full": "true"}, {"paper": "he2015"}, {"q": "plain"}])
def test_what_follows_the_claims_keeps_its_place_when_filters_change(store, asked):
    """However many papers are left: a browser shows what moves twice until the page is whole, there and here."""
    before, after = ({n: part.type for n, part in one.main.children.items()} for one in (page(), page(**asked)))
    assert before == after


@pytest.mark.parametrize(("key", "value"), [("implementation", "submission:gone"), ("record", "ffff")])
def test_a_claim_says_which_record_is_shown_instead(store, key, value):
    """An implementation or a record that is not there is named, and the reference's record stands below."""
    app = page("claim", claim="he2015/plain-degrades", **{key: value})
    assert f"There is no {key} “{value}” here." in text(app)
    assert "Shown instead" not in text(page("claim", claim="he2015/plain-degrades", implementation="reference"))


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("board", {"paper": "WORD", "verdict": "WORD", "hardware": "WORD"}),
        ("compare", {"paper": "he2015", "with": "WORD"}),
        ("implementations", {"paper": "he2015", "division": "WORD"}),
        ("telemetry", {"paper": "he2015", "machine": "WORD"}),
        ("claim", {"claim": "he2015/plain-degrades", "record": "WORD"}),
    ],
)
def test_markdown_in_an_address_is_no_markdown(store, name, asked):
    """No element that Streamlit renders as Markdown gets a text of the address; HTML gets it escaped."""
    word = "![x](http://e.test/x.png)<img src=x>"
    store.add(factory.degrades(submission="mine"))
    app = page(name, **{key: value.replace("WORD", word) for key, value in asked.items()})
    for kind in ("info", "warning", "error", "success", "markdown", "caption", "title", "header", "subheader"):
        assert not [one for one in app.get(kind) if "e.test" in one.value]
    assert "![x](http://e.test/x.png)&lt;img" in text(app)
    assert "<img" not in text(app)
