"""Exact checks of legg2008: answers against definitions, on inputs drawn by the trial's seed.

Where an implementation draws at random, counts are compared with what is expected, in standard errors: claims allow
six.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.legg2008 import AGENTS, Array, RateFree
from claims.experiments.legg2008_agents import (
    GRID,
    all_errors,
    choices,
    chosen_by,
    in_errors,
    random_program,
    replays,
    rewarded,
)
from claims.oracles import legg2008 as oracle
from repro import Measurements, Setting, cases

DEPTH = 10  # cycles of which all histories are gone through
CYCLES = 400
UNITS = 2.0 ** -np.arange(1, CYCLES + 1)


# Chapter 6


def _drawn(rng: np.random.Generator, config: Any, method: str, epsilon: float = 0.0) -> Any:
    """A config of a method with settings at random."""
    hl, decay = method[0] == "h", float(rng.choice([0, 1 / 3, 0.5, 1]))
    lam = float(rng.choice([1.0, rng.uniform(0.9, 1)] if hl else [0.0, 1.0, rng.uniform(0.3, 1)]))
    rate = {"alpha": rng.uniform(0.1, 0.7), "decay": decay, "epsilon": epsilon}
    return replace(config, method=method, gamma=rng.uniform(0.4, 0.99), lam=lam, **rate)


def values_of_states(learner: RateFree, setting: Setting) -> Measurements:
    """Values after 0, 1, 2, ... steps of random paths: of HL against Eq. 6.7, of TD against Algorithm 1.

    The last path is the longest, of up to 5,000 steps.
    """
    rng, found, expected = np.random.default_rng(setting.seed), [], []
    for count, method, most in [*product((1, 2, 5, 21), ("hl", "td") * 3, (300,)), (21, "hl", 5000)]:
        steps = int(rng.integers(most // 5, most))
        path, rewards = rng.integers(0, count, steps + 1), rng.normal(size=steps)
        times = np.unique([0, 1, 2, 3, *rng.integers(4, steps, 5), steps])
        config, rule = _drawn(rng, setting.config, method), {"hl": oracle.batch, "td": oracle.temporal_difference}
        found += list(np.asarray(learner.estimate(config, path, rewards, times, count)))
        expected += [rule[method](config, path[: t + 1], rewards[:t], count) for t in times]
    return {"values": cases(np.concatenate(found), np.concatenate(expected), "1")}


def control(learner: RateFree, setting: Setting) -> Measurements:
    """Algorithms 2 and 3, and both with a learning rate, in random worlds and the gridworld, replayed step by step."""
    rng, found, expected, counted = np.random.default_rng(setting.seed), [], [], []
    for method, (states, many) in product(("sarsa", "hls", "q", "hlq"), ((1, 3), (6, 3), (9, 4), (70, 4))):
        world = rng.integers(0, states, (states, many)), rng.normal(size=(states, many)), int(rng.integers(states))
        if states == 1:  # whatever is tried looks worse at once
            world = world[0], rng.uniform(-1.2, -0.8, (1, 3)), 0
        steps, world = (1500, GRID) if states == 70 else (400, world)
        config = _drawn(rng, setting.config, method, epsilon=0.0 if states == 9 else rng.uniform(0.1, 0.3))
        taken, values = (np.asarray(one) for one in learner.act(config, *world, steps, seed=setting.seed))
        seen, rewards = rewarded(*world, taken)
        found.append(values.ravel())
        expected.append(oracle.replayed(config, seen, taken, rewards, world[0].shape)[-1].ravel())
        counted.append(choices(chosen_by(config, seen, taken, rewards, world[0].shape), taken, config.epsilon))
    first, still = [], (np.zeros((2, 5), int), np.zeros((2, 5)), 1)
    for seed in range(300 * setting.seed, 300 * (setting.seed + 1)):
        first.append(learner.act(replace(setting.config, method="hlq", epsilon=0.0), *still, 1, seed=seed)[0][0])
    counted.append(choices(np.zeros((300, 5)), np.array(first), 0.0))
    values = cases(np.concatenate(found), np.concatenate(expected), "1")
    return {"values": values, "choices": cases(all_errors(counted), 0, "standard errors")}


# Section 4.2


def policies(learner: RateFree, setting: Setting) -> Measurements:
    """Probabilities of the next action after random histories of 0 to 40 cycles, against the agents' definitions."""
    rng, found, expected = np.random.default_rng(setting.seed), [], []
    for agent, cycles, percepts, actions in product(AGENTS, (0, 1, 2, 3, 5, 12, 40), (1, 2), (2, 3)):
        rewards = rng.choice([0, 1 / 16, 1], (12, cycles)) * UNITS[:cycles]
        history = rng.integers(0, actions, (12, cycles)), rng.integers(0, percepts, (12, cycles)), rewards
        found.append(np.ravel(learner.policy(agent, *history, actions)))
        expected += [oracle.choice(agent, *one, actions) for one in zip(*history, strict=True)]
    return {"chances": cases(np.concatenate(found), np.concatenate(expected), "probability")}


