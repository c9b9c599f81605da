"""GPipe: Efficient Training of Giant Neural Networks using Pipeline Parallelism (2019)."""

from __future__ import annotations

from typing import Any

from claims.experiments import huang2019_equations as equations
from claims.experiments.huang2019 import (
    AgainstModel,
    Counts,
    EachParameter,
    GPipe,
    Largest,
    best_partition,
    bubble,
    gradients,
    imbalance,
    moving_averages,
    naive_memory,
    some_batch,
    updates,
)
from claims.experiments.huang2019_costs import memory_law, stated_bytes, stated_seconds
from claims.experiments.huang2019_speed import OnCores, OnGPUs, Throughput
from repro import Contract, Paper, Reported, Run, all_of, at_least, at_most, claim, holds, refuted

PAPER = Paper(
    key="huang2019",
    title="GPipe: Efficient Training of Giant Neural Networks using Pipeline Parallelism",
    authors=(
        "Yanping Huang", "Youlong Cheng", "Ankur Bapna", "Orhan Firat", "Mia Xu Chen", "Dehao Chen", "HyoukJoong Lee",
        "Jiquan Ngiam", "Quoc V. Le", "Yonghui Wu", "Zhifeng Chen",
    ),
    year=2019,
    venue="NeurIPS 2019",
    arxiv="1811.06965v5",
    url="https://arxiv.org/abs/1811.06965",
    story=(
        "A network that is too large for one accelerator is cut into consecutive partitions, one for each. A "
        "mini-batch is cut too, into micro-batches that follow one another through the partitions, so that all of "
        "them work at once save for a bubble at the start and the end. Each partition keeps only its inputs and "
        "computes the rest again for the backward pass. Weights change once, at the end of the mini-batch: the "
        "gradient is that of one accelerator, whatever the number of partitions.\n\n"
        "All of this is exact and is tested exactly, with real processes. The speed is measured on layers that only "
        "wait: with those, four partitions need no more than one processor, and what is timed is the schedule and its "
        "messages.\n\n"
        "Some entries of Table 1 do not fit its caption, by which each parameter needs 12 bytes. The memory of "
        "parameters and of activations of the Transformer without a pipeline seem to be exchanged: 282.2M parameters "
        "of 12 bytes are 3.15 GiB, which is printed as activations. The two ends of AmoebaNet's row need more than "
        "12: 82M parameters would need 0.98 GB where 1.05 are printed, and 1.8B would need 21.6 where 24.62 are, "
        "while the three between agree to a hundredth.\n\n"
        "In Table 2 the Transformer with 4 micro-batches is faster than a bubble of its size allows relative to one "
        "micro-batch and 2 partitions: 3.2 and 4.8 are printed for 4 and 8 partitions, and the bubble leaves 2.29 "
        "and 2.91. The table's caption says that batch sizes were adjusted to fit memory if necessary, so its "
        "entries may be of different mini-batches, and this is no finding."
    ),
)  # fmt: skip

CONTRACT = Contract(
    protocol=GPipe,
    preset="residual",
    overrides={"layers": 4, "partitions": 2, "micro_batches": 4},
    generate=some_batch,
    timed="speed-is-near-linear",
    clocked=("speed", "efficiency", "waited", "unit", "timetable", "even", "one", "recomputation", "memory"),
)

