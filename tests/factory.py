"""Records as the suite would write them, made from samples by the real criteria, for tests of what reads records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from repro.criterion.comparisons import Criterion
from repro.criterion.constructors import (
    all_of,
    at_least,
    at_most,
    higher,
    holds,
    interior_peak,
    lower,
    matches,
    power_law,
)
from repro.criterion.exhibit import ExhibitPart, axis, exhibit
from repro.criterion.measurement import Sample
from repro.criterion.verdict import Evidence, Outcome, rejects
from repro.machine.environment import Machine, Software, Source
from repro.machine.telemetry import Usage
from repro.paper import Paper, Reported
from repro.record.record import (
    ClaimPart,
    ControlPart,
    ImplementationPart,
    Ratio,
    Record,
    SubmissionPart,
    TrialPart,
    sample_part,
    seal,
)

DIGEST = "sha256:" + "d" * 64
RESNET = Paper(
    key="he2015",
    title="Deep Residual Learning for Image Recognition",
    authors=("Kaiming He", "Xiangyu Zhang", "Shaoqing Ren", "Jian Sun"),
    year=2015,
    arxiv="1512.03385v1",
    story="Very deep plain networks train worse than shallow ones; shortcuts that add the input undo that.",
)
COFFEE = Paper(
    key="aaronson2014",
    title="Quantifying the Rise and Fall of Complexity in Closed Systems: the Coffee Automaton",
    authors=("Scott Aaronson", "Sean M. Carroll", "Lauren Ouellette"),
    year=2014,
    arxiv="1405.6903v1",
    story="The abstract says that the interacting automaton becomes complex before it becomes uniform.\n\n"
    "In June 2014 the first author withdrew that: the bump came from border pixels, and a theorem forbids it.",
)
MACHINE = Machine(
    cpu="Example CPU 3000", cores=2, isa="AVX512", arch="x86_64", memory_bytes=8 << 30, os="Linux 6.1", virtual=True
)
SOFTWARE = Software(
    repro="0.1.0", python="3.11.7", torch="2.13.0", numpy="2.4.6", scipy="1.17.1", numba="0.63.0", threads=1
)
USAGE = Usage(
    wall_s=2.31, cpu_s=2.28, peak_rss_bytes=310 << 20, energy_method="none: no NVML and no readable RAPL counter"
)
SUBMISSION = SubmissionPart(
    summary="Convolutions in channels-last layout, otherwise the reference.",
    authors=("Ada Lovelace", "Charles Babbage"),
    licence="Apache-2.0",
    deviations=("Section 3.4: here batches of 64; a batch of 128 does not fit",),
    isolation="bubblewrap 0.8.0, seccomp",
    salt="9f2c41d07be35a68",
    audits=(
        "presets: all that 4 claims use are there",
        "same seed, same result: 64 outputs are equal to the last bit",
        "batch: alone or among 64, outputs differ by at most 2e-07 of their range",
    ),
    shared="9 of 12",
    costs=(
        Ratio(what="time to train", ratio=0.9312, low=0.9018, high=0.9616, pairs=5, unit="s", reference=2.41),
        Ratio(what="time to predict", ratio=1.0204, low=0.9702, high=1.0732, pairs=5, unit="s", reference=0.113),
        Ratio(what="peak memory", ratio=1.0871, low=1.0813, high=1.0929, pairs=5, unit="B", reference=325058560.0),
    ),
)


def sample(arm: str, measurement: str, unit: str, values: object, x: object = None, expected: object = None) -> Sample:
    """A sample at seeds 0, 1, ..."""
    array = np.asarray(values, dtype=float)
    return Sample(
        arm=arm,
        measurement=measurement,
        unit=unit,
        seeds=tuple(range(len(array))),
        values=array,
        x=None if x is None else np.asarray(x, dtype=float),
        x_unit="swaps" if x is not None else "",
        expected=None if expected is None else np.asarray(expected, dtype=float),
    )


DEEP = sample("plain, 56 layers", "train_error", "%", [63.0, 71.0, 58.0])
FLAT = sample("plain, 20 layers", "train_error", "%", [1.0, 0.5, 2.0])


def make_record(
    samples: Sequence[Sample],
    criterion: Criterion,
    *,
    paper: Paper = RESNET,
    name: str = "plain-degrades",
    row: str | None = None,
    version: int = 1,
    says: str = "A deeper plain network has the higher training error.",
    place: str = "Figure 6 (left)",
    evidence: Evidence = "reduced",
    tier: str = "cpu",
    reported: tuple[Reported, ...] = (),
    finding: str | None = None,
    controls: Sequence[tuple[str, str, Sequence[Sample]]] = (),
    groups: Sequence[int] = (),
    created: str = "2026-11-20T18:30:00Z",
    submission: str | None = None,
    part: SubmissionPart | None = SUBMISSION,
    division: str = "closed",
    runner: str = "self-reported",
    machine: Machine = MACHINE,
    command: str = "",
) -> Record:
    """A sealed record.

    `groups` says how many samples go to each part of a compound criterion. `part` is what a submission says of itself;
    None makes a record as they were before submissions could say anything.
    """
    verdict = criterion.judge(_grouped(samples, groups))
    parts = []
    for control, difference, drawn in controls:
        judged = criterion.judge(_grouped(drawn, groups))
        rejected = rejects(judged.status, known_refutation=finding is not None)
        parts.append(ControlPart(name=control, says=difference, rejected=rejected, verdict=judged))
    rejected = [part.rejected for part in parts]
    outcome = Outcome.of(verdict.status, evidence, known_refutation=finding is not None, rejected=rejected)
    tag = f"[{row}]" if row is not None else ""
    claim = f"{paper.key}/{name}@{version}{tag}"
    return seal(
        Record(
            created=created,
            paper=paper,
            claim=ClaimPart(
                id=claim,
                name=name,
                row=row,
                version=version,
                digest=DIGEST,
                says=says,
                place=place,
                criterion=criterion,
                reported=reported,
                tier=tier,  # type: ignore[arg-type] -- the format checks it
                evidence=evidence,
                expected_refuted=finding,
            ),
            implementation=ImplementationPart(
                kind="submission" if submission else "reference",
                name=submission or "reference",
                key=paper.key,
                source="b" * 64,
                division=division if submission else None,  # type: ignore[arg-type] -- the format checks it
                deviations=len(part.deviations) if submission and part else 0,
                submission=part if submission and part else msgspec.UNSET,
            ),
            samples=tuple(sample_part(s) for s in samples),
            verdict=verdict,
            word=outcome.recorded,
            controls=tuple(parts),
            powerless=outcome is Outcome.POWERLESS,
            trials=tuple(_trial(s.arm, seed) for s in samples for seed in s.seeds),
            data={"digits": "sha256:" + "a" * 64},
            machine=machine,
            software=SOFTWARE,
            source=Source(commit="0123456789abcdef0123456789abcdef01234567", dirty=False),
            runner=runner,  # type: ignore[arg-type] -- the format checks it
            command=command or f"repro run '{claim}' --device cpu --controls",
        )
    )


def _grouped(samples: Sequence[Sample], groups: Sequence[int]) -> Sequence:
    if not groups:
        return samples
    ends = np.cumsum(groups)
    return [tuple(samples[end - size : end]) for size, end in zip(groups, ends, strict=True)]


def _trial(arm: str, seed: int) -> TrialPart:
    return TrialPart(
        key="sha256:" + "c" * 64, arm=arm, seed=seed, preset="plain", config={"depth": 42}, usage=USAGE, cached=seed > 0
    )


def degrades(**changes: Any) -> Record:
    """A direction claim that is supported: error of a deep and a shallow plain network."""
    deep = sample("plain depth=42", "train_error", "%", [63.1, 71.4, 58.9, 66.0, 69.3])
    shallow = sample("plain depth=10", "train_error", "%", [1.1, 0.6, 1.9, 0.9, 1.4])
    cured = sample("plain depth=42", "train_error", "%", [0.2, 0.0, 0.4, 0.1, 0.1])
    facts: dict[str, Any] = {"controls": [("residual_as_plain", "The shortcuts are left in.", [cured, shallow])]}
    return make_record([deep, shallow], higher(by=20.0), **(facts | changes))


def exhibited(**changes: Any) -> Record:
    """The same with an exhibit: two small images."""
    rows, columns = axis("row", range(3)), axis("column", range(4))
    shown = exhibit(
        np.arange(24.0).reshape(2, 3, 4),
        axis("time", ["start", "end"]),
        rows,
        columns,
        unit="cream",
        kind="image",
        place="Figure 2",
        says="A cup mixes.",
    )
    part = ExhibitPart(arm="plain depth=42", measurement="cup", seed=0, exhibit=shown)
    return seal(msgspec.structs.replace(degrades(**changes), id="", exhibits=(part,)))


def parameters(**changes: Any) -> Record:
    """An exact claim that is reproduced: parameter counts of Table 6."""
    wanted = [0.27e6, 0.46e6, 0.66e6, 0.85e6, 1.7e6]
    found = sample("imagenet", "parameters", "parameters", [np.array(wanted) + 2600.0], expected=wanted)
    wrong = sample("imagenet", "parameters", "parameters", [np.array(wanted) * 1.1], expected=wanted)
    facts: dict[str, Any] = {
        "name": "parameters-as-printed",
        "place": "Table 6",
        "says": "The residual networks for CIFAR-10 have the parameters that the table prints.",
        "evidence": "exact",
        "reported": (
            Reported(0.27, "M parameters", "Table 6, ResNet-20"),
            Reported(1.7, "M parameters", "Table 6, 110"),
        ),
        "controls": [("projection_everywhere", "Every shortcut is a projection.", [wrong])],
    }
    return make_record([found], holds(tolerance=5000.0), **(facts | changes))


def table_row(row: str, published: float, errors: Sequence[float], **changes: Any) -> Record:
    """A number claim of the GPU tier: one row of Table 6."""
    number = Reported(published, "%", f"Table 6, {row}")
    facts: dict[str, Any] = {
        "name": "table-6",
        "row": row,
        "place": "Table 6",
        "says": f"{row} reaches the test error that the table prints.",
        "evidence": "original",
        "tier": "gpu",
        "reported": (number,),
        "controls": [
            (
                "no_augmentation",
                "Images are not shifted or flipped.",
                [sample(row, "test_error", "%", [12.9, 13.2, 13.0])],
            )
        ],
    }
    return make_record([sample(row, "test_error", "%", errors)], at_most(number, plus=0.5), **(facts | changes))


def rises_and_falls(**changes: Any) -> Record:
    """A direction claim on curves: complexity over time."""
    times = np.geomspace(1, 1e6, 24)
    bump = 60 + 120 * np.exp(-((np.log10(times) - 3.2) ** 2) / 1.6)
    noise = np.random.default_rng(0).normal(0, 3, size=(5, 24))
    frozen = sample("interacting n=60", "complexity", "bytes", 60 + 0 * bump + noise, x=times)
    facts: dict[str, Any] = {
        "paper": COFFEE,
        "name": "complexity-rises-and-falls",
        "place": "Figure 2",
        "says": "The apparent complexity of the interacting automaton rises and then falls.",
        "controls": [("frozen", "No swap is ever made.", [frozen])],
    }
    return make_record(
        [sample("interacting n=60", "complexity", "bytes", bump + noise, x=times)], interior_peak(), **(facts | changes)
    )


def withdrawn(**changes: Any) -> Record:
    """A finding: the abstract's headline, which the author withdrew."""
    plain = sample("interacting n=60", "excess", "bytes", [-8.1, -4.0, -11.5, -6.2, -9.9])
    stirred = sample("stirred n=60", "excess", "bytes", [1291.0, 1302.5, 1288.0, 1279.4, 1310.1])
    facts: dict[str, Any] = {
        "paper": COFFEE,
        "name": "complexity-comparable-to-width",
        "place": "Abstract",
        "says": "The most complex state holds about as much structure as the cup is wide.",
        "finding": "S. Aaronson, blog update of 3 June 2014, after B. Werness: the bump came from border pixels.",
        "controls": [("stirred", "The cup is stirred with a sine shear as well.", [stirred])],
    }
    return make_record([plain], at_least(375.0), **(facts | changes))


