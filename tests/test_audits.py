"""Audits: honest implementations of every contract pass, and each planted fault is caught and named."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest

from harness import audits
from harness.audits import Ground
from harness.broker import Broker
from harness.dossier import ground_of
from harness.jail import Jail, Jailed, View
from harness.limits import Limits
from repro import ReproError, task
from repro.catalogue import Catalogue
from repro.implementation import reference
from repro.streaming import log_likelihood
from tests.contracts import CORPUS, HONEST, LANES, VOCABULARY, Honest

SHAPES, TWICE, ORDER, COMPANY = "shapes and types", "asked twice, same answer", "order in a batch", "company in a batch"
SEED, OTHER = "same seed, same result", "another seed, another result"


def audited(honest: Honest) -> list[audits.Finding]:
    """All findings in this process, each opening a fresh module."""
    opens = lambda: contextlib.nullcontext(honest.module())  # noqa: E731
    return list(audits.run(honest.protocol, opens, honest.ground))


@contextlib.contextmanager
def jailed(folder):
    """The module in a folder, in a fresh jail."""
    with Jail(Limits(wall_s=600), View(submission=folder)) as jail:
        broker = Broker(jail, "submission mine")
        yield broker.names(broker.load(seed=0, device="cpu"))


@pytest.mark.parametrize("name", HONEST)
def test_honest_implementations_pass(name):
    """Every audit of every contract lets an honest implementation through."""
    found = audited(HONEST[name])
    assert len(found) >= 4
    assert [finding for finding in found if not finding.passed] == []


@pytest.mark.parametrize("name", HONEST)
def test_honest_implementations_pass_in_jails(name, tmp_path):
    """The audits find the same, line for line, where every call goes through a pipe into a real jail."""
    folder = HONEST[name].folder(tmp_path)
    found = list(audits.run(HONEST[name].protocol, lambda: jailed(folder), HONEST[name].ground))
    assert found == audited(HONEST[name])


class Planted(NamedTuple):
    """A fault: what it is, in which implementation, the audit that meets it, its words, and passages to replace."""

    what: str
    name: str
    audit: str
    words: str
    changes: dict[str, str]


TRAINING = "training"
OF_TRAINING = [
    Planted("the seed is not used", "classifier", OTHER, "it ignores its seed", {"rng(seed)": "rng(0)"}),
    Planted("there is no seed", "classifier", SEED, "predict: image", {"rng(seed)": "rng()"}),
    Planted(
        "a list", "language model", TRAINING, "gives a list, not an iterator", {"    return desc": "    return [0]\n#"}
    ),
    Planted("no pairs", "pointer", TRAINING, "not a pair", {"yield step, learnt()": "yield learnt()"}),
    Planted("nothing", "pointer", TRAINING, "yields nothing", {"if step in checkpoints or": "if False and"}),
    Planted("no numbers", "pointer", TRAINING, "at update '1'", {"yield step,": "yield str(step),"}),
    Planted("no checkpoint", "pointer", TRAINING, "not at the checkpoint 1", {"step in checkpoints or ": ""}),
    Planted("backwards", "regressor", TRAINING, "at update 8 and then at update 5", {"yield step,": "yield 9 - step,"}),
    Planted(
        "every update", "regressor", TRAINING, "at update 2 and then at", {"if step in checkpoints or": "if True or"}
    ),
    Planted(
        "the end at the checkpoint",
        "regressor",
        "checkpoints",
        "ends at update 4, and at 1",
        {"yield step, learnt()": "yield step, learnt()\n            return"},
    ),
    Planted(
        "a checkpoint that changes training",
        "regressor",
        "checkpoints",
        "when training has no checkpoint",
        {"yield step, learnt()": "yield step, learnt()\n            rng.random()"},
    ),
    Planted("nothing to ask", "regressor", SHAPES, "predict is missing", {"def predict": "def forecast"}),
]
OF_CLASSIFIERS = [
    Planted(
        "answers that drift",
        "classifier",
        TWICE,
        "changes by 0.1 when it is asked again",
        {"part = self.state\n": "part = self.state\n        part['head.bias'] = part['head.bias'] + 0.1\n"},
    ),
    Planted(
        "normalised over the test batch",
        "classifier",
        COMPANY,
        "when only every other one is in the batch",
        {'x - part["norm.average"]': "x - x.mean(0)"},
    ),
    Planted(
        "the place counts",
        "classifier",
        ORDER,
        "image 0 changes by 7 when the batch is in reverse order; their spread is",
        {"(x @ part": "(np.arange(len(x))[:, None] + x @ part"},
    ),
    Planted("scores on their side", "classifier", SHAPES, "[3, 8], where [8, 3]", {".astype(np.float32)": ".T"}),
    Planted("infinite scores", "classifier", SHAPES, "-inf at [0, 0]", {"(x @": "(-np.inf * np.ones(3) + x @"}),
    Planted("whole scores", "classifier", SHAPES, "predict gives int32", {"np.float32": "np.int32"}),
    Planted("listed scores", "classifier", SHAPES, "gives a list, not", {".astype(np.float32)": ".tolist()"}),
]
STATE = "dict(predictor.state)"
DECLARED = "declared weights"
OF_COUNTED = [
    Planted(
        "weights outside the state",
        "counted",
        "state and restore",
        "when its state is restored in a fresh process",
        {
            "class Predictor": "HIDDEN = np.zeros(3)\n\n\nclass Predictor",
            '+ part["head.bias"]': '+ part["head.bias"] + HIDDEN',
            "    def learnt():": "    def learnt():\n        HIDDEN[:] = count[:, 0]",
        },
    ),
    Planted(
        "more than the layers declare",
        "counted",
        DECLARED,
        "layers lists 83 weights, state carries 140 numbers: head.more [9] belongs to no declared weight",
        {STATE: "{**predictor.state, 'head.more': np.ones(9)}"},
    ),
    Planted(
        "more than an image beside them",
        "counted",
        DECLARED,
        "17 under names of no layer (mean, more), and an image has 16",
        {STATE: "{**predictor.state, 'more': np.ones(1)}"},
    ),
    Planted("three statistics", "counted", DECLARED, "norm.x", {STATE: "predictor.state | {'norm.x': np.ones(16)}"}),
    Planted("linear statistics", "counted", DECLARED, "head.x", {STATE: "predictor.state | {'head.x': np.ones(3)}"}),
    Planted("a weight is missing", "counted", DECLARED, "no array [2] for layer 'head'", {", (3,))": ", (3,), (2,))"}),
    Planted("another shape", "counted", DECLARED, "no array [2, 16] for layer 'head'", {"((3, 16)": "((2, 16)"}),
    Planted("a layer twice", "counted", DECLARED, "lists 'norm' 2 times", {'name="head"': 'name="norm"'}),
    Planted("an impossible layer", "counted", DECLARED, "a shape that no array has", {"((3, 16)": "((3, -16)"}),
    Planted("no layers", "counted", DECLARED, "layers lists nothing", {"(config):\n": "(config):\n    return ()\n"}),
    Planted("layers that are none", "counted", DECLARED, "a str", {"(config):\n": "(config):\n    return 'conv'\n"}),
    Planted("a state without names", "counted", DECLARED, "state gives a list", {STATE: "list(predictor.state)"}),
    Planted("a very long name", "counted", DECLARED, "999 characters", {STATE: "{'x' * 999: np.ones(1)}"}),
    Planted("a text for weights", "counted", DECLARED, "state, for mean, gives a str", {STATE: "{'mean': 'x'}"}),
]
WALK = "walk[list(times)]"
OF_SIMULATORS = [
    Planted("noise", "simulator", TWICE, "simulate: snapshot ", {"rng(seed)": "rng()"}),
    Planted("no seed", "simulator", OTHER, "simulate: the same to the last bit", {"rng(seed)": "rng(1)"}),
    Planted("too many snapshots", "simulator", SHAPES, "[9, 5] for 5 times", {WALK: "walk"}),
    Planted("nan", "simulator", SHAPES, "gives nan at [0, 0]", {WALK: f"{WALK} * np.nan"}),
    Planted("texts", "simulator", SHAPES, "a ndarray, not an array of numbers", {WALK: f"{WALK}.astype(str)"}),
]
START, SCORES = "self.reader, self.before = reader, np.full(lanes, -1)", "(after + skip)"
OF_LANGUAGE_MODELS = [
    Planted("lanes mix", "language model", COMPANY, "step: lane", {SCORES: "(after + skip.mean(0))"}),
    Planted("lanes know their place", "language model", ORDER, "step: lane", {SCORES: "(after + skip[:1])"}),
    Planted(
        "a stream goes on where the last one ended",
        "language model",
        TWICE,
        "step: lane",
        {
            START: "self.reader, self.lanes = reader, lanes",
            "skip[self.before]": "skip[Stream.last if len(Stream.last) == self.lanes else np.full(self.lanes, -1)]",
            "self.before = tokens": "Stream.last = tokens",
            "class Stream:\n": "class Stream:\n    last = ()\n\n",
        },
    ),
    Planted(
        "streams share what they read",
        "language model",
        "streams at once",
        "when another stream is read by turns with it",
        {START: "self.reader, Stream.before = reader, np.full(lanes, -1)", "self.before": "Stream.before"},
    ),
    Planted("few scores", "language model", SHAPES, "[6, 10], where [6, 11]", {SCORES: "(after + skip)[:, 1:]"}),
    Planted("no chance", "language model", SHAPES, "finite", {SCORES: "np.full_like(after, -np.inf)"}),
]
RNG, WRITTEN = "rng([seed, row])", "return found"
OF_TEXT_GENERATORS = [
    Planted(
        "greedy depends on the seed",
        "text generator",
        "greedy ignores the seed",
        "generate: prompt",
        {RNG: "rng(seed)", "temperature * noise": "(temperature + 1) * noise"},
    ),
    Planted("samples without a seed", "text generator", "same seed, same text", "generate: prompt", {RNG: "rng()"}),
    Planted("too long", "text generator", SHAPES, "int64 [6, 9]", {"lengths), length)": "lengths), length + 1)"}),
    Planted("no tokens", "text generator", SHAPES, "from 0 to 10 are due", {WRITTEN: "return found + 11"}),
    Planted("padding is read", "text generator", "padding", "generate: prompt 0", {"items[:count]": "items"}),
    Planted("prompts mix", "text generator", COMPANY, "prompt", {WRITTEN: "return (found + found.sum()) % 11"}),
]
CUT, BEST, LOGITS = "np.minimum(inputs.lengths, longest)", ".argmax(2)", "self.logits[:, place]"
OF_TRANSDUCERS = [
    Planted("too long", "transducer", SHAPES, "decode, for lengths, gives", {CUT: "inputs.lengths + 5"}),
    Planted("negative", "transducer", SHAPES, "for input 0: numbers count from 0", {BEST: ".argmax(2) - 7"}),
    Planted("not whole", "transducer", SHAPES, "decode gives float32", {BEST: ".max(2)"}),
    Planted("no sequences", "transducer", SHAPES, "gives a dict", {"return task.Sequences": "return dict"}),
    Planted(
        "padding is read",
        "transducer",
        "padding",
        "step: input",
        {"[inputs.items]": "[(inputs.items + inputs.items[:, -1:]) % 6]"},
    ),
    Planted(
        "inputs mix",
        "transducer",
        COMPANY,
        "decode: input 0 becomes 3 at [0], was 6, when only every other one is in the batch",
        {BEST: ".argmax(2) * 0 + len(inputs.lengths)"},
    ),
    Planted("few scores", "transducer", SHAPES, "scores of 5 tokens, and", {LOGITS: "self.logits[:, place, :5]"}),
    Planted("more scores", "transducer", SHAPES, "[6, 5], where [6, 6]", {LOGITS: "self.logits[:, place, place:]"}),
]
KEYS = "keys = inputs.items @"
OF_POINTERS = [
    Planted("at nothing", "pointer", SHAPES, "items, and place", {"argsort(keys": "argsort(-keys"}),
    Planted(
        "at padding", "pointer", "padding", "point: input", {KEYS: "keys = (inputs.items > inputs.items[:, -1:]) @"}
    ),
    Planted("inputs mix", "pointer", COMPANY, "point: input", {KEYS: "keys = (inputs.items > inputs.items.mean(0)) @"}),
]
OF_REGRESSORS = [
    Planted("nodes in order", "regressor", "order of nodes", "predict: graph", {"x.sum(0)": "x[0]"}),
    Planted("edges in order", "regressor", "order of edges", "predict: graph", {"between).sum(0)": "between)[0]"}),
    Planted(
        "graphs mix", "regressor", COMPANY, "predict: graph", {"np.array(found)": "np.array(found) - np.mean(found, 0)"}
    ),
    Planted("too few", "regressor", SHAPES, "[6, 1], where [6, 2]", {"@ self.weights": "@ self.weights[:, :1]"}),
]
LOSS = "yield float(loss)"
OF_PIPELINES = [
    Planted(
        "nan", "pipeline", SHAPES, "gradients, for weight, gives nan", {"gradient / len(": "np.nan * gradient / len("}
    ),
    Planted("no names", "pipeline", SHAPES, "a tuple, not a dict", {'return {"weight": ': "return (0,) or {0: "}),
    Planted("loss is nan", "pipeline", SHAPES, "nan at update 0", {LOSS: "yield float('nan')"}),
    Planted("no loss", "pipeline", SHAPES, "yields None at update 0", {LOSS: "yield None"}),
    Planted("updates end", "pipeline", SHAPES, "yields None at update 2", {"while True": "for _ in range(2)"}),
    Planted("no updates", "pipeline", SHAPES, "yields None at update 0", {"while True:": "return\n    while True:"}),
    Planted("noise", "pipeline", TWICE, "steps: loss", {LOSS: "yield float(loss) + np.random.default_rng().random()"}),
]
FAULTS = [
    *OF_TRAINING,
    *OF_CLASSIFIERS,
    *OF_COUNTED,
    *OF_SIMULATORS,
    *OF_LANGUAGE_MODELS,
    *OF_TEXT_GENERATORS,
    *OF_TRANSDUCERS,
    *OF_POINTERS,
    *OF_REGRESSORS,
    *OF_PIPELINES,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.name}: {fault.what}")
def test_faults_are_caught(fault):
    """The first audit that does not pass is the one for this fault, and its line says what is wrong."""
    found = audited(HONEST[fault.name].faulty(fault.changes))
    first = next(finding for finding in found if not finding.passed)
    assert first.audit == fault.audit
    assert fault.words in first.says


def test_later_audits_run_where_they_can_compare():
    """A difference is one finding among others; a wrong form ends the audits, for nothing could be compared."""
    differs = audited(HONEST["classifier"].faulty({"rng(seed)": "rng(0)"}))
    malformed = audited(HONEST["classifier"].faulty({"np.float32": "np.int32"}))
    assert [finding.passed for finding in differs].count(False) == 1
    assert differs[-1].audit == "checkpoints"
    assert [finding.passed for finding in malformed] == [True, False]


def test_rounding_is_allowed_and_more_is_not():
    """A batch may change scores by less than 1e-4 of their spread, and more where they lie far from zero."""
    for size, caught in ((1e-4, []), (1e-1, [COMPANY])):
        found = audited(HONEST["classifier"].faulty({"(x @": f"(50000 + {size} * len(x) + x @", "32)": "64)"}))
        assert [finding.audit for finding in found if not finding.passed] == caught


def test_an_impossible_class_hides_nothing():
    """Scores of -1e9 for one class, for all images or for some, do not widen what a batch may change."""
    batch = {'x - part["norm.average"]': "x - x.mean(0)"}
    for mask in ("[0, 0, -1e9]", "[0, 0, -1e9] * (images[:, 0, 0] > 99)"):
        masked = HONEST["classifier"].faulty({"(x @": f"(np.array({mask}) + x @"})
        assert all(finding.passed for finding in audited(masked))
        assert COMPANY in [finding.audit for finding in audited(masked.faulty(batch)) if not finding.passed]


def test_a_count_alone_needs_no_training():
    """`count` finds weights that no layer declares, names the preset, and compares no seeds."""
    honest = HONEST["counted"].faulty({"rng(seed)": "rng(0)"})
    found = list(audits.count(lambda: contextlib.nullcontext(honest.module()), honest.ground, "tiny"))
    assert [finding.audit for finding in found] == ["training", SHAPES, "declared weights", "state and restore"]
    assert all(finding.passed and finding.says.startswith("tiny: ") for finding in found)
    more = honest.faulty({STATE: "{**predictor.state, 'head.more': np.ones(9)}"})
    found = list(audits.count(lambda: contextlib.nullcontext(more.module()), more.ground, "tiny"))
    assert [finding.passed for finding in found] == [True, True, False, True]


def test_derived_contracts_are_audited_as_what_they_derive_from():
    """A paper's own protocol has the audits of its nearest ancestor; one that nobody knows is an error."""

    class Residual(task.Counted, task.Protocol):
        """Of a paper."""

    honest = HONEST["counted"]
    opens = lambda: contextlib.nullcontext(honest.module())  # noqa: E731
    assert list(audits.run(Residual, opens, honest.ground)) == audited(honest)
    with pytest.raises(ReproError, match="No audits are known for the contract Ground"):
        list(audits.run(Ground, opens, honest.ground))


