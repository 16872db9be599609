"""Tiny scans, and many of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest


def write_scan(path: Path, seed: int = 0, size: int = 16) -> Path:
    """A textured ball with a bright cube in it."""
    z, y, x = np.indices((size, size, size)) - size / 2
    ball = z**2 + y**2 + x**2 < (size / 2 - 1) ** 2
    array = np.where(ball, np.random.default_rng(seed).normal(100, 5, ball.shape), 0)
    array[size // 2 :, size // 2 :, 6:9][:3, :3] = 200 + 10 * seed
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(array.astype(np.float32), np.diag([2.0, 2, 2, 1])).to_filename(path)
    return path


@pytest.fixture
def scan() -> Callable[..., Path]:
    """Writes a scan to a path."""
    return write_scan


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A folder with three studies, each in a folder of its own."""
    for number in range(3):
        name = f"case-{number}"
        write_scan(tmp_path / "scans" / name / f"{name}_t2f.nii.gz", number)
    return tmp_path / "scans"
