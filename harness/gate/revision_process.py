"""One side of a gate: a revision with its claims and an implementation, asked through a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from harness.baseline import Entry, entry_of
from repro.criterion import Criterion
from repro.errors import ReproError, Unavailable
from repro.paths import cache_dir, data_dirs
from repro.record import Record, decode
from repro.verdict import Evidence

RUNNER = Path(__file__).with_name("runner.py")


class Crashed(ReproError):
    """A trial raised, or its process died."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a side says of a claim without running it.

    Attributes:
        seeds: the claim's own number.
        file: where it is stated, relative to the root.
        timed: whether it is the one of its paper that is timed.
        keys: of its trials at the first seed; they differ where anything differs that can change a result.
    """

    id: str
    digest: str
    tier: str
    evidence: Evidence
    seeds: int
    criterion: Criterion
    finding: bool
    file: str
    line: int
    timed: bool = False
    keys: tuple[str, ...] = ()


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What one run of an arm cost."""

    seconds: float
    bytes: float
    joules: float | None
    method: str
    arm: str


class Judge(Protocol):
    """What a gate asks of each side."""

    def facts(self, *, keys: bool = False) -> dict[str, Facts]:
        """The claims, by id."""
        ...

    def judge(self, claim: str, seeds: Sequence[int] | None = None) -> Entry:
        """A claim judged at its own seeds, or at the given ones."""
        ...

    def spent(self, claim: str, arm: int, seed: int) -> Spent:
        """What an arm costs, in a fresh process."""
        ...


class Side:
    """Judges claims of a root in a child process, which is started when it is first asked.

    Args:
        label: what messages call it.
        root: the folder that has claims/.
        implementation: a submission's folder; None for the references below the root.
        device: "auto", "cpu", "cuda" or "mps".
        trusted: run the submission without a jail.
        salt: derive the submission's seeds from this text as well.
    """

    def __init__(
        self,
        label: str,
        root: Path,
        implementation: Path | None = None,
        *,
        device: str = "auto",
        trusted: bool = False,
        salt: str = "",
    ) -> None:
        self.label = label
        self.root = root
        self.records: list[Record] = []  # of claims at their own seeds
        self._options = {
            "root": str(root),
            "implementation": str(implementation) if implementation else None,
            "device": device,
            "trusted": trusted,
            "salt": salt,
        }
        self._child: subprocess.Popen[str] | None = None

    def __enter__(self) -> Side:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child process."""
        if self._child is not None:
            _end(self._child)
            self._child = None

    def facts(self, *, keys: bool = False) -> dict[str, Facts]:
        """The claims that this side answers, by id.

        Raises:
            ReproError: if its claims cannot be read.
        """
        answer = self._ask({"do": "describe", "keys": keys})
        return {facts.id: facts for facts in msgspec.convert(answer["claims"], list[Facts], strict=False)}

    def judge(self, claim: str, seeds: Sequence[int] | None = None) -> Entry:
        """Judge a claim; trials come from the cache where they can.

        Raises:
            Unavailable: if this machine lacks what the claim needs.
            Crashed: if a trial raised, or the process died.
            ReproError: if the implementation is refused before any trial.
        """
        answer = self._ask({"do": "judge", "claim": claim, "seeds": None if seeds is None else list(seeds)})
        record = decode(answer["record"].encode())
        if seeds is None:
            self.records.append(record)
        return entry_of(record)

    def spent(self, claim: str, arm: int, seed: int) -> Spent:
        """Run an arm in a fresh process, uncached, and meter it warm.

        Raises:
            ReproError: as `judge`.
        """
        with self._started() as child:
            answer = self._answer(child, {"do": "time", "claim": claim, "arm": arm, "seed": seed})
        return msgspec.convert(answer, Spent)

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        if self._child is None:
            self._child = self._start()
        try:
            return self._answer(self._child, question)
        except Crashed:
            if self._child.poll() is not None:
                self._child = None  # the next question starts another
            raise

    @contextlib.contextmanager
    def _started(self) -> Iterator[subprocess.Popen[str]]:
        child = self._start()
        try:
            yield child
        finally:
            _end(child)

    def _start(self) -> subprocess.Popen[str]:
        places = [str(self.root), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        own = {"PYTHONPATH": os.pathsep.join(filter(None, places)), "REPRO_CACHE": str(cache_dir())}
        if len(data_dirs()) > 1:
            own["REPRO_DATA"] = str(data_dirs()[0])
        child = subprocess.Popen(
            [sys.executable, "-P", str(RUNNER), json.dumps(self._options)],
            cwd=self.root,
            env=os.environ | own,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            self._read(child, "started")
        except ReproError:
            _end(child)
            raise
        return child

    def _answer(self, child: subprocess.Popen[str], question: dict[str, Any]) -> dict[str, Any]:
        assert child.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died; reading says how
            child.stdin.write(json.dumps(question) + "\n")
            child.stdin.flush()
        return self._read(child, f"was asked for {question.get('claim', 'its claims')}")

    def _read(self, child: subprocess.Popen[str], when: str) -> dict[str, Any]:
        assert child.stdout is not None
        line = child.stdout.readline()
        if not line:
            code = child.wait()
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise Crashed(f"The process of {self.label} died ({how}) when it {when}", "Its last words are above.")
        answer = json.loads(line)
        kinds = {"unavailable": Unavailable, "crashed": Crashed, "refused": ReproError}
        if "failed" in answer:
            raise kinds[answer["failed"]](answer["problem"], answer["remedy"])
        return answer


def _end(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    assert child.stdout is not None
    with contextlib.suppress(BrokenPipeError, OSError):
        child.stdin.close()
    try:
        child.wait(timeout=5)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    child.stdout.close()
