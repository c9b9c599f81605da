"""The tables of gilmer2017 as printed, error ratios by target, and what its findings rest on."""

from __future__ import annotations

from typing import Any

import numpy as np

from claims.experiments.gilmer2017 import MessagePassing
from repro import Measurements, Setting, cases, scalar

BASELINES = {  # Table 2
    "BAML": "4.34 3.01 2.20 2.76 3.28 3.25 3.31 1.21 1.22 1.22 1.20 1.64 0.27",
    "BOB": "4.23 2.98 2.20 2.74 3.41 0.80 3.40 1.43 1.44 1.44 1.42 1.83 0.35",
    "CM": "4.49 4.33 3.09 4.26 5.32 2.83 4.80 2.98 2.99 2.99 2.97 2.36 1.32",
    "ECFP4": "4.82 34.54 2.89 3.10 3.86 90.68 241.58 85.01 85.59 86.21 78.36 30.29 1.47",
    "HDAD": "3.34 1.75 1.54 1.96 2.49 1.35 1.91 0.58 0.59 0.59 0.59 0.88 0.34",
    "GC": "0.70 2.27 1.18 1.10 1.78 4.73 9.75 3.02 3.16 3.19 2.95 1.45 0.32",
    "GG-NN": "1.22 1.55 1.17 1.08 1.70 3.99 2.52 0.83 0.86 0.81 0.78 1.19 0.53",
}
SPARSE = {  # Table 7
    "GG-NN 3.47": "3.94 2.43 1.80 1.73 2.48 14.74 5.93 1.98 2.48 2.19 2.13 1.96 1.28",
    "virtual edges 2.90": "3.76 2.07 1.60 1.48 2.33 17.11 3.21 0.89 0.93 0.86 0.85 1.61 1.05",
    "master node 2.62": "4.02 2.01 1.67 1.48 2.23 13.16 3.26 0.90 0.99 0.95 1.02 1.63 0.78",
    "set2set 2.57": "3.81 2.04 1.71 1.41 2.26 13.67 3.02 0.72 0.79 0.80 0.74 1.71 0.78",
}
OWN = SPARSE | {  # with the printed averages; Tables 2, 8, 9 and 10
    "enn-s2s 0.68": "0.30 0.92 0.99 0.87 1.60 0.15 1.27 0.45 0.45 0.39 0.44 0.80 0.19",
    "enn-s2s-ens5 0.52": "0.20 0.68 0.74 0.65 1.23 0.14 1.10 0.33 0.34 0.30 0.34 0.62 0.15",
    "GG-NN, joint 1.92": "2.73 1.66 1.33 1.28 1.73 6.07 4.07 1.00 1.01 1.01 0.99 1.40 0.66",
    "towers, joint 1.75": "2.47 1.50 1.19 1.12 1.55 6.16 3.43 0.86 0.88 0.88 0.85 1.27 0.62",
    "GG-NN, alone 1.53": "2.16 1.47 1.27 1.24 1.78 4.78 2.70 0.71 0.65 0.68 0.66 1.27 0.57",
    "towers, alone 1.37": "2.23 1.34 1.20 1.11 1.68 4.11 2.54 0.55 0.52 0.50 0.50 1.09 0.50",
    "pair message 3.98": "2.10 2.30 1.20 1.46 1.80 10.87 16.53 3.16 3.18 3.20 2.97 2.17 0.83",
    "edge network 1.53": "2.24 1.48 1.30 1.20 1.75 2.41 3.85 0.92 0.93 0.93 0.92 1.28 0.74",
    "distance 0.98": "0.95 1.18 1.10 1.06 1.74 0.57 2.57 0.55 0.55 0.59 0.55 0.99 0.41",
}


def _ratios(cells: str) -> Any:
    return np.array(cells.split(), float)


def baseline_averages(network: MessagePassing, setting: Setting) -> Measurements:
    """Averages of the baselines' columns of Table 2."""
    return {name: scalar(network.summary(_ratios(cells))[0], "error ratio") for name, cells in BASELINES.items()}


