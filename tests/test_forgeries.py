"""Forged answers: what a submission says of itself and of its results is checked, and nothing of it is believed."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pytest

from harness.sandbox.broker import Broker
from harness.sandbox.inside.limits import Limits
from harness.sandbox.inside.wire import BUFFERS, HEAD, JSON_BYTES, SIZE, Codec
from harness.sandbox.jail import Jailed
from repro.data import Split
from repro.errors import ReproError
from repro.experiment.classification import score_split
from repro.experiment.likelihood import log_likelihood
from tests.hostile import LIMITS, MIB, SOCKET, refused, still_well, submitted

# Frames

FORGER = f"""{SOCKET}
def strike(frame, leave):
    found().sendall(frame)
    if leave:
        sys.exit(0)
    time.sleep(60)
"""


def frame(text: bytes, *buffers: bytes) -> bytes:
    """A frame as the wire has it."""
    sizes = b"".join(SIZE.pack(len(buffer)) for buffer in buffers)
    return HEAD.pack(len(text), len(buffers)) + sizes + text + b"".join(buffers)


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (b"\xff" * 64, "it answered with a frame announces 4,294,967,295 bytes of JSON"),
        (HEAD.pack(2, 1) + SIZE.pack(1 << 40), "an answer of 1,099,511,627,778 bytes, where 1,048,576 are allowed"),
        (frame(b"[" * 100_000), "it answered with a malformed frame .RecursionError"),
        (frame(b'{"dict":[["value",{"array":[0,"object",[1]]}]]}', b"12345678"), "it answered with a malformed frame"),
    ],
    ids=["garbage", "2**40 bytes", "deep JSON", "objects"],
)
def test_forged_frames(tmp_path, sent, says):
    """Whoever finds the socket and writes to it is told what was wrong with it; nothing of it is believed."""
    with submitted(tmp_path, FORGER) as inside, pytest.raises(Jailed, match=says):
        inside.names.strike(sent, False)


def test_a_frame_that_breaks_off(tmp_path):
    """A worker that announces more than it sends, and goes."""
    with submitted(tmp_path, FORGER) as inside, pytest.raises(Jailed, match="its process ended with exit code 0"):
        inside.names.strike(frame(b'{"dict":[["value",1]]}')[:-3], True)


def test_an_answer_that_is_too_long(tmp_path):
    """An honest frame of a dishonest size is refused before it is read."""
    source = "import numpy as np\ndef strike():\n    return np.zeros(1 << 20)\n"
    refused(tmp_path, source, "it answered with an answer of 8,388,6.. bytes, where 1,048,576 are allowed")


def test_objects_that_were_never_given(tmp_path):
    """A made-up reference is of no use: a call with it fails inside, and the trial goes on."""
    source = """
from harness.sandbox.inside.wire import Codec

def strike():
    honest = Codec.pack
    def forged(self, value):
        Codec.pack = honest
        return b'{"dict":[["value",{"object":123456}]]}', []
    Codec.pack = forged
