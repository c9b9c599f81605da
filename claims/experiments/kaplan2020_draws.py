"""What training draws: contexts of a text, and masks of dropout."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.kaplan2020 import ScalingLaws
from claims.experiments.kaplan2020_equations import Form, after_each_update, form_of, some_text
from claims.oracles import kaplan2020 as oracle
from repro import Adam, Experiment, Measurements, Setting, cases, text_loss, train_language_model

READ_OFF = ("positions", "0 attention out")
"""Arrays whose updates say what the gradient was of: to tell a few contexts apart these are enough."""


def slopes_by_context(weights: Any, heads: int, contexts: NDArray[np.int64], form: Form) -> NDArray[np.float64]:
    """Gradients of the loss of each of contexts [C, T + 1] by the entries of `READ_OFF`, [C, entries]."""
    found: list[NDArray[np.float64]] = []
    for name in READ_OFF:
        for place in np.ndindex(weights[name].shape):
            sides = []
            for side in (1e-5, -1e-5):
                own = {**weights, name: weights[name].copy()}
                own[name][place] += side
                scores = oracle.forward(own, heads, contexts[:, :-1], form)
                sides.append(-np.take_along_axis(scores, contexts[:, 1:, None], 2).mean((1, 2)))
            found.append((sides[0] - sides[1]) / 2e-5)
    return np.stack(found, 1)


def gaps_to(before: Any, after: Any, *slopes: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far an update is from Adam's on each of some gradients [C, entries], as a share of its largest entry.

    Gradients before the last are those of earlier updates. The rate is left open.
    """
    step = np.concatenate([(after[name] - before[name]).ravel() for name in READ_OFF])
    adam, lead = Adam((1.0,)), np.zeros(0)
    for each in slopes:
        lead = adam.step({"": np.zeros_like(each)}, {"": each})[""]
    with np.errstate(all="ignore"):
        scale = (lead * step).sum(1, keepdims=True) / (lead**2).sum(1, keepdims=True)
        gaps = np.where(np.abs(slopes[-1]) > 1e-6, np.abs(step - scale * lead), 0.0)
        return np.nan_to_num(gaps.max(1) / np.abs(step).max(), nan=np.inf)


@dataclass(frozen=True)
class DrawnContexts(Experiment):
    """Which contexts of a text training draws: the pairs of them whose gradients explain its first two updates.

    No token of the text occurs twice. Contexts may begin anywhere, or where the one before ends.

    Measures:
        unexplained: how far updates are from those of the nearest pairs.
        likely: the p-value of how often each context is drawn.
        repeated: how many batches have a context twice, and how many are the batch before once more; by chance there
            are at most so many, save for once in a million.
    """

    seeds: int = 24

    def __call__(self, implementation: ScalingLaws, setting: Setting) -> Measurements:
        """Some seeds."""
        from scipy import stats

        config, gaps, drawn, form = setting.config, [], [], form_of(implementation, setting)
        text = replace(some_text(config, 0, 0), tokens=np.random.default_rng(0).permutation(config.vocabulary))
        starts = np.arange(config.vocabulary - config.context)
        contexts = np.stack([text.tokens[at : at + config.context + 1] for at in starts])
        pairs = np.array([(a, b) for a in starts for b in starts[a:]])
        for seed in range(self.seeds):
            first, second, third, *_ = after_each_update(implementation, setting, text, seed)
            earlier, later = (
                slopes_by_context(own, config.heads, contexts, form)[pairs].mean(1) for own in (first, second)
            )
            once = gaps_to(first, second, earlier)
            fits = np.flatnonzero(once <= once.min() + 1e-3)  # pairs that the first update does not tell apart
            twice = [gaps_to(second, third, np.broadcast_to(earlier[one], later.shape), later) for one in fits]
            one, other = np.unravel_index(np.argmin(twice), np.shape(twice))
            gaps += [once.min(), np.min(twice)]
            drawn += [pairs[fits[one]], pairs[other]]
        chosen = np.array(drawn)
        often = np.bincount(chosen.ravel(), minlength=len(starts))
        forms = np.ones(len(starts)), np.where(starts % config.context, 1e-9, 1.0)
        likely = max(float(stats.chisquare(often, form / form.sum() * often.sum()).pvalue) for form in forms)
        same = int((chosen[:, 0] == chosen[:, 1]).sum()), int((chosen[::2] == chosen[1::2]).all(1).sum())
        most = stats.binom.ppf(1 - 1e-6, (2 * self.seeds, self.seeds), (1 / len(starts), 2 / len(starts) ** 2))
        return {
            "unexplained": cases(gaps, 0, "1"),
            "likely": cases([likely], 1e-6, "1"),
            "repeated": cases(same, most, "batches"),
        }