def pays_up(actions: NDArray[Any]) -> Array:
    """Rewards [B, k] of an environment that pays for action 0."""
    return (actions == 0) * UNITS[: actions.shape[1]]


def alternating(actions: NDArray[Any]) -> Array:
    """Rewards [B, k] of mu^alt, which pays for an action that is not the one before."""
    return (np.diff(actions, axis=1, prepend=actions[:, :1]) != 0) * UNITS[: actions.shape[1]]


def slide(actions: NDArray[Any]) -> Array:
    """Figure 4.1: rewards [B, k] of mu^slide, where action 1 climbs, and whatever comes next slides down."""
    rewards, top = np.zeros(actions.shape), np.zeros(len(actions), bool)
    for k in range(actions.shape[1]):
        rewards[:, k] = np.where(top, 1, (actions[:, k] == 0) / 16) * UNITS[k]
        top = ~top & (actions[:, k] == 1)
    return rewards


ENVIRONMENTS = {"up": (pays_up, 1), "alt": (alternating, 2), "slide": (slide, 3)}  # with bits of a prefix code


def _worth(learner: RateFree, agent: str, environment: Any) -> float:
    """The expected reward of the first cycles, by all histories."""
    chance, actions = np.ones(1), np.zeros((1, 0), int)
    for _ in range(DEPTH):
        then = np.asarray(learner.policy(agent, actions, np.zeros_like(actions), environment(actions), 2))
        chance = (chance[:, None] * then).ravel()
        actions = np.column_stack([np.repeat(actions, 2, 0), np.tile([0, 1], len(actions))])
    return float(chance @ environment(actions).sum(1))


def worths(learner: RateFree, setting: Setting) -> Measurements:
    """What agents earn in ten cycles of three environments, exactly, and what Definition 4.1.3 makes of it."""
    earned = {(agent, name): _worth(learner, agent, ENVIRONMENTS[name][0]) for agent in AGENTS for name in ENVIRONMENTS}
    bits, rng = np.array([bits for _, bits in ENVIRONMENTS.values()]), np.random.default_rng(setting.seed)
    measures = [
        learner.intelligence(np.array([earned[agent, name] for name in ENVIRONMENTS]), bits) for agent in AGENTS
    ]
    better = [("rand", "basic", "up"), ("basic", "2back", "alt"), ("2back", "2forward", "slide")]
    drawn = [(rng.random(n), rng.integers(1, 30, n)) for n in (1, 4, 20)]
    return {
        "gains": cases([earned[b, where] - earned[a, where] for a, b, where in better], 2.0**-DEPTH, "reward"),
        "range": cases([*earned.values(), *measures], 1, "reward"),
        "measure": cases([learner.intelligence(*one) for one in drawn], [sum(v / 2.0**k) for v, k in drawn], "reward"),
    }


def habits(learner: RateFree, setting: Setting) -> Measurements:
    """After 400 random cycles: chances to alternate in mu^alt, and to climb from the bottom in mu^slide."""
    actions = np.random.default_rng(setting.seed).integers(0, 2, (24, CYCLES))
    none, alt, up = np.zeros_like(actions), alternating(actions), slide(actions)
    back, ahead = (np.asarray(learner.policy(one, actions, none, alt, 2)) for one in AGENTS[2:])
    other, bottom = 1 - actions[:, -1], up[:, -1] > 0
    rests, climbs = (np.asarray(learner.policy(one, actions, none, up, 2))[bottom, 1] for one in AGENTS[2:])
    alternates = np.concatenate([back[range(24), other], ahead[range(24), other]])
    return {
        "alternates": cases(alternates, 0.95, "probability"),
        "rests": cases(rests, 0.05, "probability"),
        "climbs": cases(climbs, 0.95, "probability"),
    }


# Chapter 5


