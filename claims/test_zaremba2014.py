"""Recurrent Neural Network Regularization (Zaremba, Sutskever & Vinyals, 2014)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from claims.experiments.zaremba2014 import (
    Averaging,
    Conventions,
    Crossings,
    Memory,
    RecurrentRegularization,
    Regularized,
    parameters,
)
from claims.experiments.zaremba2014_equations import (
    DropoutMasks,
    OwnMasks,
    OwnUpdates,
    RecurrentScores,
    RecurrentUpdates,
    UniformStart,
)
from repro import (
    Contract,
    LanguageModelling,
    Paper,
    Reported,
    Run,
    all_of,
    at_most,
    claim,
    higher,
    holds,
    lower,
)

PAPER = Paper(
    key="zaremba2014",
    title="Recurrent Neural Network Regularization",
    authors=("Wojciech Zaremba", "Ilya Sutskever", "Oriol Vinyals"),
    year=2014,
    arxiv="1409.2329v5",
    url="https://arxiv.org/abs/1409.2329",
    story=(
        "Dropout had not worked for recurrent networks. The paper says where to put it: on the connections from a "
        "layer to the one above and never on those from one step to the next, so that what a cell remembers passes "
        "the noise as often as there are layers, however long it is kept. Large LSTM networks could then be trained "
        "on a small text, and the recipe became the standard for language models. Masks that stay the same for a "
        "whole sequence were later shown to make dropout on recurrent connections work as well. Much trouble with "
        "repeating the numbers came from one phrase: the gradient is normalized by the minibatch's size and not by "
        "the number of steps, so a loss averaged over both needs another learning rate and another threshold."
    ),
)

PERPLEXITY = {
    "small": Reported(114.5, "perplexity", "Table 1, non-regularized LSTM, test set"),
    "medium": Reported(82.7, "perplexity", "Table 1, medium regularized LSTM, test set"),
    "large": Reported(78.4, "perplexity", "Table 1, large regularized LSTM, test set"),
}
AVERAGED = {
    "small-2": Reported(96.1, "perplexity", "Table 1, 2 non-regularized LSTMs, test set"),
    "small-5": Reported(84.1, "perplexity", "Table 1, 5 non-regularized LSTMs, test set"),
    "small-10": Reported(80.0, "perplexity", "Table 1, 10 non-regularized LSTMs, test set"),
    "medium-2": Reported(77.0, "perplexity", "Table 1, 2 medium regularized LSTMs, test set"),
    "medium-5": Reported(73.3, "perplexity", "Table 1, 5 medium regularized LSTMs, test set"),
    "medium-10": Reported(72.0, "perplexity", "Table 1, 10 medium regularized LSTMs, test set"),
    "large-2": Reported(73.6, "perplexity", "Table 1, 2 large regularized LSTMs, test set"),
    "large-10": Reported(69.5, "perplexity", "Table 1, 10 large regularized LSTMs, test set"),
    "large-38": Reported(68.7, "perplexity", "Table 1, 38 large regularized LSTMs, test set"),
}
EPOCHS = {
    "small": range(2_323, 13 * 2_323 + 1, 2_323),  # each of 13
    "medium": range(3 * 1_327, 39 * 1_327 + 1, 3 * 1_327),  # every third of 39
    "large": range(5 * 1_327, 55 * 1_327 + 1, 5 * 1_327),  # every fifth of 55
}
"""Updates at the ends of the epochs that the validation text chooses from; 1,327 and 2,323 updates are an epoch."""

PYDOC: dict[str, Any] = {
    "vocabulary": 2000,
    "hidden": 64,
    "batch": 10,
    "unroll": 10,
    "epochs": 16,
    "constant_epochs": 13,
    "decay": 1.2,
    "clip": 3.0,
}
"""The small network's recipe at reduced size: 4,000 words of Python's help text, 39 updates an epoch."""

READ = Regularized(tokens=4_000, eval_steps=(234, 312, 390, 468), evaluated=2_000)
"""Looked at after epochs 6, 8, 10 and 12, around which networks without dropout are at their best, and after 16."""

SHORT = {**PYDOC, "epochs": 13, "constant_epochs": 13, "clip": 5.0}
"""Fewer epochs at the rate that they begin with, for averages of many models: of 2,500 words, 24 updates each."""

KNOWS = lower(times=0.85, log=True)
"""What a network asserts that has learnt more than how frequent words are: the guard of arms that do worse."""

READ_BY_WEIGHTS = holds(tolerance=1e-3)
"""What is read by is a network of the paper's equations with the weights that `state` gives, and nothing else."""

