"""No circular evidence: the battery runs over every statistical claim, by discovery, and catches planted ones."""

from __future__ import annotations

import dataclasses
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
import pytest

from harness.audits import checks as answer_checks
from harness.audits.contracts import AUDITS
from repro import Experiment, Paper, Reported, Setting, at_most, claim, curve, higher, matches, scalar
from repro import data as datasets
from repro.claim.catalogue import Catalogue
from repro.claim.claim import Claim, arms_of, name_arm
from repro.claim.contract import Contract
from repro.experiment.classification import Classification
from repro.paths import cache_dir
from repro.trial.cache import Cache
from repro.trial.calibration import FIRST_SEED
from repro.trial.implementation import LoadedImplementation, reference
from repro.trial.judge import Suite
from tests.battery import circular, facts_of, survivors
from tests.contracts import HONEST
from tests.nulls import nulls, nulls_for, own_nulls, permuted_labels

CATALOGUE = Catalogue()
STATISTICAL = [c for c in CATALOGUE.claims if c.statistical]
HERE = [c for c in STATISTICAL if c.tier == "cpu"]
IN_MEMORY = [name for name in datasets.names() if datasets.describe(name).size_bytes < 10**9]
ELSEWHERE = [c for c in STATISTICAL if c.tier != "cpu"]

TEXTS = {"ptb": (10_000, 120), "stdlib": (256, 8_000_000), "first_names": (56, 2_000), "war_and_peace": (87, 2_000)}
"""Vocabulary and length of the texts that stand in for those at scale; of stdlib, all that is learnt from at most."""
WORDS, LETTERS = 20, 100
"""How much of a text is a phrase: of one by characters, about as much as of one by words."""
REPEATED = {"stdlib"}
"""Texts left out where splits are compared: files of a library have licences and tables in common, 3 % of phrases."""

SEEDS = 3  # of a claim that meets nulls: training on permuted labels takes as long as on the right ones
MINUTES = {"he2015", "he2016", "kaplan2020", "vinyals2015", "zaremba2014"}
"""Papers whose claims train for minutes in all: they meet permuted labels in `make long`."""
SLOWEST = {"zaremba2014/averaged-perplexity@1[large-38]", "vinyals2015/tours-near-the-optimum@1"}
"""Claims at scale that take a minute for noise too: 38 networks of 66 million weights, the shortest tours of 20."""

PAPER = Paper(key="planted2020", title="Planted", authors=("N. N.",), year=2020)
PUBLISHED = Reported(82.75, "m", "Table 1")


@pytest.fixture(scope="module")
def suite() -> Suite:
    """One suite for the module: claims share trials."""
    return Suite(Cache(cache_dir() / "trials"))


def contract_of(paper: str) -> Contract:
    """What the paper asks of an implementation."""
    return CATALOGUE.modules[paper].CONTRACT


@pytest.mark.parametrize("protocol", HONEST, ids=lambda protocol: protocol.__name__)
def test_every_protocol_has_nulls_that_answer_in_its_form(protocol):
    """A paper under a known protocol brings none of its own: what they return passes the audit of its form."""
    honest = HONEST[protocol]
    known = LoadedImplementation(kind="reference", paper="toy2020", name="reference", names=honest.module(), source="")
    found = nulls(Contract(protocol=protocol, preset="tiny"), known, {})
    assert len(found) >= 2
    for null in found.values():
        runner = AUDITS[protocol](lambda names=null.names: nullcontext(names), honest.given)
        runner.learnt = runner.learn(null.names, seed=0)
        assert [runner.form(query) for query in runner.queries()]  # raises Fault for another form
        if hasattr(null.names, "state") and null.name != "permuted_labels":
            names, config, state = null.names, honest.given.config, null.names.state(runner.learnt)
            if hasattr(names, "layers"):
                assert answer_checks.accounted(names.layers(config), state, image=0)
            again = names.restore(config, state, device="cpu")
            assert (again.seed, again.width) == (runner.learnt.seed, runner.learnt.width)


def test_functions_of_a_paper_are_answered_by_its_own_nulls():
    """`NULLS` of its controls join those of the protocol, and are all there are where no null knows the protocol."""

    class Oracle(Protocol):
        def ask(self, config: Any) -> float: ...

    def ask(config: Any) -> float:
        return 1.0

    known = LoadedImplementation(
        kind="reference", paper="toy2020", name="reference", names=SimpleNamespace(ask=lambda config: 42.0), source=""
    )
    (found,) = nulls(Contract(protocol=Oracle, preset="tiny"), known, {"ask": ask}).values()
    assert found.names.ask(None) == 1.0
    with pytest.raises(AssertionError, match="put NULLS into"):
        nulls(Contract(protocol=Oracle, preset="tiny"), known, {})
    laws = nulls(contract_of("kaplan2020"), reference("kaplan2020"))
    assert {null.names.data_needed(None, 1.0) for null in laws.values()} == {1.0}


def ids(claims: list[Claim]) -> list[str]:
    """Test ids."""
    return [c.id for c in claims]


