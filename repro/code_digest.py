"""Digests of source code: what a cached result depends on, and nothing else.

A trial must be recomputed when code that can change its result changes, and only then. For files that is the
file and what it imports within the project; for a function it is its own body and, recursively, the project's
functions, classes and constants that it names. Docstrings, comments and layout never count.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Hashable, Iterator
from functools import cache, partial
from pathlib import Path, PurePath
from types import CodeType, ModuleType
from typing import Any

import msgspec

from repro.errors import ReproError

PROJECT = ("repro", "reference", "claims", "tests")


def digest(text: str) -> str:
    """The sha256 of a text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def json_digest(value: Any) -> str:
    """The sha256, in hex, of a value as JSON; the order of keys does not count."""
    return digest(msgspec.json.encode(value, order="deterministic").decode())


def normalised(source: str, where: str = "<source>") -> str:
    """The syntax tree of `source` without docstrings, as text: equal for code that differs in layout only.

    Raises:
        ReproError: if `source` is not valid Python.
    """
    return ast.dump(_tree(source, where))


def _tree(source: str, where: str) -> ast.Module:
    try:
        tree = ast.parse(textwrap.dedent(source))
    except SyntaxError as error:
        raise ReproError(f"{where} is not valid Python: line {error.lineno}: {error.msg}") from error
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = [d for d in node.decorator_list if not _is_claim(d)]
    return tree


def stable(source: str) -> str:
    """As `normalised`, in a form that is the same for every version of Python: empty fields are left out."""
    return _plain(_tree(source, "<source>"))


def _plain(node: Any) -> str:
    if isinstance(node, ast.AST):
        fields = [(name, getattr(node, name, None)) for name in node._fields if name not in ("ctx", "kind")]
        inner = ", ".join(f"{name}={_plain(value)}" for name, value in fields if value not in (None, []))
        return f"{type(node).__name__}({inner})"
    return "[" + ", ".join(map(_plain, node)) + "]" if isinstance(node, list) else repr(node)


def functions(source: str) -> list[str]:
    """The syntax tree, as text, of every function and method: equal for functions that differ in layout only."""
    return [ast.dump(node) for node in ast.walk(_tree(source, "<source>")) if isinstance(node, ast.FunctionDef)]


def deviations(header: str) -> tuple[str, ...]:
    """The numbered deviations from its paper that the header of a reference lists, each as one line of text."""
    found = re.findall(r"^  \d+\. (.*(?:\n     .*)*)", header, re.MULTILINE)
    return tuple(" ".join(text.split()) for text in found)


def header(path: Path) -> str:
    """The docstring of a Python file, which is not run; "" where there is none, or no such file."""
    try:
        return ast.get_docstring(ast.parse(path.read_text()), clean=False) or ""
    except (OSError, SyntaxError):
        return ""


def file_closure(path: Path, root: Path) -> str:
    """Digest of a Python file and of the project's own code that it imports, recursively.

    Of a module of `repro` only the definitions count that are imported by name, with what they are built on.
    """
    parts: set[str] = set()
    seen: set[tuple[Path, str | None]] = set()
    todo: list[tuple[Path, str | None]] = [(path.resolve(), None)]
    while todo:
        current = todo.pop()
        if current in seen:
            continue
        seen.add(current)
        file, name = current
        tree = _tree(file.read_text(), file.name)
        used: list[ast.stmt] = tree.body if name is None else _definitions(tree, name)
        parts.update(map(ast.dump, used))
        todo += _imports(tree, used if name else None, root)
    return digest("\n".join(sorted(parts)))


def _definitions(tree: ast.Module, name: str) -> list[ast.stmt]:
    """The top-level statements of a module that define `name`, and those that define what these use."""
    defining: dict[str, list[ast.stmt]] = {}
    for statement in tree.body:
        for defined in _defined(statement):
            defining.setdefault(defined, []).append(statement)
    found: list[ast.stmt] = []
    todo = [name]
    while todo:
        for statement in defining.pop(todo.pop(), []):
            if statement not in found:
                found.append(statement)
                todo += [node.id for node in ast.walk(statement) if isinstance(node, ast.Name)]
    return found


