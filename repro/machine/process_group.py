"""Data-parallel trials: processes that torchrun has started work on one trial together; rank 0 keeps the results."""

from __future__ import annotations

import gc
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


def init_process_group(device: Device) -> None:
    """Form the process group that references train in; does nothing without torchrun."""
    if world() == 1:
        return
    import torch
    from torch import distributed

    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    if not distributed.is_initialized():
        import torch.distributed.nn  # its default arguments keep a group that is there before it

        distributed.init_process_group("nccl" if device == "cuda" else "gloo")


def destroy_process_group() -> None:
    """End the process group, if there is one. All processes must call this before they exit.

    A thread of gloo's that frees its last piece of work while the interpreter shuts down aborts the process: it asks
    for the interpreter, and is ended for it. Only the group's destructor waits for that thread.
    """
    if world() == 1:
        return
    from torch import distributed

    if distributed.is_initialized():
        gc.collect()  # networks wrapped for data parallelism refer to themselves, and to the group
        distributed.destroy_process_group()


def broadcast_from_rank0(make: Callable[[], T]) -> T:
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
