"""Downloads: retried, checked, and put in place whole or not at all."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from repro.errors import ReproError
from repro.paths import unwritable

RETRIES = 3
TIMEOUT_S = 30.0
CHUNK = 1 << 16


def download(url: str, target: Path, *, known_hash: str, progress: Callable[[int, int], None] | None = None) -> Path:
    """Fetch `url` to `target` and check it; a file that is there and right is left alone.

    The bytes go to a temporary name in the same folder first, so an interrupted download leaves nothing that
    could be taken for the file.

    Args:
        url: where the file is published.
        target: where it is to lie.
        known_hash: "sha256:..." or "md5:...", as its makers publish it.
        progress: called with (bytes so far, bytes in all).

    Raises:
        ReproError: saying whether the network, the server, the checksum or the disk was at fault.
    """
    import pooch
    import requests

    pooch.get_logger().setLevel(logging.ERROR)
    store = pooch.create(
        path=target.parent,
        base_url="",
        registry={target.name: known_hash},
        urls={target.name: url},
        retry_if_failed=RETRIES,
    )
    stream: Any = partial(_stream, progress=progress or (lambda done, total: None))
    try:
        store.fetch(target.name, downloader=stream)
    except requests.HTTPError as error:
        problem = f"{error}".rstrip(".")  # such as "404 Client Error: Not Found for url: ..."
        raise ReproError(f"{problem} ({RETRIES + 1} times)", f"Try again later. {_by_hand(target)}") from error
    except requests.exceptions.ChunkedEncodingError as error:
        raise ReproError(
            f"The download of {target.name} was cut short, {RETRIES + 1} times", f"Try again. {_by_hand(target)}"
        ) from error
    except requests.RequestException as error:
        raise ReproError(f"{url} cannot be reached", f"Check the network. {_by_hand(target)}") from error
    except ValueError as error:
        raise _mismatch(target, known_hash, error) from error
    except OSError as error:
        raise unwritable(f"{target.parent}", error, "Set REPRO_CACHE to a folder that can be.") from error
    return target


def _stream(url: str, output: str, _pooch: object, *, progress: Callable[[int, int], None]) -> None:
    """Pooch's own downloader leaves the connection open when the server refuses; this one closes it."""
    import requests

    with requests.get(url, stream=True, timeout=TIMEOUT_S) as response, Path(output).open("wb") as file:
        response.raise_for_status()
        done, total = 0, int(response.headers.get("content-length", 0))
        for chunk in response.iter_content(CHUNK):
            file.write(chunk)
            done += len(chunk)
            progress(done, total)


def _by_hand(target: Path) -> str:
    return f"Or fetch {target.name} by hand and set REPRO_DATA to the folder above {target.parent.name}/."


def _mismatch(target: Path, known_hash: str, error: ValueError) -> ReproError:
    got = re.search(r"but got ([0-9a-f]+)", str(error))
    algorithm, _, expected = known_hash.rpartition(":")
    return ReproError(
        f"{target.name} has the wrong checksum: expected {algorithm} {expected}, got {got.group(1) if got else error}",
        f"The file was not kept. {_by_hand(target)}",
    )
