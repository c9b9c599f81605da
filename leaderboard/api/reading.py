"""What anybody may read of a board: records, its lines as JSON, badges."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from leaderboard.api import badges
from leaderboard.api.answers import COMMON, RefusedRequest, json_answer
from leaderboard.api.board import Board
from leaderboard.board.lines import REFERENCE
from repro.record.record import Record, encode

DAY = 86_400  # seconds


@dataclass(frozen=True)
class Reading:
    """The read-only routes: of the service, and of the server of the pages."""

    board: Board

    def routes(self, below: str = "") -> list[Route]:
        """Their addresses, below a path such as "board" where the pages are."""
        top = f"/{below.strip('/')}".rstrip("/")
        return [
            Route(top + "/api/records/{name}", self.record),
            Route(top + "/api/claims.json", self.claims),
            Route(top + "/badge/{paper}.{form}", self.badge),
            Route(top + "/badge/{paper}/{claim}.{form}", self.badge),
            Route(top + "/healthz", self.health),
        ]

    def record(self, request: Request) -> Response:
        """GET /api/records/<id>: the record's own bytes; by its whole id, or by the 16 digits that name its file."""
        name = request.path_params["name"].removesuffix(".json").removeprefix("sha256:")
        if len(name) not in (16, 64) or not set(name) <= set("0123456789abcdef"):
            raise RefusedRequest(404, "A record's id is 64 hexadecimal digits", "Give them all, or the first 16.")
        found = self._find(name)
        if found is None:
            self.board.refresh()
            found = self._find(name)
        if found is None:
            raise RefusedRequest(404, "There is no such record", "See /api/claims.json.")
        keep = f"public, max-age={365 * DAY}, immutable"  # a record is never edited
        return _unless_known(request, encode(found), found.id, keep, "application/json")

    def claims(self, request: Request) -> Response:
        """GET /api/claims.json: the board."""
        kept = self.board.snapshot()
        return _unless_known(request, kept.json, kept.tag, "no-cache", "application/json")

    def badge(self, request: Request) -> Response:
        """GET /badge/<paper>[/<claim>].svg or .json, ?implementation=reference: verdicts in a few words."""
        paper, claim, form = (request.path_params.get(name) for name in ("paper", "claim", "form"))
        own = request.query_params.get("implementation", REFERENCE)
        names = self.board.claims(str(paper)) if form in ("svg", "json") else []
        if not names or claim not in (None, *names):
            raise RefusedRequest(404, "There is no such paper or claim on this board", "See /api/claims.json.")
        if own != REFERENCE and not own.startswith("submission:"):
            own = f"submission:{own}"
        shown = badges.face(self.board.entries(str(paper), own), str(paper), claim, own)
        headers = {"Cache-Control": "public, max-age=300"}
        if form == "json":
            return json_answer(badges.shields(shown), headers=headers)
        sealed = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return Response(badges.svg(shown), 200, COMMON | headers | sealed, "image/svg+xml")

    def health(self, request: Request) -> Response:
        """GET /healthz: 200 while the indices answer, else 503."""
        self._find("0" * 64)
        return json_answer({"status": "ok"}, headers={"Cache-Control": "no-store"})

    def _find(self, name: str) -> Record | None:
        return next((found for store in self.board.stores.stores if (found := store.find(name)) is not None), None)


def _unless_known(request: Request, data: bytes, version: str, keep: str, kind: str) -> Response:
    """An answer, or 304 where the asker has this version of it; "" is never known."""
    headers = COMMON | {"Cache-Control": keep} | ({"ETag": f'"{version}"'} if version else {})
    asked = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if version and asked & {f'"{version}"', "*"}:
        return Response(status_code=304, headers=headers)
    return Response(data, 200, headers, kind)
