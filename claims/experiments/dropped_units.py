"""Which units dropout has dropped in the training of a character-level network, read off its updates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from claims.experiments.character_models import CharacterModel
from claims.experiments.truncated_updates import some_text, trajectory, updates_astray, with_config
from repro import Experiment, Measurements, Setting, Weights, cases


@dataclass(frozen=True)
class CharacterMasks(Experiment):
    """Dropout in training, read off the updates: a unit that is dropped at every place moves no weight above it.

    Measures:
        kept: standard errors between the share of units that are dropped everywhere and dropout to the power of places,
            for one stream and one step, for two streams, and for two steps.
        together: the same of the share of pairs alike, of layers, of updates, of units next to each other, of seeds.
        unexplained: how far updates of one stream and one step are from the equations' under the masks.
    """

    chunks: int = 150

    def __call__(self, implementation: CharacterModel, setting: Setting) -> Measurements:
        """Two layers of six units, whose outputs are dropped on the way up and nowhere else."""
        kept, together, unexplained = list[float](), list[float](), list[float]()
        rate = setting.config.dropout
        for batch, unroll in ((1, 1), (2, 1), (1, 2)):
            own = with_config(setting, batch=batch, unroll=unroll, epochs=1)
            text = some_text(own.config, self.chunks, setting.seed)
            weights = trajectory(implementation, own, text, setting.seed, self.chunks)
            if not weights:
                kept, together, unexplained = [np.inf], [np.inf], [np.inf]
                break
            moved = _all_moved(weights)
            chance = rate ** (batch * unroll)  # that all copies of a unit are dropped
            kept += [_errors_off(~moved[:, layer], chance) for layer in (0, 1)]
            alike = chance**2 + (1 - chance) ** 2
            pairs = [(moved[:, 0], moved[:, 1]), (moved[1:], moved[:-1]), (moved[..., 1:], moved[..., :-1])]
            together += [_errors_off(a == b, alike) for a, b in pairs]
            if batch * unroll == 1:
                other = _all_moved(trajectory(implementation, own, text, setting.seed + 1_000, self.chunks))
                together.append(_errors_off(moved == other, alike))
                drops = [bits[None, :, None] / (1 - rate) for bits in moved[:20]]
                unexplained += updates_astray(own.config, text, weights[:21], 4, drops)
        return {
            "kept": cases(kept, 5.0, "standard errors"),
            "together": cases(together, 5.0, "standard errors"),
            "unexplained": cases(unexplained, 0, "1"),
        }


def _all_moved(weights: Sequence[Weights]) -> NDArray[np.bool_]:
    """Whether anything above a unit has moved [updates, layers, units]."""
    return np.stack([np.stack([_moved(*pair, name) for name in ("W_x 2", "W_y")]) for pair in pairwise(weights)])


def _moved(before: Weights, after: Weights, name: str) -> NDArray[np.bool_]:
    """By column of a matrix, whether it has changed."""
    return np.abs(after[name] - before[name]).max(0) > 0


def _errors_off(seen: NDArray[np.bool_], chance: float) -> float:
    """Standard errors that a share is off a chance."""
    return float(abs(seen.mean() - chance) / np.sqrt(chance * (1 - chance) / seen.size))
