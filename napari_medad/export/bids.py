"""A BIDS derivatives dataset: names, sidecars and description as BIDS 1.10 asks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from napari_medad import __version__
from napari_medad.atomic import replacing
from napari_medad.export.images import compact
from napari_medad.export.outcome import Outcome
from napari_medad.export.tables import described
from napari_medad.results.findings import Finding
from napari_medad.results.outputs import kind_of
from napari_medad.volumes.nifti import write_nifti

BIDS_VERSION = "1.10.0"
ENTITIES = ("sub", "ses", "task", "acq", "ce", "rec", "dir", "run", "echo", "part")
"""Of the source's name, in the order that BIDS has them in; derivatives keep them."""
SUFFIXES = {
    "t1n": "T1w",
    "t1c": "T1w",
    "t2w": "T2w",
    "t2f": "FLAIR",
    "pd": "PDw",
    "swi": "T2starw",
    "dwi": "dwi",
    "ct": "ct",
}


def write_bids(outcome: Outcome, folder: Path, tick: Callable[[], None]) -> None:
    """Write the dataset into `derivatives/napari-medad`, where a BIDS dataset has it.

    `sub-*/[ses-*/]anat/*_desc-<detector><Map>_<suffix>.nii.gz` for each map,
    `*_desc-<detector>_dseg.nii.gz` for the findings with a table of them, JSON sidecars, and
    `dataset_description.json`.
    """
    tick()
    entities = source_entities(outcome)
    root = folder / "derivatives" / "napari-medad"
    home = root / entities["sub"]
    home = home / entities["ses"] / "anat" if "ses" in entities else home / "anat"
    stem = "_".join(entities.values())
    desc = _word(outcome.detection.detector)
    suffix = SUFFIXES.get(outcome.volume.modality or "", "scan")
    for name, values in outcome.detection.maps.items():
        tick()
        label = desc + "".join(_word(part).capitalize() for part in name.split(":"))
        path = home / f"{stem}_desc-{label}_{suffix}.nii.gz"
        write_nifti(values.astype(np.float32, copy=False), outcome.volume, path)
        _write_json(path, {**_sidecar(outcome), "Description": kind_of(name).about})
    path = home / f"{stem}_desc-{desc}_dseg.nii.gz"
    write_nifti(compact(outcome.mask), outcome.volume, path, labels=True)
    _write_json(path, {**_sidecar(outcome), "Findings": described(outcome)["findings"]})
    _write_labels(outcome.findings, path.with_name(f"{stem}_desc-{desc}_dseg.tsv"))
    about = {
        "Name": "Anomaly detections of napari-medad",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "napari-medad", "Version": __version__}],
    }
    _write_json(root / "dataset_description.json", about)


def source_entities(outcome: Outcome) -> dict[str, str]:
    """Entities of the source's name; the case as subject where it is no BIDS name."""
    source = outcome.volume.source
    name = source.path.name if source is not None and source.path is not None else ""
    found = dict(re.findall(r"(?:^|_)([a-z]+)-([0-9a-zA-Z]+)", name))
    found.setdefault("sub", _word(outcome.detection.study.name) or "unknown")
    if outcome.volume.modality == "t1c":
        found.setdefault("ce", "contrast")
    return {key: f"{key}-{found[key]}" for key in ENTITIES if key in found}


def _sidecar(outcome: Outcome) -> dict[str, object]:
    told = described(outcome)
    del told["findings"]
    return {"SpatialReference": "orig", "NapariMedad": told}


def _write_labels(findings: Sequence[Finding], path: Path) -> None:
    """The table of a dseg: index and name as BIDS asks, and what we know besides."""
    columns = ("index", "name", "volume_ml", "max_score", "mean_score", "category")
    lines = ["\t".join(columns)]
    for f in findings:
        cells = (f.id, f"finding {f.id}", f"{f.volume_ml:.6g}", f"{f.max_score:.6g}")
        more = (f"{f.mean_score:.6g}", f.category or "n/a")
        lines.append("\t".join(map(str, (*cells, *more))))
    with replacing(path) as part:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_json(path: Path, values: Mapping[str, object]) -> None:
    place = path.with_name(path.name.removesuffix(".nii.gz").removesuffix(".json") + ".json")
    with replacing(place) as part:
        part.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _word(text: str) -> str:
    """Letters and digits only, as BIDS labels are."""
    return re.sub(r"[^0-9a-zA-Z]", "", text)