def survivors_of(found: Claim, suite: Suite, *, permuted: bool) -> list[str]:
    """Those among the nulls that are, or are not, trained on permuted labels."""
    ignorant = nulls(contract_of(found.paper.key), reference(found.paper.key))
    wanted = {name: null for name, null in ignorant.items() if (name == "permuted_labels") == permuted}
    few = dataclasses.replace(found, seeds=min(found.seeds, SEEDS))  # what knows nothing is far from any criterion
    return survivors(few, wanted, suite)


@pytest.mark.parametrize("found", HERE, ids=ids(HERE))
def test_nothing_holds_on_a_null(found, suite):
    """Noise and a constant satisfy no statistical claim."""
    assert survivors_of(found, suite, permuted=False) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "found",
    [
        pytest.param(c, id=c.id, marks=pytest.mark.long if c.paper.key in MINUTES else ())
        for c in HERE
        if permuted_labels in nulls_for(contract_of(c.paper.key).protocol, own_nulls(c.paper.key))
    ],
)
def test_nothing_holds_on_permuted_labels(found, suite):
    """Neither does training on them."""
    assert survivors_of(found, suite, permuted=True) == []


def with_few_instances(found: Claim) -> Claim:
    """The claim tested on twenty instances where they are generated, since their exact answers take long."""

    def run(experiment: Any, *preset: str, **settings: Any) -> Any:
        few = dataclasses.replace(experiment, instances=20) if hasattr(experiment, "instances") else experiment
        return name_arm(few, *preset, **settings)

    def body(_: Any, *row: str) -> Any:
        return found.body(run, *row)

    return dataclasses.replace(found, body=body)


@pytest.fixture(scope="module")
def at_scale(tmp_path_factory) -> Suite:
    """One suite for what stands in for data at scale: rows of a claim share trials."""
    return Suite(Cache(tmp_path_factory.mktemp("at-scale")))


def grouped(found: Claim) -> Any:
    """A claim on the worker where its other rows are, and in `make long` if its nulls take a minute."""
    together = pytest.mark.xdist_group(f"{found.paper.key}/{found.name}")
    return pytest.param(found, id=found.id, marks=[together, pytest.mark.long] if found.id in SLOWEST else together)


@pytest.mark.parametrize("found", [grouped(c) for c in ELSEWHERE])
def test_nothing_holds_on_a_null_at_scale(found, monkeypatch, at_scale):
    """Claims that need a GPU meet noise and a constant too, on a stand-in for their dataset: nulls do not train."""

    def stand_in(name: str) -> datasets.Dataset:
        rng, classes = np.random.default_rng(0), 1000 if name == "imagenet" else 10
        if name in TEXTS:
            vocabulary, length = TEXTS[name]
            text = rng.integers(0, vocabulary, length)
            part = datasets.Text(tokens=text, validation=text[:60], vocabulary=vocabulary)
            unseen = dataclasses.replace(part, tokens=text[-120:])
            return datasets.Dataset(name=name, train=part, test=unseen, digest="stand-in")
        images = rng.integers(0, 256, (2 * classes, 8, 8, 3), dtype=np.uint8)
        labels = rng.permutation(np.arange(2 * classes) % classes)
        part = datasets.Split(images=images, labels=labels, classes=classes)
        return datasets.Dataset(name=name, train=part, test=part, digest="stand-in")

    monkeypatch.setattr(datasets, "load", stand_in)
    monkeypatch.setattr(datasets, "digest", lambda name: "stand-in")
    monkeypatch.setattr("repro.trial.judge.require", lambda claim, device, *, without_gpu: None)
    ignorant = nulls(contract_of(found.paper.key), reference(found.paper.key))
    ignorant.pop("permuted_labels", None)  # which trains
    few = dataclasses.replace(with_few_instances(found), seeds=min(found.seeds, SEEDS))
    assert survivors(few, ignorant, at_scale) == []


@pytest.mark.parametrize("found", STATISTICAL, ids=ids(STATISTICAL))
def test_no_published_value_is_data(found):
    """No experiment of a statistical claim can reach a published number."""
    assert circular(found, facts_of(CATALOGUE.modules[found.paper.key])) == []


@pytest.mark.parametrize("found", STATISTICAL, ids=ids(STATISTICAL))
def test_no_seed_twice(found):
    """Within a claim an arm meets a seed once, and the seeds of calibration lie far above those of claims."""
    labels = [arm.label for arm in arms_of(found.measurements())]
    assert len(set(labels)) == len(labels)
    assert found.seeds < FIRST_SEED


def items(split: Any) -> set[bytes]:
    """What a split is made of: its images, its problems, or all phrases."""
    if isinstance(split, datasets.Text):
        length = LETTERS if split.vocabulary < 256 else WORDS
        tokens = split.tokens.astype(np.min_scalar_type(split.vocabulary))
        return {tokens[start : start + length].tobytes() for start in range(len(tokens) - length + 1)}
    return {np.asarray(item).tobytes() for item in (split.images if hasattr(split, "images") else split.inputs.items)}


