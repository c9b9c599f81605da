"""Sending records to a shared board over HTTPS.

The board knows what it has, so nothing is kept here: whatever was interrupted is sent again, and what is there already
is passed over.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec
import requests

from repro.errors import ReproError
from repro.record.record import Record, encode

HERE = {"localhost", "127.0.0.1", "::1"}
AGAIN = {429, 502, 503, 504}
TRIES = 8  # of one request
LONGEST_S = 60.0  # of a pause between tries, unless the board asks for a longer one
ASKED_S = 300.0  # the longest that a board may ask for
TIMEOUT_S = (10.0, 60.0)  # to connect, and between bytes
ANSWER = 1 << 16  # bytes that are read of an answer


class Sent(NamedTuple):
    """What became of a record: new to the board, there already, or refused with the reason."""

    record: Record
    outcome: Literal["added", "known", "refused"]
    reason: str = ""


class _Refusal(msgspec.Struct):
    detail: str = ""
    remedy: str = ""


class Remote:
    """A shared board.

    Args:
        url: its address, over https; http is for this machine only.
        token: what allows to send records; it goes to this address only, and is never followed elsewhere.
        on_progress: is called with a line for each pause.
        sleep: waits for seconds.

    Raises:
        ReproError: if the URL or the token cannot be used.
    """

    def __init__(
        self,
        url: str,
        token: str,
        on_progress: Callable[[str], None] = lambda line: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = checked(url)
        if not token.isascii() or not token.isprintable() or not token or " " in token:
            raise ReproError(
                "The token is not one line of letters and digits", "Give it as `repro token new` printed it."
            )
        self._on_progress, self._sleep = on_progress, sleep
        self._session = requests.Session()
        self._token = token

    def send(self, records: Sequence[Record]) -> Iterator[Sent]:
        """Send records, one after the other; yields what became of each.

        Raises:
            ReproError: if the board cannot be reached, or does not take this token.
        """
        for record in records:
            if self._ask("HEAD", f"/api/records/{record.id.removeprefix('sha256:')}").status == 200:
                yield Sent(record, "known")
                continue
            answer = self._ask("POST", "/api/records", encode(record))
            if answer.status in (409, 413, 422):
                yield Sent(record, "refused", answer.reason())
            elif answer.status in (200, 201):
                yield Sent(record, "added" if answer.status == 201 else "known")
            elif answer.status in (401, 403):
                raise ReproError(f"{self.url} does not take this token: {answer.reason()}", "No more were sent.")
            else:
                raise self._foreign(answer)

    def _ask(self, method: str, path: str, body: bytes | None = None) -> _Answer:
        """A request, tried again while the board is busy or cannot be reached."""
        trouble, asked = "", None
        for attempt in range(TRIES):
            if attempt:
                pause = _pause(attempt, asked)
                self._on_progress(f"{trouble}; trying again in {pause:.0f} s ({attempt} of {TRIES - 1})")
                self._sleep(pause)
            try:
                answer = self._once(method, path, body)
            except requests.exceptions.SSLError as error:
                raise ReproError(
                    f"{self.url} does not prove who it is ({printable(str(error))})",
                    "Nothing was sent. Ask its keeper.",
                ) from error
            except requests.RequestException as error:
                trouble, asked = f"{self.url} cannot be reached ({type(error).__name__})", None
                continue
            if answer.status not in AGAIN:
                if method == "HEAD" and answer.status not in (200, 404):
                    raise self._foreign(answer)
                return answer
            trouble, asked = f"{self.url} is busy ({answer.status}: {answer.reason()})", answer.retry_after
        raise ReproError(trouble, "Run the same command later: it goes on where it stopped.")

    def _once(self, method: str, path: str, body: bytes | None) -> _Answer:
        with self._session.request(
            method,
            self.url + path,
            data=body,
            headers={"Content-Type": "application/json"} if body is not None else {},
            auth=self._authorised,
            timeout=TIMEOUT_S,
            allow_redirects=False,
            stream=True,
        ) as response:
            start = next(response.iter_content(ANSWER), b"")
            wait = response.headers.get("retry-after", "")
            return _Answer(
                response.status_code,
                start,
                float(wait) if wait.isdecimal() else None,
                response.headers.get("location", ""),
            )

    def _authorised(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """The token as a header; given as `auth`, so that no netrc file puts another in its place."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def _foreign(self, answer: _Answer) -> ReproError:
        """What is wrong with an answer that no board gives to a request of ours."""
        if 300 <= answer.status < 400:
            return ReproError(
                f"{self.url} points to {printable(answer.location)}", "Give that address, if you trust it."
            )
        return ReproError(
            f"{self.url} answered with {answer.status}: {answer.reason()}", "Is it the address of a board?"
        )


class _Answer(NamedTuple):
    status: int
    start: bytes
    retry_after: float | None
    location: str

    def reason(self) -> str:
        """What the board says is wrong, in a line; no control characters, since it goes to a terminal."""
        try:
            found = msgspec.json.decode(self.start, type=_Refusal)
        except ValueError:
            return "no reason given"
        return printable(f"{found.detail}. {found.remedy}".strip(". ")) or "no reason given"


def checked(url: str) -> str:
    """The address of a board, without a slash at its end.

    Raises:
        ReproError: if it is none, if it holds a password, or if it is plain http to another machine.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ReproError(f"{url!r} is no address ({error})", "Give one such as https://board.example.org.") from error
    if parts.scheme not in ("https", "http") or not host or parts.query or parts.fragment:
        raise ReproError(f"{url!r} is not the address of a board", "Give one such as https://board.example.org.")
    if parts.username is not None or parts.password is not None:
        raise ReproError("The address of a board holds no user or password", "Set REPRO_TOKEN instead.")
    if parts.scheme == "http" and host not in HERE:
        raise ReproError(f"{url} would send the token in the clear", "Use https; http is for localhost only.")
    return url.rstrip("/")


def read_token(environment: str, file: Path | None) -> str:
    """The token from the value of REPRO_TOKEN or from a file; the file goes first.

    Raises:
        ReproError: if there is none, if the file cannot be read, or if others may read it.
    """
    if file is None:
        if environment.strip():
            return environment.strip()
        raise ReproError("Sending records needs a token", "Set REPRO_TOKEN, or give --token-file FILE.")
    try:
        if file.stat().st_mode & 0o077:
            raise ReproError(f"Others may read the token in {file}", f"Run chmod 600 {file}.")
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ReproError(f"The token in {file} cannot be read ({error})", "Give a file that holds it.") from error


def printable(text: str) -> str:
    """A text from elsewhere, fit for a terminal, at most 500 characters of it."""
    return "".join(c if c.isprintable() else " " for c in text[:500])


def _pause(attempt: int, asked: float | None) -> float:
    """Seconds before a try: doubling from 1, by chance up to a half longer; and not less than the board asked for."""
    own = min(LONGEST_S, 2.0 ** (attempt - 1)) * random.uniform(1.0, 1.5)
    return max(own, min(asked or 0.0, ASKED_S))
