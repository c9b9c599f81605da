"""The gate on this project itself, with a bug planted in a reference: minutes of training, by `make planted`."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from harness.gate.result import Decision
from repro.claim.catalogue import Catalogue
from repro.trial.implementation import controls_of
from tests.gate_repository import commit, edit, git, repro

ROOT = Path(__file__).parent.parent
BUGS = [
    pytest.param(key, claim, old, new, id=f"{key}/{claim}")
    for key in Catalogue(ROOT).papers
    for claim, (old, new) in controls_of(key, ROOT).PLANTED.items()
]
SLOWER = (
    "reference/he2015.py",
    "            logits_BK = self.model(x_BCHW)\n",
    "            with torch.no_grad():\n"
    "                copy.deepcopy(self.model)(x_BCHW)\n"
    "            logits_BK = self.model(x_BCHW)\n",
)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What a gate needs of this project, in a repository of its own."""
    root = tmp_path / "clone"
    for folder in ("claims", "reference", "repro", "harness"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root / "pyproject.toml")
    shutil.copytree(ROOT / "leaderboard" / "baseline", root / "leaderboard" / "baseline")
    (root / ".gitignore").write_text(".repro/\n__pycache__/\n")
    git(root, "init", "-q", "-b", "main")
    commit(root)
    return root


def gated(clone: Path, *arguments: str) -> tuple[Decision, str]:
    """The decision on the clone."""
    result = repro(clone, "gate", "--json", "gate.json", "--baseline", "leaderboard/baseline", *arguments)
    decision = msgspec.json.decode((clone / "gate.json").read_bytes(), type=Decision)
    assert result.returncode == decision.exit
    return decision, result.stdout + result.stderr


def test_a_slower_update_can_be_planted():
    """What it replaces stands in the reference once, lest it rots unseen; `repro paper check` sees to the bugs."""
    assert (ROOT / SLOWER[0]).read_text().count(SLOWER[1]) == 1


@pytest.mark.planted
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("key", "claim", "old", "new"), BUGS)
def test_a_bug_in_a_reference_is_found(clone, key, claim, old, new):
    """The claim passes as it is, and the gate fails once the bug is in."""
    decision, text = gated(clone, f"{key}/{claim}")
    assert decision.exit == 0, text
    edit(clone / "reference" / f"{key}.py", old, new)
    decision, text = gated(clone, f"{key}/{claim}")
    assert decision.exit == 1, text


@pytest.mark.planted
@pytest.mark.timeout(3600)
def test_a_slower_update_of_a_reference_is_found(clone):
    """A forward pass too many in each update, whose result is thrown away: equal values, and more time."""
    path, old, new = SLOWER
    edit(clone / path, old, new)
    edit(clone / path, "import torch\n", "import copy\n\nimport torch\n")
    decision, text = gated(
        clone, "he2015/residual-converges-sooner", "--against", "main", "--costs", "time<1.05",
        "--time", "he2015/residual-converges-sooner",
    )  # fmt: skip
    assert decision.exit == 1, text
    assert [(cost.cost, cost.state) for cost in decision.costs] == [("time", "worse")]
    assert decision.same == decision.claims == 1
