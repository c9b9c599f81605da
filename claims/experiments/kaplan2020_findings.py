"""What the findings of kaplan2020 rest on: the paper's words, both settings, and calculations from printed numbers."""

from __future__ import annotations

from typing import Any

FRONTIER: dict[str, Any] = {
    "source": "arithmetic: from the constants of Table 5 follow exponents of 0.052 (loss) and 0.68 (size) by Eqs. B.7 "
    "and B.9, and 0.80 (data) by Eq. 4.3; what is printed was fitted elsewhere, or uses the constants of Table 2",
    "words": {
        "Section 6.2, Eq. 6.4": "For the loss as a function of training compute, we predict that [Eq. 6.3] where "
        "alpha_C^min = 1 / (1/alpha_S + 1/alpha_B + 1/alpha_N) ~ 0.054",
        "Section 6.2, Eq. 6.5": "We also predict that N(C_min) ~ (C_min)^(alpha_C^min / alpha_N) ~ (C_min)^0.71",
        "Section 1.2": "Equation (1.1) and (1.2) together suggest that as we increase the model size, we should "
        "increase the dataset size sublinearly according to D ~ N^(alpha_N / alpha_D) ~ N^0.74",
    },
    "settings": (
        "exponents that are said to follow from those of Eqs. 1.1, 1.2, 1.4 and 1.6: 0.076, 0.095, 0.21 and 0.76",
        "the same formulas and the same exponents, as Table 5 lists them",
    ),
    "calculation": [
        ("alpha_C^min by Eq. 6.4; Eq. B.7 prints 0.052", "loss = 1 / (1/0.76 + 1/0.21 + 1/0.076)"),
        ("the most that rounding of the three leaves room for", "1 / (1/0.765 + 1/0.215 + 1/0.0765)"),
        ("the exponent of N by Eq. 6.5", "loss / 0.076"),
        ("the most that rounding leaves room for", "1 / (1 + 0.0755 * (1/0.765 + 1/0.215))"),
        ("alpha_N / alpha_D of Eqs. 1.1 and 1.2", "0.076 / 0.095"),
        ("the least that rounding leaves room for", "0.0755 / 0.0955"),
        ("with Table 2's 0.103 for alpha_D, which is of another fit", "0.076 / 0.103"),
    ],
}
EFFICIENT_DATA: dict[str, Any] = {
    "source": "arithmetic: 2 C_min / (6 N) with Table 6's N of 1.3e9 is 2.2e10 tokens, and Table 6 itself has 2e10",
    "words": {
        "Section 6.3, Eq. 6.7": "If we train at the critical batch size (i.e. C = 2 C_min) and never re-use data "
        "during training, we find that data usage grows with compute as D(C_min) = 2 C_min / (6 N(C_min)) ~ "
        "(4 x 10^10 tokens) (C_min/PF-Day)^0.26",
        "Table 6": "N_opt = N_e C_min^p_N: p_N = 0.73, N_e = 1.3 10^9 params; D_opt = D_e C_min^p_D (1 epoch): "
        "p_D = 0.27, D_e = 2 10^10 tokens",
    },
    "settings": (
        "one epoch of compute-efficient training at the critical batch, of one PF-day by C_min",
        "the same, with the size that Table 6 has for a PF-day",
    ),
    "calculation": [
        ("a PF-day (Section 1.3)", "pf_day = 1e15 * 24 * 3600", "FLOP"),
        ("the middle of Eq. 6.7, with Table 6's size", "tokens = 2 * pf_day / (6 * 1.3e9)", "tokens"),
        ("what Eq. 6.7 prints, over that", "4e10 / tokens"),
        (
            "compute at which L(C_min) = (3.1e8 / C)**0.050 meets L(D) = (5.4e13 / D)**0.095 with Table 6's data: "
            "the 1e4 of Eq. 6.8",
            "exp((0.05 * log(3.1e8) - 0.095 * log(5.4e13 / 2e10)) / (0.05 - 0.095 * 0.27))",
            "PF-days",
        ),
        (
            "the same with Eq. 6.7's data: ten times that, so that 6.8 was not computed from 6.7",
            "exp((0.05 * log(3.1e8) - 0.095 * log(5.4e13 / 4e10)) / (0.05 - 0.095 * 0.26))",
            "PF-days",
        ),
    ],
}
