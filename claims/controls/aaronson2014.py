"""Sabotaged coffee automata: each differs from the reference in the one thing that its docstring states."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro import reconfigure, sabotage

Swap = Callable[[NDArray[Any], NDArray[Any], np.random.Generator], None]


def _stepwise(reference: Any, swap: Swap) -> Any:
    """An interacting model that calls `swap(cells [n*n], pairs [M, 2], rng)` for each tick."""

    def simulate(config: Any, times: Sequence[int], *, seed: int) -> NDArray[np.uint8]:
        cells, pairs = reference.start(config).ravel(), reference.neighbours(config)
        rng, ticks = np.random.default_rng(seed), list(times)
        states, done = np.empty((len(ticks), cells.size), np.uint8), 0
        for k, tick in enumerate(ticks):
            for _ in range(tick - done):
                swap(cells, pairs, rng)
            states[k], done = cells, tick
        return states.reshape(-1, config.n, config.n)

    return sabotage(reference, simulate=simulate)


def overwrites(reference: Any) -> Any:
    """One cell of the chosen pair is copied to the other instead of exchanged with it."""

    def swap(cells: NDArray[Any], pairs: NDArray[Any], rng: np.random.Generator) -> None:
        i, j = pairs[int(rng.random() * len(pairs))]
        cells[j] = cells[i]

    return _stepwise(reference, swap)


def simultaneous_swaps(reference: Any) -> Any:
    """A tick swaps four pairs at once by array indexing, so pairs that share a cell lose or double particles."""

    def swap(cells: NDArray[Any], pairs: NDArray[Any], rng: np.random.Generator) -> None:
        i, j = pairs[(rng.random(4) * len(pairs)).astype(int)].T
        cells[i], cells[j] = cells[j], cells[i]

    return _stepwise(reference, swap)


def counts_choices(reference: Any) -> Any:
    """A tick is the choice of any adjacent pair, whether or not it differs."""

    def swap(cells: NDArray[Any], pairs: NDArray[Any], rng: np.random.Generator) -> None:
        i, j = pairs[int(rng.random() * len(pairs))]
        cells[i], cells[j] = cells[j], cells[i]

    return _stepwise(reference, swap)


def _swaps_among(reference: Any, chosen_from: Callable[[Any, NDArray[Any]], NDArray[Any]]) -> Any:
    """An interacting model that chooses from other pairs: `chosen_from(config, pairs [M, 2])`."""

    def simulate(config: Any, times: Sequence[int], *, seed: int) -> NDArray[np.uint8]:
        if not config.interacting:
            return reference.simulate(config, times, seed=seed)
        cells = reference.start(config).ravel()
        states = np.empty((len(times), cells.size), np.uint8)
        pairs = np.ascontiguousarray(chosen_from(config, reference.neighbours(config)))
        key = np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]
        reference._stir(cells, pairs, np.asarray(times, np.int64), key, states)
        return states.reshape(-1, config.n, config.n)

    return sabotage(reference, simulate=simulate)


def walls_favoured(reference: Any) -> Any:
    """Pairs along the walls of the cup are chosen twice as often as others."""

    def chosen_from(config: Any, pairs: NDArray[Any]) -> NDArray[Any]:
        y, x = np.divmod(pairs, config.n)
        along = [(line == edge).all(axis=1) for line in (y, x) for edge in (0, config.n - 1)]
        return np.concatenate([pairs, pairs[np.any(along, axis=0)]])

    return _swaps_among(reference, chosen_from)


def still_bottom_row(reference: Any) -> Any:
    """Nothing is ever swapped with the bottom row."""
    return _swaps_among(reference, lambda config, pairs: pairs[(pairs < config.n * (config.n - 1)).all(axis=1)])


def draws_16_bits(reference: Any) -> Any:
    """Pairs are drawn from 16 random bits, so that in a large cup some are much more probable than others."""
    return _swaps_among(reference, lambda config, pairs: pairs[np.arange(1 << 16) * len(pairs) >> 16])


def painted_pictures(reference: Any) -> Any:
    """Cups of 20 cells and more are painted: cream laid out by a smooth profile, from which single swaps go on."""

    def simulate(config: Any, times: Sequence[int], *, seed: int) -> NDArray[np.uint8]:
        if config.n < 20 or not config.interacting:
            return reference.simulate(config, times, seed=seed)
        rng, n, states = np.random.default_rng(seed), config.n, [reference.start(config)]
        height = n / 2 - np.repeat(np.arange(n) + 0.5, n)
        for more, tick in zip(np.diff(list(times), prepend=0), times, strict=True):
            if more == 1:
                state = states[-1].copy()
                i, j = rng.choice(reference.swappable(config, state))
                state.flat[[i, j]] = state.flat[[j, i]]
            else:
                width = max(np.sqrt(2 * tick) / n, 1e-9)  # by diffusion, in rows
                order = np.argsort(-height / width + rng.logistic(size=n * n), kind="stable")
                state = np.isin(np.arange(n * n), order[: n * n // 2]).reshape(n, n)
            states.append(state)
        return np.array(states[1:], np.uint8)

    return sabotage(reference, simulate=simulate)


def _walks(reference: Any, places: Callable[..., Any]) -> Any:
    """A non-interacting model whose particles are at `places(config, y, x, step, rng)`, rows and columns."""

    def simulate(config: Any, times: Sequence[int], *, seed: int) -> NDArray[np.uint8]:
        if config.interacting:
            return reference.simulate(config, times, seed=seed)
        rng, n = np.random.default_rng(seed), config.n
        y, x = np.nonzero(reference.start(config))
        states = []
        for more in np.diff(list(times), prepend=0):
            (y, x), cells = places(config, y, x, more, rng)
            states.append(np.bincount(cells, minlength=n * n).reshape(n, n))
        return np.array(states, np.uint8)

    return sabotage(reference, simulate=simulate)


def diagonal_steps(reference: Any) -> Any:
    """Particles that do not interact step to a diagonal neighbour."""

    def places(config: Any, y: Any, x: Any, more: int, rng: np.random.Generator) -> Any:
        u, v = 2 * rng.binomial(more, 0.5, size=(2, len(y))) - more  # along both diagonals
        y, x = y + u, x + v
        return (y, x), reference._fold(y, config) * config.n + reference._fold(x, config)

    return _walks(reference, places)


def mirrored_at_the_cell(reference: Any) -> Any:
    """A particle that would leave goes one cell back instead of staying: walls reflect at the middle of a cell."""

    def places(config: Any, y: Any, x: Any, more: int, rng: np.random.Generator) -> Any:
        u, v = 2 * rng.binomial(more, 0.5, size=(2, len(y))) - more  # along both diagonals
        y, x = y + (u + v) // 2, x + (u - v) // 2
        if config.boundary == "periodic":
            return (y, x), y % config.n * config.n + x % config.n
        turn = 2 * config.n - 2
        rows, columns = (np.minimum(line % turn, turn - line % turn) for line in (y, x))
        return (y, x), rows * config.n + columns

    return _walks(reference, places)


def drawn_anew(reference: Any) -> Any:
    """Each snapshot of the non-interacting cup is drawn on its own from the start, so none goes on from the last."""

    def simulate(config: Any, times: Sequence[int], *, seed: int) -> NDArray[np.uint8]:
        if config.interacting:
            return reference.simulate(config, times, seed=seed)
        own = np.random.SeedSequence(seed).generate_state(len(times))
        return np.concatenate([reference.simulate(config, [t], seed=int(s)) for t, s in zip(times, own, strict=True)])

    return sabotage(reference, simulate=simulate)


def large_cups_drawn_anew(reference: Any) -> Any:
    """The same, but only of cups of 20 cells and more."""
    anew = drawn_anew(reference)

    def simulate(config: Any, times: Sequence[int], *, seed: int) -> NDArray[np.uint8]:
        return (anew if config.n >= 20 else reference).simulate(config, times, seed=seed)

    return sabotage(reference, simulate=simulate)


def all_neighbours(reference: Any) -> Any:
    """Pairs to choose from are all neighbours, also those that are alike."""
    return sabotage(reference, swappable=lambda config, state: reference.neighbours(config))


def half_the_bound(reference: Any) -> Any:
    """The bound is for one of the two tails."""
    return sabotage(reference, bad_block_bound=lambda *block: reference.bad_block_bound(*block) / 2)


def block_averages(reference: Any) -> Any:
    """The cup is cut into blocks of grain x grain cells, each replaced by its mean."""

    def coarse_grain(config: Any, states: NDArray[Any]) -> NDArray[np.float64]:
        block = np.arange(config.n) // config.grain
        mean = (block[:, None] == block) / np.bincount(block)[block]
        return mean @ states.astype(float) @ mean.T

    return sabotage(reference, coarse_grain=coarse_grain)


def zero_padding(reference: Any) -> Any:
    """Windows that reach beyond the walls are filled up with coffee."""

    def coarse_grain(config: Any, states: NDArray[Any]) -> NDArray[np.float64]:
        inside = np.minimum(np.arange(config.n) + config.grain // 2 + 1, config.n)
        inside = inside - np.maximum(np.arange(config.n) - config.grain // 2, 0)
        return reference.coarse_grain(config, states) * np.outer(inside, inside) / config.grain**2

    return sabotage(reference, coarse_grain=coarse_grain)


def walls_push_back(reference: Any) -> Any:
    """There are walls, and a particle beside one chooses evenly among the directions that are left."""

    def propagate(config: Any, density: NDArray[Any]) -> NDArray[np.float64]:
        exits = np.pad(np.ones_like(density), 1)
        ways = exits[:-2, 1:-1] + exits[2:, 1:-1] + exits[1:-1, :-2] + exits[1:-1, 2:]
        sent = np.pad(density / ways, 1)
        return sent[:-2, 1:-1] + sent[2:, 1:-1] + sent[1:-1, :-2] + sent[1:-1, 2:]

    return sabotage(reference, propagate=propagate)


def jumps_anywhere(reference: Any) -> Any:
    """Of particles that do not interact, one in n is expected anywhere in the cup after a step."""

    def propagate(config: Any, density: NDArray[Any]) -> NDArray[np.float64]:
        return (1 - 1 / config.n) * reference.propagate(config, density) + density.mean() / config.n

    return sabotage(reference, propagate=propagate)


def rows_share_a_walk(reference: Any) -> Any:
    """All particles that start in the same row take the same steps."""

    def simulate(config: Any, times: Sequence[int], *, seed: int) -> NDArray[np.uint8]:
        rng, rows = np.random.default_rng(seed), config.n // 2
        y, x = np.arange(rows), np.zeros(rows, dtype=np.int64)
        states = np.zeros((len(times), config.n, config.n), np.uint8)
        for k, more in enumerate(np.diff(list(times), prepend=0)):
            u, v = 2 * rng.binomial(more, 0.5, size=(2, rows)) - more
            x, y = x + (u + v) // 2, y + (u - v) // 2
            np.add.at(states[k], y % config.n, 1)
        return states

    return sabotage(reference, simulate=simulate)


def chernoff_for_any_deviation(reference: Any) -> Any:
    """The bound is Chernoff's for any deviation d * E, 2 exp(-d**2 E / (2 + d)), instead of the one for d <= 1."""

    def bad_block_bound(side: int, buckets: int, expected: float) -> float:
        d = side**2 / (buckets * expected)
        return float(2 * np.exp(-(d**2) * expected / (2 + d)))

    return sabotage(reference, bad_block_bound=bad_block_bound)


