"""Submit: how an implementation comes onto the board, and where those stand that are there."""

from __future__ import annotations

from leaderboard.board import queries
from leaderboard.render import submit
from leaderboard.web import cache
from leaderboard.web.panels import show_page

show_page("Submit", submit.page(queries.sections(cache.board(cache.version()))))
