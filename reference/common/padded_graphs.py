"""Graphs side by side as tensors, padded to the largest, with a vector for every pair of nodes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from repro.task import Device, Graphs


class PaddedGraphs(NamedTuple):
    """B graphs of n (or m) nodes, the largest's, F features of a node and C channels of an edge."""

    x_BnF: Tensor  # noqa: N815 -- shapes
    real_Bn: Tensor  # noqa: N815 -- which are nodes
    e_BnmC: Tensor  # noqa: N815 -- zeros where no edge is
    joined_Bnm: Tensor  # noqa: N815 -- which are edges

    def of(self, rows_B: Any) -> PaddedGraphs:
        """Some of the graphs."""
        return PaddedGraphs(*(part[rows_B] for part in self))


def padded(
    graphs: Graphs,
    vectors_EC: NDArray[Any],
    edge_E: NDArray[np.bool_],
    *,
    virtual: bool,
    kind: torch.dtype,
    device: Device,
) -> PaddedGraphs:
    """Pairs of graphs as edges both ways.

    Args:
        graphs: of E pairs in all, each standing once.
        vectors_EC: what edges carry.
        edge_E: which pairs are edges.
        virtual: whether nodes that are not joined get an edge, marked by a further channel.
        kind: of all numbers.
        device: where they are put.
    """
    count, n = len(graphs.nodes_of), int(graphs.nodes_of.max(initial=1))
    real_Bn = np.arange(n) < graphs.nodes_of[:, None]
    x_BnF = np.zeros((count, n, graphs.nodes.shape[1]))
    x_BnF[real_Bn] = graphs.nodes
    of_E = np.repeat(np.arange(count), graphs.edges_of)[edge_E]
    v_E, w_E = graphs.edges[edge_E].T
    e_BnmC = np.zeros((count, n, n, vectors_EC.shape[1] + virtual), np.float32)
    joined_Bnm = np.zeros((count, n, n), bool)
    for here_E, there_E in ((v_E, w_E), (w_E, v_E)):
        e_BnmC[of_E, here_E, there_E, : vectors_EC.shape[1]] = vectors_EC[edge_E]
        joined_Bnm[of_E, here_E, there_E] = True
    if virtual:
        other_Bnm = real_Bn[:, :, None] & real_Bn[:, None] & ~joined_Bnm & ~np.eye(n, dtype=bool)
        e_BnmC[other_Bnm, -1] = 1
        joined_Bnm |= other_Bnm
    x, e = (torch.from_numpy(part).to(device, kind) for part in (x_BnF, e_BnmC))
    return PaddedGraphs(x, torch.from_numpy(real_Bn).to(device), e, torch.from_numpy(joined_Bnm).to(device))