PARAMETERS = {
    3: Reported(282.2, "M", "Table 1, Transformer, Naive-1, parameters"),
    13: Reported(785.8, "M", "Table 1, Transformer, Pipeline-1, parameters"),
    103: Reported(5.3, "B", "Table 1, Transformer, Pipeline-8, parameters"),
    415: Reported(21.0, "B", "Table 1, Transformer, Pipeline-32, parameters"),
    1663: Reported(83.9, "B", "Table 1, Transformer, Pipeline-128, parameters"),
}
MEMORY = {
    13: Reported(8.8, "GiB", "Table 1, Transformer, Pipeline-1, parameter memory"),
    103: Reported(59.5, "GiB", "Table 1, Transformer, Pipeline-8, parameter memory"),
    415: Reported(235.1, "GiB", "Table 1, Transformer, Pipeline-32, parameter memory"),
    1663: Reported(937.9, "GiB", "Table 1, Transformer, Pipeline-128, parameter memory"),
}
AMOEBANET = {
    "Naive-1": (
        Reported(82, "M", "Table 1, AmoebaNet, Naive-1, parameters"),
        Reported(1.05, "GB", "Table 1, AmoebaNet, Naive-1, parameter memory"),
    ),
    "Pipeline-8": (
        Reported(1800, "M", "Table 1, AmoebaNet, Pipeline-8, parameters"),
        Reported(24.62, "GB", "Table 1, AmoebaNet, Pipeline-8, parameter memory"),
    ),
}
BYTES = "Each model parameter needs 12 bytes since we applied RMSProp during training."
NAIVE_WEIGHTS = Reported(11.7, "GiB", "Table 1, Transformer, Naive-1, parameter memory")
NAIVE_ACTIVATIONS = Reported(3.15, "GiB", "Table 1, Transformer, Naive-1, peak activation memory")
THROUGHPUT = {
    (k, m): Reported(value, "1", f"Table 2, Transformer, K = {k}, M = {m}, normalized throughput")
    for m, row in {1: (1, 1.07, 1.3), 32: (1.8, 3.4, 6.3)}.items()
    for k, value in zip((2, 4, 8), row, strict=True)
}
LARGER = Reported(2.7, "1", "Section 3, parameters with re-materialization over those without")
COUNTS = Counts(
    tuple((n, fact, 0.1) for n, fact in PARAMETERS.items()),
    tuple(MEMORY.items()),
)


def table_2(micro_batches: int) -> AgainstModel:
    """A row of Table 2 against the timetable of equal partitions."""
    facts = tuple((k, fact) for (k, m), fact in THROUGHPUT.items() if m == micro_batches)
    return AgainstModel(micro_batches, facts)


# Mechanism: exact, with real processes. What is timed waits, so no processor's speed matters.

TINY: dict[str, Any] = {"layers": 3, "width": 4, "hidden": 5, "lr": 0.1}


@claim(
    "gradients-follow-the-equations",
    holds(1e-6),
    version=2,
    controls=["sums_micro_batches", "drops_the_last_micro_batch", "drops_the_rest"],
)
def test_gradients_follow_the_equations(run: Run):
    """Section 2.2: gradients are those of the mean over the mini-batch, by the equations and the network's weights."""
    return run(equations.gradients, "residual", **TINY)["gaps"]


@claim(
    "updates-follow-the-equations",
    rows={name: all_of(holds(1e-6, relation="at_most"), holds(1e-9)) for name in ("residual", "batch-norm")},
    controls=["biases_stand_still", "updates_after_each_micro_batch"],
)
def test_updates_follow_the_equations(run: Run, row: str):
    """Section 2.2: one synchronous update a mini-batch moves all weights, and outputs are those of the weights."""
    arm = run(equations.updates, row, **TINY)
    return arm["distance"], arm["outputs"]


@claim(
    "moments-have-gradients", holds(1e-6), version=2, controls=["moments_are_constants", "normalizes_the_mini_batch"]
)
def test_moments_have_gradients(run: Run):
    """Section 2.2: each micro-batch is normalized by its own moments, and gradients go through them."""
    return run(equations.gradients, "batch-norm", **TINY)["gaps"]


