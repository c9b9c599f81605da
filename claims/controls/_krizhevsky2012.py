"""References whose own functions use what a control replaces, or whose training has another config."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from repro import sabotage


def rebuilt(reference: Any, **replaced: Any) -> SimpleNamespace:
    """The reference with some of its names replaced wherever it uses them itself."""
    scope = reference.initialise.__globals__

    def within(function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            with _replacing(scope, replaced):
                return function(*args, **kwargs)

        return called

    def train(*args: Any, **kwargs: Any) -> Iterator[tuple[int, Any]]:
        steps = reference.train(*args, **kwargs)
        while True:
            with _replacing(scope, replaced):
                found = next(steps, None)
            if found is None:
                return
            yield found

    names = ("restore", "layers", "augment", "descend", "sensitivity")
    return sabotage(reference, train=train, **replaced, **{name: within(getattr(reference, name)) for name in names})


@contextmanager
def _replacing(scope: dict[str, Any], replaced: dict[str, Any]) -> Iterator[None]:
    """While it lasts, a module has other names."""
    before = {name: scope[name] for name in replaced}
    scope.update(replaced)
    try:
        yield
    finally:
        scope.update(before)


def with_config(reference: Any, change: Callable[[Any], Any]) -> SimpleNamespace:
    """Networks are trained by a changed config, whatever an experiment asks of it."""

    def train(config: Any, *args: Any, **kwargs: Any) -> Iterator[tuple[int, Any]]:
        yield from reference.train(change(config), *args, **kwargs)

    return sabotage(reference, train=train)


def with_masks(reference: Any, change: Callable[[Any], Any]) -> SimpleNamespace:
    """Units are dropped by changed masks [B, D]."""

    class Update(reference.Update):
        def _update(self) -> None:
            for mask in self.masks:
                mask.copy_(change(mask.clone()))
            super()._update()

    return rebuilt(reference, Update=Update)