"""
    with submitted(tmp_path, source) as inside:
        remote = inside.names.strike()
        with pytest.raises(Jailed, match="raised KeyError: 123456"):
            remote.predict(1)


@dataclass
class Mute:
    """In place of a jail: a worker that has answered before it is asked."""

    connection: socket.socket
    limits: Limits = LIMITS
    printed: bytes = b""
    fault: str = ""

    def kill(self, why: str) -> None:
        """Remember why."""
        self.fault = why


def config(name: str, fields: Iterable[str]) -> dict[str, Any]:
    """A config as the wire has it."""
    return {"config": [name, dict.fromkeys(fields, 1)]}


def value(plain: Any, *buffers: bytes) -> bytes:
    """The frame of an answer with this value, as the wire has it."""
    return frame(msgspec.json.encode({"dict": [["value", plain]]}), *buffers)


def described(configs: Any, offers: Any = ()) -> bytes:
    """The frame of what a submission says of itself."""
    return value({"dict": [["configs", configs], ["offers", offers]]})


def error(text: str) -> bytes:
    """The frame of an error that it raised."""
    return frame(msgspec.json.encode({"dict": [["error", text], ["where", text]]}))


UNREADABLE = "was stopped: it described itself in a way that cannot be read"
TOO_LONG = "an answer of 1,048,5.. bytes, where 1,048,576 are allowed"
NESTED = "a frame of 300,002 lists and objects, where 131,072 are allowed"
FORGED = [
    ("long JSON", HEAD.pack(JSON_BYTES + 1, 0), "a frame announces 8,388,609 bytes of JSON"),
    ("many buffers", HEAD.pack(0, BUFFERS + 1), "and 65,537 buffers"),
    ("too long in all", HEAD.pack(2, 2) + 2 * SIZE.pack(1 << 19), TOO_LONG),
    ("no JSON", frame(b"not JSON"), "a malformed frame"),
    ("few lists", frame(b"[" + b"[]," * 100_000 + b"[]]"), "a frame that is no answer"),
    ("many lists", frame(b"[" + b"[]," * 300_000 + b"[]]"), NESTED),
    ("many objects", frame(b"[" + b"{}," * 300_000 + b"{}]"), NESTED),
    ("negative side", value({"array": [0, "float32", [-1]]}, b"1234"), "a malformed frame"),
    ("too short", value({"array": [0, "float32", [9]]}, b"1234"), "a malformed frame"),
    ("unknown type", value({"array": [0, "float31", [1]]}, b"1234"), "a malformed frame"),
    ("buffer twice", value([{"bytes": 0}, {"bytes": 0}], b"1234"), "a malformed frame"),
    ("object twice", value([{"object": 1}, {"object": 1}]), "one without a number of its own"),
    ("object by text", value({"object": "1"}), "one without a number of its own"),
    ("two keys", frame(b'{"dict":[["value",1],["more",2]]}'), "a frame that is no answer"),
    ("a number", value(5), UNREADABLE),
    ("an object", value({"object": 1}), UNREADABLE),
    ("presets in a list", described([]), UNREADABLE),
    ("functions in a dict", described({"dict": []}, {"dict": []}), UNREADABLE),
    ("no config", described({"dict": [["a", {"dict": []}]]}), r"CONFIGS\['a'\] is dict, not a frozen dataclass"),
    ("no name", described(config("not a name", [])), "a config with a name that is none"),
    ("one name twice", described(config("C", ["a", "\uff41"])), "a config with a name that is none"),
    ("dunder", described(config("C", ["__class__"])), "a config with a name that is none"),
    ("keyword", described(config("C", ["class"])), "a malformed frame .TypeError"),
    ("many fields", described(config("C", map("f{}".format, range(301)))), "more than 300 fields"),
    ("many kinds", described([config(f"C{n}", []) for n in range(51)]), "more than 50 kinds of configs"),
    ("terminal", error("\x1b[2J" * 50_000), r"raised \?\[2J"),
]


@pytest.mark.parametrize(("sent", "says"), [case[1:] for case in FORGED], ids=[case[0] for case in FORGED])
def test_forged_descriptions(sent, says):
    """A worker that has been taken over may claim what it likes: what is no description is refused."""
    ours, theirs = socket.socketpair()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MIB)
    with ours, theirs:
        theirs.sendall(sent)
        with pytest.raises(Jailed, match=says) as caught:
            Broker(Mute(ours), "submission mine").load(0, "cpu")
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 5000


def test_reading_an_answer_is_on_its_clock(monkeypatch):
    """An answer that came in time, and could not be read in time, is too late."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(described({"dict": []}))
        broker = Broker(Mute(ours), "submission mine")
        read = Codec.unpack

        def late(*args: Any) -> Any:
            broker._channel.deadline = 0.0
            return read(*args)

        monkeypatch.setattr(Codec, "unpack", late)
        with pytest.raises(Jailed, match="it took longer than"):
            broker.load(0, "cpu")


