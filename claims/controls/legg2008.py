"""Sabotaged learners, agents, predictors and machines: each differs in one thing that people get wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from claims.oracles import legg2008 as oracle
from repro import reconfigure, sabotage

Array = NDArray[np.float64]


@numba.njit
def _follow(path: Any, rewards: Any, times: Any, gamma: float, lam: float, out: Any) -> None:
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


def without_the_ratio(reference: Any) -> Any:
    """HL leaves out N(s') / N(s) of Eq. 6.9."""

    def estimate(config: Any, states: Any, rewards: Any, times: Any, count: int) -> Array:
        if config.method == "td":
            return reference.estimate(config, states, rewards, times, count)
        out = np.zeros((len(times), count))
        _follow(states, rewards, times, config.gamma, config.lam, out)
        return out

    return sabotage(reference, estimate=estimate)


def fixed_rate(reference: Any) -> Any:
    """The learning rate does not decay."""
    return reconfigure(reference, lambda config: replace(config, decay=0.0))


def forgets(reference: Any) -> Any:
    """HL discounts old evidence by .9 whatever lambda says."""
    return reconfigure(reference, lambda config: replace(config, lam=0.9 if config.method[0] == "h" else config.lam))


def never_forgets(reference: Any) -> Any:
    """HL discounts no old evidence whatever lambda says."""
    return reconfigure(reference, lambda config: replace(config, lam=1.0 if config.method[0] == "h" else config.lam))


def td_learns_nothing(reference: Any) -> Any:
    """A learning rate is 1,000 times smaller than it should be."""

    def estimate(config: Any, *path: Any) -> Array:
        return reference.estimate(replace(config, alpha=config.alpha / 1000), *path)

    return sabotage(reference, estimate=estimate)


def explores_half_as_often(reference: Any) -> Any:
    """Actions at random are taken half as often as epsilon says."""

    def act(config: Any, *world: Any, seed: int) -> Any:
        return reference.act(replace(config, epsilon=config.epsilon / 2), *world, seed=seed)

    return sabotage(reference, act=act)


def keeps_all_traces(reference: Any) -> Any:
    """Watkins' Q without its cut: traces go on where the agent explores; here on-policy learning passes for it."""
    on_policy = {"q": "sarsa", "hlq": "hls"}

    def act(config: Any, *world: Any, seed: int) -> Any:
        return reference.act(replace(config, method=on_policy.get(config.method, config.method)), *world, seed=seed)

    return sabotage(reference, act=act)


def slow_rate_for_hl(reference: Any) -> Any:
    """HLS and HLQ have a learning rate after all, of .002."""
    plain = {"hlq": "q", "hls": "sarsa"}

    def other(config: Any) -> Any:
        return replace(config, method=plain[config.method], alpha=0.002) if config.method in plain else config

    return reconfigure(reference, other)


def raw_rewards(reference: Any) -> Any:
    """Tables hold rewards as they are, of which no two are alike."""

    def policy(agent: Any, actions: Any, observations: Any, rewards: Array, choices: int) -> Array:
        raw = rewards * 2.0 ** -np.arange(1, rewards.shape[1] + 1)
        return reference.policy(agent, actions, observations, raw, choices)

    return sabotage(reference, policy=policy)


def shortsighted(reference: Any) -> Any:
    """pi^2forward looks no further than the next reward."""

    def policy(agent: str, *history: Any) -> Array:
        return reference.policy("2back" if agent == "2forward" else agent, *history)

    return sabotage(reference, policy=policy)


def unweighted(reference: Any) -> Any:
    """The measure sums values of environments whatever their complexity."""
    return sabotage(reference, intelligence=lambda values, complexities: float(np.sum(values)))


def waits_for_every_program(reference: Any) -> Any:
    """The predictor waits for all programs that ever write a symbol there, though it cannot know them."""

    def predict(predictor: Any, symbols: Any, written: Any, infinite: int, observed: Any) -> int:
        return reference.predict(predictor, symbols, written, int((written[:, len(observed)] >= 0).sum()), observed)

    return sabotage(reference, predict=predict)


def agrees(reference: Any) -> Any:
    """The sequence that should be hard is what the predictor says."""
    return sabotage(reference, hard_sequence=lambda *args: 1 - reference.hard_sequence(*args))


class _Blank(oracle.Machine):
    def cycle(self, action: int) -> tuple[int, int, int]:
        self.tape.clear()
        return super().cycle(action)


def clears_the_tape(reference: Any) -> Any:
    """Programs find a blank work tape in each cycle."""

    def interact(config: Any, programs: Sequence[str], steps: int, *, symbols: int, sign: int, seed: int) -> Any:
        found = reference.interact(config, programs, steps, symbols=symbols, sign=sign, seed=seed)
        for program, episode in zip(programs, found, strict=True):
            machine = _Blank(program, symbols)
            if "%" not in program:
                episode[:, 1:] = [machine.cycle(int(action)) for action in episode[:, 0]]
        return found

    return sabotage(reference, interact=interact)


def sees_no_sign(reference: Any) -> Any:
    """Agents see rewards as they are, also where their signs should be flipped."""

    def interact(config: Any, *programs: Any, sign: int, **keywords: Any) -> Any:
        return reference.interact(config, *programs, sign=1, **keywords)

    return sabotage(reference, interact=interact)


def _any_episode(config: Any, programs: Any, steps: int, *, symbols: int, sign: int, seed: int) -> Array:
    return np.random.default_rng(seed).integers(0, symbols, (len(programs), steps, 4))


def _any_actions(config: Any, moves: Any, payoffs: Any, start: int, steps: int, *, seed: int) -> tuple[Any, Array]:
    return np.random.default_rng(seed).integers(0, moves.shape[1], steps), np.zeros(moves.shape)


NULLS = {
    "estimate": lambda config, states, rewards, times, count: np.zeros((len(times), count)),
    "act": _any_actions,
    "interact": _any_episode,
}

PLANTED = {  # the ratio of visits turned round
    "values-of-states": ("rate = n[then] / (n[then]", "rate = n[now] / (n[then]"),
}
