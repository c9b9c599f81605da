"""One pytest session's claims: which are asked for, and what is done with each."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import msgspec

from harness.pytest_plugin.cases import Case
from harness.pytest_plugin.heartbeat import Heartbeat
from harness.pytest_plugin.options import SessionOptions
from harness.pytest_plugin.row import VerdictRow, claim_row, control_row
from harness.submission.submission import Submission
from repro.errors import ReproError
from repro.machine.process_group import init_process_group, rank
from repro.paths import cache_dir, index_url, store_dir
from repro.record.store import Store
from repro.trial.cache import Cache
from repro.trial.implementation import LoadedImplementation
from repro.trial.judge import Suite, resolve_device
from repro.trial.recording import record_of, save


class Session:
    """Judges cases and writes their records, in one process of a pytest session."""

    def __init__(
        self, options: SessionOptions, root: Path, shared: Path, worker: str, submission: Submission | None
    ) -> None:
        """Open cache and store, and settle the device.

        All processes of this pytest session share the folder `shared`; `worker` is this one's name among them.

        Raises:
            ReproError: for a device that is not there or fewer than one seed.
        """
        if options.seeds is not None and options.seeds < 1:
            raise ReproError(f"--seeds {options.seeds} is not a number of seeds", "Give 1 or more.")
        device = resolve_device(options.device)
        init_process_group(device)
        self._options, self._root, self._checked = options, root, submission
        self._heartbeat = Heartbeat(shared / "progress", worker)
        where = (shared if options.no_cache else cache_dir()) / "trials"
        self._suite = Suite(Cache(where), device, notify=self._heartbeat.beat, without_gpu=options.without_gpu)
        self._store = Store(options.store or store_dir(), index_url())

    def judge(self, case: Case) -> VerdictRow:
        """Judge a case; write a record unless it is a control.

        Raises:
            Unavailable: if this machine cannot run the claim.
            ReproError: if a trial fails or the record cannot be written.
        """
        with self._heartbeat.on(f"{case.claim.id} {case.id}"):
            seeds = range(self._options.seeds) if self._options.seeds and case.claim.statistical else None
            if case.kind == "control":
                return control_row(self._suite.judge_control(case.claim, self._loaded(case), seeds))
            judged = self._suite.judge(case.claim, self._loaded(case), seeds)
            controls = self._suite.controls(case.claim, seeds) if self._options.controls else []
            row = claim_row(judged, controls)
            record = record_of(judged, controls, self._suite.device, self._root)
            if rank() > 0:  # rank 0 writes it
                return row
            kept, path = save(self._store, record)
            return msgspec.structs.replace(row, record=kept.id, file=str(path))

    def _loaded(self, case: Case) -> LoadedImplementation:
        return self._submission if case.kind == "submission" else case.load(self._root)

    @cached_property
    def _submission(self) -> LoadedImplementation:
        """The submission, audited if it has not been; once, not for each claim."""
        assert self._checked is not None
        return self._checked.audited(lambda audit: self._heartbeat.beat(0, 0, audit))
