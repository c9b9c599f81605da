"""What controls of both papers on residual networks are made by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

from repro import sabotage


def with_update(reference: Any, update: type) -> SimpleNamespace:
    """Updates are made by another class, which training looks up once, before its first yield."""

    def train(
        config: Any, data: Any, *, seed: int, device: str, eval_steps: Sequence[int] = ()
    ) -> Iterator[tuple[int, Any]]:
        steps = reference.train(config, data, seed=seed, device=device, eval_steps=eval_steps)
        kept, reference.Update = reference.Update, update
        try:
            first = next(steps)
        finally:
            reference.Update = kept
        yield first
        yield from steps

    return sabotage(reference, train=train)
