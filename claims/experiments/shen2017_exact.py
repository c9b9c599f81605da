"""What the book proves, checked on every string of a small machine, on drawn tables, and on drawn distributions."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations, pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.shen2017 import Complexity, code_length
from claims.oracles import shen2017 as oracle
from repro import Measurements, Setting, cases

TIMES = (0, 1, 2, 3, 5, 60)
LAST = 1000  # operations: more than any of these programs executes


def machine(names: Complexity, setting: Setting) -> Measurements:
    """All that is known of strings after some operations, from programs of up to 12 bits, against the oracle."""
    known, chances = [list[Any](), list[Any]()], [list[Any](), list[Any]()]
    for prefix, condition, width in product((True, False), ("", "1", "0110"), (1, 3, 6)):
        for longest in (width - 1, 7, 12 if prefix else 9):
            config = replace(setting.config, prefix=prefix, condition=condition, width=width, longest=longest)
            tables = oracle.known(longest, condition, TIMES, prefix=prefix, width=width)
            known[0].append(np.asarray(names.complexities(config, TIMES)).ravel())
            known[1].append(tables[0].ravel())
            chances[0].append(np.asarray(names.semimeasure(config, TIMES)).ravel())
            chances[1].append(tables[1].ravel())
    return {
        "known": cases(np.concatenate(known[0]), np.concatenate(known[1]), "bit"),
        "chances": cases(np.concatenate(chances[0]), np.concatenate(chances[1]), "probability"),
    }


def counted(names: Complexity, setting: Setting) -> Measurements:
    """Strings of complexity below n, for n up to 18, by both machines; C(x) beyond the length of x; rises in time."""
    rng, few, over, rises = np.random.default_rng(setting.seed), list[Any](), list[Any](), list[Any]()
    for prefix, length in product((False, True), (0, int(rng.integers(1, 6)))):
        condition = "".join(rng.choice(["0", "1"], length))
        config = replace(setting.config, prefix=prefix, condition=condition, longest=17)
        known = np.asarray(names.complexities(config, (2, 4, 8, LAST)))[:, 1:]
        few += [int((known[-1] < n).sum()) for n in range(19)]
        over.append(known[-1] - (1 + np.floor(np.log2(np.arange(1, known.shape[1] + 1)))) if not prefix else [])
        rises.append(np.diff(known, axis=0).ravel())
    return {
        "below": cases(few, np.tile(2.0 ** np.arange(19) - 1, 4), "strings"),
        "over": cases(np.concatenate(over), 0, "bit"),
        "rises": cases(np.concatenate(rises), 0, "bit"),
    }


def tosses(names: Complexity, setting: Setting) -> Measurements:
    """Outputs of thousands of machines fed with random bits after 1, 2 and 3 operations, against exact chances.

    After 0 a plain machine never halts, and after 1 it is a prefix one. Machines of one seed or two are independent.
    """
    times, off, changed = (1, 2, 3), list[Any](), list[int]()
    for prefix, condition, width, runs in ((True, "", 8, 12_000), (True, "10", 4, 7_000), (False, "0", 5, 7_000)):
        config = replace(setting.config, prefix=prefix, condition=condition, width=width, runs=runs)
        states = np.asarray(names.simulate(config, (*times, LAST), seed=setting.seed))
        changed += [int(((before > 0) & (before != after)).sum()) for before, after in pairwise(states)]
        others = np.asarray(names.simulate(config, times, seed=setting.seed + 1))
        chances = oracle.known(12, condition, times, prefix=True, width=width)[1] / (1 if prefix else 2)
        seen = np.array([np.bincount(row, minlength=2 << width) for row in states[:3]])[:, 1:] / runs
        error = np.sqrt(chances * (1 - chances) / runs)[:, 1:]
        off.append((np.abs(seen - chances[:, 1:]) / np.maximum(error, 1e-9)).ravel())
        alike = float((chances[2] ** 2).sum() + (1 - chances[2].sum()) ** 2)  # chance that two machines print the same
        for one, two in ((states[2][::2], states[2][1::2]), (states[2], others[2])):
            off.append([abs(np.mean(one == two) - alike) / np.sqrt(alike * (1 - alike) / len(one))])
    return {"off": cases(np.concatenate(off), 0, "standard errors"), "changed": cases(changed, 0, "outputs")}


def _stages(rng: np.random.Generator, kind: int) -> NDArray[Any]:
    """A semimeasure [T, S] that rises through powers of two, just above them with one string left out, or at random."""
    if kind < 2:
        last = 2.0 ** -np.array(_lengths(rng, int(rng.integers(1, 25))))
        left_out = np.where(last >= 2.0**-9, last, 1).argmin()
        last = np.where(np.arange(len(last)) == left_out, 0, 1.001 * last) if kind else last
        return 2.0 ** np.arange(-5, 1).repeat(2)[:, None] * last
    last = rng.dirichlet(np.full(40, 0.3)) * (rng.random(40) < 0.9)
    return last * np.vstack([np.sort(rng.random((5, 40)) ** rng.integers(1, 30), axis=0), np.ones(40)])


def _lengths(rng: np.random.Generator, splits: int) -> list[int]:
    """Lengths, one more than splits, whose sum of 2**-length is 1, in any order."""
    lengths = [0]
    for _ in range(splits):
        lengths += [lengths.pop(int(rng.integers(len(lengths)))) + 1] * 2
    return rng.permutation(lengths).tolist()


def coded(names: Complexity, setting: Setting) -> Measurements:
    """Codes that are allocated while a semimeasure rises: the machine's, and twelve that are drawn."""
    rng, config = np.random.default_rng(setting.seed), replace(setting.config, longest=16)
    own, known = names.semimeasure(config, (2, 4, 6, 8, LAST)), names.complexities(config, (LAST,))[0]
    there, wrong, excess = own[-1] > 0, list[int](), list[Any]()
    for stages in (own, *(_stages(rng, draw % 3) for draw in range(12))):
        asked = [tuple(request) for request in names.requests(stages)]
        first = [tuple(request) for request in names.requests(stages[:3])]
        words = names.allocate([length for _, length in asked])
        wrong.append(oracle.nested(words) + (len(words) != len(asked)) + (asked[: len(first)] != first))
        shortest = np.full(stages.shape[1], np.inf)
        np.minimum.at(shortest, [x for x, _ in asked[: len(words)]], [len(word) for word in words])
        excess.append((shortest + np.log2(np.where(stages[-1] > 0, stages[-1], 1)))[stages[-1] > 0])
    return {
        "kraft": cases([own[-1].sum(), (2.0 ** -known[there]).sum()], 1, "1"),
        "gap": cases(known[there] + np.log2(own[-1][there]), 0, "bit"),
        "wrong": cases(wrong, 0, "codewords"),
        "excess": cases(np.concatenate(excess), 2, "bit"),
    }


