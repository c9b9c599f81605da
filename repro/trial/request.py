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

from repro import implementation
from repro.cache import Cache
from repro.catalogue import Catalogue
from repro.claim import Claim, arms_of
from repro.errors import ReproError, unknown
from repro.implementation import Implementation
from repro.paths import project_root
from repro.source import digest
from repro.task import Device
from repro.trial import Trial, compute

SOURCES = {
    "experiment": "the source of the experiment",
    "determinism": "the source of the determinism settings",
    "implementation": "the source of the implementation",
    "data": "the dataset",
    "device": "the class of the device",
    "format": "the format of the cache",
}


class Errand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One trial, by names that mean the same in every copy of a project.

    Attributes:
        key: of the trial, where the errand was made: sha256 of everything that can change its result.
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
    """The entry to be kept in the cache, as `repro.trial.compute` writes it."""

    payload: dict[str, Any]


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The implementation or the experiment raised: as it would anywhere."""

    problem: str
    remedy: str


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The other side is not the same environment, and has computed nothing."""

    problem: str
    remedy: str


Answer = Done | Failed | Refused


def trial_of(errand: Errand, root: Path) -> Trial:
    """The trial that an errand names, in the project at `root`.

    Raises:
        ReproError: if that project has no such claim, implementation or arm.
    """
    claim = _claim(errand.claim, root)
    arms = arms_of(claim.draws())
    if errand.arm not in range(len(arms)):
        raise unknown(f"arm of {claim.id}", str(errand.arm), map(str, range(len(arms))))
    found = _implementation(errand.kind, claim.paper.key, errand.implementation, root)
    return Trial(arms[errand.arm], found, errand.seed, errand.device)


def perform(errand: bytes, facts: bytes) -> bytes:
    """What a worker does: compute one trial in the project that it stands in. All arguments and results are JSON.

    Args:
        errand: the trial, by name.
        facts: of the trial (`repro.trial.Trial.facts`) where the errand was made.

    Returns:
        An `Answer`.
    """
    return msgspec.json.encode(_answer(msgspec.json.decode(errand, type=Errand), msgspec.json.decode(facts)))


def accept(answer: bytes, key: str) -> Answer:
    """The answer to an errand; a result is checked once more to be of the trial with this key.

    Raises:
        ReproError: if the result is of another trial.
    """
    found = msgspec.json.decode(answer, type=Answer)
    if isinstance(found, Done) and _key(found.payload.get("facts")) != key:
        raise ReproError("A worker returned the result of another trial than it was sent", "Nothing was kept of it.")
    return found


def _answer(errand: Errand, facts: dict[str, Any]) -> Answer:
    here = socket.gethostname()
    try:
        trial = trial_of(errand, project_root())
        own = msgspec.json.decode(msgspec.json.encode(trial.facts))
    except ReproError as error:
        return Refused(f"The worker on {here} cannot run trials of {errand.claim}: {error.problem}", error.remedy)
    if trial.key != errand.key:
        differs = "; ".join(differences(facts, own)) or "the way in which keys are made"
        return Refused(
            f"The worker on {here} is another environment, so its results would not be comparable: {differs}",
            "Install the same versions there (pip install -c constraints.txt), or leave that machine out.",
        )
    with TemporaryDirectory(prefix="repro-errand-") as folder:
        cache = Cache(Path(folder))
        try:
            compute(trial, cache, wait=0.0)
        except ReproError as error:
            return Failed(error.problem, error.remedy)
        return Done(json.loads(cache.path(trial.key).read_bytes())["payload"])


def differences(asked: dict[str, Any], own: dict[str, Any]) -> list[str]:
    """What differs between the facts of a trial as it was asked for and as it is here, each in words."""
    found = []
    for name in sorted(asked.keys() | own.keys()):
        one, other = asked.get(name), own.get(name)
        if one == other:
            continue
        if isinstance(one, dict) and isinstance(other, dict):
            found += [f"{name} {inner}" for inner in differences(one, other)]
        elif name in ("experiment", "determinism", "implementation", "data"):
            found.append(f"{SOURCES[name]} differs")  # hashes tell a reader nothing
        else:
            found.append(f"{SOURCES.get(name, name)} is {json.dumps(other)} there and {json.dumps(one)} here")
    return found


def _key(facts: Any) -> str:
    return digest(msgspec.json.encode(facts, order="deterministic").decode())


@cache
def _claims(root: Path) -> dict[str, Claim]:
    return {claim.id: claim for claim in Catalogue(root).claims}


def _claim(name: str, root: Path) -> Claim:
    claims = _claims(root)
    if name not in claims:
        raise unknown("claim", name, claims)
    return claims[name]


@cache
def _implementation(kind: str, paper: str, name: str, root: Path) -> Implementation:
    if kind == "reference":
        return implementation.reference(paper, root)
    return implementation.control(paper, name, root)