def test_more_presets_than_can_be_read(tmp_path):
    """A flood of configs is refused before it is decoded."""
    source = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Config:
    width: int = 1

CONFIGS = {f"{number:01000}": Config() for number in range(9000)}
"""
    with pytest.raises(Jailed, match="a frame announces 9,"), submitted(tmp_path, source):
        pytest.fail("it was loaded")
    still_well(tmp_path)


# Scores

PREDICTOR = """
import numpy as np

class Predictor:
    def __init__(self, kind):
        self.kind = kind

    def predict(self, images, *, crops):
        wrong = np.eye(10, dtype=np.float32)[(np.arange(len(images)) + 1) % 10]
        right = np.eye(10, dtype=np.float32)[np.arange(len(images)) % 10]
        return {
            "right": right,
            "wrong": wrong,
            "nan": np.full_like(right, np.nan),
            "inf": np.where(right, np.inf, right),
            "constant": np.zeros_like(right),
            "transposed": right.T.copy(),
            "a row more": np.concatenate([right, right[:1]]),
            "classes": right.argmax(1),
            "whole": right.astype(int),
            "text": "accuracy: 100 %",
            "nothing": None,
            "object": print,
            "objects": right.astype(object),
            "texts": right.astype(str),
            "complex": right.astype(complex),
        }[self.kind]

def trained(kind):
    return Predictor(kind)
"""
LABELS = np.arange(20) % 10
SPLIT = Split(images=np.zeros((20, 2, 2, 1), np.uint8), labels=LABELS, classes=10)


def test_scores_that_say_nothing_are_wrong(tmp_path):
    """NaN, infinities and ties count as errors; honest scores count as what they are."""
    with submitted(tmp_path, PREDICTOR) as inside:
        wrong = {
            kind: score_split(inside.names.trained(kind), SPLIT).wrong.mean()
            for kind in ("right", "wrong", "nan", "inf", "constant")
        }
    assert wrong == {"right": 0.0, "wrong": 1.0, "nan": 1.0, "inf": 1.0, "constant": 1.0}


def test_answers_that_are_no_scores(tmp_path):
    """Other shapes and types than one floating-point number per image and class are refused, with what came."""
    says = {
        "transposed": r"came with shape \(10, 20\)",
        "a row more": r"came with shape \(21, 10\)",
        "classes": r"came with shape \(20,\)",
        "whole": "Scores came as int64",
        "text": r"came with shape \(\)",
        "nothing": r"came with shape \(\)",
        "object": "came with shape",
        "objects": "raised WireError: an array of object",
        "texts": "raised WireError: an array of <U32",
        "complex": "raised WireError: an array of complex",
    }
    with submitted(tmp_path, PREDICTOR) as inside:
        for kind, words in says.items():
            with pytest.raises(ReproError, match=words):
                score_split(inside.names.trained(kind), SPLIT)


def test_pickles_are_bytes(tmp_path):
    """A pickle that would run a command when it is read arrives as bytes or numbers, and nobody reads it."""
    source = """
import os
import pickle
import numpy as np

class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)

def strike(path):
    text = pickle.dumps(Bomb(path))
    return text, np.frombuffer(text, np.uint8)
"""
    with submitted(tmp_path, source) as inside:
        text, numbers = inside.names.strike(str(tmp_path / "bombed"))
        assert type(text) is bytes
        assert bytes(numbers) == text
        assert b"mkdir" in text
    assert not (tmp_path / "bombed").exists()


def test_patching_the_scorer_changes_nothing(tmp_path):
    """Where numpy and all of Repro lie to the submission about its errors, they are counted outside all the same."""
    source = (
        PREDICTOR
        + """
import sys
import harness.sandbox.inside.wire, repro.errors, repro.task

def perfect(*args, **kwargs):
    return 0.0