CONTRACT = Contract(
    protocol=RecurrentRegularization,
    preset="small",
    data="pydoc",
    overrides={"vocabulary": 2000, "hidden": 32, "epochs": 1, "dropout": 0.5},
)


# Mechanism: exact. First what the paper's equations say of tiny networks, whose weights are the implementation's own.

TINY: dict[str, Any] = {"layers": 2, "hidden": 2, "vocabulary": 4, "init": 0.5, "batch": 2, "unroll": 3}
EXACT: dict[str, Any] = {**TINY, "constant_epochs": 1, "decay": 4.0, "clip": 0.4, "precision": "float64"}
MASKED = holds(tolerance=0.002), holds(relation="at_most"), holds(relation="at_most")
READER: dict[str, Any] = {**TINY, "hidden": 3, "vocabulary": 5, "dropout": 0.5, "precision": "float64"}


@claim(
    "equations",
    holds(tolerance=1e-4),
    version=2,
    controls=["last_word_alone", "without_output_tanh", "dropout_at_evaluation", "states_reset_while_reading"],
)
def test_equations(run: Run):
    """Section 3.1: a network that reads predicts what the equations of its cells, with its weights, predict."""
    return run(RecurrentScores(), "small", **READER)["alone"]


@claim(
    "averages-are-of-probabilities",
    holds(tolerance=1e-4),
    version=2,
    controls=["log_probabilities_averaged", "copies_of_one_model"],
)
def test_averages_are_of_probabilities(run: Run):
    """Table 1: an average of models predicts the mean of their probabilities."""
    return run(RecurrentScores(), "small", **READER)["averaged"]


@claim(
    "updates",
    all_of(*3 * [holds(tolerance=0.002)]),
    version=2,
    controls=[
        "states_reset_at_each_segment",
        "arrays_clipped_one_by_one",
        "averaged_over_steps",
        "constant_rate",
        "words_dealt_out",
        "targets_wrap_round",
        "last_segment_left_out",
        "slow_without_dropout",
    ],
)
def test_updates(run: Run):
    """Section 4.1: every update is that of the clipped gradient, with states carried on and a rate that falls."""
    arm = run(RecurrentUpdates(), "small", **EXACT)
    return arm["clipped"], arm["free"], run(OwnUpdates(), "small", arm="no dropout", **PYDOC)["own"]


@claim(
    "uniform-start",
    all_of(holds(relation="at_least"), holds(relation="at_most")),
    version=2,
    controls=["normal_weights", "open_forget_gates", "embedding_within_a_tenth"],
)
def test_uniform_start(run: Run):
    """Section 4.1: all parameters start uniformly between bounds, each drawn by itself."""
    arm = run(UniformStart(), "small", **{**TINY, "hidden": 8, "vocabulary": 30, "init": 0.1})
    return arm["likely"], arm["related"]


