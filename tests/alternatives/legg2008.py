"""legg2008 written a second time: HL's values from the sums of Eq. 6.7, agents in arrays [S, A], tables as counts."""

from __future__ import annotations

from dataclasses import make_dataclass
from operator import attrgetter
from typing import Any

import numba
import numpy as np

Config = make_dataclass("Config", ["method", "gamma", "lam", "alpha", "decay", "epsilon"], frozen=True)
CONFIGS = {
    name: Config(name.split("-")[0], 0.9 if name == "hl" else 0.99, 1.0, 0.1, 0.0, 0.0)
    for name in ("hl", "hl-long", "hlq")
}
RULE = attrgetter("gamma", "lam", "alpha", "decay", "epsilon")
METHODS = ("random", "freq", "sarsa", "hls", "q", "hlq")


def simulate(config: Any, times: Any, *, seed: int) -> Any:
    """Walks on 21 states, one after another."""
    found = np.full((100, max(times) + 1), 10)
    for walk, steps in zip(found, np.random.default_rng(seed).choice([-1, 1], found.shape), strict=True):
        for t in range(max(times)):
            walk[t + 1] = walk[t] + steps[t] if 0 < walk[t] < 20 else 10
    return found.T[np.array(times)]


def policy(agent: str, actions: Any, observations: Any, rewards: Any, choices: int) -> Any:
    """Sums and counts of rewards, by situation and action, for each history."""
    found = np.full((len(actions), choices), 0.1 / choices)
    for chances, a, o, r in zip(found, actions, observations, rewards, strict=True):
        past = [(int(a[k]), int(o[k]), float(np.ldexp(r[k], k + 1))) for k in range(len(a))]
        states = [tuple(past[max(0, k - 2) : k]) for k in range(len(past) + 1)]
        states = [state[-1:] and state[-1][1] for state in states] if agent == "basic" else states
        table: dict[Any, list[Any]] = {}
        for k, cycle in enumerate(past):
            table.setdefault((states[k], cycle[0]), []).append(cycle)

        def worth(state: Any, action: int, ahead: bool, table: dict[Any, list[Any]] = table) -> float:
            seen = table.get((state, action), [])
            more = [max(worth((*state[-1:], c), b, False) for b in range(choices)) / 2 for c in seen if ahead]
            return (sum(c[2] for c in seen) + sum(more)) / (len(seen) or 1)

        values = np.array([worth(states[-1], b, agent == "2forward") for b in range(choices)]) * (agent != "rand")
        best = np.isclose(values, values.max(), rtol=0, atol=1e-12)
        chances += 0.9 * best / best.sum()
    return found


@numba.njit
def _estimate(path, rewards, hl, rule, times, out):
    gamma, lam, alpha, decay, _ = rule
    v, n, e, r = np.zeros((4, out.shape[1]))
    n += 1 / lam if hl else 0
    for t in range(times[-1] + 1):
        here = path[t]
        if hl:
            n *= lam
            n[here] += 1
        e[here] += 1
        for k in np.flatnonzero(times == t):
            out[k] = (r + e * r[here] / (n[here] - e[here])) / n if hl and t else v
        if t < len(rewards):
            if not hl:
                v += alpha * (t + 1) ** -decay * e * (rewards[t] + gamma * v[path[t + 1]] - v[here])
            r = lam * (r + e * rewards[t])
            e *= gamma * lam


def estimate(config: Any, states: Any, rewards: Any, times: Any, count: int) -> Any:
    """HL by sums of visits, traces and rewards; TD step by step."""
    out = np.zeros((len(times), count))
    _estimate(states, rewards, config.method == "hl", RULE(config), times, out)
    return out


@numba.njit
def _pick(q, epsilon, rng):
    best = np.flatnonzero(q == q.max())
    return int(len(q) * rng.random()) if rng.random() < epsilon else best[int(len(best) * rng.random())]


