"""The pytest plugin, on the toy project: honest outcomes, one trial once, records and the table."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from repro.criterion.verdict import Outcome
from repro.record.record import decode
from tests.toy import PATIENCE_S, started, trials_run, wait_for, write_project, write_submission, write_waiting_project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A toy project of its own, with cache and store inside."""
    return write_project(tmp_path)


def pytest_in(project: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on the project's claims in a process of its own; what it says while it waits is left out."""
    words = command(*arguments)
    done = subprocess.run(words, cwd=project, env=clean(environment), capture_output=True, text=True)
    done.stdout = re.sub(r"\n… .*\n", "", done.stdout)
    return done


def begin(project: Path) -> subprocess.Popen[str]:
    """Begin to run pytest on the project's claims."""
    return started(command(), project, clean({}))


def command(*arguments: str) -> list[str]:
    """The command line of a run."""
    return [sys.executable, "-m", "pytest", "claims", "-p", "no:cacheprovider", *arguments]


def clean(environment: dict[str, str]) -> dict[str, str]:
    """This environment without what would point at another cache or store."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("REPRO_", "PYTEST_"))}
    return kept | {"COLUMNS": "200"} | environment


def edit(path: Path, old: str, new: str) -> None:
    """Replace text that must be there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def records_in(project: Path) -> list[Path]:
    """The record files of the project's store."""
    return sorted((project / ".repro" / "store" / "records").rglob("*.json"))


def test_default_run_judges_writes_records_and_prints_the_table(project):
    """Claims of the default tier pass, each outcome has its word, and every claim leaves a valid record."""
    result = pytest_in(project)
    assert result.returncode == 0, result.stdout
    assert "4 passed, 1 deselected" in result.stdout
    for pattern in (
        r"toy2020/drift-carries@1 +Table 1 +4\d\.\d+ \[.*\] m +4 +reduced +supported",
        r"toy2020/time-is-a-function@1 .* exact +reproduced",
        r"toy2020/slope@1\[walk\] +1 m/step, Table 1, walk .* supported",
        r"toy2020/goes-far@1 .* finding",
    ):
        assert re.search(pattern, result.stdout), (pattern, result.stdout)
    assert str(project / ".repro" / "store") in result.stdout
    found = [decode(path.read_bytes()) for path in records_in(project)]
    assert {r.claim.id for r in found} == {
        "toy2020/time-is-a-function@1",
        "toy2020/drift-carries@1",
        "toy2020/slope@1[walk]",
        "toy2020/goes-far@1",
    }
    drift = next(r for r in found if r.claim.name == "drift-carries")
    assert len(drift.trials) == 8
    assert [len(s.values) for s in drift.samples] == [4, 4]


def test_controls_are_run_and_must_be_rejected(project):
    """With --controls every sabotage is an item of its own and the record says that it was rejected."""
    result = pytest_in(project, "--controls", "-v")
    assert result.returncode == 0, result.stdout
    assert "test_drift_carries[control:no_drift] REJECTED" in result.stdout
    assert "4 of 4 sabotaged implementations rejected" in result.stdout
    found = [decode(path.read_bytes()) for path in records_in(project)]
    assert all(control.rejected for record in found for control in record.controls)
    assert all(record.controls for record in found)


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("claims/test_toy2020.py", "higher(by=10.0), seeds=4", "higher(by=-1000.0), seeds=4"),
        (
            "claims/controls/toy2020.py",
            "return sabotage(reference, simulate=simulate, CONFIGS=still)",
            "return reference",
        ),
    ],
    ids=["a trivially true criterion", "a control that equals the reference"],
)
def test_a_powerless_claim_fails(project, path, old, new):
    """A criterion that cannot reject its control makes the claim inconclusive and the control accepted."""
    edit(project / path, old, new)
    result = pytest_in(project, "--controls", "-v", "--claim", "toy2020/drift-carries")
    assert result.returncode == 1
    assert "test_drift_carries[reference] INCONCLUSIVE" in result.stdout
    assert "test_drift_carries[control:no_drift] ACCEPTED" in result.stdout
    assert "powerless: no_drift was not rejected" in result.stdout
    (record,) = (decode(path.read_bytes()) for path in records_in(project))
    assert (record.word, record.outcome) == ("inconclusive", Outcome.POWERLESS)
    assert "test_toy2020.py P" in pytest_in(project, "--controls", "--claim", "toy2020/drift-carries").stdout