@claim(
    "masks",
    all_of(*MASKED, *MASKED, *MASKED),
    version=3,
    controls=[
        "dropout_on_all_connections",
        "dropout_on_recurrence",
        "one_mask_for_a_segment",
        "one_mask_for_all_streams",
        "unscaled_dropout",
        "one_mask_for_all_layers",
        "one_mask_for_ever",
        "more_dropped_from_recurrence",
    ],
)
def test_masks(run: Run):
    """Section 3.2: D sets entries to zero at random, each by itself and anew at each step, on its way up alone.

    The arm with recurrent dropout has it on the connections from step to step, and is that network otherwise.
    """
    tiny = {"init": 0.5, "vocabulary": 3, "epochs": 1, "clip": 1e9, "precision": "float64"}
    arms = (
        run(DropoutMasks(), "small", arm="tiny", dropout=0.4, **tiny),
        run(OwnMasks(), "small", arm="dropout", dropout=0.7, **{**PYDOC, "epochs": 6}),  # later the text is memorized
        run(OwnMasks(), "small", arm="recurrent dropout", dropout=0.7, where="recurrent", **PYDOC),
    )
    return (*(arm[name] for arm in arms for name in ("unexplained", "kept", "together")),)


@claim("parameters", rows={name: holds() for name in PERPLEXITY}, controls=["tied_embeddings"])
def test_parameters(run: Run, row: str):
    """Section 4.1: two layers of 200, 650 or 1500 LSTM units between 10,000 embedded words and a softmax over them."""
    return run(parameters, row)["missing"]


@claim("crossings-do-not-grow", holds(tolerance=1e-6), controls=["dropout_on_recurrence", "dropout_on_all_connections"])
def test_crossings_do_not_grow(run: Run):
    """Section 3.2: information crosses dropout exactly L + 1 times, however many steps ago it was read."""
    return run(Crossings(), "small")["crossings"]


@claim(
    "memory-is-untouched",
    all_of(holds(tolerance=1e-10), holds()),
    controls=["dropout_on_cells", "dropout_at_evaluation"],
)
def test_memory_is_untouched(run: Run):
    """Section 3.2: dropout never acts from cell to cell: d c_t / d c_(t-1) is diag(f_t), and reading has no noise."""
    arm = run(Memory(), "small", data="pydoc", vocabulary=2000, hidden=100, dropout=0.5)
    return arm["gap"], arm["change"]


@claim("normalized-by-minibatch-size", holds(tolerance=1e-5), controls=["rate_and_clip_of_the_sum"])
def test_normalized_by_minibatch_size(run: Run):
    """Section 4.1: averaging losses over T steps is the same at T times the learning rate and a T-th of the clip."""
    small = {"vocabulary": 2000, "hidden": 50, "epochs": 1, "dropout": 0.5, "precision": "float64"}
    return run(Conventions(), "small", data="pydoc", **small)["change"]


@claim("averages-beat-their-parts", holds(relation="at_most"), version=2, controls=["copies_of_one_model"])
def test_averages_beat_their_parts(run: Run):
    """Table 1: averages of 2, 4 and 8 models are better than the mean of their halves, as log is concave."""
    average = Averaging(sizes=(2, 4, 8), tokens=2_500, evaluated=1_000, streams=20, alone=True)
    return run(average, "small", data="pydoc", **{**SHORT, "epochs": 2})["above_parts"]


# Direction: the pydoc setting above.


@claim(
    "dropout-helps",
    all_of(lower(times=0.9, log=True), higher(times=2.0, log=True), KNOWS, READ_BY_WEIGHTS, READ_BY_WEIGHTS),
    seeds=9,
    version=2,
    controls=["without_dropout", "dropout_at_evaluation", "table_of_pairs"],
)
def test_dropout_helps(run: Run):
    """Table 1: dropout lowers the perplexity of other text, though it raises that of the training text."""
    dropped = run(READ, "small", data="pydoc", arm="dropout", dropout=0.7, **PYDOC)
    plain = run(READ, "small", data="pydoc", arm="no dropout", **PYDOC)
    validation, training = ((dropped[name], plain[name]) for name in ("validation_perplexity", "train_perplexity"))
    worse = plain["validation_perplexity"], plain["unordered_perplexity"]
    return validation, training, worse, dropped["astray"], plain["astray"]


