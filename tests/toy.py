"""A small project with one made-up paper: what plugin, suite and command line are tested on."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

PATIENCE_S = 500  # for a command and for a condition: what hangs is ended and shown, what is only slow is not

REFERENCE = '''
"""A walk with drift.

Deviations
  1. It is made up.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Config:
    drift: float = 1.0
    steps: int = 50


CONFIGS = {"walk": Config(), "still": Config(drift=0.0)}


def simulate(config, times, *, seed):
    rng = np.random.default_rng([seed, int(10 * config.drift)])
    path = np.cumsum(config.drift + 0.1 * rng.standard_normal(config.steps))
    return path[np.asarray(times)]
'''

CLAIMS = '''
"""Toy (2020), a made-up paper."""

import time

from repro import Contract, Paper, Reported, all_of, at_least, cases, claim, higher, holds, matches, refuted, scalar

from repro.task import Simulator

PAPER = Paper(key="toy2020", title="A Toy", authors=("A. Toy",), year=2020)
CONTRACT = Contract(protocol=Simulator, preset="walk")
SLOPE = Reported(1.0, "m/step", "Table 1, walk")
LOG = {log!r}


def end(walk, setting):
    with open(LOG, "a") as file:
        file.write(f"{{setting.config.drift}} {{setting.seed}}\\n")
    time.sleep({sleep})
    return {{"end": scalar(walk.simulate(setting.config, [setting.config.steps - 1], seed=setting.seed)[0], "m")}}


def slope(walk, setting):
    path = walk.simulate(setting.config, range(50), seed=setting.seed)
    return {{"slope": scalar(path[-1] / 50, "m/step")}}


def start(walk, setting):
    path = walk.simulate(setting.config, [0, 0], seed=setting.seed)
    return {{"same": cases(path[:1], path[1:], "m"), "drifts": cases([setting.config.drift], [1.0], "m")}}


@claim("time-is-a-function", all_of(holds(), holds()), controls=["no_drift"])
def test_time_is_a_function(run):
    """Section 1: the same time gives the same place, and the drift is one metre a step."""
    arm = run(start, "walk")
    return arm["same"], arm["drifts"]


@claim("drift-carries", higher(by=10.0), seeds=4, controls=["no_drift"])
def test_drift_carries(run):
    """Table 1: with drift the walk gets further."""
    return run(end, "walk")["end"], run(end, "still")["end"]


@claim("slope", rows={{"walk": matches(SLOPE, within=0.2)}}, seeds=4, controls=["no_drift"])
def test_slope(run, row):
    """Table 1: the slope of the walk is the drift."""
    return run(slope, row)["slope"]


@claim("goes-far", at_least(1000.0), seeds=3, controls=["fast"], expected=refuted(source="arithmetic: 50 steps of 1"))
def test_goes_far(run):
    """Abstract: the walk goes a kilometre."""
    return run(end, "walk")["end"]


@claim("on-a-gpu", higher(by=10.0), tier="gpu", seeds=3, controls=["no_drift"], cost="3 minutes on one GPU")
def test_on_a_gpu(run):
    """Table 2: the same at scale."""
    return run(end, "walk", steps=50)["end"], run(end, "still")["end"]
'''

CONTROLS = '''
from dataclasses import replace

from repro import sabotage


def no_drift(reference):
    """The drift is left out."""

    def simulate(config, times, *, seed):
        return reference.simulate(replace(config, drift=0.0), times, seed=seed)

    still = {name: replace(config, drift=0.0) for name, config in reference.CONFIGS.items()}
    return sabotage(reference, simulate=simulate, CONFIGS=still)


def fast(reference):
    """The drift is a hundred times as strong."""

    def simulate(config, times, *, seed):
        return reference.simulate(replace(config, drift=100.0), times, seed=seed)

    return sabotage(reference, simulate=simulate)
'''


def write_project(root: Path, *, sleep: float = 0.0) -> Path:
    """Write the toy project below `root`; every trial of `end` appends a line to `root/trials.log`."""
    for folder in ("claims/controls", "reference"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "pyproject.toml").write_text('[tool.pytest]\naddopts = ["--import-mode=importlib"]\n')
    (root / "reference" / "toy2020.py").write_text(REFERENCE)
    (root / "claims" / "controls" / "toy2020.py").write_text(CONTROLS)
    claims = CLAIMS.format(log=str(root / "trials.log"), sleep=sleep)
    (root / "claims" / "test_toy2020.py").write_text(claims)
    return root


SUBMISSION = """schema = 1
paper = "toy2020"
name = "mine"
summary = "A noisier walk"
authors = ["A. Walker"]
license = "MIT"
division = "open"
"""


def write_submission(root: Path, *, source: str | None = None, toml: str = SUBMISSION) -> Path:
    """Write a submission to the toy paper into `root/mine`: by default a walk with twice the noise."""
    folder = root / "mine"
    folder.mkdir(exist_ok=True)
    (folder / "implementation.py").write_text(source or REFERENCE.replace("0.1 *", "0.2 *"))
    (folder / "submission.toml").write_text(toml)
    return folder


def write_waiting_project(root: Path, waits: str) -> Path:
    """The toy project, but trials log their process too, and wait for the file `go` where `waits` is true of them."""
    write_project(root)
    path = root / "claims" / "test_toy2020.py"
    text = path.read_text()
    for old, new in (
        ("import time\n", f"import os\nimport time\n\nGO = {str(root / 'go')!r}\n"),
        ("{setting.seed}\\n", "{setting.seed} {os.getpid()}\\n"),
        ("    time.sleep(0.0)\n", f"    while {waits} and not os.path.exists(GO):\n        time.sleep(0.01)\n"),
    ):
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return root


def started(command: list[str], cwd: Path, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """A process that can be waited for; it heeds SIGINT, which shells let background jobs ignore."""

    def heed() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)

    return subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=heed,
    )


def wait_for(what: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until something is so; if the process ends before, show what it said."""
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def trials_run(root: Path) -> list[str]:
    """One line for each trial of `end` that was computed, not read from the cache."""
    log = root / "trials.log"
    return log.read_text().splitlines() if log.exists() else []
