"""Source digests: they change with what can change a result, and with nothing else."""

from __future__ import annotations

import importlib.util
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import pytest

from repro.code_digest import file_closure, normalised, object_closure, walk
from repro.errors import ReproError

BASE = '''
import math
LIMIT = 3
TABLE = {"a": 1}

def helper(x):
    """Docstring."""
    return x + LIMIT

def unrelated(x):
    return x

def experiment(implementation, setting):
    return helper(1) + TABLE["a"] + math.pi
'''


def module(tmp_path: Path, text: str, name: str) -> ModuleType:
    """`text` imported as a module of the project."""
    path = tmp_path / f"{name}.py"
    path.write_text(textwrap.dedent(text))
    spec = importlib.util.spec_from_file_location(f"claims.{name}", path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = loaded
    spec.loader.exec_module(loaded)
    return loaded


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ("x + LIMIT", "x - LIMIT", True),
        ("LIMIT = 3", "LIMIT = 4", True),
        ('{"a": 1}', '{"a": 2}', True),
        ('"""Docstring."""', '"""Another."""', False),
        ("def unrelated(x):\n    return x", "def unrelated(x):\n    return -x", False),
        ("    return helper(1)", "    # a comment\n    return  helper( 1 )", False),
    ],
    ids=["helper", "constant", "table", "docstring", "unrelated", "layout"],
)
def test_object_closure_follows_names(tmp_path, old, new, changes):
    """A function's digest changes with the project code and constants it names, not with prose or neighbours."""
    text = BASE.replace(old, new)
    assert text != BASE
    before = object_closure(module(tmp_path, BASE, "before").experiment)
    after = object_closure(module(tmp_path, text, "after").experiment)
    assert (before != after) is changes


def test_object_closure_does_not_depend_on_where_things_lie(tmp_path):
    """Functions in tables count by what they do, not by their address in memory; of a path only that it is one."""
    text = """
    from pathlib import Path

    HERE = Path({path!r})

    def double(x):
        return {factor} * x

    def half(x):
        return x / 2

    TABLE = {{"first": ({first}, 1), "second": [{second}]}}

    def experiment(x):
        return TABLE["first"][0](x), HERE
    """
    base = {"path": "/here", "factor": 2, "first": "double", "second": "half"}
    changed = [{}, {"path": "/there"}, {"factor": 3}, {"first": "half", "second": "double"}]
    digests = []
    for change in changed:
        sys.modules.pop("claims.table", None)
        digests.append(object_closure(module(tmp_path, text.format(**base | change), "table").experiment))
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3  # another function, or the same ones in other places, counts


def test_object_closure_sees_fields_and_methods(tmp_path):
    """A dataclass experiment's digest changes with its fields and with what its methods call."""
    text = """
    from dataclasses import dataclass

    def measure(x):
        return x

    @dataclass(frozen=True)
    class Experiment:
        crops: int = 1

        def __call__(self, implementation, setting):
            return measure(self.crops)
    """
    one, two = module(tmp_path, text, "one"), module(tmp_path, text.replace("return x", "return -x"), "two")
    digests = {object_closure(one.Experiment()), object_closure(one.Experiment(2)), object_closure(two.Experiment())}
    assert len(digests) == 3


def test_walk_reaches_globals(tmp_path):
    """Everything a function can reach by name is yielded, so that a test can look for what must not be reached."""
    loaded = module(tmp_path, BASE, "walked")
    reached = [obj for _, obj in walk(loaded.experiment)]
    assert loaded.TABLE in reached
    assert loaded.helper in reached
    assert loaded.unrelated not in reached


def test_file_closure_follows_references(tmp_path):
    """A reference built on another, and on a part that references share, changes digest with it."""
    folder = tmp_path / "reference"
    (folder / "common").mkdir(parents=True)
    (folder / "common" / "loops.py").write_text("Y = 1\n")
    (folder / "one2000.py").write_text("X = 1\n")
    (folder / "two2001.py").write_text("from reference.one2000 import X\n")
    (folder / "three2002.py").write_text("from reference.common.loops import Y\n")
    digests = [file_closure(folder / f, tmp_path) for f in ("two2001.py", "three2002.py")]
    (folder / "one2000.py").write_text("X = 2\n")
    assert file_closure(folder / "two2001.py", tmp_path) != digests[0]
    assert file_closure(folder / "three2002.py", tmp_path) == digests[1]
    (folder / "common" / "loops.py").write_text("Y = 2\n")
    assert file_closure(folder / "three2002.py", tmp_path) != digests[1]


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ("BASE = 1", "BASE = 2", True),
        ("value: int = BASE", "value: float = BASE", True),
        ("OTHER = 1", "OTHER = 2", False),
    ],
    ids=["what a used name is built on", "a used name", "another name"],
)
def test_file_closure_takes_of_the_contract_what_is_imported(tmp_path, monkeypatch, old, new, changes):
    """A reference changes digest with the contract's names it imports and what they are built on, and no others."""
    contract = "BASE = 1\nOTHER = 1\n\nclass Layer:\n    value: int = BASE\n\nclass Unused:\n    pass\n"
    package, folder = tmp_path / "repro", tmp_path / "reference"
    package.mkdir()
    folder.mkdir()
    (folder / "one2000.py").write_text("from repro.task import Layer\n")
    monkeypatch.setattr(sys.modules["repro"], "__file__", str(package / "__init__.py"))
    (package / "task.py").write_text(contract)
    before = file_closure(folder / "one2000.py", tmp_path)
    (package / "task.py").write_text(contract.replace(old, new))
    assert (file_closure(folder / "one2000.py", tmp_path) != before) is changes


def test_broken_source_is_named():
    """Code that does not parse gives the file and the line."""
    with pytest.raises(ReproError, match=r"mine\.py is not valid Python: line 1"):
        normalised("def (:", "mine.py")
