"""What ran a trial: the machine, the software and the commit. Never host names, user names or paths."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

import msgspec
import psutil

from repro.machine import nvml

STEERING = (
    "ATEN_CPU_CAPABILITY",
    "BLIS_ARCH_TYPE",
    "DNNL_DEFAULT_FPMATH_MODE",
    "DNNL_MAX_CPU_ISA",
    "MKL_CBWR",
    "MKL_DEBUG_CPU_TYPE",
    "MKL_ENABLE_INSTRUCTIONS",
    "NPY_DISABLE_CPU_FEATURES",
    "NPY_ENABLE_CPU_FEATURES",
    "NUMBA_CPU_FEATURES",
    "NUMBA_CPU_NAME",
    "NUMBA_DISABLE_JIT",
    "NVIDIA_TF32_OVERRIDE",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
)
"""Environment variables by which torch, numpy, numba and their libraries take other instructions or precision."""


class Machine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The hardware, as far as it can change results or their cost.

    Attributes:
        cpu: model name of the processor.
        cores: logical cores this process may use.
        isa: widest vector instructions, such as "AVX512", "AVX2" or "NEON"; "" if not known.
        arch: "x86_64", "aarch64", ...
        memory_bytes: memory of the machine.
        gpu: name of the GPU that torch would call cuda:0, or None.
        gpus: how many GPUs are visible to this process.
        gpu_memory_bytes: memory of that GPU.
        driver: version of the GPU's driver.
        os: operating system and release.
        virtual: whether it is a virtual machine; None where that cannot be told.
        vendor: maker of the processor as it names itself, such as "AuthenticAMD"; left out where it does not.
    """

    cpu: str
    cores: int
    isa: str
    arch: str
    memory_bytes: int
    gpu: str | None = None
    gpus: int = 0
    gpu_memory_bytes: int | None = None
    driver: str | None = None
    os: str
    virtual: bool | None = None
    vendor: str | msgspec.UnsetType = msgspec.UNSET


class Software(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Versions and settings that can change results; None for a library that is not installed.

    Attributes:
        threads: compute threads of a trial on a CPU.
        deterministic: whether deterministic algorithms were asked for.
        precision: arithmetic that was allowed, such as "float32", or "bfloat16" where a claim says so; "as coded"
            where the config leaves no choice.
        capability: vector instructions that torch says it uses; left out in records from before it was asked.
        steered_by: those of `STEERING` that are set.
    """

    repro: str | None
    python: str
    torch: str | None
    numpy: str | None
    scipy: str | None
    numba: str | None
    threads: int
    deterministic: bool = True
    precision: str = "fp32"
    capability: str | msgspec.UnsetType = msgspec.UNSET
    steered_by: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The commit of the project, and whether tracked files differed from it; None where git does not tell, and why."""

    commit: str | None
    dirty: bool | None
    why: str | msgspec.UnsetType = msgspec.UNSET


@cache
def machine() -> Machine:
    """The machine this process runs on."""
    flags, model = processor()
    gpus = nvml.visible()
    gpu = gpus[0] if gpus else None
    return Machine(
        cpu=model,
        cores=_cores(),
        isa=_isa(flags, platform.machine()),
        arch=platform.machine(),
        memory_bytes=psutil.virtual_memory().total,
        gpu=gpu.name if gpu else None,
        gpus=len(gpus),
        gpu_memory_bytes=gpu.memory_bytes if gpu else None,
        driver=(gpu.driver or None) if gpu else None,
        os=f"{platform.system()} {platform.release().split('-')[0]}",
        virtual=("hypervisor" in flags) if flags else None,
        vendor=_cpuinfo().get("vendor_id") or msgspec.UNSET,
    )


def software(*, threads: int, precision: str = "fp32", capability: str | msgspec.UnsetType = msgspec.UNSET) -> Software:
    """The versions installed, read from their metadata without importing them, and what steers their arithmetic."""
    steered_by = {name: os.environ[name][:100] for name in STEERING if os.environ.get(name)}
    return Software(
        repro=_version("repro"),
        python=platform.python_version(),
        torch=_version("torch"),
        numpy=_version("numpy"),
        scipy=_version("scipy"),
        numba=_version("numba"),
        threads=threads,
        precision=precision,
        capability=capability,
        steered_by=steered_by or msgspec.UNSET,
    )


def source(root: Path) -> Source:
    """The git commit of `root`, and whether tracked files differ from it; or git's own words why it does not tell."""
    commit, why = _git(root, "rev-parse", "--verify", "HEAD")
    if commit is None:
        return Source(commit=None, dirty=None, why=why)
    changed, _ = _git(root, "status", "--porcelain", "--untracked-files=no")
    return Source(commit=commit, dirty=None if changed is None else bool(changed))


def device_class(device: str) -> str:
    """What a result on this device is comparable with: "cpu x86_64 AVX512", or the GPU's name."""
    here = machine()
    if device == "cuda":
        return here.gpu or "cuda"
    if device == "cpu":
        return f"cpu {here.arch} {here.isa}".rstrip()
    return f"{device} {here.cpu}"


@cache
def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpuinfo(info: Path = Path("/proc/cpuinfo")) -> dict[str, str]:
    """What the system says of the first processor; nothing where it does not."""
    try:
        lines = info.read_text().splitlines()
    except OSError:
        lines = []
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in reversed(lines))}


def processor(info: Path = Path("/proc/cpuinfo")) -> tuple[frozenset[str], str]:
    """The processor's feature flags (none where the system does not list them) and its model name."""
    facts = _cpuinfo(info)
    flags = frozenset((facts.get("flags") or facts.get("Features") or "").split())
    return flags, facts.get("model name") or platform.processor() or platform.machine()


def _isa(flags: frozenset[str], arch: str) -> str:
    for flag, name in {"avx512f": "AVX512", "avx2": "AVX2", "avx": "AVX", "sve": "SVE", "asimd": "NEON"}.items():
        if flag in flags:
            return name
    return "NEON" if arch in ("arm64", "aarch64") else ""  # every 64-bit ARM has it


def _git(root: Path, *arguments: str) -> tuple[str | None, str]:
    """What git prints, or None and its first words of complaint; those hold no path but `root`, written as "."."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True, text=True, errors="replace", timeout=30, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, f"git does not run: {type(error).__name__}"
    if done.returncode == 0:
        return done.stdout.strip(), ""
    said = next((line for line in done.stderr.splitlines() if line.strip()), f"git ended with {done.returncode}")
    return None, said.replace(str(root.resolve()), ".").replace(str(root), ".")[:300]
