"""A chain of processes that only neighbours connect: each holds one worker, all answer what their parent asks.

A worker is made in its process by a function of its task, its index, the length of the chain and its connections to
its neighbours, by index. Whatever a worker raises, and the loss of a process, is an error of the parent's, which names
the process.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection, wait
from types import SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

SMALL = 1024  # bytes of a message that needs no thread; all messages to one neighbour are of one size
LINGER_S = 2.0  # in which other processes may say what went wrong, once one has

Neighbours = dict[int, Connection]
"""Connections to the processes before and behind, by index."""


class SocketGroup(dist.ProcessGroup):
    """A group for torch.distributed whose neighbours are connected by sockets; it sends and receives, no more.

    Waiting raises EOFError or OSError once the neighbour has gone.
    """

    def __init__(self, rank: int, size: int, neighbours: Neighbours) -> None:
        super().__init__(rank, size)  # pyright: ignore -- of two constructors only the other is declared
        self._neighbours, self._outgoing = neighbours, ThreadPoolExecutor(1)

    def send(self, tensors: list[Tensor], rank: int, tag: int) -> Any:  # pyright: ignore -- torch has other names
        """Send a tensor while computation goes on, or at once where the socket holds it."""
        send, contents = self._neighbours[rank].send_bytes, _bytes(tensors[0].detach().contiguous())
        if len(contents) > SMALL:
            return SimpleNamespace(wait=self._outgoing.submit(send, contents).result)
        return SimpleNamespace(wait=lambda: None, sent=send(contents))

    def recv(self, tensors: list[Tensor], rank: int, tag: int) -> Any:  # pyright: ignore
        """Receive into a tensor."""
        return SimpleNamespace(wait=lambda: self._neighbours[rank].recv_bytes_into(_bytes(tensors[0].detach())))


def _bytes(tensor: Tensor) -> Any:
    return tensor.view(-1).view(torch.uint8).numpy()


def join_neighbours(index: int, size: int, neighbours: Neighbours, device: torch.device, folder: str) -> None:
    """Make the sockets of this process torch's default group, or NCCL, whose processes meet in a folder."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
        store = dist.FileStore(f"{folder}/store", size)
        dist.init_process_group("nccl", store=store, rank=index, world_size=size)
        return
    make = lambda store, rank, size, timeout: SocketGroup(rank, size, neighbours)  # noqa: E731
    dist.Backend.register_backend("sockets", make, devices=["cpu"])
    dist.init_process_group("sockets", store=dist.HashStore(), rank=index, world_size=size)


def _serve(make: Callable[[Any, Neighbours], Any], task: Any, control: Connection, neighbours: Neighbours) -> None:
    """Answer what the parent asks, until it goes. An answer is whether it went well, and the value or the reason."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore -- a property of the module
    try:
        worker = make(task, neighbours)
        while True:
            control.send((True, getattr(worker, control.recv())()))
    except Exception as error:
        with suppress(OSError):
            cause = error.__cause__ or error  # torch says which stage failed, and why only behind it
            lost = isinstance(error, EOFError | ConnectionError)
            control.send((False, "" if lost else f"{type(cause).__name__}: {cause}"))


class ChainBroken(RuntimeError):
    """A worker raised, was lost, or did not answer."""


class ProcessChain:
    """The processes of a chain. Closing it ends them, whatever they are at.

    Args:
        make: makes a worker of a task and its neighbours; both travel to another process.
        tasks: one for each process.
        patience: seconds after which workers that do not answer are given up.
        called: what a worker is called in errors.
        preload: modules that are imported once for all processes.
    """

    def __init__(
        self,
        make: Callable[[Any, Neighbours], Any],
        tasks: Sequence[Any],
        *,
        patience: float,
        called: str,
        preload: Sequence[str],
    ) -> None:
        self.patience, self.called, self.processes = patience, called, []
        with ExitStack() as ends:  # what has been started ends, too, if the rest cannot be
            ends.callback(self._kill)
            self._start(make, tasks, preload, ends)
            self._ends = ends.pop_all()

    def close(self) -> None:
        """End all processes."""
        self._ends.close()

    def _start(self, make: Any, tasks: Sequence[Any], preload: Sequence[str], ends: ExitStack) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(preload))
        controls = [multiprocessing.Pipe() for _ in tasks]
        self.controls = [ends.enter_context(ours) for ours, _ in controls]
        with ExitStack() as theirs:  # only neighbours hold these, so that each notices when the other is lost
            pairs = [[theirs.enter_context(end) for end in multiprocessing.Pipe()] for _ in tasks[1:]]
            for index, (task, (_, control)) in enumerate(zip(tasks, controls, strict=True)):
                neighbours = {index + 1: pairs[index][0]} if index < len(tasks) - 1 else {}
                neighbours |= {index - 1: pairs[index - 1][1]} if index else {}
                args = make, task, theirs.enter_context(control), neighbours
                self.processes.append(context.Process(target=_serve, args=args, daemon=True))
                self.processes[-1].start()

    def _kill(self) -> None:
        started = [process for process in self.processes if process.pid is not None]
        for process in started:
            process.kill()
        for process in started:
            process.join()
            process.close()

    def ask(self, what: str) -> list[Any]:
        """Call a method of every worker, and wait for all answers, in the order of the chain.

        Raises:
            MemoryError: if a GPU has not enough.
            ChainBroken: if one raises, is lost, or none answers in time.
        """
        for control in self.controls:
            with suppress(OSError):
                control.send(what)
        answers: dict[int, Any] = {}
        faults: dict[int, str] = {}
        k = len(self.controls)
        while len(answers) + len(faults) < k:
            open_ = [self.controls[i] for i in range(k) if i not in answers and i not in faults]
            ready = wait(open_, LINGER_S if faults else self.patience)
            if not ready:
                break
            for index in (i for i in range(k) if self.controls[i] in ready):
                well, value = self._answer(index)
                (answers if well else faults)[index] = value
        if len(answers) < k:
            reasons = self._reasons(answers, faults)
            raise (MemoryError if "OutOfMemoryError" in reasons else ChainBroken)(reasons)
        return [answers[index] for index in range(k)]

    def _answer(self, index: int) -> tuple[bool, Any]:
        try:
            return self.controls[index].recv()
        except (EOFError, ConnectionError):
            self.processes[index].join(LINGER_S)
            return False, f"the process ended with code {self.processes[index].exitcode}"

    def _reasons(self, answers: dict[int, Any], faults: dict[int, str]) -> str:
        """What went wrong: causes, not the neighbours that lost their connection by it."""
        k = len(self.controls)
        causes = [f"{self.called} {i} of {k}: {reason}" for i, reason in sorted(faults.items()) if reason]
        silent = ", ".join(str(i) for i in range(k) if i not in answers)
        return "; ".join(causes) or f"no answer within {self.patience:g} s from {self.called} {silent} of {k}"
