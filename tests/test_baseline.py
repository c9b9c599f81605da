"""`repro baseline` on a toy repository: written, shown and updated, from records too."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.gate_repository import REFERENCE, STEP, commit, edit, gated, repro


@pytest.fixture
def project(gate_repository: Path, tmp_path: Path) -> Path:
    """A copy of the toy repository to change."""
    root = tmp_path / "project"
    shutil.copytree(gate_repository, root)
    return root


def test_more_seeds_are_kept_and_taken(project):
    """`baseline write --seeds` keeps more values, and `gate --seeds` compares as many."""
    assert repro(project, "baseline", "write", "more.json", "--seeds", "8").returncode == 0
    decision, _ = gated(project, "--baseline", "more.json", "--seeds", "8")
    assert {row.seeds for row in decision.quality} == {(8, 8)}
    assert decision.exit == 0


def test_a_baseline_is_shown_and_updated_claim_by_claim(project):
    """`update` says what changed and leaves the other claims as they were."""
    before = json.loads((project / "baseline.json").read_text())
    shown = repro(project, "baseline", "show", "baseline.json").stdout
    assert "toy2020/drift-carries@1" in shown
    assert "4 claims of reference" in shown
    edit(project / REFERENCE, STEP, STEP + " * 0.9")
    result = repro(project, "baseline", "update", "baseline.json", "toy2020/drift-carries")
    assert result.returncode == 0, result.stderr
    assert "~ toy2020/drift-carries@1: supported, other values" in result.stdout
    after = json.loads((project / "baseline.json").read_text())
    assert after["claims"].pop("toy2020/drift-carries@1") != before["claims"].pop("toy2020/drift-carries@1")
    assert after == before
    commit(project)
    assert gated(project, "toy2020/drift-carries")[0].exit == 0


def test_a_folder_is_a_baseline_too(project):
    """It is written, gated on and updated as a file is, and the gate says what was compared with."""
    assert repro(project, "baseline", "write", "kept").returncode == 0
    assert [path.name for path in (project / "kept").iterdir()] == ["toy2020.json"]
    decision, _ = gated(project, "--baseline", "kept")
    assert (decision.exit, decision.baseline, decision.same) == (0, "kept", 4)
    result = repro(project, "baseline", "update", "kept", "toy2020/slope")
    assert (result.returncode, result.stdout.splitlines()[-1]) == (0, "kept: 4 claims of reference")


def test_a_baseline_comes_from_records_too(project):
    """`baseline write --from` takes the newest records of a store, and gives the same file as judging anew."""
    assert repro(project, "run").returncode == 0
    result = repro(project, "baseline", "write", "other.json", "--from", ".repro/store")
    assert result.returncode == 0, result.stderr
    one, other = (json.loads((project / name).read_text())["claims"] for name in ("baseline.json", "other.json"))
    for entry in (*one.values(), *other.values()):
        del entry["records"]  # they hold the moment and the commit
    assert one == other


def test_a_baseline_holds_no_claim_that_is_gone(project):
    """Records of a claim of an earlier version stay in the store; a baseline from it holds today's claims only."""
    assert repro(project, "run").returncode == 0
    claims = project / "claims" / "test_toy2020.py"
    edit(claims, '@claim("time-is-a-function"', '@claim("time-moves-on"')
    edit(claims, "def test_time_is_a_function", "def test_time_moves_on")
    assert repro(project, "baseline", "write", "other.json", "--from", ".repro/store").returncode == 0
    names = set(json.loads((project / "other.json").read_text())["claims"])
    assert names
    assert not any("time-" in name for name in names)


def test_writing_a_baseline_of_code_that_crashes_is_an_error(project):
    """A baseline is never written with holes in it."""
    edit(project / REFERENCE, STEP, "    raise IndexError('gone')")
    result = repro(project, "baseline", "write", "bad.json")
    assert result.returncode == 1
    assert "cannot be a baseline" in result.stderr
    assert not (project / "bad.json").exists()
