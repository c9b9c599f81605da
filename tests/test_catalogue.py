"""The list of all claims: that it is current, and that what nobody has run is shown as absent wherever claims are."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import msgspec
import pytest

pytest.importorskip("streamlit", reason="the leaderboard needs the extra `board`")

from click.testing import CliRunner

from leaderboard.api.board import Board
from leaderboard.board import catalogue, queries
from leaderboard.board import lines as board_lines
from leaderboard.board.lines import Filters
from leaderboard.export import build
from leaderboard.render import style
from repro import Reported
from repro.claim.catalogue import Catalogue
from repro.criterion.constructors import all_of, at_most, lower
from repro.errors import ReproError
from repro.paper import Paper
from repro.record import claim_list
from repro.record.claim_list import CatalogueEntry, PaperCatalogue, encode, folder_of
from repro.record.record import Record
from repro.record.store import Store
from tests import factory
from tests.pages import page, text

ROOT = Path(__file__).parents[1]
readme = import_module("harness.cli.readme")  # of the package, this name is the command
HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script>'
GPIPE = Paper(key="huang2019", title="GPipe", authors=("Yanping Huang",), year=2019, arxiv="1811.06965v5")
RECORDS = [factory.degrades(), factory.parameters(), factory.withdrawn()]
ABSENT = [
    factory.table_row("ResNet-20", 8.75, [8.6, 8.8, 8.7]),
    factory.table_row("ResNet-110", 6.61, [6.9, 7.6, 6.4]),
    factory.quadratic(),
    factory.degrades(paper=GPIPE, name="speeds-up", tier="cluster", evidence="original", says="It speeds up."),
]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with three records, and a list of those claims and of four that nobody has run."""
    for folder in ("claims", "leaderboard"):
        (tmp_path / folder).mkdir()
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REPRO_STORE", str(tmp_path / "store"))
    for record in RECORDS:
        Store(tmp_path / "store").add(record)
    listed(tmp_path, RECORDS + ABSENT)
    return tmp_path


def listed(root: Path, records: list[Record], **changes) -> None:
    """Write a list of the claims of records; `changes` are of each claim."""
    shutil.rmtree(folder_of(root), ignore_errors=True)
    folder_of(root).mkdir()
    for paper in {one.paper.key: one.paper for one in records}.values():
        claims = [
            CatalogueEntry(
                claim=msgspec.structs.replace(one.claim, **changes),
                seeds=3,
                controls=("broken",),
                cost="" if one.claim.tier == "cpu" else "an hour on one GPU",
            )
            for one in records
            if one.paper.key == paper.key
        ]
        (folder_of(root) / f"{paper.key}.json").write_bytes(encode(PaperCatalogue(paper=paper, claims=tuple(claims))))


def sections(filters: Filters | None = None) -> list[board_lines.Section]:
    """The board with what is not measured."""
    known = catalogue.read()
    lines = queries.marked(queries.board(queries.open_stores()), known)
    asked = filters or Filters()
    shown = [one for one in lines if asked.admits(one)]
    return queries.complete(queries.sections(lines, shown), lines, known, asked.admits)


def absent(filters: Filters | None = None) -> set[str]:
    """The claims that are shown as not measured."""
    return {f"{one.name}[{one.row}]" if one.row else one.name for x in sections(filters) for one in x.absent}


# the file


def test_the_list_of_all_claims_is_current():
    """The files that the board reads have every claim, as the claims stand today, and there are no others."""
    kept = {path.name: path.read_bytes() for path in folder_of(ROOT).iterdir()}
    assert kept == readme.claim_lists(ROOT), "run: repro readme"


def test_the_list_is_read_as_it_was_written():
    """Each claim of the project is in it once, with its digest; nothing is lost on the way to the board."""
    own = Catalogue(ROOT)
    found = [one for part in claim_list.read(ROOT) for one in part.claims]
    assert [part.paper for part in claim_list.read(ROOT)] == list(own.papers.values())
    assert {one.claim.id: one.claim.digest for one in found} == {one.id: one.digest() for one in own.claims}
    known = catalogue.read(ROOT)
    assert len(known.claims) == len(own.claims)
    assert known.papers == own.papers
    assert not known.trouble
    commands = {one.listed.command for one in known.claims.values() if one.tier == "gpu"}
    assert commands
    assert all(one.endswith(" --tier gpu") for one in commands)


