"""Quantifying the Rise and Fall of Complexity in Closed Systems: The Coffee Automaton (2014)."""

from __future__ import annotations

from claims.experiments.aaronson2014 import (
    SIZES,
    AdjustedPeaks,
    AgainstShuffled,
    CoffeeAutomaton,
    ComplexityCurve,
    EntropyCurve,
    LargestEntropy,
    Peaks,
    bad_blocks,
    block_bounds,
    expected_counts,
    good_rows,
    small_cup,
    swaps,
    window_means,
)
from repro import (
    Contract,
    Paper,
    Reported,
    Run,
    all_of,
    at_least,
    at_most,
    claim,
    higher,
    holds,
    interior_peak,
    lower,
    monotone,
    power_law,
    refuted,
)

PAPER = Paper(
    key="aaronson2014",
    title="Quantifying the Rise and Fall of Complexity in Closed Systems: The Coffee Automaton",
    authors=("Scott Aaronson", "Sean M. Carroll", "Lauren Ouellette"),
    year=2014,
    arxiv="1405.6903v1",
    url="https://arxiv.org/abs/1405.6903",
    story=(
        "Cream is poured on coffee. Entropy rises until the cup is mixed; how interesting the cup looks, the "
        "paper says, rises and falls again. Its measure is the size of a compressed, coarse-grained picture, and "
        "its abstract announces that this size reaches a maximum comparable to the width of the cup when the "
        "particles interact, while it provably stays small when they do not.\n\n"
        "A week after the preprint its author published a correction (scottaaronson.blog, update of 3 June 2014): "
        "Brent Werness had found a serious error. As a corollary of Liggett's work on symmetric exclusion (2009) "
        "the interacting cup is no example of large complexity either, and the remaining bump was put down to "
        "border pixels that the adjustment had not removed. A replacement was announced and has not appeared.\n\n"
        "Here the models, the entropy curve, the rise and fall of the crude measure and the quadratic time to the "
        "peak stand. What was withdrawn is kept as findings: the adjusted measure does not separate the two "
        "models, and shuffling every row of the picture leaves as much complexity as there was, so nothing "
        "comparable to the width of the cup remains. A cup that is stirred does have such complexity, and the "
        "same measure sees it.\n\n"
        "The linear growth of the peak (Figure 7) is printed as the r2 of a straight line, which tells little: with "
        "one window for all cups the exponent is 1.6 and r2 still above 0.95. With a window of a fifth of the cup it "
        "is about 0.9, near enough to 1 by a margin that is ours.\n\n"
        "Two details are arithmetic: Eq. 15 uses a Chernoff bound outside its range (Eq. 16, which the theorem "
        "needs, stands), and the theorem's blocks must be wider than 54.5 cells at n = 100, more than half the cup."
    ),
)

CONTRACT = Contract(
    protocol=CoffeeAutomaton,
    preset="interacting",
    overrides={"n": 20, "grain": 4},
    timed="complexity-comparable-to-the-width",
)

ENTROPY_FIT = {
    "interacting": Reported(0.9999, "r2", "Figure 6, quadratic fit of the maximum entropy, interacting"),
    "non-interacting": Reported(0.9999, "r2", "Figure 6, quadratic fit of the maximum entropy, non-interacting"),
}
COMPLEXITY_FIT = {
    "interacting": Reported(0.9798, "r2", "Figure 7, linear fit of the maximum complexity, interacting"),
    "non-interacting": Reported(0.9729, "r2", "Figure 7, linear fit of the maximum complexity, non-interacting"),
}
TIME_FIT = {
    "interacting": Reported(0.9878, "r2", "Figure 8, quadratic fit of the time to the maximum, interacting"),
    "non-interacting": Reported(0.9927, "r2", "Figure 8, quadratic fit of the time to the maximum, non-interacting"),
}
CORRECTION = (
    "S. Aaronson, update of 3 June 2014 to scottaaronson.blog/?p=1818 (error found by B. Werness), from "
    "Liggett, Distributional limits for the symmetric exclusion process (2009)"
)

ENTROPY_SIZES = {"interacting": SIZES, "non-interacting": (60, 80, 100, 120, 140, 160)}


# Mechanism


