"""Exact checks of legg2008: answers against definitions, on inputs drawn by the trial's seed.

Counts of random draws are compared with what is expected, in standard errors; claims allow six.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from claims.experiments import legg2008 as suite
from claims.experiments.legg2008 import AGENTS, GRID, Array, Ints, RateFree
from claims.oracles import legg2008 as oracle
from repro import Measurements, Setting, cases

DEPTH = 10  # cycles of which all histories are gone through
UNITS = 2.0 ** -np.arange(1, 401)


def _drawn(rng: np.random.Generator, config: Any, method: str, epsilon: float = 0.0) -> Any:
    """A config of a method with settings at random."""
    hl, decay = method[0] == "h", float(rng.choice([0, 1 / 3, 0.5, 1]))
    lam = float(rng.choice([1.0, rng.uniform(0.9, 1)] if hl else [0.0, 1.0, rng.uniform(0.3, 1)]))
    rate = {"alpha": rng.uniform(0.1, 0.7), "decay": decay, "epsilon": epsilon}
    return replace(config, method=method, gamma=rng.uniform(0.4, 0.99), lam=lam, **rate)


def values_of_states(learner: RateFree, setting: Setting) -> Measurements:
    """Values by Eq. 6.7 or Algorithm 1 along random paths; early ones of paths that part later agree; and walks."""
    rng, found, expected = np.random.default_rng(setting.seed), [], []
    for count, method, least in [*product((1, 2, 5, 21), ("hl", "td") * 3, (60,)), (21, "hl", 5000)]:
        steps = int(rng.integers(least, least + 240))
        path, rewards = rng.integers(0, count, steps + 1), rng.normal(size=steps)
        times = np.unique([0, 1, 2, 3, *rng.integers(4, steps, 5), steps])
        config, rule = _drawn(rng, setting.config, method), {"hl": oracle.batch, "td": oracle.temporal_difference}
        found += list(np.asarray(learner.estimate(config, path, rewards, times, count)))
        expected += [rule[method](config, path[: t + 1], rewards[:t], count) for t in times]
    for count, method, steps in ((21, "hl", 5001), (21, "td", 10_000), (51, "hl", 40_000)):
        paths, rewards = rng.integers(0, count, (2, steps + 1)), rng.normal(size=(2, steps))
        paths[1, : steps // 4 + 1], rewards[1, : steps // 4] = paths[0, : steps // 4 + 1], rewards[0, : steps // 4]
        config, times = replace(setting.config, method=method, lam=1.0), np.array([1, 9, steps // 4])
        one, other = (learner.estimate(config, *each, times, count) for each in zip(paths, rewards, strict=True))
        found, expected = [*found, *np.asarray(one)], [*expected, *np.asarray(other)]
    walk = np.asarray(learner.simulate(setting.config, range(401), seed=setting.seed)).astype(int)
    now, up, inner = walk[:-1], np.diff(walk, axis=0) > 0, (walk[:-1] > 0) & (walk[:-1] < 20)
    wrong = (walk[0] != 10).sum() + np.where(inner, np.abs(np.diff(walk, axis=0)) != 1, walk[1:] != 10).sum()
    halves = [up[inner], up[inner & (now < 5)], up[inner & (now > 15)]]
    halves += [(up[1:] == up[:-1])[inner[1:] & inner[:-1]], (up[:, 1:] == up[:, :-1])[inner[:, 1:] & inner[:, :-1]]]
    errors = [suite.in_errors(half, np.full(len(half), 0.5)) for half in halves]
    return {
        "values": cases(np.concatenate(found), np.concatenate(expected), "1"),
        "walk": cases([100.0 * wrong, *errors], 0, "standard errors"),
    }


def control(learner: RateFree, setting: Setting) -> Measurements:
    """Algorithms 2 and 3, and both with a learning rate, in random worlds and the gridworld, replayed step by step.

    Then first actions of 400 short runs, which are drawn among equals.
    """
    rng, found, expected, counted = np.random.default_rng(setting.seed), [], [], []
    for method, (states, many) in product(("sarsa", "hls", "q", "hlq"), ((1, 3), (6, 3), (9, 4), (70, 4))):
        world = rng.integers(0, states, (states, many)), rng.normal(size=(states, many)), int(rng.integers(states))
        if states == 1:  # whatever is tried looks worse at once
            world = world[0], rng.uniform(-1.2, -0.8, (1, 3)), 0
        steps, world = (1500, GRID) if states == 70 else (400, world)
        config = _drawn(rng, setting.config, method, epsilon=0.0 if states == 9 else rng.uniform(0.1, 0.3))
        taken, values = (np.asarray(one) for one in learner.act(config, *world, steps, seed=setting.seed))
        seen, rewards = suite.rewarded(*world, taken)
        found.append(values.ravel())
        expected.append(oracle.replayed(config, seen, taken, rewards, world[0].shape)[-1].ravel())
        chosen = suite.chosen_by(config, seen, taken, rewards, world[0].shape)
        counted.append(suite.choices(chosen, taken, config.epsilon))
    first, world = [], (np.zeros((1, 4), int), np.ones((1, 4)), 0)
    for seed in rng.integers(2**31, size=400).tolist():
        config = replace(setting.config, method=("sarsa", "hls", "q", "hlq")[len(first) // 100], epsilon=0.2)
        first.append(learner.act(config, *world, 2, seed=seed)[0][0])
    errors = suite.all_errors(counted) + _among_equals(np.array(first), 4)
    values = cases(np.concatenate(found), np.concatenate(expected), "1")
    return {"values": values, "choices": cases(errors, 0, "standard errors")}


def _among_equals(drawn: Ints, many: int) -> list[float]:
    """In standard errors, how often each of so many equals was drawn."""
    return [suite.in_errors(drawn.ravel() == one, np.full(drawn.size, 1 / many)) for one in range(many)]


def policies(learner: RateFree, setting: Setting) -> Measurements:
    """Probabilities of the next action after random histories of 0 to 90 cycles, against the agents' definitions.

    The last 400 repeat few percepts, unequally often. Equals after 12 cycles, which rounding may part, do not count.
    """
    rng, found, expected = np.random.default_rng(setting.seed), [], []
    sizes = product((12,), (0, 1, 2, 3, 5, 12, 90), (1, 2), (2, 3))
    for agent, (many, cycles, percepts, actions) in [*product(AGENTS, sizes), ("2forward", (400, 90, 1, 2))]:
        rewards = rng.choice([0, 0.25, 1] if many == 12 else [0, 1], (many, cycles)) * UNITS[:cycles]
        history = rng.integers(0, actions, (many, cycles)), rng.integers(0, percepts, (many, cycles)), rewards
        chances = np.array([oracle.choice(agent, *one, actions) for one in zip(*history, strict=True)])
        clear = (chances.max(1) > 0.9) | (cycles < 12) | (agent == "rand")
        found.append(np.asarray(learner.policy(agent, *history, actions))[clear].ravel())
        expected.append(chances[clear].ravel())
    return {"chances": cases(np.concatenate(found), np.concatenate(expected), "probability")}


def alternating(actions: Ints) -> Array:
    """Rewards [B, k] of mu^alt, which pays for an action that is not the one before."""
    return (np.diff(actions, axis=1, prepend=actions[:, :1]) != 0) * UNITS[: actions.shape[1]]


def slide(actions: Ints) -> Array:
    """Figure 4.1: rewards [B, k] of mu^slide, where action 1 climbs, and whatever comes next slides down."""
    rewards, top = np.zeros(actions.shape), np.zeros(len(actions), bool)
    for k in range(actions.shape[1]):
        rewards[:, k] = np.where(top, 1, (actions[:, k] == 0) / 16) * UNITS[k]
        top = ~top & (actions[:, k] == 1)
    return rewards


ENVIRONMENTS = {"up": lambda actions: (actions == 0) * UNITS[: actions.shape[1]], "alt": alternating, "slide": slide}


def _worth(learner: RateFree, agent: str, environment: Any) -> float:
    """The expected reward of the first cycles, by all histories."""
    chance, actions = np.ones(1), np.zeros((1, 0), int)
    for _ in range(DEPTH):
        then = np.asarray(learner.policy(agent, actions, np.zeros_like(actions), environment(actions), 2))
        chance = (chance[:, None] * then).ravel()
        actions = np.column_stack([np.repeat(actions, 2, 0), np.tile([0, 1], len(actions))])
    return float(chance @ environment(actions).sum(1))


def worths(learner: RateFree, setting: Setting) -> Measurements:
    """What agents earn in ten cycles of three environments, exactly."""
    earned = {(agent, name): _worth(learner, agent, run) for agent in AGENTS for name, run in ENVIRONMENTS.items()}
    better = [("rand", "basic", "up"), ("basic", "2back", "alt"), ("2back", "2forward", "slide")]
    gains = [earned[b, where] - earned[a, where] for a, b, where in better]
    return {"gains": cases(gains, 2.0**-DEPTH, "reward"), "most": cases([*earned.values()], 1, "reward")}


def habits(learner: RateFree, setting: Setting) -> Measurements:
    """After 400 random cycles: chances to alternate in mu^alt, and to climb from the bottom in mu^slide."""
    actions = np.random.default_rng(setting.seed).integers(0, 2, (24, len(UNITS)))
    none, alt, up = np.zeros_like(actions), alternating(actions), slide(actions)
    back, ahead = (np.asarray(learner.policy(one, actions, none, alt, 2)) for one in AGENTS[2:])
    other, bottom = 1 - actions[:, -1], up[:, -1] > 0
    rests, climbs = (np.asarray(learner.policy(one, actions, none, up, 2))[bottom, 1] for one in AGENTS[2:])
    alternates = np.concatenate([back[range(24), other], ahead[range(24), other]])
    found = {"alternates": (alternates, 0.95), "rests": (rests, 0.05), "climbs": (climbs, 0.95)}
    return {name: cases(*both, "probability") for name, both in found.items()}


def episodes(learner: RateFree, setting: Setting) -> Measurements:
    """Episodes of AIQ: each cycle by another interpreter, and what agents choose by what they have learnt.

    One program goes once round the ring. Without exploring, an agent by frequencies takes one of the best each time.
    """
    rng, wrong, errors, counted = np.random.default_rng(setting.seed), [], [], []
    ring = ".+" + ">" * 800 + "#"
    config = replace(setting.config, method="random")
    wrong.append(suite.replays(ring, np.asarray(learner.interact(config, [ring], 130, 5, 1, seed=setting.seed))[0], 5))
    for symbols in (3, 5, 5, 7):
        programs = [program for program in (suite.random_program(rng) for _ in range(150)) if "%" not in program]
        programs += ["," * 24 + ".#", "," * 25 + ".#", "+[.-]#", "<.>+.#", ">" * 40 + "[>]<+.,.#"]
        found = np.asarray(learner.interact(config, programs, 40, symbols, 1, seed=setting.seed))
        wrong += [suite.replays(program, episode, symbols) for program, episode in zip(programs, found, strict=True)]
        first = np.asarray(learner.interact(config, ["#"] * 600, 1, symbols, 1, seed=setting.seed))[..., 0]
        errors += _among_equals(first, symbols)
        lucky = np.asarray(learner.interact(config, ["%.%.#"] * 10, 60, symbols, 1, seed=setting.seed))
        for drawn in (lucky[..., 0], lucky[..., 1], lucky[..., 2]):  # actions, observations, rewards
            errors += _among_equals(drawn, symbols)
            errors.append(suite.in_errors((drawn[:, 1:] == drawn[:, :-1]).ravel(), np.full(590, 1 / symbols)))
    tried = product((("freq", 0.0), ("freq", 0.2), ("q", 0.2), ("hlq", 0.2)), ((3, 1), (5, 1), (5, -1), (7, -1)))
    for (method, least), (symbols, sign) in tried:
        config, half = _drawn(rng, setting.config, method, least and rng.uniform(least, 2 * least)), (symbols - 1) // 2
        programs = [",.,.#", ",-.,.#", ",.+.#", ",,.,.#", "%.,.#", "%,.%.#", ",>,[<+>-]<.,.#"]
        found = np.asarray(learner.interact(config, programs, 300, symbols, sign, seed=setting.seed)).astype(int)
        for actions, observations, payoffs in found[..., :3].transpose(0, 2, 1):
            rewards, states = sign * 100 * (payoffs - half) / half, np.array([half, *observations])
            tries = np.eye(symbols)[actions]
            sums, counts = (each.cumsum(0) - each for each in (tries * rewards[:, None], tries))
            learnt = suite.chosen_by(config, states, actions, rewards, (symbols, symbols)) if method != "freq" else None
            rows = suite.choices(sums / (counts + 1) if learnt is None else learnt, actions, config.epsilon)
            counted += [rows] if least else []
            errors += [] if least else [suite.in_errors(*rows[0])]
    choice = cases(errors + suite.all_errors(counted), 0, "standard errors")
    return {"cycles": cases(wrong, 0, "wrong cycles"), "choices": choice}
