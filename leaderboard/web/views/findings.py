"""Findings: what papers state that does not hold, and who showed it."""

from __future__ import annotations

from leaderboard.board import queries
from leaderboard.render import findings
from leaderboard.web import cache
from leaderboard.web.panels import show_page

show_page("Findings", findings.page(queries.sections(cache.board(cache.version()))))
