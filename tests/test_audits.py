"""Audits: honest implementations of every contract pass, and each planted fault is caught and named."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

import numpy as np
import pytest

from harness.audits import contracts as audit_contracts
from harness.audits.contracts import AuditInputs
from harness.sandbox.broker import Broker
from harness.sandbox.inside.limits import Limits
from harness.sandbox.jail import Jail, Jailed, View
from harness.submission.compilation import audit_inputs
from repro import ReproError, task
from repro.claim.catalogue import Catalogue
from repro.experiment.likelihood import log_likelihood
from repro.trial.implementation import reference
from tests.contracts import CORPUS, HONEST, LANES, VOCABULARY, Honest

SHAPES, TWICE, ORDER, COMPANY = "shapes and types", "asked twice, same answer", "order in a batch", "company in a batch"
SEED, OTHER = "same seed, same result", "another seed, another result"


def name_of(honest: Honest) -> str:
    """A test id."""
    return honest.protocol.__name__


def audited(honest: Honest) -> list[audit_contracts.AuditResult]:
    """The results of all audits in this process, each opening a fresh module."""
    open_process = lambda: contextlib.nullcontext(honest.module())  # noqa: E731
    return list(audit_contracts.run(honest.protocol, open_process, honest.given))


@contextlib.contextmanager
def jailed(folder):
    """The module in a folder, in a fresh jail."""
    with Jail(Limits(wall_s=600), View(submission=folder)) as jail:
        broker = Broker(jail, "submission mine")
        yield broker.names(broker.load(seed=0, device="cpu"))


def test_every_audited_protocol_has_an_honest_implementation():
    """Audits are found by the protocol that a contract is derived from, and each is tried on one."""
    assert HONEST.keys() == audit_contracts.AUDITS.keys()


@pytest.mark.parametrize("honest", HONEST.values(), ids=name_of)
def test_honest_implementations_pass(honest):
    """Every audit of every contract lets an honest implementation through."""
    found = audited(honest)
    assert len(found) >= 4
    assert [result for result in found if not result.passed] == []


@pytest.mark.parametrize("honest", HONEST.values(), ids=name_of)
def test_honest_implementations_pass_in_jails(honest, tmp_path):
    """The audits find the same, line for line, where every call goes through a pipe into a real jail."""
    folder = honest.folder(tmp_path)
    found = list(audit_contracts.run(honest.protocol, lambda: jailed(folder), honest.given))
    assert found == audited(honest)


class Planted(NamedTuple):
    """A fault: what it is, in which implementation, the audit that meets it, its words, and passages to replace."""

    what: str
    protocol: type
    audit: str
    words: str
    changes: dict[str, str]


TRAINING = "training"
OF_TRAINING = [
    Planted("the seed is not used", task.Classifier, OTHER, "it ignores its seed", {"rng(seed)": "rng(0)"}),
    Planted("there is no seed", task.Classifier, SEED, "predict: image", {"rng(seed)": "rng()"}),
    Planted(
        "a list",
        task.LanguageModel,
        TRAINING,
        "gives a list, not an iterator",
        {"    return desc": "    return [0]\n#"},
    ),
    Planted("no pairs", task.PointerDecoder, TRAINING, "not a pair", {"yield step, learnt()": "yield learnt()"}),
    Planted("nothing", task.PointerDecoder, TRAINING, "yields nothing", {"if step in eval_steps or": "if False and"}),
    Planted("no numbers", task.PointerDecoder, TRAINING, "at update '1'", {"yield step,": "yield str(step),"}),
    Planted("no checkpoint", task.PointerDecoder, TRAINING, "not at the checkpoint 1", {"step in eval_steps or ": ""}),
    Planted(
        "backwards",
        task.GraphRegressor,
        TRAINING,
        "at update 8 and then at update 5",
        {"yield step,": "yield 9 - step,"},
    ),
    Planted(
        "every update",
        task.GraphRegressor,
        TRAINING,
        "at update 2 and then at",
        {"if step in eval_steps or": "if True or"},
    ),
    Planted(
        "the end at the checkpoint",
        task.GraphRegressor,
        "eval_steps",
        "ends at update 4, and at 1",
        {"yield step, learnt()": "yield step, learnt()\n            return"},
    ),
    Planted(
        "a checkpoint that changes training",
        task.GraphRegressor,
        "eval_steps",
        "when training has no checkpoint",
        {"yield step, learnt()": "yield step, learnt()\n            rng.random()"},
    ),
    Planted("nothing to ask", task.GraphRegressor, SHAPES, "predict is missing", {"def predict": "def forecast"}),
]
OF_CLASSIFIERS = [
    Planted(
        "answers that drift",
        task.Classifier,
        TWICE,
        "changes by 0.1 when it is asked again",
        {"part = self.state\n": "part = self.state\n        part['head.bias'] = part['head.bias'] + 0.1\n"},
    ),
    Planted(
        "normalised over the test batch",
        task.Classifier,
        COMPANY,
        "when only every other one is in the batch",
        {'x - part["norm.average"]': "x - x.mean(0)"},
    ),
    Planted(
        "the place counts",
        task.Classifier,
        ORDER,
        "image 0 changes by 7 when the batch is in reverse order; their spread is",
        {"(x @ part": "(np.arange(len(x))[:, None] + x @ part"},
    ),
    Planted("scores on their side", task.Classifier, SHAPES, "[3, 8], where [8, 3]", {".astype(np.float32)": ".T"}),
    Planted("infinite scores", task.Classifier, SHAPES, "-inf at [0, 0]", {"(x @": "(-np.inf * np.ones(3) + x @"}),
    Planted("whole scores", task.Classifier, SHAPES, "predict gives int32", {"np.float32": "np.int32"}),
    Planted("listed scores", task.Classifier, SHAPES, "gives a list, not", {".astype(np.float32)": ".tolist()"}),
]
STATE = "dict(predictor.state)"
DECLARED = "declared weights"
OF_COUNTED = [
    Planted(
        "weights outside the state",
        task.Counted,
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
        task.Counted,
        DECLARED,
        "layers lists 83 weights, state carries 140 numbers: head.more [9] belongs to no declared weight",
        {STATE: "{**predictor.state, 'head.more': np.ones(9)}"},
    ),
    Planted(
        "more than an image beside them",
        task.Counted,
        DECLARED,
        "17 under names of no layer (mean, more), and an image has 16",
        {STATE: "{**predictor.state, 'more': np.ones(1)}"},
    ),
    Planted("three statistics", task.Counted, DECLARED, "norm.x", {STATE: "predictor.state | {'norm.x': np.ones(16)}"}),
    Planted("linear statistics", task.Counted, DECLARED, "head.x", {STATE: "predictor.state | {'head.x': np.ones(3)}"}),
    Planted(
        "a weight is missing", task.Counted, DECLARED, "no array [2] for layer 'head'", {", (3,))": ", (3,), (2,))"}
    ),
    Planted("another shape", task.Counted, DECLARED, "no array [2, 16] for layer 'head'", {"((3, 16)": "((2, 16)"}),
    Planted("a layer twice", task.Counted, DECLARED, "lists 'norm' 2 times", {'name="head"': 'name="norm"'}),
    Planted("an impossible layer", task.Counted, DECLARED, "a shape that no array has", {"((3, 16)": "((3, -16)"}),
    Planted("no layers", task.Counted, DECLARED, "layers lists nothing", {"(config):\n": "(config):\n    return ()\n"}),
    Planted("layers that are none", task.Counted, DECLARED, "a str", {"(config):\n": "(config):\n    return 'conv'\n"}),
    Planted("a state without names", task.Counted, DECLARED, "state gives a list", {STATE: "list(predictor.state)"}),
    Planted("a very long name", task.Counted, DECLARED, "999 characters", {STATE: "{'x' * 999: np.ones(1)}"}),
    Planted("a text for weights", task.Counted, DECLARED, "state, for mean, gives a str", {STATE: "{'mean': 'x'}"}),
]
WALK = "walk[list(times)]"
OF_SIMULATORS = [
    Planted("noise", task.Simulator, TWICE, "simulate: snapshot ", {"rng(seed)": "rng()"}),
    Planted("no seed", task.Simulator, OTHER, "simulate: the same to the last bit", {"rng(seed)": "rng(1)"}),
    Planted("too many snapshots", task.Simulator, SHAPES, "[33, 5] for 7 times", {WALK: "walk"}),
    Planted("nan", task.Simulator, SHAPES, "gives nan at [0, 0]", {WALK: f"{WALK} * np.nan"}),
    Planted("texts", task.Simulator, SHAPES, "a ndarray, not an array of numbers", {WALK: f"{WALK}.astype(str)"}),
]
START, SCORES = "self.reader, self.before = reader, np.full(streams, -1)", "(after + skip)"
OF_LANGUAGE_MODELS = [
    Planted("streams mix", task.LanguageModel, COMPANY, "step: stream", {SCORES: "(after + skip.mean(0))"}),
    Planted("streams know their place", task.LanguageModel, ORDER, "step: stream", {SCORES: "(after + skip[:1])"}),
    Planted(
        "a stream goes on where the last one ended",
        task.LanguageModel,
        TWICE,
        "step: stream",
        {
            START: "self.reader, self.streams = reader, streams",
            "skip[self.before]": "skip[Stream.last if len(Stream.last) == self.streams else np.full(self.streams, -1)]",
            "self.before = tokens": "Stream.last = tokens",
            "class Stream:\n": "class Stream:\n    last = ()\n\n",
        },
    ),
    Planted(
        "streams share what they read",
        task.LanguageModel,
        "readers at once",
        "when another stream is read interleaved with it",
        {START: "self.reader, Stream.before = reader, np.full(streams, -1)", "self.before": "Stream.before"},
    ),
    Planted("few scores", task.LanguageModel, SHAPES, "[6, 10], where [6, 11]", {SCORES: "(after + skip)[:, 1:]"}),
    Planted("no chance", task.LanguageModel, SHAPES, "finite", {SCORES: "np.full_like(after, -np.inf)"}),
]
RNG, WRITTEN = "rng([seed, row])", "return found"
OF_TEXT_GENERATORS = [
    Planted(
        "greedy depends on the seed",
        task.TextGenerator,
        "greedy ignores the seed",
        "generate: prompt",
        {RNG: "rng(seed)", "temperature * noise": "(temperature + 1) * noise"},
    ),
    Planted("samples without a seed", task.TextGenerator, "same seed, same text", "generate: prompt", {RNG: "rng()"}),
    Planted("too long", task.TextGenerator, SHAPES, "int64 [6, 9]", {"lengths), length)": "lengths), length + 1)"}),
    Planted("no tokens", task.TextGenerator, SHAPES, "from 0 to 10 are due", {WRITTEN: "return found + 11"}),
    Planted("padding is read", task.TextGenerator, "padding", "generate: prompt 0", {"items[:count]": "items"}),
    Planted("prompts mix", task.TextGenerator, COMPANY, "prompt", {WRITTEN: "return (found + found.sum()) % 11"}),
]
CUT, BEST, LOGITS = "np.minimum(inputs.lengths, longest)", ".argmax(2)", "self.logits[:, place]"
OF_TRANSDUCERS = [
    Planted("too long", task.SequenceTransducer, SHAPES, "decode, for lengths, gives", {CUT: "inputs.lengths + 5"}),
    Planted("negative", task.SequenceTransducer, SHAPES, "for input 0: numbers count from 0", {BEST: ".argmax(2) - 7"}),
    Planted("not whole", task.SequenceTransducer, SHAPES, "decode gives float32", {BEST: ".max(2)"}),
    Planted("no sequences", task.SequenceTransducer, SHAPES, "gives a dict", {"return task.Sequences": "return dict"}),
    Planted(
        "padding is read",
        task.SequenceTransducer,
        "padding",
        "step: input",
        {"[inputs.items]": "[(inputs.items + inputs.items[:, -1:]) % 6]"},
    ),
    Planted(
        "inputs mix",
        task.SequenceTransducer,
        COMPANY,
        "decode: input 0 becomes 3 at [0], was 6, when only every other one is in the batch",
        {BEST: ".argmax(2) * 0 + len(inputs.lengths)"},
    ),
    Planted(
        "few scores", task.SequenceTransducer, SHAPES, "scores of 5 tokens, and", {LOGITS: "self.logits[:, place, :5]"}
    ),
    Planted(
        "more scores",
        task.SequenceTransducer,
        SHAPES,
        "[6, 5], where [6, 6]",
        {LOGITS: "self.logits[:, place, place:]"},
    ),
]
KEYS = "keys = inputs.items @"
OF_POINTERS = [
    Planted("at nothing", task.PointerDecoder, SHAPES, "items, and place", {"argsort(keys": "argsort(-keys"}),
    Planted(
        "at padding",
        task.PointerDecoder,
        "padding",
        "point: input",
        {KEYS: "keys = (inputs.items > inputs.items[:, -1:]) @"},
    ),
    Planted(
        "inputs mix",
        task.PointerDecoder,
        COMPANY,
        "point: input",
        {KEYS: "keys = (inputs.items > inputs.items.mean(0)) @"},
    ),
]
OF_REGRESSORS = [
    Planted("nodes in order", task.GraphRegressor, "order of nodes", "predict: graph", {"x.sum(0)": "x[0]"}),
    Planted(
        "edges in order", task.GraphRegressor, "order of edges", "predict: graph", {"between).sum(0)": "between)[0]"}
    ),
    Planted(
        "graphs mix",
        task.GraphRegressor,
        COMPANY,
        "predict: graph",
        {"np.array(found)": "np.array(found) - np.mean(found, 0)"},
    ),
    Planted(
        "too few", task.GraphRegressor, SHAPES, "[6, 1], where [6, 2]", {"@ self.weights": "@ self.weights[:, :1]"}
    ),
]
LOSS = "yield float(loss)"
OF_PIPELINES = [
    Planted(
        "nan",
        task.PipelineTrainer,
        SHAPES,
        "gradients, for weight, gives nan",
        {"gradient / len(": "np.nan * gradient / len("},
    ),
    Planted(
        "no names", task.PipelineTrainer, SHAPES, "a tuple, not a dict", {'return {"weight": ': "return (0,) or {0: "}
    ),
    Planted("loss is nan", task.PipelineTrainer, SHAPES, "nan at update 0", {LOSS: "yield float('nan')"}),
    Planted("no loss", task.PipelineTrainer, SHAPES, "yields None at update 0", {LOSS: "yield None"}),
    Planted(
        "updates end", task.PipelineTrainer, SHAPES, "yields None at update 2", {"while True": "for _ in range(2)"}
    ),
    Planted(
        "no updates",
        task.PipelineTrainer,
        SHAPES,
        "yields None at update 0",
        {"while True:": "return\n    while True:"},
    ),
    Planted(
        "noise",
        task.PipelineTrainer,
        TWICE,
        "steps: loss",
        {LOSS: "yield float(loss) + np.random.default_rng().random()"},
    ),
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


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.protocol.__name__}: {fault.what}")
def test_faults_are_caught(fault):
    """The first audit that does not pass is the one for this fault, and its line says what is wrong."""
    found = audited(HONEST[fault.protocol].faulty(fault.changes))
    first = next(result for result in found if not result.passed)
    assert first.audit == fault.audit
    assert fault.words in first.message


def test_later_audits_run_where_they_can_compare():
    """A difference is one result among others; a wrong form ends the audits, for nothing could be compared."""
    differs = audited(HONEST[task.Classifier].faulty({"rng(seed)": "rng(0)"}))
    malformed = audited(HONEST[task.Classifier].faulty({"np.float32": "np.int32"}))
    assert [result.passed for result in differs].count(False) == 1
    assert differs[-1].audit == "eval_steps"
    assert [result.passed for result in malformed] == [True, False]


def test_rounding_is_allowed_and_more_is_not():
    """A batch may change scores by less than 1e-4 of their spread, and more where they lie far from zero."""
    for size, caught in ((1e-4, []), (1e-1, [COMPANY])):
        found = audited(HONEST[task.Classifier].faulty({"(x @": f"(50000 + {size} * len(x) + x @", "32)": "64)"}))
        assert [result.audit for result in found if not result.passed] == caught


def test_an_impossible_class_hides_nothing():
    """Scores of -1e9 for one class, for all images or for some, do not widen what a batch may change."""
    batch = {'x - part["norm.average"]': "x - x.mean(0)"}
    for mask in ("[0, 0, -1e9]", "[0, 0, -1e9] * (images[:, 0, 0] > 99)"):
        masked = HONEST[task.Classifier].faulty({"(x @": f"(np.array({mask}) + x @"})
        assert all(result.passed for result in audited(masked))
        assert COMPANY in [result.audit for result in audited(masked.faulty(batch)) if not result.passed]


def test_a_count_alone_needs_no_training():
    """`count` finds weights that no layer declares, names the preset, and compares no seeds."""
    honest = HONEST[task.Counted].faulty({"rng(seed)": "rng(0)"})
    found = list(audit_contracts.count(lambda: contextlib.nullcontext(honest.module()), honest.given, "tiny"))
    assert [result.audit for result in found] == ["training", SHAPES, "declared weights", "state and restore"]
    assert all(result.passed and result.message.startswith("tiny: ") for result in found)
    more = honest.faulty({STATE: "{**predictor.state, 'head.more': np.ones(9)}"})
    found = list(audit_contracts.count(lambda: contextlib.nullcontext(more.module()), more.given, "tiny"))
    assert [result.passed for result in found] == [True, True, False, True]


def test_derived_contracts_are_audited_as_what_they_derive_from():
    """A paper's own protocol has the audits of its nearest ancestor; one that nobody knows is an error."""

    class Residual(task.Counted, task.Protocol):
        """Of a paper."""

    honest = HONEST[task.Counted]
    open_process = lambda: contextlib.nullcontext(honest.module())  # noqa: E731
    assert list(audit_contracts.run(Residual, open_process, honest.given)) == audited(honest)
    with pytest.raises(ReproError, match="No audits are known for the contract AuditInputs"):
        list(audit_contracts.run(AuditInputs, open_process, honest.given))