@claim(
    "swap-kernel",
    all_of(holds(), holds(), holds(), holds(1e-12), holds(1e-12), holds(0.03)),
    controls=["overwrites", "simultaneous_swaps", "counts_choices"],
)
def test_swap_kernel(run: Run):
    """Section 3.1: a swap exchanges one adjacent differing pair, chosen evenly, so cream is conserved."""
    cup, small = run(swaps, "interacting"), run(small_cup, "interacting")
    return (
        cup["changed"],
        cup["gained"],
        cup["moved"],
        small["asymmetry"],
        small["drift"],
        small["visits_off"],
    )


@claim("window-means", holds(1e-12), controls=["block_averages", "zero_padding"])
def test_window_means(run: Run):
    """Figure 1: each cell becomes the mean of the square around it, which the walls cut off."""
    return run(window_means, "interacting")["means"]


@claim(
    "expectation-at-most-one",
    all_of(holds(1e-12, relation="at_most"), holds(1e-9)),
    controls=["walls_push_back"],
)
def test_expectation_at_most_one(run: Run):
    """Appendix 9, Claim 1: no cell ever expects more than one particle that does not interact."""
    arm = run(expected_counts, "non-interacting")
    return arm["largest"], arm["total"]


@claim(
    "block-counts-concentrate",
    all_of(holds(relation="at_most"), holds(relation="at_most")),
    controls=["rows_share_a_walk"],
)
def test_block_counts_concentrate(run: Run):
    """Appendix 9, Eq. 16: a block of independent particles is rarely off by more than one bucket."""
    # The theorem built on it needs blocks wider than G sqrt(3 ln(2 n**2)) cells: 54.5 for G = 10 at the paper's own
    # n = 100, so there it says nothing.
    return run(bad_blocks, "non-interacting")["frequency"], run(block_bounds, "non-interacting")["eq16"]


@claim(
    "block-bound-at-any-density",
    holds(relation="at_most"),
    controls=["chernoff_for_any_deviation"],
    expected=refuted(
        source="arithmetic: Eq. 15 is Chernoff's bound for deviations up to the mean, used beyond it; for L = 8, "
        "G = 4 and E = 4 the exact Poisson tail is 1.9e-9, the bound 1.1e-9. Eq. 16 is not touched"
    ),
)
def test_block_bound_at_any_density(run: Run):
    """Appendix 9, Eq. 15: the bound on a block's deviation holds at every expected count."""
    return run(block_bounds, "non-interacting")["eq15"]


@claim("adjustment-flattens-rows", holds(), controls=["unadjusted"])
def test_adjustment_flattens_rows(run: Run):
    """Section 6.1: setting cells one bucket off to their row's majority removes the noise of independent particles."""
    return run(good_rows, "non-interacting")["spread"]


# Direction

RISING = {"interacting": EntropyCurve(last=0.01), "non-interacting": EntropyCurve(last=0.1)}
MIXING = {"interacting": ComplexityCurve(last=1.0), "non-interacting": ComplexityCurve(last=3.0)}
PEAKS = {"interacting": Peaks(last=0.125), "non-interacting": Peaks(last=1.0)}
LARGER_CUPS = Peaks(last=0.125, sizes=(30, 40, 50, 60, 70, 80))
ADJUSTED = {
    "interacting": AdjustedPeaks(last=0.2, grains=(5, 10, 20)),
    "non-interacting": AdjustedPeaks(last=3.0, grains=(5, 10, 20)),
}
SHUFFLED = AgainstShuffled(last=0.1)


@claim(
    "entropy-rises",
    rows={model: all_of(monotone(), at_least(0.999), power_law(1.9, 2.1)) for model in ENTROPY_SIZES},
    seeds=6,
    controls=["reversed_time", "coarse_states"],
    reported=ENTROPY_FIT,
)
def test_entropy_rises(run: Run, row: str):
    """Figures 2 and 6: entropy rises until the cup is mixed, and its largest value is quadratic in n."""
    sizes = run(LargestEntropy(sizes=ENTROPY_SIZES[row]), row, arm=f"{row}, all sizes")
    cup = run(RISING[row], row, n=60)
    return cup["entropy"], sizes["quadratic_r2"], sizes["largest"]


@claim(
    "complexity-rises-and-falls",
    rows={model: interior_peak() for model in MIXING},
    seeds=6,
    controls=["frozen", "no_coarse_graining"],
)
def test_complexity_rises_and_falls(run: Run, row: str):
    """Figure 2: the complexity of the three-bucket picture rises and falls, in both models."""
    return run(MIXING[row], row, n=60, grain=12)["complexity"]


