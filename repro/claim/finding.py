"""Findings: claims known not to hold, each with what a reader needs to redo the refutation in a minute."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

OPERATORS: Mapping[type, Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
}
FUNCTIONS: Mapping[str, Callable[..., float]] = {
    name: getattr(math, name) for name in ("ceil", "comb", "exp", "factorial", "floor", "log", "log2", "sqrt")
} | {"max": max, "min": min, "round": round}


class Quote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The paper's own words, and where they stand."""

    place: str
    words: str


class CalculationStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a calculation.

    Attributes:
        what: what is computed, in words.
        expression: arithmetic as one would type it; names are those of earlier steps.
        value: what it comes to.
        unit: of the value; "1" for a pure number.
    """

    what: str
    expression: str
    value: float
    unit: str = "1"

    @property
    def result(self) -> str:
        """The value with its unit, to seven digits."""
        return f"{self.value:,.7g}" + (f" {self.unit}" if self.unit != "1" else "")


class Explanation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a finding rests on.

    Attributes:
        quotes: the sentences that are contradicted.
        paper_setting: what the paper's sentence is about: network, data, units.
        our_setting: what was computed or measured here, in the same terms.
        steps: the calculation, from what the paper prints to the contradiction.
    """

    quotes: tuple[Quote, ...]
    paper_setting: str
    our_setting: str
    steps: tuple[CalculationStep, ...]


class Expected(msgspec.Struct, frozen=True):
    """The claim is known not to hold.

    Attributes:
        source: what shows it, in a sentence.
        explanation: how to redo it. It is no part of a claim's digest: it says why, and changes no criterion.
    """

    source: str
    explanation: Explanation | None = None


def refuted(
    source: str,
    *,
    words: Mapping[str, str] | None = None,
    settings: tuple[str, str] = ("", ""),
    calculation: Sequence[tuple[str, str] | tuple[str, str, str]] = (),
) -> Expected:
    """Mark a claim whose refutation is expected.

    Args:
        source: the literature or the arithmetic that shows it.
        words: the paper's own sentences, by place; `repro paper check` demands them, as it does what follows.
        settings: what the paper speaks of, and what was computed here.
        calculation: lines of (what, arithmetic) or (what, arithmetic, unit). The arithmetic may begin with a name,
            as in "depth = 9 * 2 + 2", by which later lines mean its value.

    Raises:
        ValueError: if the source is missing, or a line is no arithmetic.
    """
    if len(source) < 10:
        raise ValueError("an expected refutation needs its source")
    if not words and not calculation:
        return Expected(source)
    quotes = tuple(Quote(place, " ".join(text.split())) for place, text in (words or {}).items())
    steps = _evaluated(calculation)
    return Expected(source, Explanation(quotes=quotes, paper_setting=settings[0], our_setting=settings[1], steps=steps))


def _evaluated(lines: Sequence[tuple[str, str] | tuple[str, str, str]]) -> tuple[CalculationStep, ...]:
    known: dict[str, float] = {}
    steps = list[CalculationStep]()
    for what, expression, *unit in lines:
        name, _, right = expression.rpartition(" = ")
        try:
            value = float(_value(ast.parse(right.strip(), mode="eval").body, known))
        except (SyntaxError, KeyError, TypeError, ArithmeticError, ValueError) as error:
            raise ValueError(f"{expression!r} cannot be computed: {error}") from error
        if name:
            known[name.strip()] = value
        steps.append(CalculationStep(what, expression, value, *unit))
    return tuple(steps)


def _value(node: ast.expr, known: Mapping[str, float]) -> Any:
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.Name(id=name):
            return known[name]
        case ast.BinOp(left=left, op=op, right=right):
            return OPERATORS[type(op)](_value(left, known), _value(right, known))
        case ast.UnaryOp(op=op, operand=operand):
            return OPERATORS[type(op)](_value(operand, known))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            return FUNCTIONS[name](*(_value(arg, known) for arg in args))
    raise ValueError(f"{ast.unparse(node)} is no arithmetic")
