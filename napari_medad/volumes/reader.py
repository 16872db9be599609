"""Any input a user may name, as a Study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from napari_medad.errors import MedadError
from napari_medad.volumes import dicom, fastmri, itk, nifti, picture
from napari_medad.volumes.modality import is_scan, modality_of
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume

READERS = {
    **dict.fromkeys(nifti.ENDINGS, nifti.read_nifti),
    **dict.fromkeys(itk.ENDINGS, itk.read_itk),
    **dict.fromkeys(picture.ENDINGS, picture.read_picture),
    **dict.fromkeys(fastmri.ENDINGS, fastmri.read_fastmri),
}
"""Reading function by file ending; anything else is tried as DICOM."""


def read_study(
    source: str | Path | Mapping[str, str | Path],
    *,
    frame: int | None = None,
    reference: str | None = None,
) -> Study:
    """Read a study.

    Parameters
    ----------
    source : path or mapping
        An image file; a folder of images of one patient (BraTS-like and BIDS names tell the
        modalities; masks are left out); a DICOM series folder or file; or volumes by name,
        `{"t2f": "flair.nii.gz"}`.
    frame : int, optional
        Frame of a 4D file, from 0.
    reference : str, optional
        Volume whose grid the study lies on.

    Raises
    ------
    MedadError
        If a file is absent, unreadable or of an unknown kind, or a 4D file has no frame picked.
    """
    if isinstance(source, Mapping):
        volumes = {
            name: read_volume(path, frame=frame, modality=name) for name, path in source.items()
        }
        first = Path(next(iter(source.values()), "study"))
        return Study.from_volumes(case_name(first), volumes, reference=reference)
    path = Path(source).expanduser()
    if not path.exists():
        raise MedadError(f"There is no file or folder {path}; check the path.")
    volumes = _folder(path, frame) if path.is_dir() else _file(path, frame)
    return Study.from_volumes(case_name(path), volumes, reference=reference, path=path)


def read_volume(
    path: str | Path, *, frame: int | None = None, modality: str | None = None
) -> Volume:
    """Read one volume from a file or a folder with one DICOM series.

    Raises
    ------
    MedadError
        As `read_study`; also if a folder holds more than one series.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise MedadError(f"There is no file or folder {path}; check the path.")
    reader = READERS.get(ending(path)) if path.is_file() else None
    modality = modality or modality_of(case_name(path))
    if reader is not None:
        return reader(path, frame=frame, modality=modality)
    series = dicom.find_series(path)
    if len(series) > 1:
        raise MedadError(f"{path} holds {_listed(series)}; give the folder of one.")
    return _named(dicom.read_series(series[0], frame=frame), modality)


def ending(path: Path) -> str:
    """The ending that tells a file's kind: ".nii.gz" counts as one."""
    return ".nii.gz" if path.name.lower().endswith(".nii.gz") else path.suffix.lower()


def case_name(path: Path) -> str:
    """A path's name without its image ending."""
    name = path.resolve().name if path.name in ("", ".", "..") else path.name
    found = ending(Path(name))
    known = found in READERS or found == ".dcm"
    return name[: -len(found)] if known and not path.is_dir() else name


def _file(path: Path, frame: int | None) -> dict[str, Volume]:
    volume = read_volume(path, frame=frame)
    return {volume.modality or case_name(path): volume}


def _folder(path: Path, frame: int | None) -> dict[str, Volume]:
    """Volumes of a folder: scans by file name, or its DICOM series."""
    files = sorted(p for p in path.iterdir() if p.is_file() and ending(p) in READERS)
    scans = [p for p in files if is_scan(case_name(p)) and ending(p) != ".img"]
    if not scans:
        return _series(path, frame)
    volumes: dict[str, Volume] = {}
    pictures = [p for p in scans if ending(p) in picture.ENDINGS and not modality_of(case_name(p))]
    if len(scans) > 1 and pictures:
        raise MedadError(
            f"{path} holds {len(pictures)} pictures, which make no study together; give one."
        )
    for file in scans:
        name = modality_of(case_name(file)) or case_name(file)
        if name in volumes:
            raise MedadError(
                f"{path} has two images that look like {name} ({file.name} is one); name the "
                "volumes one by one or open a single file."
            )
        volumes[name] = read_volume(file, frame=frame)
    return volumes


def _series(path: Path, frame: int | None) -> dict[str, Volume]:
    volumes: dict[str, Volume] = {}
    found = dicom.find_series(path)
    for series in found:
        try:
            volume = dicom.read_series(series, frame=frame)
        except MedadError as error:
            if len(found) == 1:
                raise
            raise MedadError(
                f"{path} holds {_listed(found)}, and series {series.number} cannot be read; give "
                f"the folder of one: {error}"
            ) from None
        if len(found) == 1:
            volume = _named(volume, modality_of(case_name(path)))
        name = volume.modality or f"series-{series.number}"
        volumes[name if name not in volumes else f"{name}-{series.number}"] = volume
    return volumes


def _named(volume: Volume, modality: str | None) -> Volume:
    """With the modality that a name tells, where the file itself told none."""
    return volume if volume.modality else replace(volume, modality=modality)


def _listed(found: Sequence[dicom.Series]) -> str:
    """What there is to choose from: 2 DICOM series (number 1: 3 files, number 4: 176 files)."""
    shown = [f"number {s.number}: {len(s.files)} files" for s in found[:8]]
    more = ", ..." if len(found) > 8 else ""
    return f"{len(found)} DICOM series ({', '.join(shown)}{more})"
