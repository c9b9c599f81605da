"""Exhibits: what is refused, and the way from a trial through the cache into a record."""

from __future__ import annotations

import json
import math
import sys

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro import Axis, Exhibit, axis, exhibit
from repro.claim.catalogue import Catalogue
from repro.claim.claim import Claim, name_arm
from repro.criterion.exhibit import LARGEST, NAME, NUMBERS, PANELS, SENTENCE, SERIES, ExhibitPart
from repro.errors import ReproError
from repro.machine.telemetry import Usage
from repro.record.record import EXHIBITS, brief, decode, encode
from repro.trial.cache import Cache
from repro.trial.implementation import reference
from repro.trial.judge import Suite
from repro.trial.recording import record_of
from repro.trial.trial import Trial, TrialFailed
from tests.records import make_record
from tests.toy import trials_run, write_project

TEXTS = {"unit": "1", "place": "Figure 2", "says": "Cream mixes with coffee."}
PLANE = axis("coordinate", ["x", "y"])

BODY = '''
def picture(walk, setting):
    """The path of a walk."""
    times = list(range(0, 50, 5))
    path = walk.simulate(setting.config, times, seed=setting.seed)
    with open(LOG, "a") as file:
        file.write("pictured\\n")
    shown = exhibit(path, axis("time", times, "steps"), unit="m", kind="lines", place="Figure 1", says="It walks.")
    return {"end": scalar(path[-1], "m"), "path": shown}


@claim("walks-on", higher(by=10.0), seeds=3, controls=["no_drift"])
def test_walks_on(run):
    """Figure 1: with drift the walk gets further."""
    return run(picture, "walk", arm="<b>drift</b>")[MEASUREMENT], run(picture, "still")["end"]
'''


def lines(values=(1.0, 2.0, 3.0), **changes) -> Exhibit:
    """A line over a few numbers."""
    return exhibit(values, axis("time", range(len(values)), "s"), **TEXTS | {"kind": "lines"} | changes)


def stated(root, measurement: str = "end") -> Claim:
    """The toy's claim on an experiment that records a picture."""
    path = write_project(root) / "claims" / "test_toy2020.py"
    text = path.read_text().replace("all_of, at_least,", "all_of, at_least, axis, exhibit,")
    path.write_text(text + BODY.replace("MEASUREMENT", repr(measurement)))
    return next(one for one in Catalogue(root).claims if one.name == "walks-on")


# bounds


def of(kind: str, *axes: Axis, **changes) -> Exhibit:
    """Zeros over axes."""
    return exhibit(np.zeros([len(one.at) for one in axes]), *axes, kind=kind, **TEXTS | changes)


