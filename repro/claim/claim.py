"""Claims: what a paper says, as a statement that can fail.

The decorator states and the body names arms, so claims can be listed, planned and read without running:

    @claim("plain-degrades", higher(by=20.0), seeds=5, controls=["residual_as_plain"])
    def test_plain_degrades(run: Run):
        \"\"\"Figure 6 (left): a deeper plain network has the higher training error.\"\"\"
        deep = run(Classification(), "plain-56", data="digits")
        shallow = run(Classification(), "plain-20", data="digits")
        return deep["train_error"], shallow["train_error"]
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from repro.claim.finding import Expected
from repro.code_digest import digest, stable
from repro.criterion.comparisons import Criterion
from repro.criterion.verdict import Evidence
from repro.errors import unknown
from repro.experiment.setting import Experiment, Measurements, Measuring, Setting
from repro.paper import PLACES, Paper, Reported

Tier = Literal["cpu", "long", "gpu", "cluster"]
"""What a claim takes: minutes of a CPU, at most three hours a trial of two cores, one GPU, or several machines."""
FIRST_NAMES = {"eval_steps": "checkpoints", "streams": "lanes", "crops": "views"}
"""Names of the contract that were others when the first records were published; a digest counts the earlier ones."""

TIERS: tuple[Tier, ...] = ("cpu", "long", "gpu", "cluster")


def tiers_of(text: str) -> tuple[str, ...]:
    """The tiers that a text names: "all", or tiers with commas between them.

    Raises:
        ReproError: for one that does not exist.
    """
    tiers = TIERS if text == "all" else tuple(text.split(","))
    for name in tiers:
        if name not in TIERS:
            raise unknown("tier", name, [*TIERS, "all"])
    return tiers


@dataclass(frozen=True, eq=False)
class Arm:
    """One side of a comparison: an experiment on a preset of the implementation, with overrides.

    `arm["train_error"]` names one of its measurements; nothing is run until the suite judges the claim.
    """

    experiment: Experiment
    preset: str
    data: str | None
    label: str
    overrides: Mapping[str, Any]

    def __getitem__(self, measurement: str) -> MeasurementRef:
        return MeasurementRef(self, measurement)

    def protocol(self) -> list[object]:
        """The protocol of the arm, as JSON data; an experiment by its name and fields."""
        return [
            self.label,
            self.preset,
            self.data,
            self.experiment.name,
            {key: repr(v) for key, v in self.overrides.items()},
        ]


@dataclass(frozen=True)
class MeasurementRef:
    """A measurement of an arm that the suite is to draw, one value per seed."""

    arm: Arm
    measurement: str


MeasurementRefs = MeasurementRef | tuple["MeasurementRefs", ...]
"""What a claim's body returns: one draw, a tuple of them, or a tuple of such for a compound criterion."""


def arms_of(draws: MeasurementRefs) -> list[Arm]:
    """The arms that draws name, each once."""
    return list({id(drawn.arm): drawn.arm for drawn in leaves(draws)}.values())


def leaves(tree: Any) -> list[Any]:
    """What stands in nested tuples, from left to right."""
    return [leaf for branch in tree for leaf in leaves(branch)] if isinstance(tree, tuple) else [tree]


class Run:
    """The fixture of a claim's body: it only writes down what was asked for."""

    def __call__(
        self,
        experiment: Experiment | Callable[[Any, Setting], Measurements],
        preset: str,
        *,
        data: str | None = None,
        arm: str | None = None,
        **overrides: Any,
    ) -> Arm:
        """Name an arm: `experiment` on `preset`, with fields of the config overridden."""
        settings = " ".join(f"{key}={value}" for key, value in sorted(overrides.items()))
        measuring = experiment if isinstance(experiment, Experiment) else Measuring(experiment)
        return Arm(measuring, preset, data, arm or f"{preset} {settings}".strip(), overrides)


name_arm = Run()


@dataclass(frozen=True, kw_only=True, eq=False)
class Claim:
    """A testable statement of a paper. A table's row is a claim of its own.

    Attributes:
        place: where the paper says it, such as "Figure 6 (left)".
        statement: what the paper says, in our words.
        seeds: how many seeds each arm is drawn at; 1 for exact claims.
        controls: names of the sabotaged implementations that its criterion must reject.
        expected: set when the claim is known not to hold (a finding).
        cost: what it costs to run, for people whose machine cannot.
    """

    paper: Paper
    name: str
    version: int
    row: str | None
    place: str
    statement: str
    criterion: Criterion
    tier: Tier
    evidence: Evidence
    seeds: int
    controls: tuple[str, ...]
    expected: Expected | None
    reported: tuple[Reported, ...]
    cost: str
    body: Callable[..., MeasurementRefs]

    @property
    def id(self) -> str:
        """`key/name@version`, with `[row]` for a row of a table."""
        row = f"[{self.row}]" if self.row is not None else ""
        return f"{self.paper.key}/{self.name}@{self.version}{row}"

    @property
    def known_refutation(self) -> bool:
        """Whether the claim is known not to hold."""
        return self.expected is not None

    @property
    def statistical(self) -> bool:
        """Whether the verdict rests on seeds rather than on exact cases."""
        return self.criterion.statistical

    @property
    def group(self) -> str:
        """The kind of claim: "mechanism" (exact), "direction" (reduced scale) or "number" (the paper's own setting)."""
        if self.evidence == "exact":
            return "mechanism"
        return "number" if self.tier != "cpu" or self.evidence == "original" else "direction"

    def measurements(self) -> MeasurementRefs:
        """Which measurements of which arms the claim is judged by."""
        return self.body(name_arm) if self.row is None else self.body(name_arm, self.row)

    def digest(self) -> str:
        """A hash of everything that defines the claim; it changes only when the claim does."""
        facts = {
            "id": self.id,
            "criterion": msgspec.to_builtins(self.criterion),
            "tier": self.tier,
            "evidence": self.evidence,
            "seeds": self.seeds,
            "controls": list(self.controls),
            "expected": {"source": self.expected.source} if self.expected else None,
            "body": stable(inspect.getsource(self.body)),
            "arms": [arm.protocol() for arm in arms_of(self.measurements())],
        }
        text = msgspec.json.encode(facts, order="deterministic").decode()
        return "sha256:" + digest(re.sub(r"\b(?:eval_steps|streams|crops)\b", lambda m: FIRST_NAMES[m[0]], text))


