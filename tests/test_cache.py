"""The trial cache: whole entries or none, damage found, one computation at a time."""

from __future__ import annotations

import errno
import json
import math
import os
import tempfile

import numpy as np
import pytest

from repro import paths
from repro.claim.catalogue import Catalogue
from repro.claim.claim import arms_of
from repro.errors import ReproError
from repro.trial.cache import Cache, CacheWarning
from repro.trial.implementation import reference
from repro.trial.trial import Trial, compute
from tests.toy import write_project

KEY = "ab" + "0" * 62


def test_round_trip(tmp_path):
    """What was put is what is got, and an absent key is None."""
    cache = Cache(tmp_path)
    assert cache.get(KEY) is None
    cache.put(KEY, {"a": [1.5, None]})
    assert cache.get(KEY) == {"a": [1.5, None]}


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("1.5", "1.6"),
        lambda text: text.replace(KEY, "cd" + KEY[2:]),
        lambda text: "",
        lambda text: "[]",
    ],
    ids=["truncated", "edited", "moved", "empty", "not an entry"],
)
def test_damage_is_said_and_counts_as_absent(tmp_path, damage):
    """A damaged entry is never returned: it warns, is removed and can be written again."""
    cache = Cache(tmp_path)
    cache.put(KEY, {"a": 1.5})
    path = cache.path(KEY)
    path.write_text(damage(path.read_text()))
    with pytest.warns(CacheWarning, match="damaged; the trial is computed again"):
        assert cache.get(KEY) is None
    assert not path.exists()
    cache.put(KEY, {"a": 1.5})
    assert cache.get(KEY) == {"a": 1.5}


def test_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    """A full disk gives one error that says what to do, and no file."""

    def full(fd):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ReproError, match=r"is full\. Free space or set REPRO_CACHE"):
        Cache(tmp_path).put(KEY, {"a": 1})
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_unwritable_folder_says_what_to_do(tmp_path):
    """A folder that cannot be made (a file is in its place) names REPRO_CACHE and --no-cache."""
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file")
    with pytest.raises(ReproError, match=r"REPRO_CACHE .*--no-cache"):
        cache.put(KEY, {})
    with pytest.raises(ReproError, match="REPRO_CACHE"), cache.lock(KEY, wait=0):
        pytest.fail("the lock was given")


def test_read_only_folder(tmp_path, monkeypatch):
    """A folder that may be read but not written gives the same error, and reading goes on."""
    cache = Cache(tmp_path)
    cache.put(KEY, {"a": 1})

    def refuse(**_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(paths, "NAMELESS", None)
    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    with pytest.raises(ReproError, match=r"cannot be written \(Permission denied\)"):
        cache.put("cd" + KEY[2:], {"a": 1})
    assert cache.get(KEY) == {"a": 1}


def test_entries_are_json_without_nan(tmp_path):
    """NaN cannot slip into an entry: it is refused when written."""
    cache = Cache(tmp_path)
    with pytest.raises(ValueError, match="Out of range float"):
        cache.put(KEY, {"a": float("nan")})
    cache.put(KEY, {"a": None})
    assert json.loads(cache.path(KEY).read_text())["payload"] == {"a": None}


def test_lock_is_exclusive(tmp_path):
    """A second holder is refused, and gets its turn once the first is done."""
    one, other = Cache(tmp_path), Cache(tmp_path)
    with one.lock(KEY, wait=0) as first, other.lock(KEY, wait=0) as second:
        assert (first, second) == (True, False)
    with other.lock(KEY, wait=0) as third:
        assert third


def test_infinities_come_back_as_they_were(tmp_path, monkeypatch):
    """A number, a curve and its grid, and what reasoning demands keep infinities of either sign and NaN apart."""
    path = write_project(tmp_path) / "claims" / "test_toy2020.py"
    text = path.read_text().replace("all_of, at_least, cases,", "all_of, at_least, cases, curve,")
    given = (
        '    wild = [math.inf, -math.inf, math.nan, -0.0]\n    return {"up": scalar(math.inf, "m"), '
        '"down": scalar(-math.inf, "m"), "none": scalar(math.nan, "m"), "cases": cases(wild[:2], wild[1::-1], "m"), '
        '"curve": curve(wild, wild, unit="m", x_unit="s"), "end"'
    )
    path.write_text(text.replace('    return {"end"', given).replace("import time\n", "import math\nimport time\n"))
    monkeypatch.chdir(tmp_path)
    claim = next(one for one in Catalogue(tmp_path).claims if one.name == "drift-carries")
    trial = Trial(arms_of(claim.measurements())[0], reference("toy2020", tmp_path), 0, "cpu")
    fresh, kept = (compute(trial, Cache(tmp_path / "cache"), wait=0.0) for _ in range(2))
    assert fresh is not None
    assert kept is not None
    assert (fresh.cached, kept.cached) == (False, True)
    for name, one in fresh.measurements.items():
        for field in ("value", "x", "expected"):
            np.testing.assert_equal(getattr(kept.measurements[name], field), getattr(one, field), f"{name}: {field}")
    assert (kept.measurements["up"].value, kept.measurements["down"].value) == (math.inf, -math.inf)
    assert np.signbit(np.asarray(kept.measurements["curve"].value)[3])
