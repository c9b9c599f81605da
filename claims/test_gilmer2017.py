"""Neural Message Passing for Quantum Chemistry (Gilmer et al., 2017)."""

from __future__ import annotations

from typing import Any

from claims.experiments import gilmer2017 as experiments
from claims.experiments import gilmer2017_equations as equations
from claims.experiments import gilmer2017_findings as tables
from claims.experiments.gilmer2017 import Generated, Molecular
from repro import Contract, Paper, Reported, Run, all_of, at_least, at_most, claim, equals, holds, lower, power_law

PAPER = Paper(
    key="gilmer2017",
    title="Neural Message Passing for Quantum Chemistry",
    authors=("Justin Gilmer", "Samuel S. Schoenholz", "Patrick F. Riley", "Oriol Vinyals", "George E. Dahl"),
    year=2017,
    venue="ICML 2017",
    arxiv="1704.01212v2",
    url="https://arxiv.org/abs/1704.01212",
    story=(
        "Eight neural networks for graphs turn out to be one: nodes send messages along edges and update their states, "
        "and a readout sums up. The paper tries variants of this on QM9 and comes within chemical accuracy on 11 of 13 "
        "properties. The frame became the language of the field; later networks, such as SchNet and DimeNet, put more "
        "geometry into the messages.\n\n"
        "Where people go wrong: messages are summed, not averaged. With the readout of Eq. 4 and without virtual edges "
        "or a master node, T steps tie no atoms more than 2 T bonds apart, whatever the weights; and as it has no "
        "constant, it cannot even count atoms of a sparse graph for targets of mean zero. Set2set has the opposite "
        "blind spot: its attention sums to one, so two copies of a molecule are to it what one is. QM9's energies are "
        "totals, from which the atoms' own must be taken.\n\n"
        "All tables were added up again. The averages of the seven earlier methods in Table 2 are 2 to 6 % below those "
        "of their rows, which changes no conclusion. Of the models without spatial information that are printed, one "
        "reaches chemical accuracy on five targets, not several. Read strictly, three more sentences fail that hold "
        "read loosely: three modifications help on all 13 targets (each target is helped by two, but virtual edges "
        "hurt R2, a master node mu); one model for each target is consistently better (not for the gap); R2 and Omega "
        "with 11k molecules equal the best baseline (Omega that of the best on average). Models without distances got "
        "partial charges that come out of DFT, as the paper says, and Table 10's column without distances is one of "
        "them, so its steps change more than distances. Typographical: Section 4 has the gap as HOMO less LUMO.\n\n"
        "What runs anywhere uses generated molecules of 5 to 9 atoms. Measured there at three or four seeds and not "
        "calibrated, as shares of a constant's error: edge network and pair message alike (Table 9); without distances "
        "0.24, 0.29 and 0.46 with virtual edges, a master node and set2set, and 0.80 without; a slope of -0.41 over 32 "
        "to 512 molecules. Networks for one target have 0.23 and 0.28 at two seeds where one for four has 0.51 and "
        "0.48, all trained for 200 updates; with a quarter of these the order turns. QM9 is not here: its loader was "
        "tested on files of that format, and no claim that needs a GPU has been run. Bonds come from distances; "
        "untied weights, ensembles and the search over settings are left out."
    ),
)


def ratios(place: str, **values: float) -> dict[str, Reported]:
    """Error ratios of a table."""
    return {name: Reported(value, "error ratio", f"{place}, {name}") for name, value in values.items()}


ENN = ratios("Table 2, enn-s2s", mu=0.30, alpha=0.92, U0=0.45)
AVERAGES = ratios("Table 2, Average", BAML=2.17, BOB=2.08, CM=3.37, ECFP4=53.97, HDAD=1.35, GC=2.59)
AVERAGES |= ratios("Table 2, Average", **{"GG-NN": 1.36})
INPUTS = ratios("Table 10, Average", **{"no distance": 2.57, "distance": 0.98, "dist + exp hydrogen": 0.68})
SPARSE = ratios("Table 7, Average", **{"GG-NN": 3.47}, ve=2.90, mn=2.62, s2s=2.57)
SIZES = ratios("Table 6, mean of the column", **{"N=11k": 1.678, "N=110k": 0.678})
ACCURATE = {
    "enn-s2s": Reported(11, "targets", "Section 1, within chemical accuracy, of 13"),
    "set2set": Reported(5, "targets", "Section 8, within chemical accuracy without spatial information, of 13"),
}
SMALL: dict[str, Any] = {"hidden": 12, "width": 16, "steps": 1, "set2set_steps": 3, "batch": 32, "updates": 120}
SMALL |= {"lr": 0.01, "decay_from": 0.25}
EXACT: dict[str, Any] = {"precision": "float64", "lr": 0.01}

