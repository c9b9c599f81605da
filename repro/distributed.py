"""Data-parallel trials: processes that torchrun has started work on one trial together; rank 0 keeps the results."""

from __future__ import annotations

import os
from typing import TypeVar

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


def share(value: T) -> T:
    """Rank 0's value, in every process. All of them must call this."""
    from torch import distributed

    box = [value]
    distributed.broadcast_object_list(box, src=0)
    return box[0]