def test_readme_writes_the_list_and_checks_it(project, monkeypatch):
    """`repro readme` writes both files, and its check fails when the list alone is not current."""
    monkeypatch.setattr(readme, "table", lambda root: ["| a |"])
    monkeypatch.setattr(readme, "claim_lists", lambda root, keys: {"he2015.json": b"today\n"})
    (project / "README.md").write_text(readme.START + readme.END)
    CliRunner().invoke(readme.readme, [], catch_exceptions=False)
    path = folder_of(project) / "he2015.json"
    assert path.read_bytes() == b"today\n"
    assert list(folder_of(project).iterdir()) == [path]  # papers that are gone are not listed
    CliRunner().invoke(readme.readme, ["--check"], catch_exceptions=False)
    stray = folder_of(project) / "huang2019.json"
    for damage in (lambda: stray.write_bytes(b"{}"), lambda: path.write_bytes(b"yesterday\n"), path.unlink):
        damage()
        with pytest.raises(ReproError, match="list of claims"):
            CliRunner().invoke(readme.readme, ["--check"], catch_exceptions=False)


@pytest.mark.parametrize(
    "data",
    [None, b"", b"{", b'{"schema":1,"papers":[],"claims":[]}', b"\xff", b'{"schema":2,"paper":{},"claims":[1]}'],
)
def test_without_the_list_the_board_shows_records_and_says_so(project, data):
    """Files that are missing or damaged take no page down; no verdict is lost, and none is called retired."""
    if data is None:
        shutil.rmtree(folder_of(project))
    else:
        (folder_of(project) / "he2015.json").write_bytes(data)
    shown = text(page())
    assert "Only claims with a record are shown" in shown
    assert 'aria-label="1 reproduced, 1 supported"' in shown
    assert ">verdicts<" in shown
    assert "retired" not in shown
    assert "absent hollow" not in shown.split("</ul>", 1)[1]  # below the legend
    assert "There is no record of he2015/table-6" in text(page("claim", claim="he2015/table-6", row="ResNet-20"))
    assert "plain-degrades" in text(page("paper", paper="he2015"))
    assert json.loads(Board(queries.open_stores()).snapshot().json)["unmeasured"] == []


def test_a_list_of_another_paper_than_its_name_says_is_damaged(project):
    """It is refused as a whole, with the paper's key."""
    (folder_of(project) / "huang2019.json").rename(folder_of(project) / "he2016.json")
    assert "huang2019" in catalogue.read().trouble


# what is shown


def test_the_overview_counts_the_claims_that_nobody_has_run(project):
    """They are the dashed end of a paper's bar; its name says the counts, and how many of all are judged."""
    shown = text(page())
    assert "2 not measured; 2 of 4 claims judged" in shown
    assert "1 not measured; 1 of 2 claims judged" in shown
    assert 'aria-label="1 not measured; 0 of 1 claim judged"' in shown  # of a paper without any record
    assert '<span class="piece absent hollow" style="flex-grow:2"><b>&ndash;</b>2</span>' in shown
    assert "<b>3 of 7</b><span>claims judged</span>" in shown
    assert "<b>3</b><span>papers</span>" in shown
    assert "nobody has run it yet" in shown


def test_headlines_come_first_and_papers_are_grouped_or_sorted(project):
    """A card for a headline that has a verdict; groups by theme, or one list in the order that is asked for."""
    known = {"he2015": ("vision", "plain-degrades"), "aaronson2014": ("theory and complexity", "entropy-quadratic")}
    for path in folder_of(project).glob("*.json"):
        found = msgspec.json.decode(path.read_bytes(), type=PaperCatalogue)
        theme, headline = known.get(path.stem, ("", ""))
        path.write_bytes(encode(msgspec.structs.replace(found, theme=theme, headline=headline)))
    shown = text(page())
    assert shown.count('<div class="card">') == 1  # nobody has run the other one
    assert shown.index('<div class="card">') < shown.index('class="papers stack"')
    assert re.findall(r'scope="rowgroup"[^>]*>([^<]*)<', shown) == ["Vision", "Theory and complexity", "Other papers"]
    by_year = text(page(sort="year"))
    assert 'scope="rowgroup"' not in by_year
    years = re.findall(r'small">(\d{4})', by_year)
    assert years == sorted(years)
    assert len(years) == 3


