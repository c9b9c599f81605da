"""The static export: the app's numbers in files, links that lead somewhere, and a folder that is written whole."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from click.testing import CliRunner

pytest.importorskip("altair", reason="the export needs the extra `board`")

from leaderboard.board import catalogue, downloads, queries, repository, suite_score
from leaderboard.board.lines import REFERENCE
from leaderboard.board.queries import RecordFilter
from leaderboard.export import __main__ as command
from leaderboard.export import build, folder, frame, places
from leaderboard.render import claim as claim_page
from leaderboard.render import components, provenance
from leaderboard.render import suite_score as suite_score_page
from repro.errors import ReproError
from repro.paths import PACKAGE
from repro.record.record import decode, encode
from repro.record.store import Store
from tests import factory

HOSTILE = '../../<img src=x onerror="alert(1)"><script>alert(2)</script>'
VOID = {"meta", "link", "br", "col", "img", "hr", "input"}
HREF = re.compile(r' href="[^"]*"')


@pytest.fixture
def store(project):
    """A store with a record of every kind, submissions, an older version, and hostile texts in every name."""
    store = Store(project / "store")
    older = factory.degrades(created="2026-11-01T00:00:00Z")
    new = factory.degrades(version=2)
    for record in (*factory.board(), older, new, factory.degrades(submission="mine")):
        store.add(record)
    store.add(factory.degrades(name=HOSTILE, row=HOSTILE, says=HOSTILE, place=f"Table {HOSTILE}", submission=HOSTILE))
    return store


@pytest.fixture
def site(store, project):
    """The export of that store."""
    folder.write(project / "site", build.files(queries.open_stores()))
    return project / "site"


class Page(HTMLParser):
    """What a page holds: its links, headings and ids, and whatever is wrong with its tags."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[str] = []
        self.headings: list[int] = []
        self.ids: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        self.wrong += [f"<{tag}> is not closed" for tag in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if len(given) < len(attrs):
            self.wrong.append(f"<{tag}> has an attribute twice")
        if tag in ("script", "iframe", "object", "img", "form") or any(name.startswith("on") for name in given):
            self.wrong.append(f"<{tag}> with {given}")
        if "href" in given:
            self.links.append(given["href"] or "")
        if "id" in given:
            self.ids[given["id"] or ""] += 1
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.wrong.append(f"</{tag}> closes nothing")


def tree(root: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def bare(text: str) -> str:
    """HTML without its links, which the export changes."""
    return HREF.sub("", text)


# what it says


def test_numbers_are_those_of_the_app(site):
    """Board, claims, findings and trust are the app's own HTML, but for where the links lead."""
    stores = queries.open_stores()
    reference = queries.sections(queries.board(stores, RecordFilter(implementation=REFERENCE)))
    index = bare((site / "index.html").read_text())
    for section in reference:
        assert bare(section.paper.title) in index
        own = bare((site / places.paper(section.paper.key)).read_text())
        assert all(
            bare(components.claims_table([one])).split("<tbody>")[1].split("</tbody>")[0] in own
            for one in section.lines
        )
    history = queries.history(stores, "he2015/plain-degrades", None)
    page = bare((site / places.claim("he2015/plain-degrades")).read_text())
    newest = queries.reference_of(history)
    assert newest is not None
    assert newest.claim.version == 2
    for part in (claim_page.verdict(newest), claim_page.sides(newest), claim_page.history(history, newest)):
        assert bare(part) in page
    own = bare((site / places.record(history[0].id)).read_text())
    assert bare(provenance.provenance(history[0])) in own
    known = {one.paper.key: ({}, "") for one in reference}
    parts = suite_score_page.page(
        reference, suite_score.history(stores), known, queries.board(stores), catalogue.read()
    )
    assert all(bare(part.body) in bare((site / "trust.html").read_text()) for part in parts)


def test_data_are_those_of_the_app(site, store):
    """CSV and JSON are the app's downloads; each record lies there as its file in the store does."""
    lines = queries.board(queries.open_stores())
    assert (site / "board.csv").read_text() == downloads.csv(lines)
    assert (site / "board.json").read_text() == downloads.as_json(lines)
    for record in store.records():
        raw = (site / places.record(record.id, "json")).read_bytes()
        assert raw == encode(record)
        assert decode(raw) == record
    assert "supported" in (site / places.badge("he2015", "plain-degrades")).read_text()


def test_every_page_is_well_formed_and_every_link_leads_to_a_file(site):
    """Tags close, ids are unique, there is one main heading and no script; links stay inside of the folder."""
    pages = sorted(site.rglob("*.html"))
    links = 0
    for path in pages:
        text = path.read_text()
        page = Page(text)
        name = path.relative_to(site)
        assert page.wrong == [], name
        assert page.headings.count(1) == 1, name
        assert page.headings[0] == 1, name
        assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(page.headings)), (name, page.headings)
        assert all(count == 1 for count in page.ids.values()), name
        assert text.startswith('<!DOCTYPE html>\n<html lang="en">')
        for link in page.links:
            if urlsplit(link).scheme in places.OUTSIDE or link.startswith("#"):
                continue
            target = (path.parent / unquote(link)).resolve()
            assert target.is_file(), (name, link)
            assert site.resolve() in target.parents, (name, link)
            links += 1
    assert len(pages) > 30
    assert links > 400


def test_every_record_claim_and_paper_has_a_page_that_is_linked(site, store):
    """Whoever starts at the first page reaches every record."""
    seen, waiting = set(), [site / "index.html"]
    while waiting:
        path = waiting.pop()
        if path in seen or path.suffix != ".html":
            continue
        seen.add(path)
        here = [link for link in Page(path.read_text()).links if not urlsplit(link).scheme and link[:1] != "#"]
        waiting += [(path.parent / unquote(link)).resolve() for link in here]
    reached = {str(path.relative_to(site.resolve())) for path in seen if path.is_relative_to(site.resolve())}
    assert {places.record(record.id) for record in store.records()} <= reached | {"index.html"}
    assert {places.paper("he2015"), places.claim("he2015/table-6", "ResNet-20"), "about.html"} <= reached


def test_a_place_for_search_engines_needs_an_address(store):
    """With an address pages say where they belong, and a site map lists them."""
    files = dict(build.files(queries.open_stores(), "https://example.org/board/"))
    assert b'<link rel="canonical" href="https://example.org/board/about.html">' in files["about.html"]
    assert b"<loc>https://example.org/board/index.html</loc>" in files["sitemap.xml"]
    assert "sitemap.xml" not in dict(build.files(queries.open_stores()))


def test_an_empty_store_is_a_site_too(project):
    """A board without records has pages that say so."""
    files = dict(build.files(queries.open_stores()))
    assert b"No records yet" in files["index.html"]
    assert b"Nothing to judge yet" in files["trust.html"]


@pytest.mark.parametrize("damaged", [False, True])
def test_the_command_writes_no_empty_board(project, damaged):
    """Without a record that can be read the command ends with 1, naming the first that cannot; nothing is written."""
    place = project / "leaderboard" / "records" / "he2015" / "0123456789abcdef.json"
    if damaged:
        place.parent.mkdir(parents=True)
        place.write_text("{}")
    run = CliRunner().invoke(command.export, [str(project / "out")])
    assert run.exit_code == 1
    assert ("0123456789abcdef.json: The record" in run.stderr) == damaged
    assert not (project / "out").exists()


def test_a_file_that_is_no_record_is_listed(store, project):
    """What cannot be read is said on the first page, and takes nothing down."""
    (store.root / "records" / "he2015" / "broken.json").write_text("{")
    text = dict(build.files(queries.open_stores()))["index.html"].decode()
    assert "1 file is not a valid record" in text
    assert "records/he2015/broken.json" in text


# names


@pytest.mark.parametrize(
    "name",
    ["", "..", "../../etc/passwd", "/etc/passwd", "a/b", "A", "a b", "a_b", "con.", "x" * 300, "\0", "é", HOSTILE],
)
def test_no_name_leaves_its_folder(name):
    """What is not plain becomes a short part of a path: letters, digits, hyphens and one underscore."""
    part = places.part(name)
    assert re.fullmatch(r"[a-z0-9-]*_[0-9a-f]{16}", part)
    assert len(part) < 100


def test_no_name_takes_the_place_of_another():
    """Names that differ in what is left out have different places, and no plain name looks like one of those."""
    names = ["ResNet-20", "resnet-20", "ResNet 20", "resnet_20", places.part("ResNet-20"), "RESNET-20"]
    assert len({places.part(name) for name in names}) == len(names)
    assert places.part("plain-degrades") == "plain-degrades"


def test_hostile_names_are_texts(site, project):
    """Nothing is written beside the folder, and no page holds their markup."""
    assert {path.name for path in project.iterdir()} == {"claims", "pyproject.toml", "store", "site"}
    hostile = [path for path in site.rglob("*.html") if "alert(2)" in path.read_text()]
    assert len(hostile) >= 3
    assert all("<script" not in path.read_text() and "<img" not in path.read_text() for path in hostile)


@pytest.mark.parametrize(
    ("link", "path"),
    [
        ("./", "index.html"),
        ("./?paper=he2015", "paper/he2015.html"),
        ("./?verdict=finding", "index.html"),
        ("paper?paper=he2015", "paper/he2015.html"),
        ("claim?claim=he2015/a-claim", "claim/he2015/a-claim.html"),
        ("claim?claim=he2015/a-claim@3", "claim/he2015/a-claim.html"),
        ("claim?claim=he2015/a-claim&implementation=submission:mine", "record/00000000000000aa.html"),
        ("record?record=00000000000000aa", "record/00000000000000aa.html"),
        ("compare?paper=he2015&with=a", "implementations/he2015.html"),
        ("trust", "trust.html"),
        ("telemetry?paper=he2015", None),
        ("claim?claim=he2015/other", None),
        ("record?record=../../../etc/passwd", None),
        ("../../etc/passwd", None),
        ("javascript:alert(1)", None),
    ],
)
def test_links_of_the_app_lead_to_files(link, path):
    """Each address of the app has its file, and what has none loses its link."""
    files = {
        "index.html",
        "trust.html",
        "paper/he2015.html",
        "claim/he2015/a-claim.html",
        "implementations/he2015.html",
    }
    where = places.Places(
        files=frozenset(files | {"record/00000000000000aa.html"}),
        newest={("he2015/a-claim", "", "submission:mine"): "sha256:00000000000000aa" + "0" * 48},
    )
    assert where.resolve(link) == path
    turned = where.localise(f'<a href="{link.replace("&", "&amp;")}">x</a>', "claim/he2015/a-claim.html")
    assert turned == (f'<a href="{places.relative(path, "claim/he2015/a-claim.html")}">x</a>' if path else "<a>x</a>")


def test_documents_escape_what_they_are_given():
    """Title and note are texts; the policy keeps scripts from running whatever happens."""
    text = frame.document("a/b.html", HOSTILE, "", HOSTILE)
    assert "<script>" not in text
    assert "script-src &#x27;none&#x27;" in text
    assert 'href="../style.css"' in text


# the folder


def test_exporting_again_changes_nothing(site, project):
    """The same records give the same bytes, and the folder is replaced."""
    before = tree(site)
    folder.write(site, build.files(queries.open_stores()))
    assert tree(site) == before
    assert [path.name for path in project.iterdir() if path.name.startswith(".")] == []


def test_what_is_no_longer_there_goes(tmp_path):
    """A later export holds its own files only."""
    folder.write(tmp_path / "site", [("a.html", b"1"), ("b/c.html", b"2")])
    assert folder.write(tmp_path / "site", [("a.html", b"3")]) == 1
    assert set(tree(tmp_path / "site")) == {"a.html", folder.MARK}


def test_a_folder_with_anything_else_is_left_alone(tmp_path):
    """Neither a folder of somebody's nor an export in which somebody put a file is touched."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ReproError, match="not empty, and not an export"):
        folder.write(tmp_path / "mine", [("a.html", b"1")])
    folder.write(tmp_path / "site", [("a.html", b"1")])
    (tmp_path / "site" / ".git").mkdir()
    before = tree(tmp_path)
    with pytest.raises(ReproError, match=r"holds \.git, which no export has written"):
        folder.write(tmp_path / "site", [("a.html", b"2")])
    (tmp_path / "file").touch()
    with pytest.raises(ReproError, match="is a file"):
        folder.write(tmp_path / "file", [])
    assert tree(tmp_path) == before | {"file": b""}


@pytest.mark.parametrize("error", [RuntimeError("no"), OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_breaks_off_leaves_everything_as_it_was(tmp_path, error):
    """An earlier export stays whole, and nothing lies beside it."""
    folder.write(tmp_path / "site", [("a.html", b"1")])
    before = tree(tmp_path)

    def files():
        yield "a.html", b"2"
        raise error

    with pytest.raises(ReproError if isinstance(error, OSError) else type(error)):
        folder.write(tmp_path / "site", files())
    assert tree(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


@pytest.mark.parametrize("name", ["../a", "/a", "a/../../b", ".hidden", "", "a/.b"])
def test_only_paths_below_the_folder_are_written(tmp_path, name):
    """A path that leads out is a mistake of ours, and writes nothing."""
    with pytest.raises(ValueError, match="no path below"):
        folder.write(tmp_path / "site", [(name, b"1")])
    assert list(tmp_path.iterdir()) == []


def test_two_files_at_one_place_are_refused(tmp_path):
    """Of two pages with one place neither takes the other's."""
    with pytest.raises(ReproError, match=r"Two files would lie at a\.html"):
        folder.write(tmp_path / "site", [("a.html", b"1"), ("a.html", b"2")])


def test_the_command_writes_a_site(project):
    """`repro export site` does all that by itself, from the published records and a store; errors are two lines."""
    Store(project / "other").add(factory.degrades(name="of-the-store"))
    run = [sys.executable, "-c", "from harness.cli import main; main()", "export", "site"]
    done = subprocess.run(
        [*run, str(project / "out"), "--store", str(project / "other")],
        cwd=PACKAGE.parent, env=os.environ, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (project / "out" / places.claim("he2015/of-the-store")).is_file()
    published = next((PACKAGE.parent / "leaderboard" / "records").rglob("*.json"))
    assert (project / "out" / "record" / published.name).read_bytes() == published.read_bytes()
    assert (
        repository.deviations("he2015", PACKAGE.parent)[0][:20]
        in (project / "out" / places.paper("he2015")).read_text()
    )
    refused = subprocess.run(
        [*run, str(PACKAGE.parent)], cwd=PACKAGE.parent, env=os.environ, capture_output=True, text=True
    )
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 2)
    assert "not an export" in refused.stderr
