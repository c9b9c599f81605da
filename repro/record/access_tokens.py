"""Tokens that let people send records to a shared board: who they are, what they may do, and a hash of the secret.

They lie in `tokens.json` in the board's store, for its owner's eyes only. A token's secret is 32 random bytes and is
shown once; what is kept is scrypt of it under a salt of its own.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import msgspec
from filelock import FileLock

from repro.errors import ReproError, unknown
from repro.numbers import now

Scope = Literal["publish", "verify", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
PREFIX = "repro_"  # so that scanners for leaked secrets know one
LONGEST = 200  # characters of what is sent as a token
COST = 2**12  # of scrypt: about 10 ms; the secret is random, so that guessing it is hopeless at any speed


class Token(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept of a token.

    Attributes:
        id: 8 hexadecimal digits, part of the token's text.
        name: who has it.
        scopes: "publish": send records of one's own runs; "verify": send verified records; "admin": revoke tokens.
        created: when, in UTC.
        revoked: when it was revoked; None while it is good.
        salt: of the hash, in hex.
        digest: scrypt of the secret, in hex.
    """

    id: str
    name: str
    scopes: tuple[Scope, ...]
    created: str
    revoked: str | None = None
    salt: str
    digest: str


class Tokens:
    """The tokens of the store in a folder. A change to the file is seen at once by whoever has it open."""

    def __init__(self, root: Path) -> None:
        self.path = tokens_file(root)
        self._read: tuple[tuple[int, ...], dict[str, Token]] = ((), {})
        self._proved: dict[str, bytes] = {}  # sha256 of secrets that scrypt has been paid for, by digest
        self._lock = threading.Lock()

    def all(self) -> tuple[Token, ...]:
        """Every token, revoked ones too, in the order in which they were made.

        Raises:
            ReproError: if the file cannot be read.
        """
        return tuple(self._known().values())

    def new(self, name: str, scopes: Sequence[Scope] = ("publish",)) -> str:
        """Make a token and return its text, which cannot be had again.

        Raises:
            ReproError: if the name is empty, longer than 80 characters or not printable, a scope is unknown or none
                is given, or the file cannot be written.
        """
        if not name.strip() or len(name) > 80 or not name.isprintable():
            raise ReproError("A token needs a name of 1 to 80 printable characters", "Say who it is for.")
        for scope in scopes:
            if scope not in SCOPES:
                raise unknown("scope", scope, SCOPES)
        if not scopes:
            raise ReproError("A token needs a scope", f"Give one of {', '.join(SCOPES)}.")
        own, secret, salt = secrets.token_hex(4), secrets.token_urlsafe(32), secrets.token_bytes(16)
        token = Token(
            id=own,
            name=name,
            scopes=tuple(scope for scope in SCOPES if scope in scopes),
            created=now(),
            salt=salt.hex(),
            digest=_digest(secret, salt),
        )
        self._change(token)
        return f"{PREFIX}{own}_{secret}"

    def revoke(self, own: str) -> Token:
        """Make a token useless, from now on; one that is revoked already stays as it is.

        Raises:
            ReproError: if there is no token with this id, or the file cannot be written.
        """
        known = self._known()
        if own not in known:
            raise unknown("token", own, known)
        if known[own].revoked is not None:
            return known[own]
        revoked = msgspec.structs.replace(known[own], revoked=now())
        self._change(revoked)
        return revoked

    def proved(self, text: str) -> Token | None:
        """The token with this text if `check` has accepted it before and it is good; costs next to nothing."""
        token, secret = self._claimed(text)
        if token is None or token.revoked is not None:
            return None
        known = self._proved.get(token.digest, b"")
        return token if hmac.compare_digest(known, hashlib.sha256(secret.encode()).digest()) else None

    def check(self, text: str) -> Token | None:
        """The good token with this text; None if there is no such, if its secret is another, or if it was revoked.

        Raises:
            ReproError: if the file cannot be read.
        """
        token, secret = self._claimed(text)
        if token is None or token.revoked is not None:
            return None
        if not hmac.compare_digest(_digest(secret, bytes.fromhex(token.salt)), token.digest):
            return None
        self._proved[token.digest] = hashlib.sha256(secret.encode()).digest()
        return token

    def _claimed(self, text: str) -> tuple[Token | None, str]:
        """The token that a text says it is, not yet believed, and the secret in the text."""
        own, _, secret = text.removeprefix(PREFIX).partition("_")
        if len(text) > LONGEST or not text.isascii():
            return None, ""
        return self._known().get(own), secret

    def _known(self) -> dict[str, Token]:
        """The tokens by id, read again if the file has changed."""
        with self._lock:
            try:
                facts = self.path.stat()
                stamp = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
                if stamp != self._read[0]:
                    found = msgspec.json.decode(self.path.read_bytes(), type=list[Token])
                    self._read = (stamp, {token.id: token for token in found})
            except FileNotFoundError:
                self._read = ((), {})
            except (OSError, ValueError) as error:
                raise ReproError(
                    f"The tokens in {self.path} cannot be read ({error})", "Mend the file, or move it away."
                ) from error
            return self._read[1]

    def _change(self, token: Token) -> None:
        """Write the file with one token added or replaced."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.path.with_suffix(".lock")):
                found = [*({t.id: t for t in self._known().values()} | {token.id: token}).values()]
                _write_private(self.path, msgspec.json.format(msgspec.json.encode(found), indent=1))
        except OSError as error:
            raise ReproError(
                f"The tokens in {self.path} cannot be written ({error.strerror or error})", "Set REPRO_STORE elsewhere."
            ) from error


def tokens_file(root: Path) -> Path:
    """Where the tokens of the store in a folder lie. A store that has them takes records from others."""
    return root / "tokens.json"


def _write_private(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, which at no time anybody but its owner may read."""
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:  # made for its owner only
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(file.name, path)


def _digest(secret: str, salt: bytes) -> str:
    return hashlib.scrypt(secret.encode(), salt=salt, n=COST, r=8, p=1, dklen=32).hex()