def _defined(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return []
    return [n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]


def _imports(tree: ast.Module, used: list[ast.stmt] | None, root: Path) -> list[tuple[Path, str | None]]:
    """The project's files that a module imports, with the imported name for those of `repro`.

    Args:
        tree: the module.
        used: the statements that count, if not all do: then so do only the imports that these name.
        root: the project.
    """
    named = None if used is None else {n.id for s in used for n in ast.walk(s) if isinstance(n, ast.Name)}
    found: list[tuple[Path | None, str | None]] = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        for alias in node.names:
            if named is not None and (alias.asname or alias.name).split(".")[0] not in named:
                continue
            if isinstance(node, ast.Import):
                found.append((_find(alias.name, root), None))
            elif node.module and not node.level:
                inner = _find(f"{node.module}.{alias.name}", root)
                by_name = alias.name if node.module.startswith("repro.") else None
                found.append((inner, None) if inner else (_find(node.module, root), by_name))
    return [(file, name) for file, name in found if file is not None]


@cache
def object_closure(obj: Hashable) -> str:
    """Digest of a function, or of a dataclass instance with its class, and of the project code it names."""
    return digest("\n".join(sorted(part for part, _ in walk(obj))))


def walk(obj: Any) -> Iterator[tuple[str, Any]]:
    """Yield (text, object) for everything of the project that `obj` can reach by name."""
    seen: set[int] = set()
    todo = [obj]
    while todo:
        current = todo.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        text, named = _describe(current)
        yield text, current
        todo += named


def _describe(obj: Any) -> tuple[str, list[Any]]:
    if isinstance(obj, partial):
        return f"partial {obj.args!r} {sorted(obj.keywords.items())!r}", [obj.func]
    if dataclasses.is_dataclass(obj) and not isinstance(obj, type):
        return f"{type(obj).__name__} {obj!r}", [type(obj)]
    if isinstance(obj, ModuleType):
        return f"module {_module_text(obj)}", []
    function = inspect.unwrap(getattr(obj, "py_func", obj)) if callable(obj) else obj
    if isinstance(function, type) and _ours(function.__module__):
        methods = [m for m in map(_function_of, vars(function).values()) if m is not None]
        bases = [b for b in function.__bases__ if _ours(b.__module__)]
        return _normalised_text(function), methods + bases
    if inspect.isfunction(function) and _ours(function.__module__):
        scope = inspect.getclosurevars(function).nonlocals
        scope_of = function.__globals__  # without __name__ and its like: where code lies changes no result
        names = [scope_of[n] for n in _names(function.__code__) if n in scope_of and not n.startswith("__")]
        named = [v for v in [*names, *scope.values()] if not _foreign(v)]
        return _normalised_text(function), named
    if callable(obj) or _foreign(obj):
        return f"external {getattr(obj, '__module__', '')}.{getattr(obj, '__qualname__', type(obj).__name__)}", []
    if isinstance(obj, PurePath):  # where the project lies changes no result
        return "path", []
    called: list[Any] = []
    return f"constant {_named(obj, called)!r}", called


def _named(obj: Any, called: list[Any]) -> Any:
    """A constant with its functions as names, since a function's repr holds an address; they are added to `called`."""
    if isinstance(obj, dict):
        return {_named(key, called): _named(value, called) for key, value in obj.items()}
    if type(obj) in (list, tuple):
        return type(obj)(_named(member, called) for member in obj)
    if not callable(obj):
        return obj
    called.append(obj)
    function = inspect.unwrap(getattr(obj, "py_func", obj))
    return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__name__)}"


@cache
def _normalised_text(obj: Hashable) -> str:
    return normalised(_text_of(obj))


def _text_of(obj: Any) -> str:
    """The lines that define a class or function in its file as it was imported."""
    try:
        return inspect.getsource(obj)
    except OSError as error:
        raise ReproError(f"The source of {obj.__qualname__} cannot be read", "Define it in a file.") from error


def _function_of(member: Any) -> Callable[..., Any] | None:
    function = inspect.unwrap(getattr(member, "__func__", getattr(member, "fget", member)))
    if not inspect.isfunction(function) or function.__code__.co_filename.startswith("<"):
        return None  # what @dataclass generates has no file
    return function


def _names(code: CodeType) -> list[str]:
    nested = [name for c in code.co_consts if isinstance(c, CodeType) for name in _names(c)]
    return [*code.co_names, *nested]


def _ours(module: str | None) -> bool:
    return (module or "").split(".")[0] in PROJECT or (module or "").startswith("test_")


def _foreign(value: Any) -> bool:
    if isinstance(value, ModuleType):
        return not _ours(value.__name__)
    if callable(value):
        return not _ours(getattr(inspect.unwrap(getattr(value, "py_func", value)), "__module__", None))
    return False


@cache
def _module_text(module: ModuleType) -> str:
    path = getattr(module, "__file__", None)
    return normalised(Path(path).read_text(), module.__name__) if path else ""


def _find(name: str, root: Path) -> Path | None:
    """The file of a module of `repro` or `reference`, or None."""
    if name.split(".")[0] not in ("repro", "reference"):
        return None
    if name.startswith("repro"):
        package = sys.modules["repro"].__file__
        base = Path(package or "").parent.parent
    else:
        base = root
    candidate = base.joinpath(*name.split(".")).with_suffix(".py")
    return candidate.resolve() if candidate.is_file() else None


def _is_claim(decorator: ast.expr) -> bool:
    call = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(call, ast.Name) and call.id == "claim"
