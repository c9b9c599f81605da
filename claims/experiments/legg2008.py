"""How learning without a learning rate is measured: the contract, and experiments that turn answers into numbers.

The suite owns the worlds: it draws paths, computes true values exactly, and finds rewards from actions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from repro import Experiment, Measurements, Setting, curve, scalar
from repro.task import Implementation

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
AGENTS = ("rand", "basic", "2back", "2forward")


class RateFree(Implementation, Protocol):
    """The contract. A config has method, gamma, lam, alpha, decay and epsilon; alpha / t**decay is the rate of step t.

    Values start at 0, N at 1 and E at 0 (Algorithms 2 and 3). Greedy actions are drawn among equally good ones, and
    Watkins' traces are kept after an action as good as the greedy one.
    """

    def policy(self, agent: str, actions: Ints, observations: Ints, rewards: Array, choices: int) -> Array:
        """Section 4.2: probabilities [B, A] of the next action after histories [B, k]; best ones share .9.

        Tables hold rewards of cycle k in units of 2**-k, 0 for what was never tried. "2forward" adds half the mean,
        over what followed an action, of the best reward then expected.
        """
        ...

    def intelligence(self, values: Array, complexities: Ints) -> float:
        """Definition 4.1.3, for environments with such values and complexities, both [M]."""
        ...

    def predict(self, symbols: Ints, written: Ints, infinite: int, observed: Ints) -> int:
        """Lemma 5.3.2: the next symbol after [n]; 0 if no program fits.

        Programs, in the order that breaks ties, write symbols [P, L] in steps [P, L], never where that is -1;
        `infinite` of them write for ever. All that have written enough by the decisive step count.
        """
        ...

    def hard_sequence(self, symbols: Ints, written: Ints, infinite: int, count: int) -> Ints:
        """Lemma 5.2.4: `count` symbols, each not what the predictor says."""
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

        Programs are of AIQ's BF: a ring of 100,000 cells at the middle symbol, kept from cycle to cycle; "," reads the
        last 24 actions, newest first, then middle symbols; "." writes the reward, then the observation, which end a
        cycle, as "#" and 1,000 steps do (what comes after these is not looked at); loops end at the middle symbol; "%"
        writes a random one. Outputs stand until written, middle symbols at first. Agents see `sign` times 100 for the
        largest symbol, 0 for the middle, from which observations start. "freq" divides sums of rewards by tries + 1.
        """
        ...


# Worlds


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
    """Root mean squared errors over states of value estimates, averaged over runs, along the steps.

    Attributes:
        world: the process: of 21 or 51 states, random, or of 21 states with a reward that changes (Section 6.6).
        learners: some TD(lambda), of which the best counts: a name, lambdas, alphas, and the decay.
        lams: lambda of each HL(lambda), the first of which is also "hl".
    """

    world: Literal["21", "51", "random", "changing"]
    steps: int
    learners: tuple[tuple[str, tuple[float, ...], tuple[float, ...], float], ...]
    lams: tuple[float, ...] = (1.0,)
    runs: int = 10
    points: int = 100

    def __call__(self, learner: RateFree, setting: Setting) -> Measurements:
        """By learner the error's curve, its mean over all steps and over the last tenth; "zero" estimates 0."""
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
