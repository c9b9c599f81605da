"""The engine and what crosses to its workers, on the toy project, with workers of this process."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from harness.cli.plan import asked, planned
from harness.cluster.plan import Plan, Planned
from harness.cluster.scheduler import AHEAD, RETRIES, Engine, Lost, Progress, Report
from repro.claim.catalogue import Catalogue
from repro.errors import ReproError
from repro.machine.environment import machine
from repro.record.record import decode, encode
from repro.trial.cache import Cache
from repro.trial.cost_estimate import Estimate, Past
from repro.trial.implementation import reference
from repro.trial.judge import Suite
from repro.trial.recording import record_of
from repro.trial.request import Done, Refused, TrialRequest, accept, differences, perform, trial_of
from tests.toy import trials_run, write_project


class Here:
    """A pool of one worker, which is this process; `loses` says which requests it loses, `then` what follows each."""

    def __init__(self, slots: int = 1) -> None:
        self.room = slots
        self.sent: list[TrialRequest] = []
        self.most = 0
        self.loses: Callable[[TrialRequest], bool] = lambda request: False
        self.then: Callable[[TrialRequest], None] = lambda request: None
        self._waiting: dict[int, tuple[bytes, bytes]] = {}

    def slots(self) -> int:
        return self.room

    def submit(self, request: bytes, facts: bytes) -> object:
        self.sent.append(msgspec.json.decode(request, type=TrialRequest))
        self._waiting[len(self.sent)] = (request, facts)
        self.most = max(self.most, len(self._waiting))
        return len(self.sent)

    def wait(self, sent: Collection[object], seconds: float) -> Sequence[object]:
        return [min(sent, key=str)]

    def answer(self, sent: object) -> bytes:
        assert isinstance(sent, int)
        request, facts = self._waiting.pop(sent)
        named = msgspec.json.decode(request, type=TrialRequest)
        if self.loses(named):
            raise Lost("killed")
        found = perform(request, facts)
        self.then(named)
        return found


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A toy project that this process stands in, with a cache of its own."""
    root = write_project(tmp_path)
    monkeypatch.chdir(root)
    monkeypatch.setenv("REPRO_CACHE", str(root / "cache"))
    return root


def plan_of(root: Path, *names: str, controls: bool = False) -> Plan:
    """The plan of a selection on the CPU."""
    catalogue = Catalogue(root)
    given = {"tier": None, "controls": controls, "device": "cpu", "store": root / "store"}
    return planned(catalogue, asked(catalogue.select(names), names, **given))


def cache_of(root: Path) -> Cache:
    """The cache that the project's suite reads."""
    return Cache(root / "cache" / "trials")


def mapped(
    root: Path, pool: Here, trials: Sequence[Planned], say: Callable[[Progress], None] = lambda p: None
) -> Report:
    """Map trials into the project's cache."""
    return Engine(pool, cache_of(root), root, say).map(trials)


def test_a_plan_is_mapped_into_the_cache(project):
    """Every missing trial is computed once, progress ends with all of them, and a new plan has nothing left to do."""
    found = plan_of(project, controls=True)
    said: list[Progress] = []
    report = mapped(project, Here(), found.missing, said.append)
    assert sorted(report.computed) == sorted(trial.key for trial in found.trials)
    assert (said[-1].done, said[-1].total, said[-1].running) == (23, 23, 0)
    assert len(trials_run(project)) == 14
    assert plan_of(project, controls=True).missing == []


def test_a_record_names_the_machine_of_trials_from_elsewhere(project):
    """Trials that another machine computed say so in the record; those of this one leave it to the record."""
    found = plan_of(project, "toy2020/drift-carries").missing
    mapped(project, Here(), found)
    cache, away = cache_of(project), msgspec.structs.replace(machine(), cpu="Another", cores=64)
    cache.put(found[0].key, cache.get(found[0].key) | {"machine": msgspec.to_builtins(away)})
    claim = Catalogue(project).select(["toy2020/drift-carries"])[0]
    record = record_of(Suite(cache).judge(claim, reference("toy2020", project)), [], "cpu", project)
    assert {trial.key: trial.machine for trial in decode(encode(record)).trials} == {
        trial.key: away if trial is found[0] else msgspec.UNSET for trial in found
    }
    past = Past.of([record]).estimate(claim.id, "reference", record.trials[0].arm, "cpu")
    assert past is not None
    assert past.trials == 4


def test_no_more_is_sent_than_workers_can_begin(project):
    """At most two trials wait at the workers, so that another driver finds some that are not locked."""
    pool = Here(slots=3)
    mapped(project, pool, plan_of(project).missing)
    assert pool.most == 3 + AHEAD


def test_the_longest_goes_first(project):
    """Trials are sent in the order of their estimates, those of unknown cost before all others."""
    found = plan_of(project, "toy2020/drift-carries").missing
    costs = [Estimate(wall_s=w, on="cpu", trials=1, of="reference") if w else None for w in (3.0, 1.0, None, 7.0)]
    trials = [msgspec.structs.replace(t, estimate=c) for t, c in zip(found, costs, strict=False)]
    pool = Here()
    mapped(project, pool, trials)
    assert [request.key for request in pool.sent] == [trials[i].key for i in (2, 3, 0, 1)]


def test_a_lost_trial_is_sent_again_and_only_so_often(project):
    """A worker that is gone costs its trial one more run; a trial that takes its worker along each time is given up."""
    found = plan_of(project, "toy2020/drift-carries").missing
    deadly, unlucky = found[0].key, found[1].key
    pool = Here()
    seen: list[str] = []
    pool.loses = lambda request: (
        request.key == deadly or (request.key == unlucky and not seen.count(unlucky) and not seen.append(unlucky))
    )
    report = mapped(project, pool, found)
    assert [request.key for request in pool.sent].count(deadly) == RETRIES + 1
    assert [request.key for request in pool.sent].count(unlucky) == 2
    assert set(report.lost) == {deadly}
    assert len(report.computed) == len(found) - 1
    with cache_of(project).lock(deadly, wait=0.0) as free:
        assert free


