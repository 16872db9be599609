"""Bring a CLIP's files to this machine: from their addresses, or from a file at hand."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from napari_medad.atomic import replacing
from napari_medad.backbones.clip.catalogue import Backbone, ModelFile, released
from napari_medad.errors import MedadError
from napari_medad.results.run_record import sha256_of
from napari_medad.weights.catalogue import Release
from napari_medad.weights.download import download
from napari_medad.weights.installed import weights_home

WHOLE = 64
"""Digits of a sha256."""


def fetch_backbone(
    name: str, report: Callable[[str, int, int], None] | None = None
) -> dict[str, bool]:
    """Download the files of a CLIP that are not here yet, each whole or not at all.

    Parameters
    ----------
    name : str
        A name of the catalogue.
    report : callable, optional
        Takes the file's name, bytes done and in all; may raise to cancel.

    Returns
    -------
    dict of str to bool
        For each file that came, whether its checksum was known beforehand. One that was not is
        kept, so that a change of the file is found out from now on.

    Raises
    ------
    MedadError
        Without network, disk space or permission, or if a file is not its authors'.
    """
    found, came = released()[name], {}
    for file in found.files:
        if file.path.is_file():
            continue
        short = Path(file.name).name

        def count(done: int, total: int, short: str = short) -> None:
            if report is not None:
                report(short, done, total)

        wanted = Release(
            name=name,
            url=file.url,
            file=short,
            bytes=None,
            about_mb=found.megabytes if len(found.files) == 1 else None,
            sha256=file.sha256 if len(file.sha256 or "") == WHOLE else None,
            licence=found.licence,
            citation=found.citation,
        )
        by_hand = f"medad weights add {name} '{short}'"
        arrived = download(wanted, by_hand, weights_home() / ".downloads" / name, count)
        _keep(file, arrived, move=True)
        came[short] = bool(file.sha256)
    return came


def add_backbone_file(name: str, path: str | Path) -> Path:
    """Take a file of a CLIP that was downloaded elsewhere; it is known by its name.

    Raises
    ------
    MedadError
        If it is none of the CLIP's files, or its checksum is another.
    """
    path, found = Path(path).expanduser(), released()[name]
    if not path.is_file():
        raise MedadError(f"There are no weights at {path}; check the path.")
    wanted = next((f for f in found.files if Path(f.name).name == path.name), None)
    if wanted is None and len(found.files) == 1:
        wanted = found.files[0]
    if wanted is None:
        names = ", ".join(Path(f.name).name for f in found.files)
        raise MedadError(f"{path.name} is no file of '{name}', which has: {names}.")
    _keep(wanted, path, move=False)
    return wanted.path


def verify_backbone(found: Backbone) -> list[str]:
    """Names of the model's files, after comparing each with its checksum.

    Raises
    ------
    MedadError
        Names the first file that is not what it was.
    """
    for file in found.files:
        check(file, sha256_of(file.path))
    return [file.name for file in found.files]


def check(file: ModelFile, checksum: str) -> None:
    """Compare a file's checksum with what its authors state and with that of its first day.

    Raises
    ------
    MedadError
        If it differs.
    """
    if not checksum.startswith(file.sha256 or ""):
        raise MedadError(
            f"{file.path} is not the file that its authors released (its sha256 differs), perhaps "
            "because the download was cut off; delete it and fetch it again."
        )
    if _checksums().get(file.name, checksum) != checksum:
        raise MedadError(
            f"{file.path} is not the file that was once put there (its sha256 differs); delete it "
            "and fetch it again."
        )


def _keep(file: ModelFile, path: Path, *, move: bool) -> None:
    """Check a file, put it into its place and remember its checksum."""
    checksum = sha256_of(path)
    if not checksum.startswith(file.sha256 or ""):
        if move:
            path.unlink()
        raise MedadError(
            f"{path.name} is not the file that its authors released (its sha256 differs"
            f"{'; it was thrown away' if move else ''}); fetch it again."
        )
    with replacing(file.path) as part:
        if move:
            path.replace(part)
        else:
            shutil.copyfile(path, part)
    known = _checksums() | {file.name: checksum}
    with replacing(_ledger()) as part:
        part.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _ledger() -> Path:
    return weights_home() / "clip" / "checksums.json"


def _checksums() -> dict[str, str]:
    """Checksums by file name, as they were when the files came."""
    try:
        return dict(json.loads(_ledger().read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}
