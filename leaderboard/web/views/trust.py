"""Trust: the suite's own score, from sabotages and from repeats on fresh seeds."""

from __future__ import annotations

from leaderboard.board import queries, repository, suite_score
from leaderboard.board.lines import REFERENCE
from leaderboard.board.queries import RecordFilter
from leaderboard.render import suite_score as trust
from leaderboard.web import cache
from leaderboard.web.panels import show_page

version = cache.version()
sections = queries.sections(cache.board(version, RecordFilter(implementation=REFERENCE)))
calibrations = {one.paper.key: repository.calibrations(one.paper.key) for one in sections}
past = cache.ask(version, suite_score.history)
show_page("Trust", trust.page(sections, past, calibrations, cache.board(version), cache.catalogue()))
