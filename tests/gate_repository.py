"""A toy repository that tests of `repro gate` and `repro baseline` change, and how they run the commands in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import msgspec

from harness.gate.result import Decision
from tests.toy import write_project

REFERENCE, CLAIMS = "reference/toy2020.py", "claims/test_toy2020.py"
STEP = "    return path[np.asarray(times)]"
DRIFT = '@claim("drift-carries", higher(by=10.0), seeds=4, controls=["no_drift"])'


def write_repository(root: Path) -> Path:
    """The toy project with a baseline, committed."""
    write_project(root)
    (root / ".gitignore").write_text(".repro/\ntrials.log\n__pycache__/\n")
    git(root, "init", "-q", "-b", "main")
    result = repro(root, "baseline", "write", "baseline.json")
    assert result.returncode == 0, result.stderr
    commit(root)
    return root


def git(root: Path, *arguments: str) -> None:
    """Run git, as somebody."""
    named = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(root), *named, *arguments], check=True, capture_output=True)


def commit(root: Path) -> None:
    """Commit all there is."""
    git(root, "add", "-A")
    git(root, "commit", "-qm", "a change")


def repro(
    project: Path, *arguments: str, stdout: IO[str] | int = subprocess.PIPE, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in the project."""
    process = begin(project, *arguments, stdout=stdout, **environment)
    output, errors = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def begin(
    project: Path, *arguments: str, stdout: IO[str] | int = subprocess.PIPE, **environment: str
) -> subprocess.Popen[str]:
    """Start the command in the project."""
    dropped = ("REPRO_", "PYTEST_", "GITHUB_", "GIT_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    words = [sys.executable, "-c", "from harness.cli import main; main()", *arguments]
    own = kept | environment
    return subprocess.Popen(words, cwd=project, env=own, stdout=stdout, stderr=subprocess.PIPE, text=True)


def edit(path: Path, old: str, new: str) -> None:
    """Replace text that must be there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def gated(project: Path, *arguments: str) -> tuple[Decision, str]:
    """Run the gate with a JSON file; the decision must be the exit code's."""
    result = repro(project, "gate", "--json", "decision.json", *arguments)
    file = project / "decision.json"
    assert file.exists(), result.stdout + result.stderr
    decision = msgspec.json.decode(file.read_bytes(), type=Decision)
    assert result.returncode == decision.exit, result.stdout + result.stderr
    return decision, result.stdout + result.stderr


def said(decision: Decision, weight: str) -> list[tuple[str, str]]:
    """Topic and claim of the remarks of one weight."""
    return sorted((remark.topic, remark.about) for remark in decision.remarks if remark.weight == weight)


def line_of(path: Path, text: str) -> int:
    """The line that a text stands in."""
    return path.read_text()[: path.read_text().index(text)].count("\n") + 1