@dataclass(frozen=True)
class LearntThroughout(Experiment):
    """A text of parts, each of which has tokens of its own that follow each other in a circle.

    Measures:
        losses: of each part, read by itself when all is learnt; one that was not trained on has more than what is
            known of its tokens without any training.
    """

    parts: int = 20
    circle: int = 3
    rounds: int = 4

    def __call__(self, implementation: ScalingLaws, setting: Setting) -> Measurements:
        """Half of what is known without training is asked for."""
        config = replace(setting.config, vocabulary=self.parts * self.circle)
        parts = np.arange(self.parts)[:, None] * self.circle + np.tile(np.arange(self.circle), self.rounds)
        text = replace(some_text(config, 0, 0), tokens=parts.ravel())
        *_, (_, trained) = train_language_model(implementation, replace(setting, config=config), text)
        reader = implementation.restore(config, implementation.state(trained), device=setting.device)
        streams = -(-(parts.shape[1] - 1) // config.context)
        losses = [text_loss(reader, part, config.vocabulary, streams) for part in parts]
        return {"losses": cases(losses, np.log(config.vocabulary) / 2, "nats")}


@dataclass(frozen=True)
class DroppedEntries(Experiment):
    """The first update on one context with dropout, against that without.

    Measures:
        hardly: how far the update is where next to nothing is dropped.
        half: by seed, how far it is where every other entry is; at least a tenth.
    """

    seeds: int = 6

    def __call__(self, implementation: ScalingLaws, setting: Setting) -> Measurements:
        """Some seeds."""
        text, found = some_text(setting.config, setting.config.context + 1, setting.seed), {}
        form = form_of(implementation, setting)
        for rate in (1e-7, 0.5):
            own = replace(setting, config=replace(setting.config, dropout=rate))
            found[rate] = []
            for seed in range(self.seeds):
                before, after, *_ = after_each_update(implementation, own, text, seed)
                slopes = slopes_by_context(before, setting.config.heads, text.tokens[None], form)
                found[rate].append(gaps_to(before, after, slopes).item())
        half = np.nan_to_num(found[0.5], posinf=0.0)  # no step at all, or to nowhere
        return {"hardly": cases(found[1e-7], 0, "1"), "half": cases(half, 0.1, "1")}


@dataclass(frozen=True)
class DroppedMasks(Experiment):
    """Which entries first updates on one context drop, by the zeros of gradients; in which places is left open.

    What is added to the stream of a position has no gradient where it is dropped: so it shows in the rows of positions,
    and in the columns of the two matrices that end sublayers, where all contexts, or positions too, have to drop it.

    Measures:
        chance: standard errors between shares and what they are if each mask is drawn by itself, among contexts,
            positions, places, units and updates.
    """

    seeds: int = 12

    def __call__(self, implementation: ScalingLaws, setting: Setting) -> Measurements:
        """Of one position in one context, of two positions, and of two contexts."""
        found, drops = list[float](), np.zeros(3, np.bool_)
        for context, batch in ((1, 1), (2, 1), (1, 2)):
            own = replace(setting, config=replace(setting.config, context=context, batch=batch))
            once, again = np.stack([self._dropped(implementation, own, seed) for seed in range(self.seeds)], 1)
            kinds = np.array([0] * context + [1, 2])  # of places: positions, attention, inner layers
            drops |= np.array([once[:, kinds == kind].any() for kind in range(3)])
            rates = setting.config.dropout ** np.where(kinds, batch * context, batch)
            shown = np.flatnonzero(drops[kinds])
            for a in shown:
                both = rates[a] ** 2 + (1 - rates[a]) ** 2
                found += [off(once[:, a], rates[a]), off(again[:, a][once[:, a]], rates[a])]
                found.append(off(once[:, a, 1:] == once[:, a, :-1], both))
            for a, b in combinations(shown, 2):
                both = rates[a] * rates[b] + (1 - rates[a]) * (1 - rates[b])
                found.append(off(once[:, a] == once[:, b], both))
        return {"chance": cases(found, 5, "standard errors")}

    def _dropped(self, implementation: ScalingLaws, setting: Setting, seed: int) -> NDArray[np.bool_]:
        """Whether an entry was dropped at the first update, and at that one and the next [2, places, width]."""
        text = some_text(setting.config, setting.config.context + 1, seed)
        weights, dropped = after_each_update(implementation, setting, text, seed), []
        for before, after in pairwise(weights[:3]):
            moved = {name: np.abs(after[name] - before[name]) for name in ("positions", *ENDS)}
            steps = np.stack([*moved["positions"], *(moved[name].max(0) for name in ENDS)])
            dropped.append(steps <= 1e-9 * steps.max())
        return np.array([dropped[0], dropped[0] & dropped[1]])


ENDS = "0 attention out", "0 inner out"


def off(seen: NDArray[np.bool_], rate: float) -> float:
    """Standard errors between how often something is seen, and how often it is to be expected."""
    return float(abs(seen.sum() - rate * seen.size) / max(rate * (1 - rate) * seen.size, 1.0) ** 0.5)
