"""Sabotaged learners, agents, predictors and machines: each differs in one thing that people get wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numba
import numpy as np

from repro import reconfigure, sabotage


@numba.njit
def _follow(path: Any, rewards: Any, times: Any, gamma: float, lam: float, out: Any) -> Any:
    v, n, e, k = np.zeros(out.shape[1]), np.ones(out.shape[1]), np.zeros(out.shape[1]), 0
    for t in range(len(rewards) + 1):
        if k < len(times) and times[k] == t:
            out[k] = v
            k += 1
        if t < len(rewards):
            now, then = path[t], path[t + 1]
            e[now] += 1
            n[now] += 1
            v += e * (rewards[t] + gamma * v[then] - v[now]) / (n[then] - gamma * e[then])
            e *= gamma * lam
            n *= lam
    return out


def without_the_ratio(reference: Any) -> Any:
    """HL leaves out N(s') / N(s) of Eq. 6.9."""

    def estimate(config: Any, states: Any, rewards: Any, times: Any, count: int) -> Any:
        if config.method == "td":
            return reference.estimate(config, states, rewards, times, count)
        return _follow(states, rewards, times, config.gamma, config.lam, np.zeros((len(times), count)))

    return sabotage(reference, estimate=estimate)


def _hl_with(reference: Any, lam: float) -> Any:
    return reconfigure(reference, lambda config: replace(config, lam=lam if config.method[0] == "h" else config.lam))


def forgets(reference: Any) -> Any:
    """HL discounts old evidence by .9 whatever lambda says."""
    return _hl_with(reference, 0.9)


def never_forgets(reference: Any) -> Any:
    """HL discounts no old evidence whatever lambda says."""
    return _hl_with(reference, 1.0)


def fixed_rate(reference: Any) -> Any:
    """The learning rate does not decay."""
    return reconfigure(reference, lambda config: replace(config, decay=0.0))


def slow_rate_for_hl(reference: Any) -> Any:
    """HLS and HLQ have a learning rate after all, of .002."""
    plain = {"hlq": "q", "hls": "sarsa"}

    def other(config: Any) -> Any:
        return replace(config, method=plain[config.method], alpha=0.002) if config.method in plain else config

    return reconfigure(reference, other)


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


def learns_on_policy(reference: Any) -> Any:
    """Q and HLQ learn the value of the action that is taken next, and their traces are never cut."""
    plain = {"q": "sarsa", "hlq": "hls"}
    return _given(
        reference,
        "act",
        lambda config, *world: (replace(config, method=plain.get(config.method, config.method)), *world),
    )


def raw_rewards(reference: Any) -> Any:
    """Tables hold rewards as they are, of which no two are alike."""

    def change(agent: str, actions: Any, observations: Any, rewards: Any, choices: int) -> tuple[Any, ...]:
        return agent, actions, observations, rewards * 2.0 ** -np.arange(1, rewards.shape[1] + 1), choices

    return _given(reference, "policy", change)


def shortsighted(reference: Any) -> Any:
    """pi^2forward looks no further than the next reward."""
    return _given(reference, "policy", lambda agent, *rest: ("2back" if agent == "2forward" else agent, *rest))


def unweighted(reference: Any) -> Any:
    """The measure sums values of environments whatever their complexity."""
    return sabotage(reference, intelligence=lambda values, complexities: float(np.sum(values)))


def waits_for_every_program(reference: Any) -> Any:
    """The predictor waits for all programs that ever write a symbol there, though it cannot know them."""

    def change(symbols: Any, written: Any, infinite: int, observed: Any) -> tuple[Any, ...]:
        return symbols, written, int((written[:, len(observed)] >= 0).sum()), observed

    return _given(reference, "predict", change)


def agrees(reference: Any) -> Any:
    """The sequence that should be hard is what the predictor says."""
    return sabotage(reference, hard_sequence=lambda *machine: 1 - reference.hard_sequence(*machine))


def observation_first(reference: Any) -> Any:
    """What a program writes first is the observation, and then the reward."""
    function = reference.interact
    return sabotage(reference, interact=lambda *given, seed: function(*given, seed=seed)[..., [0, 2, 1, 3]])


def sees_no_sign(reference: Any) -> Any:
    """Agents see rewards as they are, also where their signs should be flipped."""
    return _given(reference, "interact", lambda *given: (*given[:-1], 1))


def _any_actions(config: Any, moves: Any, payoffs: Any, start: int, steps: int, *, seed: int) -> Any:
    return np.random.default_rng(seed).integers(0, moves.shape[1], steps), np.zeros(moves.shape)


def _any_episodes(config: Any, programs: Any, steps: int, symbols: int, sign: int, *, seed: int) -> Any:
    return np.random.default_rng(seed).integers(0, symbols, (len(programs), steps, 4))


NULLS = {
    "estimate": lambda config, states, rewards, times, count: np.zeros((len(times), count)),
    "act": _any_actions,
    "interact": _any_episodes,
}

PLANTED = {  # the ratio of visits turned round
    "values-of-states": ("rate = n[then] / (n[then]", "rate = n[now] / (n[then]"),
}