def test_what_another_driver_computes_is_left_for_last_and_looked_up(project):
    """A trial that somebody else has locked is not sent; once it is in the cache it counts as found."""
    found = plan_of(project, "toy2020/drift-carries").missing
    theirs = found[0]
    cache, other = cache_of(project), ExitStack()
    assert other.enter_context(cache.lock(theirs.key, wait=0.0))
    said: list[Progress] = []

    def finish(request: TrialRequest) -> None:
        if request.key == found[-1].key:
            facts = msgspec.json.encode(trial_of(theirs, project).key_inputs)
            done = accept(perform(_json(theirs), facts), theirs.key)
            assert isinstance(done, Done)
            cache.put(theirs.key, done.payload)
            other.close()

    pool = Here()
    pool.then = finish
    report = mapped(project, pool, found, said.append)
    assert theirs.key not in {request.key for request in pool.sent}
    assert report.found == [theirs.key]
    assert max(progress.elsewhere for progress in said) == 1


def test_what_another_driver_leaves_unfinished_is_computed(project):
    """A lock that is given up without a result, as by a driver that was killed, does not lose the trial."""
    found = plan_of(project, "toy2020/drift-carries").missing
    other = ExitStack()
    other.enter_context(cache_of(project).lock(found[0].key, wait=0.0))
    pool = Here()
    pool.then = lambda request: other.close() if request.key == found[-1].key else None
    report = mapped(project, pool, found)
    assert pool.sent[-1].key == found[0].key
    assert len(report.computed) == len(found)


def test_a_failing_trial_does_not_stop_the_others(project):
    """What raises is reported with its trial, is not kept, and everything else is computed."""
    path = project / "reference" / "toy2020.py"
    path.write_text(path.read_text().replace("rng = np", "assert seed != 2, 'no luck'\n    rng = np"))
    found = plan_of(project, "toy2020/drift-carries").missing
    report = mapped(project, Here(), found)
    assert len(report.computed) == 6
    assert all("seed 2 raised AssertionError: no luck" in failed.problem for failed in report.failed.values())
    assert len(report.failed) == 2
    assert not any(cache_of(project).path(key).exists() for key in report.failed)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda facts: facts["software"].update(torch="1.0"), 'software torch is "'),
        (lambda facts: facts.update(implementation="0"), "the source of the implementation differs"),
        (lambda facts: facts.update(data="0"), "the dataset differs"),
        (lambda facts: facts.update(device="NVIDIA H200"), "the class of the device is "),
    ],
    ids=["software", "source", "data", "device"],
)
def test_another_environment_is_refused(project, change, says):
    """A worker whose facts give another key computes nothing and names what differs."""
    request = plan_of(project, "toy2020/drift-carries").missing[0]
    facts = msgspec.json.decode(msgspec.json.encode(trial_of(request, project).key_inputs))
    change(facts)
    answer = accept(perform(_json(request, key="0" * 64), msgspec.json.encode(facts)), "0" * 64)
    assert isinstance(answer, Refused)
    assert says in answer.problem
    assert trials_run(project) == []


@pytest.mark.parametrize("name", ["claim", "implementation", "arm"])
def test_names_that_mean_nothing_there_are_refused(project, name):
    """A claim, a control or an arm that the worker's project does not have is a refusal, not a crash."""
    request = plan_of(project, "toy2020/drift-carries", controls=True).missing[-1]
    wrong = 9 if name == "arm" else "toy2020/gone@1"
    answer = accept(perform(_json(request, **{name: wrong}), b"{}"), request.key)
    assert isinstance(answer, Refused)
    assert "Unknown" in answer.problem


def test_a_refusal_ends_the_map_and_frees_its_locks(project):
    """One worker of another environment stops the run; nothing is kept of it, and every trial can be locked again."""
    found = plan_of(project, "toy2020/drift-carries").missing

    class Elsewhere(Here):
        def answer(self, sent: object) -> bytes:
            return msgspec.json.encode(Refused("The worker is another environment", "Mend it."))

    with pytest.raises(ReproError, match="another environment"):
        mapped(project, Elsewhere(slots=3), found)
    for trial in found:
        with cache_of(project).lock(trial.key, wait=0.0) as free:
            assert free
        assert not cache_of(project).path(trial.key).exists()


def test_the_result_of_another_trial_is_not_kept(project):
    """A worker that mixes results up is found out by the facts in them."""
    one, other, *_ = plan_of(project, "toy2020/drift-carries").missing
    answer = perform(_json(one), msgspec.json.encode(trial_of(one, project).key_inputs))
    with pytest.raises(ReproError, match="another trial"):
        accept(answer, other.key)


def test_no_worker_is_one_clear_error(project):
    """A cluster without a core, or without a GPU for trials on one, is said before anything waits for it."""
    with pytest.raises(ReproError, match="No worker can run these trials"):
        mapped(project, Here(slots=0), plan_of(project).missing)


def test_differences_name_the_innermost_fact():
    """Within versions and configs the one that differs is named, with both values."""
    here = {"software": {"torch": "2", "numpy": "1"}, "config": {"lr": 0.1}}
    there = {"software": {"torch": "3", "numpy": "1"}, "config": {"lr": 0.1}}
    assert differences(here, there) == ['software torch is "3" there and "2" here']


def _json(planned: Planned, **changed: object) -> bytes:
    fields = {name: getattr(planned, name) for name in TrialRequest.__struct_fields__}
    return msgspec.json.encode(fields | changed)
