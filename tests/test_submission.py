"""Submissions: from a folder to a record, on the toy paper. Hostile ones are in test_threats and test_exhaustion."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from harness.sandbox import host, jail
from harness.sandbox.inside.limits import CEILING, Limits
from harness.submission import costs, folder, manifest
from harness.submission.compilation import audit_inputs, rehearsal_inputs
from harness.submission.paired_runs import PairedRuns
from harness.submission.submission import Submission, audit_seeds
from repro import data
from repro.claim.catalogue import Catalogue
from repro.errors import ReproError
from repro.record.record import as_sample, decode
from repro.trial import recording
from repro.trial.cache import Cache
from repro.trial.implementation import reference
from repro.trial.judge import Suite
from tests.toy import REFERENCE, SUBMISSION, write_project, write_submission

ROOT = Path(__file__).parent.parent
CONTRACTS = {key: one.CONTRACT for key, one in Catalogue(ROOT).modules.items() if hasattr(one, "CONTRACT")}


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A toy project of its own, with cache and store inside."""
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return write_project(tmp_path)


def repro(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in the project."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("REPRO_", "PYTEST_"))}
    words = [sys.executable, "-c", "from harness.cli import main; main()", *arguments]
    return subprocess.run(words, cwd=project, env=kept | {"COLUMNS": "200"}, capture_output=True, text=True)


STANDARD = {"null", "zero", "full", "random", "urandom", "tty", "console", "ptmx"}  # every jail has these


def test_a_division_cannot_be_changed_after_the_audits(project):
    """What passed its audits in the open division is refused once its manifest says closed."""
    changed = REFERENCE.replace("steps: int = 50", "steps: int = 60")
    write_submission(project, source=changed)
    assert Submission.at(project / "mine", project).audited().division == "open"
    write_submission(project, source=changed, toml=SUBMISSION.replace('"open"', '"closed"'))
    with pytest.raises(ReproError, match=r"^CONFIGS\['still'\]\.steps is 60"):
        Submission.at(project / "mine", project).audited()


def test_the_template_is_judged_as_it_stands(project):
    """new, run, publish: a copy of the reference passes every claim, and its records say what it is."""
    assert repro(project, "submission", "new", "toy2020", "fresh").returncode == 0
    checked = repro(project, "submission", "check", "fresh")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "ok  same seed, same result" in checked.stdout
    run = repro(project, "submission", "run", "fresh")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "4 passed" in run.stdout
    assert "time to simulate" in run.stdout or "peak memory" in run.stdout
    published = repro(project, "submission", "publish", "fresh")
    records = [decode(Path(project / line).read_bytes()) for line in published.stdout.split()]
    assert len(records) == 4
    parts = [record.implementation for record in records]
    assert {(part.kind, part.name, part.division) for part in parts} == {("submission", "fresh", "closed")}
    (own,) = {part.submission for part in parts}
    assert own.shared == "1 of 1"
    assert own.isolation.startswith("bubblewrap")
    assert "peak memory" in [ratio.what for ratio in own.costs]  # energy, too, where it can be measured
    assert {record.runner for record in records} == {"self-reported"}


def test_the_template_brings_the_references_that_its_own_builds_on(project):
    """A reference is copied with the references and shared parts that it imports, and passes on its own in the jail."""
    before, simulate = REFERENCE.split("def simulate")
    simulate = simulate.replace("np.random.default_rng", "random")
    others = {
        "common/draws": "import numpy as np\n\n\ndef drawn(words):\n    return np.random.default_rng(words)\n",
        "brown1828": "from reference.common.draws import drawn\n\n\ndef random(words):\n    return drawn(words)\n",
        "bachelier1900": f"import numpy as np\nfrom reference.brown1828 import random\n\n\ndef simulate{simulate}",
    }
    (project / "reference" / "common").mkdir()
    for key, text in others.items():
        (project / "reference" / f"{key}.py").write_text(text)
    built = f"{before}from reference import bachelier1900\n\n\nsimulate = bachelier1900.simulate\n"
    (project / "reference" / "toy2020.py").write_text(built)
    assert repro(project, "submission", "new", "toy2020", "fresh").returncode == 0
    assert {f.relative_to(project / "fresh").as_posix() for f in (project / "fresh").rglob("*.py")} == {
        "implementation.py",
        "bachelier1900.py",
        "brown1828.py",
        "common/draws.py",
    }
    run = repro(project, "submission", "run", "fresh", "--no-costs")
    assert "4 passed" in run.stdout, run.stdout + run.stderr
    assert folder.read(project / "fresh", project).shared == (3, 3)


def test_a_rerun_on_fresh_seeds_verifies(project):
    """A rerun on seeds nobody has seen writes records that say verified and supersede the others."""
    write_submission(project)
    assert repro(project, "submission", "run", "mine", "drift-carries", "--no-costs").returncode == 0
    repro(project, "submission", "publish", "mine")
    result = repro(project, "submission", "verify", "mine")
    assert result.returncode == 0, result.stdout + result.stderr
    published = [decode(f.read_bytes()) for f in (project / "leaderboard" / "records").rglob("*.json")]
    by_runner = {record.runner: record for record in published}
    assert by_runner["verified"].supersedes == by_runner["self-reported"].id
    assert by_runner["verified"].implementation.submission.salt
    assert by_runner["verified"].samples != by_runner["self-reported"].samples


def test_publishing_runs_nothing(project):
    """Naming the records of somebody's folder takes its source's digest only: none of it is run, in a jail or not."""
    write_submission(project, source=REFERENCE + f"open({str(project / 'ran')!r}, 'w')\n")
    result = repro(project, "submission", "publish", "mine")
    assert "The store has no records of mine as it stands" in result.stderr
    assert not (project / "ran").exists()
    assert not list((project / ".repro" / "cache").rglob("description.json"))


def test_only_its_claims_are_judged(project):
    """A submission that lists claims is judged by these; one that answers none of those asked for is told so."""
    write_submission(project, toml=SUBMISSION + 'claims = ["drift-carries"]\n')
    result = repro(project, "submission", "run", "mine", "--no-costs")
    assert "1 passed" in result.stdout, result.stdout + result.stderr
    other = repro(project, "run", "toy2020/slope", "--implementation", "mine")
    assert "The submission answers none of these claims" in other.stdout + other.stderr
    assert other.returncode != 0


def test_trusted_runs_are_marked(project):
    """--trusted needs no jail, gives the same numbers, and its record says that there was none."""
    write_submission(project)
    arguments = ["toy2020/drift-carries", "--implementation", "mine"]
    for extra in ([], ["--trusted"]):
        assert repro(project, "run", *arguments, *extra).returncode == 0
    records = [decode(f.read_bytes()) for f in (project / ".repro" / "store" / "records").rglob("*.json")]
    first, second = sorted(records, key=lambda record: record.created)
    assert {r.implementation.submission.isolation for r in records} >= {"none (trusted)"}
    assert first.samples == second.samples


def test_a_jailed_reference_gives_the_same_numbers(project):
    """The same claims judged on the reference in this process and in a jail: the same verdicts, bit for bit."""
    suite = Suite(Cache(project / "trials"))
    jailed = host.as_reference("toy2020", project)
    for claim in [claim for claim in Catalogue(project).claims if claim.tier == "cpu"]:
        here, there = (suite.judge(claim, implementation) for implementation in (reference("toy2020", project), jailed))
        assert here.verdict == there.verdict
        for one, other in zip(here.samples, there.samples, strict=True):
            np.testing.assert_array_equal(one.values, other.values)


def test_seeds_are_derived_from_the_source(project):
    """Nobody can ship results for seeds known beforehand: they change with each byte of the source, and the salt."""
    write_submission(project)
    first = Submission.at(project / "mine", project).host
    write_submission(project, source=REFERENCE + "# a byte\n")
    second = Submission.at(project / "mine", project).host
    salted = dataclasses.replace(second, salt="pepper")
    drawn = [[one.seed(seed) for seed in range(20)] for one in (first, second, salted)]
    assert len({seed for seeds in drawn for seed in seeds}) == 60
    assert drawn[0] == [first.seed(seed) for seed in range(20)]
    audits = [seed for one in (first, second, salted) for seed in audit_seeds(one)]
    assert len({*audits, *(seed for seeds in drawn for seed in seeds)}) == 66
    assert all(0 <= seed < 16**7 for seed in audits)
    beside = host.as_reference("toy2020", project).host
    assert beside is not None
    assert beside.seed(3) == 3


MEMORY = """

KNOWN = {seed: walked for seed in range(1000) for walked in [simulate(Config(), range(50), seed=seed)]}


def simulate(config, times, *, seed):
    path = KNOWN.get(seed, np.random.default_rng(seed).standard_normal(50))
    return path[np.asarray(times)]
"""


def test_results_kept_for_known_seeds_do_not_help(project):
    """A submission with right results for the seeds that claims use, and noise for others, is refuted."""
    write_submission(project, source=REFERENCE + MEMORY)
    (claim,) = Catalogue(project).select(["toy2020/drift-carries"])
    own = Submission.at(project / "mine", project).audited()
    told = dataclasses.replace(Submission.at(project / "mine", project).host, salt=None)
    suite = Suite(Cache(project / "trials"))
    assert suite.judge(claim, own).verdict.status == "refuted"
    with told.open(seed=0, device="cpu", dataset=None) as opened:
        assert opened.names.simulate(own.config("walk", {}), [49], seed=0)[0] > 40


NOSY = """
import pathlib

SEEN = []


def simulate(config, times, *, seed):
    note = pathlib.Path("/tmp/note")
    found = len(SEEN) + note.exists()
    SEEN.append(seed)
    note.write_text("seen")
    return np.full(len(times), float(found))
"""


def test_every_trial_has_a_process_of_its_own(project):
    """What one trial leaves in memory or in /tmp, the next does not find."""
    write_submission(project, source=REFERENCE + NOSY)
    own = Submission.at(project / "mine", project).implementation()
    found = []
    for _ in range(2):
        with own.open(seed=0, device="cpu", dataset=None) as opened:
            found.append([opened.names.simulate(own.config("walk", {}), [1], seed=0)[0] for _ in range(2)])
    assert found == [[0.0, 2.0], [0.0, 2.0]]


def test_several_files_make_one_submission(project):
    """implementation.py may import what lies beside it, and all files are in the digest."""
    mine = write_submission(
        project,
        source=REFERENCE.replace("0.1 *", "noise.LEVEL *").replace("import numpy", "import noise\nimport numpy"),
    )
    (mine / "noise.py").write_text("LEVEL = 0.2\n")
    before = Submission.at(mine, project)
    assert Submission.at(mine, project).audited().name == "mine"
    (mine / "noise.py").write_text("LEVEL = 0.3\n")
    assert Submission.at(mine, project).checked.digest != before.checked.digest
    assert before.host.kept.joinpath("source", "noise.py").read_text() == "LEVEL = 0.2\n"


def test_words_may_change_without_a_rerun(project):
    """README and manifest are not part of the source: its digest stays, and the jail does not show them."""
    mine = write_submission(
        project, source=REFERENCE + "import os\n\n\ndef listed():\n    return os.listdir('/submission')\n"
    )
    before = Submission.at(mine, project)
    (mine / "README.md").write_text("What is different about it.\n")
    (mine / "submission.toml").write_text(SUBMISSION.replace("A noisier walk", "A walk with more noise"))
    after = Submission.at(mine, project)
    assert after.checked.digest == before.checked.digest
    with after.host.jailed() as (broker, _):
        assert broker.names(broker.load(None, "cpu")).listed() == ["implementation.py"]


@pytest.mark.parametrize("name", ["../outside", "/etc/x", "a/../../b", "", "a//b", "a\0b", "x" * 600])
def test_what_leaves_the_jail_lands_in_its_folder(project, name):
    """Compiled code with a name that leads elsewhere is refused, and nothing is written."""
    write_submission(project)
    own = Submission.at(project / "mine", project).host
    with pytest.raises(ReproError, match="no plain path below its folder"):
        host.keep_compiled(own, {"fine": b"", name: b"x"})
    assert not own.compiled.exists()


def test_compiled_code_is_kept_for_the_next_trial(project):
    """What a compiler leaves in its cache folder during the audits is there in later jails, which cannot change it."""
    source = REFERENCE.replace(
        "import numpy as np",
        "import os\nimport pathlib\n\nimport numpy as np\n\nCACHE = pathlib.Path(os.environ['NUMBA_CACHE_DIR'])\n"
        "FOUND = (CACHE / 'code').exists()\nCACHE.mkdir(parents=True, exist_ok=True)\n(CACHE / 'code').write_text('x')",
    ).replace("return path[", "path = path + 100 * FOUND\n    return path[")
    write_submission(project, source=source)
    submission = Submission.at(project / "mine", project)
    with submission.host.jailed() as (broker, _):
        first = broker.names(broker.load(0, "cpu")).simulate(
            submission.implementation().config("walk", {}), [0], seed=0
        )
        host.keep_compiled(submission.host, broker.collect())
    assert (submission.host.compiled / "numba" / "code").read_text() == "x"
    with submission.implementation().open(seed=0, device="cpu", dataset=None) as opened:
        second = opened.names.simulate(submission.implementation().config("walk", {}), [0], seed=0)
    assert second[0] == first[0] + 100


LEAVING = """
import os
import pathlib

left = simulate

def simulate(config, times, *, seed):
    folder = pathlib.Path(os.environ["REPRO_COMPILED"])
    folder.mkdir(exist_ok=True)
    (folder / f"seed {seed}").write_text("")
    return left(config, times, seed=seed)
"""


def test_no_data_leave_by_the_folder_of_compiled_code(project):
    """Trials are given what a process left that saw nothing but a known seed: nothing of an audit or another trial."""
    write_submission(project, source=REFERENCE + LEAVING)
    submission = Submission.at(project / "mine", project)
    assert submission.audited().kind == "submission"
    assert [path.name for path in submission.host.compiled.iterdir()] == ["seed 0"]
    for _ in submission.measure("cpu", pairs=1):
        pass
    assert [path.name for path in submission.host.compiled.iterdir()] == ["seed 0"]


@pytest.mark.parametrize("paper", [key for key, one in CONTRACTS.items() if one.data and data.available(one.data)])
def test_code_is_compiled_on_noise(paper):
    """It has the shapes and types of a contract's training data, and none of their values; no text to choose by."""
    contract = CONTRACTS[paper]
    real, noise = audit_inputs(contract, None, 5, 6), rehearsal_inputs(contract, None)
    train = data.load(contract.data).train
    for name in ("images", "labels", "tokens"):
        if hasattr(train, name):
            ours, theirs = getattr(noise.data, name), getattr(train, name)
            assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
            assert (ours == theirs).mean() < 0.3
    assert (noise.inputs.shape, noise.inputs.dtype) == (real.inputs.shape, real.inputs.dtype)
    assert not len(getattr(noise.data, "validation", ()))
    assert not len(getattr(real.data, "validation", ()))


COUNTED = """
from harness.submission import folder

original = folder.read


def counted(*arguments):
    with open("reads", "a") as file:  # pytest would keep what is printed to itself
        file.write("read\\n")
    return original(*arguments)


folder.read = counted
from harness.cli import main

main()
"""


@pytest.mark.parametrize("more", [(), ("-n", "1")], ids=["in this process", "with a worker"])
def test_a_command_reads_the_folder_once(project, more):
    """It hands what it has checked to pytest; a worker of pytest-xdist, another process, reads the folder itself."""
    write_submission(project)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("REPRO_", "PYTEST_"))}
    words = [sys.executable, "-c", COUNTED, "submission", "run", "mine", "drift-carries", "--no-costs", *more]
    done = subprocess.run(words, cwd=project, env=kept, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (project / "reads").read_text() == "read\n"
    assert "verdicts on submission:mine" in done.stdout


def test_costs_are_ratios_by_turns(project):
    """A submission that waits longer costs more time: the ratio, its interval and the pairs are kept."""
    slow = REFERENCE.replace("rng = np", "import time\n    time.sleep(0.08)\n    rng = np")
    (project / "reference" / "toy2020.py").write_text(slow)
    write_submission(project, source=slow.replace("0.08", "0.8"), toml=SUBMISSION)
    submission = Submission.at(project / "mine", project)
    assert all(result.passed for result in submission.audit())
    assert list(submission.measure("cpu", pairs=3)) == [1, 2, 3]
    assert all(result.passed for result in submission.audit())
    kept = {ratio.what: ratio for ratio in submission.report.costs}  # audited again, it keeps what was measured
    assert kept.keys() - {"energy"} == {"time to simulate", "peak memory"}
    time, memory = kept["time to simulate"], kept["peak memory"]
    assert time.ratio > 1.5
    assert time.low < time.ratio < time.high
    assert (time.pairs, time.unit) == (3, "s")
    assert memory.what == "peak memory"
    assert memory.reference > 1 << 20


def test_a_cost_that_was_not_measured_is_absent():
    """Energy without a counter, and functions too quick to be timed, give no ratio."""
    runs = [costs.TrialCost({"simulate": 0.001}, 100.0, None), costs.TrialCost({"simulate": 0.001}, 110.0, None)]
    found = costs.ratios(PairedRuns(candidate=runs, baseline=runs))
    assert [(ratio.what, ratio.ratio) for ratio in found] == [("peak memory", 1.0)]


def test_a_ratio_of_paired_runs_has_students_interval():
    """Pairs alternate which side goes first; the ratio is geometric, and a single pair has no interval."""
    seconds, order = {"new": [2.0, 8.0, 4.0], "old": [1.0, 2.0, 2.0]}, []

    def run(side: str, pair: int) -> float:
        order.append(side)
        return seconds[side][pair]

    runs: PairedRuns[float] = PairedRuns()
    for _ in range(3):
        runs.add_pair(lambda pair: run("new", pair), lambda pair: run("old", pair))
        found = runs.ratio(lambda second: second, 0.025)
        assert (found.low is None) == (len(runs.candidate) == 1)
    assert order == ["old", "new", "new", "old", "old", "new"]
    logs = np.log([2.0, 4.0, 2.0])
    half = stats.t.ppf(0.975, 2) * logs.std(ddof=1) / np.sqrt(3)
    assert found.ratio == pytest.approx(np.exp(logs.mean()))
    assert (found.low, found.high) == pytest.approx((np.exp(logs.mean() - half), np.exp(logs.mean() + half)))
    assert found.baseline == pytest.approx(4 ** (1 / 3))
    assert runs.ratio(lambda second: second, 0.025, least=1.0) is None


DEVICES = """
import pathlib


def devices(paths):
    return [pathlib.Path(path).is_char_device() for path in paths]
"""


def test_gpu_devices_are_shown_where_they_are_granted(project, monkeypatch):
    """With a GPU the jail shows its device files, /sys, and which ones are visible; without one, none of these."""
    device = next((d for d in sorted(Path("/dev").iterdir()) if d.is_char_device() and d.name not in STANDARD), None)
    if device is None:
        pytest.skip("no device file to stand for a GPU's")
    monkeypatch.setattr(jail, "_gpu_devices", lambda: [device])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    write_submission(project, source=REFERENCE + DEVICES)
    own = Submission.at(project / "mine", project).host
    for granted in ("cuda", "cpu"):
        with own.jailed(granted) as (broker, _):
            names = broker.names(broker.load(None, "cpu"))
            assert names.devices([str(device), "/dev/null"]) == [granted == "cuda", True]
    assert jail.environment(Limits(gpus=1))["CUDA_VISIBLE_DEVICES"] == "3"
    assert "CUDA_VISIBLE_DEVICES" not in jail.environment(Limits())


def test_limits_are_what_the_harness_grants():
    """The defaults are within the ceiling, and every limit above it is refused by name."""
    assert Limits().within(CEILING) == Limits()
    for name in Limits.__struct_fields__:
        most = getattr(CEILING, name)
        with pytest.raises(ReproError, match=name) if name != "gpus" else pytest.raises(Exception, match="gpus"):
            manifest.msgspec.convert({name: most + 1}, Limits).within(CEILING)


def test_the_schema_in_the_docs_is_todays():
    """docs/reference/submission.schema.json is what `python -m harness.submission.manifest` prints."""
    printed = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "harness.submission.manifest"], capture_output=True, text=True
    )
    assert Path(__file__).parents[1].joinpath("docs/reference/submission.schema.json").read_text() == printed.stdout


