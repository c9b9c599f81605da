"""Images for training and for tests, in memory or decoded on access by worker processes.

Shapes: N images, B batch, H height, W width, C channels, V crops.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from reference.common.images import colour_directions, to_tensor
from repro.task import Device, Images

STATISTICS_IMAGES = 4096  # that mean and covariance are computed from, where images are decoded on access


def decoded(decode: Callable[[Any], Tensor], tasks: Sequence[list[Any]], device: Device) -> Iterable[Tensor]:
    """One tensor of stacked images for each list of tasks, in order; beside a GPU, decoded by other processes."""
    workers = min(16, os.cpu_count() or 1) if device == "cuda" else 0
    return DataLoader(
        tasks,  # pyright: ignore[reportArgumentType] -- a list is all that the loader needs
        batch_size=None,
        collate_fn=lambda task: torch.stack([decode(item) for item in task]),
        num_workers=workers,
        pin_memory=device == "cuda",
        prefetch_factor=4 if workers else None,
        generator=torch.Generator(),
    )


def in_chunks(
    images: Any, side: int, chunk: int, decode: Callable[[NDArray[np.uint8]], Tensor], device: Device
) -> Iterable[Tensor]:
    """Crops of images as `repro.task.Predictor` gets them, [B, V, H, W, C] in bytes.

    Args:
        images: an array, or a sequence of images that are decoded on access.
        side: of arrays that are one crop as they are.
        chunk: how many of those there are at a time.
        decode: the crops [V, H, W, C] of any other image.
        device: beside a GPU, other processes decode.
    """
    if isinstance(images, np.ndarray) and images.shape[1:3] == (side, side):
        return (to_tensor(images[start : start + chunk])[:, None] for start in range(0, len(images), chunk))
    tasks = [list(range(start, min(start + 64, len(images)))) for start in range(0, len(images), 64)]
    return decoded(lambda index: decode(images[index]), tasks, device)


class InMemoryLoader:
    """Training images that fit on the device [N, H, W, C], with labels [N] and their mean image [H, W, C]."""

    def __init__(self, data: Images, device: Device) -> None:
        self.images_NHWC, self.labels_N = to_tensor(data.images).to(device), to_tensor(data.labels).to(device)
        self.mean_HWC = self.images_NHWC.sum(0, dtype=torch.int64) / len(self.images_NHWC)


class StreamingLoader:
    """Training images that are decoded on access, by worker processes: an indexable sequence of [H, W, C] bytes.

    Mean image and covariance of colours come from some thousand images, framed as for a test.
    """

    def __init__(
        self, data: Images, device: Device, frame: Callable[[NDArray[np.uint8]], Tensor], batch: int, seed: int
    ) -> None:
        """Decode some images for the statistics.

        Args:
            data: the images.
            device: where batches and statistics go.
            frame: gives an image the size of all others.
            batch: images decoded at a time.
            seed: decides which images the statistics come from.
        """
        self.data, self.frame, self.batch = data, frame, batch
        self.labels_N = to_tensor(data.labels)
        self.device: Device = device
        self.some = torch.randperm(len(self.labels_N), generator=torch.Generator().manual_seed(seed)).tolist()
        total_HWC, products_CC, pixels = torch.zeros((), dtype=torch.int64), torch.zeros(()), 0
        for frames_BHWC in self.framed(self.some[:STATISTICS_IMAGES]):
            total_HWC = total_HWC + frames_BHWC.sum(0, dtype=torch.int64)
            flat = frames_BHWC.double().flatten(0, 2)
            products_CC, pixels = products_CC + flat.T @ flat, pixels + len(flat)
        mean_HWC = total_HWC.double() / min(STATISTICS_IMAGES, len(self.some))
        mean_C = mean_HWC.mean((0, 1))
        self.mean_HWC = mean_HWC.float().to(device)
        self.colour_CC = colour_directions(products_CC / pixels - torch.outer(mean_C, mean_C)).to(device)

    def framed(self, chosen: list[int]) -> Iterable[Tensor]:
        """Those images as for a test, [B, H, W, C] in bytes, a batch at a time."""
        tasks = [chosen[start : start + self.batch] for start in range(0, len(chosen), self.batch)]
        return decoded(lambda index: self.frame(self.data.images[index]), tasks, self.device)
