"""Zips from other people, unpacked with care."""

from __future__ import annotations

import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath

from napari_medad.atomic import replacing
from napari_medad.errors import MedadError

MOST_GROWTH = 50
"""Arrays in a session are compressed already, so its zip hardly grows; a bomb does."""
SMALL = 1 << 20
CHUNK = 1 << 20


def pack(folder: Path, path: Path, tick: Callable[[], None]) -> None:
    """Write a folder's files as a zip, as a whole or not at all.

    Raises
    ------
    MedadError
        If it cannot be written.
    """
    with replacing(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            tick()
            archive.write(file, file.relative_to(folder).as_posix())


def unpack(path: Path, folder: Path, tick: Callable[[], None]) -> None:
    """Unpack a zip into an empty folder.

    Raises
    ------
    MedadError
        If it is no zip, is damaged, would write outside the folder, or does not fit the disk.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            for entry in entries:
                _refuse_outside(entry, path)
            _refuse_bomb(sum(entry.file_size for entry in entries), path, folder)
            for entry in entries:
                tick()
                archive.extract(entry, folder)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError) as error:
        raise MedadError(
            f"{path} is a damaged zip or none at all ({error}); copy it again."
        ) from None
    except RuntimeError:  # what zipfile says of encrypted files
        raise MedadError(
            f"{path} is locked with a password; unpack it and open the folder."
        ) from None
    except OSError as error:
        raise MedadError(
            f"{path} cannot be unpacked: {error.strerror or error}; free space and try again."
        ) from None


def _refuse_outside(entry: zipfile.ZipInfo, path: Path) -> None:
    name = entry.filename
    inside = PurePosixPath(name)
    climbs = ".." in inside.parts or ".." in PureWindowsPath(name).parts
    rooted = inside.is_absolute() or PureWindowsPath(name).drive or "\\" in name
    link = stat.S_ISLNK(entry.external_attr >> 16)
    if climbs or rooted or link:
        raise MedadError(
            f"{path} would write outside its own folder ('{name}') and was not opened; get it "
            "from somebody you trust."
        )


def _refuse_bomb(size: int, path: Path, folder: Path) -> None:
    if size > MOST_GROWTH * max(path.stat().st_size, SMALL):
        raise MedadError(
            f"{path} would unpack to {size / 1e9:.1f} GB, far more than a session of its size "
            "holds, and was not opened."
        )
    if size > shutil.disk_usage(folder).free:
        raise MedadError(
            f"{path} needs {size / 1e9:.1f} GB to unpack, more than is free; free space first."
        )
