"""Trials: one arm of a claim at one seed, computed once and kept."""

from __future__ import annotations

import dataclasses
import math
import traceback
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
import numpy as np

from repro import data
from repro.claim.claim import Arm
from repro.code_digest import json_digest, object_closure
from repro.criterion.exhibit import Exhibit
from repro.criterion.measurement import Array, Measurement
from repro.errors import ReproError
from repro.experiment.setting import Measurements, Setting
from repro.machine.arithmetic import torch_capability
from repro.machine.determinism import THREADS, make_deterministic
from repro.machine.environment import Machine, device_class, machine, software
from repro.machine.process_group import broadcast_from_rank0, world
from repro.machine.telemetry import Meter, Usage
from repro.task import Device
from repro.trial.cache import Cache
from repro.trial.implementation import LoadedImplementation

ARRAYS = ("value", "x", "expected")
"""Fields of a measurement that may hold NaN and infinities."""
FORMAT = 1  # of cached payloads; raising it makes every trial be computed again


class TrialFailed(ReproError):
    """The implementation or the experiment raised."""


@dataclass(frozen=True, eq=False)
class TrialResult:
    """What a trial gave, and whether it came from the cache.

    Attributes:
        exhibits: arrays for pictures, by name; no criterion judges them.
        machine: what computed it; None where the cache does not say.
    """

    measurements: Mapping[str, Measurement]
    exhibits: Mapping[str, Exhibit]
    usage: Usage
    cached: bool
    machine: Machine | None


@dataclass(frozen=True, eq=False)
class Trial:
    """An arm, an implementation, a seed and a device."""

    arm: Arm
    implementation: LoadedImplementation
    seed: int
    device: Device

    @cached_property
    def config(self) -> Any:
        """The config that the implementation is given."""
        config = self.implementation.config(self.arm.preset, self.arm.overrides)
        return config if self.subject is self.implementation else self.implementation.names.change(config)

    @cached_property
    def subject(self) -> LoadedImplementation:
        """What runs: the implementation, or the reference where the implementation only changes the config."""
        original = self.implementation.original
        if original is not None and self.arm.experiment.passes_config_on:
            return original
        return self.implementation

    @cached_property
    def given_seed(self) -> int:
        """The seed that the experiment and the implementation see: `seed`, but for submissions one derived from it."""
        host = self.subject.host
        return self.seed if host is None else host.seed(self.seed)

    @cached_property
    def key_inputs(self) -> dict[str, Any]:
        """Everything that can change the result, as JSON data."""
        host = self.subject.host
        apart = {"processes": world()} if world() > 1 else {} if host is None else {"isolation": host.isolation}
        versions = msgspec.to_builtins(software(threads=THREADS, capability=torch_capability())) | {
            "zlib": zlib.ZLIB_RUNTIME_VERSION
        }
        versions["vendor"] = machine().vendor or ""  # math libraries choose by it
        del versions["repro"]  # the suite's code that matters is in the experiment's closure
        return {
            "format": FORMAT,
            "experiment": object_closure(self.arm.experiment.code),
            "determinism": object_closure(make_deterministic),
            "implementation": self.subject.source,
            "config": self.settings(),
            "data": data.digest(self.arm.data) if self.arm.data else None,
            "seed": self.given_seed,
            "device": device_class(self.device),
            "software": versions,
        } | apart

    @cached_property
    def key(self) -> str:
        """The sha256 of `key_inputs`."""
        return json_digest(self.key_inputs)

    def settings(self) -> dict[str, Any]:
        """The config as JSON data."""
        return msgspec.to_builtins(dataclasses.asdict(self.config), enc_hook=repr)

    def run(self) -> TrialResult:
        """Compute the trial, metered.

        Raises:
            TrialFailed: if the implementation or the experiment raises, with its last line.
        """
        dataset = data.load(self.arm.data) if self.arm.data else None
        seed = self.given_seed
        untrained = None if self.subject.host is None else self._untrained
        setting = Setting(config=self.config, seed=seed, device=self.device, data=dataset, untrained=untrained)
        make_deterministic(seed, self.device)
        try:
            with (
                self.subject.open(seed=seed, device=self.device, dataset=self.arm.data) as opened,
                Meter(self.device, pid=opened.pid) as meter,
            ):
                measurements = self.arm.experiment(opened.names, setting)
        except ReproError:
            raise
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            raise TrialFailed(
                f"{self} raised {type(error).__name__}: {error} ({frame.name}, line {frame.lineno})",
                "The traceback is above; nothing was recorded.",
            ) from error
        if dataset is not None:
            fresh = data.load(dataset.name)  # what is scored must be what was loaded
            if not (dataset.train.same(fresh.train) and dataset.test.same(fresh.test)):
                raise TrialFailed(f"{self} changed the dataset that it was given", "Let it copy what it changes.")
        judged, shown = _divided(measurements, self)
        return TrialResult(judged, shown, meter.usage, cached=False, machine=machine())

    @contextmanager
    def _untrained(self) -> Iterator[Any]:
        """The implementation's names in a process of its own, for models that were trained in another."""
        with self.subject.open(seed=self.given_seed, device=self.device, dataset=None) as opened:
            yield opened.names

    def __str__(self) -> str:
        return (
            f"trial {self.arm.label!r} of {self.implementation.paper} ({self.implementation.label}), seed {self.seed}"
        )