@claim(
    "peak-complexity-linear",
    rows={model: all_of(at_least(0.95), power_law(0.75, 1.25)) for model in COMPLEXITY_FIT},
    seeds=6,
    controls=["one_grain_for_all"],
    reported=COMPLEXITY_FIT,
)
def test_peak_complexity_linear(run: Run, row: str):
    """Figure 7: the largest complexity is roughly linear in n, with a grain of n / 5 (the paper prints no grain)."""
    # The printed evidence is an r2 of a straight line, which the control's exponent of 1.6 passes as well; so the
    # exponent must also lie nearer to 1 than to 1/2 or 3/2. That margin is ours, set after exponents near 0.9 were seen
    # on other seeds than the claim's and its calibration's.
    arm = run(PEAKS[row], row)
    return arm["linear_r2"], arm["height"]


@claim(
    "peak-time-quadratic",
    power_law(1.8, 2.3),
    seeds=6,
    controls=["ballistic_front"],
    reported=(TIME_FIT["interacting"],),
)
def test_peak_time_quadratic(run: Run):
    """Figure 8: the time to the largest complexity is quadratic in n, if time is counted in sweeps of n**2 swaps."""
    return run(PEAKS["interacting"], "interacting")["sweeps"]


@claim(
    "peak-time-quadratic-in-swaps",
    power_law(1.8, 2.3),
    seeds=6,
    controls=["ticks_are_sweeps"],
    expected=refuted(
        source="arithmetic: a cup of n**2 cells mixes by diffusion in about n**2 sweeps, and a sweep is n**2 of the "
        "swaps that Section 3.1 calls a step, so the exponent in steps is 4"
    ),
    reported=(TIME_FIT["interacting"],),
)
def test_peak_time_quadratic_in_swaps(run: Run):
    """Figure 8: the time to the largest complexity is quadratic in n, if a time step is one swap as in Section 3.1."""
    return run(LARGER_CUPS, "interacting")["ticks"]


@claim(
    "nothing-beyond-the-row-profile",
    all_of(interior_peak(), lower(times=1.1), lower(times=1.1)),
    seeds=8,
    controls=["stirred"],
)
def test_nothing_beyond_the_row_profile(run: Run):
    """Abstract, as corrected: complexity rises and falls, no higher than with every row shuffled (our surrogate)."""
    cup = run(SHUFFLED, "interacting", grain=5)
    return (
        run(MIXING["interacting"], "interacting", n=60, grain=12)["complexity"],
        (cup["peak"], cup["peak_shuffled"]),
        (cup["adjusted_peak"], cup["adjusted_peak_shuffled"]),
    )


@claim(
    "adjustment-separates-the-models",
    rows={f"grain {grain}": all_of(higher(), higher(times=1.5)) for grain in (5, 10, 20)},
    seeds=5,
    controls=["adjusts_one_model_only"],
    expected=refuted(source=CORRECTION),
)
def test_adjustment_separates_the_models(run: Run, row: str):
    """Figure 10: adjusted, the interacting cup keeps its bump and the non-interacting one loses it."""
    cup, free = (run(experiment, model) for model, experiment in ADJUSTED.items())
    return (cup[f"peak, {row}"], free[f"peak, {row}"]), (cup[f"peak, {row}"], cup[f"start, {row}"])


@claim(
    "compressors-agree",
    all_of(at_least(0.9), at_most(1.0)),
    seeds=8,
    controls=["histogram_only"],
)
def test_compressors_agree(run: Run):
    """Figure 5: the complexity curve has the same shape and peak by gzip, bz2 and lzma."""
    arm = run(MIXING["interacting"], "interacting", n=60, grain=12)
    return arm["agreement"], arm["peaks_apart"]


# Number


@claim(
    "complexity-comparable-to-the-width",
    rows={"3 buckets": higher(by=25.0), "7 buckets, adjusted": higher(by=25.0)},
    seeds=8,
    controls=["stirred"],
    evidence="original",
    expected=refuted(source=CORRECTION),
)
def test_complexity_comparable_to_the_width(run: Run, row: str):
    """Abstract: beyond its row profile (every row shuffled: our surrogate) a cup's complexity reaches n / 4 bytes."""
    cup = run(SHUFFLED, "interacting")
    measured = "peak" if row == "3 buckets" else "adjusted_peak"
    return cup[measured], cup[f"{measured}_shuffled"]
