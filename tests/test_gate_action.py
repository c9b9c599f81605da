"""The composite action: its shell steps, as they stand in action.yml, on a toy repository."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gate_repository import CLAIMS, REFERENCE, STEP, commit, edit, git, repro
from tests.toy import write_project, write_submission

ROOT = Path(__file__).parent.parent
ACTION = (ROOT / "action.yml").read_text()
INSTALL, GATE = re.findall(r"^      run: (.*)$", ACTION, re.MULTILINE)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A toy repository with a baseline."""
    root = write_project(tmp_path / "project")
    (root / ".gitignore").write_text(".repro/\ntrials.log\n__pycache__/\n")
    git(root, "init", "-q", "-b", "main")
    assert repro(root, "baseline", "write", "baseline.json").returncode == 0
    commit(root)
    return root


def step(run: str, project: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a step of the action in the project, with `repro` and `python` on the path as after its set-up."""
    tools = project.parent / "bin"
    tools.mkdir(exist_ok=True)
    python = f'exec {sys.executable} "$@"'
    for name, line in {
        "repro": f'exec {sys.executable} -c "from harness.cli import main; main()" "$@"',
        "python": 'echo "python $*"' if run == INSTALL else python,
    }.items():
        (tools / name).write_text(f"#!/bin/sh\n{line}\n")
        (tools / name).chmod((tools / name).stat().st_mode | stat.S_IXUSR)
    dropped = ("REPRO_", "PYTEST_", "GITHUB_", "GIT_", "GATE_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    own = {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "GITHUB_ACTION_PATH": str(ROOT),
        "GATE_OUT": str(project.parent / "out"),
    }
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", run],
        cwd=project,
        env=kept | own | environment,
        capture_output=True,
        text=True,
    )


def test_every_input_is_used_and_none_is_pasted_into_the_shell():
    """Inputs reach the steps through the environment, so that no pull request's text is run; each one is used."""
    inputs = re.findall(r"^  ([a-z-]+):\n    description", ACTION, re.MULTILINE)
    used = re.findall(r"\$\{\{ inputs\.([a-z-]+) \}\}", ACTION)
    assert sorted(inputs) == sorted(used)
    assert "${{" not in INSTALL + GATE
    script = (ROOT / "harness" / "action.sh").read_text()
    given = set(re.findall(r"^        (GATE_[A-Z_]+):", ACTION, re.MULTILINE))
    assert given == set(re.findall(r"GATE_[A-Z_]+", script))


def test_the_install_step_installs_this_project_pinned(project):
    """What is installed is the action's own checkout, with the pinned versions."""
    result = step(INSTALL, project)
    assert result.returncode == 0
    assert result.stdout.split()[-3:] == ["-c", f"{ROOT}/constraints.txt", str(ROOT)]


def test_the_gate_step_passes_and_leaves_files(project):
    """Nothing changed: exit 0, the decision in three formats, and records to upload."""
    result = step(GATE, project, GATE_JOBS="2", GATE_FRESH="8")
    assert result.returncode == 0, result.stdout + result.stderr
    out = project.parent / "out"
    assert {path.name for path in (out / "gate").iterdir()} == {"gate.json", "gate.md", "gate.xml", "claims.txt"}
    assert len(list((out / "store" / "records").rglob("*.json"))) == 4
    assert list((out / "cache").rglob("*.json"))


def test_the_gate_step_fails_on_a_regression(project):
    """A drop ends the step with 1, with options that hold spaces, and claims on several lines."""
    edit(project / REFERENCE, STEP, STEP + " * 0.9")
    result = step(
        GATE, project, GATE_CLAIMS="toy2020/slope\n toy2020/goes-far\n", GATE_COSTS="none", GATE_CHANGED_SINCE="main"
    )
    assert result.returncode == 1, result.stdout + result.stderr
    assert {"toy2020/slope@1[walk]", "toy2020/goes-far@1"} <= set(result.stdout.split())
    assert "drift-carries" not in result.stdout


@pytest.mark.parametrize(("undecided", "code"), [("warn", 0), ("fail", 2)])
def test_what_is_undecided_warns_or_fails(project, undecided, code):
    """The default warns; an input makes it fail."""
    edit(project / CLAIMS, "higher(by=10.0), seeds=4", "higher(by=9.0), seeds=4")
    result = step(GATE, project, GATE_UNDECIDED=undecided, GATE_CLAIMS="toy2020/drift-carries", GATE_JOBS="1")
    assert result.returncode == code, result.stdout + result.stderr


def test_a_mistake_is_neither(project):
    """The gate's own errors end the step with 3, whatever is undecided."""
    assert step(GATE, project, GATE_BASELINE="nowhere", GATE_JOBS="1").returncode == 3
    assert step('bash "$GITHUB_ACTION_PATH/harness/action.sh" gat', project).returncode == 3


def test_a_submission_is_gated_from_its_folder(project):
    """GATE_IMPLEMENTATION names the folder relative to where the step runs; another revision runs beside."""
    write_submission(project)
    commit(project)
    edit(project / "mine" / "implementation.py", STEP, "    return path[np.asarray(times)] * 0.9")
    named = {"GATE_IMPLEMENTATION": "mine", "GATE_BASELINE": "main", "GATE_COSTS": "none", "GATE_JOBS": "1"}
    result = step(GATE, project, GATE_CLAIMS="toy2020/slope", **named)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "paired" in " ".join(result.stdout.split())


def test_the_page_can_be_followed_literally(tmp_path):
    """docs/gate.md, from an empty repository to a failing gate: its files and its commands, as they stand there."""
    page = (ROOT / "docs" / "gate.md").read_text()
    files = dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", page, re.DOTALL))
    assert set(files) >= {"reference/walker2026.py", "claims/test_walker2026.py", "claims/controls/walker2026.py"}
    walker = tmp_path / "walker"
    walker.mkdir()
    git(walker, "init", "-q", "-b", "main")
    for name, text in files.items():
        (walker / name).parent.mkdir(parents=True, exist_ok=True)
        (walker / name).write_text(text)
    (printed,) = re.findall(r"^printf .* > pyproject\.toml$", page, re.MULTILINE)
    (ignored,) = re.findall(r"^printf .* > \.gitignore$", page, re.MULTILINE)
    written, changed = re.findall(r"```sh\n((?:repro run|sed).*?)```", page, re.DOTALL)
    named = "git config user.name A; git config user.email a@example.org; git config commit.gpgsign false\n"
    first = step("\n".join([printed, ignored, named, written]), walker)
    assert first.returncode == 0, first.stdout + first.stderr
    second = step(changed, walker)
    assert second.returncode == 1, second.stdout + second.stderr
    assert "distance of walk: 49.77 became 44.47 m" in " ".join(second.stdout.split())
    git(walker, "checkout", "-q", "reference")
    assert "the same to the last bit" in step("repro gate", walker).stdout
