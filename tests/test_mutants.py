"""The exact claims of each paper notice nine in ten one-line mutations of its reference: `python -m tests.mutation`."""

from __future__ import annotations

import random

import pytest

from leaderboard.board.mutants import MutationReport, file_of, read
from repro.claim.catalogue import Catalogue
from repro.code_digest import digest
from tests.mutation import ROOT, Mutant, fate, mutants

CATALOGUE = Catalogue(ROOT)
FEWEST, SHARE = 25, 0.9
AGAIN = 2  # of a paper's mutants that are judged anew, in seconds; `--write` judges all


def report(paper: str) -> MutationReport:
    """What was written of a paper."""
    written = read(paper, ROOT)
    assert written is not None, f"run: python -m tests.mutation {paper} --write"
    return written


@pytest.mark.parametrize("paper", CATALOGUE.papers)
def test_the_list_is_of_this_reference_and_most_are_caught(paper):
    """At least 25 mutants, of the reference as it is; each survivor that computes the same says why."""
    source = (ROOT / "reference" / f"{paper}.py").read_text()
    written = report(paper)
    assert written.reference == digest(source), f"run: python -m tests.mutation {paper} --write"
    assert len(written.mutants) >= FEWEST
    survivors = [mutant.change for mutant in written.survivors if not mutant.equivalent]
    assert written.caught >= SHARE * written.differing, survivors
    assert all(other.accepted == other.of > 0 for other in written.alternatives)
    assert {m.change for m in written.mutants} <= {m.change for m in mutants(source)}
    names = {claim.name for claim in CATALOGUE.select([paper])}
    noticed = {mutant.caught_by.partition(" ")[0] for mutant in written.mutants}
    assert noticed <= names | {"", "import", "still", "the"}  # it was not imported, never ended, or its process died


@pytest.mark.slow
@pytest.mark.parametrize("paper", CATALOGUE.papers)
def test_what_was_caught_is_caught(paper):
    """Two of a paper's mutants, drawn anew with each change of its reference, are judged again."""
    written = report(paper)
    caught = [m.change for m in written.mutants if m.caught_by]
    source = (ROOT / "reference" / f"{paper}.py").read_text()
    by_change = {mutant.change: mutant for mutant in mutants(source)}
    for change in random.Random(written.reference).sample(caught, AGAIN):
        assert fate(paper, by_change[change]), change


@pytest.mark.slow
def test_processes_that_a_reference_starts_run_the_mutant():
    """Pipelines that never update are noticed, though this process updates nothing."""
    source = (ROOT / "reference" / "huang2019.py").read_text()
    mutant = Mutant(line=0, change="", text=source.replace("self.optimizer.step()", "None"))
    assert mutant.text != source
    assert fate("huang2019", mutant) == "updates-follow-the-equations"


def test_reports_belong_to_papers():
    """No file of a paper that is gone."""
    assert {path.stem for path in file_of("x", ROOT).parent.glob("*.json")} <= set(CATALOGUE.papers)
