"""The contract: what an implementation offers, in arrays, numbers and configs.

The implementation computes; the suite measures. No implementation reports its own score, sees test labels or
reads the clock that times it. An implementation is anything with these names: a reference module, a control
built from one, or a submission behind a pipe.

Only these cross the boundary, in either direction: None, bool, int, float, str, bytes, arrays of numbers, lists,
tuples and dicts with text keys of such values, configs (frozen dataclasses of such values), the structs below,
`Images`, and objects or iterators that an implementation returned, which stay where they are and are handed back
by reference. A claims file may add methods for its paper by subclassing a protocol, under the same rule.

What is to be predicted is never passed along: a classifier gets test images without labels, a stream gets the
next token only after it has committed to scores for it.

Shapes: N examples, B streams or a batch, H height, W width, C channels, K classes, T steps or snapshots,
V vocabulary, D features, L longest sequence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

Device = Literal["cpu", "cuda", "mps"]
DataT = TypeVar("DataT", contravariant=True)
ModelT = TypeVar("ModelT", covariant=True)


class Implementation(Protocol):
    """Every implementation has presets: frozen dataclasses whose fields are the paper's settings."""

    CONFIGS: Mapping[str, Any]


class Trainable(Implementation, Protocol[DataT, ModelT]):
    """An implementation that learns from data."""

    def train(
        self, config: Any, data: DataT, *, seed: int, device: Device, eval_steps: Sequence[int] = ()
    ) -> Iterator[tuple[int, ModelT]]:
        """Train on `data`; yield (step, model) at every step in `eval_steps` and at the end.

        Steps count optimizer updates: 0 is before the first one, and a step at or beyond the last is the end. A
        model that was yielded before the end is only valid until the next one is asked for.
        """
        ...