CONTRACT = Contract(
    protocol=experiments.MessagePassing,
    preset="enn-s2s",
    overrides=SMALL,
    generate=experiments.some_molecules,
    timed="distances-tell-the-extent",
)


# Mechanism: exact. Networks of drawn weights on drawn graphs, for all kinds of messages, inputs and readouts.

NO_LESS = holds(relation="at_least")


@claim("predictions-follow-the-equations", holds(1e-7), controls=["averaged_messages", "gates_swapped"])
def test_predictions_follow_the_equations(run: Run):
    """Section 5: whatever the messages, edges, virtual elements, towers and readout, predictions are the equations'."""
    return run(equations.forward, "sparse", **EXACT)["apart"]


@claim("isomorphic-graphs-are-one", all_of(*2 * [holds(1e-7)]), controls=["nodes_are_numbered", "padding_is_attended"])
def test_isomorphic_graphs_are_one(run: Run):
    """Section 2: all variants predict the same of a graph whatever the order of its nodes and what is beside it."""
    arm = run(equations.invariances, "sparse", **EXACT)
    return arm["moved"], arm["company"]


@claim("what-readouts-count", all_of(NO_LESS, holds(1e-7), holds(1e-7)), controls=["readout_averages"])
def test_what_readouts_count(run: Run):
    """Section 5.3: readouts are of multisets: of a copied graph eq. 4 gives twice as much, and set2set the same."""
    arm = run(equations.multisets, "sparse", **EXACT)
    return arm["different"], arm["gated"], arm["set2set"]


@claim(
    "distant-atoms-are-never-tied", all_of(holds(1e-7), *3 * [NO_LESS]), controls=["propagates_further", "plain_only"]
)
def test_distant_atoms_are_never_tied(run: Run):
    """Section 5.2: with eq. 4, T steps tie no atoms beyond 2 T bonds; virtual edges and a master node tie all."""
    arm = run(equations.far_apart, "sparse", **EXACT)
    return tuple(arm[name] for name in ("beyond", "within", "virtual", "master"))


@claim("towers-divide-messages", holds(), controls=["towers_left_out"])
def test_towers_divide_messages(run: Run):
    """Section 5.4: k towers of d / k units have a k-th of the message function's products, so of its weights."""
    return run(equations.tower_costs, "sparse", **EXACT)["ratio"]


@claim("convolutions-are-messages", all_of(*2 * [holds(1e-9)]), controls=["one_sided_degrees"])
def test_convolutions_are_messages(run: Run):
    """Appendix 10.1: Kipf & Welling's layer and the spectral ones are message passing, to rounding."""
    arm = run(equations.convolutions, "sparse")
    return arm["first order"], arm["spectral"]


@claim("updates-follow-the-equations", all_of(holds(0.02), *2 * [holds(1e-8)]), controls=["absolute_errors"])
def test_updates_follow_the_equations(run: Run):
    """Section 7: training is Adam's on the mean squared error of targets of mean 0 and variance 1."""
    arm = run(equations.updates, "sparse", **EXACT)
    return arm["distance"], arm["scale"], arm["given"]


@claim("passes-and-rates", all_of(holds(1e-6), holds(relation="at_most"), NO_LESS), controls=["drawn_with_replacement"])
def test_passes_and_rates(run: Run):
    """Section 7: updates take the examples in turn, at a rate that is constant and then falls in a line."""
    arm = run(equations.passes, "sparse", **EXACT)
    return arm["apart"], arm["repeated"], arm["orders"]


@claim(
    "own-averages",
    all_of(holds(0.01), holds(1e-9), holds(), *(equals(fact, within=0) for fact in ACCURATE.values())),
    controls=["accurate_to_a_digit"],
)
def test_own_averages(run: Run):
    """Section 8: the averages of the paper's own models, and how many targets are accurate, follow from the tables."""
    arm = run(tables.own_averages, "enn-s2s")
    return tuple(arm[name] for name in ("averages", "drawn", "drawn accurate", *ACCURATE))


@claim(
    "baseline-averages",
    rows={name: equals(fact, within=0.01) for name, fact in AVERAGES.items()},
    controls=["printed_averages"],
    expected=tables.AVERAGES,
)
def test_baseline_averages(run: Run, row: str):
    """Table 2: the row Average has the mean of the 13 error ratios above it, for the seven earlier methods."""
    return run(tables.baseline_averages, "enn-s2s")[row]


