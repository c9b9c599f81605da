"""The pytest plugin: hooks only. What they do is in `cases`, `session`, `row` and `table`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

from harness.pytest_plugin.options import SessionOptions, near_claims
from harness.pytest_plugin.options import pytest_addoption as pytest_addoption
from harness.pytest_plugin.options import pytest_load_initial_conftests as pytest_load_initial_conftests
from harness.pytest_plugin.row import VerdictRow, received, send, unjudged_row
from repro.errors import ReproError, Unavailable
from repro.paths import project_of, project_root

if TYPE_CHECKING:
    from harness.pytest_plugin.cases import Case
    from harness.pytest_plugin.session import Session
    from harness.submission.submission import Submission

SESSION: pytest.StashKey[Session] = pytest.StashKey()
SUBMISSION: pytest.StashKey[Submission] = pytest.StashKey()
SHARED: pytest.StashKey[TemporaryDirectory[str]] = pytest.StashKey()
ROW: pytest.StashKey[VerdictRow] = pytest.StashKey()


class ClaimFailed(Exception):
    """A claim that does not hold: shown as its one line, without a traceback."""


class Handover:
    """Hands on a submission that has been checked, so that a command which has read its folder is not asked to again.

    Registered beside this plugin by who calls `pytest.main`; workers of xdist are other processes, and read the folder.
    """

    def __init__(self, submission: Submission) -> None:
        self._submission = submission

    def pytest_configure(self, config: pytest.Config) -> None:
        """Leave it where the session looks first."""
        config.stash[SUBMISSION] = self._submission


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers that sort claims; in a project that has any, what prints their table."""
    for marker, says in {
        "mechanism": "exact claims, no or almost no training",
        "direction": "orderings, shapes and slopes at reduced size",
        "number": "the paper's own numbers on its own data",
        "long": "claims that take hours of a CPU",
        "gpu": "claims that need a GPU",
        "cluster": "claims that need several GPUs, many cores or days",
    }.items():
        config.addinivalue_line("markers", f"{marker}: {says}")
    if near_claims(config, config.args):
        _prepare(config)


def _prepare(config: pytest.Config) -> None:
    """Register the table, and make the folder that the session's processes share; nothing the second time."""
    if SHARED in config.stash or hasattr(config, "workerinput"):
        return
    from harness.pytest_plugin.table import VerdictTable

    config.stash[SHARED] = TemporaryDirectory(prefix="repro-session-", ignore_cleanup_errors=True)
    config.pluginmanager.register(VerdictTable(config, Path(config.stash[SHARED].name) / "progress"), "repro-board")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize a claim over its rows and over implementations."""
    claims = getattr(metafunc.function, "claims", None)
    if not claims:
        return
    from harness.pytest_plugin.cases import cases

    found = cases(claims, SessionOptions.parsed(metafunc.config.option))
    names, values = ("run",), [(case,) for case in found]
    if "row" in metafunc.fixturenames:
        names, values = ("run", "row"), [(case, case.claim.row) for case in found]
    marks = [[getattr(pytest.mark, mark) for mark in case.marks] for case in found]
    params = [pytest.param(*v, id=case.id, marks=m) for v, case, m in zip(values, found, marks, strict=True)]
    metafunc.parametrize(names, params, indirect=["run"])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tiers and claims that were not asked for."""
    cases_by_item = {item: case for item in items if (case := _case(item)) is not None}
    if not cases_by_item:
        return
    from harness.pytest_plugin.cases import selected
    from harness.pytest_plugin.session import Session

    options = SessionOptions.parsed(config.option)
    _prepare(config)
    try:
        root = _settled_project(cases_by_item) or config.rootpath
        submission = _submission(config, options, root)
        chosen = selected(set(cases_by_item.values()), options, submission)
        if chosen:
            worker = getattr(config, "workerinput", {"workerid": "main"})
            shared = Path(worker.get("repro_shared") or config.stash[SHARED].name)
            config.stash[SESSION] = Session(options, root, shared, worker["workerid"], submission)
    except ReproError as error:
        raise pytest.UsageError(str(error)) from error
    if config.pluginmanager.hasplugin("timeout"):
        for item in cases_by_item:  # a claim takes as long as its trials; the limit is for tests
            item.add_marker(pytest.mark.timeout(0))
    left_out = [item for item, case in cases_by_item.items() if case not in chosen]
    config.hook.pytest_deselected(items=left_out)
    gone = set(left_out)
    items[:] = [item for item in items if item not in gone]


