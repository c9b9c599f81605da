"""Killed at random points: nothing that was acknowledged is lost, nothing is half written, no file is left over."""

from __future__ import annotations

import json
import multiprocessing
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from repro.record.record import decode
from repro.record.store import Store
from repro.trial.cache import Cache
from tests import factory, killed
from tests.toy import write_project

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.killed"])  # so that a process costs little


def times(few: int, many: int) -> list[Any]:
    """How often some work is killed: of all kinds together 12 times, or 200."""
    return [few, pytest.param(many, marks=pytest.mark.long)]


def kill(work: Callable[..., None], after: float | None, *arguments: Any) -> tuple[list[str], float]:
    """Start some work and kill it so many seconds after it is ready, or never; what it said, and how long it ran."""
    ours, theirs = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=work, args=(theirs, *arguments))
    process.start()
    theirs.close()
    said, start = [], time.monotonic()
    try:
        while True:
            said.append(ours.recv())
            if said == ["ready"]:
                start = time.monotonic()
                if after is not None:
                    time.sleep(after)
                    process.kill()
    except (EOFError, OSError):  # it has ended, perhaps in the middle of a word
        process.join()
    return said[1:], time.monotonic() - start


def left_over(root: Path) -> list[Path]:
    """Files that are no part of a store, a cache or a project."""
    return [path for path in root.rglob("*") if path.suffix == ".tmp" or ".damaged" in path.name]


@pytest.mark.parametrize("kills", times(5, 67))
def test_killed_while_it_writes_files_and_index(tmp_path, kills):
    """Each acknowledged record is in the files and in the index, which no kill damages."""
    chance, acknowledged = random.Random(1), set[str]()
    for number in range(kills):
        said, _ = kill(killed.add, 0.2 * chance.random(), tmp_path, 1000 * number)
        acknowledged |= set(said)
        assert left_over(tmp_path) == []
        for read_only in (True, False):
            store = Store(tmp_path, read_only=read_only)
            assert acknowledged <= {row.id for row in store.rows()}
            assert store.problems() == []
    assert acknowledged
    assert {record.id for record in Store(tmp_path).records()} >= acknowledged


@pytest.mark.parametrize("kills", times(5, 67))
def test_killed_while_it_publishes(tmp_path, kills):
    """Each published file is a whole record; the same command, run again, publishes the rest."""
    store, chance = Store(tmp_path / "store"), random.Random(2)
    for number in range(30):
        store.add(factory.degrades(name=f"claim-{number}"))
    _, whole = kill(killed.copy, None, tmp_path / "store", tmp_path / "all")
    folder, files = tmp_path, set[str]()
    for number in range(kills):
        folder = tmp_path / str(number)
        said, _ = kill(killed.copy, 1.1 * whole * chance.random(), tmp_path / "store", folder)
        assert left_over(tmp_path) == []
        files = {str(path) for path in folder.rglob("*") if path.is_file()}
        assert files >= set(said)
        assert all(decode(Path(path).read_bytes()) for path in files)
    rest, _ = kill(killed.copy, None, tmp_path / "store", folder)
    assert len(files) + len(rest) == 30


@pytest.mark.parametrize("kills", times(2, 66))
def test_killed_while_claims_run(tmp_path, kills):
    """Trials that were computed are kept, whole; no record is half written; the last run finishes with every record."""
    root, chance = write_project(tmp_path / "toy"), random.Random(3)
    said, whole = kill(killed.claims, None, write_project(tmp_path / "whole"))
    assert said == ["0"]
    shutil.copytree(tmp_path / "whole" / "cache", root / "cache", ignore=shutil.ignore_patterns("trials"))
    kept: dict[str, set[str]] = {"cache": set(), "store": set()}
    for _ in range(kills):
        kill(killed.claims, whole * chance.random(), root)
        assert left_over(root) == []
        now = {part: {path.name for path in (root / part).rglob("*.json")} for part in kept}
        assert all(now[part] >= kept[part] for part in kept)
        cache = Cache(root / "cache" / "trials")
        for path in cache.root.glob("??/*.json"):
            assert cache.get(path.stem) == json.loads(path.read_bytes())["payload"]
        assert Store(root / "store").problems() == []
        kept = now
    said, _ = kill(killed.claims, None, root)
    assert said == ["0"]
    expected = {row.claim for row in Store(tmp_path / "whole" / "store").rows()}
    assert expected == {row.claim for row in Store(root / "store").rows()} != set()
