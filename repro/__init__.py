"""Repro: the reproduction test suite for the papers that made deep learning.

The public names: what a claims file, a control or a reader of records needs.
"""

from __future__ import annotations

from repro.claim.claim import Run as Run
from repro.claim.claim import claim as claim
from repro.claim.contract import Contract as Contract
from repro.claim.figure import Drawn as Drawn
from repro.claim.figure import Figure as Figure
from repro.claim.finding import refuted as refuted
from repro.criterion.constructors import all_of as all_of
from repro.criterion.constructors import at_least as at_least
from repro.criterion.constructors import at_most as at_most
from repro.criterion.constructors import equals as equals
from repro.criterion.constructors import equivalent as equivalent
from repro.criterion.constructors import higher as higher
from repro.criterion.constructors import holds as holds
from repro.criterion.constructors import interior_peak as interior_peak
from repro.criterion.constructors import lower as lower
from repro.criterion.constructors import matches as matches
from repro.criterion.constructors import monotone as monotone
from repro.criterion.constructors import ordered as ordered
from repro.criterion.constructors import power_law as power_law
from repro.criterion.exhibit import Axis as Axis
from repro.criterion.exhibit import Exhibit as Exhibit
from repro.criterion.exhibit import axis as axis
from repro.criterion.exhibit import exhibit as exhibit
from repro.criterion.measurement import Measurement as Measurement
from repro.criterion.measurement import cases as cases
from repro.criterion.measurement import curve as curve
from repro.criterion.measurement import scalar as scalar
from repro.data import Split as Split
from repro.data import Text as Text
from repro.errors import ReproError as ReproError
from repro.errors import Unavailable as Unavailable
from repro.experiment.carried import Carried as Carried
from repro.experiment.carried import check_state as check_state
from repro.experiment.classification import Classification as Classification
from repro.experiment.classification import carried as carried
from repro.experiment.classification import decoded_split as decoded_split
from repro.experiment.classification import score_split as score_split
from repro.experiment.language_modelling import LanguageModelling as LanguageModelling
from repro.experiment.language_modelling import first_tokens as first_tokens
from repro.experiment.language_modelling import perplexity as perplexity
from repro.experiment.language_modelling import train_language_model as train_language_model
from repro.experiment.likelihood import text_loss as text_loss
from repro.experiment.oracle import SGD as SGD
from repro.experiment.oracle import Adam as Adam
from repro.experiment.oracle import Weights as Weights
from repro.experiment.oracle import distance as distance
from repro.experiment.oracle import from_normal as from_normal
from repro.experiment.oracle import from_uniform as from_uniform
from repro.experiment.oracle import numerical_gradients as numerical_gradients
from repro.experiment.oracle import updated as updated
from repro.experiment.setting import Experiment as Experiment
from repro.experiment.setting import Measurements as Measurements
from repro.experiment.setting import Setting as Setting
from repro.experiment.snapshots import train_with_snapshots as train_with_snapshots
from repro.machine.environment import machine as this_machine  # noqa: F401 -- its own name says too little
from repro.paper import Paper as Paper
from repro.paper import Reported as Reported
from repro.paths import cache_dir as cache_dir
from repro.trial.implementation import reconfigure as reconfigure
from repro.trial.implementation import sabotage as sabotage
