"""SVG by hand: scales with ticks, and marks on a canvas. Every text is escaped here."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from io import BytesIO

import numpy as np

from repro.criterion.exhibit import LARGEST
from repro.numbers import number

LETTER = 6.6  # pixels of a letter at size 13
VIRIDIS = ("440154", "482878", "3e4989", "31688e", "26828e", "1f9e89", "35b779", "6ece58", "b5de2b", "fde725")
TINY = 1e-30  # differences and logarithms of less are none
SPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
FONT = "font-family=\"system-ui, -apple-system, 'Segoe UI', sans-serif\""


@dataclass(frozen=True)
class Scale:
    """From numbers between `low` and `high` to pixels between `start` and `end`."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of a number."""
        low, high, at = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return self.start + (at - low) / (high - low) * (self.end - self.start)

    def ticks(self, most: int) -> list[float]:
        """Round numbers inside, at most about `most`."""
        if self.log and self.high < 10 * self.low:
            return Scale(self.low, self.high, self.start, self.end).ticks(most)
        if self.log:
            ends = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            few = len(ends) <= 3
            every = [m * 10.0**e for e in ends for m in ((1, 2, 5) if few else (1,))]
            inside = [v for v in every if self.low <= v * (1 + 1e-9) and v <= self.high * (1 + 1e-9)]
            return inside[:: max(1, math.ceil(len(inside) / most))]
        rough = (self.high - self.low) / max(most, 1)
        unit = 10.0 ** math.floor(math.log10(rough))
        step = next(m * unit for m in (1, 2, 5, 10) if m * unit >= rough * (1 - 1e-9))
        first = math.ceil(self.low / step - 1e-9)
        return [i * step for i in range(first, math.floor(self.high / step + 1e-9) + 1)]


def shows(value: float, *, log: bool = False) -> bool:
    """Whether a number can be drawn, on a logarithmic scale or a plain one."""
    return math.isfinite(value) and abs(value) <= LARGEST and (value > TINY or not log)


def span(values: Iterable[float], *, log: bool = False, zero: bool = False) -> tuple[float, float]:
    """The ends of a scale around finite numbers, a little wider; from zero where it is near, or where it must."""
    found = [v for v in values if shows(v, log=log)]
    if not found:
        return (1.0, 10.0) if log else (0.0, 1.0)
    low, high = min(found), max(found)
    if log:
        room = (high / low) ** 0.05 if high > low else 2.0
        return low / room, high * room
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    room = 0.05 * (high - low) if high - low > TINY else 0.1 * abs(high) if abs(high) > TINY else 1.0
    near = 0 <= low < 5 * room
    return (0.0 if near else low - room * (low != 0.0)), high + room * (high != 0.0 or low == 0.0)


def tick(value: float) -> str:
    """A number beside an axis, short."""
    for size, sign in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if sign == 'k' else size):.3g}{sign}"
    return f"{value:.2g}" if 0 < abs(value) < 1e-3 else number(float(f"{value:.6g}"))


