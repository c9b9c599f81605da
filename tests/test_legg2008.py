"""legg2008's reference against cases worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reference import legg2008 as thesis

HL, HLQ = thesis.CONFIGS["hl"], thesis.CONFIGS["hlq"]


def test_one_transition():
    """From N = 1, E = 0: after state 0, beta = 1 / (1 - 0) * 1 / 2, so half of a reward of 1 is learnt."""
    values = thesis.estimate(HL, np.array([0, 1]), np.array([1.0]), np.array([0, 1]), 2)
    assert values.tolist() == [[0, 0], [0.5, 0]]


def test_cycles_of_programs():
    """An action is read and written as reward, one more as observation; a program that only loops runs out of steps."""
    config = replace(HLQ, method="random")
    action, observation, reward, steps = thesis.interact(config, [",.+.#", "+[]#"], 1, 5, 1, seed=0)[0, 0]
    assert (reward, observation, steps) == (action, (action + 1) % 5, 4)
    assert thesis.interact(config, ["+[>+]#"], 1, 5, 1, seed=0)[0, 0, 3] == 1000
