"""Data-parallel trials: processes that torchrun has started work on one trial together; rank 0 keeps the results."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

from repro.errors import ReproError
from repro.task import Device

T = TypeVar("T")


def world() -> int:
    """How many processes torchrun has started for this run; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """This process's number among them; 0 without torchrun."""
    return int(os.environ.get("RANK", "0"))


def join(device: Device) -> None:
    """Form the process group that references train in; does nothing without torchrun."""
    if world() == 1:
        return
    import torch
    from torch import distributed

    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if device == "cuda" else "gloo")


def share(make: Callable[[], T]) -> T:
    """What `make` returns or raises in rank 0, in every process. All of them must call this.

    Raises:
        ReproError: what `make` raised in rank 0, so that no process waits for another that has stopped.
    """
    from torch import distributed

    box: list[Any] = [None]
    if rank() == 0:
        try:
            box = [make()]
        except ReproError as error:
            box = [error]
    distributed.broadcast_object_list(box, src=0)
    if isinstance(box[0], ReproError):
        raise box[0]
    return box[0]
