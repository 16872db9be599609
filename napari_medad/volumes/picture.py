"""PNG, JPEG and TIFF pictures as studies of one slice."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import tifffile
from PIL import Image, UnidentifiedImageError

from napari_medad.errors import MedadError
from napari_medad.volumes.intensity import rescaled
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
    if pixels.ndim == 3:
        pixels = _eight_bit(pixels)
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
        if image.mode in ("L", "I;16", "I;16B", "I", "F"):
            return rescaled(np.asarray(image), 1, 0)
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
        page = cast(tifffile.TiffPage, file.pages[frame or 0])
        pixels = page.asarray()
        if page.axes.startswith("S"):  # colour planes one after another
            pixels = np.moveaxis(pixels, 0, -1)
        white_is_zero = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
    if pixels.ndim not in (2, 3):
        raise MedadError(f"{path} has shape {pixels.shape}; give a picture of rows and columns.")
    pixels = rescaled(pixels, 1, 0)
    if pixels.ndim == 3:
        pixels = pixels[..., 0] if pixels.shape[-1] < 3 else pixels[..., :3]
    return ~pixels if white_is_zero and pixels.dtype.kind in "iu" else pixels


def _eight_bit(colour: np.ndarray) -> np.ndarray:
    """Colour [row, column, rgb] as uint8; integers by their type's range, floats by their own."""
    if colour.dtype == np.uint8:
        return colour
    top = np.iinfo(colour.dtype).max if colour.dtype.kind in "iu" else np.nanmax(colour)
    return (np.nan_to_num(colour / max(float(top), 1e-12)).clip(0, 1) * 255).astype(np.uint8)