@pytest.mark.parametrize("name", sorted(set(IN_MEMORY) - REPEATED))
def test_splits_are_disjoint(name):
    """No image or problem is in both splits of a dataset that fits in memory, and hardly a phrase of a text."""
    if not datasets.available(name):
        pytest.skip(f"{name} is not here: {datasets.how_to_get(name)}")
    dataset = datasets.load(name)
    train, test = items(dataset.train), items(dataset.test)
    assert len(test & train) <= (0.01 * len(test) if isinstance(dataset.test, datasets.Text) else 0)


class Watched:
    """A classifier that remembers what it was asked to predict."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    def predict(self, images: Any, *, crops: int = 1) -> np.ndarray:
        """Scores [N, 10], all equal."""
        self.seen += [image.tobytes() for image in images]
        return np.zeros((len(images), 10), np.float32)

    def train(self, config: Any, data: Any, **_: Any) -> Any:
        """Yield itself, untrained."""
        yield 1, self

    def state(self, _: Any) -> dict[str, np.ndarray]:
        """Nothing is learnt."""
        return {}

    def restore(self, config: Any, state: dict[str, np.ndarray], *, device: str) -> Watched:
        """Itself."""
        return self


def test_every_item_of_a_split_is_evaluated_once():
    """The classification experiment predicts exactly the items of both splits."""
    watched, digits = Watched(), datasets.load("digits")
    Classification()(watched, Setting(config=None, seed=0, device="cpu", data=digits))
    wanted = [image.tobytes() for split in (digits.train, digits.test) for image in split.images]
    assert sorted(watched.seen) == sorted(wanted)


# The battery itself must be able to fail.


def published_as_data(simulator: Any, setting: Setting) -> dict[str, Any]:
    """A planted circular experiment: what it measures is what was published."""
    return {"distance": scalar(PUBLISHED.value + 1e-3 * setting.seed, "m")}


@dataclasses.dataclass(frozen=True)
class Holder(Experiment):
    """A planted experiment that carries the published number in a field."""

    fact: Reported

    def __call__(self, simulator: Any, setting: Setting) -> dict[str, Any]:
        """Measure what was published."""
        return {"distance": scalar(self.fact.value, "m")}


def copied_number(simulator: Any, setting: Setting) -> dict[str, Any]:
    """The same, with the number typed again."""
    return {"distance": scalar(82.75 + 1e-3 * setting.seed, "m")}


def spread(simulator: Any, setting: Setting) -> dict[str, Any]:
    """A measurement that noise satisfies: how alike two halves of a run are."""
    states = simulator.simulate(setting.config, range(0, 400, 100), seed=setting.seed).astype(float)
    return {
        "difference": scalar(abs(states[0].mean() - states[-1].mean()), "1"),
        "all": curve([0], [0], unit="1", x_unit="1"),
    }


@claim("reads-the-answer", matches(PUBLISHED, within=1.0), seeds=3, controls=["none"])
def test_reads_the_answer(run):
    """Table 1: planted."""
    return run(published_as_data, "interacting")["distance"]


@claim("types-the-answer", matches(PUBLISHED, within=1.0), seeds=3, controls=["none"])
def test_types_the_answer(run):
    """Table 1: planted."""
    return run(copied_number, "interacting")["distance"]


@claim("carries-the-answer", matches(PUBLISHED, within=1.0), seeds=3, controls=["none"])
def test_carries_the_answer(run):
    """Table 1: planted."""
    return run(Holder(PUBLISHED), "interacting")["distance"]


@claim("is-told-the-answer", matches(PUBLISHED, within=1.0), seeds=3, controls=["none"])
def test_is_told_the_answer(run):
    """Table 1: planted."""
    return run(spread, "interacting", grain=82.75)["difference"]


@claim("cannot-fail", at_most(0.5), seeds=3, controls=["none"])
def test_cannot_fail(run):
    """Table 1: planted."""
    return run(spread, "interacting")["difference"]


@claim("compares-itself", higher(by=-1.0), seeds=3, controls=["none"])
def test_compares_itself(run):
    """Table 1: planted."""
    return run(spread, "interacting")["difference"], run(spread, "interacting", arm="again")["difference"]


PLANTED = (
    test_reads_the_answer,
    test_types_the_answer,
    test_carries_the_answer,
    test_is_told_the_answer,
    test_cannot_fail,
    test_compares_itself,
)
for planted in PLANTED:
    planted.__test__ = False  # they are claims for the battery, not tests to collect


def test_the_battery_catches_planted_claims(suite):
    """Claims that read or repeat the published value, or that noise satisfies, are all reported."""
    reads, types, carries, told, cannot_fail, itself = (planted.claims[0] for planted in PLANTED)
    assert "reaches" in circular(reads, [PUBLISHED])[0]
    assert "contains 82.75" in circular(types, [PUBLISHED])[0]
    assert "experiment holds" in circular(carries, [PUBLISHED])[0]
    assert "override" in circular(told, [PUBLISHED])[0]
    ignorant = nulls(contract_of("aaronson2014"), reference("aaronson2014"))
    for planted_claim in (cannot_fail, itself):
        assert any("holds on noise" in line for line in survivors(planted_claim, ignorant, suite))
    assert circular(cannot_fail, [PUBLISHED]) == []
