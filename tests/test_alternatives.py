"""Correct implementations that share no code with the references: every default claim accepts them."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.claim.catalogue import Catalogue, load_file
from repro.claim.claim import Claim
from repro.code_digest import file_closure
from repro.paths import cache_dir
from repro.trial.cache import Cache
from repro.trial.implementation import LoadedImplementation
from repro.trial.judge import Suite

ROOT = Path(__file__).parent.parent
ALTERNATIVES = {path.stem: path for path in sorted((ROOT / "tests" / "alternatives").glob("[a-z]*.py"))}
DEFAULT = [c for c in Catalogue(ROOT).claims if c.tier == "cpu" and c.paper.key in ALTERNATIVES]


@pytest.fixture(scope="module")
def suite() -> Suite:
    """One suite for the module: claims share trials."""
    return Suite(Cache(cache_dir() / "trials"))


def alternative(key: str) -> LoadedImplementation:
    """The implementation in `tests/alternatives/<key>.py`."""
    path = ALTERNATIVES[key]
    return LoadedImplementation(
        kind="control",
        paper=key,
        name="alternative",
        names=load_file(path, f"tests.alternatives.{key}"),
        source=file_closure(path, ROOT),
    )


def params(claims: list[Claim]) -> list[object]:
    """Claims by id; those that train for minutes are long."""
    return [pytest.param(c, id=c.id, marks=[pytest.mark.long] if c.statistical else []) for c in claims]


@pytest.mark.parametrize("found", params(DEFAULT))
def test_claims_accept_a_correct_implementation(found, suite):
    """What is written another way but is what the paper says has the verdict of the reference."""
    judged = suite.judge(found, alternative(found.paper.key))
    assert judged.verdict.status == ("refuted" if found.known_refutation else "holds"), judged.verdict.reason
