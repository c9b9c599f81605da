"""A revision with its claims and an implementation, judged by its own code in a process of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from harness.gate import protocol
from harness.gate.baseline import BaselineEntry
from repro.errors import ReproError, Unavailable
from repro.paths import cache_dir, data_dirs
from repro.record.record import Record, decode

REPLIES = msgspec.json.Decoder(protocol.Reply)
INSTEAD = "Compare with a later revision, or with a baseline file: --baseline FILE, no --against, no --changed-since."
AnyReply = TypeVar("AnyReply", bound=protocol.Reply)


class TrialCrashed(ReproError):
    """A trial raised, or the process that ran it died."""


class RevisionProcess(contextlib.AbstractContextManager["RevisionProcess"]):
    """Judges claims of a revision in a child process, which is started when it is first asked.

    The child runs the worker of the revision itself, where its checkout holds this software; a project that only has
    claims and references is judged by the software that is installed. `label` is what messages call the revision; the
    project's root is absolute.
    """

    def __init__(self, label: str, project: protocol.OpenProject) -> None:
        self.label = label
        self._project = project
        self._records: list[str] = []
        self._child: subprocess.Popen[bytes] | None = None

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def records(self) -> list[Record]:
        """The records of claims that were judged at their own seeds."""
        return [decode(record.encode()) for record in self._records]

    def close(self) -> None:
        """End the child process."""
        if self._child is not None:
            _end(self._child)
            self._child = None

    def claims(self, *, keys: bool = False) -> dict[str, protocol.ClaimInfo]:
        """The claims that this revision answers, by id.

        Raises:
            ReproError: if its claims cannot be read, or it does not speak this version of the protocol.
        """
        reply = self._ask(protocol.DescribeClaims(keys=keys), protocol.ClaimList)
        return {info.id: info for info in reply.claims}

    def judge(self, claim: str, seeds: Sequence[int] | None = None) -> BaselineEntry:
        """Judge a claim; trials come from the cache where they can.

        Raises:
            Unavailable: if this machine lacks what the claim needs.
            TrialCrashed: if a trial raised, or the process died.
            ReproError: if the implementation is refused before any trial.
        """
        reply = self._ask(
            protocol.JudgeClaim(claim=claim, seeds=None if seeds is None else tuple(seeds)), protocol.JudgedClaim
        )
        if seeds is None:
            self._records.append(reply.record)
        return reply.entry

    def run_cost(self, claim: str, arm: int, seed: int) -> protocol.RunCost:
        """Run an arm in a fresh process, uncached, and meter it warm.

        Raises:
            ReproError: as `judge`.
        """
        child = self._start()
        try:
            return self._exchange(child, protocol.TimeArm(claim=claim, arm=arm, seed=seed), protocol.RunCost)
        finally:
            _end(child)

    def _ask(self, request: protocol.Request, expected: type[AnyReply]) -> AnyReply:
        if self._child is None:
            self._child = self._start()
        try:
            return self._exchange(self._child, request, expected)
        except TrialCrashed:
            if self._child.poll() is not None:
                self.close()  # the next request starts another
            raise

    def _start(self) -> subprocess.Popen[bytes]:
        """A worker that has opened the project."""
        root = Path(self._project.root)
        worker = root.joinpath(*protocol.WORKER.split(".")).with_suffix(".py")
        if (root / "repro" / "__init__.py").is_file() and not worker.is_file():
            raise ReproError(f"{self.label} is from before the gate's protocol, so it cannot judge itself", INSTEAD)
        places = [str(root), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        own = {"PYTHONPATH": os.pathsep.join(filter(None, places)), "REPRO_CACHE": str(cache_dir())}
        if len(data_dirs()) > 1:
            own["REPRO_DATA"] = str(data_dirs()[0])
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", protocol.WORKER],
            cwd=root,
            env=os.environ | own,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            self._greet(child)
            self._exchange(child, self._project, protocol.ProjectOpened)
        except BaseException:
            _end(child)
            raise
        return child

    def _greet(self, child: subprocess.Popen[bytes]) -> None:
        """Read the worker's hello and check its version."""
        assert child.stdout is not None
        line = child.stdout.readline()
        try:
            hello = msgspec.json.decode(line, type=protocol.Hello)
        except msgspec.DecodeError as error:
            did = f"wrote {line[:80].decode(errors='replace').rstrip()!r}" if line else f"died ({_exit(child)})"
            problem = f"The process of {self.label} {did} where the gate's protocol begins with a hello"
            raise ReproError(problem, f"What it printed is above; it may be older. {INSTEAD}") from error
        if hello.protocol != protocol.VERSION:
            versions = f"version {hello.protocol} of the gate's protocol, this software {protocol.VERSION}"
            raise ReproError(f"{self.label} speaks {versions}", INSTEAD)

    def _exchange(
        self, child: subprocess.Popen[bytes], request: protocol.Request, expected: type[AnyReply]
    ) -> AnyReply:
        """Send a request and read its reply."""
        assert child.stdin is not None
        assert child.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it died; reading says how
            child.stdin.write(msgspec.json.encode(request) + b"\n")
            child.stdin.flush()
        line = child.stdout.readline()
        if not line:
            about = getattr(request, "claim", "its claims")
            problem = f"The process of {self.label} died ({_exit(child)}) when it was asked for {about}"
            raise TrialCrashed(problem, "Its last words are above.")
        try:
            reply = REPLIES.decode(line)
        except msgspec.DecodeError as error:
            raise ReproError(f"A reply of {self.label} cannot be read: {error}", INSTEAD) from error
        if isinstance(reply, protocol.Failure):
            kinds = {"unavailable": Unavailable, "crashed": TrialCrashed, "refused": ReproError}
            raise kinds[reply.kind](reply.problem, reply.remedy)
        if not isinstance(reply, expected):
            problem = f"{self.label} replied with {type(reply).__name__}, not with {expected.__name__}"
            raise ReproError(problem, INSTEAD)
        return reply


def _exit(child: subprocess.Popen[bytes]) -> str:
    code = child.wait()
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _end(child: subprocess.Popen[bytes]) -> None:
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
