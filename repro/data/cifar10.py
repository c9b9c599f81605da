"""CIFAR-10: 60,000 colour images, 32x32, of ten classes (Krizhevsky, 2009).

Looked for in REPRO_DATA and then among the downloads, below `cifar10/`: as `<batch>.xz`, as the unpacked folder
`cifar-10-batches-py/`, or as the published archive. The batches are Python pickles. Each is checked against its
sha256 first, and then read by an unpickler that knows no names but those which build a NumPy array, so nothing in
a file can be executed. The parsed arrays are kept in the cache.
"""

from __future__ import annotations

import contextlib
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.data._dataset import Dataset, Description, Split, arrays_digest
from repro.data._published import PublishedFiles, Read
from repro.data._reading import guarded, is_file
from repro.errors import ReproError, Unavailable
from repro.paths import atomic_write, download_dir

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
MIRROR = "https://dataset.bj.bcebos.com/cifar/cifar-10-python.tar.gz"  # PaddlePaddle's, with the published md5
ARCHIVE_BYTES = 170_498_071
FOLDER = "cifar-10-batches-py"
BATCH_HASHES = {
    "data_batch_1": "54636561a3ce25bd3e19253c6b0d8538147b0ae398331ac4a2d86c6d987368cd",
    "data_batch_2": "766b2cef9fbc745cf056b3152224f7cf77163b330ea9a15f9392beb8b89bc5a8",
    "data_batch_3": "0f00d98ebfb30b3ec0ad19f9756dc2630b89003e10525f5e148445e82aa6a1f9",
    "data_batch_4": "3f7bb240661948b8f4d53e36ec720d8306f5668bd0071dcb4e6c947f78e9682b",
    "data_batch_5": "d91802434d8376bbaeeadf58a737e3a1b12ac839077e931237e0dcd43adcb154",
    "test_batch": "f53d8d457504f7cff4ea9e021afcf0e0ad8e24a91f3fc42091b8adef61157831",
}
FILES = PublishedFiles(
    title="CIFAR-10",
    folder="cifar10",
    forms=("{}.xz", f"{FOLDER}/{{}}"),
    largest=32 << 20,
    archive="cifar-10-python.tar.gz",
    archive_urls=(URL, MIRROR),
    archive_hash="md5:c58f30108f718f92721af3b95e74349a",  # the only one that is published
    member=f"{FOLDER}/{{}}",
)
fetch = FILES.fetch
DIGEST = "e19905ad3e81cb6d0fb8b4c943f25a6a2649aea623a211c08fcbea0ef1909242"  # of the parsed arrays

_NAMES = {
    ("numpy.core.multiarray", "_reconstruct"),  # what the published pickles were written with
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}


def load() -> Dataset[Split]:
    """50,000 training and 10,000 test images [N, 32, 32, 3].

    Raises:
        Unavailable: if the data is not on this machine.
        ReproError: if a file is damaged or is another one.
    """
    splits = _cached()
    if splits is None:
        read = FILES.find(BATCH_HASHES)
        if read is None:
            raise Unavailable("The dataset cifar10 is not on this machine", describe().how_to_get)
        splits = _parsed(read)
        if arrays_digest(*splits) != DIGEST:
            raise ReproError("CIFAR-10 was read, but its arrays are not the known ones", "Report this.")
        _keep(*splits)
    return Dataset(name="cifar10", train=splits[0], test=splits[1], digest=DIGEST)


def digest() -> str:
    """The sha256 of both splits, without reading them."""
    return DIGEST


def available() -> bool:
    """Whether the data, or what was parsed from it, is on this machine."""
    return is_file(_parsed_file()) or FILES.find(BATCH_HASHES) is not None


def describe() -> Description:
    """What the dataset is."""
    return Description(
        says="colour photographs of ten classes, 32x32, 50,000 for training and 10,000 for testing",
        url=URL,
        size_bytes=ARCHIVE_BYTES,
        licence="no formal licence; free for research that cites Krizhevsky (2009)",
        embedded=False,
        how_to_get="Run `repro data get cifar10` (163 MiB), or set REPRO_DATA to a folder that holds cifar10/.",
    )


def _parsed(read: Read) -> tuple[Split, Split]:
    batches = [_batch(name, read(name)) for name in BATCH_HASHES]
    return _split(batches[:5]), _split(batches[5:])


def _split(batches: list[tuple[NDArray[np.uint8], NDArray[np.int64]]]) -> Split:
    images = np.concatenate([images for images, _ in batches])
    return Split(images=images, labels=np.concatenate([labels for _, labels in batches]), classes=10)


def _batch(name: str, data: bytes) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images [10000, 32, 32, 3] and labels [10000] of a batch."""
    content = unpickle(FILES.checked(name, data, BATCH_HASHES[name]))
    with guarded(lambda why: FILES.damaged(name, why)):
        planes: NDArray[np.uint8] = content[b"data"].reshape(-1, 3, 32, 32)  # red, green and blue planes
        labels = np.asarray(content[b"labels"], dtype=np.int64)
        if planes.dtype != np.uint8 or labels.shape != planes.shape[:1] or not ((labels >= 0) & (labels < 10)).all():
            raise ValueError(f"{len(planes)} images of {planes.dtype} with labels {list(labels.shape)}")
        return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels


class _Unpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> Any:
        if (module_name, global_name) not in _NAMES:
            raise pickle.UnpicklingError(f"it names {module_name}.{global_name}")
        return super().find_class(module_name.replace("numpy.core", "numpy._core"), global_name)


def unpickle(data: bytes) -> dict[bytes, Any]:
    """A Python 2 pickle of numbers, texts, lists, dictionaries and NumPy arrays, and of nothing else.

    Raises:
        ReproError: if it is damaged, or asks for anything else.
    """
    with guarded(lambda why: FILES.damaged("a batch", why)):
        return _Unpickler(io.BytesIO(data), encoding="bytes").load()


def _parsed_file() -> Path:
    return download_dir() / "cifar10" / f"parsed-{DIGEST[:12]}.npz"


def _cached() -> tuple[Split, Split] | None:
    """What was parsed before, if it is undamaged."""
    try:
        with np.load(_parsed_file(), allow_pickle=False) as arrays:
            train, test = (
                Split(images=arrays[f"{part}_images"], labels=arrays[f"{part}_labels"], classes=10)
                for part in ("train", "test")
            )
    except Exception:  # whatever damage does to a zip file of arrays: it is parsed again
        return None
    return (train, test) if arrays_digest(train, test) == DIGEST else None


def _keep(train: Split, test: Split) -> None:
    """Keep the arrays; a cache that cannot be written only costs parsing again."""
    buffer = io.BytesIO()
    np.savez(
        buffer,
        train_images=np.asarray(train.images),
        train_labels=train.labels,
        test_images=np.asarray(test.images),
        test_labels=test.labels,
    )
    with contextlib.suppress(OSError):
        atomic_write(_parsed_file(), buffer.getvalue())