for name in ("mean", "sum", "argmax", "isfinite", "average", "count_nonzero"):
    setattr(np, name, perfect)
for name, module in list(sys.modules.items()):
    if name.startswith("repro"):
        vars(module).update(score=perfect, wrong=perfect, Measurement=perfect)
"""
    )
    with submitted(tmp_path, source) as inside:
        assert score_split(inside.names.trained("wrong"), SPLIT).wrong.mean() == 1.0


def test_the_clock_is_outside(tmp_path):
    """A submission that stops its own clocks is timed by ours, and an iterator's work counts as its function's."""
    source = """
import time

sleep = time.sleep
for name in ("time", "monotonic", "perf_counter", "process_time"):
    setattr(time, name, lambda: 0.0)
time.sleep = lambda seconds: None

def work():
    sleep(0.2)
    return {"seconds": time.perf_counter()}

def train():
    for step in range(2):
        sleep(0.2)
        yield step
"""
    with submitted(tmp_path, source) as inside:
        assert inside.names.work() == {"seconds": 0.0}
        assert list(inside.names.train()) == [0, 1]
        assert inside.broker.seconds["work"] >= 0.2
        assert inside.broker.seconds["train"] >= 0.4


PEEKING = """
import re
import numpy as np

KEY = np.int64(0x5DEECE66D1234567)

class Stream:
    def __init__(self):
        self.read, self.found = [], []

    def know(self, masked):
        self.masked = masked

    def step(self, tokens):
        self.read.append(tokens)
        self.found.append([column for column in range(len(self.masked)) if self.anywhere(column)])
        return np.zeros((len(tokens), 1 << 15), np.float32)

    def anywhere(self, column):
        return any(self.within(part, self.masked[column]) for part in memory())

    def within(self, part, masked):
        first = np.flatnonzero((part ^ KEY) == masked[0])
        first = first[first + len(masked) <= len(part)]
        return any(((part[at : at + len(masked)] ^ KEY) == masked).all() for at in first)

def memory():
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", buffering=0) as own:
        for low, high in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw", maps.read(), re.MULTILINE):
            own.seek(int(low, 16))
            try:
                yield np.frombuffer(own.read(int(high, 16) - int(low, 16)), np.int64)
            except OSError:
                continue

def start():
    return Stream()

def found(stream):
    return stream.found
"""


def test_a_language_model_that_looks_for_the_next_token(tmp_path):
    """All of its memory holds the tokens it was told and, while it is asked for the next ones, not yet those."""
    tokens = np.random.default_rng(0).integers(1, 1 << 15, (4, 4))
    masked = tokens.T ^ 0x5DEECE66D1234567  # what to look for, in a form that it is not looking for
    with submitted(tmp_path, PEEKING, wall_s=60) as inside:
        stream = inside.names.start()
        stream.know(masked)
        assert log_likelihood(stream, tokens, 1 << 15) == pytest.approx(-np.log(1 << 15))
        assert inside.names.found(stream) == [[0], [0, 1], [0, 1, 2]]


def test_what_a_submission_may_not_import_is_not_there(tmp_path):
    """Neither the reference nor the claims nor the harness can be imported: they are not in the jail."""
    source = "import importlib\ndef strike(name):\n    importlib.import_module(name)\n"
    with submitted(tmp_path, source) as inside:
        for name in ("reference", "claims", "leaderboard", "repro.trial.judge", "repro.data", "harness.sandbox.broker"):
            package = ".".join(name.split(".")[:2])
            with pytest.raises(Jailed, match=f"raised ModuleNotFoundError: No module named '{package}"):
                inside.names.strike(name)
    says = r"submission mine raised ModuleNotFoundError: No module named 'reference' \(implementation.py, line 2\)"
    with pytest.raises(Jailed, match=says), submitted(tmp_path, "import reference.he2015\n"):
        pytest.fail("it was loaded")
    still_well(tmp_path)
