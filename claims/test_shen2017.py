"""Kolmogorov Complexity and Algorithmic Randomness (Shen, Uspensky, Vereshchagin, 2017)."""

from __future__ import annotations

from claims.experiments import shen2017 as real
from claims.experiments import shen2017_exact as exact
from repro import Contract, Paper, Run, all_of, at_least, at_most, claim, holds, monotone

PAPER = Paper(
    key="shen2017",
    title="Kolmogorov Complexity and Algorithmic Randomness",
    authors=("Alexander Shen", "Vladimir A. Uspensky", "Nikolay Vereshchagin"),
    year=2017,
    venue="AMS Mathematical Surveys and Monographs 220",
    url="https://bookstore.ams.org/surv-220",
    story=(
        "The complexity of a string is the length of the shortest program that prints it. The book builds on this what "
        "information theory says of random variables: few strings are simple, information is symmetric, coin tosses "
        "have their entropy, and a sequence is random if no test that can be programmed rejects it.\n\n"
        "Complexity cannot be computed. Two instruments stand in for it. A small machine of our choice is run on "
        "every program of up to 17 bits: what holds of any decompressor is counted on it, and where a theorem needs a "
        "universal one, its proof is carried out (codes allocated while a semimeasure rises, Kolmogorov and Levin's "
        "code of a pair). Compressors give upper bounds only.\n\n"
        "People go wrong by taking a file for the complexity. Noise masked by a generator of 24 bytes looks unrelated "
        "to itself; zlib finds no copy further back than 32 kB, so with it 60 kB and a copy cost nearly twice as much, "
        "which is its window and no fact about information. And they forget constants: equalities hold up to O(log n), "
        "which on short strings is everything. Ingleton's inequality, unlike Shannon's, holds of dimensions only.\n\n"
        "We had no copy of the book to quote. Sections are those of a public formalization in Lean that cites them; "
        "a single number is a chapter, and those of theorems are left out. Nothing asymptotic is reproduced: strings "
        "are short, and the O(1) of a universal machine cannot be measured."
    ),
)

CONTRACT = Contract(
    protocol=real.Complexity, preset="prefix", overrides={"longest": 10, "runs": 100}, timed="codes-near-entropy"
)

BELOW, ABOVE = holds(relation="at_most"), holds(relation="at_least")


# Mechanism: a machine whose programs are all run, proofs that are carried out, and distributions that are drawn.


@claim("machine", all_of(holds(), holds(1e-12)), controls=["without_condition", "all_the_time", "not_prefix_free"])
def test_machine(run: Run):
    """Section 4.3: a program of a prefix machine is read whole, and with a condition (2.2) it may be shorter."""
    arm = run(exact.machine, "prefix")
    return arm["known"], arm["chances"]


@claim("few-strings-are-simple", all_of(BELOW, holds(1.0, relation="at_most"), BELOW), controls=["a_list", "doubled"])
def test_few_strings_are_simple(run: Run):
    """Section 1.1: fewer than 2**n strings have complexity below n, and C(x) <= |x| + 1; bounds fall in time (1.2)."""
    arm = run(exact.counted, "plain")
    return arm["below"], arm["over"], arm["rises"]


@claim("random-programs", all_of(holds(6.0), holds()), controls=["shortest_program", "without_seed", "always_prefix"])
def test_random_programs(run: Run):
    """Section 4.1: a machine that reads random bits prints x with the chance m(x), from below as it runs longer."""
    # Of 1,800 frequencies none is off by six standard errors but for a chance of 1e-5.
    arm = run(exact.tosses, "prefix")
    return arm["off"], arm["changed"]


@claim(
    "coding-theorem",
    all_of(holds(1e-12, relation="at_most"), holds(1e-9, relation="at_least"), holds(), BELOW),
    controls=["not_prefix_free", "no_spare_bit", "asks_once"],
)
def test_coding_theorem(run: Run):
    """Section 4.5: K(x) >= -log m(x), and a semimeasure that rises gets codes of at most -log m(x) + 2 bits."""
    arm = run(exact.coded, "prefix")
    return arm["kraft"], arm["gap"], arm["wrong"], arm["excess"]


@claim("allocation", all_of(holds(), holds()), controls=["goes_on_without_room"])
def test_allocation(run: Run):
    """Section 4.5: any lengths with a sum of 2**-length up to 1 get codewords, each before the next is known."""
    arm = run(exact.allocated, "prefix")
    return arm["wrong"], arm["left"]


@claim("information-is-symmetric", all_of(BELOW, holds(), BELOW), controls=["second_code_alone", "without_condition"])
def test_information_is_symmetric(run: Run):
    """Section 2.3: codes of x, and of y given x, take C(x, y) + 4 log n + 4 bits; C(y | x) <= C(y) + O(1) (2.2)."""
    arm = run(exact.pairs, "prefix")
    return arm["excess"], arm["clashes"], arm["given"]