def test_what_a_submission_raises_is_a_failed_audit(tmp_path):
    """An exception in a jail fails the audit that met it, with its message and place, and ends the audits."""
    broken = HONEST[task.Classifier].faulty({"part = self.state": "raise ValueError('no \\x1b[2J luck')"})
    folder = broken.folder(tmp_path)
    found = list(audit_contracts.run(broken.protocol, lambda: jailed(folder), broken.given))
    assert [(result.audit, result.passed) for result in found] == [("training", True), (SHAPES, False)]
    assert "ValueError: no ?[2J luck (implementation.py, line" in found[1].message
    assert "\x1b" not in found[1].message


def test_what_cannot_be_started_is_a_failed_audit(tmp_path):
    """A submission that cannot be imported fails the audit of the fresh process."""
    (tmp_path / "implementation.py").write_text("import nowhere\n")
    (found,) = audit_contracts.run(task.Simulator, lambda: jailed(tmp_path), HONEST[task.Simulator].given)
    assert (found.audit, found.passed) == ("fresh process", False)
    assert "nowhere" in found.message


def test_a_machine_that_cannot_isolate_is_an_error():
    """Where no jail can be had the submission is not to blame: the error reaches the user."""

    def open_process():
        raise ReproError("Submissions cannot be isolated here")

    with pytest.raises(ReproError, match="cannot be isolated"):
        list(audit_contracts.run(task.Simulator, open_process, HONEST[task.Simulator].given))
    assert issubclass(Jailed, ReproError)