@pytest.mark.parametrize(
    ("path", "old", "new", "says"),
    [
        ("claims/test_toy2020.py", 'controls=["no_drift"])\ndef test_drift', "controls=[])\ndef test_drift",
         "names no control"),
        ("claims/controls/toy2020.py", "def no_drift", "def other", "Unknown control of toy2020 'no_drift'"),
    ],
    ids=["no control named", "a control that is gone"],
)  # fmt: skip
def test_a_missing_control_fails(project, path, old, new, says):
    """A claim without a control cannot be stated, and one whose control is gone does not pass."""
    edit(project / path, old, new)
    result = pytest_in(project, "--controls")
    assert result.returncode != 0
    assert says in result.stdout


def test_refuted_and_inconclusive_fail_in_one_line(project):
    """A claim that does not hold fails with its numbers and margin in one line and its own letter."""
    edit(project / "claims" / "test_toy2020.py", "higher(by=10.0), seeds=4", "higher(by=80.0), seeds=4")
    result = pytest_in(project, "--claim", "toy2020/drift-carries")
    assert result.returncode == 1
    assert "test_toy2020.py X" in result.stdout
    lines = [line for line in result.stdout.splitlines() if line.startswith("REFUTED: ")]
    assert len(lines) == 1
    assert "must exceed 80" in lines[0]
    assert "n=4" in lines[0]
    assert "Traceback" not in result.stdout
    edit(project / "claims" / "test_toy2020.py", "higher(by=80.0), seeds=4", "higher(by=49.95), seeds=4")
    result = pytest_in(project, "--claim", "toy2020/drift-carries")
    assert "test_toy2020.py I" in result.stdout
    assert "could have detected" in result.stdout


def test_claims_named_from_above_are_those_of_their_own_project(tmp_path):
    """From the top of a repository of many projects, records and trials go to the project that holds the claims."""
    project = write_project(tmp_path / "packages" / "walker")
    words = [sys.executable, "-m", "pytest", "packages/walker/claims", "-p", "no:cacheprovider"]
    done = subprocess.run(words, cwd=tmp_path, env=clean({}), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert len(records_in(project)) == 4
    assert not (tmp_path / ".repro").exists()
    write_project(tmp_path / "packages" / "other")
    both = subprocess.run(
        [*words, "packages/other/claims"], cwd=tmp_path, env=clean({}), capture_output=True, text=True
    )
    assert both.returncode != 0
    assert "The claims are of 2 projects: other, walker" in both.stdout + both.stderr


TAKEN = """
import pytest


def pytest_addoption(parser):
    parser.addoption("--device", default="phone")
    parser.addoption("--seeds", default="apple")


@pytest.fixture
def device(request):
    return request.config.getoption("--device")
"""


def test_options_of_others_stay_theirs(tmp_path):
    """Where another plugin has --device, it keeps it, in a project of its own and beside claims; ours has --repro-."""
    other = tmp_path / "other"
    (other / "tests").mkdir(parents=True)
    (other / "conftest.py").write_text(TAKEN)
    (other / "tests" / "test_it.py").write_text("def test_it(device):\n    assert device == 'tablet'\n")
    words = [sys.executable, "-m", "pytest", "tests", "-p", "no:cacheprovider", "--device", "tablet"]
    done = subprocess.run(words, cwd=other, env=clean({}), capture_output=True, text=True)
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    project = write_project(tmp_path / "ours")
    (project / "conftest.py").write_text(TAKEN)
    for arguments in (["--claim", "toy2020/slope", "--repro-device", "cpu"], ["--repro-claim", "toy2020/slope"]):
        done = pytest_in(project, "--device", "no such device", *arguments)
        assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_a_finding_that_holds_fails(project):
    """A claim expected to be refuted fails when it holds: the literature would be wrong, or the check."""
    edit(project / "claims" / "test_toy2020.py", "at_least(1000.0)", "at_least(10.0)")
    result = pytest_in(project, "-v", "--claim", "toy2020/goes-far")
    assert result.returncode == 1
    assert "UNEXPECTED" in result.stdout


def test_tier_gpu_is_skipped_with_what_it_lacks_and_costs(project):
    """A GPU claim is skipped where there is none, saying what is missing, how to get it and what it costs."""
    result = pytest_in(project, "--claim", "toy2020/on-a-gpu", "--tier", "all", "--device", "cpu")
    assert result.returncode == 0
    assert "1 skipped" in result.stdout
    assert "needs a GPU" in result.stdout
    assert "3 minutes on one GPU" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--claim", "toy2020/drift-carry"], "Did you mean toy2020/drift-carries@1"),
        (["--claim", "toi2020"], "Unknown paper 'toi2020'. Did you mean toy2020"),
        (["--tier", "gpus"], "Unknown tier 'gpus'. Did you mean gpu"),
        (["--device", "cuda"], "--device cuda was asked for, but torch sees none here"),
        (["--seeds", "0"], "--seeds 0 is not a number of seeds"),
    ],
)
def test_bad_options_are_one_clear_error(project, arguments, says):
    """A name or device that is not there ends the run with one line that helps, before any trial."""
    result = pytest_in(project, *arguments)
    assert result.returncode == 4
    assert says in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    assert trials_run(project) == []


