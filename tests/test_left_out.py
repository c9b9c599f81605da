"""Records that no page could be made of: refused where they come in, and left out where one is there all the same."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

pytest.importorskip("streamlit", reason="the leaderboard needs the extra `board`")

from leaderboard.board import lines, queries
from leaderboard.export.__main__ import export
from leaderboard.render import claim as claim_page
from repro.errors import ReproError
from repro.paths import atomic_write
from repro.record.bounds import DEEPEST, MOST
from repro.record.record import Record, decode, encode
from repro.record.store import Store
from tests import factory
from tests.pages import changed, page, text
from tests.records import make_record
from tests.service import Open, refused, served

PUBLISHED, SENT = factory.degrades(), factory.degrades(submission="mine")


def nested(depth: int) -> Any:
    """Lists and objects within one another."""
    found: Any = 1
    for level in range(depth):
        found = {"in": found} if level % 2 else [found]
    return found


def used(**usage: Any) -> Record:
    """A record of two trials that used so much each."""
    trial = make_record(1).trials[0]
    usages = msgspec.structs.replace(trial.usage, **usage)
    return changed(
        make_record(1),
        trials=tuple(msgspec.structs.replace(trial, key=f"{n:064}", seed=n, usage=usages) for n in range(2)),
    )


def configured(config: dict[str, Any]) -> Record:
    """A record of a trial with this config."""
    trial = msgspec.structs.replace(make_record(1).trials[0], config=config)
    return changed(make_record(1), trials=(trial,))


WRONG = {
    "deep": (configured({"deep": nested(600)}), "nests deeper than 40 levels"),
    "just too deep": (configured({"deep": nested(DEEPEST - 3)}), "nests deeper than 40 levels"),
    "time that runs back": (used(wall_s=-1.7e308), r"wall_s is -1.7e\+308, which is not between 0 and 1e\+15"),
    "energies of infinity": (used(energy_j=1.7e308), "energy_j is 1.7e"),
    "endless time": (used(cpu_s=1e300), "cpu_s is 1e"),
    "memory below nothing": (used(peak_rss_bytes=-1), "peak_rss_bytes is -1"),
    "memory of a GPU": (used(gpu_peak_bytes=2**53), "gpu_peak_bytes is 9.0072e"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_no_page_could_show_is_refused_wherever_it_comes_in(tmp_path, name):
    """Decoded, added or found in the folder: one error that says what is wrong, and the others are as they were."""
    record, says = WRONG[name]
    store = Store(tmp_path)
    store.add(make_record(2))
    with pytest.raises(ReproError, match=says):
        decode(encode(record))
    with pytest.raises(ReproError, match=says):
        store.add(record)
    assert not store.path(record).exists()
    atomic_write(store.path(record), encode(record))
    store.sync()
    assert [row.id for row in store.rows()] == [make_record(2).id]
    assert [problem.path for problem in store.problems()] == [f"records/toy2020/{store.path(record).name}"]


def test_what_no_page_could_show_is_not_taken_by_the_service(tmp_path):
    """422 with what is wrong."""
    with served(tmp_path) as url:
        board = Open(url, tmp_path)
        for record, _ in WRONG.values():
            refused(board.post(encode(record)), 422)
        assert board.send(make_record(2)) == 201


@pytest.mark.parametrize("record", [configured({"deep": nested(DEEPEST - 4)}), used(wall_s=MOST, energy_j=0.0)])
def test_what_is_just_within_bounds_is_taken(tmp_path, record):
    """The bounds themselves are no error."""
    assert Store(tmp_path).add(record).is_file()


def test_brackets_in_texts_are_no_depth():
    """A text may have as many as it likes."""
    record = configured({"text": "[{" * 500})
    assert decode(encode(record)) == record


@pytest.fixture
def faulty(project, monkeypatch) -> None:
    """A board on which no page can be made that has the record that was sent in among its records."""
    Store(project / "leaderboard").add(PUBLISHED)
    Store(project / "store").add(SENT)
    original = claim_page.page

    def broken(record: Record, records: list[Record], *rest: Any, **options: Any) -> Any:
        if SENT.id in {one.id for one in records}:
            raise OverflowError("too large")
        return original(record, records, *rest, **options)

    monkeypatch.setattr(claim_page, "page", broken)


@pytest.mark.usefixtures("faulty")
def test_a_page_is_shown_without_the_record_that_it_fails_by():
    """The published claim's page is there, and names what is left out; so does the board."""
    shown = text(page("claim", claim="he2015/plain-degrades"))
    assert "A deeper plain network has the higher training error" in shown
    assert "Left out of these pages: 1 of the records" in shown
    assert "It cannot be shown: OverflowError" in shown
    assert "It cannot be shown: OverflowError" in text(page("board"))


@pytest.mark.usefixtures("faulty")
def test_an_export_is_written_without_the_record_that_it_fails_by(project):
    """It has the published record, names the other in its output and on its first page, and the exit code is 0."""
    result = CliRunner().invoke(export, [str(project / "site")])
    assert result.exit_code == 0, result.output
    assert f"left out: records/he2015/{SENT.id[7:23]}.json: It cannot be shown: OverflowError" in result.output
    assert (project / "site" / "record" / f"{PUBLISHED.id[7:23]}.html").is_file()
    assert not (project / "site" / "record" / f"{SENT.id[7:23]}.html").exists()
    assert "It cannot be shown: OverflowError" in (project / "site" / "index.html").read_text()


def test_a_record_that_makes_no_line_gives_its_place_to_the_one_before(project, monkeypatch):
    """Board, JSON and badges are made of lines: one that cannot be made is left out, and said."""
    older, newer = factory.degrades(created="2026-11-01T00:00:00Z"), PUBLISHED
    for record in (older, newer):
        Store(project / "store").add(record)
    original = lines.line

    def broken(record: Record) -> lines.Line:
        if record.id == newer.id:
            raise ZeroDivisionError
        return original(record)

    monkeypatch.setattr(queries, "line", broken)
    stores = queries.open_stores()
    assert [one.record for one in queries.board(stores)] == [older.id]
    assert queries.problems(stores) == [
        (f"records/he2015/{newer.id[7:23]}.json", "It cannot be shown: ZeroDivisionError")
    ]
    assert {row.id for row in stores.rows()} == {older.id}
    assert stores.stores[1].find(newer.id) is None
    assert stores.stores[1].among([newer.id, older.id]) == {older.id}


def test_a_fault_of_the_page_itself_stays_an_error(project, monkeypatch):
    """Where no record can be shown, or the page fails by none, nothing is hidden: the error is shown."""
    for record in (PUBLISHED, SENT):
        Store(project / "store").add(record)

    def broken(*rest: Any, **options: Any) -> None:
        raise OverflowError("too large")

    monkeypatch.setattr("leaderboard.render.about.page", broken)
    with pytest.raises(AssertionError, match="too large"):
        page("about")
    monkeypatch.setattr(claim_page, "page", broken)
    with pytest.raises(AssertionError, match="too large"):
        page("claim", claim="he2015/plain-degrades")
    assert isinstance(CliRunner().invoke(export, [str(project / "site")]).exception, OverflowError)
    assert not (project / "site").exists()