def own_averages(network: MessagePassing, setting: Setting) -> Measurements:
    """Averages of the paper's own columns against those printed, and of drawn columns; targets within accuracy."""
    found = [network.summary(_ratios(cells))[0] for cells in OWN.values()]
    drawn = np.random.default_rng(setting.seed).uniform(0.5, 1.5, (20, 13)).round(2)
    drawn[:, :3] = 1.0, 0.99, 1.01  # a ratio of one is no success: "less than 1"
    averages, accurate = zip(*(network.summary(row) for row in drawn), strict=True)
    return {
        "averages": cases(found, [float(name.split()[-1]) for name in OWN], "error ratio"),
        "drawn": cases(averages, drawn.mean(1), "error ratio"),
        "drawn accurate": cases(accurate, (drawn < 1).sum(1), "targets"),
        "enn-s2s": scalar(network.summary(_ratios(OWN["enn-s2s 0.68"]))[1], "targets"),
        "set2set": scalar(network.summary(_ratios(OWN["set2set 2.57"]))[1], "targets"),
    }


def several_models(network: MessagePassing, setting: Setting) -> Measurements:
    """How many models of Table 7 are within chemical accuracy on five targets; "several" are at least two."""
    count = sum(network.summary(_ratios(cells))[1] >= 5 for cells in SPARSE.values())
    return {"models": cases([count], 2, "models")}


def _sum(model: str) -> str:
    return f"({' + '.join(BASELINES[model].split())}) / 13"


AVERAGES: dict[str, Any] = {
    "source": "arithmetic: the means of the 13 rows are 2.22, 2.13, 3.44, 57.57, 1.38, 2.74 and 1.40 where 2.17, 2.08, "
    "3.37, 53.97, 1.35, 2.59 and 1.36 are printed; the paper's own two columns come out as printed",
    "words": {
        "Table 2": "Average: 2.17 (BAML), 2.08 (BOB), 3.37 (CM), 53.97 (ECFP4), 1.35 (HDAD), 2.59 (GC), 1.36 (GG-NN), "
        "0.68 (enn-s2s), 0.52 (enn-s2s-ens5)",
        "Section 8": "In all of our tables we report the ratio of the mean absolute error (MAE) of our models with the "
        "provided estimate of chemical accuracy for that target.",
    },
    "settings": (
        "the row Average below the 13 error ratios of each model in Table 2",
        "the mean of the same 13 printed numbers, which rounding can move by 0.005, and the print by as much",
    ),
    "calculation": [
        *((f"{model}, where {printed} is printed", _sum(model)) for model, printed in (
            ("BAML", "2.17"), ("BOB", "2.08"), ("CM", "3.37"), ("ECFP4", "53.97"), ("HDAD", "1.35"), ("GC", "2.59"),
            ("GG-NN", "1.36"),
        )),
        ("enn-s2s, where 0.68 is printed", f"({' + '.join(OWN['enn-s2s 0.68'].split())}) / 13"),
    ],
}  # fmt: skip
SEVERAL: dict[str, Any] = {
    "source": "arithmetic: of the models printed in Table 7 one, with set2set, has five targets below 1; with virtual "
    "edges and with a master node there are four, and GG-NN has none",
    "words": {
        "Section 1": "We develop several different MPNNs which predict DFT to within chemical accuracy on 5 out of 13 "
        "targets while operating on the topology of the molecule alone (with no spatial information as input).",
        "Section 8": "Overall, these three modifications help on all 13 targets, and the Set2Set output achieves "
        "chemical accuracy on 5 out of 13 targets.",
    },
    "settings": (
        "models without spatial information; a ratio below 1 is chemical accuracy (Section 8)",
        "all models without spatial information that the paper prints: the four columns of Table 7",
    ),
    "calculation": [
        ("virtual edges: U0, U, H, G (0.89, 0.93, 0.86, 0.85); the next is Omega with 1.05", "virtual = 1 + 1 + 1 + 1"),
        ("master node: U0, U, H, Omega (0.90, 0.99, 0.95, 0.78); the next is G with 1.02", "master = 1 + 1 + 1 + 1"),
        ("set2set: U0, U, H, G, Omega (0.72, 0.79, 0.80, 0.74, 0.78)", "set2set = 1 + 1 + 1 + 1 + 1"),
        ("GG-NN: the smallest is Omega with 1.28", "plain = 0"),
        ("models with five", "virtual // 5 + master // 5 + set2set // 5 + plain // 5", "models"),
    ],
}
