"""How long a connection may take: for a request to arrive, for its body, and for an answer to be taken away.

Whoever is too slow is dropped. Where there are too many connections, the one that has waited longest without a request
gives way, so that nobody keeps others out by connections that say nothing.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

CONNECTIONS = 256  # at once
IDLE_S = 15.0  # between an answer and the first byte of the next request
HEAD_S = 20.0  # for the head of a request, from its first byte on, or from the start of the connection
BODY_S = 40.0  # for its body; the service answers 408 before (`leaderboard.api.limits.BODY_S`)
TAKE_S = 40.0  # for a part of an answer that fills the connection's buffer to be taken away


class TimedConnection(H11Protocol):
    """A connection with deadlines for each thing that it waits for from the other side."""

    _phase = ""
    _since = 0.0
    _deadline: asyncio.TimerHandle | None = None
    _taking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to wait for a request, and make room for it."""
        super().connection_made(transport)
        self._wait_for("head", HEAD_S)
        self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all waiting."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, which moves no deadline but that of a request that begins with it."""
        if self._phase == "idle":
            self._wait_for("head", HEAD_S)
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._look()

    def pause_writing(self) -> None:
        """The other side does not take the answer away as fast as it comes."""
        super().pause_writing()
        self._taking = self.loop.call_later(TAKE_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It has taken some of it away."""
        super().resume_writing()
        if self._taking is not None:
            self._taking.cancel()

    @property
    def answering(self) -> bool:
        """Whether there is a request that has not been answered yet."""
        return self.cycle is not None and not self.cycle.response_complete

    def _look(self) -> None:
        """See what is waited for now."""
        if self.transport.is_closing():
            return  # what was written may still be under way: the deadline that runs is for that
        if self.answering and not self.cycle.more_body:
            self._wait_for("", None)
        elif self.conn.their_state in (h11.SEND_BODY, h11.MUST_CLOSE):
            self._wait_for("body", BODY_S)
        elif self._phase not in ("head", "idle"):
            self._wait_for("idle", IDLE_S)

    def _wait_for(self, phase: str, seconds: float | None) -> None:
        """Wait for something else than before; of what is waited for already the deadline stays."""
        if phase == self._phase:
            return
        if self._deadline is not None:
            self._deadline.cancel()
        self._phase, self._since = phase, time.monotonic()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)

    def _stop(self) -> None:
        for timer in (self._deadline, self._taking):
            if timer is not None:
                timer.cancel()

    def _make_room(self) -> None:
        """Drop connections that have no request, the one that has waited longest first."""
        spare = [one for one in self.connections if isinstance(one, TimedConnection) and not one.answering]
        for one in sorted(spare, key=lambda one: one._since)[: max(0, len(self.connections) - CONNECTIONS + 1)]:
            if one is not self:
                self.connections.discard(one)  # it counts no longer, though its end comes later
                one.transport.abort()


def settings(app: ASGIApp, **options: Any) -> uvicorn.Config:
    """How the service is served; `options` are uvicorn's."""
    own: dict[str, Any] = {
        "ws": "none",
        "http": TimedConnection,
        "server_header": False,
        "limit_concurrency": CONNECTIONS,
        "timeout_keep_alive": IDLE_S,
    }
    return uvicorn.Config(app, **own | options)