def test_a_board_without_records_shows_all_claims_as_not_measured(project):
    """A clone whose records are gone still lists what there is to be run."""
    shutil.rmtree(project / "store")
    shown = text(page())
    assert "<b>0 of 7</b>" in shown
    assert sum(map(int, re.findall(r'label="(\d+) not measured; 0 of', shown))) == 7
    assert "<b>never</b><span>last verified</span>" in shown


def test_a_claim_that_nobody_has_run_has_a_page(project):
    """Statement, place, published number, tier, cost and command stand there, and that there is no number."""
    shown = page("claim", claim="he2015/table-6", row="ResNet-20")
    for part in (
        "reaches the test error",
        "Table 6",
        "8.75%",
        "tier gpu",
        "an hour on one GPU",
        "no number, no verdict",
    ):
        assert part in text(shown)
    assert [one.value for one in shown.code] == ["repro run 'he2015/table-6@1[ResNet-20]' --controls --tier gpu"]
    assert 'class="badge supported' not in text(shown)


def test_a_table_lists_the_rows_that_nobody_has_run(project):
    """Rows with and without records are one list, in the order of their numbers, and it says which are missing."""
    Store(project / "store").add(ABSENT[0])
    shown = text(page("claim", claim="he2015/table-6"))
    assert re.findall(r">(ResNet-\d+)</a>(, not measured)?", shown) == [
        ("ResNet-20", ""),
        ("ResNet-110", ", not measured"),
    ]


def test_parts_of_a_compound_criterion_and_findings_are_told(project):
    """Each part of the rule is a line, and a claim that is known not to hold says who showed it."""
    number = Reported(8.75, "%", "Table 6")
    rule = all_of(lower(by=1.0), at_most(number, plus=0.5))
    listed(project, ABSENT[:1], criterion=rule, expected_refuted=f"Somebody, {HOSTILE}")
    shown = text(page("claim", claim="he2015/table-6", row="ResNet-20"))
    assert all(part.says()[:12] in shown for part in rule.parts)
    assert "Known not to hold." in shown
    assert "<script>" not in shown


def test_the_page_of_a_paper_lists_what_is_not_measured(project):
    """Under a heading of its own, with how many of each tier; a paper without records has a page as well."""
    shown = text(page("paper", paper="he2015"))
    assert "The reference has no record of 2 of 4 claims: 2 of the gpu tier" in shown
    assert shown.index("Not measured</h2>") < shown.index(">ResNet-110<")
    assert "records cannot say" not in shown
    bare = text(page("paper", paper="huang2019"))
    assert "The reference has no record of 1 of 1 claims: 1 of the cluster tier" in bare
    assert "It speeds up." in bare
    assert "huang2019" in text(page("paper", paper="nobody2020"))


def test_every_claim_in_full_has_those_that_nobody_has_run(project):
    """They follow the verdicts of their paper, under their own heading."""
    shown = text(page(full="true"))
    assert shown.count("<h3>Not measured</h3>") == 3
    assert shown.index("plain-degrades@1") < shown.index("<h3>Not measured</h3>", shown.index('id="he2015"'))