@claim(
    "costs-are-those-of-what-runs",
    all_of(
        holds(0.05, relation="at_least"), holds(0.25, relation="at_most"),
        holds(0.28, relation="at_most"),  # three layers and one take 1.36 times as long
        holds(0.08),  # on one accelerator, or speedups of several would be too large
        holds(0.15), holds(relation="at_least"), holds(0.1), holds(0.05),
    ),
    version=4,
    controls=[
        "everything_is_kept", "sleeps_by_the_formula", "sleeps_by_the_timetable", "three_layers_and_one",
        "waits_longer_alone", "counts_inputs_only", "partitions_need_the_same",
    ],
)  # fmt: skip
def test_costs_are_those_of_what_runs(run: Run):
    """Section 2.3: updates take as long as timetables say, a third longer with recomputation, and the bytes counted."""
    # A process holds more than tensors, and sleeps a little long: hence the margins. Partitions work at once, so that
    # each is a process or a thread.
    arm, held = run(stated_seconds, "waiting"), run(stated_bytes, "residual")
    times = arm["timetable"], arm["timetable"], arm["even layers"], arm["one accelerator"], arm["recomputation"]
    return *times, arm["workers"], held["memory"], held["shares"]


@claim("transformer-parameters", holds(1.0), controls=["tied_embeddings"], reported=tuple(PARAMETERS.values()))
def test_transformer_parameters(run: Run):
    """Table 1: Transformers of 3 to 1663 layers have the printed numbers of parameters, to the last digit."""
    return run(COUNTS, "transformer-naive-1")["off"]


@claim("parameter-memory", holds(0.005), controls=["tied_embeddings"], reported=tuple(MEMORY.values()))
def test_parameter_memory(run: Run):
    """Table 1: in a pipeline, weights need 12 bytes for each parameter, to half a percent."""
    return run(COUNTS, "transformer-naive-1")["ratio"]


@claim(
    "naive-weights-outweigh-activations",
    holds(relation="at_least"),
    controls=["counts_one_sentence"],
    reported=[NAIVE_WEIGHTS, NAIVE_ACTIVATIONS],
    expected=refuted(
        "Arithmetic: 282.2M parameters of 12 bytes, as the caption has it, are 3.15 GiB, the number that is printed as "
        "activation memory, and all other columns agree with the caption. The two entries seem to be exchanged.",
        words={
            "Table 1, caption": BYTES,
            "Table 1, Transformer, Naive-1": "# of Model Parameters: 282.2M. Total Model Parameter Memory: 11.7G. Peak "
            "Activation Memory: 3.15G.",
        },
        settings=(
            "Transformer of 3 layers without a pipeline, 32 sentences of 1024 tokens, RMSProp, on a TPU of 16 GB",
            "the same network and mini-batch; weights and activations are counted",
        ),
        calculation=[
            ("parameter memory of Naive-1 by the caption", "naive = 282.2e6 * 12 / 1024**3", "GiB"),
            ("over what is printed as activation memory", "naive / 3.15"),
            ("over what is printed as parameter memory", "naive / 11.7"),
            ("Pipeline-1 by the caption, over what is printed", "785.8e6 * 12 / 1024**3 / 8.8"),
            ("Pipeline-128 by the caption, over what is printed", "83.9e9 * 12 / 1024**3 / 937.9"),
        ],
    ),
)
def test_naive_weights_outweigh_activations(run: Run):
    """Table 1: without a pipeline the weights of a 3-layer Transformer need more memory than its activations."""
    return run(naive_memory, "transformer-naive-1")["ratio"]


