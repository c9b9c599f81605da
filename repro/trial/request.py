"""Trials by name: how one crosses to another process or machine, and how its result comes back.

No code crosses with it. The other side finds the claim, the implementation and the arm in its own copy of the project,
works out the trial's key again, and computes only if it is the same key: what comes from another source, another
version of a library, other data or another class of device never enters a cache.
"""

from __future__ import annotations

import json
import socket
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import msgspec

from repro.claim.catalogue import Catalogue
from repro.claim.claim import Claim, arms_of
from repro.code_digest import json_digest
from repro.errors import ReproError, unknown
from repro.paths import project_root
from repro.task import Device
from repro.trial import implementation
from repro.trial.cache import Cache
from repro.trial.implementation import LoadedImplementation
from repro.trial.trial import Trial, compute

SOURCES = {
    "experiment": "the source of the experiment",
    "determinism": "the source of the determinism settings",
    "implementation": "the source of the implementation",
    "data": "the dataset",
    "device": "the class of the device",
    "format": "the format of the cache",
}


class TrialRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One trial, by names that mean the same in every copy of a project.

    Attributes:
        key: of the trial, where the request was made: sha256 of everything that can change its result.
        claim: id of a claim that needs it.
        implementation: the control's name, or "reference".
        arm: index of the claim's arm, from 0 in the order of its body.
    """

    key: str
    claim: str
    kind: Literal["reference", "control"]
    implementation: str
    arm: int
    seed: int
    device: Device


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The entry to be kept in the cache, as `repro.trial.trial.compute` writes it."""

    payload: dict[str, Any]


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The implementation or the experiment raised: as it would anywhere."""

    problem: str
    remedy: str


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The other side is not the same environment, and has computed nothing."""

    problem: str
    remedy: str


TrialReply = Done | Failed | Refused


def trial_of(request: TrialRequest, root: Path) -> Trial:
    """The trial that a request names, in the project at `root`.

    Raises:
        ReproError: if that project has no such claim, implementation or arm.
    """
    claims = _claims(root)
    if request.claim not in claims:
        raise unknown("claim", request.claim, claims)
    claim = claims[request.claim]
    arms = arms_of(claim.measurements())
    if request.arm not in range(len(arms)):
        raise unknown(f"arm of {claim.id}", str(request.arm), map(str, range(len(arms))))
    found = _implementation(request.kind, claim.paper.key, request.implementation, root)
    return Trial(arms[request.arm], found, request.seed, request.device)


def perform(request: bytes, facts: bytes) -> bytes:
    """What a worker does: compute one trial in the project that it stands in. All arguments and results are JSON.

    `request` is a `TrialRequest`, `facts` are the trial's `key_inputs` where it was made; the result is a `TrialReply`.
    """
    return msgspec.json.encode(_answer(msgspec.json.decode(request, type=TrialRequest), msgspec.json.decode(facts)))


def accept(answer: bytes, key: str) -> TrialReply:
    """The answer to a request; a result is checked once more to be of the trial with this key.

    Raises:
        ReproError: if the result is of another trial.
    """
    found = msgspec.json.decode(answer, type=TrialReply)
    if isinstance(found, Done) and json_digest(found.payload.get("facts")) != key:
        raise ReproError("A worker returned the result of another trial than it was sent", "Nothing was kept of it.")
    return found


def _answer(request: TrialRequest, facts: dict[str, Any]) -> TrialReply:
    here = socket.gethostname()
    try:
        trial = trial_of(request, project_root())
        own = msgspec.json.decode(msgspec.json.encode(trial.key_inputs))
    except ReproError as error:
        return Refused(f"The worker on {here} cannot run trials of {request.claim}: {error.problem}", error.remedy)
    if trial.key != request.key:
        differs = "; ".join(differences(facts, own)) or "the way in which keys are made"
        return Refused(
            f"The worker on {here} is another environment, so its results would not be comparable: {differs}",
            "Install the same versions there (pip install -c constraints.txt), or leave that machine out.",
        )
    with TemporaryDirectory(prefix="repro-trial-") as folder:
        cache = Cache(Path(folder))
        try:
            compute(trial, cache, wait=0.0)
        except ReproError as error:
            return Failed(error.problem, error.remedy)
        return Done(json.loads(cache.path(trial.key).read_bytes())["payload"])


def differences(asked: dict[str, Any], own: dict[str, Any]) -> list[str]:
    """What differs between the facts of a trial as it was asked for and as it is here, each in words."""
    words = []
    for name in sorted(name for name in asked.keys() | own.keys() if asked.get(name) != own.get(name)):
        here, there = asked.get(name), own.get(name)
        if isinstance(here, dict) and isinstance(there, dict):
            words += [f"{name} {inner}" for inner in differences(here, there)]
        elif name in ("experiment", "determinism", "implementation", "data"):
            words.append(f"{SOURCES[name]} differs")  # hashes tell a reader nothing
        else:
            words.append(f"{SOURCES.get(name, name)} is {json.dumps(there)} there and {json.dumps(here)} here")
    return words


@cache
def _claims(root: Path) -> dict[str, Claim]:
    return {claim.id: claim for claim in Catalogue(root).claims}


@cache
def _implementation(kind: str, paper: str, name: str, root: Path) -> LoadedImplementation:
    if kind == "reference":
        return implementation.reference(paper, root)
    return implementation.control(paper, name, root)
