"""A record's criterion in words that name its arms, and as the formula that was tested."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, cast

from leaderboard.board.units import unit_suffix
from leaderboard.board.verification import regrouped
from repro.criterion.base import Tested
from repro.criterion.comparisons import AllOf, AtLeast, AtMost, Criterion, Equivalent, Higher, Lower, Matches, Ordered
from repro.criterion.curves import InteriorPeak, Monotone, PowerLaw
from repro.criterion.exact import Equals, Holds
from repro.criterion.verdict import Verdict
from repro.errors import ReproError
from repro.paper import Reported
from repro.record.record import Record, SamplePart

SETTING = re.compile(r" [A-Za-z_]\w*=(?:\([^)]*\)|\S+)")  # of an arm's name, such as " widths=(8, 16)"
WHOLE = 1e15  # beyond it doubles leave whole numbers out
LARGEST = 700.0  # of logarithms that have an exponential
LEFT_OUT = "\N{HORIZONTAL ELLIPSIS}"
MINUS, TIMES, BAR = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}", "\N{COMBINING OVERLINE}"
REACH = "t<sub>1&minus;&alpha;</sub>&thinsp;SE"  # how far a confidence bound lies from its mean


@dataclass(frozen=True, kw_only=True)
class CriterionText:
    """A criterion, or one part of a compound one.

    Attributes:
        words: a sentence.
        formula: what was tested, as HTML; "" where samples do not fit the criterion.
        gap: what a verdict's reason calls the estimate, with the first sample as a and the second as b; "" for others.
        named: the same with the names of the arms.
    """

    words: str
    formula: str = ""
    gap: str = ""
    named: str = ""


def criterion_text(record: Record) -> tuple[CriterionText, ...]:
    """The criterion of a record, part by part; a single part unless it is a compound one."""
    rule = record.claim.criterion
    try:
        entries = cast("tuple[Any, ...]", regrouped(rule, cast("Any", record.samples)))
    except ReproError:
        entries = ()
    names = _names([part.arm for part in record.samples])
    if not isinstance(rule, AllOf):
        return (_say(rule, entries, names),)
    if len(entries) != len(rule.parts):
        return tuple(CriterionText(words=_sentence("", part.says())) for part in rule.parts)
    return tuple(_say(part, entry, names) for part, entry in zip(rule.parts, entries, strict=True))


def estimate(record: Record) -> str:
    """What the estimate of a single criterion is, with the names of its arms; "" where its usual name says it."""
    parts = criterion_text(record)
    return parts[0].named if len(parts) == 1 else ""


def reason(found: Verdict, parts: Sequence[CriterionText]) -> str:
    """Why a verdict is what it is, with the names of arms in place of a and b.

    Args:
        found: of the criterion, or of one of its parts.
        parts: of the criterion, or that part.
    """
    deciding = re.search(r"^[^:]*: part (\d+): |^", found.reason)
    place = int(deciding[1]) - 1 if deciding and deciding[1] else 0
    if deciding is None or place >= len(parts) or not parts[place].gap:
        return found.reason
    head, rest = found.reason[: deciding.end()], found.reason[deciding.end() :]
    gap = f"{parts[place].gap} "
    return f"{head}{parts[place].named} is {rest.removeprefix(gap)}" if rest.startswith(gap) else found.reason


def shortened(record: Record) -> bool:
    """Whether settings that all arms share are left out of their names."""
    return any(LEFT_OUT in name for name in _names([part.arm for part in record.samples]).values())


def _names(arms: Sequence[str]) -> dict[str, str]:
    """What arms are called: their own names, with an ellipsis for the settings that all of them share."""
    own = {arm: SETTING.findall(arm) for arm in arms}
    shared = set.intersection(*map(set, own.values())) if own else set()
    names = {}
    for arm, settings in own.items():
        name = arm
        for setting in shared & set(settings):
            name = name.replace(setting, "")
        names[arm] = f"{name} {LEFT_OUT}" if name != arm else arm
    return names if len(set(names.values())) == len(names) else {arm: arm for arm in arms}


def _say(rule: Criterion, entry: Sequence[Any], names: dict[str, str]) -> CriterionText:
    """A criterion on its samples; in its own general words where the two do not fit."""
    if isinstance(rule, AllOf):
        inner = [_say(part, group, names) for part, group in zip(rule.parts, entry, strict=False)]
        return CriterionText(words=" ".join(one.words for one in inner) or _sentence("", rule.says()))
    samples = cast("Sequence[SamplePart]", entry)
    if len(samples) != (rule.arity or max(len(samples), 2)):
        return CriterionText(words=_sentence("", rule.says()))
    own = [_Named(part, names[part.arm]) for part in samples]
    if isinstance(rule, Lower | Higher):
        return _pair(rule, own[0], own[1])
    if isinstance(rule, Equivalent):
        return _equivalent(rule, own[0], own[1])
    if isinstance(rule, Ordered):
        return _ordered(rule, own)
    if isinstance(rule, AtMost | AtLeast):
        return _bounded(rule, own[0])
    if isinstance(rule, Matches):
        return _matches(rule, own[0])
    if isinstance(rule, Equals):
        return _equals(rule, own[0])
    return _exact(rule, own[0]) if isinstance(rule, Holds) else _shape(rule, own[0])


@dataclass(frozen=True)
class _Named:
    """A sample, and what its arm is called."""

    part: SamplePart
    name: str

    @property
    def arm(self) -> str:
        return f"\N{LEFT DOUBLE QUOTATION MARK}{self.name}\N{RIGHT DOUBLE QUOTATION MARK}"

    @property
    def quantity(self) -> str:
        return self.part.measurement.replace("_", " ")

    @property
    def whole(self) -> str:
        return f"{self.arm}, {self.quantity}"

    def amount(self, value: float) -> str:
        """A value of it; the unit is left out where the quantity already says it."""
        unit = "" if self.quantity.endswith(self.part.unit) else unit_suffix(self.part.unit)
        plural = unit.endswith("s") and not unit.endswith(("ss", "us", "is"))
        return f"{_figure(value)}{unit[:-1] if abs(value) == 1 and plural else unit}"

    def step(self, value: float) -> str:
        """A difference of values: of per cent it is percentage points, not a share."""
        if self.part.unit != "%":
            return self.amount(value)
        return f"{_figure(value)} percentage point{'' if abs(value) == 1 else 's'}"


def _labels(own: Sequence[_Named]) -> tuple[str, list[str]]:
    """What samples share, their quantity or their arm, and what tells each of them apart."""
    if len({one.quantity for one in own}) == 1:
        return own[0].quantity, [one.arm for one in own]
    if len({one.name for one in own}) == 1:
        return own[0].arm, [one.quantity for one in own]
    return "", [f"{one.quantity} of {one.arm}" for one in own]


def _figure(value: float) -> str:
    """A number that is part of a rule: whole ones with all their digits."""
    whole = abs(value) < WHOLE and value == int(value)
    return (f"{int(value):,}" if whole else f"{value:.6g}").replace("-", MINUS, 1 if value < 0 else 0)


def _factor(log: float) -> float:
    """The factor of a log ratio; infinite where no number is large enough."""
    return math.exp(log) if log < LARGEST else math.inf


def _sentence(subject: str, text: str) -> str:
    """What a rule is about, and what it demands."""
    whole = f"{subject}: {text}" if subject else text
    return f"{whole[:1].upper()}{whole[1:]}."


def _line(compared: str, letter: str, what: str, rule: Tested, test: str) -> str:
    """A formula as HTML: what is compared, what its letter means, the test and its level.

    Args:
        compared: the inequality, as HTML.
        letter: of the mean.
        what: what the mean is of, not escaped.
        rule: the criterion.
        test: such as "one-sided paired t test".
    """
    says = f"{letter}{BAR} is the mean over seeds of {escape(what)}; {test}, &alpha; = {_figure(rule.level)}"
    return f'<b class="num">{compared}</b>, where {says}'


def _how(a: _Named, b: _Named) -> str:
    """Which t test compares two samples."""
    seeds = set(a.part.seeds), set(b.part.seeds)
    return "paired t test" if seeds[0] == seeds[1] else "Welch's t test"


def _pair(rule: Lower | Higher, a: _Named, b: _Named) -> CriterionText:
    """One sample below or above another, or a multiple of it."""
    below = isinstance(rule, Lower)
    side, sign, reach, bound = ("below", "&lt;", "+", -rule.by) if below else ("above", "&gt;", "&minus;", rule.by)
    shared, (first, second) = _labels((a, b))
    factor = rule.times * (_factor(bound) if rule.log else 1.0)
    other = second if factor == 1 else f"{_figure(factor)} times {second}"
    if rule.log or not rule.by:
        words = f"{first} is {side} {other}"
    elif rule.by > 0:
        words = f"{first} is {side} {other} by more than {a.step(rule.by)}"
    else:  # a margin the other way: how far the first may go beyond the second
        words = f"{first} is less than {a.step(-rule.by)} {'above' if below else 'below'} {other}"
    means = "in geometric means over seeds" if rule.log else "on average over seeds"
    times = "" if rule.times == 1 else f"{_figure(rule.times)} {TIMES} "
    difference = f"{first} {MINUS} {times}{second}"
    if rule.log:
        difference = f"log({first} / ({times}{second}))" if times else f"log({first} / {second})"
    limit = _figure(bound) if rule.log or not bound else a.amount(bound)
    compared = f"d{BAR} {reach} {REACH} {sign} {escape(limit)}"
    formula = _line(compared, "d", difference, rule, f"one-sided {_how(a, b)}")
    letters = re.search(r": (.+) [<>] ", rule.says())  # what the reason of a verdict calls the estimate
    gap = letters[1] if letters and (rule.log or times) else ""
    return CriterionText(
        words=_sentence(shared, f"{words}, {means}"), formula=formula, gap=gap, named=difference if gap else ""
    )


def _equivalent(rule: Equivalent, a: _Named, b: _Named) -> CriterionText:
    """Two samples closer than a margin."""
    shared, (first, second) = _labels((a, b))
    if rule.log:
        margin = f"a factor of less than {_figure(_factor(rule.within))}, in geometric means over seeds"
        difference, limit = f"log({first} / {second})", _figure(rule.within)
    else:
        margin = f"less than {a.step(rule.within)}, on average over seeds"
        difference, limit = f"{first} {MINUS} {second}", a.amount(rule.within)
    compared = f"|d{BAR}| + {REACH} &lt; {escape(limit)}"
    formula = _line(compared, "d", difference, rule, f"two one-sided {_how(a, b)}s")
    return CriterionText(words=_sentence(shared, f"{first} and {second} differ by {margin}"), formula=formula)


def _ordered(rule: Ordered, own: Sequence[_Named]) -> CriterionText:
    """Samples each below the next."""
    shared, names = _labels(own)
    by = f" by more than {own[0].step(rule.by)}" if rule.by > 0 else ""
    by = by or (f", or less than {own[0].step(-rule.by)} above it" if rule.by < 0 else "")
    words = f"{'; '.join(names)}: in this order each is below the next{by}, on average over seeds"
    compared = f"d{BAR} + {REACH} &lt; {escape(own[0].amount(-rule.by) if rule.by else '0')}"
    test = f"one-sided {_how(own[0], own[1])}s, of which all must hold"
    formula = _line(compared, "d", f"each {MINUS} the next", rule, test)
    return CriterionText(words=_sentence(shared, words), formula=formula)


def _bounded(rule: AtMost | AtLeast, own: _Named) -> CriterionText:
    """A mean that respects a bound, which is included."""
    if isinstance(rule, AtMost):
        side, sign, reach, joined, slack = "most", "&le;", "+", "plus", rule.plus
    else:
        side, sign, reach, joined, slack = "least", "&ge;", "&minus;", "less", rule.minus
    limit = own.amount(rule.bound + slack if joined == "plus" else rule.bound - slack)
    words = f"the mean over seeds is at {side} {limit}"
    if rule.reported is not None:
        words += f": {_published(rule.reported)}"
        words += f" {joined} a margin of {own.step(slack)}" if slack else ""
    compared = f"x{BAR} {reach} {REACH} {sign} {escape(limit)}"
    formula = _line(compared, "x", own.whole, rule, "one-sided t test")
    return CriterionText(words=_sentence(own.whole, words), formula=formula)


def _matches(rule: Matches, own: _Named) -> CriterionText:
    """A mean near a number."""
    value = own.amount(rule.value)
    centre = value if rule.reported is None else _published(rule.reported)
    if rule.log:
        words = f"the geometric mean over seeds lies within a factor of {_figure(_factor(rule.within))} of {centre}"
        what, limit = f"log({own.quantity} of {own.arm} / {value})", _figure(rule.within)
    else:
        words = f"the mean over seeds lies less than {own.step(rule.within)} from {centre}"
        what, limit = f"{own.quantity} of {own.arm} {MINUS} {value}", own.amount(rule.within)
    compared = f"|d{BAR}| + {REACH} &lt; {escape(limit)}"
    formula = _line(compared, "d", what, rule, "two one-sided t tests")
    return CriterionText(words=_sentence(own.whole, words), formula=formula)


def _published(fact: Reported) -> str:
    return f"the published {_figure(fact.value)}{unit_suffix(fact.unit)} ({fact.place})"


def _equals(rule: Equals, own: _Named) -> CriterionText:
    """One number that is not drawn, and the published one."""
    margin = _figure(rule.within)
    words = f"{_published(rule.reported)}, to within {margin}" if rule.within else _published(rule.reported)
    compared = f"|x &minus; {escape(_figure(rule.reported.value))}| &le; {escape(margin)}"
    formula = f'<b class="num">{compared}</b>, where x is {escape(own.quantity)}; no test, so no level'
    return CriterionText(words=_sentence(own.whole, f"the number is {words}"), formula=formula)


def _exact(rule: Holds, own: _Named) -> CriterionText:
    """Cases that exact reasoning decides."""
    wanted = own.part.expected
    values = set(wanted) if isinstance(wanted, tuple) else {wanted}
    only = next(iter(values)) if len(values) == 1 else None
    demanded = "what exact reasoning demands of it" if only is None else _figure(only)
    slack = _figure(rule.tolerance) if rule.tolerance else ""
    words = {
        "equal": f"{demanded} to within {slack}" if slack else f"{'' if only is None else 'exactly '}{demanded}",
        "at_most": f"at most {demanded}{f' plus {slack}' if slack else ''}",
        "at_least": f"at least {demanded}{f' less {slack}' if slack else ''}",
    }[rule.relation]
    compared = {
        "equal": f"|x &minus; e| &le; {_figure(rule.tolerance)}",
        "at_most": f"x &le; e{f' + {slack}' if slack else ''}",
        "at_least": f"x &ge; e{f' &minus; {slack}' if slack else ''}",
    }[rule.relation]
    formula = f'<b class="num">{compared}</b> for every case x, of which e is demanded; no test, so no level'
    unit = "" if own.part.unit == "1" or own.quantity.endswith(own.part.unit) else f" ({own.part.unit})"
    return CriterionText(
        words=_sentence(f"{own.whole}{unit}", f"every case is {words}, without exception"), formula=formula
    )


def _shape(rule: PowerLaw | InteriorPeak | Monotone, own: _Named) -> CriterionText:
    """A curve of a certain shape."""
    over = own.part.x_unit or "its grid"
    if isinstance(rule, PowerLaw):
        low, high = _figure(rule.low), _figure(rule.high)
        words = (
            f"a power law with an exponent between {low} and {high}, which neither a logarithm nor a power law with an "
            "offset beats by more than 2 in AICc"
        )
        compared = f"{escape(low)} &lt; b &plusmn; {REACH} &lt; {escape(high)}"
        test = f"where b is the slope of log {escape(own.quantity)} against log {escape(over)}; t interval of the slope"
    elif isinstance(rule, InteriorPeak):
        limit = _figure(rule.threshold)
        words = (
            f"a peak in the inner 80 % of the grid, more than {limit} standard errors above start and end, and from "
            f"there to the end a fall by more than {_figure(100 * rule.drop)} % of the peak, in means over seeds"
        )
        compared = (
            f"(peak &minus; start) / SE &gt; {limit}, (peak &minus; end) / SE &gt; {limit}, "
            f"peak &minus; end &gt; {_figure(rule.drop)} peak"
        )
        test = "one-sided t tests of all three besides"
    else:
        share = f"{_figure(100 * rule.reversal)} %"
        words = (
            f"steadily {rule.direction}: Kendall's \N{GREEK SMALL LETTER TAU} of at least {_figure(rule.tau)}, and no "
            f"reversal as large as {share} of the way from start to end"
        )
        compared = f"&tau;{BAR} &minus; {REACH} &ge; {_figure(rule.tau)}, reversal + {REACH} &lt; {share} of the way"
        test = "one-sided t tests over seeds"
    formula = f'<b class="num">{compared}</b>, {test}, &alpha; = {_figure(rule.level)}'
    return CriterionText(words=_sentence(f"{own.whole} over {over}", words), formula=formula)
