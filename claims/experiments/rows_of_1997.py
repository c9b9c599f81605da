"""What Tables 10 and 11 of Hochreiter & Schmidhuber (1997) print of each network, against the presets of olah2015."""

from __future__ import annotations

from typing import Any

from claims.experiments.gated_networks import GatedMemory
from repro import Measurements, Setting, cases

RATES = {
    "1-1": 0.1, "1-2": 0.1, "1-3": 0.2, "1-4": 0.5, "1-5": 0.5, "2a": 1.0, "2b": 1.0,
    **{f"2c-{n}": 0.01 for n in range(1, 10)}, "3a": 1.0, "3b": 1.0, "3c": 0.1,
    "4-1": 0.5, "4-2": 0.5, "4-3": 0.5, "5": 0.1, "6a": 0.5, "6b": 0.1,
}  # fmt: skip
INPUT_BIASES = {"3": (-1.0, -3.0, -5.0), "4": (-3.0, -6.0), "6": (-2.0, -4.0, -6.0)}
OUTPUT_BIASES = {"1": (-1.0, -2.0, -3.0, -4.0), "3": (-2.0, -4.0, -6.0)}
"""Of blocks in turn, by task; a network of fewer blocks has the first ones. Those of task 5 are not compared."""
DESCENT: dict[str, Any] = {
    "cell": "blocks", "output": "logistic", "optimizer": "sgd", "batch": 1, "clip": 0.0, "truncated": True,
}  # fmt: skip


def recipe(network: GatedMemory, setting: Setting) -> Measurements:
    """Fields of presets that differ from what is printed."""
    other = list[bool]()
    for row, rate in RATES.items():
        config, task = network.CONFIGS[row], row[0]
        gates = {"in_biases": INPUT_BIASES.get(task, ()), "out_biases": OUTPUT_BIASES.get(task, ())}
        due = DESCENT | {"lr": rate, "init": 0.2 if task in "12" else 0.1}
        due |= {name: biases[: config.hidden] for name, biases in gates.items() if task != "5"}
        other += [getattr(config, name) != value for name, value in due.items()]
    return {"other": cases(other, 0, "fields")}
