"""The side outside the jail: it owns labels, seeds, clock and scores, and speaks for the submission to the claims.

To an experiment, what `Broker` gives looks like a reference module. Every call goes through the pipe; what comes back
is numbers, configs and the contract's structs, and objects that stayed inside are handed back by reference.
"""

from __future__ import annotations

import dataclasses
import subprocess
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import normalize

from harness.sandbox.inside.wire import Channel, Closed, Codec, Handle, WireError
from harness.sandbox.jail import Jail, Jailed
from repro.data._lazy_images import Pictures

OBJECTS = 1 << 16  # that a submission may leave inside
KINDS, FIELDS = 50, 300  # of configs that it may send, and of a config: each kind is compiled here
MESSAGE = 2000  # characters of an error that it raised
ENDING_S = 30  # for a process to end once its pipe is closed: a moment, but not where the machine is busy


@dataclass(frozen=True)
class OfferedNames:
    """What a submission offers: presets by name, and the names of its functions."""

    configs: Mapping[str, Any]
    offers: tuple[str, ...]


class Broker:
    """One trial's conversation with the worker in a jail that has been entered; `name` is for messages."""

    def __init__(self, jail: Jail, name: str) -> None:
        self._jail, self._name = jail, name
        self._channel = Channel(jail.connection, jail.limits.message_bytes)
        self._channel.deadline = time.monotonic() + jail.limits.wall_s
        self._codec = Codec(self._stay, self._come, special=(Handle, Pictures))
        self._dropped: list[int] = []
        self._living: set[int] = set()
        self._kinds: set[tuple[str, tuple[str, ...]]] = set()
        self.seconds: dict[str, float] = {}

    def load(self, seed: int | None, device: str) -> OfferedNames:
        """Have the submission imported.

        Args:
            seed: what the global random generators start from; None to leave them.
            device: "cpu", "cuda" or "mps".

        Raises:
            Jailed: if it cannot be imported, or what it offers is not readable.
        """
        found = self.ask("load", seed=seed, device=device)
        configs, offers = (found.get("configs"), found.get("offers")) if isinstance(found, dict) else (None, None)
        if not isinstance(configs, dict) or not isinstance(offers, list):
            raise self._fault("it described itself in a way that cannot be read")
        for name, config in configs.items():
            if not dataclasses.is_dataclass(config):
                raise Jailed(
                    f"{self._name}: CONFIGS[{name!r}] is {type(config).__name__}, not a frozen dataclass",
                    "Give each preset as an instance of your Config, with numbers and texts as fields.",
                )
        return OfferedNames(configs, tuple(str(name) for name in offers))

    def names(self, offered: OfferedNames) -> ImplementationProxy:
        """The submission as experiments see it."""
        return ImplementationProxy(self, offered)

    def collect(self) -> dict[str, bytes]:
        """The code that compilers left behind in the jail, by relative path."""
        found = self.ask("collect")
        if not isinstance(found, dict) or not all(isinstance(data, bytes) for data in found.values()):
            raise self._fault("it handed over compiled code in a way that cannot be read")
        return found

    def call(self, target: int, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a function (target 0) or a method of an object inside, on the clock."""
        started = time.perf_counter()
        try:
            return self.ask("call", target=target, name=name, args=args, kwargs=kwargs)
        finally:
            self._count(name, started)

    def advance(self, target: int, name: str) -> Any:
        """The next item of an iterator that `name` returned, on the clock.

        Raises:
            StopIteration: at its end.
        """
        started = time.perf_counter()
        try:
            found = self.ask("next", target=target)
        finally:
            self._count(name, started)
        if not isinstance(found, dict) or not found.keys() <= {"item"}:
            raise self._fault("an iterator gave what cannot be read")
        if not found:
            raise StopIteration
        return found["item"]

    def ask(self, do: str, **what: Any) -> Any:
        """Send a request and wait for its answer.

        Raises:
            Jailed: if the submission raised, broke a limit, or answered with what is not a frame.
        """
        if self._dropped:
            targets, self._dropped = self._dropped, []
            self.ask("drop", targets=targets)
        request = self._codec.pack({"do": do, "with": what})
        try:
            self._channel.send(*request)
            answer = self._codec.unpack(*self._channel.receive())
            self._channel.check_deadline()  # reading what came is on its clock as well
        except TimeoutError:
            raise self._fault(f"it took longer than {self._jail.limits.wall_s:,} s") from None
        except Closed:
            raise self._fault(self._death()) from None
        except WireError as error:
            raise self._fault(f"it answered with {error}") from None
        if not isinstance(answer, dict) or answer.keys() not in ({"value"}, {"error", "where"}):
            raise self._fault("it answered with a frame that is no answer")
        if "error" in answer:
            where = f" ({clean(answer['where'])})" if answer["where"] else ""
            raise Jailed(f"{self._name} raised {clean(answer['error'])}{where}", self._last_words())
        return answer["value"]

    def _count(self, name: str, started: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started

    def _fault(self, why: str) -> Jailed:
        """Kill the jail; the error that says why."""
        self._jail.kill(why)
        return Jailed(f"{self._name} was stopped: {self._jail.fault}", self._last_words())

    def _death(self) -> str:
        try:
            code = self._jail.process.wait(ENDING_S)
        except subprocess.TimeoutExpired:
            return "it closed the pipe"
        return f"its process ended with {f'exit code {code}' if code >= 0 else f'signal {-code}'} without an answer"

    def _last_words(self) -> str:
        text = self._jail.printed.decode(errors="replace").strip()
        lines = [clean(line) for line in text.split("\n")[-12:]]
        return "It printed:\n" + "\n".join(lines) if text else ""

    def _stay(self, value: Any) -> dict[str, Any]:
        if isinstance(value, RemoteObject):
            return {"object": value._target}
        if isinstance(value, Pictures):
            paths = [Path(path) for path in value.paths]
            if all(any(p.is_relative_to(folder) for folder in self._jail.view.shared) for p in paths):
                return {"pictures": [str(path) for path in paths]}
            return {"encoded": [path.read_bytes() for path in paths]}
        raise TypeError(f"a {type(value).__name__} cannot be passed to a submission: see repro/task.py")

    def _come(self, kind: str, what: Any) -> Any:
        if kind in ("object", "iterator"):
            if type(what) is not int or what in self._living or len(self._living) >= OBJECTS:
                raise ValueError("too many objects, or one without a number of its own")
            remote = (RemoteIterator if kind == "iterator" else RemoteObject)(self, what)
            self._living.add(what)
            weakref.finalize(remote, self._forget, what).atexit = False
            return remote
        if kind == "config":
            self._kinds.add((what[0], tuple(what[1])))
            if len(self._kinds) > KINDS:
                raise ValueError(f"more than {KINDS} kinds of configs")
            return config_of(*what)
        raise ValueError(f"unknown kind {kind!r}")

    def _forget(self, target: int) -> None:
        self._living.discard(target)
        self._dropped.append(target)


class RemoteObject(Handle):
    """An object that stayed in the jail; its methods are called through the pipe."""

    def __init__(self, broker: Broker, target: int) -> None:
        self._broker, self._target = broker, target

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *args, **kwargs: self._broker.call(self._target, name, args, kwargs)


class RemoteIterator(RemoteObject):
    """An iterator that stayed in the jail."""

    of = "next"

    def __iter__(self) -> RemoteIterator:
        return self

    def __next__(self) -> Any:
        return self._broker.advance(self._target, self.of)


class ImplementationProxy:
    """A submission's functions, as experiments call those of a reference module."""

    def __init__(self, broker: Broker, offered: OfferedNames) -> None:
        self._broker, self._offered = broker, offered
        self.CONFIGS = offered.configs

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in self._offered.offers:
            raise AttributeError(f"the submission has no {name}")

        def function(*args: Any, **kwargs: Any) -> Any:
            result = self._broker.call(0, name, args, kwargs)
            if isinstance(result, RemoteIterator):
                result.of = name  # the time of its items is the function's
            return result

        return function


def codec() -> Codec:
    """A codec for descriptions, in which nothing but configs may come."""

    def nothing(value: Any) -> dict[str, Any]:
        raise WireError(f"a {type(value).__name__} where a description is due")

    def come(kind: str, what: Any) -> Any:
        if kind != "config":
            raise ValueError(f"unknown kind {kind!r}")
        return config_of(*what)

    return Codec(nothing, come)


def config_of(name: str, fields: dict[str, Any]) -> Any:
    """A config of the submission as a frozen dataclass here, of the same name and fields.

    Raises:
        ValueError: for what is not a name, or more fields than a config has.
    """
    names = [*name.split("."), *fields]
    if not all(p.isidentifier() and not p.startswith("__") and normalize("NFKC", p) == p for p in names):
        raise ValueError("a config with a name that is none")
    if len(fields) > FIELDS:
        raise ValueError(f"a config of more than {FIELDS} fields")
    return _config_class(name, tuple(fields))(**fields)


_CLASSES: dict[tuple[str, tuple[str, ...]], type] = {}


def _config_class(name: str, fields: tuple[str, ...]) -> type:
    if (name, fields) not in _CLASSES:
        made = dataclasses.make_dataclass(name.split(".")[-1], fields, frozen=True, kw_only=True)
        made.__qualname__ = name
        _CLASSES[name, fields] = made
    return _CLASSES[name, fields]


def clean(text: Any, most: int = MESSAGE) -> str:
    """Text of a submission that cannot move a terminal's cursor, nor fill its screen."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in str(text)[:most])
