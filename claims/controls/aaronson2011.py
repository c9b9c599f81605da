"""Sabotaged complexodynamics: each differs from the reference in the one thing that its docstring states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate, product
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.controls import aaronson2014
from claims.oracles import aaronson2011 as oracle
from repro import reconfigure, sabotage

Array = NDArray[Any]


def _states(reference: Any, systems: str, states_of: Callable[[Any, list[int], int], Array]) -> Any:
    """The states of some systems are `states_of(config, times, seed)`."""

    def simulate(config: Any, times: Sequence[int], *, seed: int) -> Array:
        if config.system not in systems.split():
            return reference.simulate(config, times, seed=seed)
        return states_of(config, [int(time) for time in times], seed)

    return sabotage(reference, simulate=simulate)


# Deterministic systems


def _ring(reference: Any, following: Callable[[Any, int, int, np.random.Generator], int]) -> Any:
    """The ring that is watched goes on to `following(config, before, by the first-order rule, rng)`, bits of cells."""

    def states_of(config: Any, times: list[int], seed: int) -> Array:
        rng, before, now, states = np.random.default_rng(seed), 0, 1 << config.n // 2, []
        for time in range(max(times) + 1):
            states += [[now >> i & 1 for i in range(config.n)]] * (time in times)
            before, now = now, following(config, before, reference._next(config.rule, config.n, now), rng)
        return np.array(states, np.uint8)

    return _states(reference, "ring", states_of)


def forgets_the_step_before(reference: Any) -> Any:
    """The ring that is watched is a first-order automaton: the step before is not added."""
    return _ring(reference, lambda config, before, found, rng: found)


def noisy_ring(reference: Any) -> Any:
    """In the ring that is watched, one of ten thousand cells flips at each step."""

    def following(config: Any, before: int, found: int, rng: np.random.Generator) -> int:
        return before ^ found ^ (int(rng.random() < 1e-4 * config.n) << int(rng.integers(config.n)))

    return _ring(reference, following)


def rule_0(reference: Any) -> Any:
    """The ring obeys rule 0, whatever the config says, and comes back to its start every four steps."""
    return reconfigure(reference, lambda config: replace(config, rule=0))


def one_mark_for_each_step(reference: Any) -> Any:
    """Descriptions have a mark for each step beside the number of steps, up to a thousand marks."""

    def describe(config: Any, time: int) -> Array:
        return np.concatenate([reference.describe(config, time), np.ones(min(time, 1000), np.uint8)])

    return sabotage(reference, describe=describe)


def low_bytes(reference: Any) -> Any:
    """The generator hands out the lowest bytes of its numbers, which come back after 256 steps."""

    def pseudorandom(multiplier: int, increment: int, start: int, count: int) -> bytes:
        numbers = accumulate(range(count), lambda x, _: (multiplier * x + increment) % 2**64, initial=start)
        return bytes(x % 256 for x in numbers)[1:]

    return sabotage(reference, pseudorandom=pseudorandom)


# Programs and samples


def _chosen(reference: Any, length: Callable[[Array, Array], Array]) -> Any:
    """Programs for which grids compete by `length(sizes [grids, 2], grids [grids, 2])`, and not by all their bits."""

    def program(config: Any, state: Array) -> Array:
        picture, grids = state.astype(int), list(product(*map(oracle.sides, state.shape)))
        sizes = np.array([oracle.sizes(picture, *grid) for grid in grids])
        competing = length(sizes, np.array(grids))
        generic = competing <= competing.min() + config.slack
        return np.array(oracle.written(picture, *grids[int(np.where(generic, sizes[:, 0], np.inf).argmin())]), np.uint8)

    return sabotage(reference, program=program)


def no_model_term(reference: Any) -> Any:
    """Only the index of the picture in its set counts as length, so sets have few members."""
    return _chosen(reference, lambda sizes, grids: sizes[:, 1])


def no_index_term(reference: Any) -> Any:
    """Only the program counts as length, so pictures need not be generic in their sets."""
    return _chosen(reference, lambda sizes, grids: sizes[:, 0])


def whole_rows(reference: Any) -> Any:
    """Blocks are as wide as the picture."""
    return _chosen(reference, lambda sizes, grids: np.where(grids[:, 1] == grids[:, 1].max(), sizes.sum(1), np.inf))


def least_description(reference: Any) -> Any:
    """The shortest description of all is taken, with no bits allowed above it for a shorter program: c is 0."""
    return reconfigure(reference, lambda config: replace(config, slack=0.0))


def _blocks(reference: Any, shuffled: Callable[[Array, np.random.Generator], Array]) -> Any:
    """Blocks of samples hold `shuffled(cells, rng)`, given their cells one after another, coffee first."""

    def sample(program: Array, count: int, *, seed: int) -> Array:
        first = reference.sample(program, 1, seed=seed)[0]
        _, _, height, width = reference._read(program, 4)[0]
        rng, found = np.random.default_rng(seed), np.repeat(first[None], count, axis=0)
        for picture, y, x in product(found, range(0, len(first), height), range(0, len(first[0]), width)):
            block = picture[y : y + height, x : x + width]
            block[:] = shuffled(np.sort(block, axis=None), rng).reshape(block.shape)
        return found

    return sabotage(reference, sample=sample)


def swaps_with_any(reference: Any) -> Any:
    """Blocks are shuffled by swapping each cell with any, instead of any that is still to come."""

    def shuffled(cells: Array, rng: np.random.Generator) -> Array:
        for k, other in enumerate(rng.integers(cells.size, size=cells.size)):
            cells[k], cells[other] = cells[other], cells[k]
        return cells

    return _blocks(reference, shuffled)


def byte_keys(reference: Any) -> Any:
    """Places are sorted by random bytes, so of those with the same byte the first come first, and get coffee."""
    return _blocks(
        reference, lambda cells, rng: cells[rng.integers(256, size=cells.size).argsort(kind="stable").argsort()]
    )


def independent_cells(reference: Any) -> Any:
    """Each cell is cream with its block's density, so blocks have the right number on average only."""
    return _blocks(reference, lambda cells, rng: rng.random(cells.size) < cells.mean())


