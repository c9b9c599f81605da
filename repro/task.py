"""The contract: what an implementation offers, in arrays, numbers and configs.

The implementation computes; the suite measures. No implementation reports its own score, sees test labels or
reads the clock that times it. An implementation is anything with these names: a reference module, a control
built from one, or a submission.

Shapes: N examples, H height, W width, C channels, K classes, T snapshots.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

Device = Literal["cpu", "cuda", "mps"]


class Implementation(Protocol):
    """Every implementation has presets: frozen dataclasses whose fields are the paper's settings."""

    CONFIGS: Mapping[str, Any]


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One layer that has weights, as the suite counts it.

    Attributes:
        name: dotted name, in the order of execution.
        kind: "conv", "linear" or "norm".
        weights: shapes of its parameters, the kernel first: [out, in/groups, kh, kw] or [out, in].
        output: shape of its output for one example, [C, H, W] or [C].
        shortcut: whether it lies on a shortcut rather than on the main path.
    """

    name: str
    kind: Literal["conv", "linear", "norm"]
    weights: tuple[tuple[int, ...], ...]
    output: tuple[int, ...]
    shortcut: bool = False


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """What one block shows at one training step: its response and the gradient of its first kernel."""

    name: str
    response: NDArray[np.float32]  # output of the block, [N, C, H, W]
    gradient: NDArray[np.float32]  # d loss / d kernel


class Predictor(Protocol):
    """A trained classifier."""

    def predict(self, images: Any, *, views: int = 1) -> NDArray[np.float32]:
        """Class scores [N, K] of images as `Images.images` has them; the same whatever else is in the batch.

        `views` is the number of crops averaged per image: 1, or 10 for the standard ten-crop test.
        """
        ...


class Images(Protocol):
    """Labelled images, in memory or decoded from disk when they are asked for."""

    @property
    def images(self) -> Any:
        """Bytes [N, H, W, C]; for sets that do not fit in memory, a sequence of N images [H, W, C] of any size."""
        ...

    @property
    def labels(self) -> NDArray[np.int64]:
        """The class of each image [N]."""
        ...

    @property
    def classes(self) -> int:
        """How many classes there are."""
        ...


class Classifier(Implementation, Protocol):
    """An image classifier."""

    def train(
        self,
        config: Any,
        data: Images,
        *,
        seed: int,
        device: Device,
        checkpoints: Sequence[int] = (),
    ) -> Iterator[tuple[int, Predictor]]:
        """Train on `data`; yield (step, predictor) at every step in `checkpoints` and at the end.

        Steps count optimizer updates; a checkpoint at or beyond the last step is the end. A predictor that
        was yielded before the end is only valid until the next one is asked for.
        """
        ...


class Simulator(Implementation, Protocol):
    """A stochastic system that can be observed."""

    def simulate(self, config: Any, times: Sequence[int], *, seed: int) -> NDArray[Any]:
        """States [T, ...] at the given ascending times (in the config's unit of time), from its start."""
        ...
