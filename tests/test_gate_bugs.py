"""The gate on this project itself, with a bug planted in a reference: minutes of training, by `make planted`."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from harness import baseline
from harness.decision import Decision
from repro.catalogue import matches_id
from tests.test_gate_cli import commit, edit, git, repro

ROOT = Path(__file__).parent.parent
BUGS = {
    "aaronson2014, windows counted whole at the walls": (
        "aaronson2014/window-means",
        "reference/aaronson2014.py",
        "/ np.outer(high - low, high - low)",
        "/ config.grain**2",
    ),
    "he2016, an activation after the addition": (
        "he2016/signals-add-up",
        "reference/he2016.py",
        "(h_BCHW, alpha=self.scale)\n",
        "(h_BCHW, alpha=self.scale).relu()\n",
    ),
    "huang2019, micro-batches summed": (
        "huang2019/gradients-do-not-depend-on-partitions",
        "reference/huang2019.py",
        "p.grad.cpu().numpy() for",
        "p.grad.cpu().numpy() * self.config.micro_batches for",
    ),
    "kaplan2020, no batch wastes anything": (
        "kaplan2020/critical-batch",
        "reference/kaplan2020.py",
        "return least * (1 + critical_batch(config, nats) / batch)",
        "return least * max(1.0, critical_batch(config, nats) / batch)",
    ),
    "krizhevsky2012, squares averaged": (
        "krizhevsky2012/response-normalization",
        "reference/krizhevsky2012.py",
        "_window(a_BCHW.square()).mul_(ALPHA)",
        "_window(a_BCHW.square()).mul_(ALPHA / 5)",
    ),
    "vinyals2015, places visited twice": (
        "vinyals2015/constrained-tours-are-valid",
        "reference/vinyals2015.py",
        "logp_KP[:, :n].masked_fill_(found.visited_Kn, -torch.inf)",
        "pass",
    ),
    "he2015, shortcuts left out": (
        "he2015/residual-converges-sooner",
        "reference/he2015.py",
        "if self.shortcut is not None:\n            y_BCHW.add_",
        "if False:\n            y_BCHW.add_",
    ),
    "zaremba2014, dropout on the recurrence": (
        "zaremba2014/dropout-helps",
        "reference/zaremba2014.py",
        'across = drop if drop and self.config.where != "recurrent" else _same\n'
        '        along = drop if drop and self.config.where != "non-recurrent" else _same',
        "across, along = _same, drop or _same",
    ),
}
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
    (root / "leaderboard").mkdir()
    for name in ("pyproject.toml", "leaderboard/baseline.json"):
        shutil.copy(ROOT / name, root / name)
    (root / ".gitignore").write_text(".repro/\n__pycache__/\n")
    git(root, "init", "-q", "-b", "main")
    commit(root)
    return root


def gated(clone: Path, *arguments: str) -> tuple[Decision, str]:
    """The decision on the clone."""
    result = repro(clone, "gate", "--json", "gate.json", "--baseline", "leaderboard/baseline.json", *arguments)
    decision = msgspec.json.decode((clone / "gate.json").read_bytes(), type=Decision)
    assert result.returncode == decision.exit
    return decision, result.stdout + result.stderr


def test_every_bug_can_be_planted():
    """What a bug replaces stands in its reference once, and its claim in the baseline: lest planting rots unseen."""
    kept = baseline.read(ROOT / "leaderboard" / "baseline.json").claims
    for claim, path, old, _ in BUGS.values():
        assert (ROOT / path).read_text().count(old) == 1, path
        assert any(matches_id(name, claim) for name in kept), claim
    assert (ROOT / SLOWER[0]).read_text().count(SLOWER[1]) == 1


@pytest.mark.planted
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_in_a_reference_is_found(clone, bug):
    """The claim passes as it is, and the gate fails once the bug is in."""
    claim, path, old, new = BUGS[bug]
    decision, text = gated(clone, claim)
    assert decision.exit == 0, text
    edit(clone / path, old, new)
    decision, text = gated(clone, claim)
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