def test_second_run_computes_nothing_and_adds_nothing(project):
    """Cached trials are not repeated, and an equal record is not written twice."""
    pytest_in(project)
    before, files = trials_run(project), records_in(project)
    assert len(before) == 8
    pytest_in(project)
    assert trials_run(project) == before
    assert records_in(project) == files


def test_no_cache_computes_again_and_shares_within_the_session(project):
    """--no-cache reads and keeps nothing, but two claims of one session still share their trials."""
    pytest_in(project)
    pytest_in(project, "--no-cache")
    assert len(trials_run(project)) == 16


@pytest.mark.parametrize("seeds", ["1", "3"])
def test_fewer_seeds_are_inconclusive(project, seeds):
    """Fewer seeds than a claim asks for settle nothing, however clear the numbers; exact claims need none."""
    result = pytest_in(project, "--seeds", seeds, "-v")
    assert result.returncode == 1
    assert "test_drift_carries[reference] INCONCLUSIVE" in result.stdout
    assert "test_time_is_a_function[reference] REPRODUCED" in result.stdout
    words = {record.claim.name: record.word for record in map(decode, map(Path.read_bytes, records_in(project)))}
    assert words["drift-carries"] == "inconclusive"


def test_a_run_without_controls_does_not_replace_one_with(project):
    """A record that says the same but for missing controls is not written over the one that has them."""
    pytest_in(project, "--controls")
    before = records_in(project)
    pytest_in(project)
    assert records_in(project) == before


def test_another_implementation_is_judged_by_the_same_claims(project):
    """--implementation FOLDER judges a submission in place of the reference, and the record says so."""
    write_submission(project)
    result = pytest_in(project, "--implementation", "mine", "-v")
    assert result.returncode == 0, result.stdout
    assert "test_drift_carries[submission:mine] SUPPORTED" in result.stdout
    assert {decode(p.read_bytes()).implementation.kind for p in records_in(project)} == {"submission"}


def test_under_xdist_no_trial_runs_twice(tmp_path):
    """Two workers share trials through the cache, and the controller prints one table with every row."""
    project = write_project(tmp_path, sleep=0.05)
    result = pytest_in(project, "--controls", "-n", "2")
    assert result.returncode == 0, result.stdout
    assert result.stdout.count("= verdicts =") == 1
    assert len(set(re.findall(r"toy2020/[a-z-]+@1", result.stdout))) == 4
    lines = trials_run(project)
    # 8 of the reference; both arms of the control are the same config, rejected after 3; the inverse control has 3
    assert len(lines) == 8 + 3 + 3
    assert len(records_in(project)) == 4


def test_two_suites_at_once_share_one_store(tmp_path):
    """Two pytest processes on one project lose no record and repeat no trial."""
    project = write_project(tmp_path, sleep=0.05)
    both = [begin(project) for _ in range(2)]
    outputs = [process.communicate(timeout=PATIENCE_S)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert len(trials_run(project)) == 8
    claims = [decode(p.read_bytes()).claim.id for p in records_in(project)]
    assert len(set(claims)) == 4


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 2), (signal.SIGKILL, -9)])
def test_a_suite_that_is_stopped_resumes(tmp_path, stop, code):
    """Ctrl-C or SIGKILL in a trial keeps those before it and leaves no lock; the next run computes only the others."""
    project = write_waiting_project(tmp_path, "setting.config.drift == 0.0")
    process = begin(project)
    wait_for(lambda: len(trials_run(project)) == 5, process)  # four are finished, and the fifth waits
    process.send_signal(stop)
    output = process.communicate(timeout=PATIENCE_S)[0]
    assert process.returncode == code, output
    assert len(trials_run(project)) == 5
    (project / "go").touch()
    result = pytest_in(project)
    assert result.returncode == 0, result.stdout
    assert "damaged" not in result.stdout
    assert len(trials_run(project)) == 8 + 1  # only the one that was cut off runs again


