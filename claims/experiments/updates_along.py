"""Updates of gated networks that are too large for every slope to be taken: along drawn directions."""

from __future__ import annotations

from itertools import islice, pairwise

import numpy as np

from claims.experiments.gated_networks import GatedMemory, small
from claims.experiments.long_lag_tasks import pairs, temporal_order
from claims.oracles import olah2015 as oracle
from repro import Measurements, Setting, cases

LONG = (("lstm", 16, 40), ("peephole", 8, 40), ("coupled", 8, 40), ("blocks", 4, 40))


def at_full_size(network: GatedMemory, setting: Setting) -> Measurements:
    """Updates of networks as large as those that learn: each array's, along drawn directions, and of what it should be.

    And the first update on sequences of forty items, by networks that remember the first of these.

    Measures:
        along: the step along a direction less that of the gradient by the equations, over the gradient's norm.
    """
    rng, off = np.random.default_rng([setting.seed, 9]), list[float]()
    for cell, hidden, length in (("lstm", 16, 10), ("rnn", 35, 10), ("gru", 20, 10), *LONG):
        own = {"optimizer": "sgd", "lr": 0.5, "clip": 0.0, "batch": 40, "precision": "float32"}
        own |= {"truncated": cell == "blocks", "forget_bias": 4.0 if length > 10 else 0.0}
        config, count = small(setting, cell, hidden, 8, 4, **own), 4 if length == 10 else 2
        items, lengths, targets = drawn = temporal_order(rng, 40, length)
        how = {"seed": setting.seed, "device": setting.device, "eval_steps": tuple(range(count))}
        training = islice(network.train(config, pairs(drawn), **how), count)  # the rest is never asked for
        models = [{k: np.array(w, np.float64) for k, w in network.state(one).items()} for _, one in training]
        for before, after in pairwise(models):
            held = oracle.before(config, before, items) if cell == "blocks" else None
            for name, weight in before.items():
                for way in rng.normal(size=(count - 1, *weight.shape)):
                    moved_to = [before | {name: weight + e * way} for e in (1e-5, -1e-5)]
                    ends = [oracle.loss(oracle.outputs(config, w, items, lengths, held), targets) for w in moved_to]
                    moved = (before[name] - after[name]) / config.lr
                    off.append(
                        float(((moved * way).sum() - (ends[0] - ends[1]) / 2e-5) / (np.linalg.norm(moved) + 1e-9))
                    )
    return {"along": cases(off, 0, "1")}