def test_what_a_submission_raises_is_a_finding(tmp_path):
    """An exception in a jail fails the audit that met it, with its message and place, and ends the audits."""
    broken = HONEST["classifier"].faulty({"part = self.state": "raise ValueError('no \\x1b[2J luck')"})
    folder = broken.folder(tmp_path)
    found = list(audits.run(broken.protocol, lambda: jailed(folder), broken.ground))
    assert [(finding.audit, finding.passed) for finding in found] == [("training", True), (SHAPES, False)]
    assert "ValueError: no ?[2J luck (implementation.py, line" in found[1].says
    assert "\x1b" not in found[1].says


def test_what_cannot_be_started_is_a_finding(tmp_path):
    """A submission that cannot be imported fails the audit of the fresh process."""
    (tmp_path / "implementation.py").write_text("import nowhere\n")
    (found,) = audits.run(task.Simulator, lambda: jailed(tmp_path), HONEST["simulator"].ground)
    assert (found.audit, found.passed) == ("fresh process", False)
    assert "nowhere" in found.says


def test_a_machine_that_cannot_isolate_is_an_error():
    """Where no jail can be had the submission is not to blame: the error reaches the user."""

    def opens():
        raise ReproError("Submissions cannot be isolated here")

    with pytest.raises(ReproError, match="cannot be isolated"):
        list(audits.run(task.Simulator, opens, HONEST["simulator"].ground))
    assert issubclass(Jailed, ReproError)


