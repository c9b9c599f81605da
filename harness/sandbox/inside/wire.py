"""Frames between broker and worker: JSON for what is small, raw bytes for arrays, nothing that runs code.

A frame is two 32-bit numbers (length of the JSON part, number of buffers), a 64-bit length for each buffer, the
JSON part and the buffers, all little-endian. Values that JSON lacks are objects with one key that says what they
are, such as {"array": [buffer, dtype, shape]}. Both sides speak it through a `Codec`; they differ in what they do
with objects that stay on the other side.
"""

from __future__ import annotations

import dataclasses
import math
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from repro import task

HEAD, SIZE = struct.Struct("<II"), struct.Struct("<Q")
JSON_BYTES, BUFFERS, DIMENSIONS = 8 << 20, 1 << 16, 32
NESTED = 1 << 17  # lists and objects in a frame: each costs microseconds to read, with the receiver's clock running
BLOCK = 1 << 16  # bytes: frames below this size are sent and read in one go
DTYPES = {
    name: np.dtype(name).newbyteorder("<")
    for name in (
        "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
        "float16", "float32", "float64",
    )
}  # fmt: skip
STRUCTS = {kind.__name__: kind for kind in (task.Layer, task.Signal, task.Sequences, task.Graphs)}
DATA = (("images", "labels", "classes"), ("tokens", "validation", "vocabulary"), ("inputs", "outputs"))
"""Attributes of the kinds of data that an implementation is trained on."""


class WireError(Exception):
    """What arrived is not a frame, or a frame of what may not cross."""


class Closed(Exception):
    """The other side has gone."""


class Handle:
    """Stands for an object that lives on the other side."""


class Channel:
    """Frames over a connected socket, which may bring in at most so many bytes each."""

    def __init__(self, connection: socket.socket, most: int) -> None:
        self._socket, self._most = connection, most
        self._ahead = bytearray()
        self.deadline: float | None = None

    def send(self, text: bytes, buffers: list[memoryview]) -> None:
        """Write a frame.

        Raises:
            TimeoutError: if the deadline passes.
            Closed: if nobody reads it.
        """
        head = HEAD.pack(len(text), len(buffers)) + b"".join(SIZE.pack(buffer.nbytes) for buffer in buffers)
        small = sum(buffer.nbytes for buffer in buffers) < BLOCK
        parts = [b"".join([head, text, *buffers])] if small else [head + text, *buffers]
        try:
            for part in parts:
                self._wait()
                self._socket.sendall(part)
        except (BrokenPipeError, ConnectionError) as error:
            raise Closed from error

    def receive(self) -> tuple[bytearray, list[bytearray]]:
        """Read a frame.

        Raises:
            WireError: if it is longer than it may be.
            TimeoutError: if the deadline passes.
            Closed: if the other side has gone, also in the middle of a frame.
        """
        length, count = HEAD.unpack(self._read(HEAD.size))
        if length > JSON_BYTES or count > BUFFERS:
            raise WireError(f"a frame announces {length:,} bytes of JSON and {count:,} buffers")
        sizes = [size for (size,) in SIZE.iter_unpack(self._read(SIZE.size * count))] if count else []
        if length + sum(sizes) > self._most:
            raise WireError(f"an answer of {length + sum(sizes):,} bytes, where {self._most:,} are allowed")
        text = self._read(length)
        return text, [self._read(size) for size in sizes]

    def _read(self, size: int) -> bytearray:
        """The next bytes; small frames are read ahead, in one go."""
        if size < BLOCK:
            while len(self._ahead) < size:
                block = bytearray(BLOCK)
                self._ahead += memoryview(block)[: self._receive(memoryview(block))]
            data, self._ahead = self._ahead[:size], self._ahead[size:]
            return data
        data = bytearray(size)
        done = min(size, len(self._ahead))
        data[:done], self._ahead = self._ahead[:done], self._ahead[done:]
        while done < size:
            done += self._receive(memoryview(data)[done:])
        return data

    def _receive(self, view: memoryview) -> int:
        self._wait()
        try:
            got = self._socket.recv_into(view)
        except ConnectionError as error:
            raise Closed from error
        if not got:
            raise Closed
        return got

    def check_deadline(self) -> float | None:
        """Seconds that are left; None where there is no deadline.

        Raises:
            TimeoutError: if none are.
        """
        left = None if self.deadline is None else self.deadline - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError
        return left

    def _wait(self) -> None:
        if (left := self.check_deadline()) is not None:
            self._socket.settimeout(left)


