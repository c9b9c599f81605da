"""Runs a submission, or a reference beside it, one fresh jail for each trial."""

from __future__ import annotations

import contextlib
import hashlib
import platform
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import msgspec

from harness.sandbox import code_store, jail
from harness.sandbox.broker import Broker, OfferedNames, codec
from harness.sandbox.inside.limits import CEILING, Limits
from harness.sandbox.jail import Jail, View
from repro import data
from repro.code_digest import digest
from repro.errors import ReproError
from repro.machine.process_group import world
from repro.paths import atomic_write
from repro.trial.implementation import LoadedImplementation, Opened, reference

FORMAT = 1  # of what the jail does to a trial; raising it makes every trial of a submission be computed again
COMPILERS = ("numba", "torch")


@dataclass(frozen=True, kw_only=True)
class SandboxHost:
    """Code in a folder of the cache, and how it is run.

    Attributes:
        label: what messages call it.
        kept: a folder with `source/` in it, and beside it what may be kept from one trial to the next.
        source: sha256 of the code.
        limits: ceilings of one trial.
        trusted: run without a jail.
        salt: mixed into the seeds that it is given; None gives it the trials' own seeds.
    """

    label: str
    kept: Path
    source: str
    limits: Limits
    trusted: bool = False
    salt: str | None = ""

    @property
    def isolation(self) -> str:
        """What it runs in, as records say it."""
        return "none (trusted)" if self.trusted else jail.probe()

    @property
    def counted(self) -> str:
        """What trials of it, and records, count as its source: the code, and what the jail does to it."""
        return digest(f"{FORMAT} {self.source}")

    def seed(self, seed: int) -> int:
        """A seed that nobody could know when the source was written: it is derived from the source, and the salt."""
        if self.salt is None:
            return seed
        return int(hashlib.sha256(f"{self.source} {self.salt} {seed}".encode()).hexdigest()[:7], 16)

    @contextlib.contextmanager
    def open(self, *, seed: int, device: str, dataset: str | None) -> Iterator[Opened]:
        """A fresh process with the implementation in it.

        Raises:
            ReproError: if this machine cannot isolate it, or it is one of several processes of a trial.
        """
        if world() > 1:
            raise ReproError("A submission runs in one process, and this trial has several", "Leave torchrun out.")
        with self.jailed(device, dataset) as (broker, pid):
            yield Opened(broker.names(broker.load(seed, device)), pid)

    @contextlib.contextmanager
    def jailed(self, device: str = "cpu", dataset: str | None = None) -> Iterator[tuple[Broker, int]]:
        """A broker before anything has been imported, and the jail's process."""
        view = View(
            submission=self.kept / "source",
            compiled=self.compiled,
            shared=data.shared(dataset) if dataset else (),
            hidden=data.hidden(),
        )
        limits = msgspec.structs.replace(self.limits, gpus=int(device == "cuda"))
        with Jail(limits, view, self.trusted) as opened:
            yield Broker(opened, self.label), opened.pid

    @property
    def compiled(self) -> Path:
        """Where compilers' results are kept; another folder for other versions of what reads them."""
        versions = ["without data", platform.python_version(), *(metadata.version(name) for name in COMPILERS)]
        return self.kept / f"compiled-{digest(' '.join(versions))[:12]}"

    @cached_property
    def offered(self) -> OfferedNames:
        """Its presets and functions; read once for a source, in a jail."""
        known = self.kept / "description.json"
        if known.is_file():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                return OfferedNames(**codec().unpack(bytearray(known.read_bytes()), []))
        with self.jailed() as (broker, _):
            found = broker.load(None, "cpu")
        text, buffers = codec().pack({"configs": dict(found.configs), "offers": found.offers})
        if not buffers:
            atomic_write(known, text)
        return found


def as_reference(paper: str, root: Path | None = None, *, trusted: bool = False) -> LoadedImplementation:
    """A paper's reference, for comparison with a submission: in the same jail, with the trials' own seeds."""
    original = reference(paper, root)
    path = Path(original.names.__file__)
    folder = path.parent.parent  # of references
    others = {f"{file.relative_to(folder)}": file.read_bytes() for file in path.parent.rglob("*.py")}
    files = {"implementation.py": path.read_bytes(), **others}
    kept = code_store.keep(files, code_store.digest(files))
    own, label = original.source, "the reference"
    host = SandboxHost(label=label, kept=kept, source=own, limits=CEILING, trusted=trusted, salt=None)
    return replace(original, names=SimpleNamespace(CONFIGS=host.offered.configs), source=host.counted, host=host)


def keep_compiled(host: SandboxHost, files: dict[str, bytes]) -> None:
    """Keep what compilers left in a jail, for later trials of the same source.

    Raises:
        ReproError: if a file is named so that it would lie elsewhere.
    """
    if files:
        code_store.write(host.compiled, files)
