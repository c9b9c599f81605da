"""Plans: each trial once, what is finished, what the rest will cost, and what this machine cannot run."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

import jsonschema
import msgspec
import pytest

from harness.cluster.plan import Plan
from repro.machine.environment import device_class
from repro.record.record import decode
from repro.trial.cost_estimate import Estimate, Past
from tests.test_cli import record_files, repro
from tests.toy import trials_run, write_project

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy project on which nothing has been run."""
    return write_project(tmp_path_factory.mktemp("fresh"))


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy project of which one claim has been run on the reference, at two of its four seeds."""
    root = write_project(tmp_path_factory.mktemp("begun"))
    assert repro(root, "run", "toy2020/drift-carries", "--seeds", "2", "--device", "cpu").returncode == 1
    return root


def plan_of(project: Path, *arguments: str) -> Plan:
    """The plan that the command prints as JSON."""
    result = repro(project, "plan", *arguments, "--device", "cpu", "--json")
    assert result.returncode == 0, result.stderr
    return msgspec.json.decode(result.stdout, type=Plan)


def test_each_trial_is_planned_once_and_nothing_is_run(fresh):
    """Trials that claims and controls share are counted in the first; the order is that of the claims."""
    found = plan_of(fresh, "--controls")
    assert len({trial.key for trial in found.trials}) == len(found.trials) == found.total.trials == 23
    counts = {(line.claim, line.implementation, line.arm): (line.trials, line.shared) for line in found.lines}
    assert counts[("toy2020/drift-carries@1", "control:no_drift", "still")] == (0, 3)
    assert counts[("toy2020/goes-far@1", "reference", "walk")] == (0, 3)
    assert sum(trials for trials, _ in counts.values()) == 23
    shared = [trial for trial in found.trials if {use.claim for use in trial.needed_by} > {trial.claim}]
    assert [trial.seed for trial in shared] == [0, 1, 2]
    claims = list(dict.fromkeys(trial.claim for trial in found.trials))
    assert claims == [
        f"toy2020/{name}" for name in ("time-is-a-function@1", "drift-carries@1", "slope@1[walk]", "goes-far@1")
    ]
    assert trials_run(fresh) == []
    assert not any((fresh / ".repro" / name).exists() for name in ("store", "cache/trials"))


def test_the_order_is_stable(fresh):
    """Two plans of one selection are the same text."""
    first, second = (repro(fresh, "plan", "--controls", "--device", "cpu", "--json").stdout for _ in range(2))
    assert first == second


def test_nothing_known_is_null_and_said(fresh):
    """Where no trial was ever recorded the cost is null, and the total says of how many it is not known."""
    found = plan_of(fresh, "toy2020/drift-carries")
    assert {trial.estimate for trial in found.trials} == {None}
    assert found.total.wall_s == {}
    text = repro(fresh, "plan", "toy2020/drift-carries", "--device", "cpu").stdout
    assert "8 trials, 0 in the cache, 8 to do: of 8 the cost is not known" in text


def test_what_a_tier_lacks_is_listed_with_its_reason(fresh):
    """A claim that this machine cannot run is not planned, and says once what is missing and what it would cost."""
    found = plan_of(fresh, "--tier", "all", "--controls")
    assert [left.claim for left in found.left] == ["toy2020/on-a-gpu@1"]
    text = repro(fresh, "plan", "toy2020/on-a-gpu", "--tier", "all", "--device", "cpu").stdout
    assert "not planned: toy2020/on-a-gpu@1: needs a GPU" in text
    assert "3 minutes on one GPU" in text
    assert "0 trials" in text
    assert "not planned" not in repro(fresh, "plan", "--tier", "gpu", "--device", "cpu").stdout


def test_seeds_and_names_narrow_the_plan(fresh):
    """--seeds is for statistical claims only, and a name selects as in `repro run`."""
    found = plan_of(fresh, "--seeds", "2")
    seeds = {(t.claim, t.needed_by[0].arm): t.seed for t in found.trials}
    assert seeds[("toy2020/drift-carries@1", "walk")] == 1
    assert seeds[("toy2020/time-is-a-function@1", "walk")] == 0
    assert {t.claim for t in plan_of(fresh, "toy2020/slope").trials} == {"toy2020/slope@1[walk]"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["toi2020"], "Did you mean toy2020"), (["--tier", "gpus"], "Did you mean gpu"), (["--seeds", "0"], "--seeds")],
)
def test_bad_options_are_one_clear_error(fresh, arguments, says):
    """A name or tier that is not there is an error that helps."""
    result = repro(fresh, "plan", *arguments)
    assert result.returncode != 0
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_finished_trials_are_known_and_price_the_others(begun):
    """What is in the cache is not to be done; medians of it, by arm, are the estimates of the other seeds."""
    found = plan_of(begun, "toy2020/drift-carries", "--controls")
    assert found.total.cached == 4
    assert {trial.seed for trial in found.missing if trial.kind == "reference"} == {2, 3}
    record = decode(record_files(begun)[0].read_bytes())
    walls = [trial.usage.wall_s for trial in record.trials if trial.arm == "walk"]
    other = next(trial for trial in found.missing if trial.needed_by[0].arm == "walk")
    assert other.estimate == Estimate(wall_s=statistics.median(walls), on=device_class("cpu"), trials=2, of="reference")
    assert found.total.unknown == 0
    assert found.total.wall_s[device_class("cpu")] == pytest.approx(
        sum(trial.estimate.wall_s for trial in found.missing if trial.estimate)
    )


def test_records_price_trials_that_are_not_in_the_cache(begun):
    """The local store's records say what trials cost, on a cache that is empty; without some of them it is a bound."""
    text = repro(begun, "plan", "--device", "cpu", REPRO_CACHE=str(begun / "empty")).stdout
    assert "13 trials, 0 in the cache, 13 to do: at least" in text
    assert f"on {device_class('cpu')}, one after the other; of 5 the cost is not known" in text


