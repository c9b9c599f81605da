"""The book's reference: programs, codes and entropies worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reference import shen2017 as book

PREFIX, PLAIN = (replace(book.CONFIGS[name], width=4, longest=10) for name in ("prefix", "plain"))


@pytest.mark.parametrize(
    ("config", "text", "bits"),
    [
        (PREFIX, "01", 8),  # 00 01 1111
        (PREFIX, "1111", 10),  # 01 1110 1111 repeats up to the width; 01 10 10 1111 doubles twice
        (PREFIX, "0110", 11),  # unknown: more than 10 bits
        (replace(PREFIX, condition="0110"), "0110", 7),  # 110 1111
        (PLAIN, "0110", 5),  # 0 and the string
        (replace(PLAIN, condition="0110"), "0110", 4),  # 1 and 110
    ],
)
def test_shortest_programs(config, text, bits):
    """Complexities of short strings are those of programs that one finds by hand."""
    assert book.complexities(config, [50])[0, int("1" + text, 2)] == bits


def test_codes_by_hand():
    """Codewords come from the left; a ninth code of three bits finds no room; 10 is the first of two strings."""
    assert book.allocate([2, 1, 2]) == ["00", "1", "01"]
    assert len(book.allocate([3] * 9)) == 8
    assert book.encode(np.array([1, 0], np.uint8)) == "011" + "01" + "0"


def test_entropies_of_a_sum():
    """Two coins and their sum modulo 2: any two have 2 bits, and so have all three."""
    joint = np.fromfunction(lambda a, b, c: ((a + b + c) % 2 == 0) / 4, (2, 2, 2))
    assert book.entropies(joint) == pytest.approx([0, 1, 1, 2, 1, 2, 2, 2])


def test_an_impossible_machine_is_refused():
    """A machine without room for a bit is refused."""
    with pytest.raises(ValueError, match="width >= 1"):
        replace(PREFIX, width=0)
