"""The studies in a folder: BIDS, BraTS-like trees, plain files, DICOM trees."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from napari_medad.cohorts import dicom_tree
from napari_medad.cohorts.manifest import is_manifest, read_manifest
from napari_medad.cohorts.sources import StudyList, StudySource, folder_name, refuse_twins
from napari_medad.volumes import picture
from napari_medad.volumes.modality import is_scan, modality_of
from napari_medad.volumes.reader import READERS, case_name, ending

RECORD = "cohort.json"
"""In a cohort's folder of results; what lies beside it is never read as a study."""
CHANNEL = re.compile(r"(.+)_(000\d)")
"""How nnU-Net names a channel of a study."""
NOT_SCANS = {"derivatives", "labels", "labelsTr", "labelsTs", "masks", "segmentations"}
"""Folders that hold no scans, by their names."""


def find_cohort(source: str | Path, *, cohort: bool | None = None) -> StudyList | None:
    """The studies of a cohort, by name; None where `source` is a single study.

    A manifest is a cohort. A folder is one where it holds several studies: folders with scans
    in them, DICOM studies, or files of which two show the same contrast or none tells its
    contrast. A folder whose own scans are of different contrasts is a single study, as
    `read_study` reads it.

    Parameters
    ----------
    source : path
    cohort : bool, optional
        True: a cohort also where there is one study only. False: a single study.

    Raises
    ------
    MedadError
        As `read_manifest`; or if two studies have one name.
    """
    path = Path(source).expanduser().absolute()
    if cohort is False:
        return None
    if is_manifest(path):
        return StudyList(str(path), read_manifest(path))
    if not path.is_dir():
        return None
    found = sorted(_Search(path, split=cohort is True).studies(), key=lambda study: study.name)
    refuse_twins((study.name, str(study.where)) for study in found)
    single = len(found) == 1 and found[0].path == path
    return StudyList(str(path), found) if found and (cohort or not single) else None


@dataclass
class _Search:
    """One walk through a tree.

    Attributes
    ----------
    root : Path
    split : bool
        Whether files in one folder are taken for several studies wherever their names allow it.
    """

    root: Path
    split: bool
    _dicom: list[Path] = field(default_factory=list)
    _seen: set[Path] = field(default_factory=set)

    def studies(self) -> Iterator[StudySource]:
        """Every study, in no order."""
        held = list(self._bids() if is_bids(self.root) else self._under(self.root))
        yield from held
        yield from dicom_tree.studies(self.root, self._dicom, alone=not held)

    def _under(self, folder: Path) -> Iterator[StudySource]:
        real = folder.resolve()
        if real in self._seen or (folder / RECORD).is_file():
            return
        self._seen.add(real)
        entries = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
        files = [p for p in entries if p.is_file()]
        scans = scans_of(files)
        if scans:
            yield from self._of_files(folder, scans)
            return
        if dicom_tree.holds_dicom(files):
            self._dicom.append(folder)
        for entry in entries:
            if entry.is_dir() and entry.name not in NOT_SCANS:
                yield from self._under(entry)

    def _of_files(self, folder: Path, scans: list[Path]) -> Iterator[StudySource]:
        parts = folder.relative_to(self.root).parts
        groups = by_patient(scans, self.split)
        if groups is None:
            yield StudySource(folder_name(parts) or case_name(folder), folder)
            return
        for name, files in groups.items():
            yield StudySource(folder_name((*parts, name)), _volumes(files))

    def _bids(self) -> Iterator[StudySource]:
        for subject in sorted(self.root.glob("sub-*")):
            sessions = sorted(subject.glob("ses-*")) or [subject]
            for folder in (f for f in sessions if f.is_dir()):
                parts = folder.relative_to(self.root).parts
                name = folder_name((parts[0], *parts[1:]))
                images = folder / "anat"
                files = list(images.iterdir()) if images.is_dir() else []
                scans = scans_of(sorted(files))
                problem = "" if scans else f"{images} holds no image; add one or leave {name} out."
                twins = len({modality_of(case_name(p)) or p for p in scans}) < len(scans)
                yield StudySource(name, _volumes(scans) if twins else images, problem)


def is_bids(folder: Path) -> bool:
    """Whether a folder is the root of a BIDS dataset."""
    described = (folder / "dataset_description.json").is_file()
    return any(described or any(subject.rglob("anat")) for subject in folder.glob("sub-*"))


def scans_of(files: list[Path]) -> list[Path]:
    """Files that are scans by their names: not masks, and not our own maps."""
    known = (p for p in files if ending(p) in READERS and ending(p) != ".img")
    return [p for p in known if is_scan(case_name(p))]


def by_patient(scans: list[Path], split: bool) -> dict[str, list[Path]] | None:
    """Files by what their names say besides the contrast; None where they are one study."""
    cases = by_channel(scans)
    if len(cases) > 1:
        return cases
    if cases and not split:
        return None
    contrasts = [modality_of(case_name(p)) for p in scans]
    told = [contrast for contrast in contrasts if contrast]
    several = len(set(told)) < len(told) or not told
    groups: dict[str, list[Path]] = {}
    for file in scans:
        groups.setdefault(without_contrast(case_name(file)), []).append(file)
    if len(groups) < 2 or "" in groups or not (several or split):
        return None
    return groups


def by_channel(scans: list[Path]) -> dict[str, list[Path]]:
    """Files by study where all are named as nnU-Net names channels: pat_0000, pat_0001.

    Every study has the same two or more, from 0000 on; otherwise there is none. Pictures are
    studies of their own.
    """
    groups: dict[str, list[Path]] = {}
    for file in scans:
        match = CHANNEL.fullmatch(case_name(file))
        if match is None or ending(file) in picture.ENDINGS:
            return {}
        groups.setdefault(match[1], []).append(file)
    numbers = {tuple(sorted(int(case_name(f)[-4:]) for f in held)) for held in groups.values()}
    several = len(numbers) == 1 and len(first := next(iter(numbers))) > 1
    return groups if several and first == tuple(range(len(first))) else {}


def without_contrast(name: str) -> str:
    """A file's name without the words that tell its contrast: pat-1_t2f is pat-1."""
    words = re.split(r"(?<=[_\-. ])", name)
    kept = "".join(word for word in words if modality_of(word.strip("_-. ")) is None)
    return kept.strip("_-. ")


def _volumes(files: list[Path]) -> Path | Mapping[str, Path]:
    """A file alone, or the first file of each contrast by its name."""
    if len(files) == 1:
        return files[0]
    found: dict[str, Path] = {}
    for file in files:
        name = case_name(file)
        channel = CHANNEL.fullmatch(name)
        found.setdefault(modality_of(name) or (channel[2] if channel else name), file)
    return found
