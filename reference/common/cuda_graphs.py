"""Updates that a GPU replays from a captured CUDA graph."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from repro.task import Device


class GraphedUpdate:
    """One update of all parameters; on a GPU, a replayed CUDA graph.

    Inputs, and whatever else an update reads, live at fixed places on the device, and nothing is read back. The first
    three updates on a GPU run kernel by kernel on a side stream; the fourth is captured and from then on replayed.
    Several processes are not captured; where capturing fails, `engine` says so.

    A subclass fills its places with `place`, calls `run`, and computes an update from them in `_update`.
    """

    def __init__(self, device: Device, world: int) -> None:
        self.device: Device = device
        self.inputs: tuple[Tensor, ...] = ()
        self.engine, self.left = "eager", 3
        self.run: Callable[[], None] = self._beside if device == "cuda" and world == 1 else self._update

    def place(self, inputs: tuple[Tensor, ...]) -> None:
        """Copy a batch, always of the same shapes, to its place on the device."""
        if not self.inputs:
            self.inputs = tuple(torch.empty_like(value, device=self.device) for value in inputs)
        for place, value in zip(self.inputs, inputs, strict=True):
            place.copy_(value, non_blocking=True)

    def _update(self) -> None:
        raise NotImplementedError

    def _beside(self) -> None:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._update()
        torch.cuda.current_stream().wait_stream(stream)
        self.left -= 1
        if not self.left:
            self.run = self._capture

    def _capture(self) -> None:
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # a loader's thread may pin memory
                self._update()
        except RuntimeError as error:
            self.engine, self.run = f"eager; not captured: {error}", self._update
        else:
            self.engine, self.run = "CUDA graph", graph.replay
        self.run()