@claim("shannon-inequalities", all_of(holds(1e-9), holds(1e-9, relation="at_least")), controls=["separate_marginals"])
def test_shannon_inequalities(run: Run):
    """Section 7: H(i | others) and I(i : j | group) of any variables are not negative."""
    arm = run(exact.shannon, "prefix")
    return arm["entropies"], arm["least"]


@claim("ingleton-can-fail", BELOW, controls=["subspaces_only"])
def test_ingleton_can_fail(run: Run):
    """Section 10: Ingleton's inequality, which dimensions of subspaces obey, is broken by entropies of four bits."""
    return run(exact.ingleton, "prefix")["scores"]


@claim("code-by-frequencies", all_of(BELOW, holds()), controls=["wider_places", "half_of_everything", "hashed_places"])
def test_code_by_frequencies(run: Run):
    """Section 7: a string of n bits with a share p of ones has a code of n h(p) + O(log n) bits."""
    arm = run(exact.frequencies, "prefix")
    return arm["excess"], arm["clashes"]


@claim("few-strings-are-rejected", all_of(BELOW, holds(1e-6)), controls=["one_tail", "without_least_p"])
def test_few_strings_are_rejected(run: Run):
    """Section 3: of all strings of n bits, a share of at most 2**-k is rejected at level k."""
    arm = run(exact.rejected, "prefix")
    return arm["shares"], arm["found"]


# Direction: compressors in place of complexity. Margins are ours and were set beforehand.


@claim("upper-bounds-only", all_of(ABOVE, BELOW), evidence="reduced", controls=["refers_to_a_memory"])
def test_upper_bounds_only(run: Run):
    """Section 1.2: compressors bound complexity from above alone: 60 kB that 24 bytes describe look random to them."""
    arm = run(real.pseudorandom, "prefix")
    return arm["rate"], arm["seen"]


@claim("random-strings-do-not-shrink", BELOW, evidence="reduced", controls=["refers_to_a_memory"])
def test_random_strings_do_not_shrink(run: Run):
    """Section 1.1: a share of at most 2**-k of strings is compressed by more than k bits."""
    return run(real.random_strings, "prefix")["shares"]


@claim("order-hardly-matters", holds(0.02), evidence="reduced", controls=["depends_on_the_first_byte"])
def test_order_hardly_matters(run: Run):
    """Section 2.1: C(x, y) and C(y, x) differ by O(1); files of texts one after the other, by less than 2 %."""
    return run(real.texts, "prefix", data="characters", arm="texts")["asymmetry"]


@claim("copies-cost-nothing", holds(0.05), evidence="reduced", controls=["window_of_32k"])
def test_copies_cost_nothing(run: Run):
    """Section 2.1: C(x, x) = C(x) + O(1); by xz, whose window holds both, less than 5 % more."""
    # zlib has the control's window, and bz2 sorts blocks: with either this does not hold of 60 kB.
    return run(real.texts, "prefix", data="characters", arm="texts")["twice"]


@claim("pairs-cost-no-more", holds(64.0, relation="at_most"), evidence="reduced", controls=["stores_large_files"])
def test_pairs_cost_no_more(run: Run):
    """Section 2.1: C(x, y) <= C(x) + C(y) + O(log n); by each compressor, by at most 64 bits more."""
    return run(real.texts, "prefix", data="characters", arm="texts")["excess"]


@claim(
    "shared-blocks-are-found",
    rows={name: all_of(holds(0.05), ABOVE) for name in ("zlib", "lzma")},
    evidence="reduced",
    controls=["window_of_4k"],
)
def test_shared_blocks_are_found(run: Run, row: str):
    """Section 2.3: I(x : y) = C(x) + C(y) - C(x, y) grows by the bits that random strings have in common."""
    arm = run(real.SharedBlocks(compressor=row), "prefix")
    return arm["slope"], arm["r2"]


RATES = {name: real.RatesAgainstEntropy(coder=name, count=200_000) for name in real.COMPRESSORS}
RATES["frequencies"] = real.RatesAgainstEntropy(coder="frequencies", count=32_768, times=1.0, plus=0.02)


@claim(
    "codes-near-entropy",
    rows={name: all_of(monotone(), at_most(0.0), at_least(-0.001)) for name in RATES},
    seeds=3,
    controls=["half_of_everything"],
)
def test_codes_near_entropy(run: Run, row: str):
    """Section 7: coin tosses take H to 1.3 H + 0.03 bits in a file, and to H + 0.02 in the code by frequencies."""
    arm = run(RATES[row], "prefix", arm=row)
    return arm["rate"], arm["most"], arm["least"]


@claim("random-sequences-pass", all_of(at_least(0.95), at_least(20.0)), seeds=4, controls=["frequency_only"])
def test_random_sequences_pass(run: Run):
    """Section 3: tests pass PCG64 and reject written numbers, low bits of a generator, and a coin of 0.51."""
    arm = run(real.randomness, "prefix")
    return arm["accepted"], arm["others"]