def shorten(text: str, width: float) -> str:
    """A text that fits into some pixels."""
    most = max(4, int(width / LETTER))
    return text if len(text) <= most else text[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"


def colours(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Numbers as colours [..., 4] from dark blue to yellow; clear where there is no number."""
    anchors = np.asarray([[int(one[i : i + 2], 16) for i in (0, 2, 4)] for one in VIRIDIS], dtype=float)
    share = (np.nan_to_num(values, nan=low) - low) / ((high - low) or 1.0) * (len(anchors) - 1)
    channels = [np.interp(share, np.arange(len(anchors)), anchors[:, i]) for i in range(3)]
    return np.stack([*channels, np.where(np.isfinite(values), 255.0, 0.0)], axis=-1).round().astype(np.uint8)


@dataclass(kw_only=True)
class Canvas:
    """What an SVG consists of so far."""

    width: float
    height: float = 0.0
    parts: list[str] = field(default_factory=list)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        anchor: str = "start",
        size: float = 13,
        soft: bool = False,
        upright: bool = False,
    ) -> None:
        """A line of text; `anchor` is start, middle or end. Upright it ends where it would start, and reads upward."""
        faint = ' opacity="0.72"' if soft else ""
        turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if upright else ""
        own = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{"end" if upright else anchor}" font-size="{size}"{faint}{turn}'
        self.parts.append(f'<text {own} fill="currentColor">{_plain(text)}</text>')

    def line(
        self,
        points: Sequence[tuple[float, float]],
        colour: str = "currentColor",
        width: float = 1.0,
        *,
        opacity: float = 1.0,
        dash: str = "",
    ) -> None:
        """Points joined by straight lines; a gap wherever one is not finite."""
        runs: list[list[str]] = [[]]
        for x, y in points:
            if math.isfinite(x) and math.isfinite(y):
                runs[-1].append(f"{x:.1f} {y:.1f}")
            elif runs[-1]:
                runs.append([])
        path = "".join(f"M{'L'.join(run)}" for run in runs if len(run) > 1)
        if path:
            dashes = f' stroke-dasharray="{dash}"' if dash else ""
            own = f'd="{path}" stroke="{colour}" stroke-width="{width}" opacity="{opacity}"{dashes}'
            self.parts.append(f'<path {own} fill="none" stroke-linejoin="round"/>')

    def dot(self, x: float, y: float, radius: float, colour: str, *, opacity: float = 1.0, says: str = "") -> None:
        """A disc; what it says shows when it is pointed at."""
        if math.isfinite(x) and math.isfinite(y):
            own = f'cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}" opacity="{opacity}"'
            self.parts.append(f"<circle {own}><title>{_plain(says)}</title></circle>" if says else f"<circle {own}/>")

    def diamond(self, x: float, y: float, colour: str = "currentColor", says: str = "") -> None:
        """The hollow mark of a published number."""
        if not math.isfinite(x) or not math.isfinite(y):
            return
        own = f'd="M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6z" fill="none" stroke="{colour}" stroke-width="1.8"'
        self.parts.append(f"<path {own}><title>{_plain(says)}</title></path>")

    def box(self, x: float, y: float, width: float, height: float, colour: str, opacity: float = 1.0) -> None:
        """A filled rectangle."""
        own = f'x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.0):.1f}" height="{height:.1f}"'
        self.parts.append(f'<rect {own} fill="{colour}" opacity="{opacity}"/>')

    def image(self, x: float, y: float, width: float, height: float, pixels: np.ndarray) -> None:
        """Pixels [rows, columns, 4] as an image."""
        from PIL import Image

        file = BytesIO()
        Image.fromarray(pixels).save(file, "PNG", optimize=True)
        own = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" preserveAspectRatio="none"'
        code = b64encode(file.getvalue()).decode()
        self.parts.append(f'<image {own} style="image-rendering:pixelated" xlink:href="data:image/png;base64,{code}"/>')

    def legend(self, names: Sequence[tuple[str, str]], *, line: bool = True) -> None:
        """Names with their colours, one below the other, at the lower end of the canvas."""
        for name, colour in names:
            self.height += 20
            if line:
                self.line([(2, self.height - 5), (22, self.height - 5)], colour, 3)
            else:
                self.dot(12, self.height - 5, 5, colour)
            self.text(30, self.height, shorten(name, self.width - 34))

    def document(self, alt: str) -> str:
        """The whole SVG, with its description for people who cannot see it."""
        size = f'viewBox="0 0 {self.width:.0f} {self.height:.0f}" width="{self.width:.0f}" height="{self.height:.0f}"'
        return f'<svg {SPACES} {size} {FONT} role="img" aria-label="{_plain(alt)}">{"".join(self.parts)}</svg>'


def _plain(text: str) -> str:
    """A text escaped, without signs that no XML may hold."""
    return escape("".join(sign if sign.isprintable() else " " for sign in text))