@pytest.mark.parametrize(
    ("perplexity", "kind", "says"),
    [
        (1.15, "submission", "validation_perplexity of .*, 1.15, is outside the reference's 99 % prediction band"),
        (1e6, "submission", "validation_perplexity of .*, 1e.06, is outside"),
        (None, "submission", ""),
        (1.15, "reference", ""),
    ],
    ids=["too good", "too bad", "like the reference", "the reference"],
)
def test_implausible_measurements_of_compound_verdicts_are_flagged(perplexity, kind, says):
    """A perplexity that no model of the text reaches is for a person to look at, whichever part decides."""
    claim = next(one for one in Catalogue(ROOT).claims if one.id == "zaremba2014/dropout-helps@2")
    record = recording._published(ROOT).newest_of(claim=claim.id)
    samples = [as_sample(part) for part in record.samples]
    if perplexity is not None:
        samples = [
            dataclasses.replace(each, values=np.full_like(each.values, perplexity))
            if each.measurement == "validation_perplexity"
            else each
            for each in samples
        ]
    judged = SimpleNamespace(
        claim=claim, verdict=record.verdict, samples=samples, implementation=SimpleNamespace(kind=kind)
    )
    assert record.verdict.parts
    flag = recording._flag(judged, ROOT)
    assert re.match(says, flag)
    assert bool(flag) == bool(says)
