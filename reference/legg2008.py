"""Machine Super Intelligence: Legg 2008, doctoral thesis, University of Lugano.

Implemented: the agents of Section 4.2; temporal differences with and without a learning rate (Algorithms 1 to 3, Eqs.
6.8 and 6.9); and AIQ of Legg & Veness (2011, arXiv:1109.5951v2). Not: the theorems of Chapters 3 and 5.

Shapes: S states, A actions, T steps, K times, B histories, k cycles of a history, P programs.
Units: rewards and values have the environment's unit; AIQ's rewards lie between -100 and 100.

Deviations, where the thesis is silent:
  1. The counters of HL start at N = 1 and E = 0, as in Algorithms 2 and 3. From N = 0, as below Eq. 6.7, the rate of
     Eq. 6.9 is 0 / 0 at a first visit. With N = 1 the rule still equals Eq. 6.7, with one visit more in N.
  2. The learning rate of step t, counted from 1, is alpha / t**decay. All values start at 0. Greedy actions are drawn
     among equally good ones; after an action as good as the greedy one Watkins' Q keeps its traces.
  3. The tables of Section 4.2 hold the reward of cycle k in units of 2**-k: of rewards as they are no two are alike,
     and what is conditioned on them never comes again. Of actions never tried in a context 0 is expected. What
     pi^2forward expects of the cycle after next is a mean over what followed so far, and counts half.
  4. AIQ's machine is described by its authors' code only. Its work tape is a ring here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Method = Literal["td", "hl", "sarsa", "hls", "q", "hlq", "freq", "random"]
Table = dict[tuple[Any, int], list[tuple[int, float]]]  # by context and action, observations and rewards that followed
INSTRUCTIONS = "<>+-,.[]#%"
CELLS, READABLE, MOST_STEPS = 100_000, 24, 1000


@dataclass(frozen=True, kw_only=True)
class Config:
    """One learner."""

    method: Method = "hl"  # td and hl estimate values of states; sarsa, hls, q and hlq act; freq and random are of AIQ
    gamma: float = 0.9  # discount of the next step's value
    lam: float = 1.0  # lambda, which traces and, for HL, visits are discounted with
    alpha: float = 0.1  # learning rate of the first step; HL has none
    decay: float = 0.0  # power of the step that the learning rate is divided by
    epsilon: float = 0.0  # chance of an action at random


CONFIGS = {
    "hl": Config(),  # Section 6.3
    "hl-long": Config(gamma=0.99),  # Section 6.4
    "hlq": Config(method="hlq", gamma=0.99, lam=0.995, epsilon=0.01),  # Section 6.7; lambda and epsilon are ours
}


def policy(agent: str, actions: Ints, observations: Ints, rewards: Floats, choices: int) -> Floats:
    """Probabilities [B, A] of the next action after histories of k cycles, each array [B, k]."""
    return np.array([_policy(agent, actions[b], observations[b], rewards[b], choices) for b in range(len(actions))])


def _policy(agent: str, actions: Ints, observations: Ints, rewards: Floats, choices: int) -> Floats:
    if agent == "rand":
        return np.full(choices, 1 / choices)
    scaled = rewards * 2.0 ** np.arange(1, len(rewards) + 1)
    cycles = [(int(actions[k]), int(observations[k]), float(scaled[k])) for k in range(len(scaled))]
    table: Table = defaultdict(list)
    for k, (action, observation, reward) in enumerate(cycles):
        table[_context(agent, cycles[max(0, k - 2) : k]), action].append((observation, reward))
    context = _context(agent, cycles)
    expected = np.array([_expected(table, context, action) for action in range(choices)])
    if agent == "2forward":
        for action in range(choices):
            followed = table.get((context, action), [])
            after = [_context(agent, [*cycles, (action, *percept)]) for percept in followed]
            best = [max(_expected(table, later, other) for other in range(choices)) for later in after]
            expected[action] += sum(best) / len(best) / 2 if best else 0.0  # of the next cycle: half the unit
    greedy = expected == expected.max()
    return 0.9 * greedy / greedy.sum() + 0.1 / choices


def _context(agent: str, cycles: Sequence[tuple[int, int, float]]) -> tuple[Any, ...]:
    """What a table is conditioned on: the last observation, or the last two actions, observations and rewards."""
    return tuple(cycle[1] for cycle in cycles[-1:]) if agent == "basic" else tuple(cycles[-2:])


def _expected(table: Table, context: Any, action: int) -> float:
    """The mean reward that followed an action in a context; 0 of one never tried."""
    rewards = [reward for _, reward in table.get((context, action), [])]
    return sum(rewards) / len(rewards) if rewards else 0.0


def _njit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile; keep the machine code on disk where there is a folder to keep it in."""
    try:
        return numba.njit(cache=True)(function)
    except RuntimeError:  # numba may write neither beside this file nor in the user's cache folder
        return numba.njit(function)


