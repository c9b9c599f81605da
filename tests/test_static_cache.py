"""Files that never change are sent from memory, and nothing else is."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("starlette", reason="the leaderboard needs the extra `board`")
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from leaderboard.web.static_cache import CachedFiles

IMMUTABLE = "public, immutable, max-age=31536000"


class Origin:
    """An application behind `CachedFiles` that counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.app = Starlette(
            routes=[Route("/{path:path}", self.answer, methods=["GET", "POST"])], middleware=[Middleware(CachedFiles)]
        )

    def answer(self, request):
        path = request.url.path
        self.asked.append(path)
        if path.endswith("changing.js"):
            return PlainTextResponse("now", headers={"Cache-Control": "no-cache"})
        if path.endswith("missing.js"):
            return PlainTextResponse("none", 404, headers={"Cache-Control": IMMUTABLE})
        return StreamingResponse(iter([b"one ", path.encode()]), 200, {"Cache-Control": IMMUTABLE, "X-Own": "yes"})

    def get(self, path, method="GET", headers=()):
        """Status, headers and body of an answer."""
        sent = []
        requests = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive():
            return requests.pop() if requests else await asyncio.Event().wait()  # nobody hangs up

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": method, "path": path, "headers": list(headers), "query_string": b""}
        asyncio.run(self.app(scope, receive, send))
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return sent[0]["status"], dict(sent[0]["headers"]), body


def test_a_file_that_never_changes_is_asked_for_once():
    """The second visitor gets the same status, headers and bytes; another file is another one."""
    origin = Origin()
    first = origin.get("/static/js/a.js")
    assert first[0] == 200
    assert first[1][b"x-own"] == b"yes"
    assert first[2] == b"one /static/js/a.js"
    assert origin.get("/static/js/a.js") == first
    assert origin.get("/static/js/b.js")[2] == b"one /static/js/b.js"
    assert origin.asked == ["/static/js/a.js", "/static/js/b.js"]


@pytest.mark.parametrize(
    ("path", "method", "headers"),
    [
        ("/static/changing.js", "GET", ()),
        ("/static/missing.js", "GET", ()),
        ("/page", "GET", ()),
        ("/static/a.js", "POST", ()),
        ("/static/a.js", "GET", ((b"range", b"bytes=0-1"),)),
        ("/static/a.js", "GET", ((b"if-none-match", b'"x"'),)),
    ],
)
def test_other_answers_are_never_kept(path, method, headers):
    """What may change, is missing, is no file, or is asked for in part or on a condition."""
    origin = Origin()
    for _ in range(2):
        origin.get(path, method, headers)
    assert origin.asked == [path, path]


def test_an_answer_that_breaks_off_is_not_kept():
    """Half a file is never sent to anybody else."""
    origin, whole = Origin(), []

    def broken():
        yield b"half"
        if not whole:
            raise OSError("gone")

    origin.answer = lambda request: StreamingResponse(broken(), 200, {"Cache-Control": IMMUTABLE})
    origin.app = Starlette(routes=[Route("/{path:path}", origin.answer)], middleware=[Middleware(CachedFiles)])
    with pytest.raises(OSError, match="gone"):
        origin.get("/static/a.js")
    whole.append(True)
    assert origin.get("/static/a.js")[2] == b"half"
