"""Work that tests kill: adding records, publishing them, running claims; each says what it has done."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

import harness.pytest_plugin
from harness.publish import publish
from repro.record.store import Store
from tests.records import make_record

assert harness.pytest_plugin  # what runs claims is imported once, before processes are forked
for name in ("repro.trial.judge", "repro.trial.recording", "harness.cli.tables", "scipy.stats", "torch"):
    with suppress(ImportError):  # torch may be absent
        import_module(name)


def add(said: Connection, root: Path, first: int) -> None:
    """Add records to a store, one after the other; says the id of each that is there."""
    store = Store(root)
    records = (make_record(number) for number in range(first, first + 500))
    said.send("ready")
    for record in records:
        store.add(record)
        said.send(record.id)


def copy(said: Connection, root: Path, folder: Path) -> None:
    """Publish the records of a store into an empty folder; says each file that is there."""
    said.send("ready")
    for path in publish(Store(root, read_only=True), folder, ()):
        said.send(str(path))


def claims(said: Connection, root: Path) -> None:
    """Run the claims of a project; says the exit code in the end."""
    os.chdir(root)
    os.environ |= {"REPRO_STORE": str(root / "store"), "REPRO_CACHE": str(root / "cache")}
    with Path(os.devnull).open("w") as nowhere:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere.fileno(), stream.fileno())
    said.send("ready")
    said.send(str(int(pytest.main(["claims/", "--controls", "-q", "-p", "no:cacheprovider", "-k", "drift or slope"]))))