def test_objects_that_stay_in_the_jail_are_no_scores(tmp_path):
    """Where scores are due an object behind the pipe is a fault, and not called upon."""
    folder = HONEST[task.Simulator].faulty({WALK: "rng"}).folder(tmp_path)
    (found,) = audit_contracts.run(task.Simulator, lambda: jailed(folder), HONEST[task.Simulator].given)
    assert found.message == "simulate gives an object without numbers, not an array of numbers"


def final(names):
    """The reader at the end of training."""
    *_, (_, reader) = names.train(names.CONFIGS["tiny"], CORPUS, seed=3, device="cpu")
    return reader


def test_streamed_likelihoods_are_exact(tmp_path):
    """Likelihoods through a jail equal those in this process to the last bit, and those of a plain softmax closely."""
    reader = final(HONEST[task.LanguageModel].module())
    expected = log_likelihood(reader.start(len(LANES)), LANES, VOCABULARY)
    with jailed(HONEST[task.LanguageModel].folder(tmp_path)) as names:
        found = log_likelihood(final(names).start(len(LANES)), LANES, VOCABULARY)
    assert found.shape == (len(LANES), LANES.shape[1] - 1)
    assert np.array_equal(found, expected)
    weights = np.exp(reader.after[LANES[:, 0]].astype(np.float32).astype(float))
    first = np.log(weights[np.arange(len(LANES)), LANES[:, 1]] / weights.sum(1))
    assert found[:, 0] == pytest.approx(first, rel=1e-12)


@pytest.mark.parametrize("paper", sorted(Catalogue().papers))
def test_every_reference_passes_the_audits_of_its_contract(paper):
    """What a submission must pass, the paper's own reference passes, found by file name."""
    contract = Catalogue().modules[paper].CONTRACT
    found = reference(paper)
    given = audit_inputs(contract, found.config(contract.preset, contract.overrides), seed=12345, other=12346)
    results = list(audit_contracts.run(contract.protocol, lambda: contextlib.nullcontext(found.names), given))
    assert results
    assert [result for result in results if not result.passed] == []