@_njit
def _update(v, n, e, now, then, delta, t, rule, hl, cut):
    """Eq. 6.2, or Eqs. 6.8 and 6.9, from entry `now` to entry `then` in step t; `cut` ends all traces afterwards."""
    gamma, lam, alpha, decay, _ = rule
    e[now] += 1
    n[now] += 1
    rate = n[then] / (n[then] - gamma * e[then]) if hl else alpha / (t + 1) ** decay
    kept = 0.0 if cut else gamma * lam
    for s in range(len(v)):
        v[s] += (rate / n[s] if hl else rate) * e[s] * delta
        e[s] *= kept
        n[s] *= lam


@_njit
def _follow(path, rewards, times, rule, hl, out):
    v, n, e = np.zeros(out.shape[1]), np.ones(out.shape[1]), np.zeros(out.shape[1])
    k = 0
    for t in range(len(rewards) + 1):
        if k < len(times) and times[k] == t:
            out[k] = v
            k += 1
        if t < len(rewards):
            delta = rewards[t] + rule[0] * v[path[t + 1]] - v[path[t]]
            _update(v, n, e, path[t], path[t + 1], delta, t, rule, hl, False)


def _rule(config: Config) -> tuple[float, ...]:
    return tuple(float(each) for each in (config.gamma, config.lam, config.alpha, config.decay, config.epsilon))


def simulate(config: Config, times: Sequence[int], *, seed: int) -> Ints:
    """Section 6.3: 100 walks on 21 states, [K, 100] at ascending times; both ends lead back to the middle."""
    rng, paths = np.random.default_rng(seed), [np.full(100, 10)]
    for _ in range(max(times)):
        moved = paths[-1] + np.where(rng.random(100) < 0.5, 1, -1)
        paths.append(np.where((paths[-1] == 0) | (paths[-1] == 20), 10, moved))
    return np.array(paths)[list(times)]


def estimate(config: Config, states: Ints, rewards: Floats, times: Ints, count: int) -> Floats:
    """Values [K, S] of `count` states at ascending times, learnt along a path of states [T + 1] with rewards [T]."""
    out = np.zeros((len(times), count))
    _follow(states, rewards, times, _rule(config), config.method == "hl", out)
    return out


@_njit
def _choose(values, epsilon, rng):
    """An action at random with chance epsilon, else one of the best."""
    if rng.random() < epsilon:
        return int(rng.random() * len(values))
    best, many, chosen = values.max(), 0, 0
    for a in range(len(values)):
        if values[a] == best:
            many += 1
            if rng.random() * many < 1:
                chosen = a
    return chosen


@_njit
def _learn(v, n, e, now, there, many, reward, t, rule, hl, off, rng):
    """Choose among the actions whose entries begin at `there`, then learn from the step to it."""
    values = v[there : there + many]
    chosen = _choose(values, rule[4], rng)
    target = values.max() if off else values[chosen]
    cut = off and values[chosen] != target
    _update(v, n, e, now, there + chosen, reward + rule[0] * target - v[now], t, rule, hl, cut)
    return chosen


@_njit
def _act(moves, payoffs, start, rule, hl, off, rng, actions, v):
    many = moves.shape[1]
    n, e = np.ones(len(v)), np.zeros(len(v))
    s, actions[0] = start, _choose(v[start * many : start * many + many], rule[4], rng)
    for t in range(len(actions) - 1):
        a, after = actions[t], moves[s, actions[t]]
        actions[t + 1] = _learn(v, n, e, s * many + a, after * many, many, payoffs[s, a], t, rule, hl, off, rng)
        s = after


