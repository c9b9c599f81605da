"""What `repro leaderboard` serves: the pages, and beside them badges, records and the board's lines as JSON."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module

import streamlit as st
from starlette.middleware import Middleware

from leaderboard import queries
from leaderboard.kept_files import KeptFiles
from leaderboard.service.answers import Problem, refused, unavailable
from leaderboard.service.board import Board
from leaderboard.service.reading import Reading
from repro.errors import ReproError

USED = ("charts", "kept", "trust_sheet", "usage_sheet", "verification")  # by pages, with all that they import


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
    routes=Reading(Board(queries.open_stores())).routes(),
    middleware=[Middleware(KeptFiles)],
    exception_handlers={Problem: refused, ReproError: unavailable},
)
