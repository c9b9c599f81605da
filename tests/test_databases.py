"""SQLite and PostgreSQL give the same answers, from the index up to the board."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

pytest.importorskip("sqlalchemy", reason="the index needs SQLAlchemy")

from leaderboard.board import queries
from leaderboard.board.lines import REFERENCE
from leaderboard.board.queries import RecordFilter
from repro.record.record import Record, seal
from repro.record.store import MergedStore, Store
from tests import factory

TEXTS = (
    "mine",
    "Mine",
    "\u00e9clair",
    "zebra",
    "o'brien; drop table records --",
    "%",
    "_",
    "a\\b",
    "\U0001f980",
    " ",
    "1=1",
)
CPUS = ("Example CPU 3000", "\u00c4 CPU", "a cpu", "B CPU")
GPUS = (None, "Example GPU", "example gpu")


def varied() -> list[Record]:
    """Records of several versions, rows, sources, implementations and machines, with names that are hard to store."""
    rng = random.Random(0)
    makers: list[Callable[..., Record]] = [factory.degrades, factory.parameters, factory.withdrawn, factory.powerless]
    makers += [_row("ResNet-20"), _row("ResNet-110"), _row("%"), _row("r'ow\U0001f980")]
    found = []
    for number, (make, name) in enumerate(itertools.product(makers, (None, *TEXTS))):
        for _ in range(2):
            created = f"2026-11-{rng.randint(1, 9):02}T00:00:0{number % 3}Z"
            runner = rng.choice(["verified", "self-reported", "self-reported"])
            record = make(submission=name, created=created, version=rng.randint(1, 2), runner=runner)
            gpu = rng.choice(GPUS)
            machine = msgspec.structs.replace(record.machine, cpu=rng.choice(CPUS), gpu=gpu, gpus=int(gpu is not None))
            source = rng.choice("bc") * 64
            own = msgspec.structs.replace(record.implementation, source=source)
            flag = rng.choice(["", "", f"too good: {name}"])
            found.append(seal(msgspec.structs.replace(record, id="", machine=machine, implementation=own, flag=flag)))
    return found


def _row(name: str) -> Callable[..., Record]:
    def made(**changes: Any) -> Record:
        return factory.table_row(name, 8.75, [8.6, 8.8, 8.7], **changes)

    return made


def answers(store: Store) -> dict[str, Any]:
    """What a store and the board's queries say of its content."""
    union = MergedStore([store])
    hardware = union.distinct("hardware")
    names = queries.implementations(union)
    asked = [RecordFilter(), RecordFilter(paper="he2015"), *(RecordFilter(implementation=name) for name in names)]
    asked += [RecordFilter(hardware=one) for one in hardware]
    heads = [
        {"runner": "verified"},
        {"kind": "submission"},
        {"paper": "he2015", "kind": REFERENCE},
        *({"implementation": text} for text in TEXTS),
    ]
    cases = {(f"{row.paper}/{row.name}", row.row) for row in store.rows()}
    return {
        "rows": store.rows(),
        "heads": [sorted(record.id for record in store.latest(**where)) for where in heads],
        "verified": [sorted(row.id for row in one) for one in (store.verified(), store.verified(paper="he2015"))],
        "flagged": (store.flagged(7), sorted(store.flags())),
        "distinct": {x: store.distinct(x) for x in ("implementation", "hardware", "gpu", "flag", "word", "row")},
        "names": names,
        "of a paper": queries.implementations(union, "he2015"),
        "board": [queries.board(union, one) for one in asked],
        "history": {
            (case, name): [record.id for record in queries.history(union, *case, name)]
            for case in cases
            for name in names
        },
        "rows of": queries.rows_of(union, "he2015/table-6"),
        "problems": queries.problems(union),
    }


@pytest.mark.postgresql
def test_both_databases_give_the_same_answers(tmp_path, empty_url):
    """The same files under both indexes, problems among them: every query of the board agrees, in its order too."""
    root = tmp_path / "store"
    own = Store(root)
    for record in varied():
        own.add(record)
    for name in ("b", "A", "_"):
        (root / "records" / "he2015" / f"{name}.json").write_text("{}")
    own.sync()
    shared = Store(root, empty_url)
    mine, theirs = answers(own), answers(shared)
    assert len(mine["problems"]) == 3
    assert len(mine["names"]) == len(TEXTS) + 1
    assert mine["verified"][0]
    for name, found in mine.items():
        assert theirs[name] == found, name
