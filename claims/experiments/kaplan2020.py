"""How scaling laws are measured: the contract, sweeps over size, data and compute, and what networks count.

Losses are measured here, on text that training has not seen, from the scores that a network commits to before it is
shown what follows. A text is read in contexts, so a loss is a mean over the positions of a context, as the paper's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf, log, prod
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from claims.oracles import kaplan2020 as oracle
from repro import (
    Carried,
    Experiment,
    Measurements,
    ReproError,
    Setting,
    Text,
    cases,
    check_state,
    curve,
    first_tokens,
    scalar,
    train_language_model,
)
from repro.task import LanguageModel

Shape = tuple[int, int, int]
"""Layers, width and heads of a network."""


class ScalingLaws(LanguageModel, Protocol):
    """The contract: networks that can be counted, and the paper's equations.

    Arrays of `state`, for layers i = 0 to L - 1: "embedding" [V, d], which is the softmax's matrix too, and "positions"
    [T, d]; "i attention in" [d, 3 d], whose columns are queries, keys and values, or these apart, "i queries", "i keys"
    and "i values" [d, d]; "i attention out" [d, d]; "i inner in" [d, 4 d] and "i inner out" [4 d, d]; and, where there
    are any, gains of normalizations, "i attention norm", "i inner norm" and "norm" [d], and for each "... bias". What
    the paper leaves to GPT-2 is as there: normalization before each sublayer and after the last. GELU may have its tanh
    form or the exact one, the same everywhere. A stream that has read a whole context begins a new one, or reads from
    then on the last T tokens as if they were all; nothing older matters. Training draws contexts from all of the text
    that it is given. Where dropout acts is left open; each mask is drawn by itself.

    Presets are of three kinds: networks, constants of the paper's laws, and constants of the parametric loss of
    Hoffmann et al. (2022). Batches and data are in tokens, compute in floating-point operations.
    """

    def parameters(self, config: Any) -> int:
        """A network's N, as the paper counts it."""
        ...

    def flops(self, config: Any) -> tuple[float, float]:
        """Operations of matrix products for each token of a context, forward and backward.

        Those of attention count all pairs of positions, those that the mask keeps, or what Table 1 prints; those of the
        softmax may be left out, as Eq. 2.2 does.
        """
        ...

    def loss(self, config: Any, n: float, d: float) -> float:
        """Eq. 1.5: the loss of N parameters and D tokens, either of which may be infinite."""
        ...

    def rescaled(self, config: Any, factor: float) -> Any:
        """The constants of a loss that is a factor larger for all N and D."""
        ...

    def data_needed(self, config: Any, n: float, overfit: float) -> float:
        """Tokens at which N parameters lose a share more than on endless data."""
        ...

    def steps_at(self, config: Any, least: float, nats: float, batch: float) -> float:
        """Updates to a loss with a batch of so many tokens, where `least` are needed with an endless one."""
        ...

    def reach(self, config: Any, nats: float, excess: float) -> dict[str, float]:
        """How a loss is reached by the model that it exceeds the converged loss of by a share.

        "parameters"; "steps", the least; "batch", the critical one; "compute", that of all examples that are needed.
        """
        ...

    def best_excess(self, config: Any) -> float:
        """The share for which `reach` takes the least compute."""
        ...

    def frontier(self, config: Any, compute: float) -> dict[str, float]:
        """What `reach` has, and the "loss", for the least loss that some compute can reach."""
        ...

    def parametric_optimum(self, config: Any, compute: float) -> float:
        """The N of the lowest parametric loss where 6 N D is the compute, N without embeddings."""
        ...

    def fitted(
        self, config: Any, sizes: NDArray[np.float64], amounts: NDArray[np.float64], losses: NDArray[np.float64]
    ) -> Any:
        """The config with the constants of the parametric loss that fits runs best, sizes with embeddings."""
        ...


def size(layers: int, width: int) -> int:
    """Weights of a decoder's matrix products: four matrices of attention, and two of four times the width."""
    return 12 * layers * width**2


