"""The gate's protocol: what it and the worker of a revision say to each other, one JSON message a line over pipes.

Each revision judges itself: its worker (`python -m harness.gate.judge_worker`) imports that revision's code and nothing
of the gate that asks. The worker says `hello` with its version; the gate answers a version that it knows with `open`,
and then sends requests, each of which gets one reply. docs/gate.md shows a whole exchange.

A reader skips fields that it does not know, so an optional field can be added to a message, or to an entry of a
baseline, without a new version. Any other change raises `VERSION`. The module's name and the form of `hello` stay.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from harness.gate.baseline import BaselineEntry
from repro.criterion.verdict import Evidence

VERSION = 1
WORKER = "harness.gate.judge_worker"

Worse = Literal["up", "down", "either", "neither"]
"""Which way a measurement gets worse."""


class SampleRole(msgspec.Struct, frozen=True, kw_only=True):
    """What a claim's criterion says of one of the samples that it judges.

    Attributes:
        worse: which way the sample gets worse, where the criterion bounds or fixes its value.
        weakens: which way it weakens the claim, where the criterion compares it with another sample.
        log: whether values are compared by their ratios.
        exact: whether it is judged without statistics: its violations are counted, its values not compared.
        clocked: whether it depends on the speed of the machine: the verdict on it counts, its values are not compared.
    """

    worse: Worse = "neither"
    weakens: Worse = "neither"
    log: bool = False
    exact: bool = False
    clocked: bool = False


class ClaimInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a revision says of a claim without running it.

    Attributes:
        seeds: the claim's own number.
        roles: of its samples, in the order in which the claim returns them.
        known_refutation: whether the claim is known not to hold.
        file: where it is stated, relative to the root.
        timed: whether it is the one of its paper that is timed.
        keys: of its trials at the first seed; they differ where anything differs that can change a result.
    """

    id: str
    digest: str
    tier: str
    evidence: Evidence
    seeds: int
    statistical: bool
    roles: tuple[SampleRole, ...]
    known_refutation: bool
    file: str
    line: int
    timed: bool = False
    keys: tuple[str, ...] = ()


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="message"):
    """One line, whose field "message" says which."""


class Hello(Message, frozen=True, kw_only=True, tag="hello"):
    """The worker's first line."""

    protocol: int


class OpenProject(Message, frozen=True, kw_only=True, tag="open"):
    """What the worker is to judge; it answers with `ProjectOpened`.

    Attributes:
        root: the folder that has claims/.
        implementation: a submission's folder; None for the references below the root.
        device: "auto", "cpu", "cuda" or "mps".
        trusted: run the submission without a jail.
        salt: derive the submission's seeds from this text as well.
    """

    root: str
    implementation: str | None = None
    device: str = "auto"
    trusted: bool = False
    salt: str = ""


class ProjectOpened(Message, frozen=True, kw_only=True, tag="opened"):
    """The claims could be read."""


class DescribeClaims(Message, frozen=True, kw_only=True, tag="describe"):
    """Asks for a `ClaimList`; with `keys`, also for what each claim's trials rest on."""

    keys: bool = False


class ClaimList(Message, frozen=True, kw_only=True, tag="claims"):
    """The claims that the revision answers."""

    claims: tuple[ClaimInfo, ...]


class JudgeClaim(Message, frozen=True, kw_only=True, tag="judge"):
    """Asks for a claim's verdict, at its own seeds or the given ones; the reply is `JudgedClaim`."""

    claim: str
    seeds: tuple[int, ...] | None = None


class JudgedClaim(Message, frozen=True, kw_only=True, tag="judged"):
    """A judged claim: its verdict and values, and the record in the revision's own format."""

    entry: BaselineEntry
    record: str


class TimeArm(Message, frozen=True, kw_only=True, tag="time"):
    """Asks what one arm of a claim costs at a seed, uncached; the reply is `RunCost`."""

    claim: str
    arm: int
    seed: int


class RunCost(Message, frozen=True, kw_only=True, tag="cost"):
    """What one run of an arm cost once it was warm.

    Attributes:
        seconds: of wall time.
        bytes: peak memory.
        joules: None where energy cannot be measured.
        method: how energy was measured, or why not.
        arm: the arm's label.
    """

    seconds: float
    bytes: float
    joules: float | None
    method: str
    arm: str


class Failure(Message, frozen=True, kw_only=True, tag="failed"):
    """A request that could not be answered.

    Attributes:
        kind: "unavailable" if this machine lacks something, "crashed" if a trial raised, "refused" for all else.
    """

    kind: Literal["unavailable", "crashed", "refused"]
    problem: str
    remedy: str = ""


Request = OpenProject | DescribeClaims | JudgeClaim | TimeArm
Reply = Hello | ProjectOpened | ClaimList | JudgedClaim | RunCost | Failure
