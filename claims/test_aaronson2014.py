"""Quantifying the Rise and Fall of Complexity in Closed Systems: The Coffee Automaton (2014)."""

from __future__ import annotations

from claims.experiments.aaronson2014 import (
    SIZES,
    AgainstShuffled,
    CoffeeAutomaton,
    ComplexityCurve,
    EntropyCurve,
    LargestEntropy,
    Peaks,
)
from claims.experiments.aaronson2014_choices import swap_choices
from claims.experiments.aaronson2014_exact import (
    bad_blocks,
    block_bounds,
    expected_counts,
    good_rows,
    picture_from_size_and_time,
    stated_bounds,
    stated_chances,
    swap_means,
    walk_moments,
)
from claims.experiments.aaronson2014_pictures import expected_peak, pictures, window_means
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
        "peak stand. What was withdrawn is kept as a finding: shuffling every row of the picture leaves as much "
        "complexity as there was, so nothing comparable to the width of the cup remains. A cup that is stirred does "
        "have such complexity, and the same measure sees it. That the adjusted measure separates the two models "
        "(Figure 10) we could not reproduce with grains of 5, 10 and 20 cells; the correction calls the bump small "
        "but unmistakable, and the paper prints neither grain nor cuts, so this is no finding.\n\n"
        "Figure 8's quadratic time to the peak holds in the interacting model if time is counted in sweeps of n**2 "
        "swaps; its unit is not printed, and in the single swaps of Section 3.1 the exponent is 4. Without interaction "
        "sampled cups are too uncertain to tell; by exact propagation, with the entropy of the picture's cells for a "
        "compressed size, the time is quadratic there too.\n\n"
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


# Mechanism: against exact propagation first. Six standard errors are allowed to each of at most 21,000 counts.


@claim(
    "swap-choices",
    all_of(holds(6.0), holds(6.0), holds(6.0), holds(6.0), holds(6.0)),
    version=3,
    controls=[
        "walls_favoured",
        "still_bottom_row",
        "overwrites",
        "simultaneous_swaps",
        "painted_pictures",
        "draws_16_bits",
    ],
)
def test_swap_choices(run: Run):
    """Section 3.1: a swap exchanges one adjacent differing pair, each as probable, at walls and inside."""
    cup = run(swap_choices, "interacting")
    return cup["pairs"], cup["kinds"], cup["large"], cup["sunk"], cup["fair"]


@claim("swap-means", holds(6.0), controls=["counts_choices", "walls_favoured"])
def test_swap_means(run: Run):
    """Section 3.1: after up to 30 swaps a small cup is in each state as often as exact propagation says."""
    return run(swap_means, "interacting")["cells"]


@claim(
    "walk-moments",
    all_of(holds(6.0), holds(6.0), holds()),
    version=2,
    controls=["diagonal_steps", "mirrored_at_the_cell", "rows_share_a_walk", "drawn_anew", "large_cups_drawn_anew"],
)
def test_walk_moments(run: Run):
    """Section 3.2: particles take independent steps, one cell up, down, left or right (a wall stops them: our rule)."""
    cup = run(walk_moments, "non-interacting")
    return cup["means"], cup["covariances"], cup["out_of_reach"]


@claim("stated-chances", all_of(holds(1e-12), holds()), controls=["walls_push_back", "all_neighbours"])
def test_stated_chances(run: Run):
    """Section 3: the expectation of the next step and the pairs to choose from are those of the two models."""
    arm = run(stated_chances, "interacting")
    return arm["expectation"], arm["pairs"]


@claim(
    "pictures",
    all_of(holds(), holds(0.01)),
    version=2,
    controls=["unadjusted", "adjusts_to_medians", "histogram_only", "longer_files"],
)
def test_pictures(run: Run):
    """Sections 5 and 6: given averages fall into the stated buckets, adjusted by row, and are compressed by gzip."""
    arm = run(pictures, "interacting")
    return arm["buckets"], arm["size"]


@claim("block-bound", holds(1e-9), controls=["half_the_bound", "chernoff_for_any_deviation"])
def test_block_bound(run: Run):
    """Appendix 9, Eq. 15: the stated bound on a block's deviation is 2 exp(-L^4 / (3 G^2 E))."""
    return run(stated_bounds, "non-interacting")["ratio"]


