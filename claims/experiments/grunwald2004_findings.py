"""What the findings of grunwald2004 rest on: the tutorial's words, both settings, and arithmetic to redo."""

from __future__ import annotations

from typing import Any

CONSTANT: dict[str, Any] = {
    "source": "arithmetic: the Fisher information of a coin is 1 / (theta (1 - theta)); with its reciprocal, as "
    "printed, the integral is pi / 8 and not pi, and the constant 3 bits low",
    "words": {
        "Section 2.6.2, Example 2.17": "An easy calculation shows that the Fisher information is given by θ(1-θ). "
        "Plugging this into (2.21) and calculating ∫ √|θ(1-θ)| dθ gives COMP_n(B^(0)) = ½ log n + ½ log (π/2) - 3 "
        "+ o(1) = ½ log n - 2.674251935 + o(1).",
    },
    "settings": (
        "COMP_n of the Bernoulli model by Eq. 2.21, for large n; arXiv version (the chapter of the book was not seen)",
        "COMP_n of the Bernoulli model by its definition, Eq. 2.17, for n of a million, less half the logarithm of n",
    ),
    "calculation": [
        ("the integral of the root of 1 / (θ(1-θ)) from 0 to 1", "pi = 3.141592653589793"),
        ("with Eq. 2.21, the constant", "0.5 * log2(1 / (2 * pi)) + log2(pi)", "bit"),
        ("with π / 8, of the root of θ(1-θ), what is printed", "0.5 * log2(1 / (2 * pi)) + log2(pi / 8)", "bit"),
        ("COMP_1: both outcomes get probability 1 in hindsight; COMP_n is no lower", "log2(1 + 1)", "bit"),
        ("what is printed, for n = 40", "0.5 * log2(40) - 2.674251935", "bit"),
    ],
}
PARAMETERS: dict[str, Any] = {
    "source": "arithmetic: a uniform code for (n + 1)**(2**k) vectors of counts takes 2**k log(n + 1) bits, as the "
    "text before the display says; k log(n + 1) bits are too few for k >= 1",
    "words": {
        "Section 2.4.2, Example 2.8": "Thus, once k is fixed, we can describe such a Markov chain by a uniform code "
        "using k' log(n + 1) bits. [k' = 2^k]",
        "Section 2.4.2, Eq. 2.8": "L(k, θ^(k)) + L(D | k, θ^(k)) = 2 log k + 1 + k log(n + 1) - log P(D | k, θ^(k))",
    },
    "settings": ("binary Markov chains of order k = 1, 2, ..., of n outcomes", "the same, k to 20, n from 2 to 1000"),
    "calculation": [
        ("order 3, n = 10: vectors of 8 counts between 0 and 10", "vectors = 11**(2**3)"),
        ("bits that it takes to tell them apart", "log2(vectors)", "bit"),
        ("bits that Eq. 2.8 has for it: 2 log k + 1 + k log(n + 1)", "printed = 2 * log2(3) + 1 + 3 * log2(11)", "bit"),
        ("Kraft's sum of the order 3 alone, at most 1 for a code", "vectors * 2**(-printed)"),
    ],
}
META: dict[str, Any] = {
    "source": "arithmetic: log K is rounded up to an integer m >= 1, and for |mean| just above 1, 2 or 4 the cost of m "
    "exceeds the bound; with 5 in place of 4 it holds for |mean| > 2",
    "words": {
        "Section 2.7.2, Eq. 2.35": "min_{K: log K ∈ {1, 2, ...}} {log K + ½ log(n/2π) - log sigma + 1 "
        "+ 2 log⌈log K⌉} + 1 <= log|μ̂| + 2 log log|μ̂| + ½ log(n/2π) - log sigma + 4",
        "Section 2.7.2, after Eq. 2.35": "the difference is much smaller than, in fact logarithmic in, COMP_n(M_|μ̂|) "
        "itself, no matter what xⁿ we observe.",
    },
    "settings": (
        "normal distributions of one deviation; K bounds |μ̂|, as the code for M_K demands (the display omits it)",
        "the same with K >= |μ̂|, drawn means from 1 to a million, 1 to 40 outcomes",
    ),
    "calculation": [
        ("log |μ̂| for |μ̂| = 2.1", "l = log2(2.1)", "bit"),
        ("K must be 4, so log K is", "m = ceil(l)"),
        ("the left side, without ½ log(n/2π) - log sigma, which both have", "left = m + 1 + 2 * log2(m) + 1", "bit"),
        ("the right side, without the same", "right = l + 2 * log2(l) + 4", "bit"),
        ("left less right, which should not be positive", "left - right", "bit"),
    ],
}
