"""How learning without a learning rate is measured: the contract, and experiments that turn answers into numbers.

The suite draws paths and computes true values; of agents it follows the actions through the world, and asks
whether they follow from what was learnt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from claims.oracles import legg2008 as oracle
from repro import Experiment, Measurements, Setting, curve, scalar
from repro.task import Simulator

Array = NDArray[Any]
Ints = NDArray[Any]
AGENTS = ("rand", "basic", "2back", "2forward")


class RateFree(Simulator, Protocol):
    """The contract. A config has method, gamma, lam, alpha, decay and epsilon; alpha / t**decay is the rate of step t.

    `simulate` gives states [K, 100] of 100 walks of Section 6.3, whatever the config. Values start at 0, N at 1 and E
    at 0 (Algorithms 2 and 3). Greedy actions are drawn among equally good ones, and Watkins' traces are kept after an
    action as good as the greedy one.
    """

    def policy(self, agent: str, actions: Ints, observations: Ints, rewards: Array, choices: int) -> Array:
        """Section 4.2: probabilities [B, A] of the next action after histories [B, k]; best ones share .9.

        Tables hold rewards of cycle k in units of 2**-k, 0 for what was never tried. "2forward" adds half the mean,
        over what followed an action, of the best reward then expected.
        """
        ...

    def estimate(self, config: Any, states: Ints, rewards: Array, times: Ints, count: int) -> Array:
        """Values [K, S] after so many steps of a path, by "td" or "hl"."""
        ...

    def act(self, config: Any, moves: Ints, payoffs: Array, start: int, steps: int, *, seed: int) -> tuple[Ints, Array]:
        """Actions [T] of "sarsa", "hls", "q" or "hlq" in a world of next states and rewards [S, A], and values [S, A].

        An action is chosen before the step before it is learnt from. Values are those after all steps but the last.
        """
        ...

    def interact(self, config: Any, programs: list[str], steps: int, symbols: int, sign: int, *, seed: int) -> Ints:
        """Episodes [P, T, 4] of "random", "freq", "q" or "hlq": action, observation, symbol of the reward, steps run.

        Programs are of AIQ's BF: a ring of 100,000 cells at the middle symbol, kept with the head's place from cycle to
        cycle; "," reads the last 24 actions, newest first, then middle symbols; "." writes the reward, then the
        observation, which end a cycle, as "#" and 1,000 steps do (what comes after these is not looked at); loops end
        at the middle symbol; "%" writes a random one. Outputs stand until written, middle symbols at first. Agents see
        `sign` times 100 for the largest symbol, 0 for the middle, from which observations start, whatever `symbols`
        is; their first action is drawn as all are. "freq" divides sums of rewards by tries + 1.
        """
        ...


def chain(states: int, last: float = -1.0) -> tuple[Array, Array]:
    """Section 6.3: transition probabilities and rewards [S, S] of a walk that returns to the middle from both ends."""
    chances, rewards, inner = np.zeros((states, states)), np.zeros((states, states)), np.arange(1, states - 1)
    chances[inner, inner - 1] = chances[inner, inner + 1] = 0.5
    chances[[0, -1], states // 2] = 1
    rewards[[0, -1], states // 2] = 1, last
    return chances, rewards


def random_process(rng: np.random.Generator) -> tuple[Array, Array]:
    """Section 6.5: 50 states, nine in ten entries 0, rows scaled to 1; rewards alike, not scaled."""
    chances, rewards = (np.where(rng.random((50, 50)) < 0.9, 0, rng.random((50, 50))) for _ in range(2))
    chances[np.arange(50), rng.integers(0, 50, 50)] += 1e-9  # no row is empty
    return chances / chances.sum(1, keepdims=True), rewards


def true_values(chances: Array, rewards: Array, gamma: float) -> Array:
    """Expected discounted rewards [S], from Eq. 6.1."""
    return np.linalg.solve(np.eye(len(chances)) - gamma * chances, (chances * rewards).sum(1))


def walked(chances: Array, steps: int, rng: np.random.Generator) -> Ints:
    """Paths [R, T + 1] of R processes with transition probabilities [R, S, S], each from the middle state."""
    edges, luck, each = chances.cumsum(2)[:, :, :-1], rng.random((steps, len(chances), 1)), np.arange(len(chances))
    path = np.full((steps + 1, len(chances)), chances.shape[1] // 2)
    for t in range(steps):
        path[t + 1] = (edges[each, path[t]] <= luck[t]).sum(1)
    return np.ascontiguousarray(path.T)


@dataclass(frozen=True, kw_only=True)
class ValueErrors(Experiment):
    """Root mean squared errors over states of value estimates, averaged over runs, along the steps."""

    world: Literal["21", "51", "random", "changing"]  # chains of 21 or 51 states, Section 6.5, Section 6.6
    steps: int
    learners: tuple[tuple[str, tuple[float, ...], tuple[float, ...], float], ...]  # name, lambdas, alphas, decay
    lams: tuple[float, ...] = (1.0,)  # of HL(lambda); the first is also "hl"
    runs: int = 10
    points: int = 100

    def __call__(self, learner: RateFree, setting: Setting) -> Measurements:
        """The error's curve, its mean over all steps and the last tenth: of HL, of the best TD by name, of zeros."""
        times = np.linspace(0, self.steps, self.points + 1).astype(np.int64)
        worlds = self._worlds(np.random.default_rng(setting.seed), setting.config.gamma, times)

        def errors(method: str, lam: float, alpha: float, decay: float) -> Array:
            config = replace(setting.config, method=method, lam=lam, alpha=alpha, decay=decay)
            return np.mean([_rms(learner.estimate(config, *path, times, v.shape[1]) - v) for path, v in worlds], axis=0)

        found = {f"hl_{lam:g}": [errors("hl", lam, 1.0, 0.0)] for lam in self.lams}
        found |= {"hl": found[f"hl_{self.lams[0]:g}"], "zero": [np.mean([_rms(v) for _, v in worlds], axis=0)]}
        for name, lams, alphas, decay in self.learners:
            tried = [errors("td", lam, alpha, decay) for lam, alpha in product(lams, alphas)]
            found[name] = [np.nan_to_num(one, nan=np.inf, posinf=np.inf) for one in tried]
        measured, late = {}, times > 0.9 * self.steps
        for name, curves in found.items():
            best = min(curves, key=lambda one: one.mean())
            measured[f"{name}_error"] = curve(times, best, unit="1", x_unit="steps")
            measured[f"{name}_mean"] = scalar(best.mean(), "1", better="lower")
            measured[f"{name}_last"] = scalar(min(one[late].mean() for one in curves), "1", better="lower")
        return measured

    def _worlds(self, rng: np.random.Generator, gamma: float, times: Ints) -> list[tuple[tuple[Ints, Array], Array]]:
        """Of each run a path with its rewards, and the true values [K, S] at some times."""
        size = 51 if self.world == "51" else 21
        own = [random_process(rng) if self.world == "random" else chain(size) for _ in range(self.runs)]
        paths, worlds = walked(np.array([chances for chances, _ in own]), self.steps, rng), []
        for path, (chances, rewards) in zip(paths, own, strict=True):
            both = [rewards, chain(21, last=0.5)[1] if self.world == "changing" else rewards]
            values = np.array([true_values(chances, each, gamma) for each in both])
            earned = np.array([each[path[:-1], path[1:]] for each in both])
            steps, before = np.arange(self.steps), np.maximum(times - 1, 0)
            worlds.append(((path, earned[steps // 5000 % 2, steps]), values[before // 5000 % 2]))
        return worlds


def _rms(off: Array) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):  # of what diverges
        return np.sqrt(np.square(off).mean(-1))


def _gridworld() -> tuple[Ints, Array, int]:
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


GRID = _gridworld()


def choices(values: Array, actions: Ints, epsilon: float) -> list[tuple[Ints, Array]]:
    """Whether something is so of actions [T] given values [T, A], and its chances if they are epsilon-greedy, [T] each.

    That they are greedy, then the same after a greedy one and in the second half, then by action. Where learnt values
    are equal, rounding decides which is best: these steps are left out.
    """
    greedy = values >= values.max(1, keepdims=True) - 1e-9 * (1 + np.abs(values).max(1, keepdims=True))
    many, half = values.shape[1], len(actions) // 2
    chances = epsilon / many + (1 - epsilon) * greedy / greedy.sum(1, keepdims=True)
    best, chance = greedy[np.arange(len(actions)), actions], (chances * greedy).sum(1)
    clear = (greedy.sum(1) == 1) | (values == 0).all(1)
    after, late = np.concatenate([[False], best[:-1]]), np.arange(len(actions)) >= half
    rows = [(best[some], chance[some]) for some in (clear, clear & after, clear & late)]
    return rows + [((actions == a)[clear], chances[clear, a]) for a in range(many)]


def chosen_by(config: Any, states: Ints, actions: Ints, rewards: Array, shape: tuple[int, int]) -> Array:
    """By the oracle, the values [T, A] that each action is chosen by."""
    values = oracle.replayed(config, states, actions, rewards, shape)
    return np.array([q[s] for q, s in zip(values[:-1], states[:-1], strict=True)])


def in_errors(happened: Ints, chances: Array) -> float:
    """How often something happened less what its chances [T] let expect, in standard errors.

    A third of the difference is added to the variance, so that with rare events too more than x is as unlikely as
    2 exp(-x**2 / 2) at most (the inequalities of Bernstein and, for actions that depend on earlier ones, of Freedman).
    """
    off, variance = abs(float(happened.sum() - chances.sum())), float((chances * (1 - chances)).sum())
    return off / (variance + off / 3) ** 0.5 if variance > 1e-18 else 0.0 if off < 1e-9 else np.inf


def all_errors(counted: list[list[tuple[Ints, Array]]]) -> list[float]:
    """In standard errors what `choices` gives of several runs: each row, and the first three of all runs together."""
    together = [tuple(np.concatenate([run[k][part] for run in counted]) for part in (0, 1)) for k in range(3)]
    return [in_errors(*row) for row in [*together, *(row for run in counted for row in run)]]


@dataclass(frozen=True, kw_only=True)
class Gridworld(Experiment):
    """The discounted reward that learners reach in the windy gridworld, over the last fifth of some runs."""

    learners: tuple[tuple[str, str, float, float, float], ...]  # name, method, lambda, alpha, epsilon
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
            honest = max(all_errors([choices(begun, actions[:300], epsilon)])) < 8  # standard errors
            future = np.asarray(lfilter([1.0], [1.0, -config.gamma], rewards[::-1]))[::-1]
            found[name].append(future[-self.steps // 5 : -500].mean() if honest else np.nan)
        return {name: scalar(float(np.mean(reached)), "reward", better="higher") for name, reached in found.items()}


def replays(program: str, episode: Ints, symbols: int) -> int:
    """Cycles [T, 4] of an episode that are not what a program without "%" does; an over-long one ends it."""
    machine, wrong = oracle.ProgramMachine(program, symbols), 0
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
    """

    agents: tuple[tuple[str, str, float, float, float, float], ...]  # name, method, gamma, lambda, alpha, epsilon
    programs: int
    steps: int = 1000
    symbols: int = 5

    def __call__(self, learner: RateFree, setting: Setting) -> Measurements:
        """By name the score; NaN if an environment does not do what its program says."""
        rng, kept, measured = np.random.default_rng(setting.seed), list[str](), {}
        for number in range(self.programs):
            if len(kept) < self.programs:
                kept += self._active(learner, setting, [random_program(rng) for _ in range(400)], number)
        enough, kept = len(kept) >= self.programs, kept[: self.programs]
        plain = [k for k, program in enumerate(kept) if "%" not in program][:2]
        for name, method, gamma, lam, alpha, epsilon in self.agents:
            rate = {"alpha": alpha, "decay": 0.0, "epsilon": epsilon}
            config = replace(setting.config, method=method, gamma=gamma, lam=lam, **rate)
            flips = ((1, 2 * setting.seed), (-1, 2 * setting.seed + 1))
            tried = [learner.interact(config, kept, self.steps, self.symbols, flip, seed=seed) for flip, seed in flips]
            both: Array = np.asarray(tried)
            wrong = sum(replays(kept[k], both[1, k], self.symbols) for k in plain)
            gain = (both[0, ..., 2] - both[1, ..., 2]).mean(1)  # half of it, in units of half the largest symbol
            ended = both[..., 3].max(axis=(0, 2)) < oracle.MOST_STEPS
            score = np.nan if wrong or not enough else 100 * gain[ended].mean() / (self.symbols - 1)
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
