"""The course of a training: how many processes, which learning rate, when to stop and look."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch.distributed as dist

from repro.task import Images


def processes(batch: int) -> tuple[int, int]:
    """How many processes train together, and which of them this one is; alone, 1 and 0.

    Raises:
        ValueError: if a batch cannot be shared equally among them.
    """
    world, rank = (dist.get_world_size(), dist.get_rank()) if dist.is_initialized() else (1, 0)
    if batch % world:
        raise ValueError(f"a batch of {batch} cannot be shared by {world} processes")
    return world, rank


def run(update: Callable[[int], None], eval_steps: Sequence[int], iterations: int, start: int = 0) -> Iterator[int]:
    """Update from `start` to `iterations`; yield the number of updates at each of `eval_steps` and at the end.

    Args:
        update: makes one update; is given how many there were before.
        eval_steps: those before `start` are left out, and those beyond the end are the end.
        iterations: updates in all.
        start: updates that were made before.
    """
    step = start
    for stop in sorted({min(stop, iterations) for stop in (*eval_steps, iterations)}):
        if stop < step:
            continue
        while step < stop:
            update(step)
            step += 1
        yield step


def stepped(lr: float, milestones: Sequence[int], step: int) -> float:
    """The learning rate of the update after `step` others: divided by 10 at each milestone."""
    return lr * 0.1 ** sum(step >= milestone for milestone in milestones)


def check_images(data: Images, shape: tuple[int, int, int], classes: int, batch: int) -> None:
    """Refuse data that a config does not describe; images that are decoded on access may have any shape.

    Raises:
        ValueError: if images have another shape [H, W, C], there are other classes, or a batch is not filled.
    """
    if isinstance(data.images, np.ndarray) and data.images.shape[1:] != shape:
        raise ValueError(f"images are {data.images.shape[1:]}, but the config says {shape}")
    if data.classes != classes:
        raise ValueError(f"there are {data.classes} classes, but the config says {classes}")
    if len(data.labels) < batch:
        raise ValueError(f"{len(data.labels)} images do not fill a batch of {batch}")
