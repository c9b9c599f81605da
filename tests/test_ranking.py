"""Which record stands on the board's line: the newest, or a verified one that says the same of the same source."""

from __future__ import annotations

import msgspec
import pytest

pytest.importorskip("sqlalchemy", reason="the index needs SQLAlchemy")

from leaderboard.board import queries
from leaderboard.board.queries import RecordFilter
from repro.record.record import Record, hardware, seal
from repro.record.store import MergedStore, Store
from tests import factory

OLD, NEW, NEWEST = (f"2026-11-{day}T00:00:00Z" for day in (18, 19, 20))
WORSE = [12.9, 13.2, 13.0]


def made(created: str, runner: str, *, source: str = "b", refuted: bool = False, **changes: object) -> Record:
    """A submission's record of one claim, from the source whose hash begins with this letter."""
    errors = WORSE if refuted else [8.6, 8.8, 8.7]
    facts = {"created": created, "runner": runner, "submission": "mine", **changes}
    record = factory.table_row("ResNet-20", 8.75, errors, **facts)
    own = msgspec.structs.replace(record.implementation, source=source * 64)
    return seal(msgspec.structs.replace(record, id="", implementation=own))


@pytest.fixture(params=["one store", "two stores", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def standing(request, tmp_path):
    """What stands on the one line: (created, runner), given a published record and later ones."""
    url = request.getfixturevalue("empty_url") if request.param == "postgresql" else None

    def found(published: list[Record], *later: Record, asked: RecordFilter | None = None) -> tuple[str, str]:
        first = Store(tmp_path / "a", url)
        second = Store(tmp_path / "b") if request.param == "two stores" else first
        for store, records in ((first, published), (second, later)):
            for record in records:
                store.add(record)
        (line,) = queries.board(MergedStore([first] if second is first else [first, second]), asked)
        return line.created, line.runner

    return found


def test_a_newer_self_reported_record_takes_no_mark_away(standing):
    """A rerun at home that says the same leaves the verified record where it was, however it is asked for."""
    verified, own = made(OLD, "verified"), made(NEW, "self-reported")
    assert standing([verified], own) == (OLD, "verified")
    assert standing([], asked=RecordFilter(paper="he2015", implementation="submission:mine")) == (OLD, "verified")


@pytest.mark.parametrize(
    "change",
    [{"source": "c"}, {"refuted": True}, {"version": 2}, {"submission": "mine"}],
    ids=["source", "word", "version", "same"],
)
def test_only_the_same_word_of_the_same_source_inherits_the_mark(standing, change):
    """Another source, another word and another version of the claim have to be verified themselves."""
    verified, own = made(OLD, "verified"), made(NEW, "self-reported", **change)
    same = change == {"submission": "mine"}
    assert standing([verified], own) == ((OLD, "verified") if same else (NEW, "self-reported"))


def test_another_digest_of_the_claim_has_no_mark(standing):
    """A claim that was changed under its version is another question."""
    own = made(NEW, "self-reported")
    own = seal(
        msgspec.structs.replace(own, id="", claim=msgspec.structs.replace(own.claim, digest="sha256:" + "e" * 64))
    )
    assert standing([made(OLD, "verified")], own) == (NEW, "self-reported")


def test_the_newest_of_two_verified_records_stands(standing):
    """Of the same word and source, by the time they were made."""
    first, second, own = made(OLD, "verified"), made(NEW, "verified"), made(NEWEST, "self-reported")
    assert standing([second], first, own) == (NEW, "verified")


def test_a_source_gets_its_mark_back_though_another_was_verified_since(standing):
    """The newest record says which source stands; its verification may be older than that of another source."""
    first, other = made(OLD, "verified"), made(NEW, "verified", source="c")
    assert standing([first, other], made(NEWEST, "self-reported")) == (OLD, "verified")


def test_the_mark_of_another_machine_is_not_shown_where_hardware_is_asked_for(standing):
    """A filter by hardware admits no record of other hardware, verified or not."""
    machine = msgspec.structs.replace(factory.MACHINE, cpu="Other CPU", gpu="Other GPU", gpus=1)
    own = made(NEW, "self-reported", machine=machine)
    assert standing([made(OLD, "verified")], own) == (OLD, "verified")
    assert standing([], asked=RecordFilter(hardware=hardware(own))) == (NEW, "self-reported")