def _machine(rng: np.random.Generator, programs: int, length: int) -> tuple[NDArray[Any], NDArray[Any], int]:
    """What programs write and when [P, L]; about half of them stop, and many begin alike."""
    symbols = rng.integers(0, 2, (programs, length))
    for p, other in enumerate(rng.integers(0, programs, programs)):
        common = rng.integers(0, length // 2)
        symbols[p, :common] = symbols[other, :common]
    symbols[:, length // 2 : length // 2 + 5] = np.arange(programs)[:, None] >> np.arange(5) & 1  # no two stay alike
    written = rng.integers(1, 4, (programs, length)).cumsum(1) * rng.integers(1, 4, (programs, 1))
    stops = np.where(rng.random(programs) < 0.5, length, rng.integers(1, length // 2, programs))
    stops[rng.integers(programs)] = length
    written[np.arange(length) >= stops[:, None]] = -1
    return symbols, written, int((stops == length).sum())


def predictions(learner: RateFree, setting: Setting) -> Measurements:
    """What is predicted of what programs compute and of other sequences, and which sequence each predictor fails on."""
    rng, found, expected, late, hard, own = np.random.default_rng(setting.seed), [], [], [], [], []
    for programs in (1, 2, 5, 12, 12, 30):
        machine = _machine(rng, programs, 48)
        lasting = machine[0][machine[1][:, -1] >= 0]
        for sequence in (*lasting[:4], rng.integers(0, 2, 48), rng.integers(0, 2, 48)):
            for n in (0, 1, 2, *rng.integers(3, 48, 8)):
                found.append(learner.predict(*machine, sequence[:n]))
                expected.append(oracle.elimination(*machine, sequence[:n].tolist()))
        late += [learner.predict(*machine, one[:n]) != one[n] for one in lasting for n in range(29, 48)]
        sequence = np.asarray(learner.hard_sequence(*machine, 40))
        hard += [sequence[n] == learner.predict(*machine, sequence[:n]) for n in range(40)]
        own += [np.array_equal(one[:40], sequence) for one in lasting]
    return {
        "symbols": cases(found, expected, "symbol"),
        "late": cases(late, 0, "errors"),
        "hard": cases(hard, 0, "symbols predicted"),
        "computed": cases(own, 0, "programs"),
    }


# AIQ


def episodes(learner: RateFree, setting: Setting) -> Measurements:
    """Episodes of AIQ: each cycle by another interpreter, and what agents choose by what they have learnt."""
    rng, wrong, errors, counted = np.random.default_rng(setting.seed), [], [], []
    for symbols in (3, 5, 5, 7):
        config = replace(setting.config, method="random")
        programs = [program for program in (random_program(rng) for _ in range(150)) if "%" not in program]
        programs += ["," * 26 + ".#", "+[.-]#", "<.>+.#", ">" * 40 + "[>]<+.,.#"]
        found = np.asarray(learner.interact(config, programs, 40, symbols, 1, seed=setting.seed))
        wrong += [replays(program, episode, symbols) for program, episode in zip(programs, found, strict=True)]
        lucky, even = (
            np.asarray(learner.interact(config, ["%.%.#"] * 10, 60, symbols, 1, seed=setting.seed)),
            1 / symbols,
        )
        for drawn in (lucky[..., 0], lucky[..., 1], lucky[..., 2]):  # actions, observations, rewards
            errors += [in_errors(drawn.ravel() == s, np.full(600, even)) for s in range(symbols)]
            errors.append(in_errors((drawn[:, 1:] == drawn[:, :-1]).ravel(), np.full(590, even)))
    for method, sign in product(("freq", "q", "hlq"), (1, -1)):
        config = _drawn(rng, setting.config, method, epsilon=rng.uniform(0.05, 0.2))
        programs = [",.,.#", ",-.,.#", ",.+.#", ",,.,.#", "%.,.#", "%,.%.#", ",>,[<+>-]<.,.#"]
        found = np.asarray(learner.interact(config, programs, 300, 5, sign, seed=setting.seed)).astype(int)
        for actions, observations, payoffs in found[..., :3].transpose(0, 2, 1):
            rewards, states, tries = sign * 50.0 * (payoffs - 2), np.array([2, *observations]), np.eye(5)[actions]
            sums = [each.cumsum(0) - each for each in (tries * rewards[:, None], tries)]
            means = sums[0] / (sums[1] + 1)
            values = means if method == "freq" else chosen_by(config, states, actions, rewards, (5, 5))
            counted.append(choices(values, actions, config.epsilon))
    choice = cases(errors + all_errors(counted), 0, "standard errors")
    return {"cycles": cases(wrong, 0, "wrong cycles"), "choices": choice}
