"""The leaderboard without a browser: the pages as Streamlit runs them."""

from __future__ import annotations

import re
from collections import Counter

import msgspec
import pytest

pytest.importorskip("streamlit", reason="the leaderboard needs the extra `board`")

from streamlit.testing.v1 import AppTest

from leaderboard.board import lines as board_lines
from leaderboard.board import queries
from leaderboard.render import components, style
from repro import Reported
from repro.errors import ReproError
from repro.record.record import Ratio, SubmissionPart, sample_part
from repro.record.store import Store
from tests import factory, pages
from tests.pages import APP, changed, text

HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script>[a](javascript:alert(3))'


def page(name: str = "board", **parameters: str) -> AppTest:
    """As `pages.page`; the board has every claim in full unless it is filtered."""
    return pages.page(name, **(parameters or ({"full": "true"} if name == "board" else {})))


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


def test_the_overview_counts_the_verdicts_of_each_paper(store):
    """Its bar has a piece for each outcome, as wide as they are many; a filter, or the toggle, opens claims in full."""
    app = AppTest.from_file(str(APP), default_timeout=300).run()
    shown = text(app)
    lines = [one for one in queries.board(queries.open_stores()) if one.is_reference]
    pieces = re.findall(r'<span class="piece (\w+)[^"]*" style="flex-grow:(\d+)"><b>.</b>\2</span>', shown)
    found = Counter({outcome: 0 for outcome, _ in pieces})
    for outcome, many in pieces:
        found[outcome] += int(many)
    assert found == Counter(one.outcome for one in lines)
    assert '<table class="claims">' not in shown
    assert '<table class="claims">' in text(page())
    assert '<table class="claims">' in text(page(paper="he2015"))


def test_each_badge_has_a_letter_of_its_own():
    """A badge is known by its letter alone, for those who do not see its colour."""
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
    assert [one.label for one in app.expander if "2 files are not valid records" in one.label]
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
    assert "not the newest record" in text(opened)
    assert old.id in text(opened)
    store.add(factory.degrades(submission="mine", created="2027-01-01T00:00:00Z"))
    shown = text(page("claim", claim="he2015/plain-degrades"))
    assert "not the newest record" not in shown, "a submission's record does not make it old"


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
    assert '<a href="implementations?paper=he2015">1 submission compared with the reference</a>' in below


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
    """Division, who ran it, isolation, salt, authors, licence, deviations and audits; the reference stands beside."""
    shown = text(page("claim", claim="he2015/plain-degrades", implementation="submission:mine"))
    part, reference = factory.SUBMISSION, factory.degrades()
    for said in (part.summary, *part.authors, part.licence, part.isolation, part.salt, *part.deviations, *part.audits):
        assert style.escape(said) in shown
    assert "derived from its source, the salt" in shown
    for badge in (style.division("closed"), style.runner("self-reported"), style.badge("supported")):
        assert badge in shown
    assert f'record={reference.id.removeprefix("sha256:")[:16]}">its record' in shown
    assert ">Submission</h2>" not in text(page("claim", claim="he2015/plain-degrades"))


def test_records_from_before_submissions_had_a_part_of_their_own_are_shown(project):
    """A record without the part on its submission has its row and its page."""
    Store(project / "store").add(factory.degrades(submission="mine", part=None))
    assert "not measured" in text(page("implementations", paper="he2015"))
    assert "has no more on the submission" in text(page("claim", claim="he2015/plain-degrades"))


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


def test_a_grid_of_another_length_than_its_curve_does_not_take_the_page_down(project):
    """Charts are drawn late, so that samples which do not fit each other are found before."""
    record = factory.rises_and_falls()
    short = msgspec.structs.replace(record.samples[0], x=(1.0, 2.0))
    Store(project / "store").add(changed(record, samples=(short,)))
    assert "cannot be drawn" in text(page("claim", claim=f"{record.paper.key}/{record.claim.name}"))


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
    assert "no violation" in components.measured(board_lines.line(factory.parameters()))
