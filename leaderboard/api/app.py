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

from leaderboard.api.answers import LOG, RefusedRequest, broken, json_answer, refused, unavailable
from leaderboard.api.board import Board
from leaderboard.api.ingest import Intake, require
from leaderboard.api.limits import Limiter, check_rate, read_json
from leaderboard.api.reading import Reading
from repro.errors import ReproError
from repro.record.access_tokens import Token, Tokens
from repro.record.store import MergedStore, Store

LARGEST = 4 << 20  # bytes of a record that is sent in; a hundred times what records have had so far
RATE, BURST = 120.0, 60  # records a minute of one token, and how many at once
GUESSES, GUESS_BURST = 30.0, 120  # tokens that one address may show and that were not seen before


def create(
    store: Store,
    published: Store,
    known: Mapping[str, str] | None = None,
    *,
    largest: int = LARGEST,
    per_minute: float = RATE,
    burst: int = BURST,
) -> Starlette:
    """The service as an ASGI application.

    Args:
        store: what is sent in goes here; its tokens lie in its folder.
        published: what the project publishes, shown before all else.
        known: what today's claims say, as `repro.record.record.terms`, by id; None admits any claim.
        largest: bytes of a record.
        per_minute: records that a token may send, in the long run.
        burst: records that it may send at once.

    Raises:
        ReproError: if a store cannot be used.
    """
    store.sync()  # a store that cannot be used fails at the start
    service = Service(
        intake=Intake(store, known),
        tokens=Tokens(store.root),
        sending=Limiter(per_minute, burst),
        guessing=Limiter(GUESSES, GUESS_BURST),
        largest=largest,
    )
    routes = [
        Route("/api/records", service.take, methods=["POST"]),
        Route("/api/tokens", service.list_tokens),
        Route("/api/tokens/{own}", service.revoke, methods=["DELETE"]),
        *Reading(Board(MergedStore((published, store)))).routes(),
    ]
    handlers = {HTTPException: refused, ReproError: unavailable, Exception: broken}
    return Starlette(routes=routes, exception_handlers=handlers)


@dataclass(frozen=True, kw_only=True)
class Service:
    """What the routes of senders and operators share, and the routes."""

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
        record, new = await run_in_threadpool(self.intake.take, data, token)
        if new:
            LOG.info("token %s added %s", token.id, record.id)
        answer = {"id": record.id, "new": new, "runner": record.runner}
        place = {"Location": f"/api/records/{record.id.removeprefix('sha256:')}"}
        return json_answer(answer, 201 if new else 200, place)

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
            raise RefusedRequest(404, "There is no such token", "See /api/tokens.")
        revoked = await run_in_threadpool(self.tokens.revoke, own)
        LOG.info("token %s revoked %s", token.id, own)
        return json_answer({"id": own, "revoked": revoked.revoked}, headers={"Cache-Control": "no-store"})

    async def _token(self, request: Request) -> Token:
        """The token that a request shows.

        Raises:
            RefusedRequest: 401 if it shows none that is good; 429 if its address has shown too many.
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
    raise RefusedRequest(401, detail, "Ask the operator of the board for a token.", {"WWW-Authenticate": "Bearer"})
