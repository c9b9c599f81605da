"""The Unreasonable Effectiveness of Recurrent Neural Networks (Karpathy, 2015)."""

from __future__ import annotations

from typing import Any

from claims.experiments import character_models, dropped_units, new_names, quotations, truncated_updates, written_texts
from claims.experiments import karpathy2015 as learning
from claims.experiments import karpathy2015_exact as exact
from claims.experiments.char_rnn_options import recipe
from claims.experiments.hello_string import HelloString
from repro import (
    Contract,
    LanguageModelling,
    Paper,
    Reported,
    Run,
    all_of,
    at_least,
    at_most,
    claim,
    equals,
    holds,
    lower,
)

PAPER = Paper(
    key="karpathy2015",
    title="The Unreasonable Effectiveness of Recurrent Neural Networks",
    authors=("Andrej Karpathy",),
    year=2015,
    venue="blog post, 21 May 2015; companion paper arXiv:1506.02078, code char-rnn",
    url="https://karpathy.github.io/2015/05/21/rnn-effectiveness/",
    story=(
        "A network reads a text one character at a time and learns what follows; then it is let go, and writes plays, "
        "articles with footnotes, LaTeX that nearly compiles, and C with comments and a licence. Nothing in the model "
        "knew of words. The post and its code taught a generation how recurrent networks are trained: text cut into "
        "streams, gradients through one chunk, states carried over, RMSProp with each entry clipped, a temperature "
        "at which to sample. The companion paper counts what cells remember. Large language models sample the same "
        "way; a single unit for sentiment (Radford et al. 2017) and dictionaries of features are what became of the "
        "cells that could be read.\n\n"
        "Where people go wrong: states reset at each chunk, or text shuffled so that a carried state means nothing; "
        "a norm clipped where the code clips entries; torch.nn.GRU, whose reset gate acts after the matrix; scores "
        "multiplied by the temperature, or probabilities divided by it; dropout left on in sampling; one bias or two, "
        "which changes counts and doubles the step. Counts depend on one-hot or embedded characters too: the README's "
        "example of 150 thousand parameters belongs to older defaults, today's print 240,321.\n\n"
        "The post prints no loss. The companion's Table 1 was not at hand; what slides quote of it is used by one "
        "claim, not a default. Cells are scored on a made-up text with quotations, which more than one cell "
        "in twenty follow: there is little else to learn."
    ),
)

ESSAYS = Reported(3.5e6, "parameters", "Section Paul Graham generator, 2-layer LSTM of 512 units")
KERNEL = Reported(10e6, "parameters", "Section Linux source code, 3-layer LSTMs")

NEW = Reported(90.0, "%", "Section Generating Baby Names, names that are not in the training data, about")
LOSS = Reported(2.936, "perplexity", "Table 1 of the companion paper, e ** 1.077, as slides quote it", verified=False)

CONTRACT = Contract(
    protocol=character_models.CharacterModel,
    preset="char-rnn",
    data="characters",
    overrides={"layers": 1, "hidden": 16, "vocabulary": 96, "epochs": 1, "batch": 100, "unroll": 100},
)

PYDOC: dict[str, Any] = {"layers": 1, "vocabulary": 96, "batch": 32, "unroll": 16, "epochs": 2}
"""Two epochs of 112 chunks: 57,344 characters of Python's help text."""
GATED: dict[str, Any] = {"cell": "lstm", "hidden": 64, "lr": 0.02, **PYDOC}
PLAIN: dict[str, Any] = {"cell": "rnn", "hidden": 142, "lr": 0.0025, **PYDOC}
"""Each at the best of the rates 0.0025, 0.005, 0.01 and 0.02, for plain cells of two alike the steadier.

They have 47,456 and 47,666 parameters."""
READ = learning.CharacterLearning(tokens=57_344)
QUOTES: dict[str, Any] = {
    "layers": 1, "hidden": 24, "vocabulary": 10, "forget_bias": 0.0, "batch": 20, "unroll": 20, "epochs": 10,
    "lr": 0.03, "constant_epochs": 4, "decay": 0.75,
}  # fmt: skip
"""Ten epochs of 48 chunks."""

KNOWS = lower(times=0.85)  # asserts that a network has learnt more than how frequent characters are
BY_WEIGHTS = holds(tolerance=1e-3)  # of losses by what reads and by the equations with the weights of `state`
MOST, LEAST = holds(relation="at_most"), holds(relation="at_least")


# Mechanism: exact. First what the equations say of networks whose weights are the implementation's own.

