"""GPipe's reference: its gradients, partitions and timetables against plain torch and enumeration, and its failures."""

from __future__ import annotations

import multiprocessing
import os
import signal
from contextlib import closing
from dataclasses import replace
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from claims.experiments.huang2019 import Largest, _faults
from claims.experiments.huang2019_costs import _resident
from claims.experiments.huang2019_equations import canonical
from claims.experiments.huang2019_speed import OnCores, OnGPUs, Throughput, require_cores
from reference import huang2019 as gpipe
from reference.common import process_chain
from reference.common.live_bytes import LiveBytes
from repro import Reported, ReproError, Setting, Unavailable
from repro.trial.implementation import control

TINY = replace(gpipe.CONFIGS["residual"], layers=4, width=6, hidden=10)
NORM = replace(TINY, batch_norm=True)
WORDS = gpipe.Config(network="transformer", layers=2, width=8, hidden=12, heads=2, vocabulary=11, precision="float64")
RNG = np.random.default_rng(2_000_000)
INPUTS, TARGETS = RNG.standard_normal((8, 6)), RNG.standard_normal((8, 6))
TOKENS, NEXT = RNG.integers(0, 11, (4, 5)), RNG.integers(0, 11, (4, 5))
CPU = torch.device("cpu")


def spread(config: gpipe.Config, partitions: int, micro_batches: int) -> gpipe.Config:
    """The config over so many partitions and micro-batches."""
    return replace(config, partitions=partitions, micro_batches=micro_batches)


def test_a_transformer_is_the_same_over_processes():
    """Tokens, cross entropy and all layers of a Transformer over three partitions give one process's gradients."""
    known = gpipe.Partition(WORDS, 0, 5, CPU)
    outputs = known(torch.from_numpy(TOKENS))
    nn.CrossEntropyLoss()(outputs.reshape(-1, 11), torch.from_numpy(NEXT).reshape(-1)).backward()
    found = gpipe.gradients(spread(WORDS, 3, 2), TOKENS, NEXT, seed=5)
    assert {gpipe.symbol(name) for name, _ in known.layers.named_parameters()} == found.keys()
    for name, weight in known.layers.named_parameters():
        assert np.abs(found[gpipe.symbol(name)] - weight.grad.numpy()).max() < 1e-13, name


def test_attention_looks_back_only():
    """Outputs up to a token do not change with the tokens after it."""
    net = gpipe.Partition(WORDS, 0, 5, CPU)
    changed = TOKENS.copy()
    changed[:, 3:] = (changed[:, 3:] + 1) % 11
    with torch.no_grad():
        before, after = net(torch.from_numpy(TOKENS)), net(torch.from_numpy(changed))
    assert torch.equal(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 3:], after[:, 3:])


@pytest.mark.parametrize("kept", ["partition", "layer"])
def test_rematerialization_changes_nothing(kept):
    """Gradients and moving averages are the same, to the last bit, whether activations are kept or computed again."""
    results = []
    for rematerialize in (kept, "none"):
        part = gpipe.Partition(replace(NORM, rematerialize=rematerialize), 0, 3, CPU)
        for half in (slice(0, 4), slice(4, 8)):
            gpipe.loss(part(torch.from_numpy(INPUTS[half])), torch.from_numpy(TARGETS[half])).backward()
        for norm in part.norms:
            norm.settle()
        results.append([*(weight.grad for weight in part.parameters()), *part.buffers()])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_moving_averages_take_uneven_micro_batches_together():
    """Moments of micro-batches of different sizes add up to those of all examples."""
    norm, x = gpipe.DeferredNorm(NORM.width).double(), torch.from_numpy(INPUTS)
    for part in x.split([5, 2, 1]):
        norm(part)
    norm.settle()
    assert torch.allclose(norm.running_mean, 0.1 * x.mean(0), atol=1e-12)
    assert torch.allclose(norm.running_var, 0.9 + 0.1 * x.var(0), atol=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=9), st.data())
def test_partitions_have_the_least_variance(costs, data):
    """No other way to cut has less variance, found by trying all; every layer is in one partition."""
    k = data.draw(st.integers(1, len(costs)))
    sizes = gpipe.partition(np.array(costs, float), k)
    assert sizes.sum() == len(costs)
    assert len(sizes) == k
    assert (sizes > 0).all()

    def variance(cuts: tuple[int, ...]) -> float:
        return float(np.var([sum(part) for part in np.split(np.array(costs, float), cuts)]))

    least = min(variance(cuts) for cuts in combinations(range(1, len(costs)), k - 1))
    assert variance(tuple(np.cumsum(sizes)[:-1])) == pytest.approx(least, abs=1e-9)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 2**31))