def claim(
    name: str,
    criterion: Criterion | None = None,
    *,
    rows: Mapping[str, Criterion] | None = None,
    controls: Sequence[str],
    version: int = 1,
    tier: Tier = "cpu",
    evidence: Evidence | None = None,
    seeds: int = 1,
    expected: Expected | None = None,
    reported: Sequence[Reported] | Mapping[str, Reported] = (),
    cost: str = "",
) -> Callable[[Callable[..., MeasurementRefs]], Callable[..., MeasurementRefs]]:
    """State a claim; the body below it names the arms. One criterion, or one for each row of a table.

    `reported` is what the paper states, for readers; by row where there are rows. Where it is not given, it is what
    the criterion compares with. The docstring is one sentence, "Place: statement", such as "Table 6: deeper residual
    networks err less".

    Raises:
        ValueError: where the statement is incomplete: no docstring with a place, no control, a name that
            differs from the function's, a statistical claim with fewer than 3 seeds, a GPU claim without cost.
    """
    if (criterion is None) == (rows is None):
        raise ValueError(f"claim {name!r} needs either a criterion or rows")

    def decorate(body: Callable[..., MeasurementRefs]) -> Callable[..., MeasurementRefs]:
        place, statement = _statement(body, name)
        drawn: Evidence = "reduced" if tier == "cpu" else "original"
        by_row = [*(rows or {}).items()] if criterion is None else [(None, criterion)]
        body.claims = tuple(  # pyright: ignore[reportFunctionMemberAccess] -- read by the plugin and the catalogue
            _checked(
                Claim(
                    paper=body.__globals__["PAPER"],
                    name=name,
                    version=version,
                    row=row,
                    place=place,
                    statement=statement,
                    criterion=rule,
                    tier=tier,
                    evidence=evidence or (drawn if rule.statistical else "exact"),
                    seeds=seeds,
                    controls=tuple(controls),
                    expected=expected,
                    reported=_facts(reported, row) or tuple(_reported_in(rule)),
                    cost=cost,
                    body=body,
                )
            )
            for row, rule in by_row
        )
        return body

    return decorate


def _facts(reported: Sequence[Reported] | Mapping[str, Reported], row: str | None) -> tuple[Reported, ...]:
    if isinstance(reported, Mapping):
        return (reported[row],) if row is not None and row in reported else ()
    return tuple(reported)


def _statement(body: Callable[..., MeasurementRefs], name: str) -> tuple[str, str]:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) or body.__name__ != "test_" + name.replace("-", "_"):
        raise ValueError(f"claim {name!r} must be kebab-case and its function named test_{name.replace('-', '_')}")
    place, separator, says = " ".join((body.__doc__ or "").split()).partition(": ")
    if not separator or not place.startswith(PLACES):
        raise ValueError(f"claim {name!r} needs a docstring 'Place: statement', the place one of {', '.join(PLACES)}")
    return place, says[0].upper() + says[1:]


def _checked(claim: Claim) -> Claim:
    if not claim.controls:
        raise ValueError(f"{claim.id} names no control: a check that cannot fail is a defect")
    if claim.statistical and claim.seeds < 3:
        raise ValueError(f"{claim.id} is statistical and needs at least 3 seeds, not {claim.seeds}")
    if claim.tier != "cpu" and not claim.cost:
        raise ValueError(f"{claim.id} is outside the default tier and must say what it costs")
    if claim.version < 1 or claim.tier not in TIERS:
        raise ValueError(f"{claim.id}: versions count from 1 and tiers are {', '.join(TIERS)}")
    return claim


def _reported_in(criterion: Criterion) -> list[Reported]:
    fields = [getattr(criterion, name) for name in criterion.__struct_fields__]
    inner = [part for field in fields if isinstance(field, tuple) for part in field if isinstance(part, msgspec.Struct)]
    found = [field for field in fields if isinstance(field, Reported)]
    return found + [r for part in inner if not isinstance(part, Reported) for r in _reported_in(part)]  # pyright: ignore
