"""ServiceLimits on what one caller may do: how often, how much, and how slowly."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable

from starlette.requests import ClientDisconnect, Request

from leaderboard.api.answers import RefusedRequest

BODY_S = 30.0  # for a body to arrive whole
CALLERS = 10_000  # that are remembered


class Limiter:
    """A bucket for each caller: `burst` requests at once, refilled by `per_minute`.

    Args:
        per_minute: requests a minute that a caller may go on with.
        burst: how many it may send at once.
        clock: seconds that only grow.
    """

    def __init__(self, per_minute: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = per_minute / 60, burst, clock
        self._buckets: dict[str, tuple[float, float]] = {}  # tokens left, and when
        self._lock = threading.Lock()

    def take(self, caller: str) -> float:
        """Seconds to wait before the next request; 0.0 if this one may go on."""
        with self._lock:
            now = self._clock()
            left = self._left(caller, now)
            if left >= 1:
                self._buckets[caller] = (left - 1, now)
                self._prune(now)
                return 0.0
            return (1 - left) / self._rate

    def _left(self, caller: str, now: float) -> float:
        left, since = self._buckets.get(caller, (self._burst, now))
        return min(self._burst, left + (now - since) * self._rate)

    def _prune(self, now: float) -> None:
        """Forget callers whose bucket is full again; if that is not enough, those that were seen first."""
        if len(self._buckets) > CALLERS:
            self._buckets = {c: b for c, b in self._buckets.items() if self._left(c, now) < self._burst}
            for caller in list(self._buckets)[: max(0, len(self._buckets) - CALLERS)]:
                del self._buckets[caller]


def check_rate(limiter: Limiter, caller: str) -> None:
    """Count a request.

    Raises:
        RefusedRequest: 429 with the seconds to wait, if there were too many.
    """
    wait = limiter.take(caller)
    if wait > 0:
        seconds = math.ceil(wait)
        raise RefusedRequest(429, "Too many requests", f"Try again in {seconds} s.", {"Retry-After": str(seconds)})


async def read_json(request: Request, largest: int) -> bytes:
    """The body of a request that says it is JSON in UTF-8, uncompressed, of at most `largest` bytes.

    What the headers give away is refused before any of the body is read, and what goes on too long as soon as it does.

    Raises:
        RefusedRequest: 415 for another type, charset or encoding; 413 for too much; 408 for too slow; 400 for a body
            that ends early.
    """
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if kind.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
        raise RefusedRequest(415, "The body is not JSON in UTF-8", "Send Content-Type: application/json.")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise RefusedRequest(415, "The body is compressed", "Send it as it is.")
    stated = request.headers.get("content-length", "0")
    if not (stated.isascii() and stated.isdigit()):
        raise RefusedRequest(400, "The length of the body is no number", "Send the number of its bytes.")
    many, advice = f"The body has more than {largest:,} bytes", "Records of this size go into a pull request."
    too_large = RefusedRequest(413, many, advice, {"Connection": "close"})  # its rest would follow on the connection
    if len(stated) > 12 or int(stated) > largest:
        raise too_large
    found = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                if len(found) + len(chunk) > largest:
                    raise too_large
                found += chunk
    except TimeoutError as error:
        raise RefusedRequest(408, f"The body took more than {BODY_S:.0f} s", "Send it again.") from error
    except ClientDisconnect as error:
        raise RefusedRequest(400, "The body ended early", "Send it again.") from error
    return bytes(found)