def test_timetables_are_possible_and_nothing_waits_without_reason(k, m, seed):
    """No fault is found, and each pass starts the moment that one of the things it waits for has ended."""
    rng = np.random.default_rng(seed)
    forward, again, backward = (rng.random(k).tolist() for _ in range(3))
    table = gpipe.timetable(forward, backward, m, recompute=again, latency=0.25)
    assert _faults(table, forward, again, backward, 0.25) == 0
    ends = table[..., 1]
    for i in range(k):
        for j in range(m):
            before = [0.0, *ends[i].ravel()]
            for kind, there in ((0, i - 1), (1, None), (2, i + 1)):
                arrives = [ends[there, j, kind] + 0.25] if there is not None and 0 <= there < k else []
                assert min(abs(table[i, j, kind, 0] - end) for end in before + arrives) < 1e-12


@pytest.mark.parametrize("name", ["one_after_another", "two_bubbles", "starts_full", "mean_costs"])
def test_faults_are_found_in_timetables_that_cannot_be(name):
    """Timetables of controls are possible, but for those that leave out what partitions wait for or need."""
    names = control("huang2019", name).names
    table = names.timetable([1.0, 3.0], [2.0, 4.0], 3)
    faults = _faults(table, [1.0, 3.0], [0.0, 0.0], [2.0, 4.0], 0.0)
    assert (faults > 0) == (name in ("starts_full", "mean_costs"))