@claim(
    "amoebanet-parameters-need-as-much",
    holds(0.05),  # no rounding of what is printed closes the gap
    controls=["tied_embeddings"],
    reported=[fact for column in AMOEBANET.values() for fact in column],
    expected=refuted(
        "Arithmetic: the printed memory of AmoebaNet's parameters comes to 12.8 bytes for each where there is no "
        "pipeline and to 13.7 on 8 accelerators, where the caption has 12; the three columns between agree with it.",
        words={
            "Table 1, caption": BYTES,
            "Table 1, AmoebaNet-D, Naive-1 and Pipeline-8": "# of Model Parameters: 82M, 1.8B. Total Model Parameter "
            "Memory: 1.05GB, 24.62GB.",
        },
        settings=(
            "AmoebaNet-D (18, 208) on one accelerator and (72, 512) on 8, RMSProp",
            "the printed numbers, against the memory of a Transformer of 13 layers over its counted parameters. "
            "A GB is 10**9 bytes: with 2**30 the gap is wider",
        ),
        calculation=[
            ("bytes for each parameter, Naive-1", "1.05e9 / 82e6", "B"),
            ("bytes for each parameter, Pipeline-8", "24.62e9 / 1.8e9", "B"),
            ("the same with the most parameters that round to 82M", "1.045e9 / 82.5e6", "B"),
            ("the same with the most parameters that round to 1.8B", "24.615e9 / 1.85e9", "B"),
            ("between: Pipeline-2", "6.45e9 / 542e6", "B"),
        ],
    ),
)
def test_amoebanet_parameters_need_as_much(run: Run):
    """Table 1: at both ends of the table an AmoebaNet's parameter needs as many bytes as a Transformer's."""
    return run(EachParameter(tuple(AMOEBANET.values()), (13, MEMORY[13])), "transformer-naive-1")["ratio"]


@claim(
    "gradients-do-not-depend-on-partitions", holds(1e-12), controls=["sums_micro_batches", "drops_the_last_micro_batch"]
)
def test_gradients_do_not_depend_on_partitions(run: Run):
    """Section 2.2: gradients are those of one accelerator, whatever the numbers of partitions and micro-batches."""
    return run(gradients, "residual")["difference"]


@claim("updates-are-synchronous", all_of(holds(1e-12), holds(relation="at_most")), controls=["stale_weights"])
def test_updates_are_synchronous(run: Run):
    """Section 2.2: all gradients of a mini-batch belong to the same weights, so training is that of one accelerator."""
    arm = run(updates, "residual")
    return arm["difference"], arm["fall"]


@claim(
    "moving-averages-follow-the-mini-batch",
    all_of(holds(1e-12), holds(1e-12)),
    version=2,
    controls=["moves_with_each_micro_batch", "counts_recomputation", "moves_with_the_last_micro_batch"],
)
def test_moving_averages_follow_the_mini_batch(run: Run):
    """Section 2.2: what evaluation normalizes by are moving averages of the moments of whole mini-batches."""
    arm = run(moving_averages, "batch-norm")
    return arm["moments"], arm["difference"]


@claim(
    "bubble",
    all_of(holds(), holds(1e-12), holds(relation="at_most")),
    controls=["one_after_another", "two_bubbles", "starts_full"],
)
def test_bubble(run: Run):
    """Section 2.3: (K - 1) / (M + K - 1) of the time is idle, at most a fifth of it from M = 4 K on."""
    arm = run(bubble, "residual")
    return arm["faults"], arm["idle"], arm["idle where M is 4 K or more"]


@claim(
    "memory-law",
    all_of(holds(relation="at_least"), holds(relation="at_least"), holds(relation="at_most")),
    version=2,
    controls=["without_rematerialization", "rematerializes_each_layer"],
)
def test_memory_law(run: Run):
    """Section 2.3: with re-materialization, peak activation memory grows as N + (L / K) (N / M)."""
    arm = run(memory_law, "residual")
    return arm["r2"], arm["coefficients"], arm["share"]


@claim("least-variance", holds(relation="at_most"), version=2, controls=["as_many_layers_each"])
def test_least_variance(run: Run):
    """Section 2.2: a heuristic cuts partitions so that costs vary half as much as with as many layers each."""
    return run(best_partition, "residual")["left"]


@claim(
    "table-2-fits-the-bubble",
    all_of(holds(0.1), holds(0.005, relation="at_most"), holds(0.35)),
    controls=["two_bubbles", "starts_full"],
    reported=[THROUGHPUT[k, m] for m in (32, 1) for k in (2, 4, 8)],
)
def test_table_2_fits_the_bubble(run: Run):
    """Table 2: with 32 micro-batches the Transformer's speedup is that of the bubble, with one there is hardly any."""
    many = run(table_2(32), "residual", arm="32 micro-batches")["ratio"]
    return many, many, run(table_2(1), "residual", arm="1 micro-batch")["ratio"]