@numba.njit
def _learn(memory, s, a, reward, then, t, method, rule, rng):
    """The next action; methods: 0 random, 1 freq, 2 sarsa, 3 hls, 4 q, 5 hlq; memory: values, visits, traces."""
    q, n, e = memory
    gamma, lam, alpha, decay, epsilon = rule
    if method == 1:
        n[0, a] += 1
        e[0, a] += reward
        q[:] = e[0] / n[0]
    b = _pick(q[then], epsilon, rng)
    if method > 1:
        best = q[then].max()
        explored = method > 3 and q[then, b] < best
        n[s, a] += 1
        e[s, a] += 1
        step = e / n / (1 - gamma * e[then, b] / n[then, b]) if method % 2 else e * alpha * (t + 1) ** -decay
        q += step * (reward + gamma * (best if method > 3 else q[then, b]) - q[s, a])
        n *= lam
        e *= 0 if explored else gamma * lam
    return b


@numba.njit
def _act(moves, payoffs, s, method, rule, rng, memory, actions):
    actions[0] = _pick(memory[0, s], rule[4], rng)
    for t in range(len(actions) - 1):
        then, reward = moves[s, actions[t]], payoffs[s, actions[t]]
        actions[t + 1] = _learn(memory, s, actions[t], reward, then, t, method, rule, rng)
        s = then


def act(config: Any, moves: Any, payoffs: Any, start: int, steps: int, *, seed: int) -> Any:
    """Actions and values."""
    memory, actions = np.array([[[0.0]], [[1.0]], [[0.0]]]) + np.zeros(moves.shape), np.zeros(steps, int)
    rng = np.random.default_rng(seed)
    _act(moves, payoffs, start, METHODS.index(config.method), RULE(config), rng, memory, actions)
    return actions, memory[0]


@numba.njit
def _episode(code, m, sign, method, rule, rng, out):
    mid, at, s, tape = m // 2, 0, m // 2, np.full(100_000, m // 2)
    memory = np.zeros((3, m, m))
    memory[1] += 1
    past, written = np.full(24 + len(out), mid), np.full(2, mid)
    a = _pick(memory[0, s], rule[4], rng)
    for t in range(len(out)):
        now = len(out) - 1 - t  # the newest action first
        past[now], steps, read, wrote, k = a, 0, 0, 0, 0
        while steps < 1000 and wrote < 2:
            letter, cell = code[k], tape[at]
            steps, k = steps + 1, k + 1
            if letter == 60 or letter == 62:  # < >
                at = (at + letter - 61) % 100_000
            elif letter == 43 or letter == 45:  # + -
                tape[at] = (cell + 44 - letter) % m
            elif letter == 44:  # ,
                tape[at] = past[now + read] if read < 24 else mid
                read += 1
            elif letter == 46:  # .
                written[wrote] = cell
                wrote += 1
            elif letter == 37:  # %
                tape[at] = int(rng.random() * m)
            elif letter == 35:  # #
                break
            elif (letter == 91) == (cell == mid):  # [ to the end of its loop, ] to its start
                way = 1 if letter == 91 else -1
                k, depth = k + min(0, 2 * way), 1
                while depth:
                    depth += way * ((code[k] == 91) - (code[k] == 93))
                    k += way
                k -= min(0, 2 * way)
        out[t] = a, written[1], written[0], steps
        if steps == 1000:
            break
        reward = sign * 100 * (2 * written[0] / (m - 1) - 1)
        a = _learn(memory, s, a, reward, written[1], t, method, rule, rng)
        s = written[1]


def interact(config: Any, programs: list[str], steps: int, symbols: int, sign: int, *, seed: int) -> Any:
    """Episodes."""
    method, rng, out = (
        METHODS.index(config.method),
        np.random.default_rng(seed),
        np.zeros((len(programs), steps, 4), int),
    )
    rule = RULE(config) if method else (*RULE(config)[:4], 1.0)
    for program, episode in zip(programs, out, strict=True):
        _episode(np.frombuffer(program.encode(), np.uint8).astype(int), symbols, sign, method, rule, rng, episode)
    return out
