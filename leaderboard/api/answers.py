"""What the service answers when it refuses: RFC 9457 problem details, with a remedy."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from repro.errors import ReproError

LOG = logging.getLogger("uvicorn.error")  # where the server writes its own messages
COMMON = {"X-Content-Type-Options": "nosniff", "Access-Control-Allow-Origin": "*"}
"""Headers of every answer: what is read here is public, and no browser is to guess what it is."""


class RefusedRequest(HTTPException):
    """A request that is refused.

    Args:
        detail: what is wrong, as one sentence without a full stop.
        remedy: what to do about it.
        headers: more headers of the answer.
    """

    def __init__(self, status: int, detail: str, remedy: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, detail, headers)
        self.remedy = remedy


async def refused(request: Request, error: Exception) -> Response:
    """The answer to a request that is refused, or for which there is no such address or method."""
    assert isinstance(error, HTTPException)
    status = error.status_code
    other = "See docs/board.md for the addresses." if status in (404, 405) else "Send it otherwise."
    plain = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": error.detail,
        "remedy": error.remedy if isinstance(error, RefusedRequest) else other,
    }
    headers = COMMON | {"Cache-Control": "no-store"} | dict(error.headers or {})
    return Response(msgspec.json.encode(plain), status, headers, "application/problem+json")


async def unavailable(request: Request, error: Exception) -> Response:
    """The answer where store or database cannot be used; the reason is for the log, since it may name files."""
    assert isinstance(error, ReproError)
    LOG.error("%s", error)
    problem = RefusedRequest(503, "The store of this board cannot be used now", "Try later.", {"Retry-After": "30"})
    return await refused(request, problem)


async def broken(request: Request, error: Exception) -> Response:
    """The answer to an internal error; the server logs it."""
    remedy = "Report it to the operator; the log has details."
    return await refused(request, RefusedRequest(500, "Internal error of the board", remedy))


def json_answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A value as JSON."""
    return Response(msgspec.json.encode(value), status, COMMON | dict(headers or {}), "application/json")