def sized(setting: Setting, shape: Shape) -> Setting:
    """The setting with a network of another shape."""
    layers, width, heads = shape
    return replace(setting, config=replace(setting.config, layers=layers, width=width, heads=heads))


def learnt(config: Any, state: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float64]]:
    """What `state` gave, with queries, keys and values put together where they stand apart.

    Raises:
        ReproError: for arrays that are missing, of another shape, or not the paper's.
    """
    found = {name: np.asarray(array, dtype=np.float64) for name, array in state.items()}
    wide, inner = config.width, 4 * config.width
    wanted = {"embedding": (config.vocabulary, wide), "positions": (config.context, wide)}
    extra = {"norm": (wide,), "norm bias": (wide,)}
    for i in range(config.layers):
        for end in ("", " bias"):
            apart = [f"{i} {part}{end}" for part in ("queries", "keys", "values")]
            if found.keys() & set(apart):
                shape = (wide,) if end else (wide, wide)
                check_state({name: found[name] for name in apart if name in found}, dict.fromkeys(apart, shape))
                found[f"{i} attention in{end}"] = np.concatenate([found.pop(name) for name in apart], axis=-1)
        own = {"attention in": (wide, 3 * wide), "attention out": (wide, wide)}
        own |= {"inner in": (wide, inner), "inner out": (inner, wide)}
        wanted |= {f"{i} {name}": shape for name, shape in own.items()}
        extra |= {f"{i} {name} bias": shape[1:] for name, shape in own.items()}
        extra |= {f"{i} {name} norm{end}": (wide,) for name in ("attention", "inner") for end in ("", " bias")}
    check_state(found, wanted | {name: shape for name, shape in extra.items() if name in found})
    return found


