"""Arrays of large scans, kept in an unnamed temporary file and not in memory."""

from __future__ import annotations

import math
import mmap
import os
import shutil
import tempfile
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

LARGE_BYTES = 256 * 2**20
"""Size from which an array goes into a file: a 240 x 240 x 155 map takes 36 MB, one of a whole-body
CT a gigabyte, and a detection has several."""


def zeros(shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> np.ndarray:
    """A writable array of zeros; a large one is backed by a file that goes with it.

    Where the temporary folder has no room, it is in memory after all.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size < LARGE_BYTES:
        return np.zeros(shape, dtype)
    try:
        with tempfile.TemporaryFile(prefix="medad-") as file:
            _reserve(file.fileno(), size)
            return np.asarray(np.memmap(file, dtype, "r+", shape=shape))
    except OSError:
        return np.zeros(shape, dtype)


def _reserve(file: int, size: int) -> None:
    """Take the room now: a full disk noticed while writing would end the program."""
    if shutil.disk_usage(tempfile.gettempdir()).free < size:
        raise OSError("no room")
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:
        os.ftruncate(file, size)


def release(array: np.ndarray) -> None:
    """Let the memory of a file-backed array go; its values stay."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)
