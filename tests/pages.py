"""Pages of the app without a browser, and records to show on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from streamlit.testing.v1 import AppTest

from repro.record import Record, seal

APP = Path(__file__).parents[1] / "leaderboard" / "app.py"


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


def changed(record: Record, **changes: Any) -> Record:
    """A record with other parts, sealed anew."""
    return seal(msgspec.structs.replace(record, id="", **changes))