def read(model: Carried, tokens: NDArray[np.int64]) -> float:
    """Mean loss of a text that is read in contexts side by side, from its second token on."""
    return model.loss(tokens, -(-(len(tokens) - 1) // model.setting.config.context))


def astray(model: Carried, nats: float, tokens: NDArray[np.int64]) -> float:
    """By what a text's loss differs from that of a network with the model's weights, by the paper's equations.

    Raises:
        ReproError: for arrays that are not the paper's.
    """
    config, count = model.setting.config, len(tokens) - 1
    each = -(-count // -(-count // config.context))  # as `read` cuts it
    padded = np.concatenate([tokens, np.zeros(-count % each, tokens.dtype)])
    contexts = np.stack([padded[at : at + each + 1] for at in range(0, count, each)])
    weights, gaps = learnt(config, model.arrays), []
    for form in oracle.FORMS:
        with np.errstate(all="ignore"):
            scores = oracle.forward(weights, config.heads, contexts[:, :-1], form)
        gaps.append(nats + float(np.take_along_axis(scores, contexts[:, 1:, None], 2).ravel()[:count].mean()))
        if abs(gaps[-1]) < 1e-4:
            break
    return min(gaps, key=abs)


def of_pairs(given: Text, tokens: NDArray[np.int64]) -> tuple[float, float]:
    """The loss of a text by how often tokens occur in another, and by how often each follows each.

    To every count half a token is added.
    """
    kinds = given.vocabulary
    pairs = np.bincount(given.tokens[:-1] * kinds + given.tokens[1:], minlength=kinds**2).reshape(kinds, kinds) + 0.5
    single = np.bincount(given.tokens, minlength=kinds) + 0.5
    follows = pairs[tokens[:-1], tokens[1:]] / pairs.sum(1)[tokens[:-1]]
    return -float(np.log(single / single.sum())[tokens[1:]].mean()), -float(np.log(follows).mean())


@dataclass(frozen=True)
class Sizes(Experiment):
    """Networks of several shapes, trained for as many updates each on all the data.

    Attributes:
        networks: their shapes, ascending in size where the curve is to be judged.
        evaluated: how many tokens of the test text are read; None for all.

    Measures:
        loss: at the end of training, over N.
        loss LxD: that of the network of L layers of width D, by itself.
        loss of singles, loss of pairs: of tables of the training text; see `of_pairs`.
        astray: by what each loss differs from that of the equations with the network's weights; with `checked`. So what
            reads is a network whose weights are all that it knows.
    """

    networks: tuple[Shape, ...]
    evaluated: int | None = None
    checked: ClassVar[bool] = False

    def __call__(self, implementation: ScalingLaws, setting: Setting) -> Measurements:
        """Train each to its end."""
        found: dict[Shape, float] = {}
        gaps: list[float] = []
        given, text = first_tokens(setting.dataset.train, None), setting.dataset.test.tokens[: self.evaluated]
        for shape in self.networks:
            own = sized(setting, shape)
            *_, (_, trained) = train_language_model(implementation, own, given)
            model = Carried.of(implementation, own, trained)
            found[shape] = read(model, text)
            if self.checked:
                gaps.append(astray(model, found[shape], text))
        single = {f"{layers}x{width}": nats for (layers, width, _), nats in found.items()}
        single |= dict(zip(("of singles", "of pairs"), of_pairs(given, text), strict=True))
        counts = [size(layers, width) for layers, width, _ in found]
        losses = curve(counts, list(found.values()), unit="nats", x_unit="parameters", better="lower")
        measured = {f"loss {name}": scalar(nats, "nats", better="lower") for name, nats in single.items()}
        return measured | {"loss": losses} | ({"astray": cases(gaps, 0, "nats")} if self.checked else {})


@dataclass(frozen=True)
class CheckedSizes(Sizes):
    """`Sizes` of networks so small that all they read is read by the oracle as well."""

    checked: ClassVar[bool] = True


@dataclass(frozen=True)
class Amounts(Experiment):
    """One network, trained on a part of the text until the validation text is predicted no better.

    A part is made of pieces from anywhere in the text, in an order that the trial's seed draws; a smaller part is the
    beginning of a larger one. One long passage would say more of its own topic than of how much text there was.

    Attributes:
        tokens: how long the parts are, ascending.
        piece: tokens of a piece.
        eval_steps: updates after which the validation text is read; training stops at the second in a row that is no
            better than the best before.
        evaluated: how many tokens of each text are read; None for all.

    Measures:
        loss: of the test text at the best checkpoint, over the length of the part.
        loss of least, loss of most: those of the smallest and of the largest part.
        loss of singles, loss of pairs: of tables of the smallest and of the largest part; see `of_pairs`.
        astray: by what each loss differs from that of the equations with the network's weights; with `checked`.
    """

    tokens: tuple[int, ...]
    piece: int
    eval_steps: tuple[int, ...]
    evaluated: int | None = None
    checked: ClassVar[bool] = False

    def __call__(self, implementation: ScalingLaws, setting: Setting) -> Measurements:
        """Train once on each part.

        Raises:
            ReproError: if the text is too short.
        """
        whole = setting.dataset.train.tokens
        pieces = whole[: len(whole) // self.piece * self.piece].reshape(-1, self.piece)
        drawn = np.random.default_rng(setting.seed).permutation(len(pieces))[: -(-self.tokens[-1] // self.piece)]
        part = pieces[drawn].ravel()
        if len(part) < self.tokens[-1]:
            raise ReproError(f"Of {self.tokens[-1]} tokens to be learnt from, the text has {len(part)}")
        ends = [self._stopped(implementation, setting, part[:amount]) for amount in self.tokens]
        losses, gaps = [nats for nats, _ in ends], [gap for _, gap in ends]
        text, given = setting.dataset.test.tokens[: self.evaluated], first_tokens(setting.dataset.train, None)
        least, most = (of_pairs(replace(given, tokens=part[:n]), text) for n in (self.tokens[0], self.tokens[-1]))
        single = {"least": losses[0], "most": losses[-1], "singles": least[0], "pairs": most[1]}
        measured = {f"loss of {name}": scalar(nats, "nats", better="lower") for name, nats in single.items()}
        measured["loss"] = curve(self.tokens, losses, unit="nats", x_unit="tokens", better="lower")
        return measured | ({"astray": cases(gaps, 0, "nats")} if self.checked else {})

    def _stopped(self, implementation: ScalingLaws, setting: Setting, part: NDArray[np.int64]) -> tuple[float, float]:
        """The test loss of one part, and by what it differs from that of the equations."""
        data, best, result, worse = setting.dataset, inf, (inf, inf), 0
        given, text = replace(first_tokens(data.train, None), tokens=part), data.test.tokens[: self.evaluated]
        for _, trained in train_language_model(implementation, setting, given, self.eval_steps):
            model = Carried.of(implementation, setting, trained)
            now = read(model, data.train.validation[: self.evaluated])
            worse = 0 if now < best else worse + 1
            if now < best:
                best, nats = now, read(model, text)
                result = nats, astray(model, nats, text) if self.checked else 0.0
            if worse == 2:
                break
        return result


@dataclass(frozen=True)
class CheckedAmounts(Amounts):
    """`Amounts` for a network so small that all it reads is read by the oracle as well."""

    checked: ClassVar[bool] = True


@dataclass(frozen=True)
class Compute(Experiment):
    """The lowest loss that networks of several sizes reach with some compute while they are trained.

    Attributes:
        networks: their shapes, ascending in size.
        eval_steps: updates after which the test text is read.
        points: of the grid, which runs from where the third network is first looked at to the end of the largest.
        evaluated: how many tokens of the test text are read; None for all.

    Measures:
        loss: the lowest of all networks, over 6 N times the tokens seen.
        final: that of each network at the end of training, over N.
    """

    networks: tuple[Shape, ...]
    eval_steps: tuple[int, ...]
    points: int = 8
    evaluated: int | None = None

    def __call__(self, implementation: ScalingLaws, setting: Setting) -> Measurements:
        """Follow each network; between evaluations, log loss is linear in log compute."""
        curves: list[NDArray[np.float64]] = []
        test = setting.dataset.test.tokens[: self.evaluated]
        for shape in self.networks:
            each = 6 * size(*shape[:2]) * setting.config.batch * setting.config.context
            own, text = sized(setting, shape), first_tokens(setting.dataset.train, None)
            points = [
                (log(each * step), log(read(Carried.of(implementation, own, trained), test)))
                for step, trained in train_language_model(implementation, own, text, self.eval_steps)
            ]
            curves.append(np.array(points).T)
        grid = np.linspace(curves[2][0, 0], curves[-1][0, -1], self.points)
        lowest = np.min([np.interp(grid, x, y, left=inf) for x, y in curves], axis=0)
        final = np.exp([y[-1] for _, y in curves])
        sizes = [size(layers, width) for layers, width, _ in self.networks]
        return {
            "loss": curve(np.exp(grid), np.exp(lowest), unit="nats", x_unit="FLOP", better="lower"),
            "final": curve(sizes, final, unit="nats", x_unit="parameters", better="lower"),
        }


def counts(implementation: ScalingLaws, setting: Setting) -> Measurements:
    """N as given and as the shapes of what is learnt have it, against 12 L d**2; and all else that is learnt."""
    config = setting.config
    wanted = size(config.layers, config.width)
    embeddings = [(config.vocabulary, config.width), (config.context, config.width)]
    found = list(implementation.shapes(config).values())
    for shape in embeddings:
        if shape in found:
            found.remove(shape)
    matrices = sum(prod(shape) for shape in found if len(shape) > 1)
    rest = sum(map(prod, found)) - matrices
    allowed = 13 * config.layers * config.width + 2 * config.width  # biases and norms of layers, and the last norm
    return {
        "weights": cases([implementation.parameters(config), matrices], wanted, "parameters"),
        "rest": cases([rest], allowed, "parameters"),
    }


def operations(implementation: ScalingLaws, setting: Setting) -> Measurements:
    """Operations a token over those of Eq. 2.2, forward and backward: of its forms, the one that is nearest forward."""
    config = setting.config
    pairs = config.layers * config.width * np.array([4 * config.context, 2 * config.context, 2 * (config.context + 1)])
    forms = 2 * size(config.layers, config.width) + np.add.outer([0, 2 * config.vocabulary * config.width], pairs)
    found = implementation.flops(config)
    forward = min(forms.ravel(), key=lambda count: abs(found[0] - count))
    return {"ratio": cases([found[0] / forward, found[1] / forward], [1, 2], "1")}
