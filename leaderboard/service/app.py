"""The routes of the service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from leaderboard.queries import REFERENCE
from leaderboard.service import badges
from leaderboard.service.answers import COMMON, LOG, Problem, broken, json_answer, refused, unavailable, unroutable
from leaderboard.service.board import Board
from leaderboard.service.ingest import Intake, require
from leaderboard.service.limits import Limiter, check_rate, read_json
from repro.errors import ReproError
from repro.record import Record, encode
from repro.store import Store, Union
from repro.tokens import Token, Tokens

LARGEST = 4 << 20  # bytes of a record that is sent in; a hundred times what records have had so far
RATE, BURST = 120.0, 60  # records a minute of one token, and how many at once
GUESSES, GUESS_BURST = 30.0, 120  # tokens that one address may show and that were not seen before
DAY = 86_400  # seconds


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one sender may do.

    Attributes:
        largest: bytes of a record.
        per_minute: records that a token may send, in the long run.
        burst: records that it may send at once.
    """

    largest: int = LARGEST
    per_minute: float = RATE
    burst: int = BURST


def create(
    store: Store, published: Store, known: Mapping[str, str] | None = None, limits: Limits | None = None
) -> Starlette:
    """The service as an ASGI application.

    Args:
        store: what is sent in goes here; its tokens lie in its folder.
        published: what the project publishes, shown before all else.
        known: what today's claims say, as `repro.record.terms`, by id; None admits any claim.
        limits: of senders.

    Raises:
        ReproError: if a store cannot be used.
    """
    limits = limits or Limits()
    store.sync()  # what is wrong with it is said at the start
    service = Service(
        store=store,
        board=Board(Union((published, store))),
        intake=Intake(store, known),
        tokens=Tokens(store.root),
        sending=Limiter(limits.per_minute, limits.burst),
        guessing=Limiter(GUESSES, GUESS_BURST),
        largest=limits.largest,
    )
    routes = [
        Route("/api/records", service.take, methods=["POST"]),
        Route("/api/records/{name}", service.record),
        Route("/api/claims.json", service.claims),
        Route("/api/tokens", service.list_tokens),
        Route("/api/tokens/{own}", service.revoke, methods=["DELETE"]),
        Route("/badge/{paper}.{form}", service.badge),
        Route("/badge/{paper}/{claim}.{form}", service.badge),
        Route("/healthz", service.health),
    ]
    handlers = {Problem: refused, HTTPException: unroutable, ReproError: unavailable, Exception: broken}
    return Starlette(routes=routes, exception_handlers=handlers)


