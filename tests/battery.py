"""The battery against circular evidence: each check returns what is wrong, an empty list where nothing is."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from repro.claim.claim import Claim, arms_of
from repro.code_digest import walk
from repro.paper import Reported
from repro.trial.implementation import LoadedImplementation
from repro.trial.judge import Suite


def survivors(claim: Claim, ignorant: Mapping[str, LoadedImplementation], suite: Suite) -> list[str]:
    """Nulls on which the claim holds: each shows that the claim needs nothing from the implementation."""
    judged = {name: suite.judge_control(claim, implementation) for name, implementation in ignorant.items()}
    return [f"{claim.id} holds on {name}: {j.verdict.reason}" for name, j in judged.items() if _holds(j)]


def circular(claim: Claim, facts: Iterable[Reported]) -> list[str]:
    """Published values that the claim's data could be made of.

    Either a `Reported` that an experiment can reach by name, or a literal in its code that equals a number the
    paper reports (small integers apart, which code is full of).
    """
    found = []
    numbers = {fact.value for fact in facts} - set(range(-20, 257))
    for arm in arms_of(claim.measurements()):
        if any(value in numbers for value in arm.overrides.values() if isinstance(value, float)):
            found.append(f"{claim.id}: an override of {arm.label} is a published number")
        if dataclasses.is_dataclass(arm.experiment.code):
            fields = [getattr(arm.experiment.code, field.name) for field in dataclasses.fields(arm.experiment.code)]
            found += [f"{claim.id}: its experiment holds {fact!r}" for fact in _reported(fields)]
            found += [f"{claim.id}: its experiment holds {n}" for n in fields if isinstance(n, float) and n in numbers]
        for _, reached in walk(arm.experiment.code):
            if isinstance(reached, Reported) or _holds_reported(reached):
                found.append(f"{claim.id}: its experiment reaches {reached!r}")
            if inspect.isfunction(reached) or inspect.isclass(reached):
                found += [f"{claim.id}: {reached.__name__} contains {n}" for n in _literals(reached) & numbers]
    return found


def facts_of(module: Any) -> list[Reported]:
    """Every reported number that a claims file states."""
    return [fact for value in vars(module).values() for fact in _reported(value)]


def _reported(value: Any) -> list[Reported]:
    if isinstance(value, Reported):
        return [value]
    if isinstance(value, dict):
        return [fact for part in value.values() for fact in _reported(part)]
    if isinstance(value, list | tuple):
        return [fact for part in value for fact in _reported(part)]
    return []


def _holds_reported(value: Any) -> bool:
    return isinstance(value, dict | list | tuple) and bool(_reported(value))


def _holds(judged: Any) -> bool:
    return judged.verdict.status == "holds"


def _literals(code: Any) -> set[float]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(code)))
    except OSError:  # what a decorator generated has no file
        return set()
    constants = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return {float(c) for c in constants if isinstance(c, int | float) and not isinstance(c, bool)}
