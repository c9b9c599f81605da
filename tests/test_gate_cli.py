"""`repro gate` and `repro baseline` on a toy repository: every exit code, every message, every file."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree as ET
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.gate.result import Decision
from tests.gate_repository import CLAIMS, DRIFT, REFERENCE, STEP, begin, commit, edit, gated, line_of, repro, said
from tests.toy import SUBMISSION, write_project, write_submission


@pytest.fixture
def project(gate_repository: Path, tmp_path: Path) -> Path:
    """A copy of the toy repository to change."""
    root = tmp_path / "project"
    shutil.copytree(gate_repository, root)
    return root


def test_nothing_changed_is_quiet(project):
    """The same code gives the same values: exit 0, nothing to say, and the records of the run are in the store."""
    decision, text = gated(project)
    assert decision.exit == 0
    assert decision.remarks == ()
    assert (decision.claims, decision.same) == (4, 4)
    assert "no regression: 4 claims compared, 4 of them the same to the last bit" in text
    assert len(list((project / ".repro/store/records/toy2020").glob("*.json"))) == 4


def test_other_noise_is_no_regression(project):
    """Another stream of random numbers changes every value and makes nothing worse: exit 0."""
    edit(project / REFERENCE, "default_rng([seed,", "default_rng([7, seed,")
    decision, text = gated(project)
    assert decision.exit == 0, text
    assert decision.same == 1  # the exact one
    assert {row.state for row in decision.quality} == {"fine"}


def test_a_drop_that_changes_no_verdict_is_a_regression(project):
    """The walk ends five metres short: every claim still holds, and the gate fails with the figures."""
    edit(project / REFERENCE, STEP, STEP + " * 0.9")
    decision, text = gated(project)
    assert decision.exit == 1
    assert ("quality", "toy2020/drift-carries@1") in said(decision, "regression")
    assert "end of walk: " in text
    assert "lower is worse" in text
    assert not [remark for remark in decision.remarks if remark.topic == "verdict"]
    worst = decision.of("regression")[0]
    assert (worst.file, worst.line) == (CLAIMS, line_of(project / CLAIMS, DRIFT))


def test_a_claim_that_no_longer_holds_is_a_regression(project):
    """Without drift the claims are refuted, at their own seeds and at fresh ones."""
    edit(project / REFERENCE, "config.drift + 0.1", "0 * config.drift + 0.1")
    decision, text = gated(project)
    assert decision.exit == 1
    assert ("verdict", "toy2020/drift-carries@1") in said(decision, "regression")
    assert "supported became refuted, and at 4 fresh seeds, 4 times, it is refuted, refuted, refuted" in " ".join(
        text.split()
    )


def test_an_exact_claim_that_fails_is_a_regression(project):
    """One violation is enough, and is counted."""
    edit(project / REFERENCE, '"walk": Config(),', '"walk": Config(drift=1.01),')
    decision, text = gated(project)
    assert ("verdict", "toy2020/time-is-a-function@1") in said(decision, "regression")
    assert "reproduced became refuted: 1 of 2 cases violate" in text


def test_a_crashed_trial_is_a_regression_with_its_last_line(project):
    """What the trial raised is said, and the other claims are still compared."""
    edit(project / REFERENCE, STEP, "    if len(times) == 1 and config.drift: raise IndexError('gone')\n" + STEP)
    decision, text = gated(project)
    assert decision.exit == 1
    assert [about for topic, about in said(decision, "regression") if topic == "crashed"] == [
        "toy2020/drift-carries@1",
        "toy2020/goes-far@1",
    ]
    assert "raised IndexError: gone" in text
    assert decision.claims == 2


def test_a_trial_whose_process_dies_is_a_regression_too(project):
    """A killed process is said with its signal; the next claim gets a new one."""
    killed = "    if len(times) == 1: import os, signal; os.kill(os.getpid(), signal.SIGKILL)\n"
    edit(project / REFERENCE, STEP, killed + STEP)
    decision, text = gated(project)
    assert decision.exit == 1
    assert "died (signal 9) when it was asked for toy2020/drift-carries@1" in text
    assert decision.claims == 2


def test_a_diverged_run_is_a_regression_with_a_message_of_its_own(project):
    """NaN counts as worse than any number."""
    edit(project / REFERENCE, STEP, STEP + " * (np.nan if len(times) == 50 else 1)")
    decision, text = gated(project)
    assert ("diverged", "toy2020/slope@1[walk]") in said(decision, "regression")
    assert "8 of 8 fresh seeds diverged, none in the baseline" in text


def test_a_missing_claim_is_a_regression(project):
    """A claim of the baseline that is gone fails the gate."""
    edit(project / CLAIMS, DRIFT + "\n", "")
    edit(project / CLAIMS, "def test_drift_carries", "def once_drift_carries")
    decision, text = gated(project)
    assert said(decision, "regression") == [("vanished", "toy2020/drift-carries@1")]
    assert "is in the baseline and is gone" in text


def test_a_changed_version_is_said_and_not_compared(project):
    """A claim of another version is not compared, and alone fails nothing."""
    edit(project / CLAIMS, DRIFT, DRIFT.replace("seeds=4", "seeds=5, version=2"))
    decision, text = gated(project)
    assert decision.exit == 0
    assert said(decision, "note") == [("version", "toy2020/drift-carries@1")]
    assert "is toy2020/drift-carries@2 now" in text
    assert decision.claims == 3


FID = '''

def fid(walk, setting):
    return {"FID score": scalar(walk.simulate(setting.config, [49], seed=setting.seed)[0] / 10, "1")}


@claim("low-fid", at_most(20.0), seeds=6, controls=["fast"])
def test_low_fid(run):
    """Section 1: the distance to real images, smaller is better, stays below twenty."""
    return run(fid, "walk")["FID score"]
'''


def test_the_criterion_says_which_way_a_score_gets_worse(project):
    """Under `at_most` twice the score is a regression and half of it is none, whatever the measurement is called."""
    edit(project / CLAIMS, "at_least, cases", "at_least, at_most, cases")
    (project / CLAIMS).write_text((project / CLAIMS).read_text() + FID)
    assert repro(project, "baseline", "update", "baseline.json", "toy2020/low-fid").returncode == 0
    edit(project / REFERENCE, STEP, STEP + " * 2")
    decision, text = gated(project, "toy2020/low-fid")
    assert said(decision, "regression") == [("quality", "toy2020/low-fid@1")], text
    assert "FID score of walk: 4.99 became 10.02" in text
    assert "higher is worse" in text
    edit(project / REFERENCE, STEP + " * 2", STEP + " / 2")
    assert gated(project, "toy2020/low-fid")[0].exit == 0


def test_a_change_without_a_new_version_is_undecided(project):
    """A criterion that changed under the same version cannot be compared: exit 2."""
    edit(project / CLAIMS, "higher(by=10.0), seeds=4", "higher(by=9.0), seeds=4")
    decision, text = gated(project)
    assert decision.exit == 2
    assert said(decision, "undecided") == [("changed", "toy2020/drift-carries@1")]
    assert "raise the version" in text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "The baseline baseline.json is broken: Input data was truncated"),
        ('{"schema": 1, "claims": {}, "extra": 1}', "is broken: Object contains unknown field `extra`"),
        ('{"schema": 2, "claims": {}}', "has schema 2, this is software for 1"),
        ('{"schema": 1, "claims": {"a": 3}}', "is broken: Expected `object`, got `int` - at `$.claims[...]`"),
        ('{"schema": 1, "claims": {}, "implementation": "submission:x"}', "is of submission:x, not of reference"),
        (None, "The baseline 'baseline.json' is neither a file, nor a folder of them or of records, nor a revision"),
    ],
)
def test_a_broken_baseline_is_an_error(project, content, says):
    """What is wrong with the file is said, and the exit code is 3."""
    if content is None:
        (project / "baseline.json").unlink()
    else:
        (project / "baseline.json").write_text(content)
    decision, text = gated(project)
    assert decision.exit == 3
    assert says in decision.remarks[0].says
    assert "the gate could not run: " in " ".join(text.split())


def test_values_and_seeds_of_a_baseline_must_match(project):
    """A baseline in which somebody lost a value is refused with the place."""
    kept = json.loads((project / "baseline.json").read_text())
    kept["claims"]["toy2020/drift-carries@1"]["samples"][0]["values"].pop()
    (project / "baseline.json").write_text(json.dumps(kept))
    decision, _ = gated(project)
    assert decision.exit == 3
    assert "'end' has 3 values for 4 seeds" in decision.remarks[0].says


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--against", "nowhere"], "There is no revision 'nowhere' in project"),
        (["--against", "origin/", "--costs", ""], "The revision 'origin/' has nothing behind its slash"),
        (["--changed-since", "origin/"], "The revision 'origin/' has nothing behind its slash"),
        (
            ["--baseline", "nowhere"],
            "The baseline 'nowhere' is neither a file, nor a folder of them or of records, nor",
        ),
        (["--changed-since", "--output=x"], "There is no revision '--output=x' in project"),
        (["--against", "main", "--costs", "tme<1.05"], "Unknown cost in the thresholds 'tme'"),
        (["--costs", "time<1.05"], "Costs are compared side by side only"),
        (["--time", "toy2020/slope"], "Claims to be timed, but no thresholds"),
        (["toy2020/drift-carry"], "Unknown claim 'toy2020/drift-carry'. Did you mean toy2020/drift-carries@1"),
        (["--seeds", "1"], "--seeds 1 is too few"),
        (["--tier", "gpux"], "Unknown tier 'gpux'"),
        (["--baseline", "reference"], "reference has no records of reference"),
        (["--implementation", "nowhere"], "There is no submission folder"),
    ],
)
def test_mistaken_options_are_errors(project, arguments, says):
    """Each mistake has its message, and the exit code is 3."""
    decision, _ = gated(project, *arguments)
    assert decision.exit == 3
    assert says in decision.remarks[0].says


def test_what_click_refuses_exits_with_3_too(project):
    """Of a gate 2 means undecided, so an unknown option must not exit with it."""
    result = repro(project, "gate", "--agianst", "main")
    assert result.returncode == 3
    assert "No such option" in result.stderr


def test_claims_that_cannot_be_imported_are_an_error(project):
    """A broken claims file is no regression of anything: exit 3, with what Python said."""
    (project / CLAIMS).write_text("import nothing_of_this_name\n")
    decision, _ = gated(project)
    assert decision.exit == 3
    assert "nothing_of_this_name" in decision.remarks[0].says


def test_a_file_that_cannot_be_written_is_an_error(project):
    """The decision is lost then, so the exit code is not the decision's."""
    result = repro(project, "gate", "--junit", "nowhere/gate.xml")
    assert result.returncode == 3
    assert "nowhere/gate.xml cannot be written" in result.stderr
    assert "no regression: 4 claims compared" in result.stdout


