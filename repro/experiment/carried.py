"""Trained models as the arrays that they have learnt, carried to where nothing was trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.errors import ReproError
from repro.experiment.likelihood import text_loss
from repro.experiment.setting import Setting
from repro.task import Reader


@dataclass(frozen=True, eq=False)
class Carried:
    """What a trained language model has learnt, as arrays, and readers that know nothing else.

    Whenever texts are read, a new reader is made of the arrays; of a submission, in a process that has trained nothing
    and read no text. So none can replay a text that it has read, or use what it keeps elsewhere.
    """

    implementation: Any
    setting: Setting
    arrays: dict[str, NDArray[Any]]

    @classmethod
    def of(cls, implementation: Any, setting: Setting, trained: Reader) -> Carried:
        """What `state` gives of a model that was trained with the setting's config.

        Raises:
            ReproError: if it is not what the implementation says that it learns.
        """
        arrays = {name: np.array(array) for name, array in implementation.state(trained).items()}
        check_state(arrays, implementation.shapes(setting.config))
        return cls(implementation, setting, arrays)

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """The implementation where models are restored."""
        if self.setting.untrained is None:
            yield self.implementation
        else:
            with self.setting.untrained() as names:
                yield names

    def restored(self, names: Any) -> Reader:
        """A reader that has read nothing, of an implementation that was opened."""
        arrays = {name: array.copy() for name, array in self.arrays.items()}
        return names.restore(self.setting.config, arrays, device=self.setting.device)

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """A reader that has read nothing, for as long as it is used."""
        with self.opened() as names:
            yield self.restored(names)

    def loss(self, tokens: NDArray[np.int64], streams: int = 1) -> float:
        """`text_loss` of a text, of the dataset's vocabulary, that nothing else is read with."""
        with self.reading() as reader:
            return text_loss(reader, tokens, self.setting.dataset.train.vocabulary, streams)


def check_state(arrays: Mapping[str, NDArray[Any]], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Check that a model's arrays are those of the given names and shapes, and no others.

    Raises:
        ReproError: naming the first that is missing, has another shape, or is too many.
    """
    for name, shape in shapes.items():
        if name not in arrays:
            raise ReproError(f"state has no {name!r} {list(shape)}", f"It has {', '.join(arrays)}.")
        if arrays[name].shape != tuple(shape):
            raise ReproError(f"state has {name!r} as {list(arrays[name].shape)}, where {list(shape)} is due")
    if more := sorted(arrays.keys() - shapes.keys()):
        raise ReproError(f"state has {more[0]!r}, which is none of the weights", f"They are {', '.join(shapes)}.")
