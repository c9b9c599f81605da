"""Implementations: references, controls and submissions as they are loaded and keyed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest

from repro import Experiment, Setting, reconfigure, sabotage, scalar
from repro.claim.claim import name_arm
from repro.errors import ReproError
from repro.trial.cache import Cache
from repro.trial.implementation import control, reference
from repro.trial.judge import Suite
from repro.trial.trial import Trial
from tests.toy import write_project


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The toy project, with a control that only changes configs."""
    project = write_project(tmp_path)
    controls = project / "claims" / "controls" / "toy2020.py"
    text = controls.read_text().replace("import sabotage", "import reconfigure, sabotage")
    controls.write_text(
        text + '\n\ndef slow(reference):\n    """It drifts slowly."""\n'
        "    return reconfigure(reference, lambda config: replace(config, drift=0.5))\n"
    )
    return project


@dataclass(frozen=True)
class Plain(Experiment):
    """Hands the config on as it is, and says so."""

    passes_config_on: ClassVar[bool] = True

    def __call__(self, walk, setting: Setting):
        return {"end": scalar(walk.simulate(setting.config, [-1], seed=setting.seed)[0], "m")}


plain = Plain()


def twice(walk, setting: Setting):
    """Changes the config before it hands it on."""
    config = replace(setting.config, drift=2 * setting.config.drift)
    return {"end": scalar(walk.simulate(config, [-1], seed=setting.seed)[0], "m")}


def trial(experiment, implementation, **overrides) -> Trial:
    """One trial of the toy."""
    return Trial(name_arm(experiment, "walk", **overrides), implementation, 0, "cpu")


def test_reconfigured_control_shares_trials_only_where_the_config_is_handed_on(root):
    """A control that changes configs is the reference with another config, unless the experiment changes them too."""
    slow, walk = control("toy2020", "slow", root), reference("toy2020", root)
    assert trial(plain, slow).key == trial(plain, walk, drift=0.5).key
    assert trial(twice, slow).key != trial(twice, walk, drift=0.5).key
    shared, own = trial(plain, slow).run(), trial(twice, slow).run()
    assert shared.measurements["end"].value == trial(plain, walk, drift=0.5).run().measurements["end"].value
    assert own.measurements["end"].value == shared.measurements["end"].value  # changed back to 0.5 on the way in


def test_sabotage_of_nothing_is_refused(root):
    """Replacing a name that the reference does not have would leave it as it is, so it is an error."""
    walk = reference("toy2020", root)
    with pytest.raises(ReproError, match="Did you mean simulate"):
        sabotage(walk.names, simulat=None)


def test_reconfigure_changes_configs_wherever_they_stand(root):
    """The config is changed whether it is given by position or by name."""
    walk = reference("toy2020", root).names
    still = reconfigure(walk, lambda config: replace(config, drift=0.0))
    by_position = still.simulate(walk.CONFIGS["walk"], [-1], seed=0)
    by_name = still.simulate(config=walk.CONFIGS["walk"], times=[-1], seed=0)
    assert by_position == by_name == walk.simulate(walk.CONFIGS["still"], [-1], seed=0)


def test_source_digests_tell_implementations_apart(root):
    """Reference, controls and an edited control have different digests; an edit elsewhere changes none."""
    digests = {reference("toy2020", root).source} | {
        control("toy2020", n, root).source for n in ("no_drift", "fast", "slow")
    }
    assert len(digests) == 4


@pytest.mark.parametrize(
    ("preset", "overrides", "says"),
    [("wlak", {}, "Did you mean walk"), ("walk", {"drfit": 1.0}, "Did you mean drift")],
)
def test_unknown_presets_and_fields_are_named(root, preset, overrides, says):
    """A typo in a claim's body is an error with the nearest name."""
    with pytest.raises(ReproError, match=says):
        reference("toy2020", root).config(preset, overrides)


def test_an_unknown_paper_is_named(root):
    """A paper without a reference says so."""
    with pytest.raises(ReproError, match="Did you mean toy2020"):
        reference("toy2002", root)


def test_a_broken_file_is_one_error(root):
    """A reference that cannot be imported gives its error in one line."""
    (root / "reference" / "broken2020.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(ReproError, match=r"Importing broken2020\.py raised ModuleNotFoundError"):
        reference("broken2020", root)


def test_same_seed_same_numbers(root):
    """A trial repeated in a fresh cache gives the same numbers, and another seed gives others."""
    walk = reference("toy2020", root)
    values = [trial(plain, walk).run().measurements["end"].value for _ in range(2)]
    other = Trial(name_arm(plain, "walk"), walk, 1, "cpu").run().measurements["end"].value
    assert values[0] == values[1] != other


def relabels(implementation, setting: Setting):
    """Stands for an implementation that shuffles the labels it is given in place."""
    setting.dataset.train.labels[:] = 0
    return {"error": scalar(0.0, "%")}


def test_data_that_was_changed_is_refused(root):
    """What is scored must be what was loaded: a trial that changes its dataset fails."""
    cheat = Trial(name_arm(relabels, "walk", data="digits"), reference("toy2020", root), 0, "cpu")
    with pytest.raises(ReproError, match="changed the dataset that it was given"):
        cheat.run()


def test_suite_asks_for_measurements_that_exist(root, tmp_path):
    """A body that draws a measurement nobody makes is told what there is."""
    from repro.claim.catalogue import Catalogue

    path = root / "claims" / "test_toy2020.py"
    path.write_text(path.read_text().replace('run(slope, row)["slope"]', 'run(slope, row)["slop"]'))
    found = Catalogue(root).select(["toy2020/slope"])[0]
    with pytest.raises(ReproError, match=r"has no measurement 'slop'\. It measures slope"):
        Suite(Cache(tmp_path / "cache")).judge(found, reference("toy2020", root))
