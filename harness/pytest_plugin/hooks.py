"""The pytest plugin: hooks only. What they do is in `suite`, `publish` and `report`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

from repro.errors import ReproError, Unavailable

if TYPE_CHECKING:
    from repro.session import Case, Row, Session

SESSION: pytest.StashKey[Session] = pytest.StashKey()
SHARED: pytest.StashKey[TemporaryDirectory[str]] = pytest.StashKey()
ROW: pytest.StashKey[Row] = pytest.StashKey()
LETTERS = {"refuted": "R", "inconclusive": "I", "accepted": "A", "unexpected": "U", "error": "E"}


class ClaimFailed(Exception):
    """A claim that does not hold: shown as its one line, without a traceback."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the suite."""
    group = parser.getgroup("repro", "reproduction claims")
    group.addoption("--controls", action="store_true", help="also run the sabotaged controls, which must be rejected")
    group.addoption("--tier", default="cpu", help="cpu (default), gpu, cluster, several with commas, or all")
    group.addoption("--device", default="auto", choices=["auto", "cpu", "cuda", "mps"], help="what trials run on")
    group.addoption("--seeds", type=int, metavar="N", help="seeds per arm instead of each claim's own number")
    group.addoption("--claim", action="append", default=[], metavar="ID", help="only this paper or claim (repeatable)")
    group.addoption("--implementation", type=Path, metavar="PATH", help="judge this implementation, not the reference")
    group.addoption("--trusted", action="store_true", help="run that implementation without a jail; its record says so")
    group.addoption("--salt", default="", metavar="TEXT", help="derive that implementation's seeds from this as well")
    group.addoption("--store", type=Path, metavar="DIR", help="where records are written")
    group.addoption("--no-cache", action="store_true", help="compute every trial again, in a cache of this session")


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers that sort claims by group and tier."""
    for marker, says in {
        "mechanism": "exact claims, no or almost no training",
        "direction": "orderings, shapes and slopes at reduced size",
        "number": "the paper's own numbers on its own data",
        "gpu": "claims that need a GPU",
        "cluster": "claims that need several GPUs, many cores or days",
    }.items():
        config.addinivalue_line("markers", f"{marker}: {says}")
    if not hasattr(config, "workerinput"):
        from repro.report import Board

        config.stash[SHARED] = TemporaryDirectory(prefix="repro-session-", ignore_cleanup_errors=True)
        config.pluginmanager.register(Board(config, Path(config.stash[SHARED].name) / "progress"), "repro-board")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize a claim over its rows and over implementations."""
    claims = getattr(metafunc.function, "claims", None)
    if not claims:
        return
    from repro.session import cases

    found = cases(claims, metafunc.config.option)
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
    from repro.session import Session, selected

    try:
        chosen = selected(set(cases_by_item.values()), config.option, config.rootpath)
        if chosen:
            worker = getattr(config, "workerinput", {"workerid": "main"})
            shared = Path(worker.get("repro_shared") or config.stash[SHARED].name)
            config.stash[SESSION] = Session.start(config.option, config.rootpath, shared, worker["workerid"])
    except ReproError as error:
        raise pytest.UsageError(str(error)) from error
    if config.pluginmanager.hasplugin("timeout"):
        for item in cases_by_item:  # a claim takes as long as its trials; the limit is for tests
            item.add_marker(pytest.mark.timeout(0))
    left_out = [item for item, case in cases_by_item.items() if case not in chosen]
    config.hook.pytest_deselected(items=left_out)
    gone = set(left_out)
    items[:] = [item for item in items if item not in gone]


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
        _keep(pyfuncitem, session.unjudged(case, "skipped", missing))
        pytest.skip(str(missing))
    except ReproError as error:
        _keep(pyfuncitem, session.unjudged(case, "error", error))
        raise ClaimFailed(str(error)) from error
    _keep(pyfuncitem, row)
    if not row["passed"]:
        raise ClaimFailed(f"{row['outcome'].upper()}: {row['reason']}")
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Show a claim that failed as one line, and hand its row to whoever prints the table."""
    report: pytest.TestReport = yield  # type: ignore[assignment]
    row = item.stash.get(ROW, None)
    if call.when == "call" and row is not None:
        report.repro = row  # type: ignore[attr-defined] -- serialised with the report under xdist
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, ClaimFailed) and (error.__cause__ is None or error.__cause__.__cause__ is None):
        report.longrepr = str(error)
    return report  # type: ignore[return-value]


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Each honest outcome has its own letter and word."""
    row = getattr(report, "repro", None)
    if report.when != "call" or row is None or report.skipped:
        return None
    category = "passed" if report.passed else "failed"
    return category, "." if report.passed else LETTERS.get(row["outcome"], "F"), row["outcome"].upper()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker which folder the session's processes share."""
    node.workerinput["repro_shared"] = node.config.stash[SHARED].name


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the session's shared folder, and leave the other processes."""
    if SHARED in config.stash:
        config.stash[SHARED].cleanup()
    if SESSION in config.stash:
        from repro.distributed import leave

        leave()


def _case(item: pytest.Item) -> Case | None:
    callspec = getattr(item, "callspec", None)
    if callspec is None or not hasattr(getattr(item, "function", None), "claims"):
        return None
    return callspec.params["run"]


def _keep(item: pytest.Item, row: Row) -> None:
    item.stash[ROW] = row
    item.user_properties += [(f"repro.{name}", value) for name, value in row.items() if value not in (None, "")]
