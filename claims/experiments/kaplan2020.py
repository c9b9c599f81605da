"""How scaling laws are measured: the contract, sweeps over size, data and compute, and the equations checked.

Losses are measured here, on text that training has not seen, from the scores that a network commits to before it is
told what follows. A text is read in contexts, so a loss is a mean over the positions of a context, as the paper's.
What the equations must give is computed here as well, by minimising numerically rather than by their closed forms.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, inf, log, prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from repro import Measurements, ReproError, Setting, cases, curve, scalar
from repro.language_modelling import first, loss, trained
from repro.task import LanguageModel, Reader

Shape = tuple[int, int, int]
"""Layers, width and heads of a network."""


class ScalingLaws(LanguageModel, Protocol):
    """The contract: networks that can be counted, and the paper's equations.

    Presets are of three kinds: networks, constants of the paper's laws, and constants of the parametric loss of
    Hoffmann et al. (2022). Batches and data are in tokens, compute in floating-point operations.
    """

    def shapes(self, config: Any) -> dict[str, tuple[int, ...]]:
        """The shape of everything that a network learns, by name, without allocating it."""
        ...

    def parameters(self, config: Any) -> int:
        """A network's N, as the paper counts it."""
        ...

    def flops(self, config: Any) -> tuple[float, float]:
        """Operations of matrix products for each token of a context, forward and backward, the softmax's included."""
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


