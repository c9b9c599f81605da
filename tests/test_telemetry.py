"""Telemetry, against a GPU library that is ours and counters that are files."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from repro.errors import ReproError
from repro.machine import environment as machines
from repro.machine import nvml, telemetry
from repro.machine.rapl import Rapl
from repro.machine.telemetry import Meter, Series, pack, unpack

pynvml = pytest.importorskip("pynvml", reason="nvidia-ml-py is not installed")
SOURCE = Path(__file__).with_name("fake_nvml.c")
NOT_SUPPORTED, GPU_IS_LOST = 3, 15


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Path:
    """The fake library, compiled under the real one's name."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to build the fake NVML with")
    target = tmp_path_factory.mktemp("nvml") / "libnvidia-ml.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(target), str(SOURCE)], check=True)
    return target


@pytest.fixture
def fake(built, monkeypatch) -> Iterator[ctypes.CDLL]:
    """Two GPUs, loaded by pynvml itself in place of the driver's library."""
    library = ctypes.CDLL(str(built))
    library.fake_reset()
    for index, (name, uuid) in enumerate([("Fake A", "GPU-aaaa-1"), ("Fake B", "GPU-bbbb-2")]):
        library.fake_device(index, name.encode(), uuid.encode(), ctypes.c_ulonglong(80 << 30))
    monkeypatch.setattr(pynvml, "CDLL", lambda name: library)
    monkeypatch.setattr(pynvml, "nvmlLib", None)
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    nvml._library.cache_clear()
    machines.machine.cache_clear()
    yield library
    nvml._library.cache_clear()
    machines.machine.cache_clear()


def put(library: ctypes.CDLL, index: int = 0, energy: int = 0, memory: int = 0, **values: int) -> None:
    """Set what a fake GPU shows."""
    shown = {"power": 0, "temperature": 0, "utilisation": 0, "clock": 0} | values
    numbers = (shown["power"], shown["temperature"], shown["utilisation"], shown["clock"])
    library.fake_set(index, ctypes.c_ulonglong(energy), *numbers, ctypes.c_ulonglong(memory))


@pytest.fixture
def quick(monkeypatch) -> None:
    """Sample every 10 ms, and keep series and energy of trials of any length."""
    monkeypatch.setattr(telemetry, "INTERVAL_S", 0.01)
    monkeypatch.setattr(telemetry, "SHORTEST_S", 0.0)
    monkeypatch.setattr(telemetry, "COUNTER_S", 0.0)


def test_gpu_readings_arrive_in_their_units(fake, quick):
    """Energy, utilisation, memory, power, temperature and clock are what the library says, in our units."""
    put(fake, energy=5_000, memory=7 << 30, power=123_500, temperature=61, utilisation=87, clock=1755)
    with Meter("cuda") as meter:
        time.sleep(0.1)
        put(fake, energy=17_500, memory=9 << 30, power=123_500, temperature=61, utilisation=87, clock=1755)
        time.sleep(0.1)
    usage = meter.usage
    assert usage.energy_j == 12.5
    assert usage.energy_method == "NVML energy counter of the whole GPU"
    assert usage.gpu_peak_bytes == 9 << 30
    assert usage.series is not None
    series = unpack(usage.series)
    assert set(series.gpu_percent) == {87}
    assert set(series.power_w) == {123.5}
    assert set(series.temperature_c) == {61}
    assert set(series.clock_mhz) == {1755}
    assert {7 << 30, 9 << 30} == set(series.gpu_memory_bytes)
    assert len({len(getattr(series, name)) for name in Series.__struct_fields__}) == 1


