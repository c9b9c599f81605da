"""Graph convolutions as message passing (Gilmer et al., 2017, Appendix 10.1), on weighted graphs of n nodes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def graph_convolution(adjacency: NDArray[Any], states: NDArray[Any], weights: NDArray[Any]) -> NDArray[Any]:
    """Kipf & Welling's layer by messages L_vw h_w [n, D] and updates relu(W^T m) (eq. 8)."""
    looped = adjacency + np.eye(len(adjacency))
    degree, nodes = looped.sum(1), range(len(states))
    m = [sum(looped[v, w] * (degree[v] * degree[w]) ** -0.5 * states[w] for w in nodes) for v in nodes]
    return np.stack([np.maximum(weights.T @ m_v, 0) for m_v in m])


def spectral_convolution(adjacency: NDArray[Any], states: NDArray[Any], filters: NDArray[Any]) -> NDArray[Any]:
    """The layer of Bruna et al. by messages L~_vw h_w, filters being [inputs, outputs, n] (Appendix 10.1)."""
    degree = adjacency.sum(1)
    vectors = np.linalg.eigh(np.eye(len(degree)) - adjacency / np.sqrt(np.outer(degree, degree)))[1]
    rank_four = np.einsum("vk,ijk,wk->vwij", vectors, filters, vectors)
    return np.stack([np.maximum(sum(L.T @ h for L, h in zip(own, states, strict=True)), 0) for own in rank_four])
