"""Image files as a sequence of pixels, decoded when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from repro.data._reading import image


@dataclass(frozen=True)
class Pictures(Sequence[NDArray[np.uint8]]):
    """Images on disk, each decoded on access to RGB bytes [H, W, 3] of its own size.

    It holds file names only, so it is cheap to slice and to send to the workers that load a batch.
    """

    paths: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice) -> Pictures: ...
    def __getitem__(self, index: int | slice) -> NDArray[np.uint8] | Pictures:
        """One image [H, W, 3], or the images of a slice, still on disk.

        Raises:
            ReproError: if the file is missing or is not an image.
        """
        if isinstance(index, slice):
            return Pictures(self.paths[index])
        path = Path(self.paths[index])
        return image(path, path.name, "RGB")