def test_trust_says_of_how_many_claims_no_sabotage_was_tried(project):
    """The score is of claims with a record; how many have none stands beside it, in the app and in the export."""
    says = '<a href="./">4 claims have</a> no record yet: their sabotages have not been tried'
    assert says in text(page("trust"))
    assert says.replace("./", "index.html") in dict(build.files(queries.open_stores()))["trust.html"].decode()
    for record in ABSENT:
        Store(project / "store").add(record)
    assert "no record yet" not in text(page("trust"))


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (Filters(), {"table-6[ResNet-20]", "table-6[ResNet-110]", "entropy-quadratic", "speeds-up"}),
        (Filters(tier=("gpu",)), {"table-6[ResNet-20]", "table-6[ResNet-110]"}),
        (Filters(evidence=("reduced",)), {"entropy-quadratic"}),
        (Filters(paper="huang2019"), {"speeds-up"}),
        (Filters(q="carroll ENTROPY"), {"entropy-quadratic"}),
        (Filters(verdict=("supported",)), set()),
        (Filters(verdict=("not measured",), q="resnet-110"), {"table-6[ResNet-110]"}),
    ],
)
def test_filters_apply_to_what_is_not_measured(project, filters, names):
    """Each of them, the search too; a verdict leaves only what has one."""
    assert absent(filters) == names


def test_not_measured_is_a_verdict_to_filter_by(project):
    """The filter's own value leaves only these claims, and no verdict."""
    shown = text(page(verdict="not measured"))
    assert "table-6@1" in shown
    assert "plain-degrades@1" not in shown
    assert "Nothing matches" not in shown
    few = text(page(verdict="not measured", q="resnet-110"))
    assert ">ResNet-110<" in few
    assert ">ResNet-20<" not in few


def test_another_implementation_is_not_said_to_have_missed_them(project):
    """What is not measured is so on the reference: a board of a submission shows its own verdicts."""
    Store(project / "store").add(factory.degrades(submission="mine"))
    shown = text(page(implementation="submission:mine"))
    assert "plain-degrades@1" in shown
    assert "<h3>Not measured</h3>" not in shown


def test_a_submission_does_not_measure_a_claim_for_the_reference(project):
    """A claim with a submission's record only stays not measured, and its page shows that record."""
    Store(project / "store").add(factory.table_row("ResNet-20", 8.75, [8.6, 8.8, 8.7], submission="mine"))
    assert "table-6[ResNet-20]" in absent()
    assert "Nobody has run this" not in text(page("claim", claim="he2015/table-6", row="ResNet-20"))


# records of earlier claims


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": 3}, "made for version 1, now 3"),
        ({"digest": "sha256:" + "e" * 64}, "made for an earlier definition of version 1"),
    ],
)
def test_a_record_of_an_earlier_claim_is_marked_and_not_counted(project, change, says):
    """Overview, table, paper and claim say of what the record is, and the counts leave it out."""
    listed(project, RECORDS, **change)
    shown = text(page())
    assert 'aria-label="2 outdated; 0 of 2 claims judged"' in shown
    assert "<b>0 of 3</b>" in shown
    assert "0 of 2 claims judged" in shown
    assert "<b>0 of 0</b>" in shown  # controls of verdicts that do not count do not count either
    assert says in text(page(q="plain-degrades"))
    assert says in text(page("paper", paper="he2015"))
    assert says in text(page("claim", claim="he2015/plain-degrades"))


def test_a_record_of_a_claim_that_is_gone_is_retired(project):
    """It stays to be seen, is marked, and does not count."""
    listed(project, RECORDS[1:])
    shown = text(page())
    assert "1 outdated; 1 of 1 claim judged" in shown
    assert "<b>2 of 2</b><span>claims judged</span>" in shown
    assert "retired" in text(page("claim", claim="he2015/plain-degrades"))
    assert "retired" not in text(page("claim", claim="he2015/parameters-as-printed"))