def test_estimates_prefer_this_class_of_device():
    """The median is of this class of device, else of the class with most trials; never of a GPU for a CPU."""
    past, here = Past(), device_class("cpu")
    for number, wall_s in enumerate([10.0, 30.0, 20.0]):
        past.add("c", "reference", "a", "cpu other", str(number), wall_s)
    past.add("c", "reference", "a", "NVIDIA H200", "9", 1.0)
    assert past.estimate("c", "reference", "a", "cpu") == Estimate(
        wall_s=20.0, on="cpu other", trials=3, of="reference"
    )
    past.add("c", "reference", "a", here, "7", 5.0)
    past.add("c", "reference", "a", here, "7", 5.0)
    assert past.estimate("c", "reference", "a", "cpu") == Estimate(wall_s=5.0, on=here, trials=1, of="reference")
    found = past.estimate("c", "reference", "a", "cuda")
    assert found is not None
    assert found.on == "NVIDIA H200"
    assert past.estimate("c", "reference", "b", "cpu") is None


def test_a_control_without_a_past_costs_what_the_reference_does():
    """Records do not keep the trials of controls; the estimate says that it is the reference's."""
    past = Past()
    past.add("c", "reference", "a", "cpu x", "1", 4.0)
    found = past.estimate("c", "control:broken", "a", "cpu")
    assert found is not None
    assert (found.wall_s, found.of) == (4.0, "reference")
    past.add("c", "control:broken", "a", "cpu x", "2", 8.0)
    found = past.estimate("c", "control:broken", "a", "cpu")
    assert found is not None
    assert (found.wall_s, found.of) == (8.0, "control:broken")


def test_the_schema_is_current_and_admits_a_plan(begun):
    """The committed schema is what `python -m harness.cluster.plan` prints, and a real plan is valid by it."""
    committed = json.loads((ROOT / "docs" / "reference" / "plan.schema.json").read_text())
    assert committed == json.loads(json.dumps(msgspec.json.schema(Plan))), (
        "run: python -m harness.cluster.plan > docs/reference/plan.schema.json"
    )
    jsonschema.validate(json.loads(msgspec.json.encode(plan_of(begun, "--tier", "all"))), committed)
