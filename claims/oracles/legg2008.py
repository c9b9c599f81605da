"""Machine Super Intelligence (Legg 2008), typed from its definitions, and AIQ's machine from the words of its authors.

Shapes: S states, A actions, T steps, k cycles of a history.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ints = NDArray[Any]
MOST_STEPS = 1000  # of a program in a cycle


def situation(agent: str, history: list[Any]) -> list[Any]:
    """Section 4.2: what an agent's table goes by: the last observation, or the last two cycles."""
    return [history[-1][1]] if agent == "basic" and history else history[-2:] if agent != "basic" else []


def followed(agent: str, history: list[Any], context: Any, action: int) -> list[Any]:
    """The cycles (action, observation, reward) in which an action was taken in a context."""
    return [c for k, c in enumerate(history) if c[0] == action and situation(agent, history[:k]) == context]


def choice(agent: str, actions: Ints, observations: Ints, rewards: Array, choices: int) -> Array:
    """Probabilities [A] of the next action after one history."""
    if agent == "rand":
        return np.ones(choices) / choices
    cycles = zip(actions.tolist(), observations.tolist(), rewards.tolist(), strict=True)
    history = [(a, o, r * 2 ** (k + 1)) for k, (a, o, r) in enumerate(cycles)]

    def mean(context: Any, action: int) -> float:
        return float(np.mean([reward for _, _, reward in followed(agent, history, context, action)] or [0]))

    context, worth = situation(agent, history), []
    for action in range(choices):
        worth.append(mean(context, action))
        nexts = [situation(agent, [*history, cycle]) for cycle in followed(agent, history, context, action)]
        if agent == "2forward" and nexts:
            worth[-1] += 0.5 * float(np.mean([max(mean(later, a) for a in range(choices)) for later in nexts]))
    good = [w > max(worth) - 1e-9 for w in worth]
    return np.array([0.9 * g / sum(good) + 0.1 / choices for g in good])


def batch(config: Any, path: Ints, rewards: Array, count: int) -> Array:
    """Eq. 6.7 after all steps: V N = R + E R' / (N' - E'), with one more visit of each state before the first step."""
    steps, lam, gamma = len(rewards), config.lam, config.gamma
    ages = lam ** np.arange(steps, -1, -1.0)
    visits = np.eye(count)[path[: steps + 1]]  # [T + 1, S]
    number = (ages[:, None] * visits).sum(0) + lam**steps
    trace, reward = np.zeros(count), np.zeros(count)
    for u in range(steps):
        trace = lam * gamma * trace + visits[u]
        reward += lam ** (steps - u) * trace * rewards[u]
    trace = lam * gamma * trace + visits[steps]
    last = path[steps]
    return (reward + trace * reward[last] / (number[last] - trace[last])) / number


def temporal_difference(config: Any, path: Ints, rewards: Array, count: int) -> Array:
    """Algorithm 1, with the learning rate alpha / t**decay."""
    value, trace = np.zeros(count), np.zeros(count)
    for t, reward in enumerate(rewards, 1):
        delta = reward + config.gamma * value[path[t]] - value[path[t - 1]]
        trace[path[t - 1]] += 1
        value += config.alpha / t**config.decay * delta * trace
        trace *= config.gamma * config.lam
    return value


def replayed(config: Any, states: Ints, actions: Ints, rewards: Array, shape: tuple[int, int]) -> list[Array]:
    """Algorithms 2 and 3, and both with a learning rate, along states [T + 1], actions [T] and rewards [T].

    Values [S, A] by which each action is chosen, which is before the step before it is learnt from; then the values
    after all steps but the last one, whose next action is not known.
    """
    q, n, e = np.zeros(shape), np.ones(shape), np.zeros(shape)
    chosen_by = [q]
    for t in range(1, len(actions)):
        chosen_by.append(q)
        now, then = (states[t - 1], actions[t - 1]), (states[t], actions[t])
        greedy, hl = q[states[t]].max(), config.method in ("hls", "hlq")
        explored = config.method in ("q", "hlq") and q[then] < greedy
        target = q[then] if config.method in ("sarsa", "hls") else greedy
        delta = rewards[t - 1] + config.gamma * target - q[now]
        e[now] += 1
        n[now] += 1
        beta = 1 / (n[then] - config.gamma * e[then]) * n[then] / n if hl else config.alpha / t**config.decay
        q = q + beta * e * delta
        e *= 0 if explored else config.gamma * config.lam
        n *= config.lam
    return [*chosen_by, q]


class ProgramMachine:
    """The reference machine of AIQ: BF with `symbols` symbols; see the contract."""

    def __init__(self, program: str, symbols: int) -> None:
        self.program, self.symbols, self.middle = program, symbols, (symbols - 1) // 2
        self.tape, self.at = dict[int, int](), 0
        self.history, self.output = list[int](), [self.middle, self.middle]

    def cycle(self, action: int) -> tuple[int, int, int]:
        """One cycle: observation, symbol of the reward, steps."""
        self.history.insert(0, action)
        self.steps, self.read, self.wrote = 0, 0, 0
        self._block(0)
        return self.output[1], self.output[0], self.steps

    def _block(self, place: int) -> int | None:
        """Run from a place to the end of its loop, whose next place it gives; None where the cycle ends."""
        while self.steps < MOST_STEPS and self.wrote < 2:
            self.steps += 1
            letter, here = self.program[place], self.tape.get(self.at, self.middle)
            if letter in "<>":
                self.at = (self.at + (1 if letter == ">" else -1)) % 100_000
            elif letter in "+-":
                self.tape[self.at] = (here + int(letter + "1")) % self.symbols
            elif letter == ".":
                self.output[self.wrote] = here
                self.wrote += 1
            elif letter == ",":
                known = self.read < min(24, len(self.history))
                self.tape[self.at] = self.history[self.read] if known else self.middle
                self.read += 1
            elif letter == "[":
                start, depth = place, 1
                while depth:
                    place += 1
                    depth += (self.program[place] == "[") - (self.program[place] == "]")
                while self.tape.get(self.at, self.middle) != self.middle:
                    if self._block(start + 1) is None:
                        return None
            elif letter == "]":
                return place + 1
            else:
                return None
            place += 1
        return None