def test_live_bytes_are_those_that_autograd_keeps():
    """What is alive after a forward pass is the input, the output and what saved_tensors_hooks see."""
    config = replace(TINY, rematerialize="none")
    part = gpipe.Partition(config, 0, 3, CPU)
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if not isinstance(tensor, nn.Parameter) and tensor.untyped_storage().data_ptr() not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor.detach()  # itself would hold itself

    weights = {weight.untyped_storage().data_ptr() for weight in part.parameters()}
    with LiveBytes(part.parameters()) as live:
        x = torch.zeros(8, 6, dtype=torch.float64, requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            out = part(x)
        alive = live.now
    for tensor in (x, out):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
    assert alive == sum(kept.values())
    assert live.peak >= alive
    del x, out, tensor
    assert live.now == 0


@pytest.mark.parametrize("rows", [1, 100_000])
def test_tensors_arrive_in_order_and_a_lost_neighbour_is_an_error(rows):
    """Tensors that a socket holds and tensors that it does not are received as sent; then the other end goes."""
    ends = multiprocessing.Pipe()
    left, right = process_chain.SocketGroup(0, 2, {1: ends[0]}), process_chain.SocketGroup(1, 2, {0: ends[1]})
    known = [torch.randn(2, rows, dtype=torch.float64).T for _ in range(3)]
    sent = [left.send([tensor], 1, 0) for tensor in known]
    for tensor in known:
        found = torch.empty(rows, 2, dtype=torch.float64)
        right.recv([found], 0, 0).wait()
        assert torch.equal(found, tensor)
    for each in sent:
        each.wait()
    ends[0].close()
    with pytest.raises(EOFError):
        right.recv([torch.empty(rows, 2)], 0, 0).wait()


def alive(pids: list[int]) -> list[int]:
    """Which of these processes still run."""
    return [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


def test_a_partition_that_raises_is_named():
    """An error in one partition is an error here that says where and what; no process is left."""
    with gpipe.pipeline(spread(TINY, 2, 2), INPUTS[:, :5], TARGETS, seed=0) as chain:
        pids = [process.pid for process in chain.processes]
        with pytest.raises(process_chain.ChainBroken, match=r"partition 0 of 2: RuntimeError"):
            chain.ask("step")
    assert alive(pids) == []


def test_a_partition_that_is_killed_is_named(monkeypatch):
    """A lost process is an error at once, not a wait; the neighbours' lost connections are not taken for the cause."""
    monkeypatch.setattr(
        process_chain, "LINGER_S", gpipe.Config.patience
    )  # the exit code comes late where much else runs
    with gpipe.pipeline(spread(TINY, 3, 2), INPUTS, TARGETS, seed=0) as chain:
        chain.ask("step")
        pids = [process.pid for process in chain.processes]
        os.kill(pids[1], signal.SIGKILL)
        with pytest.raises(process_chain.ChainBroken, match=r"^partition 1 of 3: the process ended with code -9$"):
            chain.ask("step")
    assert alive(pids) == []


def test_a_partition_that_never_answers_is_given_up():
    """After the config's patience there is an error that names who was silent, and no process is left."""
    slow = replace(gpipe.CONFIGS["waiting"], layers=2, costs=(0.0, 600.0), partitions=2, micro_batches=1)
    with gpipe.pipeline(slow, INPUTS[:, :1], TARGETS[:, :1], seed=0) as chain:
        pids = [process.pid for process in chain.processes]
        chain.patience = 0.5
        with pytest.raises(process_chain.ChainBroken, match=r"no answer within 0.5 s from partition 0, 1 of 2"):
            chain.ask("step")
    assert alive(pids) == []


def test_an_iterator_that_is_dropped_leaves_no_process():
    """Closing `steps` ends its processes."""
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    steps = gpipe.steps(spread(TINY, 2, 2), INPUTS, TARGETS, seed=0, device="cpu")
    next(steps)
    started = {process.pid for process in psutil.Process().children(recursive=True)} - before
    steps.close()
    own = [pid for pid in started if alive([pid]) and "forkserver" not in " ".join(psutil.Process(pid).cmdline())]
    assert [pid for pid in own if "resource_tracker" not in " ".join(psutil.Process(pid).cmdline())] == []


@pytest.mark.parametrize(
    "fields", [{"partitions": 5}, {"partitions": 0}, {"micro_batches": 0}, {"network": "waiting", "costs": (1.0,)}]
)
def test_what_cannot_be_spread_is_refused(fields):
    """More partitions than layers, no micro-batch, or costs that are not there are refused when they are stated."""
    with pytest.raises(ValueError, match="layers"):
        replace(TINY, **fields)


def test_unequal_micro_batches_are_refused():
    """A mini-batch that does not divide is refused before a process is started."""
    with pytest.raises(ValueError, match="8 examples do not make 3"):
        gpipe.gradients(spread(TINY, 2, 3), INPUTS, TARGETS, seed=0)


def test_throughput_is_of_what_was_timed(monkeypatch, tmp_path):
    """Speeds and efficiencies follow from the seconds between updates, of which the quickest counts."""
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path))
    clock = [0.0]
    monkeypatch.setattr("claims.experiments.huang2019_speed.time.perf_counter", lambda: clock[0])

    class Timed:
        """A pipeline that takes as long as the formula says, and half as long again every other time."""

        @staticmethod
        def steps(config, inputs, targets, *, seed, device):
            update = 0
            while True:
                update += 1
                k, m = config.partitions, config.micro_batches
                clock[0] += (m + k - 1) / k * (1.5 if update % 2 else 1.0)
                yield 1 / update + (0.0 if m < 8 else 0.2)

    config = replace(gpipe.CONFIGS["waiting"], costs=(0.1,) * 4)
    setting = Setting(config=config, seed=0, device="cpu")
    found = Throughput(spreads=((1, 1), (2, 4), (4, 8)), seconds=6.0)(Timed, setting)
    assert found["speed 2,4"].value == pytest.approx(1.6)
    assert found["efficiency 2,4"].value == pytest.approx(1)
    assert found["efficiency 4,8"].value == pytest.approx(1)
    assert found["waited"].value == found["unit"].value == pytest.approx(1 / 1.2)
    assert found["disagreement"].value == pytest.approx(0.2 / (1 - 1 / 3))


def test_too_little_memory_is_an_error_of_its_own():
    """A GPU's lack of memory becomes a MemoryError that says which partition; on CPUs a limit is refused."""
    chain = process_chain.ProcessChain(gpipe.Worker, [], patience=1.0, called="partition", preload=[])
    ours, theirs = multiprocessing.Pipe()
    chain.controls = [ours]
    theirs.send((False, "OutOfMemoryError: CUDA out of memory"))
    with pytest.raises(MemoryError, match="partition 0 of 1: OutOfMemoryError"):
        chain.ask("step")
    with (
        pytest.raises(ValueError, match="on GPUs only"),
        gpipe.pipeline(replace(TINY, memory=1 << 30), INPUTS, TARGETS, seed=0),
    ):
        pass


