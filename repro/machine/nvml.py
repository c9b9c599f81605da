"""The GPUs this process would use, asked of NVIDIA's management library; absent where there is none.

Needs the optional package nvidia-ml-py. Whatever the library cannot tell is None with a reason, never an error.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, eq=False)
class Gpu:
    """A GPU, or a MIG slice of one.

    Attributes:
        uuid: "GPU-..." or "MIG-...".
        memory_bytes: memory of the whole GPU, or of the slice.
        driver: version of the driver; "" if it does not tell.
        mig: whether this is a slice, or a GPU cut into slices.
    """

    name: str
    uuid: str
    memory_bytes: int | None
    driver: str
    mig: bool
    handle: Any

    def energy_mj(self) -> tuple[int | None, str]:
        """Millijoules since the driver was loaded, by the GPU's own counter; and the reason where it has none."""
        return _ask(lambda nvml: nvml.nvmlDeviceGetTotalEnergyConsumption(self.handle))

    def processes(self) -> int | None:
        """How many processes compute on it; None if that is unknown."""
        return _ask(lambda nvml: len(nvml.nvmlDeviceGetComputeRunningProcesses(self.handle)))[0]

    def readings(self) -> tuple[float | None, ...]:
        """Percent of the time that a kernel ran, bytes in use by all processes, watts, degrees Celsius, megahertz."""
        questions: tuple[Callable[[Any], float], ...] = (
            lambda nvml: float(nvml.nvmlDeviceGetUtilizationRates(self.handle).gpu),
            lambda nvml: float(nvml.nvmlDeviceGetMemoryInfo(self.handle).used),
            lambda nvml: nvml.nvmlDeviceGetPowerUsage(self.handle) / 1000,
            lambda nvml: float(_temperature(nvml, self.handle)),
            lambda nvml: float(nvml.nvmlDeviceGetClockInfo(self.handle, nvml.NVML_CLOCK_SM)),
        )
        return tuple(_ask(question)[0] for question in questions)


def why_absent() -> str:
    """Why no GPU can be asked, or "" if the library answers."""
    return _library()[1]


def visible() -> list[Gpu]:
    """The GPUs that CUDA_VISIBLE_DEVICES leaves to this process, in its order; all of them if it is not set.

    As CUDA does, the list ends at the first entry that names no GPU. NVML counts GPUs by their place on the bus;
    CUDA does so too only under CUDA_DEVICE_ORDER=PCI_BUS_ID or where all are alike, so `by_uuid` is the safer way.
    """
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES")
    total = _ask(lambda nvml: nvml.nvmlDeviceGetCount())[0] or 0
    if wanted is None:
        return [gpu for gpu in map(_by_index, range(total)) if gpu is not None]
    found: list[Gpu] = []
    for entry in (part.strip() for part in wanted.split(",")):
        gpu = _by_index(int(entry)) if entry.isdecimal() else _by_prefix(entry, total)
        if gpu is None:
            break
        found.append(gpu)
    return found


def by_uuid(uuid: str) -> Gpu | None:
    """The GPU or MIG slice with this UUID, with or without its "GPU-" or "MIG-"."""
    for name in (uuid, f"GPU-{uuid}", f"MIG-{uuid}"):
        handle = _ask(lambda nvml, name=name: nvml.nvmlDeviceGetHandleByUUID(name))[0]
        if handle is not None:
            return _gpu(handle)
    return None


@cache
def _library() -> tuple[ModuleType | None, str]:
    """The initialised library, or None and why. Initialised once in a process, and never shut down."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the deprecated package pynvml, beside nvidia-ml-py, warns of itself
            import pynvml
    except ImportError:
        return None, "nvidia-ml-py is not installed"
    try:
        pynvml.nvmlInit()
    except Exception as error:  # whatever a driver or an old binding does is no reason not to run on a CPU
        return None, f"NVML: {error}"
    return pynvml, ""


def _ask(question: Callable[[Any], T]) -> tuple[T | None, str]:
    """The library's answer, or None and why there is none."""
    nvml, reason = _library()
    if nvml is None:
        return None, reason
    try:
        return question(nvml), ""
    except Exception as error:  # NVML's own, a call that an old binding lacks, or a text that is no UTF-8
        return None, f"NVML: {error}"


def _text(question: Callable[[Any], str | bytes]) -> str | None:
    """A text; old bindings give bytes, and some drivers what is no UTF-8."""
    said = _ask(question)[0]
    return said.decode(errors="replace") if isinstance(said, bytes) else said


def _temperature(nvml: Any, handle: Any) -> int:
    """By the present call, or by the older one where the driver does not have it."""
    try:
        return nvml.nvmlDeviceGetTemperatureV(handle, nvml.NVML_TEMPERATURE_GPU)
    except (nvml.NVMLError_FunctionNotFound, AttributeError):
        return nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)


def _by_index(index: int) -> Gpu | None:
    handle = _ask(lambda nvml: nvml.nvmlDeviceGetHandleByIndex(index))[0]
    return None if handle is None else _gpu(handle)


def _by_prefix(uuid: str, total: int) -> Gpu | None:
    """CUDA takes the beginning of a UUID for the whole, as long as only one GPU begins so."""
    if uuid.startswith("MIG-"):
        return by_uuid(uuid)
    gpus = [gpu for gpu in map(_by_index, range(total)) if gpu is not None and gpu.uuid.startswith(uuid)]
    return gpus[0] if uuid.startswith("GPU-") and len(gpus) == 1 else None


def _gpu(handle: Any) -> Gpu:
    uuid = _text(lambda nvml: nvml.nvmlDeviceGetUUID(handle)) or ""
    mode = _ask(lambda nvml: nvml.nvmlDeviceGetMigMode(handle)[0])[0]
    return Gpu(
        name=_text(lambda nvml: nvml.nvmlDeviceGetName(handle)) or "NVIDIA GPU",
        uuid=uuid,
        memory_bytes=_ask(lambda nvml: int(nvml.nvmlDeviceGetMemoryInfo(handle).total))[0],
        driver=_text(lambda nvml: nvml.nvmlSystemGetDriverVersion()) or "",
        mig=uuid.startswith("MIG-") or mode == 1,
        handle=handle,
    )
