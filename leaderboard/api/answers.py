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


class RefusedRequest(Exception):
    """A request that is refused.

    Args:
        detail: what is wrong, as one sentence without a full stop.
        remedy: what to do about it.
        headers: more headers of the answer.
    """

    def __init__(self, status: int, detail: str, remedy: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.remedy = status, detail, remedy
        self.headers = dict(headers or {})


def refusal(problem: RefusedRequest) -> Response:
    """The answer to a request that is refused."""
    plain = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "remedy": problem.remedy,
    }
    headers = COMMON | {"Cache-Control": "no-store"} | problem.headers
    return Response(msgspec.json.encode(plain), problem.status, headers, "application/problem+json")


async def refused(request: Request, error: Exception) -> Response:
    """The answer to a `RefusedRequest`."""
    assert isinstance(error, RefusedRequest)
    return refusal(error)


async def unroutable(request: Request, error: Exception) -> Response:
    """The answer where there is no such address or method."""
    assert isinstance(error, HTTPException)
    remedy = "See docs/board.md for the addresses." if error.status_code in (404, 405) else "Send it otherwise."
    return refusal(RefusedRequest(error.status_code, error.detail, remedy, error.headers))


async def unavailable(request: Request, error: Exception) -> Response:
    """The answer where store or database cannot be used; the reason is for the log, since it may name files."""
    assert isinstance(error, ReproError)
    LOG.error("%s", error)
    return refusal(
        RefusedRequest(503, "The store of this board cannot be used now", "Try later.", {"Retry-After": "30"})
    )


async def broken(request: Request, error: Exception) -> Response:
    """The answer to an internal error; the server logs it."""
    return refusal(
        RefusedRequest(500, "Internal error of the board", "Report it to the operator; the log has details.")
    )


def json_answer(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A value as JSON."""
    return Response(msgspec.json.encode(value), status, COMMON | dict(headers or {}), "application/json")
