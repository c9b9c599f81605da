"""What pages show of the repository apart from its records: calibrations, and the deviations of references."""

from __future__ import annotations

from pathlib import Path

import msgspec

from repro.code_digest import deviations as listed
from repro.code_digest import header
from repro.machine.environment import source
from repro.paths import project_root
from repro.record.record import Record


class CalibratedRate(msgspec.Struct, frozen=True):
    """How often something happened on fresh seeds, with its 95 % interval."""

    hits: int
    of: int
    low: float
    high: float


class CalibrationSummary(msgspec.Struct, frozen=True):
    """What the page of a claim shows of its calibration; the file holds more."""

    digest: str
    created: str
    passed: CalibratedRate
    rejected: dict[str, CalibratedRate]


def calibrations(paper: str, root: Path | None = None) -> tuple[dict[str, CalibrationSummary], str]:
    """All calibrations that are kept for a paper, by id of the claim, and what is wrong with the file."""
    path = (root or project_root()) / "claims" / "calibration" / f"{paper}.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, CalibrationSummary]), ""
    except FileNotFoundError:
        return {}, ""
    except (OSError, msgspec.MsgspecError) as error:
        return {}, f"{path.name} cannot be read: {error}"


def calibration(record: Record, root: Path | None = None) -> tuple[CalibrationSummary | None, str]:
    """The calibration kept for a record's claim, and what is wrong with the file if it cannot be read."""
    found, trouble = calibrations(record.paper.key, root)
    return found.get(record.claim.id), trouble


def commit(root: Path | None = None) -> str:
    """The commit of the checkout; "" where it is none, or where tracked files differ from it."""
    found = source(root or project_root())
    return found.commit if found.commit and found.dirty is False else ""


def deviations(paper: str, root: Path | None = None) -> tuple[str, ...]:
    """The numbered deviations in the header of a paper's reference as it stands; none where there is no such file."""
    return listed(header((root or project_root()) / "reference" / f"{paper}.py"))
