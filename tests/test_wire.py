"""Frames: whatever may cross comes out as it went in, and nothing else gets through."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from harness.sandbox.broker import codec
from harness.sandbox.inside.wire import BUFFERS, DTYPES, HEAD, JSON_BYTES, Channel, Closed, Codec, WireError
from repro.task import Graphs, Layer, Sequences, Signal

ARRAYS = st.sampled_from(sorted(DTYPES)).flatmap(
    lambda name: hnp.arrays(np.dtype(name), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5) | ARRAYS
VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


def crossed(value: Any, own: Codec | None = None) -> Any:
    """The value after it has been packed and unpacked."""
    text, buffers = (own or codec()).pack(value)
    return codec().unpack(bytearray(text), [bytearray(buffer) for buffer in buffers])


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal in type and content, NaN included."""
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and type(one) is type(other) and all(map(same, one, other))
    return type(one) is type(other) and (one == other or one != one)


@given(VALUES)
def test_values_come_out_as_they_went_in(value):
    """Nested lists, tuples, dicts, arrays of every kind and shape, bytes, NaN and long integers."""
    assert same(value, crossed(value))


@pytest.mark.parametrize(
    "value",
    [
        Layer(name="a", kind="conv", weights=((2, 1, 3, 3), (2,)), output=(2, 4, 4)),
        Signal(name="a", response=np.ones((1, 2), np.float32), gradient=np.zeros(3, np.float32)),
        Sequences(items=np.arange(6).reshape(2, 3), lengths=np.array([3, 1])),
        Graphs(
            nodes=np.ones((2, 1), np.float32),
            edges=np.array([[0, 1]]),
            links=np.ones((1, 1), np.float32),
            nodes_of=np.array([2]),
            edges_of=np.array([1]),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_structs_of_the_contract_cross(value):
    """Each struct arrives as itself, with its arrays."""
    arrived = crossed(value)
    assert type(arrived) is type(value)
    assert all(same(getattr(value, name), getattr(arrived, name)) for name in value.__struct_fields__)


@dataclass(frozen=True, kw_only=True)
class Config:
    width: int
    rates: tuple[float, ...]


def test_configs_arrive_as_frozen_dataclasses():
    """A config keeps its name and fields, can be replaced field by field, and equal ones are equal."""
    first, second = (crossed(Config(width=3, rates=(0.1, 0.2))) for _ in range(2))
    assert first == second
    assert (type(first).__name__, first.width, first.rates) == ("Config", 3, (0.1, 0.2))
    with pytest.raises(AttributeError):
        first.width = 4


@pytest.mark.parametrize(
    "value",
    [np.array(["text"]), np.array([object()], dtype=object), np.zeros(1, complex), {1: "key"}, object(), print, {1, 2}],
    ids=["texts", "objects", "complex", "whole-number key", "object", "function", "set"],
)
def test_what_may_not_cross_is_refused_before_it_is_sent(value):
    """Objects, functions, arrays of anything but numbers."""
    with pytest.raises(WireError):
        codec().pack(value)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["array", "bytes", "tuple", "dict", "float", "integer", "struct", "config", "data", "object", "x"]
            ),
            inner,
            max_size=2,
        )
    ),
    max_leaves=10,
)


@given(JSON, st.lists(st.binary(max_size=20), max_size=2))
def test_any_json_is_a_value_or_a_malformed_frame(plain, buffers):
    """No JSON makes the reader raise anything but WireError."""
    frame = bytearray(msgspec.json.encode(plain)), [bytearray(b) for b in buffers]
    raised = None
    with contextlib.suppress(WireError):
        raised = codec().unpack(*frame)
    assert not callable(raised)


@pytest.mark.parametrize(
    "plain",
    [
        {"array": [0, "float32", [3]]},
        {"array": [0, "float32", [-1]]},
        {"array": [0, "object", [1]]},
        {"array": [7, "uint8", [8]]},
        {"array": [0, "uint8", [2, 4, 1.0]]},
        {"array": [0, "uint8", [8] + [1] * 40]},
        {"bytes": 3},
        {"float": "1e5"},
        {"integer": "9" * 101},
        {"struct": ["Record", {}]},
        {"struct": ["Layer", {"name": 3}]},
        {"struct": ["Signal", {"name": "a", "response": 1, "gradient": 2}]},
        {"config": ["__import__('os')", {}]},
        {"config": ["A", {"not a name": 1}]},
        {"object": 1},
        {"iterator": 1},
        {"code": "print()"},
        {"tuple": 3},
        {},
    ],
    ids=str,
)
def test_malformed_values_are_refused(plain):
    """Sizes that do not fit, types that are not listed, names that are none."""
    with pytest.raises(WireError, match="a malformed frame"):
        codec().unpack(bytearray(msgspec.json.encode(plain)), [bytearray(8)])


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (HEAD.pack(JSON_BYTES + 1, 0), WireError),
        (HEAD.pack(2, BUFFERS + 1), WireError),
        (HEAD.pack(2, 1) + (1 << 40).to_bytes(8, "little"), WireError),
        (HEAD.pack(2, 0) + b"{", Closed),
        (b"\0\0", Closed),
        (b"", Closed),
    ],
    ids=["long JSON", "many buffers", "a large buffer", "cut short", "half a head", "nothing"],
)
def test_frames_that_are_too_large_or_cut_short_are_refused(sent, error):
    """What a frame announces is checked before anything is allocated for it."""
    here, there = socket.socketpair()
    with here, there:
        there.sendall(sent)
        there.shutdown(socket.SHUT_WR)
        with pytest.raises(error):
            Channel(here, 1 << 20).receive()


def test_large_frames_cross_whole():
    """More than a socket holds at once, in several buffers, is read as it was written."""
    here, there = socket.socketpair()
    value = {"a": np.arange(1 << 18), "b": [np.ones((3, 1 << 16), np.float32), b"x" * (1 << 17)]}
    with here, there:
        sender = threading.Thread(target=lambda: Channel(there, 1 << 30).send(*codec().pack(value)))
        sender.start()
        arrived = codec().unpack(*Channel(here, 1 << 30).receive())
        sender.join()
    assert same(value, arrived)


def test_frames_that_arrive_together_are_told_apart():
    """Small and large frames written one after another come out one by one, none losing a byte to the next."""
    here, there = socket.socketpair()
    values = [b"a", np.arange(9000), b"b" * (1 << 16), [], np.zeros(8191), {"c": 1}, b"d" * 70_000, None]
    with here, there:
        writing, reading = Channel(there, 1 << 30), Channel(here, 1 << 30)
        sender = threading.Thread(target=lambda: [writing.send(*codec().pack(value)) for value in values])
        sender.start()
        arrived = [codec().unpack(*reading.receive()) for _ in values]
        sender.join()
    assert all(map(same, values, arrived))
