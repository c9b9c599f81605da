"""From a folder to an implementation that claims can be judged on: checked, audited, and known by what it costs."""

from __future__ import annotations

import contextlib
import dataclasses
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
from filelock import FileLock

from harness.audits import contracts
from harness.audits.runner import AuditInputs, AuditResult
from harness.publish import Known
from harness.sandbox import code_store, host
from harness.sandbox.host import FORMAT, SandboxHost
from harness.submission import costs, folder
from harness.submission.compilation import audit_inputs, compile_code
from harness.submission.folder import Folder
from harness.submission.paired_runs import PairedRuns
from harness.submission.sizes import check_sizes
from repro.claim.claim import arms_of
from repro.code_digest import digest
from repro.errors import ReproError
from repro.paths import atomic_write
from repro.record.record import Ratio, SubmissionPart
from repro.task import Device
from repro.trial.implementation import LoadedImplementation, reference

COUNTED = 2  # presets whose layers are counted against what crosses the pipe
IMAGES = 8  # that they see


class AuditReport(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a source in one kind of isolation.

    Attributes:
        audits: what was checked, one line each.
        costs: beside the reference; empty while not measured.
    """

    audits: tuple[str, ...]
    costs: tuple[Ratio, ...] = ()


@dataclasses.dataclass(frozen=True)
class Submission:
    """A folder, its host, and what a run of it says."""

    checked: Folder
    host: SandboxHost
    root: Path | None = None

    @classmethod
    def at(cls, path: Path, root: Path | None = None, *, trusted: bool = False, salt: str = "") -> Submission:
        """The submission in a folder, after the static checks.

        Raises:
            ReproError: for the first thing that is wrong with the folder.
        """
        checked = folder.read(path, root)
        own = SandboxHost(
            label=f"submission {checked.manifest.name}",
            kept=code_store.keep(checked.code, checked.digest),
            source=checked.digest,
            limits=checked.manifest.limits,
            trusted=trusted,
            salt=salt,
        )
        return cls(checked, own, root)

    @property
    def known(self) -> Known:
        """How records name it; nothing of it is run."""
        manifest = self.checked.manifest
        return Known(manifest.paper, manifest.name, self.host.counted)

    @property
    def report(self) -> AuditReport | None:
        """What earlier audits left; None if there were none, or they failed."""
        with contextlib.suppress(OSError, msgspec.DecodeError):
            return msgspec.json.decode(self._file.read_bytes(), type=AuditReport)
        return None

    @property
    def _file(self) -> Path:
        return self.host.kept / f"report-{digest(f'{FORMAT} {self.host.isolation}')[:12]}.json"

    def presets(self) -> str:
        """Check that the presets are what its claims, and its division, ask for; one line that says so.

        Raises:
            ReproError: for a preset or field that is missing, that is far larger than the reference's, or, in the
                closed division, that differs from it.
        """
        own, paper = self.implementation(), reference(self.checked.manifest.paper, self.root)
        arms = [arm for claim in self.checked.claims for arm in arms_of(claim.measurements())]
        contract = self.checked.contract
        used = [*((arm.preset, arm.overrides) for arm in arms), (contract.preset, contract.overrides)]
        for preset, overrides in (*used, *contract.counted.items()):
            found = own.config(preset, overrides)
            check_sizes(f"CONFIGS[{preset!r}]", found, paper.config(preset, overrides))
        if self.checked.manifest.division == "closed":
            for preset in sorted({arm.preset for arm in arms}):
                _same_preset(preset, own.names.CONFIGS[preset], paper.names.CONFIGS[preset])
        return f"all that {len(self.checked.claims)} claims use are there"

    def audit(self) -> Iterator[AuditResult]:
        """Run the audits of the paper's contract; where all pass, remember them.

        Raises:
            ReproError: if this machine cannot isolate it.
        """
        found = [AuditResult(audit="presets", passed=True, message=self.presets())]
        yield found[0]
        contract = self.checked.contract
        config = self.implementation().config(contract.preset, contract.overrides)
        compile_code(self.host, contract, config)
        given = audit_inputs(contract, config, *audit_seeds(self.host))
        for result in contracts.run(contract.protocol, self._open_process, given):
            found.append(result)
            yield result
        if all(result.passed for result in found):
            for result in self._counts():
                found.append(result)
                yield result
        if all(result.passed for result in found):
            known = self.report
            lines = tuple(f"{f.audit}: {f.message}" for f in found)
            self._remember(AuditReport(audits=lines, costs=known.costs if known else ()))

    def audited(self, on_progress: Callable[[str], None] = lambda audit: None) -> LoadedImplementation:
        """The submission as claims are judged on it; audited first, if it has not been, with a call after each audit.

        Raises:
            ReproError: if an audit fails, or this machine cannot isolate it.
        """
        self.presets()  # the manifest may have changed since the source was audited
        with FileLock(self.host.kept / "audit.lock"):  # several processes of one session want the same
            for result in self.audit() if self.report is None else ():
                on_progress(result.audit)
                if not result.passed:
                    failed = f"{self.host.label} failed an audit, {result.audit}: {result.message}"
                    raise ReproError(failed, "`repro submission check` shows all; nothing is scored before they pass.")
        return self.implementation()

    def measure(self, device: Device, pairs: int = costs.PAIRS) -> Iterator[int]:
        """Time it beside the reference and remember the ratios; yields how many pairs of runs are done.

        Raises:
            ReproError: if it has not passed its contracts, or a run fails.
        """
        known = self.report
        claim = costs.timed_claim(self.checked.claims, self.checked.contract.timed)
        if known is None or claim is None:
            raise ReproError(f"{self.host.label} cannot be timed", "It must pass its audits and answer a timed claim.")
        original = host.as_reference(self.checked.manifest.paper, self.root, trusted=self.host.trusted)
        contract = self.checked.contract
        for one in (self.implementation(), original):
            compile_code(costs.host_of(one), contract, one.config(contract.preset, contract.overrides))
        runs, arm = PairedRuns[costs.TrialCost](), arms_of(claim.measurements())[0]
        for runs in costs.measure(self.implementation(), original, arm, device, pairs):
            yield len(runs.candidate)
        self._remember(msgspec.structs.replace(known, costs=costs.ratios(runs)))

    def implementation(self) -> LoadedImplementation:
        """The submission as claims are judged on it."""
        manifest, known = self.checked.manifest, self.report
        return LoadedImplementation(
            kind="submission",
            paper=manifest.paper,
            name=manifest.name,
            names=SimpleNamespace(CONFIGS=self.host.offered.configs),
            source=self.host.counted,
            deviations=len(manifest.deviation),
            host=self.host,
            division=manifest.division,
            submission=SubmissionPart(
                summary=manifest.summary,
                authors=manifest.authors,
                licence=manifest.license,
                deviations=tuple(f"{d.paper}: here {d.here}; {d.why}" for d in manifest.deviation),
                isolation=self.host.isolation,
                salt=self.host.salt or "",
                audits=known.audits if known else (),
                shared="{} of {}".format(*self.checked.shared),
                costs=known.costs if known else (),
            ),
        )

    def _counts(self) -> Iterator[AuditResult]:
        """The layers of a few presets, drawn by the digest of the source, and by the salt.

        Who writes the source can try until the draw suits; who verifies it draws another salt.
        """
        contract = self.checked.contract
        names, paper = sorted(contract.counted), reference(self.checked.manifest.paper, self.root)
        chosen = random.Random(self.checked.digest + (self.host.salt or "")).sample(names, min(COUNTED, len(names)))
        for preset in chosen:
            config = self.implementation().config(preset, contract.counted[preset])
            original = paper.config(preset, contract.counted[preset])
            seed, other = audit_seeds(self.host)
            given = AuditInputs(config=config, seed=seed, other=other, **_noise(original))
            yield from contracts.count(self._open_process, given, preset)

    @contextlib.contextmanager
    def _open_process(self) -> Iterator[Any]:
        """A fresh jail for an audit, of which nothing is kept."""
        with self.host.jailed() as (broker, _):
            yield broker.names(broker.load(self.host.seed(-1), "cpu"))

    def _remember(self, report: AuditReport) -> None:
        atomic_write(self._file, msgspec.json.encode(report))


def audit_seeds(of: SandboxHost) -> tuple[int, int]:
    """The two seeds of its audits, of the same distribution as those of its trials."""
    return of.seed(-1), of.seed(-2)


def _same_preset(name: str, own: Any, paper: Any) -> None:
    for field in dataclasses.fields(paper):
        mine, theirs = getattr(own, field.name, None), getattr(paper, field.name)
        if mine != theirs:
            raise ReproError(
                f"CONFIGS[{name!r}].{field.name} is {mine!r}, and the reference's is {theirs!r}",
                'The closed division keeps the paper\'s protocol: take its value, or set division = "open".',
            )


def _noise(config: Any) -> dict[str, Any]:
    """A few images of the size that a reference's config has, with labels, and what is to be predicted."""
    rng = np.random.default_rng(0)
    shape = (IMAGES, config.image, config.image, config.channels)
    images = rng.integers(0, 256, shape, dtype=np.uint8)
    labels = rng.integers(0, config.classes, IMAGES)
    return {"data": SimpleNamespace(images=images, labels=labels, classes=config.classes), "inputs": images}
