"""Numbers and times as people read them."""

from __future__ import annotations

import math
from datetime import UTC, datetime


def number(value: float | None) -> str:
    """A number with four significant digits, or all those before the point; a dash where there is none."""
    if value is None:
        return "-"
    if not math.isfinite(value):
        return str(value)
    value += 0.0  # no minus before zero
    if value == int(value) and abs(value) < 1e7:
        return f"{int(value):,}"
    if 1e4 <= abs(value) < 1e7:
        return f"{value:,.0f}"
    return f"{value:.4g}" if 1e-3 <= abs(value) < 1e4 else f"{value:.3e}"


def interval(bounds: tuple[float, float] | None) -> str:
    """An interval in brackets, or nothing."""
    return f"[{number(bounds[0])}, {number(bounds[1])}]" if bounds else ""


def duration(seconds: float) -> str:
    """Seconds, or minutes and hours from two of them on."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def now() -> str:
    """The time in UTC to the second, as records and tokens state it (ISO 8601)."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
