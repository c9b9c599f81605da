"""Complexodynamics' reference: programs, samples and systems that can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reference import aaronson2011 as law

CUP, RING = law.CONFIGS["stirred"], law.CONFIGS["ring"]


def text(bits):
    """Bits as they are written down."""
    return "".join(map(str, bits.tolist()))


def test_a_program_by_hand():
    """A cup of 4 x 4 cells: two halves take 26 bits and no index, all as one 25 and log2 of 12,870, which is 13.65."""
    cup = np.repeat(np.array([1, 1, 0, 0], np.uint8), 4).reshape(4, 4)
    halves, whole = "00100001000100010010000000", "0010000100001000010001000"
    assert text(law.program(replace(CUP, slack=12.64), cup)) == halves
    assert text(law.program(replace(CUP, slack=12.66), cup)) == whole
    assert (law.sample(np.array(list(halves), np.uint8), 3, seed=0) == cup).all()
    assert (law.sample(np.array(list(whole), np.uint8), 3, seed=0).sum((1, 2)) == 8).all()


def test_a_ring_by_hand():
    """Rule 90 adds the neighbours: a 1 becomes 101, then 10001, to which the 1 of two steps before is added."""
    states = law.simulate(replace(RING, n=7, rule=90), [0, 1, 2], seed=0)
    assert [text(state) for state in states] == ["0001000", "0010100", "0101010"]
    assert text(law.describe(replace(RING, n=7, rule=90), 2)) == "00000010110110001000011"
    assert text(law.replay(law.describe(replace(RING, n=7, rule=90), 2))) == "0101010"


def test_a_ring_runs_backwards():
    """From two states in exchanged order the same rule leads back to the start."""
    n, before, now = 9, 0, 1 << 4
    for _ in range(2):
        for _ in range(50):
            before, now = now, law._next(110, n, now) ^ before
        before, now = now, before
    assert (before, now) == (0, 1 << 4)


def test_high_bytes_by_hand():
    """From 1, by x -> 2**56 x + 2**56: the high byte is 2, then that of 2 * 2**56 * 2**56 + 2**56, which is 1."""
    assert law.pseudorandom(1 << 56, 1 << 56, 1, 3) == bytes([2, 1, 1])
    assert law.pseudorandom(3, 1, 1, 0) == b""


def test_a_stroke_moves_columns_down():
    """Without shuffling's help: the sheared cup has the same cream, and column n / 4 is moved the furthest."""
    cells = np.zeros((8, 8), np.uint8)
    cells[:, 0] = 1
    moved = law._shear(replace(CUP, n=8, amplitude=0.25), cells)
    assert moved.argmax(1).tolist() == [0, 1, 2, 1, 0, 7, 6, 7]
    states = law.simulate(replace(CUP, n=8), [0, 1, 1, 9], seed=3)
    assert (states.sum((1, 2)) == 32).all()
    assert (states[1] == states[2]).all()


@pytest.mark.parametrize("wrong", [{"n": 0}, {"n": 7}, {"rule": 256}, {"slack": -1.0}, [5, 3], [-1, 2], [[1, 2]]])
def test_impossible_systems_and_times_are_refused(wrong):
    """No cells, an odd stirred cup, a rule that is none, a negative c; times that go back, are negative or no list."""
    config, times = (wrong, [0]) if isinstance(wrong, dict) else ({}, wrong)
    with pytest.raises(ValueError, match=r"must be"):
        law.simulate(replace(CUP, **config), times, seed=0)