def read(reader: Reader, tokens: NDArray[np.int64], setting: Setting) -> float:
    """Mean loss of a text that is read in contexts side by side, from its second token on."""
    return loss(reader, tokens, setting.dataset.train.vocabulary, -(-(len(tokens) - 1) // setting.config.context))


@dataclass(frozen=True)
class Sizes:
    """Networks of several shapes, trained for as many updates each on all the data.

    Attributes:
        networks: their shapes, ascending in size where the curve is to be judged.
        evaluated: how many tokens of the test text are read; None for all.

    Measures:
        loss: at the end of training, over N.
        loss LxD: that of the network of L layers of width D, by itself.
    """

    networks: tuple[Shape, ...]
    evaluated: int | None = None

    def __call__(self, implementation: ScalingLaws, setting: Setting) -> Measurements:
        """Train each to its end."""
        found: dict[Shape, float] = {}
        for shape in self.networks:
            *_, (_, reader) = trained(implementation, sized(setting, shape), first(setting.dataset.train, None))
            found[shape] = read(reader, setting.dataset.test.tokens[: self.evaluated], setting)
        single = {f"loss {layers}x{width}": scalar(found[layers, width, h], "nats") for layers, width, h in found}
        counts = [size(layers, width) for layers, width, _ in found]
        return {"loss": curve(counts, list(found.values()), unit="nats", x_unit="parameters")} | single


@dataclass(frozen=True)
class Amounts:
    """One network, trained on a part of the text until the validation text is predicted no better.

    A part is made of pieces from anywhere in the text, in an order that the trial's seed draws; a smaller part is the
    beginning of a larger one. One long passage would say more of its own topic than of how much text there was.

    Attributes:
        tokens: how long the parts are, ascending.
        piece: tokens of a piece.
        checkpoints: updates after which the validation text is read; training stops at the second in a row that is no
            better than the best before.
        evaluated: how many tokens of each text are read; None for all.

    Measures:
        loss: of the test text at the best checkpoint, over the length of the part.
    """

    tokens: tuple[int, ...]
    piece: int
    checkpoints: tuple[int, ...]
    evaluated: int | None = None

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
        losses = [self._stopped(implementation, setting, part[:amount]) for amount in self.tokens]
        return {"loss": curve(self.tokens, losses, unit="nats", x_unit="tokens")}

    def _stopped(self, implementation: ScalingLaws, setting: Setting, part: NDArray[np.int64]) -> float:
        """The test loss of one part."""
        text, best, result, worse = setting.dataset, inf, inf, 0
        given = replace(first(text.train, None), tokens=part)
        for _, reader in trained(implementation, setting, given, self.checkpoints):
            now = read(reader, text.train.validation[: self.evaluated], setting)
            worse = 0 if now < best else worse + 1
            if now < best:
                best, result = now, read(reader, text.test.tokens[: self.evaluated], setting)
            if worse == 2:
                break
        return result


@dataclass(frozen=True)
class Compute:
    """The lowest loss that networks of several sizes reach with some compute while they are trained.

    Attributes:
        networks: their shapes, ascending in size.
        checkpoints: updates after which the test text is read.
        points: of the grid, which runs from where the third network is first looked at to the end of the largest.
        evaluated: how many tokens of the test text are read; None for all.

    Measures:
        loss: the lowest of all networks, over 6 N times the tokens seen.
        final: that of each network at the end of training, over N.
    """

    networks: tuple[Shape, ...]
    checkpoints: tuple[int, ...]
    points: int = 8
    evaluated: int | None = None

    def __call__(self, implementation: ScalingLaws, setting: Setting) -> Measurements:
        """Follow each network; between checkpoints, log loss is linear in log compute."""
        curves: list[NDArray[np.float64]] = []
        for shape in self.networks:
            each = 6 * size(*shape[:2]) * setting.config.batch * setting.config.context
            own, text = sized(setting, shape), first(setting.dataset.train, None)
            points = [
                (log(each * step), log(read(reader, setting.dataset.test.tokens[: self.evaluated], setting)))
                for step, reader in trained(implementation, own, text, self.checkpoints)
            ]
            curves.append(np.array(points).T)
        grid = np.linspace(curves[2][0, 0], curves[-1][0, -1], self.points)
        lowest = np.min([np.interp(grid, x, y, left=inf) for x, y in curves], axis=0)
        final = np.exp([y[-1] for _, y in curves])
        sizes = [size(layers, width) for layers, width, _ in self.networks]
        return {
            "loss": curve(np.exp(grid), np.exp(lowest), unit="nats", x_unit="FLOP"),
            "final": curve(sizes, final, unit="nats", x_unit="parameters"),
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
    """Operations a token: two a weight forward, those of attention and of the softmax, and twice as many backward."""
    config = setting.config
    attention = 4 * config.layers * config.context * config.width  # of all pairs of positions; a causal half is needed
    forward = 2 * size(config.layers, config.width) + attention + 2 * config.vocabulary * config.width
    found = implementation.flops(config)
    return {"ratio": cases([found[0] / forward, found[1] / forward], [1, 2], "1")}


def principles(implementation: ScalingLaws, setting: Setting) -> Measurements:
    """The three principles that Section 4.1 gives for Eq. 1.5, and the data that Eq. 4.3 asks for.

    Measures:
        limits: logarithms of L(N, inf) and L(inf, D), against the two power laws.
        scaling: of L of the rescaled constants over L.
        powers: of 1 / D in L(N, D) - L(N, inf), where D is large.
        overfit: L(N, D) / L(N, inf) - 1 for the D that is said to be needed.
    """
    law, sizes, amounts = setting.config, np.geomspace(1e3, 1e12, 10), np.geomspace(1e6, 1e13, 8)
    by_size = [implementation.loss(law, n, inf) for n in sizes]
    by_data = [implementation.loss(law, inf, d) for d in amounts]
    pure = [*(-law.alpha_n * np.log(sizes / law.n_c)), *(-law.alpha_d * np.log(amounts / law.d_c))]
    factor, larger = 1.25, implementation.rescaled(law, 1.25)
    pairs = [(n, d) for n in sizes for d in amounts]
    scaled = [implementation.loss(larger, n, d) / implementation.loss(law, n, d) for n, d in pairs]
    gaps = [[implementation.loss(law, n, d) - implementation.loss(law, n, inf) for d in (1e16, 1e17)] for n in sizes]
    needed = [implementation.data_needed(law, n, 0.02) for n in sizes]
    converged = [(law.n_c / n) ** law.alpha_n for n in sizes]
    both = [
        ((law.n_c / n) ** (law.alpha_n / law.alpha_d) + law.d_c / d) ** law.alpha_d
        for n, d in zip(sizes, needed, strict=True)
    ]
    return {
        "limits": cases(np.log([*by_size, *by_data]), pure, "1"),
        "scaling": cases(scaled, factor, "1"),
        "powers": cases([np.log10(near / far) for near, far in gaps], 1, "1"),
        "overfit": cases(np.divide(both, converged) - 1, 0.02, "1"),
    }


def data_exponent(implementation: ScalingLaws, setting: Setting) -> Measurements:
    """The power of N in the data that keeps overfitting below two per cent."""
    few, many = (implementation.data_needed(setting.config, n, 0.02) for n in (1e6, 1e9))
    return {"exponent": scalar(float(np.log10(many / few)) / 3, "1")}


def batches(implementation: ScalingLaws, setting: Setting) -> Measurements:
    """Updates and examples over the least of each: Eq. 5.1, and both doubled at the critical batch."""
    law, products, doubled = setting.config, [], []
    for nats in (2.0, 3.0, 4.5):
        critical = law.b_star * nats ** (-1 / law.alpha_b)
        for share in (0.1, 0.5, 1.0, 4.0, 20.0):
            steps = implementation.steps_at(law, 1e4, nats, share * critical) / 1e4
            products.append((steps - 1) * (steps * share - 1))
        doubled.append(implementation.steps_at(law, 1e4, nats, critical) / 1e4)
    return {"product": cases(products, 1, "1"), "doubled": cases(doubled, 2, "1")}


def least_compute(law: Any, nats: float) -> dict[str, float]:
    """The cheapest way to a loss by Eqs. 1.6 and B.3, from a search over all sizes."""
    from scipy import optimize

    def way(log_n: float) -> dict[str, float]:
        n = exp(log_n)
        steps = law.s_c * (nats - (law.n_c / n) ** law.alpha_n) ** (-1 / law.alpha_s)
        batch = law.b_star * nats ** (-1 / law.alpha_b)
        return {"loss": nats, "parameters": n, "steps": steps, "batch": batch, "compute": 6 * n * batch * steps}

    smallest = log(law.n_c) - log(nats) / law.alpha_n  # it would need endless training
    bounds = smallest + 1e-3, smallest + 10.0
    best = optimize.minimize_scalar(
        lambda x: log(way(x)["compute"]), bounds=bounds, method="bounded", options={"xatol": 1e-10}
    )
    return way(float(best.x))  # pyright: ignore[reportAttributeAccessIssue] -- scipy's result has x


def allocations(implementation: ScalingLaws, setting: Setting) -> Measurements:
    """What the closed forms say of the cheapest training, against the search; logarithms, and the excess of loss."""
    found, wanted, shares = [], [], []
    for nats in (1.7, 2.5, 3.5, 5.0):
        best = least_compute(setting.config, nats)
        share = nats / (setting.config.n_c / best["parameters"]) ** setting.config.alpha_n - 1
        shares.append(implementation.best_excess(setting.config) - share)
        for way in (
            implementation.frontier(setting.config, best["compute"]) | {"loss": 0.0},
            implementation.reach(setting.config, nats, share) | {"loss": 0.0},
        ):
            found += [log(way[name]) for name in ("parameters", "steps", "batch", "compute")]
            wanted += [log(best[name]) for name in ("parameters", "steps", "batch", "compute")]
        found.append(implementation.frontier(setting.config, best["compute"])["loss"])
        wanted.append(nats)
    return {"logarithms": cases(found, wanted, "1"), "excess": cases(shares, 0, "1")}


def efficiency(implementation: ScalingLaws, setting: Setting) -> Measurements:
    """The cheapest way to a loss against training to two per cent of convergence, and against larger models."""
    law, nats = setting.config, 3.0
    share = implementation.best_excess(law)
    best, usual = implementation.reach(law, nats, share), implementation.reach(law, nats, 0.02)
    # A model k times as large exceeds its own converged loss by more.
    larger = implementation.reach(law, nats, (1 + share) * 2.2**law.alpha_n - 1)
    return {
        "size": scalar(best["parameters"] / usual["parameters"], "1"),
        "updates": scalar(best["steps"] / usual["steps"], "1"),
        "compute": scalar(best["compute"] / usual["compute"], "1"),
        "saved updates": scalar(100 * (1 - larger["steps"] / best["steps"]), "%"),
        "added compute": scalar(100 * (larger["compute"] / best["compute"] - 1), "%"),
    }


PF_DAY = 1e15 * 24 * 3600


def exponents(implementation: ScalingLaws, setting: Setting) -> Measurements:
    """Powers of compute on the frontier, the compute that its law begins with, and the power of N in the data."""
    low, high = (implementation.frontier(setting.config, compute) for compute in (PF_DAY, 1e6 * PF_DAY))
    powers = {name: float(np.log10(high[name] / low[name])) / 6 for name in low}
    return {
        "loss": scalar(-powers["loss"], "1"),
        "parameters": scalar(powers["parameters"], "1"),
        "steps": scalar(powers["steps"], "1"),
        "scale": scalar(low["loss"] ** (-1 / powers["loss"]), "PF-days"),
        "data": data_exponent(implementation, setting)["exponent"],
    }


def parametric(implementation: ScalingLaws, setting: Setting) -> Measurements:
    """The exponent of the best N where compute is counted without embeddings, over the paper's range of sizes.

    For each size the compute is found for which it is the best: from the derivative of the parametric loss, which is
    zero there.
    """
    law, sizes = setting.config, np.geomspace(790, 1.58e9, 30)
    rest = law.embedding * np.cbrt(sizes)
    slope = law.alpha * law.a * (sizes + rest) ** -(law.alpha + 1) * (sizes + rest / 3)
    amounts = (slope / (law.beta * law.b)) ** (-1 / law.beta)
    compute = 6 * sizes * amounts
    found = [implementation.parametric_optimum(law, float(c)) for c in compute]
    power = float(np.polyfit(np.log(compute), np.log(found), 1)[0])
    return {"parameters": cases(np.log(found), np.log(sizes), "1"), "exponent": scalar(power, "1")}


def recovered(implementation: ScalingLaws, setting: Setting) -> Measurements:
    """Constants of a parametric loss that are fitted to 240 losses of its own, and the exponent of the best size."""
    law = setting.config
    sizes, ratios = np.repeat(np.geomspace(5e7, 1.6e10, 12), 20), np.tile(np.geomspace(2, 200, 20), 12)
    losses = law.e + law.a * sizes**-law.alpha + law.b * (sizes * ratios) ** -law.beta
    unknown = replace(law, e=1.0, a=1.0, b=1.0, alpha=0.5, beta=0.5)
    found = implementation.fitted(unknown, sizes, sizes * ratios, losses)
    facts = [[each.e, each.alpha, each.beta, each.beta / (each.alpha + each.beta)] for each in (found, law)]
    return {"constants": cases(facts[0], facts[1], "1")}


def solvable_powers(decay: float) -> tuple[float, float]:
    """Powers of compute in the least loss of a solvable model, and in the size that has it; see `solvable`."""
    from scipy.special import zeta

    sizes = np.unique(np.geomspace(3, 30_000, 60).astype(int))
    modes = np.arange(1, sizes[-1] + 1) ** -(1 + decay)
    budgets = np.geomspace(100, 3_000, 8) ** (2 + decay)  # so that sizes of about 100 to 3,000 are the best
    best, lowest = [], []
    for compute in budgets:
        losses = [zeta(1 + decay, n + 1) + modes[:n] @ np.exp(-2 * modes[:n] * compute / n) for n in sizes]
        x, y, i = np.log(sizes), np.log(losses), int(np.argmin(losses))
        bend, tilt, level = np.polyfit(x[i - 2 : i + 3] - x[i], y[i - 2 : i + 3], 2)
        best.append(x[i] - tilt / (2 * bend))
        lowest.append(level - tilt**2 / (4 * bend))
    falls, grows = (float(np.polyfit(np.log(budgets), line, 1)[0]) for line in (lowest, best))
    return falls, grows


def solvable(implementation: ScalingLaws, setting: Setting) -> Measurements:
    """Powers of compute on the frontier, against those of models that can be solved.

    Such a model learns modes i = 1 to N by gradient flow, each of which has a share i**-(1 + a) of the loss and is
    learnt at a rate proportional to it. So L(N) falls with the power a and L(S) with a / (1 + a), and compute is N S:
    batches cost the same at every loss.
    """
    found, wanted = [], []
    for decay in (0.5, 1.0, 1.5, 2.0):
        powers = {"alpha_n": decay, "alpha_s": decay / (1 + decay), "alpha_b": 1e9}
        law = replace(setting.config, **powers)
        low, high = (implementation.frontier(law, compute) for compute in (1e21, 1e24))
        found += [log(high[name] / low[name]) / log(1e3) for name in ("loss", "parameters")]
        wanted += solvable_powers(decay)
    return {"powers": cases(found, wanted, "1")}


MODES, TARGET = np.arange(1, 201) ** -1.5, 0.03
"""Curvatures of the noisy quadratic, and the share of its first loss that is to be reached."""


def quadratic_steps(rate: float, noise: float) -> float:
    """Updates of stochastic gradient descent to the target; infinite if the rate does not get there.

    The gradient of a mode of curvature h has a variance of `noise` h. All modes begin at one.
    """
    from scipy import optimize

    keeps = (1 - rate * MODES) ** 2  # of a mode's mean square in an update, which adds rate**2 noise h
    rest = rate**2 * noise * MODES / (1 - keeps)

    def excess(step: float) -> float:
        return float(MODES @ (keeps**step * (1 - rest) + rest)) / float(MODES.sum()) - TARGET

    if float(MODES @ rest) >= TARGET * float(MODES.sum()):
        return inf
    last = 1.0
    while excess(last) > 0:
        last *= 2
    return float(optimize.brentq(excess, 0.0, last))  # pyright: ignore[reportArgumentType] -- a number


def tuned_steps(noise: float) -> float:
    """Updates to the target at the best constant rate."""
    from scipy import optimize

    rates = np.geomspace(1e-5, 1.99, 150)
    i = int(np.argmin([quadratic_steps(rate, noise) for rate in rates]))
    best = optimize.minimize_scalar(
        lambda rate: quadratic_steps(rate, noise), bounds=(rates[max(i - 1, 0)], rates[min(i + 1, 149)])
    )
    return float(best.fun)  # pyright: ignore[reportAttributeAccessIssue] -- scipy's result has fun


def noisy_quadratic(implementation: ScalingLaws, setting: Setting) -> Measurements:
    """Updates that a noisy quadratic takes with batches of eight sizes, each at its best rate, against Eq. 5.4.

    Logarithms of the updates that are predicted, over those it takes. The least updates and the critical batch are
    those of the hyperbola that fits all sizes best.
    """
    from scipy import optimize

    sizes = np.geomspace(15, 960, 8)  # an eighth of the critical one, to eight times it
    taken = np.array([tuned_steps(1 / size) for size in sizes])
    fit = optimize.least_squares(lambda q: np.log(taken) - q[0] - np.log1p(np.exp(q[1]) / sizes), [5.0, 5.0])
    least, critical = np.exp(fit.x)
    nats = 3.0
    law = replace(setting.config, b_star=float(critical * nats ** (1 / setting.config.alpha_b)))
    told = [implementation.steps_at(law, float(least), nats, float(size)) for size in sizes]
    return {"steps": cases(np.log(told / taken), 0, "1")}