def test_a_decision_that_cannot_be_printed_is_an_error(project):
    """A full disk below the log, or a closed pipe, is no regression; the files are written all the same."""
    with Path("/dev/full").open("w") as full:
        result = repro(project, "gate", "--json", "gate.json", stdout=full)
    assert result.returncode == 3
    assert "error: the decision cannot be written (No space left on device)" in result.stderr
    assert "Traceback" not in result.stderr
    assert json.loads((project / "gate.json").read_text())["exit"] == 0


def test_a_terminal_without_a_character_shows_another(project):
    """Where the log takes ASCII only, a gate ends as it would, and not with the exit code of a regression."""
    edit(project / REFERENCE, STEP, "    raise ReproError('für später')\n" + STEP)
    edit(project / REFERENCE, "import numpy as np\n", "import numpy as np\nfrom repro.errors import ReproError\n")
    result = repro(project, "gate", "toy2020/slope", PYTHONIOENCODING="ascii")
    assert result.returncode == 3
    assert "f?r sp?ter" in result.stdout


def test_an_interrupted_gate_says_so(monkeypatch, tmp_path):
    """Ctrl-C ends a gate with 3 and one sentence, not with a traceback."""
    module = import_module("harness.cli.gate")  # of the package, this name is the command

    def interrupted(*_: object) -> Decision:
        raise KeyboardInterrupt

    monkeypatch.setattr("harness.gate.run.run", interrupted)
    monkeypatch.chdir(write_project(tmp_path))
    result = CliRunner().invoke(module.gate, [])
    assert result.exit_code == 3
    assert "the same command goes on from there" in " ".join(result.output.split())
    assert "Traceback" not in result.output