def test_a_finding_that_is_no_longer_stated_accuses_no_paper(project):
    """Board, Findings, the paper, its badge and the data leave it out; its own record and claim can still be opened."""
    withdrawn = factory.withdrawn()
    assert "most complex state" in text(page("findings"))
    assert Board(queries.open_stores()).entries("aaronson2014", "reference")
    listed(project, [*RECORDS[:2], factory.quadratic()])
    assert "most complex state" not in text(page())
    assert "badge finding" not in text(page()).partition("</ul>")[2]
    assert "No findings yet" in text(page("findings"))
    assert "Findings</h2>" not in text(page("paper", paper="aaronson2014"))
    board = Board(queries.open_stores())
    assert board.entries("aaronson2014", "reference") == ()
    assert {one["paper"] for one in json.loads(board.snapshot().json)["claims"]} == {"he2015"}
    files = {path: data.decode() for path, data in build.files(queries.open_stores()) if not path.endswith(".csv")}
    assert "No findings yet" in files["findings.html"]
    assert "no record" in files["badge/aaronson2014.svg"]
    assert withdrawn.id in text(page("record", record=withdrawn.id[7:23]))
    opened = text(page("claim", claim="aaronson2014/complexity-comparable-to-width"))
    assert "This record does not count for the claims of today." in opened


def test_the_list_is_read_anew_when_it_changes(project):
    """Nobody has to restart the board for it."""
    assert "<b>3 of 7</b>" in text(page())
    listed(project, RECORDS)
    assert "<b>3 of 3</b>" in text(page())


@pytest.mark.parametrize(
    ("created", "says"),
    [
        ("2026-11-22T00:00:01Z", "today"),
        ("2026-11-21T23:59:59Z", "1 day ago"),
        ("2026-11-02T12:00:00Z", "20 days ago"),
        ("2026-11-23T00:00:00Z", ""),
        ("2026-99-99T00:00:00Z", ""),
        ("", ""),
    ],
)
def test_an_age_is_in_days_of_utc(created, says):
    """A date to come, or none, has no age."""
    assert style.age(created, datetime(2026, 11, 22, 0, 30, tzinfo=UTC)) == says


# data and files


def test_the_board_as_data_lists_what_is_not_measured(project):
    """As a list of its own with what each claim needs; its tag changes with the list, its schema does not."""
    board = Board(queries.open_stores())
    before = board.snapshot()
    found = json.loads(before.json)
    assert found["schema"] == 1
    assert len(found["claims"]) == 3
    assert {(one["claim"], one["row"]) for one in found["unmeasured"]} == {
        (f"{one.paper.key}/{one.claim.name}", one.claim.row) for one in ABSENT
    }
    (row,) = [one for one in found["unmeasured"] if one["row"] == "ResNet-20"]
    assert (row["tier"], row["cost"], row["published"][0]["value"]) == ("gpu", "an hour on one GPU", 8.75)
    listed(project, RECORDS)
    after = board.snapshot()
    assert json.loads(after.json)["unmeasured"] == []
    assert after.version == before.version
    assert after.tag != before.tag


def test_the_export_shows_what_is_not_measured(project):
    """The overview comes first, each claim that nobody has run has a page, and links lead to it."""
    Store(project / "store").add(ABSENT[0])
    found = {path: data.decode() for path, data in build.files(queries.open_stores()) if path.endswith(".html")}
    index = found["index.html"]
    assert 'class="bar" href="paper/he2015.html"' in index
    assert '<section class="paper"' not in index
    (own,) = [path for path, body in found.items() if "he2015/table-6@1[ResNet-110]" in body and "no verdict." in body]
    assert f'href="../{own}"' in found["paper/he2015.html"]
    assert "Nobody has run this yet" in found[own]
    assert "--tier gpu" in found[own]
    assert ", not measured" in found["claim/he2015/table-6.html"]
    assert "It speeds up." in found["paper/huang2019.html"]
    assert "implementations/huang2019.html" not in found
    assert "ago" not in re.sub("<[^>]*>", "", index.split("<section", 1)[0])
    assert "4 of 7" in index


def test_texts_of_the_list_are_escaped(project):
    """It is a file of the project, but nothing of it becomes markup."""
    listed(project, ABSENT, says=HOSTILE, place=f"Table {HOSTILE}")
    bodies = [text(page()), text(page(full="true")), text(page("paper", paper="he2015"))]
    bodies += [data.decode() for path, data in build.files(queries.open_stores()) if path.endswith(".html")]
    assert any("&lt;script&gt;" in body for body in bodies)
    assert not any("<script" in body or "<img" in body for body in bodies)
