"""Character-level networks whose weights are known, against the oracle of karpathy2015."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from claims.experiments.karpathy2015 import CharacterModel, learnt
from claims.oracles import karpathy2015 as oracle
from repro import (
    Experiment,
    Measurements,
    Setting,
    Text,
    Weights,
    cases,
    from_uniform,
    train_language_model,
)
from repro.task import Sequences

NETWORKS: tuple[dict[str, Any], ...] = (
    {"cell": "lstm", "layers": 2, "hidden": 3, "vocabulary": 5, "dropout": 0.5},
    {"cell": "gru", "layers": 3, "hidden": 2, "vocabulary": 3},
    {"cell": "rnn", "layers": 2, "hidden": 4, "vocabulary": 6},
    {"cell": "lstm", "layers": 1, "hidden": 64, "vocabulary": 96},
    {"cell": "gru", "layers": 1, "hidden": 40, "vocabulary": 96},
    {"cell": "rnn", "layers": 1, "hidden": 96, "vocabulary": 96, "dropout": 0.3},
)
"""What is read by; the last three are as large as what is trained elsewhere."""

ASTRAY = 0.01
"""How far an update may be off, as a share of the array's largest step."""


def some_text(config: Any, chunks: int, seed: int) -> Text:
    """A random text of some chunks for each stream and a few characters more, of which the first is the text's first.

    So it is all the same whether the last target is the first character or the one that was cut off.
    """
    size = config.batch * config.unroll
    drawn = np.random.default_rng(seed).integers(0, config.vocabulary, chunks * size + min(size - 1, size // 2 + 1))
    drawn[chunks * size : chunks * size + 1] = drawn[0]
    return Text(tokens=drawn, validation=drawn[:0], vocabulary=config.vocabulary)


def trajectory(
    implementation: CharacterModel, setting: Setting, text: Text, seed: int, updates: int
) -> list[dict[str, NDArray[np.float64]]]:
    """The weights before the first update and after every one; nothing if there are more updates or fewer."""
    asked = tuple(range(updates + 2))
    models = train_language_model(implementation, setting, text, asked, seed=seed)
    found = {step: learnt(setting.config, implementation.state(model)) for step, model in models}
    return list(found.values()) if list(found) == list(range(updates + 1)) else []


def untrained(implementation: CharacterModel, setting: Setting, seed: int = 0) -> dict[str, NDArray[Any]]:
    """The arrays of a network before its first update."""
    _, model = next(train_language_model(implementation, setting, some_text(setting.config, 1, 0), (0,), seed=seed))
    return {name: np.array(array) for name, array in implementation.state(model).items()}


def with_config(setting: Setting, **fields: Any) -> Setting:
    """The setting, with some fields of its config replaced."""
    return replace(setting, config=replace(setting.config, **fields))


def drawn_writer(
    implementation: CharacterModel, setting: Setting, rng: np.random.Generator, scale: float
) -> tuple[Any, dict[str, NDArray[np.float64]]]:
    """A network of drawn weights, whose size falls with the number that are added up."""
    state = untrained(implementation, setting)
    size = scale / np.sqrt(setting.config.hidden)
    state = {name: (size * rng.normal(size=array.shape)).astype(array.dtype) for name, array in state.items()}
    return implementation.restore(setting.config, state, device=setting.device), learnt(setting.config, state)


def cell_scores(implementation: CharacterModel, setting: Setting) -> Measurements:
    """Log-probabilities while texts are read by networks of drawn weights, as a share of their size where above 1.

    Texts of one character and of 110, one at a time and four; and weights so large that every gate is shut or open.
    """
    rng, found, wanted = np.random.default_rng(setting.seed), list[Any](), list[Any]()
    for network in NETWORKS:
        own = with_config(setting, **network)
        for scale, streams, length in ((0.8, 4, 110), (2.0, 1, 12), (0.8, 3, 1), (12.0, 2, 3)):
            reader, weights = drawn_writer(implementation, own, rng, scale)
            texts = rng.integers(0, own.config.vocabulary, (streams, length))
            stream = reader.start(streams)
            scores = np.stack([stream.step(column) for column in np.ascontiguousarray(texts.T)]).astype(np.float64)
            due, _, _ = oracle.forward(own.config.cell, weights, texts, oracle.zeros(weights, streams))
            size = np.maximum(1.0, np.abs(due))
            found.append((oracle.log_softmax(scores) / size).ravel())
            wanted.append((due / size).ravel())
    return {"scores": cases(np.concatenate(found), np.concatenate(wanted), "1")}


def starts(implementation: CharacterModel, setting: Setting) -> Measurements:
    """The weights that training begins with, over seeds, cells and bounds.

    Measures:
        likely: p-values of uniform weights, by array.
        open: by how much biases of forget gates are off the config's, beyond its bound.
        related: correlations between seeds and between arrays, in standard errors.
        again: how far a network of the same seed is from itself, after two updates.
    """
    likely, related, opened, again = list[float](), list[float](), list[float](), list[float]()
    for number, (cell, init, bias) in enumerate(
        (("lstm", 0.08, 1.0), ("lstm", 0.3, 2.5), ("gru", 0.1, 1.0), ("rnn", 0.5, 1.0))
    ):
        own = with_config(
            setting, cell=cell, init=init, forget_bias=bias, hidden=12, vocabulary=20, layers=2, batch=2, unroll=3
        )
        drawn = [learnt(own.config, untrained(implementation, own, 8 * number + seed)) for seed in range(8)]
        together = {name: np.stack([each[name] for each in drawn]) for name in drawn[0]}
        if cell == "lstm":
            n = own.config.hidden
            for layer in (1, 2):
                names = [name for name in (f"b {layer}", f"b_x {layer}", f"b_h {layer}") if name in together]
                gate = sum(together[name][:, n : 2 * n] for name in names)
                opened += (np.abs(gate - bias) - init).ravel().tolist()
                together |= {name: np.delete(together[name], np.s_[n : 2 * n], axis=1) for name in names}
        likely += [from_uniform(values, -init, init) for values in together.values()]
        flat = [values.reshape(8, -1) for values in together.values()]
        pairs = [(values[:-1], values[1:]) for values in flat]
        pairs += [(a, b) for a, b in combinations(flat, 2) if a.shape == b.shape]
        with np.errstate(all="ignore"):  # of constants
            found = [np.corrcoef(a.ravel(), b.ravel())[0, 1] * a.size**0.5 for a, b in pairs]
        related += np.nan_to_num(np.abs(found), nan=np.inf).tolist()
        short = with_config(own, epochs=1, dropout=0.3)
        ends = [trajectory(implementation, short, some_text(own.config, 2, 0), 3, 2) for _ in range(2)]
        again += (
            [float(np.abs(ends[0][-1][name] - ends[1][-1][name]).max()) for name in drawn[0]] if ends[0] else [np.inf]
        )
    return {
        "likely": cases(likely, 1e-6, "1"),
        "open": cases(opened, 1e-6, "1"),
        "related": cases(related, 5.0, "standard errors"),
        "again": cases(again, 0, "1"),
    }


def checked(array: NDArray[np.float64], entries: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Places of an array that are looked at, drawn without replacement."""
    return rng.permutation(array.size)[:entries]


def slopes(
    config: Any,
    weights: Weights,
    chunk: tuple[NDArray[np.int64], NDArray[np.int64]],
    states: oracle.States,
    places: Mapping[str, NDArray[np.int64]],
    drop: NDArray[np.float64] | None,
) -> dict[str, NDArray[np.float64]]:
    """Central differences of a chunk's loss by some entries of each array; what was carried on stays as it is."""
    own, found = {name: array.copy() for name, array in weights.items()}, dict[str, NDArray[np.float64]]()
    for name, entries in places.items():
        flat, slope = own[name].reshape(-1), np.zeros(len(entries))
        for number, place in enumerate(entries):
            kept, sides = flat[place], list[float]()
            for step in (1e-5, -1e-5):
                flat[place] = kept + step
                sides.append(oracle.loss(oracle.forward(config.cell, own, chunk[0], states, drop)[0], chunk[1]))
            flat[place] = kept
            slope[number] = (sides[0] - sides[1]) / 2e-5
        found[name] = slope
    return found


def updates_astray(
    config: Any,
    text: Text,
    weights: Sequence[Weights],
    entries: int = 10,
    drops: Sequence[NDArray[np.float64]] | None = None,
) -> list[float]:
    """How far updates are from those of RMSProp on clipped slopes, as a share of the array's largest step, by array.

    Each starts from the implementation's own weights. An epoch may begin with zero states, or with those that the one
    before ended with: what fits better counts, for all epochs. Entries whose slopes have been less than a thousandth of
    the array's largest do not count, unless they have been nothing at all, as those of characters that did not occur.
    """
    every = oracle.chunks(text.tokens, config.batch, config.unroll)
    ways: list[dict[str, float]] = [{"": np.inf}]  # of no updates
    for carried in (False, True) if weights else ():
        rng, states, off = np.random.default_rng(0), oracle.zeros(weights[0], config.batch), dict[str, float]()
        places = {name: checked(array, entries, rng) for name, array in weights[0].items()}
        squares = {name: np.zeros(len(own)) for name, own in places.items()}
        for number, (before, after) in enumerate(pairwise(weights)):
            epoch, place = divmod(number, len(every))
            if place == 0 and not carried:
                states = oracle.zeros(before, config.batch)
            drop = None if drops is None else drops[number]
            rate = oracle.rate(config.lr, config.decay, config.constant_epochs, epoch + 1)
            for name, slope in slopes(config, before, every[place], states, places, drop).items():
                slope = np.clip(slope, -config.clip, config.clip)
                squares[name] = config.smoothing * squares[name] + (1 - config.smoothing) * slope**2
                root = np.sqrt(squares[name])
                step = -rate * slope / (root + config.epsilon)
                seen = (after[name] - before[name]).reshape(-1)[places[name]]
                counts = (root == 0) | (root > 1e-3 * root.max())
                gap = np.abs(seen - step)[counts].max(initial=0.0) / max(np.abs(step).max(), 1e-9)
                off[name] = max(off.get(name, 0.0), float(np.nan_to_num(gap, nan=np.inf)))
            _, states, _ = oracle.forward(config.cell, before, every[place][0], states, drop)
        ways.append(off)
        if max(off.values()) < ASTRAY or len(weights) <= len(every) + 1:
            break  # of one epoch there is one way
    return list(min(ways, key=lambda off: max(off.values())).values())


@dataclass(frozen=True)
class CharacterUpdates(Experiment):
    """Every update of some epochs of two chunks, against the equations, for all arrays; none is left out.

    Of networks with some fields replaced, such as a clip that bites, up to the first whose updates are astray.
    """

    networks: tuple[tuple[tuple[str, Any], ...], ...]
    chunks: int = 2
    entries: int = 6

    def __call__(self, implementation: CharacterModel, setting: Setting) -> Measurements:
        """How far each update leads astray, as a share of how far it leads."""
        found: list[float] = []
        for number, fields in enumerate(self.networks):
            own, seed = with_config(setting, **dict(fields)), 10 * setting.seed + number
            text = some_text(own.config, self.chunks, seed)
            weights = trajectory(implementation, own, text, seed, own.config.epochs * self.chunks)
            found += updates_astray(own.config, text, weights, self.entries)
            if max(found) > ASTRAY:
                break
        return {"updates": cases(found, 0, "1")}


@dataclass(frozen=True)
class CharacterMasks(Experiment):
    """Dropout in training, read off the updates: a unit that is dropped at every place moves no weight above it.

    Measures:
        kept: standard errors between the share of units that are dropped everywhere and dropout to the power of places,
            for one stream and one step, for two streams, and for two steps.
        together: the same of the share of pairs alike, of layers, of updates, and of units next to each other.
        unexplained: how far updates of one stream and one step are from the equations' under the masks.
    """

    chunks: int = 150

    def __call__(self, implementation: CharacterModel, setting: Setting) -> Measurements:
        """Two layers of six units, whose outputs are dropped on the way up and nowhere else."""
        kept, together, unexplained = list[float](), list[float](), list[float]()
        rate = setting.config.dropout
        for batch, unroll in ((1, 1), (2, 1), (1, 2)):
            own = with_config(setting, batch=batch, unroll=unroll, epochs=1)
            text = some_text(own.config, self.chunks, setting.seed)
            weights = trajectory(implementation, own, text, setting.seed, self.chunks)
            if not weights:
                kept, together, unexplained = [np.inf], [np.inf], [np.inf]
                break
            moved = np.stack(
                [np.stack([_moved(*pair, name) for name in ("W_x 2", "W_y")]) for pair in pairwise(weights)]
            )
            chance = rate ** (batch * unroll)  # that all copies of a unit are dropped
            kept += [_errors_off(~moved[:, layer], chance) for layer in (0, 1)]
            alike = chance**2 + (1 - chance) ** 2
            pairs = [(moved[:, 0], moved[:, 1]), (moved[1:], moved[:-1]), (moved[..., 1:], moved[..., :-1])]
            together += [_errors_off(a == b, alike) for a, b in pairs]
            if batch * unroll == 1:
                drops = [bits[None, :, None] / (1 - rate) for bits in moved[:20]]
                unexplained += updates_astray(own.config, text, weights[:21], 4, drops)
        return {
            "kept": cases(kept, 5.0, "standard errors"),
            "together": cases(together, 5.0, "standard errors"),
            "unexplained": cases(unexplained, 0, "1"),
        }


def _moved(before: Weights, after: Weights, name: str) -> NDArray[np.bool_]:
    """By column of a matrix, whether it has changed."""
    return np.abs(after[name] - before[name]).max(0) > 0


def _errors_off(seen: NDArray[np.bool_], chance: float) -> float:
    """Standard errors that a share is off a chance."""
    return float(abs(seen.mean() - chance) / np.sqrt(chance * (1 - chance) / seen.size))


def sampled(implementation: CharacterModel, setting: Setting) -> Measurements:
    """What networks of drawn weights write after prompts of different lengths, against the equations.

    Measures:
        unlikely: p-values of a chi-squared test of the first two characters that are written, by temperature.
        greedy: characters at temperature 0 that are not the likeliest, or at 0.00001, or at another seed.
        same: texts of one seed that differ when written again, and seeds that give the same texts.
        heated: probabilities at a temperature against the equations', of scores of any size.
        cooler: by what the entropy falls as the temperature rises.
        ranks: pairs of characters in another order than their scores.
    """
    rng = np.random.default_rng(setting.seed)
    unlikely, greedy, same = list[float](), list[float](), list[float]()
    for network in NETWORKS[:3]:
        own = with_config(setting, **network)
        writer, weights = drawn_writer(implementation, own, rng, 3.0)
        prompts = [rng.integers(0, own.config.vocabulary, size).tolist() for size in (1, 2, 7)]
        for heat in (0.5, 1.0, 2.0):
            written = writer.generate(_prompts(prompts, 300), 2, temperature=heat, seed=int(heat * 10))
            unlikely += [_chance(own.config.cell, weights, p, written[k::3], heat) for k, p in enumerate(prompts)]
        due = np.array([_likeliest(own.config.cell, weights, prompt, 12) for prompt in prompts])
        for heat, seed in ((0.0, 1), (0.0, 2), (1e-5, 3)):
            greedy += (writer.generate(_prompts(prompts, 1), 12, temperature=heat, seed=seed) != due).sum(1).tolist()
        texts = [writer.generate(_prompts(prompts, 5), 30, temperature=1.0, seed=seed) for seed in (4, 4, 5)]
        same += [float((texts[0] != texts[1]).sum()), float((texts[0] == texts[2]).all())]
    return {
        "unlikely": cases(unlikely, 1e-6, "1"),
        "greedy": cases(greedy, 0, "characters"),
        "same": cases(same, 0, "1"),
        **_heated(implementation, rng),
    }


def _heated(implementation: CharacterModel, rng: np.random.Generator) -> Measurements:
    """Of `distribution`: 1,000 rows of scores, some equal, some far from nothing, multiples of 1/64 for float32."""
    scores = rng.normal(size=(1000, 7)) * 10.0 ** rng.integers(-2, 4, (1000, 1)) + 10.0 ** rng.integers(0, 3, (1000, 1))
    scores = np.round(64 * scores) / 64
    scores[::10, 3] = scores[::10, 2]
    heats, found, due = (1e-3, 0.1, 0.5, 1.0, 2.0, 100.0), list[Any](), list[Any]()
    for heat in heats:
        found.append(np.asarray(implementation.distribution(scores, heat), np.float64))
        due.append(oracle.at_temperature(scores, heat))
    with np.errstate(all="ignore"):
        entropy = [-np.sum(np.where(p > 0, p * np.log(p), 0), axis=1) for p in found]
    order = np.argsort(scores, axis=1)
    ranked = [np.diff(np.take_along_axis(p, order, 1), axis=1).min(1) for p in found]
    return {
        "heated": cases(np.ravel(found), np.ravel(due), "1"),
        "cooler": cases(np.diff(entropy, axis=0).ravel(), 0, "nats"),
        "ranks": cases(np.ravel(ranked), 0, "1"),
    }


def _prompts(prompts: Sequence[Sequence[int]], copies: int) -> Sequences:
    """Prompts one after the other, several times; beyond its length stands in each what must not be read."""
    longest = max(map(len, prompts))
    items = np.array([[*prompt, *[1] * (longest - len(prompt))] for prompt in prompts])
    lengths = np.array([len(prompt) for prompt in prompts])
    return Sequences(items=np.tile(items, (copies, 1)), lengths=np.tile(lengths, copies))


def _chance(cell: str, weights: Weights, prompt: Sequence[int], written: NDArray[np.int64], heat: float) -> float:
    """The p-value of pairs of characters [N, 2] that follow a prompt; 0 if one of them is none."""
    from scipy import stats

    vocabulary = len(weights["b_y"])
    if written.min() < 0 or written.max() >= vocabulary:
        return 0.0
    scores, states, _ = oracle.forward(cell, weights, np.array([prompt]), oracle.zeros(weights, 1))
    first = oracle.at_temperature(scores[-1, 0], heat)
    repeated = [(h.repeat(vocabulary, 0), c.repeat(vocabulary, 0)) for h, c in states]
    then, _, _ = oracle.forward(cell, weights, np.arange(vocabulary)[:, None], repeated)
    due = (first[:, None] * oracle.at_temperature(then[0], heat)).ravel() * len(written)
    seen = np.bincount(written[:, 0] * vocabulary + written[:, 1], minlength=vocabulary**2)
    rare = due < 5  # together, where a chi-squared test needs more
    groups = [np.append(each[~rare], each[rare].sum()) for each in (seen, due)]
    groups = [each[groups[1] > 0] for each in groups]
    return float(stats.chi2.sf(((groups[0] - groups[1]) ** 2 / groups[1]).sum(), max(1, len(groups[0]) - 1)))


def _likeliest(cell: str, weights: Weights, prompt: Sequence[int], length: int) -> list[int]:
    """The continuation whose every character is the likeliest."""
    text = list(prompt)
    for _ in range(length):
        scores, _, _ = oracle.forward(cell, weights, np.array([text]), oracle.zeros(weights, 1))
        text.append(int(scores[-1, 0].argmax()))
    return text[len(prompt) :]
