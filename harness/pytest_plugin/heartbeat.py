"""What each process of a session is doing, reported through small files so that it works under xdist too."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Beat(NamedTuple):
    """What one process is doing."""

    worker: str
    what: str  # the claim and implementation
    trial: str
    done: int  # trials of this claim
    total: int
    since: float  # seconds since the epoch


class Heartbeat:
    """One process's side: says what it has begun."""

    def __init__(self, folder: Path, worker: str) -> None:
        self._path = folder / f"{worker}.json"
        self._worker = worker
        self._what = ""
        self._since = 0.0

    @contextlib.contextmanager
    def on(self, what: str) -> Iterator[None]:
        """Mark the time spent on one claim."""
        self._what, self._since = what, time.time()
        self.beat(0, 0, "")
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                self._path.unlink()

    def beat(self, done: int, total: int, trial: str) -> None:
        """Say how far the claim is. Progress is a courtesy: a full disk must not stop a trial."""
        beat = Beat(self._worker, self._what, trial, done, total, self._since)
        temporary = self._path.with_suffix(".tmp")
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(beat))
            os.replace(temporary, self._path)


def beats(folder: Path) -> list[Beat]:
    """What all processes are doing now."""
    found = []
    for path in sorted(folder.glob("*.json")):
        with contextlib.suppress(OSError, ValueError):
            found.append(Beat(*json.loads(path.read_text())))
    return found
