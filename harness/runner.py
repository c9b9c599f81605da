"""Answers a gate's questions about one revision, in a process of its own: judge a claim, list claims, time an arm.

The gate runs this file by its path, with the revision to be asked first on the path of imports; what it imports is that
revision's `repro`, and nothing else of the gate. Questions are lines of JSON on stdin, answers on what was stdout.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import msgspec

from repro import data, implementation
from repro.cache import Cache
from repro.catalogue import Catalogue
from repro.claim import Claim, arms_of
from repro.errors import ReproError, Unavailable
from repro.implementation import Implementation
from repro.paths import cache_dir
from repro.publish import record_of
from repro.record import encode
from repro.suite import Suite, resolve_device
from repro.task import Device
from repro.trial import Trial, TrialFailed

SHORTEST_S = 0.3  # a trial that takes less is timed over several
MOST = 40  # times


class Runner:
    """Knows the claims of one root and what is to be judged on them."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.root = Path(options["root"])
        self.path = Path(options["implementation"]) if options["implementation"] else None
        self.trusted, self.salt = bool(options["trusted"]), str(options["salt"])
        self.device: Device = resolve_device(options["device"])
        self.suite = Suite(Cache(cache_dir() / "trials"), self.device)
        self.catalogue = Catalogue(self.root)
        self.claims = {claim.id: claim for claim in self.catalogue.claims}
        self._loaded: dict[str, Implementation] = {}

    def describe(self, keys: bool) -> dict[str, Any]:
        """Facts about every claim that is answered; with `keys`, also what its trials rest on."""
        answered = self.claims.values()
        if self.path is not None:
            from harness import folder

            known = {claim.id for claim in folder.read(self.path, self.root).claims}
            answered = [claim for claim in answered if claim.id in known]
        found = list(answered)
        timed = {self._timed(found, paper) for paper in {claim.paper.key for claim in found}}
        return {"claims": [self._facts(claim, keys) | {"timed": claim.id in timed} for claim in found]}

    def _timed(self, claims: list[Claim], paper: str) -> str:
        """The claim of a paper whose first arm is timed: the one its contract names, or else the first that can be."""
        contract = getattr(self.catalogue.modules[paper], "CONTRACT", None)
        first = "" if contract is None else contract.timed
        able = [c for c in claims if c.paper.key == paper and c.statistical and c.tier == "cpu" and _here(c)]
        return next((claim.id for claim in sorted(able, key=lambda claim: claim.name != first)), "")

    def _facts(self, claim: Claim, keys: bool) -> dict[str, Any]:
        code = claim.body.__code__
        return {
            "id": claim.id,
            "digest": claim.digest(),
            "tier": claim.tier,
            "evidence": claim.evidence,
            "seeds": claim.seeds,
            "criterion": msgspec.to_builtins(claim.criterion),
            "finding": claim.finding,
            "file": str(Path(code.co_filename).resolve().relative_to(self.root.resolve())),
            "line": code.co_firstlineno,
            "keys": self._keys(claim) if keys else [],
        }

    def _keys(self, claim: Claim) -> list[str]:
        """The keys of the claim's trials at its first seed; none where its data are not here."""
        try:
            loaded = self._implementation(claim.paper.key)
            return sorted(Trial(arm, loaded, 0, self.device).key for arm in arms_of(claim.draws()))
        except Unavailable:
            return []

    def judge(self, claim: str, seeds: list[int] | None) -> dict[str, Any]:
        """The record of a claim, at its own seeds or the given ones."""
        found = self.claims[claim]
        judged = self.suite.judge(found, self._implementation(found.paper.key), seeds)
        return {"record": encode(record_of(judged, [], self.device, self.root)).decode()}

    def time(self, claim: str, arm: int, seed: int) -> dict[str, Any]:
        """What one arm costs once it is warm: seconds, bytes, joules."""
        found = self.claims[claim]
        chosen = arms_of(found.draws())[arm]
        trial = Trial(chosen, self._implementation(found.paper.key), seed, self.device)
        first = trial.run().usage  # compiles, imports, fills caches; its memory counts, its time does not
        runs = [trial.run().usage]
        while sum(run.wall_s for run in runs) < SHORTEST_S and len(runs) < MOST:
            runs.append(trial.run().usage)
        joules = [run.energy_j for run in runs if run.energy_j is not None]
        return {
            "seconds": sum(run.wall_s for run in runs) / len(runs),
            "bytes": float(max(run.gpu_peak_bytes or run.peak_rss_bytes for run in (first, *runs))),
            "joules": sum(joules) / len(runs) if len(joules) == len(runs) else None,
            "method": runs[-1].energy_method,
            "arm": chosen.label,
        }

    def _implementation(self, paper: str) -> Implementation:
        if paper not in self._loaded:
            if self.path is None:
                self._loaded[paper] = implementation.reference(paper, self.root)
            else:
                from harness import dossier

                say = lambda audit: None  # noqa: E731
                found = dossier.load(self.path, self.root, trusted=self.trusted, salt=self.salt, say=say)
                self._loaded[paper] = found
        return self._loaded[paper]


def _here(claim: Claim) -> bool:
    return all(arm.data is None or data.available(arm.data) for arm in arms_of(claim.draws()))


def answer(runner: Runner, question: dict[str, Any]) -> dict[str, Any]:
    """The answer to one question; what goes wrong is an answer too."""
    kind = question.pop("do")
    try:
        return {"describe": runner.describe, "judge": runner.judge, "time": runner.time}[kind](**question)
    except Unavailable as error:
        return {"failed": "unavailable", "problem": error.problem, "remedy": error.remedy}
    except TrialFailed as error:
        traceback.print_exc()
        return {"failed": "crashed", "problem": error.problem, "remedy": ""}
    except ReproError as error:
        return {"failed": "refused", "problem": error.problem, "remedy": error.remedy}


def main() -> None:
    """Answer until stdin ends. What trials print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    try:
        runner = Runner(json.loads(sys.argv[1]))
    except ReproError as error:
        answers.write(json.dumps({"failed": "refused", "problem": error.problem, "remedy": error.remedy}) + "\n")
        return
    answers.write(json.dumps({"ready": True}) + "\n")
    for line in sys.stdin:
        answers.write(json.dumps(answer(runner, json.loads(line))) + "\n")


if __name__ == "__main__":
    main()