def test_objects_that_stay_in_the_jail_are_no_scores(tmp_path):
    """Where scores are due an object behind the pipe is a fault, and not called upon."""
    folder = HONEST["simulator"].faulty({WALK: "rng"}).folder(tmp_path)
    (found,) = audits.run(task.Simulator, lambda: jailed(folder), HONEST["simulator"].ground)
    assert found.says == "simulate gives an object without numbers, not an array of numbers"


def final(names):
    """The reader at the end of training."""
    *_, (_, reader) = names.train(names.CONFIGS["tiny"], CORPUS, seed=3, device="cpu")
    return reader


def test_streamed_likelihoods_are_exact(tmp_path):
    """Likelihoods through a jail equal those in this process to the last bit, and those of a plain softmax closely."""
    reader = final(HONEST["language model"].module())
    expected = log_likelihood(reader.start(len(LANES)), LANES, VOCABULARY)
    with jailed(HONEST["language model"].folder(tmp_path)) as names:
        found = log_likelihood(final(names).start(len(LANES)), LANES, VOCABULARY)
    assert found.shape == (len(LANES), LANES.shape[1] - 1)
    assert np.array_equal(found, expected)
    weights = np.exp(reader.after[LANES[:, 0]].astype(np.float32).astype(float))
    first = np.log(weights[np.arange(len(LANES)), LANES[:, 1]] / weights.sum(1))
    assert found[:, 0] == pytest.approx(first, rel=1e-12)