def allocated(names: Complexity, setting: Setting) -> Measurements:
    """Codewords for drawn lengths whose sum of 2**-length is 1, and for some of them; then one without room."""
    rng, wrong, left = np.random.default_rng(setting.seed), list[int](), list[int]()
    for draw in range(60):
        lengths = _lengths(rng, draw // 2)
        words, some = names.allocate(lengths), int(rng.integers(len(lengths) + 1))
        sizes = [len(word) for word in words] != lengths or any(set(word) - {"0", "1"} for word in words)
        wrong.append(oracle.nested(words) + sizes + (names.allocate(lengths[:some]) != words[:some]))
        left.append(len(names.allocate([*lengths, int(rng.integers(30))])) - len(lengths))
        if lengths[-1] > 0:  # the list ends where a length needs twice the room that is left
            left.append(len(names.allocate([*lengths[:-1], lengths[-1] - 1, lengths[-1]])) - len(lengths[:-1]))
    return {"wrong": cases(wrong, 0, "codewords"), "left": cases(left, 0, "codewords")}


def _tables(names: Complexity, setting: Setting) -> tuple[list[NDArray[np.int64]], NDArray[Any]]:
    """Complexities of pairs: K(y) + K(x | y) of the machine, [x, y], for up to 4 bits; and three tables that are drawn.

    Fewer than 2**(n + 1) pairs of each have complexity n or less. Then K(x | y) less K(x), and K(x | x), [31, 32].
    """
    rng, config = np.random.default_rng(setting.seed), replace(setting.config, longest=12)
    plain = np.asarray(names.complexities(replace(config, condition=""), (LAST,)))[0, 1:32]
    given = [names.complexities(replace(config, condition=format(y, "b")[1:]), (LAST,))[0][1:32] for y in range(1, 32)]
    tables = [plain + np.array(given).T]
    for _ in range(3):
        order = (rng.random((40, 30)) * rng.random(40)[:, None] ** 4 * rng.random(30) ** 4).ravel().argsort().argsort()
        tables.append((np.floor(np.log2(order + 1)).astype(int) + rng.integers(0, 2, 1200)).reshape(40, 30))
    return tables, np.column_stack([np.array(given) - plain, np.diag(given) - 7])


def pairs(names: Complexity, setting: Setting) -> Measurements:
    """Codes of x and of y given x: bits beyond those of the pair, and codes that stand for two strings."""
    (tables, help_of), excess, clashes = _tables(names, setting), list[float](), list[int]()
    for table in tables:
        first, second = dict[str, int](), dict[tuple[int, str], int]()
        for (x, y), n in np.ndenumerate(table):
            code, other = names.describe_pair(table, int(x), int(y))
            excess.append(code_length(code) + code_length(other) - n - 4 - 4 * int(table.max()).bit_length())
            clashes.append((first.setdefault(code, x) != x) + (second.setdefault((x, other), y) != y))
    return {
        "excess": cases(excess, 0, "bit"),
        "clashes": cases(clashes, 0, "codes"),
        "given": cases(help_of.ravel(), 0, "bit"),
    }


def shannon(names: Complexity, setting: Setting) -> Measurements:
    """Entropies of drawn variables, some of them constant or functions of others, and all of Shannon's inequalities."""
    rng, found, wanted, least = np.random.default_rng(setting.seed), list[Any](), list[Any](), list[Any]()
    for draw in range(200):
        shape = tuple(rng.integers(1, 4, 4 if draw % 2 else rng.integers(1, 4)))
        joint = rng.dirichlet(np.full(math.prod(shape), rng.choice([0.05, 1.0]))).reshape(shape)
        own = np.asarray(names.entropies(joint))
        found.append(own)
        wanted.append(oracle.entropies(joint))
        least.append(oracle.shannon(own, len(shape)))
    return {
        "entropies": cases(np.concatenate(found), np.concatenate(wanted), "bit"),
        "least": cases(np.concatenate(least), 0, "bit"),
    }


def ingleton(names: Complexity, setting: Setting) -> Measurements:
    """Ingleton's expression for distributions that are found, whose chances must be chances."""
    found = [np.asarray(names.violation(3 * setting.seed + k)) for k in range(3)]
    valid = [joint.shape == (2, 2, 2, 2) and joint.min() >= 0 and abs(joint.sum() - 1) < 1e-9 for joint in found]
    scores = [oracle.ingleton(oracle.entropies(joint)) for joint, ok in zip(found, valid, strict=True) if ok]
    return {"scores": cases(scores + [np.nan] * (len(found) - len(scores)), -1e-3, "bit")}


def frequencies(names: Complexity, setting: Setting) -> Measurements:
    """Codes of all strings up to 11 bits, and of drawn ones up to 2,000, also with two neighbours exchanged.

    And of all strings with two ones among some 100 bits, or one among more: codes that are no codes would clash.
    """
    rng = np.random.default_rng(setting.seed)
    strings = {tuple(bits) for n in range(12) for bits in product((0, 1), repeat=n)}
    for n, p in product(rng.integers(100, 2000, 2), (0, 0.02, 0.4, 0.9, 1)):
        one = (rng.random(n) < p).astype(int).tolist()
        strings |= {tuple(one), *((*one[:i], *one[i : i + 2][::-1], *one[i + 2 :]) for i in range(0, int(n), 5))}
    for n, k in ((int(rng.integers(90, 110)), 2), (int(rng.integers(500, 2000)), 1)):
        strings |= {tuple(int(i in ones) for i in range(n)) for ones in combinations(range(n), k)}
    codes = {bits: names.encode(np.array(bits, np.uint8)) for bits in strings}
    changed = sum(names.encode(np.array(bits, np.uint8)) != code for bits, code in reversed(codes.items()))
    shares = (sum(bits) / max(len(bits), 1) for bits in codes)
    bounds = (len(x) * oracle.entropy(p) + 4 * math.log2(len(x) + 1) + 4 for x, p in zip(codes, shares, strict=True))
    return {
        "excess": cases(list(map(code_length, codes.values())), list(bounds), "bit"),
        "clashes": cases([len(codes) - len(set(codes.values())), changed], 0, "strings"),
    }


def rejected(names: Complexity, setting: Setting) -> Measurements:
    """Shares of all strings of 9 and of 12 bits that are deficient by k bits or more, for each k; others.

    Of 2,000 equal bits p may underflow, but no p counts as less than 2**-n, nor as more than it is.
    """
    rng, shares, bounds, found, wanted = np.random.default_rng(setting.seed), list[float](), list[float](), [], []
    for n in (9, 12):
        every = (np.arange(1 << n)[:, None] >> np.arange(n) & 1).astype(np.uint8)
        worst = np.asarray(names.deficiency(every)).max(axis=1) - math.log2(18)
        shares += [float((worst >= k).mean()) for k in range(1, n + 1)]
        bounds += [2.0**-k for k in range(1, n + 1)]
    for n in (1, 2, 8, 17, 64, int(rng.integers(65, 300))):
        drawn = (rng.random((6, n)) < rng.random((6, 1))).astype(np.uint8)
        found.append(np.asarray(names.deficiency(drawn)).ravel())
        wanted += [oracle.deficiencies(row) for row in drawn.tolist()]
    equal = np.asarray(names.deficiency(np.repeat(np.array([[0], [1]], np.uint8), 2000, axis=1)))[:, :17]
    found.append(equal.ravel())
    wanted.append(np.clip(equal, 1999 - np.arange(17), 2000).ravel())
    return {
        "shares": cases(shares, bounds, "probability"),
        "found": cases(np.concatenate(found), np.concatenate(wanted), "bit"),
    }