def _settled_project(items: Iterable[pytest.Item]) -> Path | None:
    """The project that holds the claims, for which this process and those that it starts work from now on.

    The claims may be named from elsewhere, such as the top of a repository of many projects.

    Raises:
        ReproError: where the claims are of several projects.
    """
    found = {root for item in items if (root := project_of(item.path.parent)) is not None}
    if len(found) > 1:
        names = ", ".join(sorted(root.name for root in found))
        raise ReproError(f"The claims are of {len(found)} projects: {names}", "Run pytest for one at a time.")
    root = next(iter(found), None)
    if root not in (None, project_root()):
        os.environ["REPRO_PROJECT"] = str(root)
    return root


@pytest.fixture
def run(request: pytest.FixtureRequest) -> Case:
    """The claim and implementation of this item; a claim's body receives the arm recorder in its place."""
    return request.param


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Judge a claim instead of calling its body as a test."""
    case = _case(pyfuncitem)
    if case is None:
        return None
    session = pyfuncitem.config.stash[SESSION]
    try:
        row = session.judge(case)
    except Unavailable as missing:
        _keep(pyfuncitem, unjudged_row(case.claim, case.id, "skipped", missing))
        pytest.skip(str(missing))
    except ReproError as error:
        _keep(pyfuncitem, unjudged_row(case.claim, case.id, "error", error))
        raise ClaimFailed(str(error)) from error
    _keep(pyfuncitem, row)
    if not row.passed:
        raise ClaimFailed(f"{row.outcome.upper()}: {row.reason}")
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Show a claim that failed as one line, and hand its row to whoever prints the table."""
    report: pytest.TestReport = yield  # type: ignore[assignment]
    row = item.stash.get(ROW, None)
    if call.when == "call" and row is not None:
        send(row, report)
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, ClaimFailed) and (error.__cause__ is None or error.__cause__.__cause__ is None):
        report.longrepr = str(error)
    return report  # type: ignore[return-value]


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """A dot for what passes; each outcome that does not has its own letter, the same as on the board."""
    row = received(report)
    if report.when != "call" or row is None or report.skipped:
        return None
    return ("passed", ".", row.outcome.upper()) if report.passed else ("failed", row.letter, row.outcome.upper())


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker which folder the session's processes share."""
    if SHARED in node.config.stash:
        node.workerinput["repro_shared"] = node.config.stash[SHARED].name


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the session's shared folder, and leave the other processes."""
    if SHARED in config.stash:
        config.stash[SHARED].cleanup()
    if SESSION in config.stash:
        from repro.machine.process_group import destroy_process_group

        destroy_process_group()


def _submission(config: pytest.Config, options: SessionOptions, root: Path) -> Submission | None:
    """What is judged in the reference's place: handed over, or read from its folder."""
    if options.implementation is None or SUBMISSION in config.stash:
        return config.stash.get(SUBMISSION, None)
    from harness.submission.submission import Submission

    return Submission.at(options.implementation, root, trusted=options.trusted, salt=options.salt)


def _case(item: pytest.Item) -> Case | None:
    callspec = getattr(item, "callspec", None)
    if callspec is None or not hasattr(getattr(item, "function", None), "claims"):
        return None
    return callspec.params["run"]


def _keep(item: pytest.Item, row: VerdictRow) -> None:
    item.stash[ROW] = row
    item.user_properties += row.properties