def quadratic(**changes: Any) -> Record:
    """A power law over sizes, one seed a row."""
    sizes = np.array([20, 28, 40, 57, 80])
    values = np.stack([sizes**2 / 8 * (1 + 0.004 * np.sin(sizes + s)) for s in range(4)])
    facts: dict[str, Any] = {
        "paper": COFFEE,
        "name": "entropy-quadratic",
        "place": "Figure 6",
        "says": "The greatest entropy grows with the square of the cup's width.",
        "reported": (Reported(2.0, "exponent", "Figure 6"),),
        "controls": [
            (
                "coarse_entropy",
                "Entropy is taken from the coarse image.",
                [sample("cups", "entropy", "bytes", values**0.4, x=sizes)],
            )
        ],
    }
    return make_record([sample("cups", "entropy", "bytes", values, x=sizes)], power_law(1.9, 2.1), **(facts | changes))


def shortcut_cures(**changes: Any) -> Record:
    """A compound claim: the deep residual network is neither worse than the shallow one nor near the plain one."""
    deep = sample("residual depth=42", "train_error", "%", [0.4, 0.2, 0.9, 0.1, 0.3])
    shallow = sample("residual depth=10", "train_error", "%", [0.6, 0.9, 0.8, 0.5, 0.7])
    plain = sample("plain depth=42", "train_error", "%", [63.1, 71.4, 58.9, 66.0, 69.3])
    bad = sample("residual depth=42", "train_error", "%", [55.0, 61.0, 58.0, 63.0, 60.0])
    facts: dict[str, Any] = {
        "name": "shortcuts-cure",
        "place": "Figure 6 (middle)",
        "says": "With shortcuts the deeper network no longer has the higher training error.",
        "groups": (2, 2),
        "controls": [("gated_shortcut", "The shortcut is scaled by one half.", [bad, shallow, bad, plain])],
    }
    rule = all_of(lower(by=-1.0), lower(times=0.1))
    return make_record([deep, shallow, deep, plain], rule, **(facts | changes))


def powerless(**changes: Any) -> Record:
    """A claim whose sabotage got through, so that its verdict says nothing."""
    mean = sample("resnet-20", "test_error", "%", [8.7, 8.8, 8.6])
    near = ("label_smoothing", "Labels are smoothed.", [sample("resnet-20", "test_error", "%", [8.72, 8.78, 8.7])])
    facts: dict[str, Any] = {
        "name": "first-try",
        "place": "Table 6",
        "controls": [near],
        "says": "ResNet-20 reaches its published error.",
        "evidence": "original",
        "tier": "gpu",
    }
    rule = matches(Reported(8.75, "%", "Table 6, ResNet-20"), within=0.5)
    return make_record([mean], rule, **(facts | changes))


def board() -> list[Record]:
    """One record of every kind that the board can show."""
    return [
        degrades(),
        shortcut_cures(),
        parameters(),
        table_row("ResNet-20", 8.75, [8.6, 8.8, 8.7]),
        table_row("ResNet-56", 6.97, [8.9, 9.1, 9.0]),
        table_row("ResNet-110", 6.61, [6.9, 7.6, 6.4]),
        powerless(),
        rises_and_falls(),
        quadratic(),
        withdrawn(),
    ]
