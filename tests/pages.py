"""Pages of the app without a browser, and records to show on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from streamlit.testing.v1 import AppTest

from leaderboard.render import criterion
from repro.record.record import Record, seal

APP = Path(__file__).parents[1] / "leaderboard" / "web" / "app.py"


def page(name: str = "board", **parameters: Any) -> AppTest:
    """A page of the app, opened with query parameters; a list stands for several of one name."""
    app = AppTest.from_file(str(APP), default_timeout=300)
    app.switch_page(f"views/{name}.py")
    for key, value in parameters.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception, app.exception
    return app


def text(app: AppTest) -> str:
    """All HTML of a page."""
    return "\n".join(element.proto.body for element in app.get("html"))


def typed(app: AppTest) -> str:
    """All HTML of a page, with signs that look alike as the letters of a keyboard."""
    return text(app).replace(criterion.MINUS, "-").replace(criterion.TIMES, "x")


def make_project(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project that this process stands in, with no published records and an empty store."""
    (root / "claims" / "calibration").mkdir(parents=True)
    (root / "reference").mkdir()
    (root / "pyproject.toml").touch()
    monkeypatch.chdir(root)
    monkeypatch.setenv("REPRO_STORE", str(root / "store"))
    return root


def changed(record: Record, **changes: Any) -> Record:
    """A record with other parts, sealed anew."""
    return seal(msgspec.structs.replace(record, id="", **changes))
