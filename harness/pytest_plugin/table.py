"""The terminal's side of a session: progress while it runs, the verdict table at its end."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import Counter
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harness.pytest_plugin.heartbeat import beats
from harness.pytest_plugin.row import VerdictRow, received
from repro.numbers import duration
from repro.paths import cache_dir, store_dir

QUIET_S = 5.0  # no progress is shown of a claim that takes less
EVERY_S = 10.0  # and then one line at most this often
WIDE = 160  # where output goes to a file


class VerdictTable:
    """Collects the rows of all processes; registered as a plugin in the process that owns the terminal."""

    def __init__(self, config: pytest.Config, progress: Path) -> None:
        self._config = config
        self._progress = progress
        self._rows: list[VerdictRow] = []
        self._stop = threading.Event()
        self._watcher: threading.Thread | None = None
        self._terminal = os.dup(1)  # pytest captures output while a test runs, but not yet

    def pytest_sessionstart(self) -> None:
        """Begin to watch for claims that take long."""
        if self._config.get_verbosity() >= 0:
            self._watcher = threading.Thread(target=self._watch, daemon=True)
            self._watcher.start()

    def pytest_sessionfinish(self) -> None:
        """Stop watching."""
        self._stop.set()
        if self._watcher is not None:
            self._watcher.join(timeout=2)
        os.close(self._terminal)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the row of a judged claim."""
        row = received(report)
        if row is not None:
            self._rows.append(row)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the verdict table, and where the records are."""
        if not self._rows:
            return
        terminalreporter.section(heading(self._rows), "=")
        width = terminalreporter._tw.fullwidth
        terminalreporter.write_line(render(self._rows, width if terminalreporter.isatty else max(width, WIDE)))
        for line in footnotes(self._rows):
            terminalreporter.write_line(line)
        if any(row.record for row in self._rows):
            terminalreporter.write_line(f"Records: {self._config.option.repro_store or store_dir()}")
            terminalreporter.write_line(
                "Trials:  " + ("not kept" if self._config.option.repro_no_cache else str(cache_dir()))
            )

    def _watch(self) -> None:
        shown: dict[str, float] = {}
        while not self._stop.wait(1.0):
            now = time.time()
            for beat in beats(self._progress):
                if now - beat.since > QUIET_S and now - shown.get(beat.worker, 0.0) > EVERY_S:
                    shown[beat.worker] = now
                    trial = min(beat.done + 1, beat.total)
                    self._say(f"… {beat.what}: trial {trial} of {beat.total}, {now - beat.since:.0f} s")

    def _say(self, line: str) -> None:
        with contextlib.suppress(OSError):
            os.write(self._terminal, f"\n{line}\n".encode())


def heading(rows: list[VerdictRow]) -> str:
    """What the table is of: the reference's verdicts, or those of a submission."""
    judged = sorted({row.implementation for row in rows if row.implementation.startswith("submission:")})
    return " ".join(["verdicts", *(["on", ", ".join(judged)] if judged else [])])


def render(rows: list[VerdictRow], width: int) -> str:
    """The verdict table `width` columns wide; controls are counted, and listed only where one was not rejected."""
    table = Table(box=None, pad_edge=False, header_style="bold", expand=False)
    counted = any(row.controls for row in rows)
    for name in ("claim", "published", "measured", "n", "evidence", *["controls"] * counted, "verdict", "time"):
        justify, whole = "right" if name in ("n", "time") else "left", name in ("claim", "verdict", "time")
        table.add_column(name, justify=justify, no_wrap=whole, overflow="fold")  # type: ignore[arg-type]
    for row in sorted(rows, key=lambda row: row.claim):
        if row.outcome == "rejected":
            continue
        control = row.implementation.startswith("control:")
        name = f"{row.claim} {row.implementation}" if control else row.claim
        cells = [name, row.published, row.measured, "" if row.n is None else str(row.n), row.evidence]
        cells += [row.controls] * counted + [row.outcome, duration(row.wall_s)]
        table.add_row(*map(escape, cells))
    console = Console(file=StringIO(), width=width, color_system=None)
    console.print(table)
    return console.file.getvalue().rstrip()  # type: ignore[attr-defined]


def footnotes(rows: list[VerdictRow]) -> list[str]:
    """Counts, one line for each kind of outcome that needs a word."""
    counts = Counter(row.outcome for row in rows)
    rejected, accepted = counts.pop("rejected", 0), counts.pop("accepted", 0)
    lines = ["", ", ".join(f"{n} {outcome}" for outcome, n in sorted(counts.items()))]
    if rejected or accepted:
        lines.append(f"controls: {rejected} of {rejected + accepted} sabotaged implementations rejected")
    return (
        lines
        + [f"skipped {row.claim}: {row.reason}" for row in rows if row.outcome == "skipped"]
        + [f"error in {row.claim} {row.implementation}: {row.reason}" for row in rows if row.outcome == "error"]
    )
