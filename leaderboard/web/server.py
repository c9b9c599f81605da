"""What `repro leaderboard` serves: the pages, badges, records, and the board's lines as JSON."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module

import streamlit as st
from starlette.middleware import Middleware

from leaderboard.api.answers import RefusedRequest, refused, unavailable
from leaderboard.api.board import Board
from leaderboard.api.reading import Reading
from leaderboard.board import queries
from leaderboard.web.static_cache import CachedFiles
from repro.errors import ReproError

USED = (
    "board.verification",
    "charts.samples",
    "render.suite_score",
    "render.telemetry",
    "web.cache",
)
"""What pages use, with all that these import."""


@asynccontextmanager
async def ready(_: st.App) -> AsyncIterator[None]:
    """Load what pages use, before the first visitor does.

    Streamlit collects garbage after each run of a page. To go through modules, which stay, took half of a visit's time.
    """
    for name in USED:
        import_module(f"leaderboard.{name}")
    gc.collect()
    gc.freeze()
    yield


app = st.App(
    "app.py",
    lifespan=ready,
    routes=Reading(Board(queries.open_stores())).routes(str(st.get_option("server.baseUrlPath"))),
    middleware=[Middleware(CachedFiles)],
    exception_handlers={RefusedRequest: refused, ReproError: unavailable},
)
