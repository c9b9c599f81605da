"""What grows with the number of records: pages list a part and say so, and nobody waits for what others ask."""

from __future__ import annotations

import threading

import pytest

pytest.importorskip("streamlit", reason="the leaderboard needs the extra `board`")

import msgspec

from leaderboard.api import board
from leaderboard.board import lines, queries, suite_score
from leaderboard.board.queries import RecordFilter
from leaderboard.render import findings, submit
from repro.record.access_tokens import tokens_file
from repro.record.record import Record, seal
from repro.record.store import MergedStore, Store
from tests import factory


def flagged(record: Record, flag: str) -> Record:
    """The same with a flag."""
    return seal(msgspec.structs.replace(record, id="", flag=flag))


def test_only_the_newest_flagged_records_are_listed_and_all_are_counted(tmp_path, monkeypatch):
    """Across stores, and a record that lies in two of them counts once."""
    monkeypatch.setattr(suite_score, "FLAGGED", 3)
    one, other = Store(tmp_path / "a"), Store(tmp_path / "b")
    for day in range(1, 6):
        record = flagged(factory.degrades(created=f"2026-11-{day:02}T00:00:00Z"), "odd")
        (one if day % 2 else other).add(record)
        if day == 4:
            one.add(record)
        other.add(factory.degrades(created=f"2026-11-2{day}T00:00:00Z"))
    past = suite_score.history(MergedStore((one, other)))
    assert [row.created[8:10] for row in past.flagged] == ["05", "04", "03"]
    assert past.flags == 5


def test_submit_lists_the_newest_submissions_and_says_how_many_there_are(tmp_path, monkeypatch):
    """Beyond the limit a line says so; within it all are there, without such a line."""
    store = Store(tmp_path)
    for day in range(1, 6):
        store.add(factory.degrades(submission=f"own-{day}", created=f"2026-11-0{day}T00:00:00Z"))
    sections = queries.sections(queries.board(MergedStore((store,))))
    assert "are shown" not in submit.status(sections)
    monkeypatch.setattr(submit, "LISTED", 2)
    shown = submit.status(sections)
    assert [name for name in range(1, 6) if f"own-{name}" in shown] == [4, 5]
    assert "The newest 2 of 5 are shown" in shown


def test_a_finding_names_some_submissions_and_says_how_many_there_are(monkeypatch):
    """A finding that hundreds of submissions were judged by stays one panel."""
    monkeypatch.setattr(findings, "LISTED", 2)
    first, *others = [lines.line(factory.withdrawn(submission=name)) for name in (None, "a1", "a2", "a3")]
    assert "2 of 3 shown" in findings.finding(first, others)
    assert "a3" not in findings.finding(first, others)
    assert "shown" not in findings.finding(first, others[:2])


def test_a_badge_reads_the_lines_of_its_paper_only(tmp_path, monkeypatch):
    """Once for each version of the stores; the whole board is not read for it."""
    store, calls = Store(tmp_path), []
    monkeypatch.setattr(board, "board", lambda *asked: calls.append(asked[1]) or queries.board(*asked))
    monkeypatch.setattr(board, "FRESH_S", 0.0)
    kept = board.Board(MergedStore((store,)))
    for record in (factory.degrades(), factory.withdrawn(), factory.degrades(submission="mine")):
        store.add(record)
    for _ in range(3):
        assert [one.claim for one in kept.entries("he2015", "reference")] == ["he2015/plain-degrades"]
    store.add(factory.parameters())
    assert len(kept.entries("he2015", "reference")) == 2
    assert calls == [RecordFilter(paper="he2015", implementation="reference")] * 2


def test_parts_that_are_kept_for_badges_are_few(tmp_path, monkeypatch):
    """Names that anybody may make up fill no memory."""
    monkeypatch.setattr(board, "PARTS", 3)
    kept = board.Board(MergedStore((Store(tmp_path),)))
    for number in range(9):
        assert kept.entries("he2015", f"submission:{number}") == ()
    assert kept._part.cache_info().currsize == 3


def test_nobody_waits_while_the_whole_board_is_read(tmp_path, monkeypatch):
    """A badge is read at once, and whoever asks for the board gets it as it was before."""
    store, begun, free = Store(tmp_path), threading.Event(), threading.Event()
    store.add(factory.degrades())
    monkeypatch.setattr(board, "FRESH_S", 0.0)
    kept = board.Board(MergedStore((store,)))
    before = kept.snapshot()

    def slow(stores: MergedStore, asked: RecordFilter | None = None):
        if asked is None:
            begun.set()
            assert free.wait(30)
        return queries.board(stores, asked)

    monkeypatch.setattr(board, "board", slow)
    store.add(factory.parameters())
    reader = threading.Thread(target=kept.snapshot)
    reader.start()
    try:
        assert begun.wait(30)
        assert len(kept.entries("he2015", "reference")) == 2
        assert kept.snapshot() is before
    finally:
        free.set()
        reader.join(30)
    assert len(kept.snapshot().entries) == 2


def test_what_was_sent_in_and_is_published_too_is_not_in_quarantine(tmp_path):
    """A record counts as sent in only where no store of the project has it."""
    published, shared = Store(tmp_path / "a"), Store(tmp_path / "b")
    for store, record in (
        (published, factory.degrades()),
        (shared, factory.degrades()),
        (shared, factory.parameters()),
    ):
        store.add(record)
    tokens_file(shared.root).touch()
    found = board.Board(MergedStore((published, shared))).snapshot().entries
    assert {one.claim.partition("/")[2]: one.quarantined for one in found} == {
        "plain-degrades": False,
        "parameters-as-printed": True,
    }
