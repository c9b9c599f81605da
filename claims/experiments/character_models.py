"""Character-level networks: the contract, what `state` gives, and networks of known weights that read by the oracle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from claims.oracles import karpathy2015 as oracle
from repro import Carried, check_state, text_loss
from repro.task import Stateful, TextGenerator


class CharacterModel(TextGenerator, Stateful, Protocol):
    """The contract: character-level networks by the equations of the companion paper, trained as its code trains them.

    Arrays of `state`, for layers l = 1 to L of n units and V characters: "W_x l", [G n, V] for l = 1 and [G n, n]
    above, acts on the one-hot vector or on the layer below, "W_h l" [G n, n] on the step before; the bias is "b l"
    [G n], or two that add up and both learn, "b_x l" and "b_h l"; then "W_y" [V, n] and "b_y" [V]. Rows are those of
    i, f, o, g (LSTM, G = 4), of r, z and the candidate (GRU, G = 3), or of h (RNN, G = 1), n each.

    A text is cut to a whole number of chunks (`batch` x `unroll` characters) and into `batch` stretches of equal
    length; each character's target is the one that follows in the text, of the very last the first one of the text, or
    the one that was cut off after it. An update is one chunk's: the loss is summed over its steps and averaged over its
    streams, states are carried on from the chunk before, an epoch begins with zeros or with the last one's states.
    RMSProp: m <- smoothing m + (1 - smoothing) g^2, w <- w - rate g / (sqrt(m) + epsilon), where each entry of g is cut
    to at most `clip`, m begins at 0, and the rate is lr, but is multiplied by `decay` after epoch `constant_epochs` and
    each later one. Parameters start uniformly in [-init, init], biases of forget gates, of one vector if there are
    two, at `forget_bias`. Dropout acts on what a layer gives to the one above and to the scores, and scales the rest.
    Continuations of the same prompt in one batch are independent; what stands beyond a prompt's length means nothing.
    """

    def shapes(self, config: Any) -> dict[str, tuple[int, ...]]:
        """The shape of every array of `state`, by canonical name, without allocating it."""
        ...

    def distribution(self, scores: NDArray[Any], temperature: float) -> NDArray[Any]:
        """Probabilities [N, V] of characters with scores [N, V] at a temperature above 0."""
        ...


def learnt(config: Any, state: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float64]]:
    """What `state` gave, in float64.

    Raises:
        ReproError: for arrays that are missing, of another shape, or not the paper's.
    """
    found = {name: np.asarray(array, dtype=np.float64) for name, array in state.items()}
    rows, wanted = oracle.GATES[config.cell] * config.hidden, dict[str, tuple[int, ...]]()
    for layer in range(1, config.layers + 1):
        wanted[f"W_x {layer}"] = (rows, config.vocabulary if layer == 1 else config.hidden)
        wanted[f"W_h {layer}"] = (rows, config.hidden)
        biases = ("b",) if f"b {layer}" in found else ("b_x", "b_h")
        wanted |= {f"{bias} {layer}": (rows,) for bias in biases}
    check_state(found, wanted | {"W_y": (config.vocabulary, config.hidden), "b_y": (config.vocabulary,)})
    return found


class Recurrence:
    """A reader, or a stream, of the oracle: a network of known weights."""

    def __init__(self, cell: str, weights: Mapping[str, NDArray[np.float64]], streams: int = 0) -> None:
        self.cell, self.weights, self.states = cell, weights, oracle.zeros(weights, streams)

    def start(self, streams: int) -> Recurrence:
        """A stream of texts of which nothing has been read."""
        return Recurrence(self.cell, self.weights, streams)

    def step(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read one more character of each stream [B]; log-probabilities [B, V] of the next."""
        scores, self.states, _ = oracle.forward(self.cell, self.weights, tokens[:, None], self.states)
        return scores[0].astype(np.float32)


def astray(model: Carried, nats: float, text: NDArray[np.int64], streams: int) -> float:
    """By what a text's loss differs from that of the equations with the same weights."""
    weights = learnt(model.setting.config, model.arrays)
    with np.errstate(all="ignore"):
        reader = Recurrence(model.setting.config.cell, weights)
        return nats - text_loss(reader, text, model.setting.config.vocabulary, streams)