# Direction: layers that only wait, and layers whose costs are drawn.


@claim(
    "imbalance-costs-speed",
    all_of(holds(relation="at_most"), holds(relation="at_least")),
    version=2,
    evidence="reduced",  # random costs, and thresholds that are ours
    controls=["mean_costs", "as_many_layers_each"],
    reported=[Reported(3.48, "1", "Table 2, AmoebaNet, K = 8, M = 32, normalized throughput"), THROUGHPUT[8, 32]],
)
def test_imbalance_costs_speed(run: Run):
    """Section 3: layers of uneven costs make the speedup sub-linear, and better partitions help."""
    arm = run(imbalance, "residual")
    return arm["left"], arm["gain"]


@claim(
    "speed-is-near-linear",
    all_of(at_least(0.85), at_least(0.85), at_least(0.95), at_most(1.5), at_most(1e-6)),
    seeds=5,
    controls=["flushes_after_each_micro_batch"],
    reported=[THROUGHPUT[k, 32] for k in (2, 4)],
)
def test_speed_is_near_linear(run: Run):
    """Section 3: micro-batches in a pipeline of real processes reach the speedup that the bubble leaves."""
    arm = run(Throughput(spreads=((1, 1), (2, 2), (4, 4))), "waiting")
    return arm["efficiency 2,2"], arm["efficiency 4,4"], arm["waited"], arm["unit"], arm["disagreement"]


# Number: the paper's networks on one accelerator and on several, and layers that compute. Costs are estimates.


@claim(
    "rematerialization-fits-more",
    holds(0.5),
    tier="gpu",
    evidence="reduced",  # mini-batches of 8 sentences: no layer of ours fits with 32 and all activations
    controls=["without_rematerialization"],
    reported=[LARGER],
    cost="an estimated 10 minutes on a GPU of 24 GB or more, and 5 for the control",
)
def test_rematerialization_fits_more(run: Run):
    """Section 3: on one accelerator of 16 GB, re-materialization trains a Transformer that is 2.7 times as large."""
    experiment = Largest(printed=LARGER, examples=8, length=1024)
    return run(experiment, "transformer-naive-1", memory=16 << 30)["ratio"]


@claim(
    "transformer-throughput",
    rows={
        str(k): all_of(at_least(THROUGHPUT[k, 32], minus=0.1 * THROUGHPUT[k, 32].value), at_most(1.1), at_most(1e-3))
        for k in (4, 8)
    },
    tier="cluster",
    seeds=3,
    controls=["flushes_after_each_micro_batch"],
    cost="an estimated 10 minutes a row on 4 or 8 GPUs of 40 GB, and 20 for the control",
)
def test_transformer_throughput(run: Run, row: str):
    """Table 2: with 32 micro-batches the 48-layer Transformer reaches the printed throughput on K accelerators."""
    arm = run(OnGPUs(spreads=((2, 1), (int(row), 32)), length=1024, seconds=20), "transformer-48")
    return arm[f"speed {row},32"], arm[f"efficiency {row},32"], arm["disagreement"]


@claim(
    "computing-speed-is-near-linear",
    rows={str(k): all_of(at_least(0.85), at_most(1.1), at_most(1e-6)) for k in (2, 4, 8)},
    tier="cluster",
    evidence="reduced",
    seeds=3,
    controls=["flushes_after_each_micro_batch"],
    reported={str(k): THROUGHPUT[k, 32] for k in (2, 4, 8)},
    cost="an estimated 3 minutes a row on as many idle cores as partitions, 2, 4 or 8, with the control",
)
def test_computing_speed_is_near_linear(run: Run, row: str):
    """Table 2: with 32 micro-batches, layers that compute on a core each reach the speedup that the bubble leaves."""
    arm = run(OnCores(spreads=((1, 32), (int(row), 32)), micro_batch=64, seconds=10), "computing")
    return arm[f"efficiency {row},32"], arm[f"efficiency {row},32"], arm["disagreement"]
