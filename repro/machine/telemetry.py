"""What a trial costs: time, memory and energy, each measured or absent with a reason, never estimated."""

from __future__ import annotations

import base64
import contextlib
import os
import resource
import sys
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import msgspec
import psutil

from repro.errors import ReproError
from repro.machine import nvml
from repro.machine.rapl import Rapl

INTERVAL_S = 0.5
SHORTEST_S = 1.0  # shorter trials keep no series
POINTS = 500  # a longer series is thinned to at most this many
COUNTER_S = 0.2  # the GPU's energy counter moves every 20 to 100 ms: a shorter window says nothing
LARGEST_SERIES = 1 << 20  # bytes of JSON

T = TypeVar("T")
Column = tuple[float | None, ...]


class Series(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Samples over a trial, one column each, all as long as `t_s`; None where a reading failed.

    The GPU's columns are empty for a trial on a CPU. Memory and utilisation of the GPU count all its processes.
    """

    t_s: Column
    rss_bytes: Column
    cpu_percent: Column  # of one core
    gpu_percent: Column = ()
    gpu_memory_bytes: Column = ()
    power_w: Column = ()
    temperature_c: Column = ()
    clock_mhz: Column = ()


class Usage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one trial used.

    Attributes:
        wall_s: seconds from start to end, the GPU's queue included.
        cpu_s: CPU seconds of the process that ran the trial and of the children it has waited for.
        peak_rss_bytes: the most memory that process held during the trial. Exact where it was the most the
            process ever held; else the largest of the samples taken twice a second, which may miss a spike.
        gpu_peak_bytes: the most GPU memory held, or None.
        gpu_peak_method: how that was measured.
        energy_j: joules, or None.
        energy_method: how they were measured, or why not.
        series: the sampled series, packed; None for trials under a second. `unpack` reads it.
    """

    wall_s: float
    cpu_s: float
    peak_rss_bytes: int
    gpu_peak_bytes: int | None = None
    gpu_peak_method: str = ""
    energy_j: float | None = None
    energy_method: str
    series: str | None = None


class Meter:
    """Measures what happens inside it: `with Meter("cuda") as meter: ...`, then `meter.usage`.

    Args:
        device: what the trial runs on; "cuda" is the current GPU of torch, or the first visible one.
        pid: the process that runs the trial, with all that descend from it; None for this one.
        rapl: where the kernel lists its power zones.
    """

    usage: Usage

    def __init__(self, device: str, *, pid: int | None = None, rapl: Path = Path("/sys/class/powercap")) -> None:
        self._gpu = _gpu_of_torch() or next(iter(nvml.visible()), None) if device == "cuda" else None
        self._device = device
        self._rapl = Rapl(rapl) if device != "cuda" else None
        self._tree: Tree | None = None if pid is None else Tree(pid)
        self._process = psutil.Process()
        self._rows: list[tuple[float | None, ...]] = []
        self._every = 1
        self._over = threading.Event()

    def __enter__(self) -> Meter:
        _wait_for_gpu()
        torch = _torch_on_cuda() if self._device == "cuda" else None
        self._torch_memory = torch is not None
        if torch is not None:
            torch.cuda.reset_peak_memory_stats()
        self._energy_before = self._gpu.energy_mj()[0] if self._gpu else None
        self._others = (self._gpu.processes() or 0) if self._gpu else 0
        self._most_ever, self._peak = _most_rss_ever(), self._rss()
        self._thread = threading.Thread(target=self._sample, name="telemetry", daemon=True)
        self._cpu, self._start = self._cpu_seconds(), time.perf_counter()
        if self._rapl:
            self._rapl.start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            _wait_for_gpu()
        except RuntimeError:  # a kernel failed; the error on its way out, if any, is the one to show
            if error is None:
                raise
        finally:
            wall, cpu = time.perf_counter() - self._start, max(0.0, self._cpu_seconds() - self._cpu)
            energy, method = self._energy(wall)
            self._over.set()
            self._thread.join()
        peak, peak_method = self._gpu_peak()
        self.usage = Usage(
            wall_s=wall,
            cpu_s=cpu,
            peak_rss_bytes=self._peak_rss(),
            gpu_peak_bytes=peak,
            gpu_peak_method=peak_method,
            energy_j=energy,
            energy_method=method,
            series=pack(_columns(self._rows)) if wall >= SHORTEST_S and self._rows else None,
        )

    def _sample(self) -> None:
        self._process.cpu_percent()  # the first call only sets the mark that the next one counts from
        tick = 0
        while not self._over.wait(INTERVAL_S):
            tick += 1
            self._peak = max(self._peak, self._rss())
            if self._rapl:
                self._rapl.advance()
            if tick % self._every == 0:
                self._rows.append(self._row())
            if len(self._rows) >= 2 * POINTS:  # a trial of days is sampled more and more sparsely
                del self._rows[::2]
                self._every *= 2

    def _row(self) -> tuple[float | None, ...]:
        now = round(time.perf_counter() - self._start, 3)
        row = (now, self._rss(), self._tree.cpu_percent() if self._tree else self._process.cpu_percent())
        return row if self._gpu is None else (*row, *self._gpu.readings())

    def _energy(self, wall: float) -> tuple[float | None, str]:
        if self._rapl:
            return self._rapl.joules()
        if self._gpu is None:
            return None, f"none: {nvml.why_absent() or 'no GPU is visible'}"
        now = _gpu_of_torch()
        if now is not None and now.uuid != self._gpu.uuid:
            return None, "none: the trial began on one GPU and ended on another"
        if self._gpu.mig:
            return None, "none: the energy counter is of the whole GPU, and the trial had a MIG slice of it"
        after, reason = self._gpu.energy_mj()
        if after is None or self._energy_before is None:
            return None, f"none: {reason or 'the energy counter could not be read at the start'}"
        if wall < COUNTER_S or after == self._energy_before:
            return None, f"none: {wall:.2g} s are too short for the energy counter"
        if after < self._energy_before:
            return None, "none: the energy counter was reset"
        several = max(self._others, self._gpu.processes() or 0)
        shared = f", which {several} processes shared" if several > 1 else ""
        return (after - self._energy_before) / 1000, f"NVML energy counter of the whole GPU{shared}"

    def _rss(self) -> int:
        return self._tree.rss() if self._tree else self._process.memory_info().rss

    def _cpu_seconds(self) -> float:
        return self._tree.cpu_seconds() if self._tree else _cpu_seconds()

    def _peak_rss(self) -> int:
        if self._tree:
            return max(self._peak, self._tree.peak())
        ever = _most_rss_ever()
        if ever > self._most_ever:  # the process held more than ever before, so it was now
            return ever
        return max(self._peak, self._process.memory_info().rss)

    def _gpu_peak(self) -> tuple[int | None, str]:
        if self._device != "cuda":
            return None, ""
        torch = _torch_on_cuda()
        if torch is not None:
            since = "" if self._torch_memory else ", since torch was loaded"
            return int(torch.cuda.max_memory_allocated()), f"torch's allocator{since}"
        used = [row[4] for row in self._rows if len(row) > 4 and row[4] is not None]
        return (int(max(used)), "NVML samples, all processes") if used else (None, "none: nothing was sampled")


class Tree:
    """Another process and all that descend from it, as one; what has ended counts as far as its parent waited."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._seen = (time.perf_counter(), self.cpu_seconds())

    def rss(self) -> int:
        """Resident bytes, pages that several share counted for each."""
        return sum(self._each(lambda process: process.memory_info().rss))

    def peak(self) -> int:
        """The most that one of the living ever held."""
        return max(self._each(_high_water), default=0)

    def cpu_seconds(self) -> float:
        """User and system time."""
        return sum(self._each(lambda process: sum(process.cpu_times()[:4])))

    def cpu_percent(self) -> float:
        """Of one core, since the last call."""
        (before, used), (now, total) = self._seen, (time.perf_counter(), self.cpu_seconds())
        self._seen = (now, total)
        return round(100 * max(0.0, total - used) / max(now - before, 1e-9), 1)

    def _each(self, read: Callable[[psutil.Process], T]) -> list[T]:
        answers: list[T] = []
        with contextlib.suppress(psutil.Error):
            for process in (self._root, *self._root.children(recursive=True)):
                with contextlib.suppress(psutil.Error, OSError, StopIteration):
                    answers.append(read(process))
        return answers


def _high_water(process: psutil.Process) -> int:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def pack(series: Series) -> str:
    """A series as a short text: base64 of deflated JSON."""
    return base64.b64encode(zlib.compress(msgspec.json.encode(series), 9)).decode()


def unpack(text: str) -> Series:
    """The series that `pack` wrote.

    Raises:
        ReproError: if the text is not one.
    """
    try:
        inflate = zlib.decompressobj()
        data = inflate.decompress(base64.b64decode(text, validate=True), LARGEST_SERIES)
        if not inflate.eof:
            raise ValueError("it is cut short or too long")
        return msgspec.json.decode(data, type=Series)
    except (ValueError, zlib.error, msgspec.DecodeError) as error:
        raise ReproError(f"A telemetry series cannot be read: {error}") from error


def _columns(rows: list[tuple[float | None, ...]]) -> Series:
    step = -(-len(rows) // POINTS)
    return Series(**dict(zip(Series.__struct_fields__, zip(*rows[::step], strict=True), strict=False)))


def _gpu_of_torch() -> nvml.Gpu | None:
    """The GPU torch is using, matched by UUID; None before it has started one."""
    torch = _torch_on_cuda()
    if torch is None:
        return None
    uuid = getattr(torch.cuda.get_device_properties(torch.cuda.current_device()), "uuid", None)
    return nvml.by_uuid(str(uuid)) if uuid is not None else None


def _torch_on_cuda() -> Any:
    """The torch module if it has been imported and has a GPU in use, else None. Starts nothing by itself."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized() else None


def _wait_for_gpu() -> None:
    torch = _torch_on_cuda()
    if torch is not None:
        torch.cuda.synchronize()


def _most_rss_ever() -> int:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