@pytest.mark.parametrize("error", [MemoryError("no memory"), ReproError("x raised MemoryError: no memory")])
def test_largest_networks_are_those_that_train(error):
    """The printed ratio is found where 13 layers fit with re-materialization and 3 without; other errors pass."""
    tried = []

    def steps(config, inputs, targets, *, seed, device):
        assert inputs.shape == targets.shape == (8, 5)
        most = {("partition", 8): 13, ("none", 1): 3}[config.rematerialize, config.micro_batches]
        tried.append(config.layers)
        yield 1.0
        if config.layers > most:  # as the second update needs more than the first
            raise error
        yield 1.0

    setting = Setting(config=gpipe.CONFIGS["transformer-naive-1"], seed=0, device="cpu")
    experiment = Largest(printed=Reported(2.7, "1", "Section 3"), examples=8, length=5)
    found = experiment(SimpleNamespace(steps=steps, parameters=gpipe.parameters), setting)["ratio"]
    assert found.value == pytest.approx(785.8 / 282.2, rel=1e-3)
    assert len(tried) <= 10
    error.args = ("x raised ValueError: broken",)
    if isinstance(error, ReproError):
        with pytest.raises(ReproError, match="broken"):
            experiment(SimpleNamespace(steps=steps, parameters=gpipe.parameters), setting)


def test_what_a_machine_lacks_is_said(monkeypatch, tmp_path):
    """Too few GPUs, too few cores and busy cores are no failures; wrong losses are, whatever the machine."""
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path))
    few = SimpleNamespace(gpus=1, cores=1)
    monkeypatch.setattr("claims.experiments.huang2019_speed.this_machine", lambda: few)
    setting = Setting(config=TINY, seed=0, device="cuda")
    with pytest.raises(Unavailable, match="needs 2 GPUs, and 1 are here"):
        OnGPUs(spreads=((1, 1), (2, 2)))(gpipe, setting)
    with pytest.raises(Unavailable, match="needs 2 cores, and 1 are here"):
        OnCores(spreads=((1, 2), (2, 2)))(gpipe, setting)

    def steps(config, *_, **__):
        yield from (config.partitions, *[3.0] * 9)

    found = OnCores(spreads=((1, 2), (2, 2)))(SimpleNamespace(steps=steps), setting)
    assert found["disagreement"].value == pytest.approx(0.5)
    few.cores = 2
    times = iter([1.0, 1.0, 1.0, 1.5, 1.5, 1.5, 1.0, 1.0, 1.0, 1.05, 1.05, 1.05])
    monkeypatch.setattr("claims.experiments.huang2019_speed._seconds", lambda *_: next(times))
    with pytest.raises(Unavailable, match=r"needs 2 idle cores, and here 2 processes take 1\.50 times as long as one"):
        require_cores(2)
    require_cores(2)


# What networks have learnt, and what runs


def test_networks_are_restored_from_their_state():
    """Outputs in evaluation go by moving averages, and follow from what `state` gives alone."""
    config = replace(NORM, lr=0.5)
    with closing(gpipe.networks(spread(config, 2, 2), INPUTS, TARGETS, seed=3)) as course:
        first, second = next(course), next(course)
    arrays = gpipe.state(second)
    assert set(canonical(arrays, config)) == set(arrays)
    again = gpipe.restore(config, arrays, device="cpu")
    np.testing.assert_array_equal(gpipe.outputs(again, INPUTS), gpipe.outputs(second, INPUTS))
    assert np.abs(gpipe.outputs(second, INPUTS) - gpipe.outputs(first, INPUTS)).max() > 1e-3
    alone = np.concatenate([gpipe.outputs(second, row[None]) for row in INPUTS])
    np.testing.assert_allclose(alone, gpipe.outputs(second, INPUTS), atol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays: arrays.pop("1.b"), r"no '1.b' \[10\]"),
        (lambda arrays: arrays.update({"0.U": np.zeros((6, 10))}), r"'0.U' as \[6, 10\], where \[10, 6\] is due"),
        (lambda arrays: arrays.update({"table": np.zeros(9)}), "'table', which is none of the weights"),
    ],
)
def test_weights_are_what_the_layers_have(change, message):
    """What is missing, misshapen or too much is named."""
    arrays = gpipe.state(gpipe.Partition(TINY, 0, 3, CPU))
    change(arrays)
    with pytest.raises(ReproError, match=message):
        canonical(arrays, TINY)


def test_a_user_may_choose_the_cut():
    """Layers of each partition are those of the config where it says them."""
    assert gpipe.spread(replace(TINY, partitions=2, cut=(3, 1))) == [[0, 1, 2], [3]]


def test_bytes_of_processes_are_seen():
    """Resident bytes grow by what is allocated."""
    before = _resident()
    kept = np.ones(1 << 23)
    assert _resident() - before > 0.9 * kept.nbytes
