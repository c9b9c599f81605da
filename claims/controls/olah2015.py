"""Sabotaged gated networks: each differs from the reference in one thing that people get wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from repro import reconfigure, sabotage


def _edited(says: str, *changes: tuple[str, str]) -> Callable[[Any], ModuleType]:
    """A module of its own with the reference's text, in which pieces that stand there once are others."""

    def build(reference: Any) -> ModuleType:
        text = Path(reference.__file__).read_text()
        for old, new in changes:
            if text.count(old) != 1:
                raise ValueError(f"{old!r} stands {text.count(old)} times in the reference")
            text = text.replace(old, new)
        module = ModuleType(f"{reference.__name__}, sabotaged")
        sys.modules[module.__name__] = module  # dataclasses look themselves up there
        exec(compile(text, reference.__file__, "exec"), vars(module))
        return module

    build.__doc__ = says
    return build


# fmt: off
forget_gates_of_2000 = _edited("Memory blocks have the forget gate that came three years later.",
                               ('{"c": cells, "in": b} if', '{"c": cells, "in": b, "f": b} if'),
                               ('"in": b, "out": b}\n', '"in": b, "out": b, "f": b}\n'))
two_gates_only = _edited("Modules have no output gate, so that three layers interact.",
                         ('.get(config.cell, "fiCo")', '.get(config.cell, "fiC")'))
# fmt: on


PLANTED = {  # the input gate is forgotten
    "repeating-modules": ("C = f * C + i * new", "C = f * C + new"),
}
