"""PNG, JPEG and TIFF pictures as studies of one slice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from PIL import Image, UnidentifiedImageError

from napari_medad.errors import MedadError
from napari_medad.volumes.volume import Volume

ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")

PICTURE_AFFINE = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Rows run to posterior, columns to the patient's left, 1 mm a pixel: a picture states none."""


def read_picture(path: Path, *, frame: int | None = None, modality: str | None = None) -> Volume:
    """Read a picture, 8 or 16 bit, grey or colour, as a volume of one slice.

    Raises
    ------
    MedadError
        If it is no picture, or has several pages and no frame was picked.
    """
    try:
        pixels = _tiff(path, frame) if path.suffix.lower().startswith(".tif") else _plain(path)
    except MedadError:
        raise
    except (UnidentifiedImageError, tifffile.TiffFileError, OSError, ValueError, SyntaxError):
        raise MedadError(
            f"{path} cannot be read as a picture; it may be truncated or of another format: "
            "save it again as PNG."
        ) from None
    if pixels.ndim == 3 and (pixels[..., :1] == pixels[..., 1:3]).all():
        pixels = pixels[..., 0]
    if pixels.ndim == 3 and pixels.dtype != np.uint8:
        pixels = (pixels / max(1, np.iinfo(pixels.dtype).max) * 255).astype(np.uint8)
    voxels = np.swapaxes(pixels, 0, 1)[:, :, None]
    notes = ("A picture states no pixel size; 1 mm was assumed.",)
    return Volume.from_grid(
        voxels,
        PICTURE_AFFINE,
        modality=modality,
        path=path,
        reader="picture",
        frame=frame,
        notes=notes,
    )


def _plain(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        if image.mode in ("L", "I;16", "I", "F"):
            pixels = np.asarray(image)
            return pixels.astype(np.uint16) if image.mode == "I" else pixels
        if image.mode == "1":
            return np.asarray(image.convert("L"))
        return np.asarray(image.convert("RGB"))


def _tiff(path: Path, frame: int | None) -> np.ndarray:
    with tifffile.TiffFile(path) as file:
        pages = len(file.pages)
        if pages > 1 and (frame is None or not 0 <= frame < pages):
            raise MedadError(
                f"{path} has {pages} pages; pick one with --frame 0 to {pages - 1}, or convert the "
                "stack to NIfTI, which can state its spacing."
            )
        pixels = file.pages[frame or 0].asarray()
    if pixels.ndim == 3:
        pixels = pixels[..., 0] if pixels.shape[-1] < 3 else pixels[..., :3]
    if pixels.ndim != 2 and pixels.ndim != 3:
        raise MedadError(f"{path} has shape {pixels.shape}; give a picture of rows and columns.")
    if pixels.dtype.itemsize == 8:
        return pixels.astype(np.float32)
    return pixels.astype(np.uint8) if pixels.dtype == bool else pixels