# Cups


def _strokes(reference: Any, mix: Callable[[Array, np.random.Generator], Array]) -> Any:
    """A stirred cup whose cells after a stroke are `mix(cells, rng)` of those that it moved."""

    def states_of(config: Any, times: list[int], seed: int) -> Array:
        rng, states = np.random.default_rng(seed), [reference.simulate(config, [0], seed=seed)[0]]
        for number in range(1, max(times) + 1):
            before = states[-1]
            moved = reference._shear(config, before.T).T if number % 2 else reference._shear(config, before)
            states.append(mix(moved, rng))
        return np.array([states[time] for time in times])

    return _states(reference, "stirred", states_of)


def blocks_turn(reference: Any) -> Any:
    """Blocks of 2 x 2 are turned by a random number of quarters, instead of shuffled."""
    quarters = np.array([[0, 1, 2, 3], [1, 3, 0, 2], [3, 2, 1, 0], [2, 0, 3, 1]])

    def mix(moved: Array, rng: np.random.Generator) -> Array:
        def turned(blocks: Array, axis: int) -> Array:
            return np.take_along_axis(blocks, quarters[rng.integers(0, 4, len(blocks))], axis)

        return reference._shuffle_blocks(moved, SimpleNamespace(integers=rng.integers, permuted=turned))

    return _strokes(reference, mix)


def never_shuffled(reference: Any) -> Any:
    """Strokes move rows and columns and nothing else, so threads of cream grow thinner and never dissolve."""
    return _strokes(reference, lambda moved, rng: moved)


def left_alone(reference: Any) -> Any:
    """The cup is not stirred: a stroke is as many swaps of differing pairs as a quarter of its cells."""

    def states_of(config: Any, times: list[int], seed: int) -> Array:
        swaps = [config.n**2 // 4 * time for time in times]
        return reference.simulate(replace(config, system="exclusion"), swaps, seed=seed)

    return _states(reference, "stirred", states_of)


def always_stirred(reference: Any) -> Any:
    """The cup that is to be left alone is stirred, a stroke each time that it doubles its number of swaps."""

    def states_of(config: Any, times: list[int], seed: int) -> Array:
        strokes = [time.bit_length() for time in times]
        return reference.simulate(replace(config, system="stirred"), strokes, seed=seed)

    return _states(reference, "exclusion", states_of)


def walls_favoured(reference: Any) -> Any:
    """In the cup that is left alone, pairs along the walls are swapped twice as often as others."""
    cup = aaronson2014.walls_favoured(reference.coffee)

    def states_of(config: Any, times: list[int], seed: int) -> Array:
        return cup.simulate(cup.Config(n=config.n, grain=1), times, seed=seed)

    return _states(reference, "exclusion", states_of)


def coarse_cups(reference: Any) -> Any:
    """Cups are seen coarsely: each cell is what most cells are in the block of 8 x 8 that it lies in."""

    def states_of(config: Any, times: list[int], seed: int) -> Array:
        states, blocks = reference.simulate(config, times, seed=seed), config.n // 8
        most = states.reshape(len(states), blocks, 8, blocks, 8).mean((2, 4)) > 0.5
        return most.repeat(8, 1).repeat(8, 2).astype(np.uint8)

    return _states(reference, "stirred exclusion", states_of)


# The last blocks counted whole where they are cut off
PLANTED = {"programs": ("np.outer(down, across)", "np.full(cream.shape, grid[0] * grid[1])")}