def test_a_gate_that_is_ended_removes_what_it_checked_out(project):
    """SIGTERM ends a gate as Ctrl-C does: the process of the other revision and its working tree are gone."""
    edit(project / REFERENCE, STEP, "    import time; time.sleep(60)\n" + STEP)
    commit(project)
    trees = ["git", "-C", str(project), "worktree", "list"]
    gate = begin(project, "gate", "--baseline", "main", "--json", "gate.json")
    deadline = time.monotonic() + 120
    while len(subprocess.check_output(trees).splitlines()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    gate.send_signal(signal.SIGTERM)
    gate.communicate(timeout=120)
    assert gate.returncode == 3
    assert "interrupted" in json.loads((project / "gate.json").read_text())["remarks"][0]["says"]
    assert len(subprocess.check_output(trees).splitlines()) == 1


def test_annotations_point_into_the_repository(project):
    """Paths are told from the top of what was checked out; claims that lie elsewhere have no line in it."""
    edit(project / CLAIMS, "higher(by=10.0), seeds=4", "higher(by=9.0), seeds=4")

    def lines(workspace: Path) -> list[str]:
        claim, top = "toy2020/drift-carries", str(workspace)
        result = repro(project, "gate", claim, GITHUB_ACTIONS="true", GITHUB_WORKSPACE=top)
        return [line for line in result.stdout.splitlines() if line.startswith("::warning ")]

    line = line_of(project / CLAIMS, DRIFT.partition(",")[0])
    place = f"{CLAIMS},line={line},"
    for workspace, start in {project: f"file={place}", project.parent: f"file=project/{place}"}.items():
        (warning,) = lines(workspace)
        assert warning.startswith(f"::warning {start}title=toy2020/drift-carries@1::changed but")
    (warning,) = lines(project / "mine")
    assert warning.startswith("::warning title=toy2020/drift-carries@1::changed but")


def test_every_file_is_written(project):
    """Markdown, the step's summary, JUnit XML, JSON and annotations say the same."""
    edit(project / REFERENCE, STEP, STEP + " * 0.9")
    (project / "step.md").write_text("before\n")
    files = ["--json", "gate.json", "--markdown", "gate.md", "--junit", "gate.xml"]
    result = repro(project, "gate", *files, GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(project / "step.md"))
    assert result.returncode == 1
    errors = [line for line in result.stdout.splitlines() if line.startswith("::error ")]
    line = line_of(project / CLAIMS, DRIFT)
    assert any(e.startswith(f"::error file={CLAIMS},line={line},title=toy2020/drift-carries@1::end of") for e in errors)
    assert (project / "step.md").read_text() == "before\n" + (project / "gate.md").read_text()
    assert "### Regressions" in (project / "gate.md").read_text()
    cases = {case.get("name"): case for case in ET.parse(project / "gate.xml").iter("testcase")}
    assert cases["toy2020/drift-carries@1"].find("failure") is not None
    assert json.loads((project / "gate.json").read_text())["exit"] == 1
    assert not [line for line in repro(project, "gate").stdout.splitlines() if line.startswith("::")]


def test_a_revision_is_a_baseline_and_runs_beside(project):
    """--baseline REV judges that revision here; fresh seeds are run on both sides and compared in pairs.

    The project's hooks and filters do not run in the other tree, which may have neither their programs nor their files.
    """
    hook = project / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    for name, value in {"required": "true", "smudge": "nobody-has-this", "process": "nobody-has-this"}.items():
        subprocess.run(["git", "-C", str(project), "config", f"filter.lfs.{name}", value], check=True)
    (project / ".git" / "info").mkdir(exist_ok=True)
    (project / ".git" / "info" / "attributes").write_text("*.toml filter=lfs\n")
    edit(project / REFERENCE, STEP, STEP + " * 0.9")
    decision, text = gated(project, "--baseline", "main", "--costs", "")
    assert decision.exit == 1
    assert (decision.baseline, decision.against) == ("main", "main")
    assert "paired" in text
    listed = subprocess.run(["git", "-C", str(project), "worktree", "list"], capture_output=True, text=True)
    assert len(listed.stdout.splitlines()) == 1  # the other tree is gone


def test_a_folder_of_records_is_a_baseline(project):
    """A store, as `repro run` fills it, serves as well."""
    store = project / ".repro" / "store"
    assert repro(project, "run").returncode == 0
    assert gated(project, "--baseline", str(store))[0].claims == 4
    assert gated(project, "--baseline", str(store / "records"))[0].exit == 0


def test_only_touched_claims_are_run(project):
    """--changed-since runs the claims whose code, data or statement differ from that revision's."""
    decision, _ = gated(project, "--changed-since", "main")
    assert (decision.exit, decision.claims) == (0, 0)
    edit(project / CLAIMS, 'scalar(path[-1] / 50, "m/step")', 'scalar(path[-1] / 50 + 0.0, "m/step")')
    decision, _ = gated(project, "--changed-since", "main")
    assert (decision.exit, decision.claims) == (0, 1)
    assert [row.claim for row in decision.quality] == ["toy2020/slope@1[walk]"]
    edit(project / REFERENCE, "0.1 *", "0.10001 *")
    assert gated(project, "--changed-since", "main")[0].claims == 4


def test_a_claim_that_comes_with_the_change_runs_on_one_side_only(project):
    """Beside a revision without the claim, its values are compared with the baseline's, and it is not timed."""
    edit(project / CLAIMS, '@claim("slope", rows', '@claim("incline", rows')
    edit(project / CLAIMS, "def test_slope", "def test_incline")
    assert repro(project, "baseline", "update", "baseline.json").returncode == 0
    edit(project / REFERENCE, STEP, STEP + " * 0.9")
    named = ["toy2020/incline", "--against", "main", "--costs", "time<9", "--time", "toy2020/incline"]
    decision, text = gated(project, *named)
    assert decision.exit == 1, text
    assert said(decision, "regression") == [("quality", "toy2020/incline@1[walk]")]
    assert said(decision, "note") == [("cost", "toy2020/incline@1[walk]")]
    assert "was not timed: main does not have it" in text


@pytest.mark.slow
def test_a_slower_loop_is_a_regression(project):
    """Interleaved runs: four times the time is found, memory is not worse, and energy is noted as absent."""
    edit(project / REFERENCE, "import numpy as np\n", "import time\n\nimport numpy as np\n")
    edit(project / REFERENCE, STEP, "    time.sleep(0.1)\n" + STEP)
    commit(project)
    edit(project / REFERENCE, "time.sleep(0.1)", "time.sleep(0.4)")
    decision, text = gated(project, "--against", "main", "--pairs", "10")
    states = {cost.cost: cost.state for cost in decision.costs}
    assert decision.exit == 1, text
    assert states["time"] == "worse"
    assert states["memory"] == "fine"
    (time,) = [cost for cost in decision.costs if cost.cost == "time"]
    assert time.ratio is not None
    assert time.low is not None
    assert 1.05 < time.low < time.ratio
    (energy,) = [cost for cost in decision.costs if cost.cost == "energy"]
    assert (energy.ratio is None) == (energy.state == "unmeasured")
    assert decision.same == 4


@pytest.mark.slow
def test_equal_revisions_cost_the_same(project):
    """A change of nothing is no regression; on a busy machine it may stay undecided."""
    edit(project / REFERENCE, "import numpy as np\n", "import time\n\nimport numpy as np\n")
    edit(project / REFERENCE, STEP, "    time.sleep(0.1)\n" + STEP)
    commit(project)
    decision, text = gated(project, "--against", "main", "--costs", "time<1.5,memory<1.1")
    assert decision.exit != 1, text
    assert {cost.cost for cost in decision.costs} == {"time", "memory"}
    assert "worse" not in {cost.state for cost in decision.costs}


def test_a_submission_is_gated_on_its_own_baseline(project):
    """A submission has a baseline of its own, and a worse one fails."""
    write_submission(project)
    named = ["--implementation", "mine", "--trusted"]
    result = repro(project, "baseline", "write", "mine.json", *named)
    assert result.returncode == 0, result.stderr
    assert json.loads((project / "mine.json").read_text())["implementation"] == "submission:mine"
    decision, text = gated(project, "--baseline", "mine.json", *named)
    assert (decision.exit, decision.claims, decision.same) == (0, 4, 4), text
    edit(project / "mine" / "implementation.py", STEP, STEP + " * 0.8")
    decision, text = gated(project, "--baseline", "mine.json", *named)
    assert decision.exit == 1, text
    assert ("quality", "toy2020/drift-carries@1") in said(decision, "regression")


def test_a_submission_that_is_refused_is_an_error(project):
    """What cannot be judged at all is no regression: exit 3."""
    write_submission(project, toml=SUBMISSION.replace('"toy2020"', '"toy2002"'))
    decision, _ = gated(project, "--implementation", "mine", "--trusted")
    assert decision.exit == 3
    assert "Unknown paper 'toy2002'" in decision.remarks[0].says
