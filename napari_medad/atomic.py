"""Write files so that a reader never sees half of one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_medad.errors import MedadError


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it onto `path` when the block succeeds.

    The temporary name keeps all endings (".nii.gz"), because writers choose the format by
    them. On any error the temporary file is removed and `path` is as it was.

    Raises
    ------
    MedadError
        If the folder cannot be written or the disk is full; the sentence names the file.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".part-", suffix=f"-{path.name}", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise MedadError(f"{path} cannot be written: {error.strerror or error}.") from None
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise MedadError(
            f"{path} was not written: {error.strerror or error}; free space or choose "
            "another folder."
        ) from None
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_files(folder: str | Path) -> Iterator[Path]:
    """Give a temporary folder; move its files into `folder` when the block succeeds.

    Files in folders of the temporary one come into folders of the same names.

    So a set of files that belong together appears as a whole, in the order of writing, or
    not at all, and an older set survives a failure.

    Raises
    ------
    MedadError
        If the folder cannot be written or the disk is full; the sentence names the file.
    """
    folder = Path(folder)
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".part-", dir=folder))
    except OSError as error:
        raise MedadError(f"{folder} cannot be written: {error.strerror or error}.") from None
    try:
        yield staging
        parts = (p for p in staging.rglob("*") if p.is_file())
        for part in sorted(parts, key=lambda p: p.stat().st_mtime_ns):
            place = folder / part.relative_to(staging)
            place.parent.mkdir(parents=True, exist_ok=True)
            part.replace(place)
    except MedadError as error:
        raise MedadError(str(error).replace(str(staging), str(folder))) from None
    except OSError as error:
        raise MedadError(
            f"{folder} was not written: {error.strerror or error}; free space or choose "
            "another folder."
        ) from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if made and not any(folder.iterdir()):
            folder.rmdir()


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
