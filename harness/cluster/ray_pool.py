"""Ray: workers on this machine or on many, as a pool for `harness.cluster.scheduler`."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import socket
import tempfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from repro.errors import ReproError
from repro.paths import PACKAGE, cache_dir
from repro.task import Device
from repro.trial.request import perform

CONNECT_S = 15.0  # a machine that is busy answers late; where nothing listens, that shows at once
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)  # RFC 9113, 3.4: HTTP/2, which Ray speaks
SETTINGS = 4  # the type of the frame that every HTTP/2 server answers with
LOCAL = "local"


class Lost(Exception):
    """The worker, or its node, is gone and with it the trial."""


class RayPool:
    """Ray tasks, one trial each: a core, or a GPU for trials on one.

    A worker is a process that performs many trials, so torch is loaded once in each. On a GPU it is a fresh process
    for every trial, since a process cannot be moved to another GPU once it has used one.
    """

    def __init__(self, ray: ModuleType, device: Device) -> None:
        self._ray = ray
        self._resource = "GPU" if device == "cuda" else "CPU"
        options: dict[str, Any] = {"num_cpus": 1, "max_retries": 0}  # the engine counts retries
        if device == "cuda":
            options |= {"num_gpus": 1, "max_calls": 1}
        self._perform = ray.remote(**options)(perform)

    def slots(self) -> int:
        """Cores, or GPUs, of all nodes that are alive."""
        return int(self._ray.cluster_resources().get(self._resource, 0))

    def submit(self, request: bytes, facts: bytes) -> object:
        """Send a request for `repro.trial.request.perform`; what is returned stands for its answer."""
        return self._perform.remote(request, facts)

    def wait(self, sent: Collection[object], seconds: float) -> Sequence[object]:
        """Those of `sent` that have ended, after waiting for one at most so long."""
        ended, _ = self._ray.wait(list(sent), num_returns=1, timeout=seconds)
        return ended

    def answer(self, sent: object) -> bytes:
        """What a finished request gave.

        Raises:
            Lost: if its worker was lost.
            ReproError: if the workers cannot perform requests at all.
        """
        errors = self._ray.exceptions
        try:
            return self._ray.get(sent)
        except (errors.RayTaskError, errors.RuntimeEnvSetupError) as error:
            line = str(error).strip().splitlines()[-1]
            raise ReproError(f"A worker of the cluster cannot run trials: {line}", "Install Repro there.") from error
        except errors.RayError as error:
            raise Lost(type(error).__name__) from error


@contextlib.contextmanager
def connected(address: str | None, device: Device, root: Path, workers: int | None = None) -> Iterator[RayPool]:
    """A pool on a Ray cluster, whose workers stand in a copy of the project that is sent to them.

    Args:
        address: `HOST:PORT` or "auto" for a cluster that this machine is a node of; None or "local" starts one here,
            which ends with the context.
        device: what trials run on.
        root: the project.
        workers: how many a cluster that is started here has; by default one for each core.

    Raises:
        ReproError: if Ray is not installed or there is no cluster at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reports its use to its makers unless told otherwise
    ray = _ray()
    local = address in (None, LOCAL)
    if not local and address != "auto":
        _reach(address or "")
    with tempfile.TemporaryDirectory(prefix="repro-project-") as folder:
        project(root, Path(folder))
        variables = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
        if local:  # a node of a cluster has its own folders, set where `ray start` was typed
            variables["REPRO_CACHE"] = str(cache_dir())
        options: dict[str, Any] = {"num_cpus": workers, "include_dashboard": False} if local else {}
        try:
            ray.init(
                address=LOCAL if local else address,
                runtime_env={"working_dir": folder, "env_vars": variables},
                log_to_driver=False,
                logging_level=logging.ERROR,
                **options,
            )
        except Exception as error:  # a node that does not start in time raises no more than that
            line = str(error).strip().splitlines()[0]
            remedy = "Its logs are in /tmp/ray/session_latest/logs." if local else _HOW
            raise ReproError(f"Ray cannot be used at {address or LOCAL}: {line}", remedy) from error
        try:
            yield RayPool(ray, device)
        except ray.exceptions.RayError as error:
            line = str(error).strip().splitlines()[0]
            raise ReproError(
                f"The Ray cluster broke down: {line}", "What was finished is kept; run it again."
            ) from error
        finally:
            ray.shutdown()


_HOW = "Type `ray start --head` on one machine, `ray start --address HOST:PORT` on the others, this one among them."


def project(root: Path, folder: Path) -> None:
    """Copy what a worker needs of a project: claims, references and this package, but no records and no data."""
    skip = shutil.ignore_patterns("__pycache__", "calibration")
    for name in ("claims", "reference"):
        shutil.copytree(root / name, folder / name, ignore=skip)
    shutil.copytree(PACKAGE, folder / "repro", ignore=skip)
    shutil.copy(root / "pyproject.toml", folder)


def _ray() -> ModuleType:
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise ReproError("--engine ray needs Ray, which is not installed", "Run pip install -e '.[ray]'.") from error
    return ray


def _reach(address: str) -> None:
    """Check that something that can be a Ray cluster listens at an address: Ray itself would wait for a minute.

    Raises:
        ReproError: if not.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "://" in address:
        raise ReproError(f"{address!r} is not the address of a Ray cluster", "Give HOST:PORT, or auto.")
    try:
        with socket.create_connection((host, int(port)), timeout=CONNECT_S) as line:
            if os.environ.get("RAY_USE_TLS") == "1":
                return
            line.sendall(PREFACE)
            if line.recv(9)[3:4] != bytes([SETTINGS]):
                raise ReproError(f"What answers at {address} is not a Ray cluster", _HOW)
    except (OSError, OverflowError) as error:
        raise ReproError(f"There is no Ray cluster at {address} ({error})", _HOW) from error