@pytest.mark.parametrize(
    ("function", "code", "says"),
    [
        ("nvmlDeviceGetTotalEnergyConsumption", NOT_SUPPORTED, "none: NVML: Not Supported"),
        ("nvmlDeviceGetTotalEnergyConsumption", GPU_IS_LOST, "none: NVML: GPU is lost"),
        ("nvmlInitWithFlags", NOT_SUPPORTED, "none: NVML: Not Supported"),
        ("nvmlDeviceGetCount_v2", GPU_IS_LOST, "none: no GPU is visible"),
    ],
)
def test_failures_of_the_library_are_said_and_break_nothing(fake, quick, function, code, says):
    """An error code of NVML gives no energy and its reason; the trial goes on."""
    fake.fake_fail(function.encode(), code)
    with Meter("cuda") as meter:
        time.sleep(0.03)
    assert meter.usage.energy_j is None
    assert meter.usage.energy_method == says


def test_one_reading_that_fails_leaves_the_others(fake, quick):
    """A GPU that does not tell its power has None there and its temperature beside it."""
    fake.fake_fail(b"nvmlDeviceGetPowerUsage", NOT_SUPPORTED)
    put(fake, temperature=40, power=1)
    with Meter("cuda") as meter:
        time.sleep(0.05)
    series = unpack(meter.usage.series or "")
    assert set(series.power_w) == {None}
    assert set(series.temperature_c) == {40}


def test_old_drivers_are_asked_for_the_temperature_in_the_old_way(fake):
    """Where nvmlDeviceGetTemperatureV is missing, nvmlDeviceGetTemperature answers."""
    fake.fake_fail(b"nvmlDeviceGetTemperatureV", pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)
    put(fake, temperature=52)
    assert nvml.visible()[0].readings()[3] == 52


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (None, ["Fake A", "Fake B"]),
        ("1", ["Fake B"]),
        ("1,0", ["Fake B", "Fake A"]),
        ("GPU-bbbb", ["Fake B"]),
        ("GPU-aaaa-1, GPU-bbbb-2", ["Fake A", "Fake B"]),
        ("0,7,1", ["Fake A"]),
        ("GPU-", []),
        ("-1", []),
        ("", []),
    ],
)
def test_the_device_is_the_one_cuda_would_choose(fake, monkeypatch, wanted, names):
    """CUDA_VISIBLE_DEVICES chooses by number or UUID, in its order, up to the first entry that names nothing."""
    if wanted is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", wanted)
    assert [gpu.name for gpu in nvml.visible()] == names
    assert machines.machine().gpus == len(names)
    assert machines.machine().gpu == (names[0] if names else None)


def fake_torch(uuid: str, peak: int) -> SimpleNamespace:
    """A torch that computes on the GPU with this UUID."""
    cuda = SimpleNamespace(
        is_available=lambda: True,
        is_initialized=lambda: True,
        synchronize=lambda: None,
        current_device=lambda: 0,
        get_device_properties=lambda device: SimpleNamespace(uuid=uuid),
        reset_peak_memory_stats=lambda: None,
        max_memory_allocated=lambda: peak,
    )
    return SimpleNamespace(cuda=cuda)


def test_the_gpu_of_torch_is_metered_whatever_its_number(fake, quick, monkeypatch):
    """Torch's current GPU is matched by UUID, and its allocator tells the peak."""
    monkeypatch.setitem(sys.modules, "torch", fake_torch("bbbb-2", peak=123))
    put(fake, index=1, energy=1_000)
    with Meter("cuda") as meter:
        put(fake, index=0, energy=99_000)
        put(fake, index=1, energy=3_000)
    assert meter.usage.energy_j == 2.0
    assert (meter.usage.gpu_peak_bytes, meter.usage.gpu_peak_method) == (123, "torch's allocator")


def test_energy_is_not_told_for_what_only_the_whole_gpu_counts(fake, quick):
    """A MIG slice has no energy of its own; a GPU shared with other processes says so."""
    fake.fake_sharing(0, 1, 0)
    with Meter("cuda") as sliced:
        put(fake, energy=1_000)
    assert sliced.usage.energy_j is None
    assert "MIG" in sliced.usage.energy_method
    fake.fake_sharing(0, 0, 3)
    with Meter("cuda") as shared:
        put(fake, energy=2_000)
    assert shared.usage.energy_j == 1.0
    assert "3 processes shared" in shared.usage.energy_method


