"""Controls that are the reference with pieces of its text replaced."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

from repro import sabotage


def edited(says: str, *changes: tuple[str, str]) -> Callable[[Any], Any]:
    """A control whose source has other text at the places of some, wherever they stand; `says` is its docstring.

    Raises:
        ValueError: when it is built, for a text that the reference does not have.
    """

    def build(reference: Any) -> Any:
        text, module = inspect.getsource(reference), ModuleType(reference.__name__)
        for old, new in changes:
            if old not in text:
                raise ValueError(f"the reference has no {old!r}")
            text = text.replace(old, new)
        exec(compile(text, reference.__file__, "exec"), vars(module))
        return sabotage(module)

    build.__doc__ = says
    return build
