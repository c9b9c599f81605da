"""How Tables 7 to 9 of Hochreiter & Schmidhuber (1997) count wrong sequences, and what Table 8 can have measured."""

from __future__ import annotations

from typing import Any

import numpy as np

from claims.experiments.gated_networks import GatedMemory
from repro import Measurements, Setting, cases

TESTED = 2560
"""Test sequences of Tables 7 to 9."""
PRINTED = 0.0223, 0.0139
"""Mean squared errors of Table 8."""
TABLE_8: dict[str, Any] = {
    "source": "arithmetic: errors are at most 1, and at most 0.04 where a sequence is not wrong, so that 14 wrong ones "
    "of 2,560 leave a mean square of at most 0.0071; as a root mean square 0.0139 would fit",
    "words": {
        "Table 8 (1997), second row": "n_seq 13, # wrong predictions 14 out of 2560, MSE 0.0139",
        "Table 8 (1997), caption": "'# wrong predictions' is the number of test sequences with error > 0.04. MSE is "
        "the mean squared error on the test set. [...] All values are means of 10 trials.",
    },
    "settings": (
        "targets and the logistic output unit are within [0, 1]; both columns are of one test set, means of ten trials",
        "2,560 sequences of which 14 err by 1 and all others by 0.04: the largest mean square that the count allows",
    ),
    "calculation": [
        ("squares of the wrong ones, at most", "wrong = 14 * 1**2"),
        ("squares of all others, at most", "others = (2560 - 14) * 0.04**2"),
        ("mean square, at most, where 0.0139 is printed", "(wrong + others) / 2560"),
        ("the same for the first row, where 0.0223 is printed", "(139 + (2560 - 139) * 0.04**2) / 2560"),
    ],
}


def tallied(network: GatedMemory, setting: Setting) -> Measurements:
    """Drawn outputs counted, and the largest error that Table 8 allows for as many wrong sequences as it prints.

    Outputs and targets are within [0, 1]: a wrong one errs by 1 at most, any other by the tolerance at most.
    """
    rng, found, wanted = np.random.default_rng([setting.seed, 8]), list[float](), list[float]()
    for count, outputs, tolerance in ((200, 1, 0.04), (100, 4, 0.3), (1, 2, 0.5)):
        targets, off = rng.random((count, outputs)), rng.normal(0, tolerance, (count, outputs))
        found += network.tally(targets + off, targets, tolerance)
        wanted += [(np.abs(off) > tolerance).any(1).sum(), (off**2).mean()]
    found += network.tally(np.full((2, 1), 0.25), np.zeros((2, 1)), 0.25)  # which is not more
    wanted += [0, 0.0625]
    bounds = list[float]()
    for wrong in (139, 14):
        targets, outputs = np.zeros((TESTED, 1)), np.full((TESTED, 1), 0.04)
        outputs[:wrong] = 1.0
        counted_wrong, most = network.tally(outputs, targets, 0.04 + 1e-9)
        found.append(counted_wrong)
        wanted.append(wrong)
        bounds.append(most)
    printed = {
        name: cases([most], mse, "1") for name, most, mse in zip(("first", "second"), bounds, PRINTED, strict=True)
    }
    return {"counts": cases(found, wanted, "1"), **printed}
