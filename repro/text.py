"""Numbers and claims as people read them."""

from __future__ import annotations

from repro.claim import Claim
from repro.paper import Reported


def number(value: float | None) -> str:
    """A number with four significant digits; a dash where there is none."""
    if value is None:
        return "-"
    if value == int(value) and abs(value) < 1e7:
        return f"{int(value):,}"
    return f"{value:.4g}" if 1e-3 <= abs(value) < 1e5 else f"{value:.3e}"


def interval(bounds: tuple[float, float] | None) -> str:
    """An interval in brackets, or nothing."""
    return f"[{number(bounds[0])}, {number(bounds[1])}]" if bounds else ""


def duration(seconds: float) -> str:
    """Seconds, or minutes and hours from two of them on."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def published(claim: Claim) -> str:
    """What the paper states, with its place; only the place where it states no number that can be read."""
    if not claim.reported:
        return claim.place
    return "; ".join(reported(r) for r in claim.reported[:2]) + ("; …" if len(claim.reported) > 2 else "")


def reported(fact: Reported) -> str:
    """A published number with its unit and place."""
    mark = "" if fact.verified else " (unverified)"
    return f"{number(fact.value)} {fact.unit}, {fact.place}{mark}"
