"""What torch says of the arithmetic of this process."""

from __future__ import annotations

import contextlib
import json
from functools import cache

from repro.code_digest import digest
from repro.machine.environment import processor, software
from repro.paths import atomic_write, cache_dir


@cache
def torch_capability() -> str:
    """The vector instructions of torch's own kernels, such as "AVX2", by its own account; "" without torch.

    They are not those that the processor could run: torch may choose narrower ones, by maker or by variable. Importing
    torch takes seconds, so the answer is kept by all that it depends on.
    """
    here = software(threads=1)
    if here.torch is None:
        return ""
    flags, model = processor()
    facts = json.dumps([here.torch, model, sorted(flags), here.steered_by or {}], sort_keys=True)
    kept = cache_dir() / "torch" / f"{digest(facts)[:32]}.txt"
    with contextlib.suppress(OSError):
        return kept.read_text()
    import torch

    said = torch.backends.cpu.get_cpu_capability()
    with contextlib.suppress(OSError):
        atomic_write(kept, said.encode())
    return said