def test_windows_too_short_for_the_counter_have_no_energy(fake):
    """A counter that did not move, a trial of milliseconds and a counter that went back give None, never 0."""
    put(fake, energy=1_000)
    with Meter("cuda") as short:
        put(fake, energy=2_000)
    assert short.usage.energy_j is None
    assert "too short" in short.usage.energy_method
    assert short.usage.series is None


def test_a_counter_that_was_reset_gives_no_energy(fake, quick):
    """A counter that runs backwards is not a negative number of joules."""
    put(fake, energy=5_000)
    with Meter("cuda") as meter:
        put(fake, energy=10)
    assert meter.usage.energy_j is None
    assert "reset" in meter.usage.energy_method


def test_a_process_of_its_own_finds_the_library_by_its_name(built):
    """Without any patching, the loader's search path is enough for the machine's GPU facts."""
    code = "from repro.machine.environment import machine; m = machine(); print(m.gpu, m.gpu_memory_bytes, m.driver)"
    environment = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
    environment |= {
        "LD_LIBRARY_PATH": str(built.parent),
        "PYTHONPATH": f"{Path.cwd()}:{os.environ.get('PYTHONPATH', '')}",
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["Fake", "GPU", str(1 << 30), "999.01"]


def zone(root: Path, name: str, energy: int, label: str = "package-0", full: int = 1_000_000) -> Path:
    """A power zone as the kernel shows it."""
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "name").write_text(label + "\n")
    (folder / "energy_uj").write_text(f"{energy}\n")
    (folder / "max_energy_range_uj").write_text(f"{full}\n")
    return folder / "energy_uj"


def test_rapl_adds_packages_and_survives_full_counters(tmp_path):
    """Packages are added, a counter that began again is continued, and sub-zones and platforms are left out."""
    first, second = zone(tmp_path, "intel-rapl:0", 900_000), zone(tmp_path, "intel-rapl:1", 100_000, "package-1")
    sub, platform = zone(tmp_path, "intel-rapl:0:0", 0, "core"), zone(tmp_path, "intel-rapl:2", 0, "psys")
    with Meter("cpu", rapl=tmp_path) as meter:
        for counter, value in ((first, 200_000), (second, 400_000), (sub, 50_000), (platform, 50_000)):
            counter.write_text(str(value))
    assert meter.usage.energy_j == pytest.approx((300_000 + 300_000) / 1e6)
    assert meter.usage.energy_method.startswith("RAPL")


def test_rapl_wraps_more_than_once_when_it_is_advanced(tmp_path):
    """Every call to advance adds one turn of the counter at most, so a long trial loses none."""
    counter, rapl = zone(tmp_path, "intel-rapl:0", 0), Rapl(tmp_path)
    rapl.start()
    for value in (600_000, 100_000, 700_000, 200_000):
        counter.write_text(str(value))
        rapl.advance()
    assert rapl.joules()[0] == pytest.approx(2.2)


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (lambda root: None, "none: this machine shows no RAPL counters"),
        (lambda root: zone(root, "intel-rapl:0", 5), "none: too short for the RAPL counters"),
        (lambda root: zone(root, "intel-rapl:0", 5).write_text("x"), "none: RAPL counters cannot be read (ValueError)"),
        (lambda root: zone(root, "intel-rapl:0", 5).unlink(), "none: this machine shows no RAPL counters"),
    ],
    ids=["no zones", "no movement", "garbage", "no counter"],
)
def test_without_a_counter_the_reason_stands_in_place_of_a_number(tmp_path, prepare, says):
    """No counters, no movement and garbage each give None with the reason."""
    prepare(tmp_path)
    with Meter("cpu", rapl=tmp_path) as meter:
        pass
    assert (meter.usage.energy_j, meter.usage.energy_method) == (None, says)


def test_a_counter_for_root_only_is_named_so(tmp_path, monkeypatch):
    """A permission error is told as such; the kernel shows the counters to root alone."""
    zone(tmp_path, "intel-rapl:0", 5)

    def refuse(*arguments: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "read_text", refuse)
    rapl = Rapl(tmp_path)
    rapl.start()
    assert rapl.joules() == (None, "none: RAPL counters may only be read by root here")


