"""Answers a gate's requests about its own revision: lists claims, judges them, times an arm.

The gate starts this module with the revision's checkout first on the path of imports. Messages are those of
`harness.gate.protocol`: requests come on stdin, replies go to what was stdout.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

import msgspec

from harness.gate import protocol
from harness.gate.baseline import entry_of
from harness.gate.metric_direction import sample_roles
from harness.submission import folder
from harness.submission.costs import timed_claim
from harness.submission.submission import Submission
from repro.claim.catalogue import Catalogue
from repro.claim.claim import Claim, arms_of
from repro.claim.contract import Contract
from repro.errors import ReproError, Unavailable
from repro.paths import cache_dir
from repro.record.record import encode
from repro.task import Device
from repro.trial import implementation
from repro.trial.cache import Cache
from repro.trial.implementation import LoadedImplementation
from repro.trial.judge import Suite, resolve_device
from repro.trial.recording import record_of
from repro.trial.trial import Trial, TrialFailed

SHORTEST_S = 0.3  # a trial that takes less is timed over several
MAX_RUNS = 40  # of a trial that is timed


class ProjectJudge:
    """Knows the claims of one root and what is to be judged on them."""

    def __init__(self, options: protocol.OpenProject) -> None:
        self.root = Path(options.root)
        self.path = Path(options.implementation) if options.implementation else None
        self.trusted, self.salt = options.trusted, options.salt
        self.device: Device = resolve_device(options.device)
        self.suite = Suite(Cache(cache_dir() / "trials"), self.device)
        self.catalogue = Catalogue(self.root)
        self.claims = {claim.id: claim for claim in self.catalogue.claims}
        self._loaded: dict[str, LoadedImplementation] = {}

    def answer(self, request: protocol.Request) -> protocol.Reply:
        """The reply to a request; what goes wrong is a reply too."""
        try:
            match request:
                case protocol.DescribeClaims():
                    return self.describe(keys=request.keys)
                case protocol.JudgeClaim():
                    return self.judge(request)
                case protocol.TimeArm():
                    return self.time(request)
                case protocol.OpenProject():
                    return protocol.ProjectOpened()
        except Unavailable as error:
            return protocol.Failure(kind="unavailable", problem=error.problem, remedy=error.remedy)
        except TrialFailed as error:
            traceback.print_exc()
            return protocol.Failure(kind="crashed", problem=error.problem)
        except ReproError as error:
            return protocol.Failure(kind="refused", problem=error.problem, remedy=error.remedy)

    def describe(self, *, keys: bool) -> protocol.ClaimList:
        """Every claim that is answered; with `keys`, also what its trials rest on."""
        answered = list(self.claims.values())
        if self.path is not None:
            known = {claim.id for claim in folder.read(self.path, self.root).claims}
            answered = [claim for claim in answered if claim.id in known]
        timed: set[str] = set()
        for paper in {claim.paper.key for claim in answered}:
            contract = self._contract(paper)
            own = [claim for claim in answered if claim.paper.key == paper]
            first = timed_claim(own, contract.timed if contract else "")
            timed |= {first.id} if first else set()
        return protocol.ClaimList(
            claims=tuple(self._info(claim, keys=keys, timed=claim.id in timed) for claim in answered)
        )

    def _contract(self, paper: str) -> Contract | None:
        return getattr(self.catalogue.modules[paper], "CONTRACT", None)

    def _info(self, claim: Claim, *, keys: bool, timed: bool) -> protocol.ClaimInfo:
        code, same = claim.body.__code__, ("id", "tier", "evidence", "seeds", "statistical", "known_refutation")
        return protocol.ClaimInfo(
            **{name: getattr(claim, name) for name in same},
            digest=claim.digest(),
            roles=sample_roles(claim, self._contract(claim.paper.key)),
            file=str(Path(code.co_filename).resolve().relative_to(self.root.resolve())),
            line=code.co_firstlineno,
            timed=timed,
            keys=self._keys(claim) if keys else (),
        )

    def _keys(self, claim: Claim) -> tuple[str, ...]:
        """The keys of the claim's trials at its first seed; none where its data are not here."""
        try:
            loaded = self._implementation(claim.paper.key)
            return tuple(sorted(Trial(arm, loaded, 0, self.device).key for arm in arms_of(claim.measurements())))
        except Unavailable:
            return ()

    def judge(self, request: protocol.JudgeClaim) -> protocol.JudgedClaim:
        """A claim judged at its own seeds or the given ones; trials come from the cache where they can."""
        claim = self.claims[request.claim]
        judged = self.suite.judge(claim, self._implementation(claim.paper.key), request.seeds)
        record = record_of(judged, [], self.device, self.root)
        return protocol.JudgedClaim(entry=entry_of(record), record=encode(record).decode())

    def time(self, request: protocol.TimeArm) -> protocol.RunCost:
        """What one arm costs once it is warm."""
        claim = self.claims[request.claim]
        arm = arms_of(claim.measurements())[request.arm]
        trial = Trial(arm, self._implementation(claim.paper.key), request.seed, self.device)
        first = trial.run().usage  # compiles, imports, fills caches; its memory counts, its time does not
        runs = [trial.run().usage]
        while sum(run.wall_s for run in runs) < SHORTEST_S and len(runs) < MAX_RUNS:
            runs.append(trial.run().usage)
        joules = [run.energy_j for run in runs if run.energy_j is not None]
        return protocol.RunCost(
            seconds=sum(run.wall_s for run in runs) / len(runs),
            bytes=float(max(run.gpu_peak_bytes or run.peak_rss_bytes for run in (first, *runs))),
            joules=sum(joules) / len(runs) if len(joules) == len(runs) else None,
            method=runs[-1].energy_method,
            arm=arm.label,
        )

    def _implementation(self, paper: str) -> LoadedImplementation:
        if paper not in self._loaded:
            if self.path is None:
                self._loaded[paper] = implementation.reference(paper, self.root)
            else:
                found = Submission.at(self.path, self.root, trusted=self.trusted, salt=self.salt)
                self._loaded[paper] = found.audited()
        return self._loaded[paper]


def main() -> None:
    """Answer until stdin ends. What trials print goes to stderr."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def reply(message: protocol.Reply) -> None:
        replies.write(msgspec.json.encode(message) + b"\n")
        replies.flush()

    requests = msgspec.json.Decoder(protocol.Request)
    reply(protocol.Hello(protocol=protocol.VERSION))
    judge: ProjectJudge | None = None
    for line in sys.stdin.buffer:
        request = requests.decode(line)
        try:
            if judge is None:
                assert isinstance(request, protocol.OpenProject), "the first request opens the project"
                judge = ProjectJudge(request)
        except ReproError as error:
            reply(protocol.Failure(kind="refused", problem=error.problem, remedy=error.remedy))
            return
        reply(judge.answer(request))


if __name__ == "__main__":
    main()
