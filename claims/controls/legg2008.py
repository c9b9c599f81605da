"""Sabotaged learners, agents, predictors and machines: each differs in one thing that people get wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from claims.controls._edits import edited
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


def hindsight(reference: Any) -> Any:
    """Long paths are learnt from whole: what is known at their end is answered for each time."""

    def estimate(config: Any, states: Any, rewards: Any, times: Any, count: int) -> Any:
        asked = times if len(rewards) < 3000 else np.array([len(rewards)])
        return np.broadcast_to(reference.estimate(config, states, rewards, asked, count), (len(times), count))

    return sabotage(reference, estimate=estimate)


def sees_no_sign(reference: Any) -> Any:
    """Agents see rewards as they are, also where their signs should be flipped."""
    return _given(reference, "interact", lambda *given: (*given[:-1], 1))


def _edited(says: str, *changes: tuple[str, str]) -> Callable[[Any], Any]:
    """The reference with pieces of its text replaced; Python runs it, not numba."""
    numbers = [(f"= {old}", f"= int({old})") for old in ("code[at]", "tape[place] + 5")]  # as numba has them
    return edited(says, *changes, ("numba.njit(cache=True)(function)", "function"), *numbers)


# fmt: off
explores_half = _edited("Half as many actions are random.", ("rng.random() < epsilon", "rng.random() < epsilon / 2"))
raw_rewards = _edited(
    "Tables hold rewards as they are, of which no two are alike.",
    ("scaled = rewards * 2.0 ** np.arange(1, len(rewards) + 1)", "scaled = rewards"))
myopic = _edited("pi^2forward looks no further than the next reward.", ('agent == "2forward"', "False"))
distinct_percepts = _edited(
    "pi^2forward averages over distinct percepts, however often each followed.",
    ("followed = table.get((context, action), [])", "followed = {*table.get((context, action), [])}"))
reads_23_actions = _edited("Programs read 23 actions.", ("100_000, 24, 1000", "100_000, 23, 1000"))
smaller_ring = _edited("The work tape has 30,000 cells.", ("100_000, 24, 1000", "30_000, 24, 1000"))
rewards_of_5_symbols = _edited(
    "Agents are rewarded as if there were 5 symbols.",
    ("sign * 100 * (output[0] - half) / half", "sign * 50 * (output[0] - 2)"))
plain_mean = _edited("Freq divides by tries.", ("(reward - v[a]) / n[a]", "(reward - v[a]) / (n[a] - 1)"))
begins_with_0 = _edited(
    "The first action is 0.", ("_choose(v[start * many : start * many + many], rule[4], rng)", "0"),
    ("s, a = middle, _choose(v[:symbols], rule[4], rng)", "s, a = middle, 0"))
# fmt: on


def _any_actions(config: Any, moves: Any, payoffs: Any, start: int, steps: int, *, seed: int) -> Any:
    return np.random.default_rng(seed).integers(0, moves.shape[1], steps), np.zeros(moves.shape)


def _no_values(config: Any, states: Any, rewards: Any, times: Any, count: int) -> Any:
    return np.zeros((len(times), count))


def _one_symbol(config: Any, programs: Any, steps: int, *rest: Any, seed: int) -> Any:
    return np.full((len(programs), steps, 4), seed % 3)


NULLS = {"estimate": _no_values, "act": _any_actions, "interact": _one_symbol}

PLANTED = {"values-of-states": ("rate = n[then] / (n[then]", "rate = n[now] / (n[then]")}  # the ratio turned round