def unadjusted(reference: Any) -> Any:
    """Cells keep their bucket, whatever their row's majority is."""
    return reconfigure(reference, lambda config: replace(config, adjusted=False))


def adjusts_to_medians(reference: Any) -> Any:
    """Cells are adjusted to their row's median instead of its most frequent bucket."""

    def discretise(config: Any, averages: NDArray[Any]) -> NDArray[Any]:
        image = unadjusted(reference).discretise(config, averages).astype(int)
        median = np.sort(image)[..., config.n // 2, None]
        return np.where(config.adjusted & (np.abs(image - median) <= 1), median, image).astype(np.uint8)

    return sabotage(reference, discretise=discretise)


def reversed_time(reference: Any) -> Any:
    """Snapshots are handed out from the last to the first."""

    def simulate(config: Any, times: Sequence[int], *, seed: int) -> NDArray[np.uint8]:
        return reference.simulate(config, times, seed=seed)[::-1]

    return sabotage(reference, simulate=simulate)


def coarse_states(reference: Any) -> Any:
    """Snapshots are coarse pictures of the cup, with a grain of n / 5, instead of its cells."""

    def simulate(config: Any, times: Sequence[int], *, seed: int) -> NDArray[np.uint8]:
        look = replace(config, grain=config.n // 5)
        return reference.discretise(look, reference.coarse_grain(look, reference.simulate(config, times, seed=seed)))

    return sabotage(reference, simulate=simulate)


def frozen(reference: Any) -> Any:
    """Nothing ever moves."""

    def simulate(config: Any, times: Sequence[int], *, seed: int) -> NDArray[np.uint8]:
        return np.repeat(reference.start(config)[None], len(times), axis=0)

    return sabotage(reference, simulate=simulate)


def no_coarse_graining(reference: Any) -> Any:
    """Cells are bucketed one by one, without averaging."""

    def coarse_grain(config: Any, states: NDArray[Any]) -> NDArray[np.float64]:
        return states.astype(float)

    return sabotage(reference, coarse_grain=coarse_grain)


def one_grain_for_all(reference: Any) -> Any:
    """The averaging window has 7 cells along each side, whatever the config says."""

    def coarse_grain(config: Any, states: NDArray[Any]) -> NDArray[np.float64]:
        return reference.coarse_grain(replace(config, grain=7), states)

    return sabotage(reference, coarse_grain=coarse_grain)


def ballistic_front(reference: Any) -> Any:
    """Mixing spreads from the middle at one row in eight sweeps instead of by diffusion."""

    def simulate(config: Any, times: Sequence[int], *, seed: int) -> NDArray[np.uint8]:
        rng, half = np.random.default_rng(seed), config.n // 2
        states = np.repeat(reference.start(config)[None], len(times), axis=0)
        for state, tick in zip(states, times, strict=True):
            reach = min(int(tick / config.n**2 / 8), half)
            state[half - reach : half + reach] = rng.permuted(state[half - reach : half + reach].ravel()).reshape(
                2 * reach, config.n
            )
        return states

    return sabotage(reference, simulate=simulate)


def stirred(reference: Any) -> Any:
    """The cup is stirred: rows, then columns, are shifted along a sine between snapshots, with some local mixing."""

    def simulate(config: Any, times: Sequence[int], *, seed: int) -> NDArray[np.uint8]:
        n, rng = config.n, np.random.default_rng(seed)
        shift = np.round(0.12 * n * np.sin(2 * np.pi * np.arange(n) / n)).astype(int)
        along = (np.arange(n) - shift[:, None]) % n
        states = np.repeat(reference.start(config)[None], len(times), axis=0)
        for k in range(1, len(states)):
            before = states[k - 1] if k % 2 else states[k - 1].T
            after = np.take_along_axis(before, along, axis=1)
            states[k] = _mix_blocks(after if k % 2 else after.T, rng)
        return states

    return sabotage(reference, simulate=simulate)


def _mix_blocks(state: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Shuffle the cells within every block of 2 x 2, the blocks placed anew each time."""
    n, (down, right) = len(state), rng.integers(0, 2, 2)
    rolled = np.roll(state, (-down, -right), axis=(0, 1))
    blocks = rolled.reshape(n // 2, 2, n // 2, 2).swapaxes(1, 2).reshape(-1, 4)
    mixed = rng.permuted(blocks, axis=1).reshape(n // 2, n // 2, 2, 2).swapaxes(1, 2).reshape(n, n)
    return np.roll(mixed, (down, right), axis=(0, 1))


def histogram_only(reference: Any) -> Any:
    """The gzip file holds Huffman codes of single bytes, so it counts values and ignores how they are laid out."""

    def compress(payload: bytes, compressor: str) -> bytes:
        if compressor != "gzip":
            return reference.compress(payload, compressor)
        packer = zlib.compressobj(9, zlib.DEFLATED, 31, 9, zlib.Z_HUFFMAN_ONLY)
        return packer.compress(payload) + packer.flush()

    return sabotage(reference, compress=compress)


def longer_files(reference: Any) -> Any:
    """Files of pictures that compress less than a tenfold are 4 % longer: empty blocks stand before their end."""

    def compress(payload: bytes, compressor: str) -> bytes:
        packed = reference.compress(payload, compressor)
        some = (compressor == "gzip" and 10 * len(packed) > len(payload)) * (len(packed) // 125 + 1)
        return packed[:10] + bytes.fromhex("000000ffff") * some + packed[10:]

    return sabotage(reference, compress=compress)


PLANTED = {  # windows counted whole at the walls
    "window-means": ("/ np.outer(high - low, high - low)", "/ config.grain**2"),
}
