"""Repro: the reproduction test suite for the papers that made deep learning.

The public names: what a claims file, a control or a reader of records needs.
"""

from __future__ import annotations

from repro.claim.claim import Run, claim
from repro.claim.contract import Contract
from repro.claim.finding import refuted
from repro.criterion.constructors import (
    all_of,
    at_least,
    at_most,
    equals,
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
from repro.criterion.measurement import Measurement, Measurements, cases, curve, scalar
from repro.data import Split, Text
from repro.errors import ReproError, Unavailable
from repro.experiment.carried import Carried, check_state
from repro.experiment.classification import Classification, carried, decoded_split, score_split
from repro.experiment.language_modelling import LanguageModelling, first_tokens, perplexity, train_language_model
from repro.experiment.likelihood import text_loss
from repro.experiment.oracle import (
    SGD,
    Adam,
    Weights,
    distance,
    from_normal,
    from_uniform,
    numerical_gradients,
    updated,
)
from repro.experiment.setting import Experiment, Setting
from repro.experiment.snapshots import train_with_snapshots
from repro.machine.environment import machine as this_machine
from repro.paper import Paper, Reported
from repro.paths import cache_dir
from repro.trial.implementation import reconfigure, sabotage

__all__ = [
    "Adam",
    "Carried",
    "Classification",
    "Contract",
    "Experiment",
    "LanguageModelling",
    "Measurement",
    "Measurements",
    "Paper",
    "Reported",
    "ReproError",
    "Run",
    "SGD",
    "Setting",
    "Split",
    "Text",
    "Unavailable",
    "Weights",
    "all_of",
    "at_least",
    "at_most",
    "cache_dir",
    "carried",
    "cases",
    "check_state",
    "claim",
    "curve",
    "decoded_split",
    "distance",
    "equals",
    "equivalent",
    "first_tokens",
    "from_normal",
    "from_uniform",
    "higher",
    "holds",
    "interior_peak",
    "lower",
    "matches",
    "monotone",
    "numerical_gradients",
    "ordered",
    "perplexity",
    "power_law",
    "reconfigure",
    "refuted",
    "sabotage",
    "scalar",
    "score_split",
    "text_loss",
    "this_machine",
    "train_language_model",
    "train_with_snapshots",
    "updated",
]