@dataclass(frozen=True, kw_only=True)
class Service:
    """What the routes share, and the routes."""

    store: Store
    board: Board
    intake: Intake
    tokens: Tokens
    sending: Limiter
    guessing: Limiter
    largest: int

    async def take(self, request: Request) -> Response:
        """POST /api/records: one record. 201 if it is new, 200 if it was there."""
        token = await self._token(request)
        check_rate(self.sending, token.id)
        if "publish" not in token.scopes:
            require(token, "verify")
        data = await read_json(request, self.largest)
        taken = await run_in_threadpool(self.intake.take, data, token)
        if taken.new:
            LOG.info("token %s added %s", token.id, taken.record.id)
        answer = {"id": taken.record.id, "new": taken.new, "runner": taken.record.runner}
        place = {"Location": f"/api/records/{taken.record.id.removeprefix('sha256:')}"}
        return json_answer(answer, 201 if taken.new else 200, place)

    def record(self, request: Request) -> Response:
        """GET /api/records/<id>: the record's own bytes; by its whole id, or by the 16 digits that name its file."""
        name = request.path_params["name"].removesuffix(".json").removeprefix("sha256:")
        if len(name) not in (16, 64) or not set(name) <= set("0123456789abcdef"):
            raise Problem(404, "A record's id is 64 hexadecimal digits", "Give them all, or the first 16.")
        found = self._find(name)
        if found is None:
            self.board.refresh()
            found = self._find(name)
        if found is None:
            raise Problem(404, "There is no such record", "See /api/claims.json.")
        keep = f"public, max-age={365 * DAY}, immutable"  # a record is never edited
        return _unless_known(request, encode(found), found.id, keep, "application/json")

    def claims(self, request: Request) -> Response:
        """GET /api/claims.json: the board."""
        kept = self.board.snapshot()
        return _unless_known(request, kept.json, kept.version, "no-cache", "application/json")

    def badge(self, request: Request) -> Response:
        """GET /badge/<paper>[/<claim>].svg or .json, ?implementation=reference: verdicts in a few words."""
        paper, claim, form = (request.path_params.get(name) for name in ("paper", "claim", "form"))
        entries = self.board.snapshot().entries
        own = request.query_params.get("implementation", REFERENCE)
        names = {(one.paper, None) for one in entries} | {(one.paper, one.claim.partition("/")[2]) for one in entries}
        if (paper, claim) not in names or form not in ("svg", "json"):
            raise Problem(404, "There is no such paper or claim on this board", "See /api/claims.json.")
        if own != REFERENCE and not own.startswith("submission:"):
            own = f"submission:{own}"
        shown = badges.face(entries, str(paper), claim, own)
        headers = {"Cache-Control": "public, max-age=300"}
        if form == "json":
            return json_answer(badges.shields(shown), headers=headers)
        sealed = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return Response(badges.svg(shown), 200, COMMON | headers | sealed, "image/svg+xml")

    def health(self, request: Request) -> Response:
        """GET /healthz: 200 while the index answers, else 503."""
        self.store.find("0" * 64)
        return json_answer({"status": "ok"}, headers={"Cache-Control": "no-store"})

    async def list_tokens(self, request: Request) -> Response:
        """GET /api/tokens: who may send records, for an admin; without secrets and hashes."""
        require(await self._token(request), "admin")
        known = [
            {"id": t.id, "name": t.name, "scopes": t.scopes, "created": t.created, "revoked": t.revoked}
            for t in self.tokens.all()
        ]
        return json_answer(known, headers={"Cache-Control": "no-store"})

    async def revoke(self, request: Request) -> Response:
        """DELETE /api/tokens/<id>: revoke a token, by an admin or by the token itself."""
        token, own = await self._token(request), request.path_params["own"]
        if own != token.id:
            require(token, "admin")
        if own not in {known.id for known in self.tokens.all()}:
            raise Problem(404, "There is no such token", "See /api/tokens.")
        revoked = await run_in_threadpool(self.tokens.revoke, own)
        LOG.info("token %s revoked %s", token.id, own)
        return json_answer({"id": own, "revoked": revoked.revoked}, headers={"Cache-Control": "no-store"})

    def _find(self, name: str) -> Record | None:
        return next((found for store in self.board.stores.stores if (found := store.find(name)) is not None), None)

    async def _token(self, request: Request) -> Token:
        """The token that a request shows.

        Raises:
            Problem: 401 if it shows none that is good; 429 if its address has shown too many.
        """
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not text.strip():
            _unknown("The request shows no token: Authorization: Bearer ...")
        found = self.tokens.proved(text.strip())
        if found is None:
            check_rate(self.guessing, request.client.host if request.client else "")
            found = await run_in_threadpool(self.tokens.check, text.strip())
        if found is None:
            _unknown("The token is not known here, or was revoked")
        return found


def _unknown(detail: str) -> NoReturn:
    raise Problem(401, detail, "Ask the board's keeper for a token.", {"WWW-Authenticate": "Bearer"})


def _unless_known(request: Request, data: bytes, version: str, keep: str, kind: str) -> Response:
    """An answer, or 304 where the asker has this version of it; "" is never known."""
    headers = COMMON | {"Cache-Control": keep} | ({"ETag": f'"{version}"'} if version else {})
    asked = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if version and asked & {f'"{version}"', "*"}:
        return Response(status_code=304, headers=headers)
    return Response(data, 200, headers, kind)
