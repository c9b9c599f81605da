"""Each revision judges itself: another layout on the other side, and every way in which a worker can fail to answer."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from harness.gate.protocol import VERSION, ClaimList, DescribeClaims, Hello, OpenProject, Reply, Request
from harness.gate.revision_process import RevisionProcess, TrialCrashed
from repro.errors import ReproError
from tests.gate_repository import CLAIMS, REFERENCE, STEP, commit, edit, gated, git, said
from tests.toy import write_project, write_submission

ROOT = Path(__file__).parent.parent
MOVED, MOVED_TO = "repro/trial/judge.py", "repro/trial/adjudication.py"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository that holds this software and the toy paper, committed."""
    root = write_project(tmp_path / "clone")
    for folder in ("repro", "harness"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (root / ".gitignore").write_text(".repro/\ntrials.log\n__pycache__/\ndecision.json\n")
    git(root, "init", "-q", "-b", "main")
    commit(root)
    return root


def move_a_module(root: Path) -> None:
    """Rename a module that the worker imports, everywhere."""
    git(root, "mv", MOVED, MOVED_TO)
    for path in [*root.rglob("repro/**/*.py"), *root.rglob("harness/**/*.py")]:
        text = path.read_text()
        path.write_text(text.replace("repro.trial.judge ", "repro.trial.adjudication "))


def test_revisions_of_different_layout_are_compared(clone):
    """A module moves, and the other revision still judges itself: its fresh seeds are run beside, and its costs."""
    move_a_module(clone)
    edit(clone / REFERENCE, STEP, STEP + " * 0.9")
    decision, text = gated(clone, "toy2020/slope", "--baseline", "main", "--costs", "time<50", "--pairs", "2")
    assert decision.exit == 1, text
    assert said(decision, "regression") == [("quality", "toy2020/slope@1[walk]")]
    assert "paired" in text
    assert [(cost.cost, cost.pairs) for cost in decision.costs] == [("time", 2)]


def test_claims_that_a_change_touches_are_known_across_layouts(clone):
    """--changed-since asks the other revision for its claims and for what their trials rest on."""
    move_a_module(clone)
    edit(clone / CLAIMS, 'scalar(path[-1] / 50, "m/step")', 'scalar(path[-1] / 50 + 0.0, "m/step")')
    decision, _ = gated(clone, "--baseline", "main", "--changed-since", "main", "--costs", "")
    assert (decision.exit, decision.claims) == (0, 1)
    assert [row.claim for row in decision.quality] == ["toy2020/slope@1[walk]"]


@pytest.mark.parametrize("option", ["--against", "--baseline", "--changed-since"])
def test_a_revision_from_before_the_protocol_is_refused(clone, option):
    """A checkout with another layout cannot be the other side, however it is asked for: exit 3, and what to do."""
    git(clone, "mv", "harness/gate/judge_worker.py", "harness/runner.py")
    commit(clone)
    git(clone, "mv", "harness/runner.py", "harness/gate/judge_worker.py")
    (clone / "baseline.json").write_text('{"schema": 1, "claims": {}}')
    decision, _ = gated(clone, option, "main", *(["--costs", ""] if option == "--against" else []))
    assert decision.exit == 3
    assert decision.remarks[0].says.startswith("main is from before the gate's protocol, so it cannot judge itself. ")
    assert "Compare with a later revision, or with a baseline file: --baseline FILE" in decision.remarks[0].says


def fake_worker(root: Path, source: str) -> RevisionProcess:
    """A revision whose worker is this source."""
    for name in ("repro/__init__.py", "harness/__init__.py", "harness/gate/__init__.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    (root / "harness/gate/judge_worker.py").write_text(f"import os, sys, json\nlines = iter(sys.stdin)\n{source}")
    return RevisionProcess("main", OpenProject(root=str(root)))


HELLO = f'print(json.dumps({{"message": "hello", "protocol": {VERSION}}}), flush=True)\n'
OPENED = HELLO + 'next(lines)\nprint(\'{"message": "opened"}\', flush=True)\n'


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (
            "print('{\"ready\": true}')",
            "The process of main wrote '{\"ready\": true}' where the gate's protocol begins",
        ),
        ("sys.exit(7)", "The process of main died (exit code 7) where the gate's protocol begins with a hello"),
        ("os.kill(os.getpid(), 9)", "The process of main died (signal 9) where the gate's protocol begins"),
        ('print(\'{"message": "hello", "protocol": 99}\')', "main speaks version 99 of the gate's protocol"),
        (OPENED + "next(lines)\nprint('what?')", "A reply of main cannot be read: JSON is malformed"),
        (
            OPENED + 'next(lines)\nprint(\'{"message": "opened"}\')',
            "main replied with ProjectOpened, not with ClaimList",
        ),
    ],
)
def test_a_worker_that_does_not_speak_the_protocol_is_one_clear_error(tmp_path, source, problem):
    """No hello, another version, nonsense: each gets one sentence, with what to compare with instead."""
    with pytest.raises(ReproError) as error, fake_worker(tmp_path, source) as revision:
        revision.claims()
    assert not isinstance(error.value, TrialCrashed)
    assert error.value.problem.startswith(problem)
    assert "Compare with a later revision, or with a baseline file" in error.value.remedy


@pytest.mark.parametrize(("end", "how"), [("sys.exit(3)", "exit code 3"), ("os.kill(os.getpid(), 9)", "signal 9")])
def test_a_worker_that_dies_at_work_is_reported_and_started_anew(tmp_path, end, how):
    """The error says what it was asked for; the next request finds another process."""
    revision = fake_worker(tmp_path, OPENED + f"if 'judge' in next(lines):\n    {end}\nprint('{{}}'.format(ANSWER))")
    answer = 'ANSWER = \'{"message": "claims", "claims": []}\'\n'
    path = tmp_path / "harness/gate/judge_worker.py"
    path.write_text(answer + path.read_text())
    with revision:
        with pytest.raises(TrialCrashed) as error:
            revision.judge("toy2020/a@1")
        assert error.value.problem == f"The process of main died ({how}) when it was asked for toy2020/a@1"
        assert revision.claims() == {}


@pytest.mark.parametrize("message", [OpenProject(root="/x"), DescribeClaims(keys=True)])
def test_fields_that_a_reader_does_not_know_are_skipped(message):
    """An optional field of a later revision does not break an earlier one."""
    line = msgspec.json.decode(msgspec.json.encode(message)) | {"later": 1}
    assert msgspec.json.decode(msgspec.json.encode(line), type=Request) == message
    for reply in (Hello(protocol=VERSION), ClaimList(claims=())):
        line = msgspec.json.decode(msgspec.json.encode(reply)) | {"later": [2]}
        assert msgspec.json.decode(msgspec.json.encode(line), type=Reply) == reply


def test_a_submission_in_a_repository_of_its_own_is_compared_with_its_earlier_self(clone, tmp_path):
    """Only the submission is checked out at the other revision; the project judges both."""
    mine = write_submission(tmp_path)
    git(mine, "init", "-q", "-b", "main")
    commit(mine)
    edit(mine / "implementation.py", STEP, STEP + " * 0.8")
    named = ["--implementation", str(mine), "--trusted", "--baseline", "main", "--costs", ""]
    decision, text = gated(clone, "toy2020/slope", *named)
    assert decision.exit == 1, text
    assert (decision.baseline, decision.against) == ("main", "main")
    assert "paired" in text
