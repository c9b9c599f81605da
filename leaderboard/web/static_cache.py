"""Streamlit's own scripts, styles and fonts, from memory."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class CachedFiles:
    """Keeps the files that never change, named by a hash of their content, as they were first sent.

    Streamlit reads each of them in threads and in pieces for each visitor, a hundred files for a first visit. They are
    at most as many bytes as its folder of them has, some 25 MiB.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._kept: dict[str, list[Message]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if not _plain(scope):
            await self._app(scope, receive, send)
        elif (kept := self._kept.get(scope["path"])) is not None:
            for message in kept:
                await send(message)
        else:
            sent: list[Message] = []

            async def kept_and_sent(message: Message) -> None:
                sent.append(message)
                await send(message)

            await self._app(scope, receive, kept_and_sent)
            if _immutable(sent):
                body = b"".join(message.get("body", b"") for message in sent[1:])
                self._kept[scope["path"]] = [sent[0], {"type": "http.response.body", "body": body}]


def _plain(scope: Scope) -> bool:
    """Whether a request asks for the whole of a file of Streamlit's."""
    return (
        scope["type"] == "http"
        and scope["method"] == "GET"
        and scope["path"].startswith("/static/")
        and not {name for name, _ in scope["headers"]} & {b"range", b"if-none-match", b"if-modified-since"}
    )


def _immutable(sent: list[Message]) -> bool:
    """Whether an answer was sent whole and holds for all time."""
    return (
        len(sent) > 1
        and sent[0].get("status") == 200
        and any(name == b"cache-control" and b"immutable" in value for name, value in sent[0]["headers"])
        and all(message["type"] == "http.response.body" for message in sent[1:])
        and not sent[-1].get("more_body", False)
    )
