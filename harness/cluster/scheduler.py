"""Engines: map the missing trials of a plan on workers, and keep the results in this process's cache.

The driver holds the cache's lock of a trial from before it is sent until its result is kept, so any number of drivers
and suites that share a cache compute each trial once, whatever the workers can see of it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec

from harness.cluster.plan import Planned
from harness.cluster.ray_pool import Lost, RayPool
from repro.errors import ReproError
from repro.trial.cache import Cache
from repro.trial.request import Failed, Refused, TrialRequest, accept, trial_of
from repro.trial.trial import Trial, lookup

AHEAD = 2  # trials that wait at the workers, so that none is idle while a result is kept; the rest stays for others
RETRIES = 2  # times that a trial is sent again after its worker or node was lost
TICK_S = 0.2  # how often what another driver computes is looked for
COUNT_S = 5.0  # how often the workers are counted


class Progress(NamedTuple):
    """How far the map is.

    Attributes:
        done: results that are in the cache now.
        total: trials that were missing.
        running: sent to workers.
        elsewhere: being computed by another driver or suite that shares the cache.
        last: the trial that ended last, and how.
    """

    done: int
    total: int
    running: int
    elsewhere: int
    failed: int
    last: str


@dataclass
class Report:
    """What became of the trials.

    Attributes:
        computed: keys of those that workers of this driver computed.
        found: keys of those that another driver or suite computed meanwhile.
        failed: by key, those that raised: they would anywhere.
        lost: by key, those whose workers were lost more often than is retried.
    """

    computed: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    failed: dict[str, Failed] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)


@dataclass
class _Flight:
    trial: Trial
    request: TrialRequest
    held: ExitStack  # the cache's lock
    again: int = 0


class Engine:
    """One driver: sends trials of the project at `root` to a pool, keeps results in a cache, and says how far it is."""

    def __init__(self, pool: RayPool, cache: Cache, root: Path, say: Callable[[Progress], None]) -> None:
        self._pool = pool
        self._cache = cache
        self._root = root
        self._say = say
        self._flying: dict[object, _Flight] = {}
        self._report = Report()
        self._counted = -COUNT_S
        self._room = 0

    def map(self, trials: Sequence[Planned]) -> Report:
        """Compute trials, those that take longest first and before them those of which nothing is known.

        Raises:
            ReproError: if the workers are another environment or cannot be used; what was finished is kept.
        """
        todo = deque(sorted(trials, key=lambda t: -t.estimate.wall_s if t.estimate else float("-inf")))
        total, elsewhere = len(todo), deque[Planned]()
        try:
            while todo or self._flying or elsewhere:
                if not todo:  # what others were computing is looked for last, and computed if they have stopped
                    todo, elsewhere = elsewhere, deque()
                while todo and len(self._flying) < self._limit():
                    trial = todo.popleft()
                    if not self._begin(trial):
                        elsewhere.append(trial)
                self._tell(total, len(elsewhere))
                if self._flying:
                    self._land(total, len(elsewhere))
                elif elsewhere:
                    time.sleep(TICK_S)
        finally:
            for flight in self._flying.values():
                flight.held.close()
        self._tell(total, 0)
        return self._report

    def _limit(self) -> int:
        """How many trials may be sent at once.

        Raises:
            ReproError: if there is no worker.
        """
        if time.monotonic() - self._counted >= COUNT_S:
            self._room, self._counted = self._pool.slots(), time.monotonic()
            if self._room < 1:
                raise ReproError("No worker can run these trials", "Add one to the cluster; the same command resumes.")
        return self._room + AHEAD

    def _begin(self, planned: Planned) -> bool:
        """Send a trial, unless its result is there meanwhile; False if another process is computing it."""
        request = msgspec.convert(
            {name: getattr(planned, name) for name in TrialRequest.__struct_fields__}, TrialRequest
        )
        trial = trial_of(request, self._root)
        if trial.key != request.key:
            raise ReproError(f"The project has changed since {trial} was planned", "Plan again.")
        with ExitStack() as stack:
            if not stack.enter_context(self._cache.lock(trial.key, wait=0.0)):
                return False
            if lookup(trial, self._cache) is not None:
                self._report.found.append(trial.key)
                return True
            self._send(_Flight(trial, request, stack.pop_all()))
            return True

    def _send(self, flight: _Flight) -> None:
        facts = msgspec.json.encode(flight.trial.key_inputs)
        try:
            self._flying[self._pool.submit(msgspec.json.encode(flight.request), facts)] = flight
        except BaseException:
            flight.held.close()
            raise

    def _land(self, total: int, elsewhere: int) -> None:
        """Take in what has ended."""
        for sent in self._pool.wait(list(self._flying), TICK_S):
            flight = self._flying.pop(sent)
            with ExitStack() as stack:
                stack.push(flight.held)
                if (reply := self._take(flight, sent)) is None:
                    stack.pop_all()  # it was sent again and stays locked
                else:
                    self._tell(total, elsewhere, reply)

    def _take(self, flight: _Flight, sent: object) -> str | None:
        """Keep the result of a trial, or send it again; what became of it, or None if it was sent again."""
        key = flight.request.key
        try:
            answer = accept(self._pool.answer(sent), key)
        except Lost as lost:
            if flight.again < RETRIES:
                flight.again += 1
                self._send(flight)
                return None
            self._report.lost[key] = f"{flight.trial} was lost {RETRIES + 1} times ({lost})"
            return f"{flight.trial}: lost"
        if isinstance(answer, Refused):
            raise ReproError(answer.problem, answer.remedy)
        if isinstance(answer, Failed):
            self._report.failed[key] = answer
            return answer.problem
        self._cache.put(key, answer.payload)
        self._report.computed.append(key)
        return f"{flight.trial}: done"

    def _tell(self, total: int, elsewhere: int, last: str = "") -> None:
        report = self._report
        done = len(report.computed) + len(report.found)
        failed = len(report.failed) + len(report.lost)
        self._say(Progress(done, total, len(self._flying), elsewhere, failed, last))