@claim("picture-from-size-and-time", holds(relation="at_most"), controls=["rows_share_a_walk"])
def test_picture_from_size_and_time(run: Run):
    """Appendix 9: without interaction size and time give the picture up to one bucket, in O(log n + log t) bits."""
    return run(picture_from_size_and_time, "non-interacting")["off"]


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
        "G = 4 and E = 4 the exact Poisson tail is 1.9e-9, the bound 1.1e-9. Eq. 16 is not touched",
        words={
            "Appendix 9, before Eq. 14": "By a Chernoff bound, since a_t(B) is just a sum of independent, 0/1 random "
            "variables, Pr[|a_t(B) - E[a_t(B)]| > δ E[a_t(B)]] < 2 exp(-E[a_t(B)] δ² / 3).",
            "Appendix 9, before Eq. 15": "Plugging in L²/G = δ E[a_t(B)], we get "
            "Pr[|a_t(B) - E[a_t(B)]| > L²/G] < 2 exp(-L⁴ / (3 G² E[a_t(B)])).",
        },
        settings=(
            "any square of L x L cells, anywhere in a cup of n x n cells without walls, at any time; G is a constant",
            "L = 8, G = 4, and E = 4 particles expected, in a cup so large that the count is Poisson",
        ),
        calculation=[
            ("a count is off if it differs from E by more than L²/G", "off = 8**2 / 4", "particles"),
            ("δ: the bound of Eq. 14 is Chernoff's for δ up to 1", "delta = off / 4"),
            ("Eq. 15", "bound = 2 * exp(-8**4 / (3 * 4**2 * 4))", "probability"),
            ("Poisson chance of 21 particles, the least count off", "chance = exp(-4) * 4**21 / factorial(21)"),
            ("chance of this count alone over the bound on all that are off", "chance / bound"),
        ],
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
    # The figure does not say its unit. Counted in single swaps, the steps of Section 3.1, the exponent would be 4.
    return run(PEAKS["interacting"], "interacting")["sweeps"]


@claim(
    "expected-peak-time-quadratic",
    holds(0.25),
    version=2,
    evidence="reduced",  # our surrogate of complexity, and a margin that is ours: nearer to 2 than to 3/2 or 5/2
    controls=["jumps_anywhere"],
    reported=(TIME_FIT["non-interacting"],),
)
def test_expected_peak_time_quadratic(run: Run):
    """Figure 8: without interaction, the time to the largest complexity is quadratic in n, by exact propagation."""
    # Of sampled cups it is too uncertain to tell: six in twenty calibrations found an exponent between 1.8 and 2.3.
    return run(expected_peak, "non-interacting")["exponent"]


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
    "compressors-agree",
    all_of(at_least(0.9), at_most(1.0)),
    seeds=8,
    controls=["histogram_only"],
)
def test_compressors_agree(run: Run):
    """Figure 5: the complexity curve has the same shape and peak by gzip, bz2 and lzma."""
    arm = run(MIXING["interacting"], "interacting", n=60, grain=12)
    return arm["agreement"], arm["peaks_apart"]


@claim(
    "complexity-comparable-to-the-width",
    rows={"3 buckets": higher(by=25.0), "7 buckets, adjusted": higher(by=25.0)},
    seeds=8,
    version=2,
    controls=["stirred"],
    expected=refuted(
        source=CORRECTION,
        words={
            "Abstract": "By contrast, when the particles do interact, we give numerical evidence that the complexity "
            'reaches a maximum comparable to the "coffee cup\'s" horizontal dimension.',
            "scottaaronson.blog/?p=1818, update of 3 June 2014": "the “interacting coffee automaton” that we study in "
            "the paper is not an example where the apparent complexity becomes large at intermediate times.",
        },
        settings=(
            "interacting cup, n = 100 in its pictures; 3 buckets, or 7 and rows adjusted; the grain is not printed",
            "n = 100 and grain 10, up to 0.1 n⁴ swaps; complexity counts as far as it exceeds that of the same cup "
            "with the cells of every row shuffled, which keeps the profile of densities and nothing else",
        ),
        calculation=[
            (
                "log2(n) + log2(t), the appendix's bound but for a constant, which the correction extends to this cup",
                "bits = log2(100) + log2(100**4 / 10)",
                "bit",
            ),
            ("in bytes", "bound = bits / 8", "B"),
            ("what is asked for: a quarter of a byte for each cell of the width", "asked = 100 / 4", "B"),
            ("asked over bound", "asked / bound"),
        ],
    ),
)
def test_complexity_comparable_to_the_width(run: Run, row: str):
    """Abstract: beyond its row profile (every row shuffled: our surrogate) a cup's complexity reaches n / 4 bytes."""
    cup = run(SHUFFLED, "interacting")
    measured = "peak" if row == "3 buckets" else "adjusted_peak"
    return cup[measured], cup[f"{measured}_shuffled"]