class Told:
    """A stream that gives prepared scores and notes what it is told."""

    def __init__(self, scores):
        self.scores, self.told = scores, []

    def step(self, tokens):
        self.told.append(tokens.tolist())
        return self.scores


def test_nothing_is_told_before_the_scores_of_it():
    """Each column is told after the scores of it were given, and the last one never."""
    stream = Told(np.zeros((2, 4), np.float32))
    found = log_likelihood(stream, np.array([[0, 1, 2], [3, 2, 1]]), 4)
    assert stream.told == [[0, 3], [1, 2]]
    assert found == pytest.approx(np.full((2, 2), -np.log(4)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_make_impossible(bad):
    """A lane with one such score loses everything at that step, and no other lane does."""
    scores = np.zeros((3, 4), np.float32)
    scores[1, 0] = bad
    found = log_likelihood(Told(scores), np.array([[1, 1]] * 3), 4)
    assert found[:, 0].tolist() == [pytest.approx(-np.log(4)), -np.inf, pytest.approx(-np.log(4))]


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        (np.zeros((2, 4), np.int64), r"int64 \[2, 4\]"),
        (np.zeros((2, 5), np.float32), r"float32 \[2, 5\]"),
        ([[0.0] * 4] * 2, "a list"),
        (SimpleNamespace(), "a SimpleNamespace"),
    ],
)
def test_scores_of_another_form_are_refused(scores, words):
    """What is not floating-point scores of every token for every lane is an error that says what it is."""
    with pytest.raises(ReproError, match=words):
        log_likelihood(Told(scores), np.array([[0, 1], [1, 0]]), 4)


@pytest.mark.parametrize("paper", sorted(Catalogue().papers))
def test_every_reference_passes_the_audits_of_its_contract(paper):
    """What a submission must pass, the paper's own reference passes, found by file name."""
    contract = Catalogue().modules[paper].CONTRACT
    found = reference(paper)
    ground = ground_of(contract, found.config(contract.preset, contract.overrides))
    findings = list(audits.run(contract.protocol, lambda: contextlib.nullcontext(found.names), ground))
    assert findings
    assert [finding for finding in findings if not finding.passed] == []