@claim(
    "recurrent-dropout-is-worse",
    all_of(lower(times=0.93, log=True), KNOWS, READ_BY_WEIGHTS, READ_BY_WEIGHTS),
    seeds=8,
    version=2,
    controls=["dropout_on_recurrence", "untrained_with_recurrent_dropout"],
)
def test_recurrent_dropout_is_worse(run: Run):
    """Section 3.2: dropout helps less on the connections from one step to the next than on all others."""
    others = run(READ, "small", data="pydoc", arm="dropout", dropout=0.7, **PYDOC)
    along = run(READ, "small", data="pydoc", arm="recurrent dropout", dropout=0.7, where="recurrent", **PYDOC)
    worse = along["validation_perplexity"], along["unordered_perplexity"]
    return (others["validation_perplexity"], worse[0]), worse, others["astray"], along["astray"]


@claim(
    "averaging-helps-more-without-dropout",
    all_of(higher(), KNOWS, KNOWS, READ_BY_WEIGHTS, READ_BY_WEIGHTS),
    seeds=8,
    version=2,
    controls=["without_dropout", "nearly_everything_dropped"],
)
def test_averaging_helps_more_without_dropout(run: Run):
    """Table 1: averaging models lowers perplexity by a larger factor where they were trained without dropout."""
    average = Averaging(sizes=(4,), tokens=2_500, evaluated=2_000, streams=20, alone=True)
    plain = run(average, "small", data="pydoc", arm="no dropout", **SHORT)
    dropped = run(average, "small", data="pydoc", arm="dropout", dropout=0.65, **SHORT)
    known = ((arm["perplexity_of_4"], arm["unordered_perplexity"]) for arm in (plain, dropped))
    return (plain["gain"], dropped["gain"]), *known, plain["astray"], dropped["astray"]


# Number: the Penn Treebank and the paper's schedules. Costs are estimates.
# None is for a CPU: at 13,000 words a second on one core (benchmarks/bench_zaremba2014.py, bfloat16), 13 epochs of the
# small network take a quarter of an hour, and three seeds with their control three quarters of an hour of two cores.


def within(figures: Mapping[str, Reported]) -> dict[str, Any]:
    """At most two per cent above each figure."""
    return {row: at_most(figure, plus=0.02 * figure.value) for row, figure in figures.items()}


def published(run: Run, row: str):
    """The test perplexity of a network of Table 1 at the epoch that the validation text chooses."""
    return run(LanguageModelling(eval_steps=tuple(EPOCHS[row]), test=True), row, data="ptb")["test_perplexity"]


@claim(
    "non-regularized-perplexity",
    rows=within({"small": PERPLEXITY["small"]}),
    tier="gpu",
    seeds=3,
    controls=["averaged_over_steps"],
    cost="an estimated 10 minutes a seed on one H200, as much for the control",
)
def test_non_regularized_perplexity(run: Run, row: str):
    """Table 1: the small network without dropout reaches a test perplexity of 114.5 on the Penn Treebank."""
    return published(run, row)


@claim(
    "regularized-perplexity",
    rows=within({name: PERPLEXITY[name] for name in ("medium", "large")}),
    tier="gpu",
    seeds=3,
    controls=["without_dropout"],
    cost="an estimated 20 minutes (medium) or an hour (large) a seed on one H200, as much for the control",
)
def test_regularized_perplexity(run: Run, row: str):
    """Table 1: with dropout the medium and the large network reach 82.7 and 78.4 on the Penn Treebank."""
    return published(run, row)


@claim(
    "averaged-perplexity",
    rows=within(AVERAGED),
    tier="gpu",
    seeds=3,
    controls=["copies_of_one_model"],
    cost="an estimated 5 (small), 15 (medium) or 40 minutes (large) a model and seed on one H200, as much again for "
    "the control: about 6 days for 38 large ones",
)
def test_averaged_perplexity(run: Run, row: str):
    """Table 1: averages of 2 to 38 models reach the reported test perplexities on the Penn Treebank."""
    name, _, size = row.partition("-")
    return run(Averaging(sizes=(int(size),)), name, data="ptb")[f"perplexity_of_{size}"]