@claim("several-reach-five", NO_LESS, controls=["accurate_to_a_digit"], expected=tables.SEVERAL)
def test_several_reach_five(run: Run):
    """Section 1: several models without spatial information are within chemical accuracy on 5 of 13 targets."""
    return run(tables.several_models, "enn-s2s")["models"]


# Direction: networks of 12 units on generated molecules. Errors are shares of those of a constant.

CHARGES, EXTENT, CURVE = Generated((600,), (1,)), Generated((512,), (2,)), Generated((32, 64, 128, 256, 512), (2,))


@claim(
    "distances-tell-the-extent",
    all_of(lower(times=0.8, log=True), at_most(0.8)),
    seeds=6,
    controls=["distances_ignored", "predicts_the_mean"],
    reported=[*INPUTS.values()],
)
def test_distances_tell_the_extent(run: Run):
    """Table 10: with distances, here in bins, errors are lower by more than a fifth."""
    without = run(EXTENT, "sparse-virtual", arm="bonds", **SMALL)["error"]
    return (run(EXTENT, "gg-nn", arm="bins", **SMALL)["error"], without), without


# Number: first generated molecules once more, by claims that are not calibrated and so stand outside of the default
# tier, then real ones. Costs of the latter are estimates: none of these has been run.

LATER: dict[str, Any] = {"tier": "long", "evidence": "reduced", "cost": "half a minute of one CPU core"}


@claim(
    "long-range-helps",
    all_of(*3 * [lower(times=0.9, log=True)], at_most(0.99)),
    seeds=4,
    **LATER,
    controls=["plain_only", "predicts_the_mean"],
    reported=[*SPARSE.values()],
)
def test_long_range_helps(run: Run):
    """Table 3: virtual edges, a master node and set2set each err less than GG-NN, by more than a tenth."""
    longer: dict[str, Any] = SMALL | {"steps": 2, "updates": 100}
    models = ("sparse", "sparse-virtual", "sparse-master", "sparse-s2s")
    plain, *others = (run(CHARGES, name, arm=name, **longer)["error"] for name in models)
    return *((other, plain) for other in others), plain


@claim(
    "errors-fall-with-data",
    all_of(power_law(-0.8, -0.15), at_most(0.5)),
    seeds=3,
    **LATER,
    controls=["predicts_the_mean"],
    reported=[*SIZES.values()],
)
def test_errors_fall_with_data(run: Run):
    """Table 6: errors fall as a power of the number of training molecules."""
    arm = run(CURVE, "gg-nn", arm="32 to 512 molecules", **SMALL)
    return arm["errors"], arm["error"]


FEW: dict[str, Any] = {"data": "qm9_3k", "hidden": 64, "updates": 40_000}
ORDERS = {
    "distances": ("sparse-s2s", "enn-s2s"),
    "edge-network": ("pair-s2s", "enn-s2s"),
    "virtual-edges": ("sparse", "sparse-virtual"),
    "master-node": ("sparse", "sparse-master"),
    "set2set": ("sparse", "sparse-s2s"),
}


@claim(
    "orders-on-real-molecules",
    rows=dict.fromkeys(ORDERS, lower(log=True)),
    tier="gpu",
    evidence="reduced",
    seeds=3,
    controls=["plain_only"],
    cost="an estimated two hours a row and seed on one H200, as much for the control",
)
def test_orders_on_real_molecules(run: Run, row: str):
    """Table 10: of two models the one errs less that does so there or in Tables 3 and 9, on 2,500 molecules."""
    experiment = Molecular(("mu", "R2", "U0"), alone=row != "edge-network", hydrogens=False)
    worse, better = (run(experiment, preset, arm=preset, **FEW)["error"] for preset in ORDERS[row])
    return better, worse


@claim(
    "qm9-error-ratios",
    rows={n: at_most(f, plus=f.value / 4) for n, f in ENN.items()} | {"accurate": at_least(ACCURATE["enn-s2s"])},
    tier="gpu",
    seeds=3,
    controls=["distances_ignored"],
    cost="an estimated two days a target and seed on one H200, as much for the control, with all of QM9",
)
def test_qm9_error_ratios(run: Run, row: str):
    """Table 2: enn-s2s errs at most a quarter more than printed, and less than chemical accuracy on 11 targets."""
    return run(Molecular((row,) if row in ENN else ()), "enn-s2s", data="qm9", arm=row)[row]
