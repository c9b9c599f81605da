"""Sabotaged learners, agents, predictors and machines: each differs in one thing that people get wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from repro import reconfigure, sabotage


def _hl_with(reference: Any, lam: float) -> Any:
    return reconfigure(reference, lambda config: replace(config, lam=lam if config.method[0] == "h" else config.lam))


def forgets(reference: Any) -> Any:
    """HL discounts old evidence by .9 whatever lambda says."""
    return _hl_with(reference, 0.9)


def never_forgets(reference: Any) -> Any:
    """HL discounts no old evidence whatever lambda says."""
    return _hl_with(reference, 1.0)


def explores_a_tenth(reference: Any) -> Any:
    """HLS and HLQ act at random in a tenth of all steps whatever epsilon says."""
    acting = ("hls", "hlq")
    return reconfigure(reference, lambda c: replace(c, epsilon=0.1 if c.method in acting else c.epsilon))


def _given(reference: Any, name: str, change: Callable[..., tuple[Any, ...]]) -> Any:
    """A function of the reference is called with arguments that `change` makes of its own."""
    function = getattr(reference, name)
    return sabotage(reference, **{name: lambda *given, **keywords: function(*change(*given), **keywords)})


def td_learns_nothing(reference: Any) -> Any:
    """A learning rate is 1,000 times smaller than it should be."""
    return _given(reference, "estimate", lambda config, *path: (replace(config, alpha=config.alpha / 1000), *path))


def explores_half_as_often(reference: Any) -> Any:
    """Actions at random are taken half as often as epsilon says."""
    return _given(reference, "act", lambda config, *world: (replace(config, epsilon=config.epsilon / 2), *world))


def raw_rewards(reference: Any) -> Any:
    """Tables hold rewards as they are, of which no two are alike."""

    def change(agent: str, actions: Any, observations: Any, rewards: Any, choices: int) -> tuple[Any, ...]:
        return agent, actions, observations, rewards * 2.0 ** -np.arange(1, rewards.shape[1] + 1), choices

    return _given(reference, "policy", change)


def shortsighted(reference: Any) -> Any:
    """pi^2forward looks no further than the next reward."""
    return _given(reference, "policy", lambda agent, *rest: ("2back" if agent == "2forward" else agent, *rest))


def observation_first(reference: Any) -> Any:
    """What a program writes first is the observation, and then the reward."""
    function = reference.interact
    return sabotage(reference, interact=lambda *given, seed: function(*given, seed=seed)[..., [0, 2, 1, 3]])


def sees_no_sign(reference: Any) -> Any:
    """Agents see rewards as they are, also where their signs should be flipped."""
    return _given(reference, "interact", lambda *given: (*given[:-1], 1))


def _any_actions(config: Any, moves: Any, payoffs: Any, start: int, steps: int, *, seed: int) -> Any:
    return np.random.default_rng(seed).integers(0, moves.shape[1], steps), np.zeros(moves.shape)


def _no_values(config: Any, states: Any, rewards: Any, times: Any, count: int) -> Any:
    return np.zeros((len(times), count))


def _one_symbol(config: Any, programs: Any, steps: int, *rest: Any, seed: int) -> Any:
    return np.full((len(programs), steps, 4), seed % 3)


NULLS = {"estimate": _no_values, "act": _any_actions, "interact": _one_symbol}

PLANTED = {"values-of-states": ("rate = n[then] / (n[then]", "rate = n[now] / (n[then]")}  # the ratio turned round
