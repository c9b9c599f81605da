"""Repro: the reproduction test suite for the papers that made deep learning.

The public names: what a claims file, a control or a reader of records needs.
"""

from __future__ import annotations

from repro.claim import Run, claim, refuted
from repro.classification import Classification
from repro.contract import Contract
from repro.criterion import (
    all_of,
    at_least,
    at_most,
    equivalent,
    higher,
    holds,
    interior_peak,
    lower,
    matches,
    monotone,
    ordered,
    power_law,
)
from repro.errors import ReproError, Unavailable
from repro.experiment import Setting
from repro.implementation import reconfigure, sabotage
from repro.language_modelling import LanguageModelling
from repro.measurement import Measurement, Measurements, cases, curve, scalar
from repro.paper import Paper, Reported

__all__ = [
    "Classification",
    "Contract",
    "LanguageModelling",
    "Measurement",
    "Measurements",
    "Paper",
    "Reported",
    "ReproError",
    "Run",
    "Setting",
    "Unavailable",
    "all_of",
    "at_least",
    "at_most",
    "cases",
    "claim",
    "curve",
    "equivalent",
    "higher",
    "holds",
    "interior_peak",
    "lower",
    "matches",
    "monotone",
    "ordered",
    "power_law",
    "reconfigure",
    "refuted",
    "sabotage",
    "scalar",
]