TINY: dict[str, Any] = {
    "layers": 2, "hidden": 2, "vocabulary": 4, "init": 0.5, "batch": 2, "unroll": 3, "epochs": 3, "lr": 0.01,
    "constant_epochs": 1, "decay": 0.5, "precision": "float64",
}  # fmt: skip
SMALL = exact.CharacterUpdates(
    networks=(
        (("clip", 100.0),),
        (("clip", 0.05),),
        (("cell", "gru"), ("smoothing", 0.8), ("epsilon", 0.01)),
        (("cell", "rnn"), ("layers", 3), ("clip", 0.3), ("batch", 3), ("unroll", 2), ("constant_epochs", 2)),
        (("cell", "gru"), ("layers", 1), ("clip", 0.02), ("batch", 1), ("unroll", 1), ("decay", 0.02)),
        (("layers", 1), ("unroll", 2), ("epochs", 1), ("chunks", 260), ("entries", 2)),
    )
)
ALL_OF_AN_EPOCH = {**PLAIN, "chunks": 112, "entries": 1}  # as what is compared learns in its first
OWN = exact.CharacterUpdates(
    networks=tuple(tuple({**f, "epochs": 1}.items()) for f in (GATED, PLAIN, QUOTES, ALL_OF_AN_EPOCH)),
    chunks=2,
    entries=3,
)
UNLIKE = [
    "norm_clipped", "averaged_over_steps", "rate_falls_late", "states_reset_at_each_chunk", "characters_dealt_out",
    "chunks_in_any_order", "last_chunk_left_out", "only_the_scores_learn_where_large", "squares_begin_at_one",
    "slow_where_large", "rate_has_a_floor", "learns_from_validation", "states_reset_every_50_chunks",
    "plain_cells_tire",
]  # fmt: skip
READS_OTHERWISE = [
    "reset_after_the_matrix", "gates_in_another_order", "states_reset_while_reading", "update_gate_keeps",
    "gates_half_open",
]  # fmt: skip
NEAR = holds(tolerance=truncated_updates.ASTRAY)


@claim("equations", holds(tolerance=1e-4), controls=READS_OTHERWISE)
def test_equations(run: Run):
    """Section 3.1 of the companion paper: networks of LSTM, GRU and plain cells read as their equations say."""
    return run(exact.cell_scores, "char-rnn")["scores"]


@claim(
    "updates",
    all_of(holds(tolerance=truncated_updates.ASTRAY), holds(tolerance=truncated_updates.ASTRAY)),
    controls=UNLIKE,
)
def test_updates(run: Run):
    """Section RNN training, and train.lua: RMSProp on clipped gradients through a chunk; states are carried on."""
    return run(SMALL, "char-rnn", arm="small", **TINY)["updates"], run(OWN, "char-rnn", arm="own")["updates"]


@claim(
    "starts",
    all_of(LEAST, holds(1e-6, relation="at_most"), MOST, holds(1e-6)),
    controls=["normal_weights", "shut_forget_gates", "one_seed_for_all", "four_seeds_in_all"],
)
def test_starts(run: Run):
    """Section RNN training, and train.lua: parameters start uniform, but forget gates open; seeds differ."""
    arm = run(exact.starts, "char-rnn")
    return arm["likely"], arm["open"], arm["related"], arm["again"]


@claim(
    "dropout-after-each-layer",
    all_of(MOST, MOST, holds(tolerance=0.01)),
    controls=["dropout_between_layers_alone", "one_mask_for_a_chunk", "one_mask_for_all_streams", "unscaled_dropout",
              "dropout_on_recurrence", "masks_ignore_the_seed"],
)  # fmt: skip
def test_dropout_after_each_layer(run: Run):
    """Section Paul Graham generator: dropout after each layer, the last one too, and none from one step to the next."""
    tiny = {**TINY, "hidden": 6, "init": 0.3, "dropout": 0.4}
    arm = run(dropped_units.CharacterMasks(), "char-rnn", **tiny)
    return arm["kept"], arm["together"], arm["unexplained"]


@claim(
    "temperature",
    all_of(holds(1e-3), holds(1e-5, relation="at_least"), holds(1e-6, relation="at_least")),
    controls=["scores_times_temperature", "temperature_ignored", "probabilities_divided"],
)
def test_temperature(run: Run):
    """Section Paul Graham generator: scores are divided by the temperature, so entropy rises with it and ranks stay."""
    arm = run(written_texts.sampled, "char-rnn")
    return arm["heated"], arm["cooler"], arm["ranks"]


@claim(
    "sampling",
    all_of(LEAST, holds(), holds()),
    controls=["temperature_ignored", "padding_is_read", "last_of_the_prompt_alone",
              "not_fed_back", "ten_of_the_prompt", "texts_of_100_alone", "never_the_unlikely"],
)  # fmt: skip
def test_sampling(run: Run):
    """Section Recurrent Neural Networks: what is written is drawn from the softmax and fed back."""
    arm = run(written_texts.sampled, "char-rnn")
    return arm["unlikely"], arm["greedy"], arm["same"]


@claim("recipe", holds(), controls=["other_options"])
def test_recipe(run: Run):
    """Section RNN training, and train.lua: presets have the options of the code, and those that the post prints."""
    return run(recipe, "char-rnn")["other"]


