"""What a session judges and how: the suite's own options of pytest, typed, from a command line and back to one."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest


@dataclass(frozen=True, kw_only=True)
class SessionOptions:
    """The suite's options; what each is for stands in `pytest_addoption`, as pytest's help.

    Attributes:
        tier: "all", or tiers with commas between them.
        claim: papers or claims; none for all that pytest collects.
    """

    controls: bool = False
    tier: str = "cpu"
    device: str = "auto"
    seeds: int | None = None
    claim: tuple[str, ...] = ()
    implementation: Path | None = None
    trusted: bool = False
    salt: str = ""
    store: Path | None = None
    no_cache: bool = False

    @property
    def without_gpu(self) -> bool:
        """Whether claims of tier `gpu` run on a CPU: only where both are named, since that may take days."""
        return self.device == "cpu" and "gpu" in self.tier.split(",")

    @classmethod
    def parsed(cls, options: Namespace) -> SessionOptions:
        """Those among all of pytest's."""
        return replace(
            cls(**{field.name: getattr(options, field.name) for field in fields(cls)}), claim=tuple(options.claim)
        )

    def arguments(self) -> list[str]:
        """Those that are given, as words of a command line."""
        words: list[str] = []
        for field in fields(self):
            value, option = getattr(self, field.name), "--" + field.name.replace("_", "-")
            for one in value if isinstance(value, tuple) else (value,):
                if not (one is None or one is False or one == ""):
                    words += [option] if one is True else [option, str(one)]
        return words


def pytest_addoption(parser: pytest.Parser) -> None:
    """Have pytest know them: the hook."""
    group = parser.getgroup("repro", "reproduction claims")
    group.addoption("--controls", action="store_true", help="also run the sabotaged controls, which must be rejected")
    group.addoption("--tier", default="cpu", help="cpu (default), long, gpu, cluster, several with commas, or all")
    group.addoption("--device", default="auto", choices=["auto", "cpu", "cuda", "mps"], help="what trials run on")
    group.addoption("--seeds", type=int, metavar="N", help="seeds per arm instead of each claim's own number")
    group.addoption("--claim", action="append", default=[], metavar="ID", help="only this paper or claim (repeatable)")
    group.addoption("--implementation", type=Path, metavar="PATH", help="judge this implementation, not the reference")
    group.addoption("--trusted", action="store_true", help="run that implementation without a jail; its record says so")
    group.addoption("--salt", default="", metavar="TEXT", help="derive that implementation's seeds from this as well")
    group.addoption("--store", type=Path, metavar="DIR", help="where records are written")
    group.addoption("--no-cache", action="store_true", help="compute every trial again, in a cache of this session")
