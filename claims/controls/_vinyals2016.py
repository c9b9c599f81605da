"""Ways to sabotage a reference: other text of it, other configs, other presets."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from repro import reconfigure, sabotage


def edited(says: str, *changes: tuple[str, str]) -> Callable[[Any], ModuleType]:
    """A module with the reference's text, and its updates', in which pieces that stand there once are others."""

    def build(reference: Any) -> ModuleType:
        own = Path(reference.__file__)
        shared = (
            (own.parent / "common" / "clipped_updates.py").read_text().replace("from __future__", "# from __future__")
        )
        text = own.read_text().replace("from reference.common.clipped_updates import batches, fit\n", shared)
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


def changed(says: str, chosen: Callable[[Any], bool] = lambda config: True, **fields: Any) -> Callable[[Any], Any]:
    """The reference with other fields of the configs that are chosen."""

    def build(reference: Any) -> SimpleNamespace:
        return reconfigure(reference, lambda config: replace(config, **fields) if chosen(config) else config)

    build.__doc__ = says
    return build


def with_presets(says: str, **fields: Any) -> Callable[[Any], Any]:
    """The reference with other presets."""

    def build(reference: Any) -> SimpleNamespace:
        return sabotage(reference, CONFIGS={n: replace(c, **fields) for n, c in reference.CONFIGS.items()})

    build.__doc__ = says
    return build