def test_damaged_cache_entry_is_computed_again_and_said(project):
    """An edited entry is noticed: the trial runs again and the run says so."""
    pytest_in(project)
    entries = [p for p in (project / ".repro" / "cache" / "trials").rglob("*.json") if '"end"' in p.read_text()]
    entries[0].write_text(entries[0].read_text().replace('"value":', '"value": 1'))
    result = pytest_in(project)
    assert result.returncode == 0
    assert "is damaged; the trial is computed again" in result.stdout
    assert len(trials_run(project)) == 9


def test_slow_claims_show_progress(tmp_path):
    """A claim that takes over five seconds says which trial it is at, with and without xdist."""
    project = write_project(tmp_path, sleep=1.2)
    for extra in ([], ["-n", "2", "--no-cache"]):
        words = command("--claim", "toy2020/drift-carries", *extra)
        result = subprocess.run(words, cwd=project, env=clean({}), capture_output=True, text=True)
        assert result.returncode == 0
        assert re.search(r"… toy2020/drift-carries@1 reference: trial \d of 8, \d+ s", result.stdout), result.stdout


def test_a_time_limit_for_tests_does_not_cut_claims(tmp_path):
    """pytest-timeout's limit is not for claims: a GPU claim may take hours."""
    project = write_project(tmp_path, sleep=0.3)
    result = pytest_in(project, "--claim", "toy2020/drift-carries", "--timeout", "1")
    assert result.returncode == 0, result.stdout


def test_junit_properties(project):
    """JUnit XML carries claim, verdict, estimate and interval as properties."""
    pytest_in(project, "--junitxml", "out.xml", "--claim", "toy2020/drift-carries")
    properties = {p.get("name"): p.get("value") for p in ET.parse(project / "out.xml").iter("property")}
    assert properties["repro.claim"] == "toy2020/drift-carries@1"
    assert properties["repro.outcome"] == "supported"
    assert float(properties["repro.low"] or "nan") < float(properties["repro.estimate"] or "nan")


def test_a_crashing_implementation_fails_with_its_error(project):
    """An exception in a trial fails that claim with the trial named, and keeps the traceback."""
    edit(project / "reference" / "toy2020.py", "rng = np.random", "raise RuntimeError('no luck')\n    rng = np.random")
    result = pytest_in(project, "--claim", "toy2020/drift-carries")
    assert result.returncode == 1
    assert "seed 0 raised RuntimeError: no luck" in result.stdout
    assert "error in toy2020/drift-carries@1 reference" in result.stdout
    assert "reference/toy2020.py" in result.stdout
    assert records_in(project) == []


def test_a_diverging_run_counts_against(project):
    """NaN in one seed refutes, is recorded as null, and never vanishes."""
    edit(
        project / "reference" / "toy2020.py",
        "return path[",
        "path = path + (np.nan if seed == 2 else 0)\n    return path[",
    )
    result = pytest_in(project, "--claim", "toy2020/drift-carries")
    assert result.returncode == 1
    assert "diverged" in result.stdout
    record = decode(records_in(project)[0].read_bytes())
    assert record.word == "refuted"
    assert None in record.samples[0].values


@pytest.mark.parametrize("variable", ["REPRO_CACHE", "REPRO_STORE"])
def test_unwritable_folders_are_one_clear_error(project, variable):
    """A cache or store that cannot be written says which variable to set; the other is not harmed."""
    (project / "file").write_text("")
    result = pytest_in(project, "--claim", "toy2020/drift-carries", **{variable: str(project / "file" / "x")})
    assert result.returncode != 0
    assert variable in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr


def test_groups_are_markers_and_keywords(project):
    """-m and -k select claims by group."""
    for arguments in (["-m", "mechanism"], ["-k", "mechanism"]):
        result = pytest_in(project, *arguments)
        assert "1 passed" in result.stdout


def test_records_are_json_with_raw_values(project):
    """A record is plain JSON, named by its hash, with the command that reruns it."""
    pytest_in(project, "--claim", "toy2020/drift-carries")
    (path,) = records_in(project)
    fields = json.loads(path.read_text())
    assert fields["id"].removeprefix("sha256:").startswith(path.stem)
    assert fields["samples"][0]["seeds"] == [0, 1, 2, 3]
    assert "toy2020/drift-carries" in fields["command"]
    assert fields["implementation"]["deviations"] == 1
