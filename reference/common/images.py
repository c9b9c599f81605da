"""Images as arrays: sizes, crops, colours.

Shapes: B batch, H height, W width, C channels, V crops.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F


def to_tensor(array: NDArray[Any]) -> Tensor:
    """A copy, since the original may be read-only."""
    return torch.from_numpy(np.array(array, order="C"))


def standardise(images_BHWC: Tensor, mean_HWC: Tensor) -> Tensor:
    """Inputs [B, C, H, W] from bytes, channels last in memory."""
    return (images_BHWC.float() - mean_HWC).permute(0, 3, 1, 2) / 255


def resized(picture_HWC: NDArray[np.uint8], height: int, width: int) -> Tensor:
    """The image at another size, by bilinear interpolation with antialiasing, in bytes."""
    picture_1CHW = to_tensor(picture_HWC).permute(2, 0, 1)[None]
    return F.interpolate(picture_1CHW, (height, width), mode="bilinear", antialias=True)[0].permute(1, 2, 0)


def standard_crops(x: Tensor, size: int, crops: int) -> Tensor:
    """The central crop, or ten: corners, centre and their mirror images; [..., H, W, C] to [..., V, size, size, C]."""
    down, right = x.shape[-3] - size, x.shape[-2] - size
    places = [(0, 0), (0, right), (down, 0), (down, right)] if crops == 10 else []
    found = [x[..., top : top + size, left : left + size, :] for top, left in [*places, (down // 2, right // 2)]]
    return torch.stack([*found, *(crop.flip(-2) for crop in found)] if crops == 10 else found, -4)


def colour_directions(covariance_CC: Tensor) -> Tensor:
    """Principal components of colours, a column each, times their eigenvalues [C, C], as shifts in 0..255.

    Krizhevsky et al. (2012), Section 4.1. Eigenvalues are those of colours in 0..1; in 0..255 a shift of 0.1
    eigenvalues would be hundreds of grey levels.

    Args:
        covariance_CC: of pixels in 0..255.
    """
    values_C, vectors_CC = torch.linalg.eigh(covariance_CC.double() / 255**2)
    return (255 * vectors_CC * values_C).float()


def cropped(x_NHWC: Tensor, index_B: Tensor, place_B3: Tensor, size: int) -> Tensor:
    """Crops [B, size, size, C] of the images that `index_B` names, mirrored where the places say so."""
    down_B, right_B, flip_B = place_B3.unbind(1)
    place = torch.arange(size, device=index_B.device)
    row_BH = down_B[:, None] + place
    column_BW = right_B[:, None] + torch.where(flip_B[:, None] > 0, place.flip(0), place)
    return x_NHWC[index_B[:, None, None], row_BH[:, :, None], column_BW[:, None, :]]
