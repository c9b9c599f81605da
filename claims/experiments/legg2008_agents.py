"""How agents of legg2008 are measured: in the windy gridworld, and in environments that random programs describe.

The suite follows an agent's actions through the world itself, and asks whether they follow from what was learnt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.legg2008 import Array, Ints, RateFree
from claims.oracles import legg2008 as oracle
from repro import Experiment, Measurements, Setting, scalar

LIMIT = 8.0  # standard errors beyond which actions do not follow from values


def gridworld() -> tuple[Ints, Array, int]:
    """Section 6.7: next states and rewards [70, 4] (up, down, left, right) and the start; wind of the column left."""
    moves, payoffs, wind = np.zeros((70, 4), np.int64), np.zeros((70, 4)), (0, 0, 0, 1, 1, 1, 2, 2, 1, 0)
    for state in range(70):
        for action, (dy, dx) in enumerate(((-1, 0), (1, 0), (0, -1), (0, 1))):
            y, x = divmod(state, 10)
            row = np.clip(np.clip(y + dy, 0, 6) - wind[x], 0, 6)
            moves[state, action] = 10 * row + np.clip(x + dx, 0, 9)
    payoffs[moves == 37] = 1
    moves[moves == 37] = 30  # from the goal back to the start at once
    return moves, payoffs, 30


def rewarded(moves: Ints, payoffs: Array, start: int, actions: Ints) -> tuple[Ints, Array]:
    """States [T + 1] and rewards [T] of a world in which actions are taken."""
    table, states = moves.tolist(), [start]
    for action in actions.tolist():
        states.append(table[states[-1]][action])
    return np.array(states), payoffs[states[:-1], actions]


GRID = gridworld()


def choices(values: Array, actions: Ints, epsilon: float) -> list[tuple[NDArray[Any], Array]]:
    """Whether something is so of actions [T] given values [T, A], and its chances if they are epsilon-greedy, [T] each.

    That they are greedy, then the same after a greedy one and in the second half, then by action.
    """
    greedy = values >= values.max(1, keepdims=True) - 1e-9 * (1 + np.abs(values).max(1, keepdims=True))
    many, half = values.shape[1], len(actions) // 2
    chances = epsilon / many + (1 - epsilon) * greedy / greedy.sum(1, keepdims=True)
    best, chance = greedy[np.arange(len(actions)), actions], (chances * greedy).sum(1)
    after = np.concatenate([[False], best[:-1]])
    rows = [(best, chance), (best[after], chance[after]), (best[half:], chance[half:])]
    return rows + [(actions == a, chances[:, a]) for a in range(many)]


def chosen_by(config: Any, states: Ints, actions: Ints, rewards: Array, shape: tuple[int, int]) -> Array:
    """By the oracle, the values [T, A] that each action is chosen by."""
    values = oracle.replayed(config, states, actions, rewards, shape)
    return np.array([q[s] for q, s in zip(values[:-1], states[:-1], strict=True)])


def in_errors(happened: NDArray[Any], chances: Array) -> float:
    """How often something happened less what its chances [T] let expect, in standard errors."""
    off, error = abs(float(happened.sum() - chances.sum())), float((chances * (1 - chances)).sum()) ** 0.5
    return off / error if error > 1e-9 else 0.0 if off < 1e-9 else np.inf


def all_errors(counted: list[list[tuple[NDArray[Any], Array]]]) -> list[float]:
    """In standard errors what `choices` gives of several runs: each row, and the first three of all runs together."""
    together = [[np.concatenate(part) for part in zip(*(run[k] for run in counted), strict=True)] for k in range(3)]
    return [in_errors(*row) for run in counted for row in run] + [in_errors(*row) for row in together]


@dataclass(frozen=True, kw_only=True)
class Gridworld(Experiment):
    """The discounted reward that learners reach in the windy gridworld, over the last fifth of some runs.

    Attributes:
        learners: a name, method, lambda, alpha and epsilon of each.
    """

    learners: tuple[tuple[str, str, float, float, float], ...]
    steps: int = 50_000
    runs: int = 4

    def __call__(self, learner: RateFree, setting: Setting) -> Measurements:
        """By name the mean of discounted future rewards; NaN where actions do not follow from what was learnt."""
        from scipy.signal import lfilter

        found: dict[str, list[float]] = {name: [] for name, *_ in self.learners}
        for (name, method, lam, alpha, epsilon), run in product(self.learners, range(self.runs)):
            config = replace(setting.config, method=method, lam=lam, alpha=alpha, decay=0.0, epsilon=epsilon)
            actions, _ = learner.act(config, *GRID, self.steps, seed=setting.seed * self.runs + run)
            states, rewards = rewarded(*GRID, actions)
            begun = chosen_by(config, states[:301], actions[:300], rewards[:300], GRID[0].shape)
            honest = max(all_errors([choices(begun, actions[:300], epsilon)])) < LIMIT
            future = lfilter([1.0], [1.0, -config.gamma], rewards[::-1])[::-1]
            found[name].append(future[-self.steps // 5 : -500].mean() if honest else np.nan)
        return {name: scalar(float(np.mean(reached)), "reward", better="higher") for name, reached in found.items()}


# AIQ


def replays(program: str, episode: Ints, symbols: int) -> int:
    """Cycles [T, 4] of an episode that are not what a program without "%" does; an over-long one ends it."""
    machine, wrong = oracle.Machine(program, symbols), 0
    for action, *found in episode.tolist():
        expected = machine.cycle(action)
        wrong += list(expected) != found
        if expected[2] == oracle.MOST_STEPS:
            break
    return wrong


def random_program(rng: np.random.Generator) -> str:
    """Instructions at random until a loop ends that was never begun; then what does nothing is left out."""
    program, depth = "", 0
    while depth >= 0:
        letter = "<>+-,.[]]%"[rng.integers(10)]
        depth += (letter == "[") - (letter == "]")
        program += letter if depth >= 0 else "#"
    for pair in ("+-", "-+", "<>", "><", "[]"):
        program = program.replace(pair, "")
    return program


@dataclass(frozen=True, kw_only=True)
class AIQ(Experiment):
    """Mean reward of agents over random programs, each with rewards as they are and with their signs flipped.

    Programs that run too long, or whose rewards are the same in five episodes of random actions, are left out.

    Attributes:
        agents: a name, method, gamma, lambda, alpha and epsilon of each.
    """

    agents: tuple[tuple[str, str, float, float, float, float], ...]
    programs: int
    steps: int = 1000
    symbols: int = 5

    def __call__(self, learner: RateFree, setting: Setting) -> Measurements:
        """By name the score; NaN if an environment does not do what its program says."""
        rng, kept, measured = np.random.default_rng(setting.seed), list[str](), {}
        while len(kept) < self.programs:
            kept += self._active(learner, setting, [random_program(rng) for _ in range(400)], len(kept))
        kept = kept[: self.programs]
        plain = [k for k, program in enumerate(kept) if "%" not in program][:2]
        for name, method, gamma, lam, alpha, epsilon in self.agents:
            rate = {"alpha": alpha, "decay": 0.0, "epsilon": epsilon}
            config = replace(setting.config, method=method, gamma=gamma, lam=lam, **rate)
            flips = ((1, 2 * setting.seed), (-1, 2 * setting.seed + 1))
            tried = [learner.interact(config, kept, self.steps, self.symbols, flip, seed=seed) for flip, seed in flips]
            both = np.asarray(tried)
            wrong = sum(replays(kept[k], both[1, k], self.symbols) for k in plain)
            gain = both[0, ..., 2].mean(1) - both[1, ..., 2].mean(1)  # half of it, in units of half the largest symbol
            ended = both[..., 3].max(axis=(0, 2)) < oracle.MOST_STEPS
            score = np.nan if wrong else 100 * gain[ended].mean() / (self.symbols - 1)
            measured[name] = scalar(score, "AIQ", better="higher")
        return measured

    def _active(self, learner: RateFree, setting: Setting, programs: list[str], number: int) -> list[str]:
        """Those of the programs that read, write, end, and answer to actions."""
        some = [program for program in programs if "." in program and "," in program]
        config, seeds = replace(setting.config, method="random"), np.random.SeedSequence([setting.seed, number])
        five = [int(seed) for seed in seeds.generate_state(5)]
        tried = np.asarray([learner.interact(config, some, 200, self.symbols, 1, seed=seed) for seed in five])
        ended = tried[..., 3].max(axis=(0, 2)) < oracle.MOST_STEPS
        same = (tried[:, :, 4:, 2] == tried[0, :, 4:, 2]).all(axis=(0, 2))
        return [program for program, keep in zip(some, ended & ~same, strict=True) if keep]
