"""About: method, statistics, words, versions."""

from __future__ import annotations

from leaderboard.render import about
from leaderboard.web import cache
from leaderboard.web.panels import show_page

lines = cache.board(cache.version())
newest = max((one.created for one in lines), default="")
show_page("About", about.page(about.counted(len(lines), len({one.paper.key for one in lines}), newest)))