def act(config: Config, moves: Ints, payoffs: Floats, start: int, steps: int, *, seed: int) -> tuple[Ints, Floats]:
    """Algorithms 2 and 3: actions [T] in a world of next states and rewards [S, A], and the values [S, A] learnt."""
    actions, v = np.zeros(steps, np.int64), np.zeros(moves.size)
    hl, off = config.method in ("hls", "hlq"), config.method in ("q", "hlq")
    _act(moves, payoffs, start, _rule(config), hl, off, np.random.default_rng(seed), actions, v)
    return actions, v.reshape(moves.shape)


@_njit
def _cycle(code, jumps, symbols, tape, place, history, output, rng):
    """Run a program until its end, a full output or too many steps; returns the work tape's place and the steps."""
    steps, at, read, wrote, middle = 0, 0, 0, 0, (symbols - 1) // 2
    while steps < MOST_STEPS:
        steps += 1
        instruction = code[at]
        if instruction < 2:
            place += 2 * instruction - 1
            place += CELLS * ((place < 0) - (place == CELLS))
        elif instruction < 4:
            symbol = tape[place] + 5 - 2 * instruction
            tape[place] = symbol + symbols * ((symbol < 0) - (symbol == symbols))
        elif instruction == 4:
            tape[place] = history[read] if read < READABLE else middle
            read += 1
        elif instruction == 5:
            output[wrote] = tape[place]
            wrote += 1
            if wrote == len(output):
                break
        elif (instruction == 6 and tape[place] == middle) or (instruction == 7 and tape[place] != middle):
            at = jumps[at]
        elif instruction == 8:
            break
        elif instruction == 9:
            tape[place] = int(rng.random() * symbols)
        at += 1
    return place, steps


@_njit
def _live(code, jumps, symbols, sign, kind, rule, rng, out):
    middle, half, place = (symbols - 1) // 2, (symbols - 1) / 2, 0
    tape, history, output = np.full(CELLS, middle, np.int8), np.full(READABLE, middle), np.full(2, middle)
    v, n, e = np.zeros(symbols * symbols), np.ones(symbols * symbols), np.zeros(symbols * symbols)
    s, a = middle, _choose(v[:symbols], rule[4], rng)
    for t in range(len(out)):
        history[1:] = history[:-1].copy()
        history[0] = a
        place, steps = _cycle(code, jumps, symbols, tape, place, history, output, rng)
        out[t] = a, output[1], output[0], steps
        if steps == MOST_STEPS:
            break
        reward = sign * 100 * (output[0] - half) / half
        if kind < 2:  # the mean reward of each action, which counts as tried once before; without a rate
            n[a] += 1
            v[a] += (reward - v[a]) / n[a]
            a = _choose(v[:symbols], rule[4], rng)
        else:
            after = output[1] * symbols
            a = _learn(v, n, e, s * symbols + a, after, symbols, reward, t, rule, kind == 3, True, rng)
        s = output[1]


def interact(config: Config, programs: list[str], steps: int, symbols: int, sign: int, *, seed: int) -> Any:
    """Episodes [P, T, 4] of an agent in the environments that programs describe.

    Each cycle gives the action, the observation, the symbol of the reward and the steps that the program ran. An
    episode whose program runs too long ends there. The agent sees `sign` times the environment's rewards.
    """
    out = np.zeros((len(programs), steps, 4), np.int16)
    kind = ("random", "freq", "q", "hlq").index(config.method)
    rule = (*_rule(config)[:4], float(config.epsilon) if kind else 1.0)
    for number, program in enumerate(programs):
        code, rng = np.array([INSTRUCTIONS.index(letter) for letter in program]), np.random.default_rng([seed, number])
        _live(code, _jumps(program), symbols, sign, kind, rule, rng, out[number])
    return out


def _jumps(program: str) -> Ints:
    """For each bracket the place of its partner."""
    jumps, opened = np.zeros(len(program), np.int64), list[int]()
    for place, letter in enumerate(program):
        if letter == "[":
            opened.append(place)
        elif letter == "]":
            jumps[place] = opened.pop()
            jumps[jumps[place]] = place
    return jumps
