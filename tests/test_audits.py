"""Audits: honest implementations of every contract pass, and each planted fault is caught and named."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import numpy as np
import pytest

from harness import audits
from harness.audits import Ground
from harness.broker import Broker
from harness.jail import Jail, Jailed, View
from harness.limits import Limits
from repro import ReproError, task
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
    with Jail(Limits(wall_s=60), View(submission=folder)) as jail:
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


FAULTS = {
    # of any contract with training
    "the seed is not used": ("classifier", [("rng(seed)", "rng(0)")], OTHER, "ignores its seed"),
    "no seed at all": ("classifier", [("rng(seed)", "rng()")], SEED, "predict: image"),
    "a simulation without its seed": ("simulator", [("rng(seed)", "rng()")], TWICE, "simulate: snapshot"),
    "the seed is taken but ignored": ("simulator", [("rng(seed)", "rng(1)")], OTHER, "simulate: the same to the last"),
    "training yields a list": ("language model", [("return descend(", "return list(descend("), ("skip))", "skip)))")],
                               "training", "train gives a list, not an iterator"),
    "training yields what is learnt alone": ("language model", [("yield step, learnt()", "yield learnt()")],
                                             "training", "not a pair"),
    "training yields nothing": ("pointer", [("== config.updates:", "== 99:"), ("in checkpoints or", "< 0 or")],
                                "training", "train yields nothing"),
    "steps are no numbers": ("pointer", [("yield step,", "yield str(step),")], "training", "at update '1'"),
    "the checkpoint is left out": ("pointer", [("step in checkpoints or ", "")], "training", "not at the checkpoint 1"),
    "steps descend": ("regressor", [("yield step,", "yield 9 - step,")], "training", "at update 8 and then at update 5"),
    "it yields at every update": ("regressor", [("if step in checkpoints or", "if True or")],
                                  "training", "at update 2 and then at update 3"),
    "it ends at its checkpoint": ("regressor", [("yield step, learnt()", "yield step, learnt()\n            return")],
                                  "checkpoints", "ends at update 4, and at 1"),
    "a checkpoint changes training": ("regressor", [("yield step, learnt()", "yield step, learnt()\n            "
                                                     "rng.random()")], "checkpoints", "training has no checkpoint"),
    "nothing can be asked": ("regressor", [("def predict", "def forecast")], SHAPES, "predict is missing"),
    # classifiers
    "answers drift": ("classifier", [("self.state\n        x =", "self.state\n        part['head.bias'] += 0.1\n"
                                      "        x =")], TWICE, "image 0 changes by 0.1 when it is asked again"),
    "normalised over the test batch": ("classifier", [(" - part[\"norm.average\"]", " - x.mean(0)")],
                                       COMPANY, "when only every other one is in the batch"),
    "places count": ("classifier", [("x @ part", "np.arange(len(x))[:, None] + x @ part")],
                     ORDER, "image 0 changes by 7 when the batch is in reverse order; all range over"),
    "scores lie on their side": ("classifier", [(".astype(np.float32)", ".T")], SHAPES, "[3, 8], where [8, 3] is due"),
    "scores are not finite": ("classifier", [("x @ part", "np.log(np.full((8, 1), 0 * x[0, 0])) + x @ part")],
                              SHAPES, "gives -inf at [0, 0]"),
    "scores are whole": ("classifier", [("np.float32", "np.int32")], SHAPES, "predict gives int32"),
    "scores are a list": ("classifier", [(".astype(np.float32)", ".tolist()")], SHAPES, "gives a list, not an array"),
    # what is counted
    "weights outside the state": (
        "counted", [("return Predictor(state)", "return Predictor({**state, 'head.bias': HIDDEN[-1]})"),
                    ("class Predictor", "HIDDEN = [np.zeros(3)]\n\n\nclass Predictor"),
                    ("    def learnt():", "    def learnt():\n        HIDDEN.append(-((total / count)**2).sum(1))")],
        "state and restore", "its state is restored in a fresh process",
    ),
    "more than the layers declare": ("counted", [("dict(predictor.state)", "{**predictor.state, 'head.more': np.ones(9)}")],
                                     "declared weights", "lists 83 weights, state carries 140 numbers: head.more [9]"),
    "more than an image beside": ("counted", [("dict(predictor.state)", "{**predictor.state, 'more': np.ones(1)}")],
                                  "declared weights", "17 under names of no layer (mean, more), and an image has 16"),
    "more than two statistics": ("counted", [("dict(predictor.state)", "{**predictor.state, 'norm.x': np.ones(16)}")],
                                 "declared weights", "belongs to no declared weight"),
    "statistics of a linear layer": ("counted", [("dict(predictor.state)", "{**predictor.state, 'head.x': np.ones(3)}")],
                                     "declared weights", "head.x [3] belongs to no declared weight"),
    "a declared weight that is not there": ("counted", [("((3, 16), (3,))", "((3, 16), (3,), (2,))")],
                                            "declared weights", "no array [2] for layer 'head'"),
    "a layer of another shape": ("counted", [("((3, 16), (3,))", "((2, 16), (3,))")],
                                 "declared weights", "no array [2, 16] for layer 'head'"),
    "a layer twice": ("counted", [('name="head"', 'name="norm"')], "declared weights", "lists 'norm' 2 times"),
    "an impossible layer": ("counted", [("((3, 16), (3,))", "((3, -16), (3,))")], "declared weights", "no array has"),
    "no layers": ("counted", [("return (\n        task.Layer", "return 3\n    return (\n        task.Layer")],
                  "declared weights", "layers gives a int"),
    "a state without names": ("counted", [("dict(predictor.state)", "list(predictor.state)")],
                              "declared weights", "state gives a list"),
    "a state with a very long name": ("counted", [("dict(predictor.state)", "{'x' * 999: np.ones(1)}")],
                                      "declared weights", "999 characters"),
    # simulators
    "too many snapshots": ("simulator", [("walk[list(times)]", "walk")], SHAPES, "[9, 5] for 5 times"),
    "not finite": ("simulator", [("walk[list(times)]", "walk[list(times)] * np.nan")], SHAPES, "gives nan at [0, 0]"),
    "not numeric": ("simulator", [("walk[list(times)]", "walk[list(times)].astype(str)")], SHAPES, "not an array of numb"),
    # language models
    "lanes mix": ("language model", [("(after + skip)", "(after + skip.mean(0))")], COMPANY, "step: lane"),
    "lanes know their place": ("language model", [("(after + skip)", "(after + skip[::-1] * (np.arange(len(tokens)) "
                                                   "== 0)[:, None])")], ORDER, "reverse order"),
    "a stream goes on where the last one ended": (
        "language model", [("self.before = reader, np.full(lanes, -1)", "lanes = reader, lanes"),
                           ("skip[self.before]", "skip[self.seen()]"), ("self.before = tokens", "KEPT[:] = [tokens]"),
                           ("class Stream:", "KEPT = []\n\n\nclass Stream:\n    def seen(self):\n        fits = KEPT and "
                            "len(KEPT[0]) == self.lanes\n        return KEPT[0] if fits else np.full(self.lanes, -1)\n")],
        TWICE, "step: lane",
    ),
    "streams share what they read": (
        "language model", [("self.before = reader, np.full(lanes, -1)", "lanes = reader, lanes\n        "
                            "KEPT[:] = [np.full(lanes, -1)]"), ("self.before", "KEPT[0]"),
                           ("class Stream:", "KEPT = []\n\n\nclass Stream:")],
        "streams at once", "another stream is read by turns",
    ),
    "too few scores": ("language model", [("return (after + skip)", "return (after + skip)[:, 1:]")],
                       SHAPES, "step gives shape [6, 10], where [6, 11] is due"),
    "scores of impossible tokens": ("language model", [("return (after + skip)", "return np.log(0 * after - 0)")],
                                    SHAPES, "numbers must be finite"),
    # text generators
    "greedy depends on the seed": ("text generator", [("temperature * noise", "(temperature + 1) * noise")],
                                   "greedy ignores the seed", "generate: prompt"),
    "sampling has no seed": ("text generator", [("rng([seed, row])", "rng()")], "same seed, same text", "generate: pr"),
    "too long a text": ("text generator", [("np.zeros((len(prompts.lengths), length)",
                                            "np.zeros((len(prompts.lengths), length + 1)")], SHAPES, "int64 [6, 9]"),
    "tokens that are none": ("text generator", [("return found", "return found + 11")], SHAPES, "from 0 to 10 are due"),
    "padding is read": ("text generator", [("items[:count]", "items")], "padding", "generate: prompt 0"),
    "prompts in company": ("text generator", [("return found", "return (found + found.sum()) % 11")], COMPANY, "prompt"),
    # transducers
    "outputs too long": ("transducer", [("np.minimum(inputs.lengths, longest)", "inputs.lengths + 5")],
                         SHAPES, "decode, for lengths, gives 12" ),
    "negative tokens": ("transducer", [("argmax(2)", "argmax(2) - 7")], SHAPES, "for input 0: numbers count from 0"),
    "tokens that are not whole": ("transducer", [("argmax(2)", "max(2)")], SHAPES, "decode gives float32"),
    "outputs are no sequences": ("transducer", [("return task.Sequences(", "return dict(")], SHAPES, "gives a dict"),
    "translations read padding": ("transducer", [("decode(self, inputs, longest):", "decode(self, inputs, longest):\n"
                                                  "        inputs = task.Sequences(items=(inputs.items + inputs.items"
                                                  "[:, -1:]) % 6, lengths=inputs.lengths)")], "padding", "decode: input"),
    "translations look at each other": ("transducer", [("argmax(2)", "argmax(2) * 0 + len(inputs.lengths)")],
                                        COMPANY, "decode: input 0 becomes 3 at [0], was 6, when only every other"),
    "scores of too few tokens": ("transducer", [("place]", "place, :5]")], SHAPES, "scores of 5 tokens, and the outputs"),
    # pointers
    "pointing at nothing": ("pointer", [("items=np.argsort(keys, 1)", "items=np.argsort(-keys, 1)")],
                            SHAPES, "items, and place"),
    "pointing at padding": ("pointer", [("longest):\n        keys = inputs.items",
                                         "longest):\n        keys = (inputs.items - inputs.items[:, -1:]) * "
                                         "inputs.items.mean((1, 2), keepdims=True)"
                                         "\n        keys = np.abs(keys)")], "padding", "point: input"),
    "pointing with the batch": ("pointer", [("inputs.items @", "inputs.items[..., ::len(inputs.items) // 6 * 2 - 1] @")],
                                COMPANY, "point: input"),
    # graphs
    "nodes in order": ("regressor", [("x.sum(0)", "x[0]")], "order of nodes", "graph"),
    "edges in order": ("regressor", [("between).sum(0)", "between)[0]")], "order of edges", "graph"),
    "graphs in company": ("regressor", [("return np.array(found)", "return np.array(found) - np.mean(found, 0)")],
                          COMPANY, "graph"),
    "too many numbers": ("regressor", [("graphs) @ self.weights", "graphs) @ self.weights[:, :1]")],
                         SHAPES, "[6, 1], where [6, 2] is due"),
    # pipelines
    "gradients are not finite": ("pipeline", [("gradient / len(inputs)", "gradient * np.nan")],
                                 SHAPES, "gradients, for weight, gives nan at [0, 0]"),
    "gradients are not named": ("pipeline", [('return {"weight": ', "return [0], {0: ")], SHAPES, "not a dict"),
    "losses are not finite": ("pipeline", [("yield float(loss)", "yield float('nan')")], SHAPES, "nan at update 0"),
    "losses are no numbers": ("pipeline", [("yield float(loss)", "yield None")], SHAPES, "yields None"),
    "updates run out": ("pipeline", [("while True", "for _ in range(2)")], SHAPES, "yields None at update 2"),
    "losses are noise": ("pipeline", [("float(loss)", "float(loss + np.random.default_rng().random())")],
                         TWICE, "steps: loss"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_caught(fault):
    """The first audit that does not pass is the one for this fault, and its line says what is wrong."""
    name, changes, audit, words = FAULTS[fault]
    first = next(finding for finding in audited(HONEST[name].faulty(*changes)) if not finding.passed)
    assert first.audit == audit
    assert words in first.says


def test_later_audits_run_where_they_can_compare():
    """A difference is one finding among others; a wrong form ends the audits, for nothing could be compared."""
    differs = audited(HONEST["classifier"].faulty(("rng(seed)", "rng(0)")))
    malformed = audited(HONEST["classifier"].faulty(("np.float32", "np.int32")))
    assert [finding.passed for finding in differs].count(False) == 1
    assert differs[-1].audit == "checkpoints"
    assert [finding.passed for finding in malformed] == [True, False]


def test_rounding_is_allowed_and_more_is_not():
    """A batch may change scores by less than 1e-4 of their range, also where they lie far from zero."""
    by_batch = ("return (x @", "return (1e-7 * len(x) * SIZE + 50000 + x @"), ("class Predictor", "SIZE = 1\n\n\nclass Predictor")
    wide = [("astype(np.float32)", "astype(np.float64)"), *by_batch]
    assert all(finding.passed for finding in audited(HONEST["classifier"].faulty(*wide)))
    more = audited(HONEST["classifier"].faulty(*wide, ("SIZE = 1\n", "SIZE = 1e6\n")))
    assert [finding.audit for finding in more if not finding.passed] == [COMPANY]


def test_a_count_alone_needs_no_training():
    """`count` finds weights that no layer declares, names the preset, and compares no seeds."""
    honest = HONEST["counted"].faulty(("rng(seed)", "rng(0)"))
    found = list(audits.count(lambda: contextlib.nullcontext(honest.module()), honest.ground, "tiny"))
    assert [finding.audit for finding in found] == ["training", SHAPES, "declared weights", "state and restore"]
    assert all(finding.passed and finding.says.startswith("tiny: ") for finding in found)
    more = honest.faulty(("dict(predictor.state)", "{**predictor.state, 'head.more': np.ones(9)}"))
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
    broken = HONEST["classifier"].faulty(("part = self.state", "raise ValueError('no \\x1b[2J luck')"))
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
    folder = HONEST["simulator"].faulty(("walk[list(times)]", "rng")).folder(tmp_path)
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
