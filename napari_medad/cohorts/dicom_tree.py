"""DICOM studies in a tree of folders, told apart by their study UIDs.

Folders of DICOM exports are often called by patients, so studies are named after their UIDs, and
those not as they are.
"""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from os.path import commonpath
from pathlib import Path

import pydicom
from pydicom.misc import is_dicom

from napari_medad.cohorts.sources import StudySource, hidden_name

ENDINGS = ("", ".dcm", ".ima", ".dicom")


def holds_dicom(files: Sequence[Path]) -> bool:
    """Whether one of the files is DICOM; looks at the first bytes."""
    return any(is_dicom(file) for file in _candidates(files))


def studies(root: Path, folders: Sequence[Path], *, alone: bool) -> Iterator[StudySource]:
    """The studies in folders with DICOM files.

    A folder's first and last file tell whether it holds one study, so that of 200 slices two
    headers are read.

    Parameters
    ----------
    root : Path
        Of the tree.
    folders : sequence of Path
        That hold DICOM files themselves.
    alone : bool
        Whether nothing else was found in the tree; one study is then the whole tree.
    """
    held: dict[str, list[Path]] = defaultdict(list)
    for folder in folders:
        files = _candidates(sorted(p for p in folder.iterdir() if p.is_file()))
        uids = {_uid(file) for file in (files[0], files[-1])} - {""}
        if len(uids) > 1:
            yield StudySource(
                hidden_name(str(folder.relative_to(root))),
                folder,
                f"{folder} holds images of several DICOM studies; sort them into a folder each.",
            )
            continue
        held[next(iter(uids), str(folder.relative_to(root)))].append(folder)
    beneath = Counter(parent for folder in folders for parent in (folder, *folder.parents))
    for uid, own in held.items():
        parent = Path(commonpath(own))
        where: Path | tuple[Path, ...] = tuple(own)
        if alone and len(own) == len(folders):
            where = root
        elif beneath[parent] == len(own):
            where = parent
        yield StudySource(hidden_name(uid), where)


def _candidates(files: Sequence[Path]) -> list[Path]:
    """Files that may be DICOM by their names: of its endings, of none, or of a UID's number."""
    return [
        file
        for file in files
        if file.suffix.lower() in ENDINGS or file.suffix[1:].isdecimal()
        if file.name.upper() != "DICOMDIR"
    ]


def _uid(file: Path) -> str:
    """Study UID of a file; empty where it has none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            header = pydicom.dcmread(
                file, stop_before_pixels=True, specific_tags=["StudyInstanceUID"]
            )
        except Exception:  # of a damaged file; reading the study will say so
            return ""
    return str(header.get("StudyInstanceUID", ""))