class Stateful(Protocol):
    """An implementation whose trained models can be carried to a process that has trained nothing.

    The suite measures models there, so all that is learnt must be in the arrays. A paper's protocol states their
    canonical names and shapes in the paper's symbols, and which freedoms there are.
    """

    def state(self, model: Any) -> dict[str, NDArray[Any]]:
        """All that a model has learnt, by canonical name."""
        ...

    def restore(self, config: Any, state: dict[str, NDArray[Any]], *, device: Device) -> Any:
        """The model whose state that is."""
        ...


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One layer that has weights, as the suite counts it.

    Attributes:
        name: dotted name, in the order of execution.
        kind: "conv", "linear" or "norm".
        weights: shapes of its parameters, the kernel first: [out, in/groups, kh, kw] or [out, in].
        output: shape of its output for one example, [C, H, W] or [C].
        shortcut: whether it lies on a shortcut rather than on the main path.
    """

    name: str
    kind: Literal["conv", "linear", "norm"]
    weights: tuple[tuple[int, ...], ...]
    output: tuple[int, ...]
    shortcut: bool = False


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """What one block shows at one training step: its response and the gradient of its first kernel."""

    name: str
    response: NDArray[np.float32]  # output of the block, [N, C, H, W]
    gradient: NDArray[np.float32]  # d loss / d kernel


class Sequences(msgspec.Struct, frozen=True, kw_only=True):
    """Sequences of different lengths, padded at their ends.

    Attributes:
        items: tokens [N, L], or feature vectors [N, L, D]; what lies beyond a sequence's length means nothing.
        lengths: items of each sequence that count, [N].
    """

    items: NDArray[Any]
    lengths: NDArray[np.int64]


class Graphs(msgspec.Struct, frozen=True, kw_only=True):
    """Graphs one after another: rows of the first `nodes_of[0]` nodes belong to the first graph, and so on.

    Attributes:
        nodes: features of all nodes, [sum of nodes_of, D].
        edges: pairs of nodes, counted from 0 within each graph, [sum of edges_of, 2].
        links: features of all edges, [sum of edges_of, D'].
        nodes_of: nodes of each graph, [N].
        edges_of: edges of each graph, [N].
    """

    nodes: NDArray[np.float32]
    edges: NDArray[np.int64]
    links: NDArray[np.float32]
    nodes_of: NDArray[np.int64]
    edges_of: NDArray[np.int64]


class Predictor(Protocol):
    """A trained classifier."""

    def predict(self, images: Any, *, crops: int = 1) -> NDArray[np.float32]:
        """Class scores [N, K] of images as `Images.images` has them; the same whatever else is in the batch.

        `crops` is the number of crops averaged per image: 1, or 10 for the standard ten-crop test. Scores are logits,
        so that losses are of their softmax; of ten crops, the logarithm of the mean softmax, or that mean itself.
        """
        ...


class Images(Protocol):
    """Labelled images, in memory or decoded from disk when they are asked for."""

    @property
    def images(self) -> Any:
        """Bytes [N, H, W, C]; for sets that do not fit in memory, a sequence of N images [H, W, C] of any size."""
        ...

    @property
    def labels(self) -> NDArray[np.int64]:
        """The class of each image [N]."""
        ...

    @property
    def classes(self) -> int:
        """How many classes there are."""
        ...


class Classifier(Trainable[Images, Predictor], Protocol):
    """An image classifier."""


class Counted(Classifier, Stateful, Protocol):
    """A classifier whose layers can be counted, and the count checked.

    The check: what `state` gives of a trained predictor is carried to a process that has trained nothing, and there
    `restore` must make a predictor of the same predictions. So whatever is learnt is in `state`, where it is counted:
    under "<layer's name>.<anything>" a layer's weights and statistics, of which a normalization may have two for each
    channel, and no counters. Other names are for statistics of the inputs, which may have the size of one image in all.
    """

    def layers(self, config: Any) -> tuple[Layer, ...]:
        """Every layer with weights, in the order of execution; within a block the shortcut's stand last."""
        ...


class Simulator(Implementation, Protocol):
    """A stochastic system that can be observed."""

    def simulate(self, config: Any, times: Sequence[int], *, seed: int) -> NDArray[Any]:
        """States [T, ...] at the given ascending times (in the config's unit of time), from its start."""
        ...


class Corpus(Protocol):
    """A text to learn a language model from."""

    @property
    def tokens(self) -> NDArray[np.int64]:
        """The training text [T], numbers below `vocabulary`."""
        ...

    @property
    def validation(self) -> NDArray[np.int64]:
        """A text that the schedule may look at, [T]; empty where the paper's does not."""
        ...

    @property
    def vocabulary(self) -> int:
        """How many different tokens there are."""
        ...


class Stream(Protocol):
    """Many independent texts, each a stream, read in step. Scores come first; what follows is revealed afterwards."""

    def step(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read one more token of each stream [B]; scores [B, V] of what follows, up to a constant for each stream.

        The suite normalises them by a softmax, so logits will do; each must be finite. A stream depends on nothing but
        its own tokens.
        """
        ...


class Reader(Protocol):
    """A trained language model."""

    def start(self, streams: int) -> Stream:
        """A stream of `streams` texts of which nothing has been read."""
        ...


class LanguageModel(Trainable[Corpus, Reader], Stateful, Protocol):
    """A model of text that is trained on one text and read another, token by token.

    Every text is read by a model that `restore` makes of the arrays that `state` gives, and of nothing else.
    """

    def shapes(self, config: Any) -> dict[str, tuple[int, ...]]:
        """The shape of every array of `state`, by canonical name, without allocating it."""
        ...


class Writer(Reader, Protocol):
    """A trained language model that also writes."""

    def generate(self, prompts: Sequences, length: int, *, temperature: float, seed: int) -> NDArray[np.int64]:
        """Continuations [N, length] of prompts; at temperature 0 the likeliest token each time, whatever the seed."""
        ...


class TextGenerator(Trainable[Corpus, Writer], Protocol):
    """A language model that is judged by what it writes as well."""


class Pairs(Protocol):
    """Inputs and the outputs that belong to them."""

    @property
    def inputs(self) -> Any:
        """`Sequences`, or `Graphs`."""
        ...

    @property
    def outputs(self) -> Any:
        """`Sequences` of tokens, or of indices into the inputs; for graphs, numbers [N, D]."""
        ...


class Translator(Protocol):
    """A trained sequence transducer."""

    def start(self, inputs: Sequences) -> Stream:
        """A stream of one stream for each input, which reads outputs."""
        ...

    def decode(self, inputs: Sequences, longest: int) -> Sequences:
        """The output that the model prefers for each input, of at most `longest` tokens."""
        ...


class SequenceTransducer(Trainable[Pairs, Translator], Protocol):
    """Sequences to sequences: translation, transcription, algorithms."""


class Pointer(Protocol):
    """A trained pointer decoder."""

    def point(self, inputs: Sequences, longest: int) -> Sequences:
        """For each input, places in it [N, L], counted from 0, in the order of the output."""
        ...


class PointerDecoder(Trainable[Pairs, Pointer], Protocol):
    """Sequences to places in them: hulls, triangulations, tours."""


class Regressor(Protocol):
    """A trained graph regressor."""

    def predict(self, graphs: Graphs) -> NDArray[np.float32]:
        """Numbers [N, D]; the same for a graph whatever the order of its nodes and edges and its neighbours."""
        ...


class GraphRegressor(Trainable[Pairs, Regressor], Protocol):
    """Graphs to numbers."""


class PipelineTrainer(Implementation, Protocol):
    """Training that is spread over stages; the config says over how many, and into how many micro-batches."""

    def gradients(
        self, config: Any, inputs: NDArray[Any], targets: NDArray[Any], *, seed: int
    ) -> dict[str, NDArray[Any]]:
        """By parameter, the gradient of the mean loss over a mini-batch at the initial weights of `seed`."""
        ...

    def steps(
        self, config: Any, inputs: NDArray[Any], targets: NDArray[Any], *, seed: int, device: Device
    ) -> Iterator[float]:
        """For ever: update once on the mini-batch and yield its loss. The suite's clock times each update."""
        ...