def lookup(trial: Trial, cache: Cache) -> TrialResult | None:
    """The cached result of a trial, if there is one."""
    payload = cache.get(trial.key)
    if payload is None:
        return None
    measurements = {name: _measurement(fields) for name, fields in payload["measurements"].items()}
    exhibits = msgspec.convert(payload.get("exhibits", {}), dict[str, Exhibit])
    made_on = msgspec.convert(payload.get("machine"), Machine | None)
    usage = msgspec.convert(payload["usage"], Usage)
    return TrialResult(measurements, exhibits, usage, cached=True, machine=made_on)


def compute(trial: Trial, cache: Cache, *, wait: float) -> TrialResult | None:
    """The result, cached or computed; None if another process has been computing it for all of `wait` seconds.

    Under torchrun all processes compute a trial together, rank 0 reads and writes the cache, and all get its result.
    """
    if world() > 1:
        cached = broadcast_from_rank0(lambda: lookup(trial, cache))
        if cached is not None:
            return cached
        result = trial.run()
        return broadcast_from_rank0(lambda: _kept(trial, result, cache))
    cached = lookup(trial, cache)
    if cached is not None:
        return cached
    with cache.lock(trial.key, wait=wait) as mine:
        if not mine:
            return None
        # another process may have finished it meanwhile
        return lookup(trial, cache) or _kept(trial, trial.run(), cache)


def _kept(trial: Trial, result: TrialResult, cache: Cache) -> TrialResult:
    measurements = {name: _builtins(m) for name, m in result.measurements.items()}
    told = {"usage": msgspec.to_builtins(result.usage), "machine": msgspec.to_builtins(result.machine)}
    shown = {"exhibits": msgspec.to_builtins(dict(result.exhibits))} if result.exhibits else {}
    cache.put(trial.key, {"measurements": measurements, "facts": trial.key_inputs} | told | shown)
    return result


def _divided(found: Measurements, trial: Trial) -> tuple[dict[str, Measurement], dict[str, Exhibit]]:
    """What can be judged, and what is for pictures."""
    judged = {name: one for name, one in found.items() if isinstance(one, Measurement)}
    shown = {name: one for name, one in found.items() if isinstance(one, Exhibit)}
    if strange := found.keys() - judged.keys() - shown.keys():
        name = min(strange)
        raise TrialFailed(f"{trial} returned {name!r} as {type(found[name]).__name__}", "Return Measurements.")
    return judged, shown


def _builtins(measurement: Measurement) -> dict[str, Any]:
    fields = {field.name: getattr(measurement, field.name) for field in dataclasses.fields(measurement)}
    known = {
        name: _spelt(np.asarray(fields[name], dtype=float).tolist()) for name in ARRAYS if fields[name] is not None
    }
    return fields | known


def _spelt(values: Any) -> Any:
    """Nested lists, or one number, as JSON can hold them: None for NaN, "inf" and "-inf" for infinities."""
    if isinstance(values, list):
        return [_spelt(one) for one in values]
    return values if math.isfinite(values) else None if math.isnan(values) else str(values)


def _measurement(fields: dict[str, Any]) -> Measurement:
    arrays: dict[str, Any] = {
        name: None if fields[name] is None else _array(fields[name]) for name in ("x", "expected")
    }
    value = _array(fields["value"])
    arrays["value"] = value if value.ndim else float(value)
    return Measurement(**fields | arrays)


def _array(value: Any) -> Array:
    """What `_spelt` made of an array; entries from before it spelt infinities have None for them."""
    return np.asarray(value, dtype=object).astype(float) if value is not None else np.asarray(np.nan)
