"""The only code of ours inside the jail: it imports a submission and answers the broker's requests.

It is trusted until the submission is imported and never afterwards: whatever leaves here, the broker checks. Its
command line is `worker.py SOCKET LIMITS FOLDER ROOT`: a file descriptor, the limits as JSON, the folder of the
submission, and where the contract can be imported from.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import io
import os
import resource
import shutil
import socket
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

COLLECTED = 64 << 20  # bytes of compiled code that may outlive the jail


class Encoded:
    """Image files, as bytes or as paths that the jail shows, each decoded on access to RGB bytes [H, W, 3]."""

    def __init__(self, files: list[bytes] | list[str]) -> None:
        self._files = files

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int | slice) -> Any:
        """One image, or the images of a slice."""
        if isinstance(index, slice):
            return Encoded(self._files[index])
        import numpy as np
        from PIL import Image

        file = self._files[index]
        with Image.open(file if isinstance(file, str) else io.BytesIO(file)) as image:
            return np.array(image.convert("RGB"))


class Worker:
    """Holds the submission's objects and calls them as the broker asks."""

    def __init__(self, connection: socket.socket, folder: Path) -> None:
        from harness.sandbox.inside.wire import Channel, Codec

        self._channel = Channel(connection, 1 << 40)
        self._codec = Codec(self._stay, self._come)
        self._folder = folder
        self._objects: dict[int, Any] = {}
        self._configs: dict[str, type] = {}
        self._next = 1
        self.module: ModuleType | None = None

    def serve(self) -> None:
        """Answer requests until the broker goes."""
        from harness.sandbox.inside.wire import Closed

        while True:
            try:
                request = self._codec.unpack(*self._channel.receive())
            except Closed:
                return
            self._channel.send(*self._answer(request))

    def _answer(self, request: dict[str, Any]) -> tuple[bytes, list[memoryview]]:
        try:
            value = getattr(self, f"_do_{request['do']}")(**request["with"])
            return self._codec.pack({"value": value})
        except Exception as error:
            frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(str(self._folder))]
            where = f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
            traceback.print_exc()
            text = f"{type(error).__name__}: {error}"[:2000]
            return self._codec.pack({"error": text, "where": where})

    def _do_load(self, seed: int | None, device: str) -> dict[str, Any]:
        """Import the submission; what it offers."""
        path = self._folder / "implementation.py"
        spec = importlib.util.spec_from_file_location("implementation", path)
        if spec is None or spec.loader is None:
            raise ImportError("implementation.py cannot be imported")
        sys.path.insert(0, str(self._folder))  # it may be made of several files
        module = importlib.util.module_from_spec(spec)
        sys.modules["implementation"] = module
        spec.loader.exec_module(module)
        self.module = module
        if seed is not None:
            from repro.machine.determinism import make_deterministic

            make_deterministic(seed, device)
        configs = dict(getattr(module, "CONFIGS", {}))
        for config in configs.values():
            self._know(config)
        offers = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        return {"configs": configs, "offers": offers}

    def _do_call(self, target: int, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a function of the submission, or a method of one of its objects."""
        return getattr(self._objects[target] if target else self.module, name)(*args, **kwargs)

    def _do_next(self, target: int) -> dict[str, Any]:
        """The next item of an iterator, if there is one."""
        try:
            return {"item": next(self._objects[target])}
        except StopIteration:
            return {}

    def _do_drop(self, targets: list[int]) -> None:
        """Forget objects that the broker has forgotten."""
        for target in targets:
            self._objects.pop(target, None)

    def _do_collect(self) -> dict[str, bytes]:
        """What compilers left in their cache folder, for later trials of the same source."""
        root = Path(os.environ["REPRO_COMPILED"])
        found = {str(f.relative_to(root)): f for f in root.rglob("*") if f.is_file() and not f.is_symlink()}
        if sum(f.stat().st_size for f in found.values()) > COLLECTED:
            return {}
        return {name: file.read_bytes() for name, file in found.items()}

    def _know(self, config: Any) -> None:
        if dataclasses.is_dataclass(config) and not isinstance(config, type):
            self._configs[type(config).__qualname__] = type(config)
            for field in dataclasses.fields(config):
                self._know(getattr(config, field.name))

    def _stay(self, value: Any) -> dict[str, Any]:
        number, self._next = self._next, self._next + 1
        self._objects[number] = value
        return {"iterator" if isinstance(value, Iterator) else "object": number}

    def _come(self, kind: str, what: Any) -> Any:
        if kind == "object":
            return self._objects[what]
        if kind in ("encoded", "pictures"):
            return Encoded(what)
        name, fields = what
        return SimpleNamespace(**fields) if kind == "data" else self._configs[name](**fields)


def limit(memory: int, scratch: int, processes: int | None, *, virtual: bool) -> None:
    """Lower this process's hard limits for good, and its children's with them.

    Memory and files are in bytes, and with `virtual` addresses are limited too. Processes are counted by user: None
    where all the user's other ones would count.
    """
    ceilings = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: scratch,
        resource.RLIMIT_NOFILE: 1024,
        resource.RLIMIT_MEMLOCK: 1 << 26,
    }
    if processes is not None:
        ceilings[resource.RLIMIT_NPROC] = processes
    if virtual:  # CUDA reserves far more addresses than it uses
        ceilings[resource.RLIMIT_AS] = 2 * memory + (8 << 30)
    for which, most in ceilings.items():
        hard = resource.getrlimit(which)[1]
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (least, least))


def main() -> None:
    """Set limits, leave nothing of ours in `sys.argv`, and serve."""
    descriptor, limits, folder, root = sys.argv[1:]
    sys.path.insert(0, root)
    import msgspec

    from harness.sandbox.inside.limits import Limits

    granted = msgspec.json.decode(limits, type=Limits)
    processes = granted.processes if root == "/harness" else None  # in a jail only its own count
    limit(granted.memory_bytes, granted.scratch_bytes, processes, virtual=not granted.gpus)
    compiled, earlier = Path(os.environ["REPRO_COMPILED"]), Path(os.environ["REPRO_EARLIER"])
    if earlier.is_dir():
        shutil.copytree(earlier, compiled, dirs_exist_ok=True)
    sys.argv = ["implementation.py"]
    Worker(socket.socket(fileno=int(descriptor)), Path(folder)).serve()


if __name__ == "__main__":
    main()