@claim(
    "parameters",
    rows={f"essays, {count}": all_of(equals(ESSAYS, 0.06 * 3.5e6), holds()) for count in (65, 128)}
    | {f"kernel, {count}": all_of(equals(KERNEL, 0.03 * 1e7), holds()) for count in (65, 128)},
    controls=["embedded_characters"],
)
def test_parameters(run: Run, row: str):
    """Section Fun with RNNs: 2 x 512 units have about 3.5 million parameters, 3 layers (of 700) about 10 million.

    Neither the number of characters is printed, 65 to 128, nor the 700, which are the largest of the code's README.
    """
    name, _, vocabulary = row.partition(", ")
    arm = run(learning.counted, {"essays": "paul-graham", "kernel": "linux"}[name], vocabulary=int(vocabulary))
    return arm["parameters"], arm["missing"]


@claim(
    "cost-of-a-step",
    all_of(holds(), holds(relation="at_most"), LEAST),
    controls=["diagonal_recurrence"],
)
def test_cost_of_a_step(run: Run):
    """Section Further Reading: twice the units cost four times the multiply-adds between steps."""
    arm = run(learning.counted, "char-rnn", hidden=32)
    return arm["growth"], arm["below"], arm["rises"]


# Direction: small networks.


@claim("hello", all_of(at_most(0.05), BY_WEIGHTS), seeds=3, controls=["without_memory"])
def test_hello(run: Run):
    """Section Character-Level Language Models: "hello" is learnt, though l is followed by l and by o.

    Without a memory 0.347 nats are left: see the experiment.
    """
    hello = {"cell": "rnn", "layers": 1, "hidden": 16, "vocabulary": 4, "batch": 1, "unroll": 5, "epochs": 150}
    arm = run(HelloString(), "char-rnn", lr=0.01, constant_epochs=150, **hello)
    return arm["loss"], arm["astray"]


@claim(
    "gates-beat-plain-cells",
    all_of(lower(by=0.12), KNOWS, BY_WEIGHTS, BY_WEIGHTS),
    seeds=4,
    controls=["gated_cells_do_not_learn", "plain_cells_do_not_learn"],
)
def test_gates_beat_plain_cells(run: Run):
    """Table 1 of the companion paper: an LSTM has a lower loss than a plain RNN of as many parameters."""
    gated = run(READ, "char-rnn", data="characters", arm="LSTM", **GATED)
    plain = run(READ, "char-rnn", data="characters", arm="RNN", **PLAIN)
    return (gated["loss"], plain["loss"]), (plain["loss"], plain["unordered"]), gated["astray"], plain["astray"]


@claim(
    "one-cell-follows-quotations", all_of(at_least(0.6), at_most(0.35), lower(times=0.9), BY_WEIGHTS),
    tier="long", evidence="reduced", seeds=7, controls=["never_trained", "only_the_scores_learn"],
    cost="two minutes of one core; not calibrated, and so no claim of the default tier",
)  # fmt: skip
def test_one_cell_follows_quotations(run: Run):
    """Section Visualizing the neuron firings: some cells do something plain, as one that is on within quotations."""
    arm = run(quotations.QuoteCell(), "char-rnn", **QUOTES)
    return arm["trained"], arm["untrained"], (arm["loss"], arm["unordered"]), arm["astray"]


# Number: the texts of the post and of the companion paper. Costs are estimates.


@claim(
    "most-written-names-are-new",
    all_of(at_least(80.0), at_most(97.0), at_least(95.0), at_least(80.0)),
    tier="long",
    evidence="reduced",
    reported=[NEW],
    seeds=3,
    controls=["writes_the_likeliest"],
    cost="an estimated 3 minutes a seed on one core, as much for the control; 21 KiB to download",
)
def test_most_written_names_are_new(run: Run):
    """Section Generating Baby Names: about 90 % of the names that are written are not in the list; here, 80 to 97 %.

    The post links this list, but says neither how large its network was nor how long it was trained.
    """
    arm = run(new_names.NewNames(), "char-rnn", data="first_names", vocabulary=56, layers=1, epochs=30)
    return arm["new"], arm["new"], arm["lettered"], arm["distinct"]


@claim(
    "war-and-peace",
    at_most(LOSS, plus=0.03 * LOSS.value),
    tier="gpu",
    seeds=3,
    controls=["five_steps"],
    cost="an estimated hour a seed on one H200, several for the control; not run yet",
)
def test_war_and_peace(run: Run):
    """Table 1 of the companion paper: GRUs of 3 x 512 units reach e ** 1.077 on other text of the book.

    What is missing: its 20-grams, which reach e ** 1.195, and how the text is split, of which we take 80, 10 and 10 %.
    """
    every = LanguageModelling(eval_steps=tuple(range(1_300, 13_000, 1_300)), test=True)
    return run(every, "war-and-peace", data="war_and_peace")["test_perplexity"]
