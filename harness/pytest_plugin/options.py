"""What a session judges and how: the suite's own options of pytest, typed, from a command line and back to one."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pytest

from repro.paths import project_of

PREFIX = "repro-"


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
    def parsed(cls, options: argparse.Namespace) -> SessionOptions:
        """Those among all of pytest's."""
        return replace(
            cls(**{field.name: getattr(options, _dest(field.name)) for field in fields(cls)}),
            claim=tuple(getattr(options, _dest("claim"))),
        )

    def arguments(self) -> list[str]:
        """Those that are given, as words of a command line."""
        words: list[str] = []
        for field in fields(self):
            value, option = getattr(self, field.name), f"--{PREFIX}{field.name}".replace("_", "-")
            for one in value if isinstance(value, tuple) else (value,):
                if not (one is None or one is False or one == ""):
                    words += [option] if one is True else [option, str(one)]
        return words


WORDS: dict[str, dict[str, Any]] = {
    "controls": {"action": "store_true", "help": "also run the sabotaged controls, which must be rejected"},
    "tier": {"default": "cpu", "help": "cpu (default), long, gpu, cluster, several with commas, or all"},
    "device": {"default": "auto", "choices": ["auto", "cpu", "cuda", "mps"], "help": "what trials run on"},
    "seeds": {"type": int, "metavar": "N", "help": "seeds per arm instead of each claim's own number"},
    "claim": {"action": "append", "default": [], "metavar": "ID", "help": "only this paper or claim (repeatable)"},
    "implementation": {"type": Path, "metavar": "PATH", "help": "judge this implementation, not the reference"},
    "trusted": {"action": "store_true", "help": "run that implementation without a jail; its record says so"},
    "salt": {"default": "", "metavar": "TEXT", "help": "derive that implementation's seeds from this as well"},
    "store": {"type": Path, "metavar": "DIR", "help": "where records are written"},
    "no-cache": {"action": "store_true", "help": "compute every trial again, in a cache of this session"},
}
"""The options by name, as argparse takes them."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Have pytest know them, as --repro-NAME, which no other plugin has: the hook."""
    group = parser.getgroup("repro", "reproduction claims; in a project with claims also without `repro-`")
    for name, how in WORDS.items():
        group.addoption(f"--{PREFIX}{name}", **how)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser
) -> Generator[None, object, object]:
    """In a project with claims have pytest know each by its short name too, unless another plugin has taken that."""
    done = yield
    if near_claims(early_config, early_config.known_args_namespace.file_or_dir):
        group = parser.getgroup("repro")
        for name, how in WORDS.items():
            short: dict[str, Any] = how | {"dest": _dest(name), "default": argparse.SUPPRESS, "help": argparse.SUPPRESS}
            with contextlib.suppress(ValueError, argparse.ArgumentError):
                group.addoption(f"--{name}", **short)
    return done


def near_claims(config: pytest.Config, named: Sequence[str]) -> bool:
    """Whether pytest was started in a project with claims, or names something in one."""
    here = config.invocation_params.dir
    places = [here, *(here / name.partition("::")[0] for name in named)]
    return any(project_of(place) is not None for place in places)


def _dest(name: str) -> str:
    return f"{PREFIX}{name}".replace("-", "_")
