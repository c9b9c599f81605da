"""What pages show of the repository beside its records: calibrations, and the deviations of references."""

from __future__ import annotations

from pathlib import Path

import msgspec

from repro.machine import source
from repro.paths import project_root
from repro.record import Record
from repro.source import deviations as listed
from repro.source import header


class Rate(msgspec.Struct, frozen=True):
    """How often something happened on fresh seeds, with its 95 % interval."""

    hits: int
    of: int
    low: float
    high: float


class Calibration(msgspec.Struct, frozen=True):
    """What the page of a claim shows of its calibration; the file holds more."""

    digest: str
    created: str
    passed: Rate
    rejected: dict[str, Rate]


def calibration(record: Record, root: Path | None = None) -> tuple[Calibration | None, str]:
    """The calibration kept for a record's claim, and what is wrong with the file if it cannot be read."""
    path = (root or project_root()) / "claims" / "calibration" / f"{record.paper.key}.json"
    try:
        raw = msgspec.json.decode(path.read_bytes(), type=dict[str, msgspec.Raw]).get(record.claim.id)
        return (msgspec.json.decode(raw, type=Calibration) if raw is not None else None), ""
    except FileNotFoundError:
        return None, ""
    except (OSError, msgspec.MsgspecError) as error:
        return None, f"{path.name} cannot be read: {error}"


def commit(root: Path | None = None) -> str:
    """The commit of the checkout; "" where it is none, or where tracked files differ from it."""
    found = source(root or project_root())
    return found.commit if found.commit and found.dirty is False else ""


def deviations(paper: str, root: Path | None = None) -> tuple[str, ...]:
    """The numbered deviations in the header of a paper's reference as it stands; none where there is no such file."""
    return listed(header((root or project_root()) / "reference" / f"{paper}.py"))