class Codec:
    """Values to and from frames.

    Args:
        stay: what to send for an object that stays here, and for those of the types `special`.
        come: what to make of an object, iterator, config or data that the other side describes: (kind, description).
    """

    def __init__(
        self,
        stay: Callable[[Any], dict[str, Any]],
        come: Callable[[str, Any], Any],
        special: tuple[type, ...] = (),
    ) -> None:
        self._stay, self._come, self._special = stay, come, special

    def pack(self, value: Any) -> tuple[bytes, list[memoryview]]:
        """JSON and buffers of a value.

        Raises:
            WireError: if it holds something that may not cross.
        """
        buffers: list[memoryview] = []
        return msgspec.json.encode(self._plain(value, buffers)), buffers

    def unpack(self, text: bytearray, buffers: list[bytearray]) -> Any:
        """The value of a frame.

        Raises:
            WireError: if the frame is not one.
        """
        if (nested := text.count(b"[") + text.count(b"{")) > NESTED:
            raise WireError(f"a frame of {nested:,} lists and objects, where {NESTED:,} are allowed")
        try:
            return self._value(msgspec.json.decode(text), dict(enumerate(buffers)))
        except WireError:
            raise
        except Exception as error:  # a hostile frame can provoke many kinds: the caller shall see one
            raise WireError(f"a malformed frame ({type(error).__name__}: {str(error)[:200]})") from error

    def _plain(self, value: Any, buffers: list[memoryview]) -> Any:
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, self._special):
            return {key: self._plain(item, buffers) for key, item in self._stay(value).items()}
        if isinstance(value, int | np.integer):
            return int(value) if -(2**63) <= value < 2**64 else {"integer": str(int(value))}
        if isinstance(value, float | np.floating):
            return float(value) if math.isfinite(value) else {"float": str(float(value))}
        if isinstance(value, np.bool_):
            return bool(value)
        if isinstance(value, np.ndarray):
            return self._array(value, buffers)
        if isinstance(value, bytes | bytearray):
            buffers.append(memoryview(value))
            return {"bytes": len(buffers) - 1}
        if isinstance(value, list):
            return [self._plain(item, buffers) for item in value]
        if isinstance(value, tuple | range):
            return {"tuple": [self._plain(item, buffers) for item in value]}
        if isinstance(value, dict):
            return {"dict": [[_text(key), self._plain(item, buffers)] for key, item in value.items()]}
        if type(value).__name__ in STRUCTS and isinstance(value, STRUCTS[type(value).__name__]):
            fields = {name: self._plain(getattr(value, name), buffers) for name in value.__struct_fields__}
            return {"struct": [type(value).__name__, fields]}
        for names in DATA:
            if all(hasattr(value, name) for name in names):
                return {"data": {name: self._plain(getattr(value, name), buffers) for name in names}}
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [field.name for field in dataclasses.fields(value)]
            fields = {name: self._plain(getattr(value, name), buffers) for name in names}
            return {"config": [type(value).__qualname__, fields]}
        return {key: self._plain(item, buffers) for key, item in self._stay(value).items()}

    @staticmethod
    def _array(value: np.ndarray, buffers: list[memoryview]) -> dict[str, Any]:
        if value.dtype.name not in DTYPES:
            raise WireError(f"an array of {value.dtype}, where only whole and floating-point numbers may cross")
        exact = np.ascontiguousarray(value, dtype=DTYPES[value.dtype.name])
        buffers.append(exact.reshape(-1).view(np.uint8).data)
        return {"array": [len(buffers) - 1, value.dtype.name, list(value.shape)]}

    def _value(self, plain: Any, buffers: dict[int, bytearray]) -> Any:
        """What JSON stands for; each buffer serves once, lest a small frame become a large value."""
        if isinstance(plain, list):
            return [self._value(item, buffers) if isinstance(item, list | dict) else item for item in plain]
        if not isinstance(plain, dict):
            return plain
        ((kind, what),) = plain.items()
        if kind == "array":
            index, dtype, shape = what
            if len(shape) > DIMENSIONS or any(type(side) is not int or side < 0 for side in shape):
                raise ValueError(f"shape {shape}")
            return np.frombuffer(buffers.pop(index), dtype=DTYPES[dtype]).reshape(shape)
        if kind == "bytes":
            return bytes(buffers.pop(what))
        if kind == "tuple":
            return tuple(self._value(item, buffers) for item in what)
        if kind == "dict":
            return {_text(key): self._value(item, buffers) for key, item in what}
        if kind == "float":
            return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[what]
        if kind == "integer":
            if len(what) > 100:
                raise ValueError("an integer of more than 100 digits")
            return int(what)
        if kind == "struct":
            name, fields = what
            known = {key: self._value(item, buffers) for key, item in fields.items()}
            return msgspec.convert(known, STRUCTS[name], strict=False, builtin_types=(np.ndarray,), dec_hook=_as_is)
        if kind in ("config", "data"):
            name, fields = what if kind == "config" else ("", what)
            return self._come(kind, (name, {key: self._value(item, buffers) for key, item in fields.items()}))
        return self._come(kind, self._value(what, buffers))


def _as_is(kind: type, value: Any) -> Any:
    """Arrays within structs are there already."""
    if not isinstance(value, np.ndarray):
        raise ValueError(f"{type(value).__name__} where an array is due")
    return value


def _text(key: Any) -> str:
    if not isinstance(key, str):
        raise WireError(f"a dict with a key that is {type(key).__name__}, not text")
    return key