def test_time_and_memory_of_what_happens_inside(tmp_path):
    """Wall and CPU time cover the block; memory held only within it is seen."""
    with Meter("cpu", rapl=tmp_path) as meter:
        block = bytearray(os.urandom(1 << 16)) * 1600  # 100 MiB, touched
        deadline = time.process_time() + 0.2
        while time.process_time() < deadline:
            pass
        size = len(block)
        del block
    assert meter.usage.wall_s >= 0.2
    assert 0.15 <= meter.usage.cpu_s <= meter.usage.wall_s + 0.1
    assert meter.usage.peak_rss_bytes > size
    assert meter.usage.series is None


def test_a_trial_that_raises_is_metered_and_its_error_passes(tmp_path):
    """The meter ends its thread and hides no error."""
    meter = Meter("cpu", rapl=tmp_path)
    with pytest.raises(ZeroDivisionError), meter:
        _ = 1 / 0
    assert meter.usage.wall_s >= 0
    assert not meter._thread.is_alive()


def test_long_trials_keep_few_points(tmp_path, monkeypatch):
    """However long the trial, the series stays within its limit and covers the whole of it."""
    monkeypatch.setattr(telemetry, "INTERVAL_S", 0.0005)
    monkeypatch.setattr(telemetry, "SHORTEST_S", 0.0)
    monkeypatch.setattr(telemetry, "POINTS", 20)
    with Meter("cpu", rapl=tmp_path) as meter:
        time.sleep(0.4)
    times = [t for t in unpack(meter.usage.series or "").t_s if t is not None]
    assert 5 <= len(times) <= 20
    assert times == sorted(times)
    assert times[-1] > 0.5 * meter.usage.wall_s


def test_series_survive_packing():
    """What is packed comes back, missing readings included."""
    series = Series(t_s=(0.5, 1.0), rss_bytes=(1.0, 2.0), cpu_percent=(0.0, 99.0), power_w=(None, 3.5))
    assert unpack(pack(series)) == series


@pytest.mark.parametrize(
    "text",
    ["", "not base64!", "AAAA", pack(Series(t_s=(), rss_bytes=(), cpu_percent=()))[:-8]],
    ids=["empty", "prose", "zeros", "cut"],
)
def test_damaged_series_are_one_clear_error(text):
    """Garbage and cut texts are refused with one line."""
    with pytest.raises(ReproError, match="telemetry series"):
        unpack(text)


def test_series_that_would_fill_the_memory_are_refused():
    """A small text that inflates without end is cut off."""
    import base64
    import zlib

    bomb = base64.b64encode(zlib.compress(b"[" + b" " * (telemetry.LARGEST_SERIES * 4))).decode()
    with pytest.raises(ReproError, match="too long"):
        unpack(bomb)


BUSY = """
import subprocess, sys, time
kept = bytearray(b"x") * (1 << 27)
child = "import time\\nend = time.process_time() + 0.2\\nwhile time.process_time() < end: pass"
subprocess.run([sys.executable, "-c", child])
print(flush=True)
time.sleep(60)
"""


def test_another_process_is_metered_with_its_children():
    """Given a process, time and memory are those of it and of its children, not of this one."""
    with subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE) as process:
        with Meter("cpu", pid=process.pid) as meter:
            assert process.stdout is not None
            process.stdout.readline()
        process.kill()
    assert meter.usage.cpu_s >= 0.19
    assert 1 << 27 <= meter.usage.peak_rss_bytes < 1 << 28


def test_a_process_that_has_gone_is_no_error():
    """A jail that was killed leaves readings of nothing, not an exception beside the one that matters."""
    waiting = [sys.executable, "-c", "input()"]
    with subprocess.Popen(waiting, stdin=subprocess.PIPE) as process, Meter("cpu", pid=process.pid) as meter:
        process.kill()
        process.wait()
    assert meter.usage.cpu_s == 0
