"""Energy of the processor packages, by the counters that Linux shows under powercap (RAPL)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass
class _Zone:
    counter: Path
    range_uj: int
    last_uj: int


class Rapl:
    """Adds up the packages' counters, each of which begins again at zero when it is full.

    At 100 W a counter is full about every 45 minutes, so `advance` must be called more often than that. Memory
    and platform zones are left out: the first exist on some machines only, the second would count twice.

    Args:
        root: where the kernel lists its power zones.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._zones: list[_Zone] = []
        self._total_uj = 0
        self._problem = ""

    def start(self) -> None:
        """Find the packages and read where their counters stand."""
        try:
            zones = sorted(path for path in self._root.iterdir() if re.fullmatch(r"intel-rapl:\d+", path.name))
            packages = [path for path in zones if (path / "name").read_text().startswith("package")]
            counters = [(path / "energy_uj", int((path / "max_energy_range_uj").read_text())) for path in packages]
            self._zones = [_Zone(counter, most, int(counter.read_text())) for counter, most in counters]
        except (OSError, ValueError) as error:
            self._problem = _reason(error)
            return
        if not self._zones:
            self._problem = "this machine shows no RAPL counters"

    def advance(self) -> None:
        """Add what the counters have moved since they were last read."""
        try:
            for zone in self._zones:
                now = int(zone.counter.read_text())
                moved = now - zone.last_uj
                self._total_uj += moved if moved >= 0 else moved + zone.range_uj
                zone.last_uj = now
        except (OSError, ValueError) as error:
            self._problem = _reason(error)

    def joules(self) -> tuple[float | None, str]:
        """Joules since `start`, and how they were measured; None and why, where they were not."""
        if not self._problem:
            self.advance()
        if self._problem:
            return None, f"none: {self._problem}"
        if self._total_uj == 0:
            return None, "none: too short for the RAPL counters"
        return self._total_uj / 1e6, "RAPL counters of all processor packages, whatever else ran on them"


def _reason(error: Exception) -> str:
    if isinstance(error, PermissionError):
        return "RAPL counters may only be read by root here"
    if isinstance(error, FileNotFoundError):
        return "this machine shows no RAPL counters"
    return f"RAPL counters cannot be read ({type(error).__name__})"