TWO = axis("a", [0, 1])
REFUSED = {
    "infinity": (lambda: lines([1.0, math.inf, 2.0]), "finite numbers"),
    "too many numbers": (lambda: lines(np.zeros(NUMBERS + 1)), "at most 8,192 numbers, not 8,193"),
    "another shape": (lambda: lines([[1.0]]), r"values \(1, 1\) needs axes of as many coordinates, not \(1,\)"),
    "no unit": (lambda: lines(unit=""), "1 to 60 printable letters"),
    "long unit": (lambda: lines(unit="m" * (NAME + 1)), "1 to 60 printable letters"),
    "line break": (lambda: lines(says="a\nb"), "printable"),
    "long sentence": (lambda: lines(says="a" * (SENTENCE + 1)), "1 to 240 printable letters"),
    "no place": (lambda: lines(place="page 3"), "needs a place in the paper"),
    "too few axes": (lambda: lines(kind="image"), "an exhibit of image has 2 or 3 axes, not 1"),
    "too many axes": (lambda: of("image", TWO, TWO, TWO, TWO), "an exhibit of image has 2 or 3 axes, not 4"),
    "nameless axis": (lambda: axis("", [1]), "1 to 60 printable letters"),
    "long label": (lambda: axis("label", ["a" * (NAME + 1)]), "1 to 60 printable letters"),
    "reversing label": (lambda: axis("label", ["\u202eabc"]), "printable"),
    "mixed axis": (lambda: axis("label", ["a", 1.0]), "mixes labels with numbers"),
    "doubled label": (lambda: axis("label", ["a", "a"]), "has a label twice"),
    "nowhere": (lambda: axis("time", [1.0, math.nan]), "not finite"),
    "lines over labels": (lambda: of("lines", axis("time", ["a", "b"])), "lines run over numbers, and the axis 'time'"),
    "many lines": (lambda: of("lines", axis("s", range(SERIES + 1)), TWO), "9 coordinates; 8 can be told apart"),
    "many panels": (lambda: of("image", axis("s", range(PANELS + 1)), TWO, TWO), "7 coordinates; 6 can be told apart"),
    "four dimensions": (lambda: of("points", TWO, axis("c", list("abcd"))), "names the two coordinates"),
    "joined by no name": (lambda: of("points", TWO, PLANE, joined=["tour"]), "'tour' is to be joined"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_small_array_of_numbers_is_refused(name):
    """One clear error for each bound: numbers, shape, axes, labels, texts."""
    make, says = REFUSED[name]
    with pytest.raises(ValueError, match=says):
        make()


@settings(deadline=None)
@given(st.lists(st.floats(-LARGEST, LARGEST) | st.just(math.nan), min_size=1, max_size=40))
def test_numbers_come_back_as_they_were(values):
    """An exhibit through JSON is the same, with NaN where there was none."""
    one = lines(values)
    back = msgspec.json.decode(msgspec.json.encode(one), type=Exhibit)
    assert back == one
    np.testing.assert_array_equal(back.value, np.asarray(values, dtype=float))


# the way into a record


def test_an_exhibit_goes_through_the_cache_into_the_record_of_its_first_seed(tmp_path):
    """Computed, read from the cache and written to a record it is the same; controls and other seeds leave none."""
    claim = stated(tmp_path)
    cache, walk = Cache(tmp_path / "cache"), reference("toy2020", tmp_path)
    judged, again = (Suite(cache).judge(claim, walk, seeds=(5, 6, 7)) for _ in range(2))
    assert trials_run(tmp_path) == ["pictured"] * 6
    assert [dict(r.exhibits) for _, r in judged.trials] == [dict(r.exhibits) for _, r in again.trials]
    assert all(set(result.measurements) == {"end"} for _, result in again.trials)
    record = record_of(again, [], "cpu", tmp_path)
    assert [(one.arm, one.measurement, one.seed) for one in record.exhibits] == [
        ("<b>drift</b>", "path", 5),
        ("still", "path", 5),
    ]
    path = walk.names.simulate(walk.config("walk", {}), list(range(0, 50, 5)), seed=5)
    np.testing.assert_array_equal(record.exhibits[0].exhibit.value, path)
    assert decode(encode(record)) == record
    assert brief(record).exhibits is msgspec.UNSET


def test_trials_without_exhibits_are_kept_as_before(tmp_path):
    """Neither a cached trial nor a record says anything of exhibits where there are none: ids stay what they were."""
    claim = next(c for c in Catalogue(write_project(tmp_path)).claims if c.name == "drift-carries")
    cache = Cache(tmp_path / "cache")
    judged = Suite(cache).judge(claim, reference("toy2020", tmp_path))
    assert "exhibits" not in cache.get(judged.trials[0][0].key)
    assert "exhibits" not in json.loads(encode(record_of(judged, [], "cpu", tmp_path)))


def test_no_criterion_judges_an_exhibit(tmp_path):
    """A claim that returns one gets an error that says so."""
    claim = stated(tmp_path, "path")
    with pytest.raises(
        ReproError, match=r"'path' of '<b>drift</b>' is an exhibit, which no criterion judges\. Judge a"
    ):
        Suite(Cache(tmp_path / "cache")).judge(claim, reference("toy2020", tmp_path))


def test_a_bad_exhibit_fails_its_trial(tmp_path):
    """What an experiment may not record ends the trial with the reason, and nothing is kept."""
    claim = stated(tmp_path)
    path = tmp_path / "claims" / "test_toy2020.py"
    path.write_text(path.read_text().replace("exhibit(path,", "exhibit(path * float('inf'),"))
    claim = next(c for c in _fresh(tmp_path).claims if c.id == claim.id)
    with pytest.raises(TrialFailed, match="ValueError: an exhibit holds finite numbers"):
        Suite(Cache(tmp_path / "cache")).judge(claim, reference("toy2020", tmp_path))


def _fresh(root) -> Catalogue:
    sys.modules.pop("claims.test_toy2020", None)
    return Catalogue(root)


def test_a_record_with_too_many_exhibits_is_not_made(tmp_path):
    """More than a record keeps is an error with what to do, not a silent choice among them."""
    claim = stated(tmp_path)
    judged = Suite(Cache(tmp_path / "cache")).judge(claim, reference("toy2020", tmp_path))
    many = {f"path {i}": lines() for i in range(EXHIBITS)}
    trials = tuple((trial, _with(result, many)) for trial, result in judged.trials)
    crowded = type(judged)(judged.claim, judged.implementation, judged.verdict, judged.samples, trials, 0.0)
    with pytest.raises(ReproError, match="has 16 exhibits, and a record keeps at most 8"):
        record_of(crowded, [], "cpu", tmp_path)


def _with(result, exhibits):
    usage = Usage(wall_s=1.0, cpu_s=1.0, peak_rss_bytes=1, energy_method="none: test")
    return type(result)(result.measurements, exhibits, usage, cached=False, machine=None)


# the door


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("numbers", [0.0] * (NUMBERS + 1), "length <= 8192"),
        ("numbers", [1.0, 2.0], "2 numbers do not fill axes"),
        ("numbers", ["<script>"], "Expected `float | null`"),
        ("says", "a" * 1000, "1 to 240 printable letters"),
        ("kind", "html", "Invalid enum value"),
        ("script", "alert(1)", "unknown field"),
        ("axes", [{"name": "time", "at": ["<b>\u0000"], "unit": "s"}], "printable"),
    ],
)
def test_the_door_refuses_what_no_trial_could_record(field, value, says):
    """A record from elsewhere is held to the same bounds, whatever its hash says."""
    record = make_record(exhibits=(ExhibitPart(arm="a", measurement="m", seed=0, exhibit=lines()),))
    plain = json.loads(encode(record))
    plain["exhibits"][0]["exhibit"][field] = value
    with pytest.raises(ReproError, match=r"The record is not valid: .*" + says.replace("|", r"\|")):
        decode(json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")


def test_the_door_refuses_a_crowd_of_exhibits():
    """No more than eight."""
    part = ExhibitPart(arm="a", measurement="m", seed=0, exhibit=lines())
    assert decode(encode(make_record(exhibits=(part,) * EXHIBITS))).exhibits == (part,) * EXHIBITS
    with pytest.raises(ReproError, match="length <= 8"):
        make_record(exhibits=(part,) * (EXHIBITS + 1))


def test_trials_return_measurements_and_exhibits_only(tmp_path):
    """Anything else is refused by its name."""
    trial = Trial(name_arm(_other, "walk"), reference("toy2020", write_project(tmp_path)), 0, "cpu")
    with pytest.raises(TrialFailed, match="returned 'path' as list"):
        trial.run()


def _other(walk, setting):
    return {"path": [1.0]}
