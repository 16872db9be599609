"""Findings as DICOM segmentation and maps as DICOM parametric maps, through highdicom."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from napari_medad import __version__
from napari_medad.atomic import replacing
from napari_medad.errors import MedadError
from napari_medad.export.outcome import Outcome
from napari_medad.export.source_series import SourceSeries
from napari_medad.results.outputs import kind_of

SERIES_NUMBERS = {"seg": 9001, "rtstruct": 9002, "map": 9003}
"""Above those of scanners, so that the results come last in a list of series."""


def write_segmentation(
    outcome: Outcome, source: SourceSeries, folder: Path, tick: Callable[[], None]
) -> None:
    """Write `STEM_seg.dcm`: a binary segment for every finding, on the source's images.

    Raises
    ------
    MedadError
        If there is no finding, since a segmentation without segments does not exist.
    """
    tick()
    if not outcome.findings:
        raise MedadError(
            f"{outcome.detection.study.name} has no finding, and a DICOM segmentation needs one; "
            "lower the threshold, or leave DICOM-SEG out."
        )
    mask = source.planes(_numbered(outcome), outcome.volume, labels=True)
    with _quietly():
        segmentation = hd.seg.Segmentation(
            source_images=source.images,
            pixel_array=mask,
            segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=_segments(outcome),
            content_description=" ".join(outcome.statements)[:64],
            content_label="FINDINGS",
            **_identity("seg", 1),
        )
    save(segmentation, folder / f"{outcome.stem}_seg.dcm", outcome)


def write_parametric_maps(
    outcome: Outcome, source: SourceSeries, folder: Path, tick: Callable[[], None]
) -> None:
    """Write `STEM_<map>_map.dcm` for every map: float32 pixels on the source's images."""
    series = generate_uid()
    for number, (name, values) in enumerate(outcome.detection.maps.items(), start=1):
        tick()
        planes = source.planes(values.astype(np.float32, copy=False), outcome.volume)
        low, high = float(planes.min()), float(planes.max())
        kind = kind_of(name)
        meaning = hd.pm.RealWorldValueMapping(
            lut_label=name.replace("category:", "")[:16],
            lut_explanation=kind.about[:64],
            unit=codes.UCUM.NoUnits,
            value_range=(low, max(high, float(np.nextafter(np.float32(low), np.float32(np.inf))))),
            slope=1.0,
            intercept=0.0,
        )
        with _quietly():
            made = hd.pm.ParametricMap(
                source_images=source.images,
                pixel_array=planes,
                contains_recognizable_visual_features=not kind.overlay,
                real_world_value_mappings=[meaning],
                window_center=(low + high) / 2,
                window_width=max(high - low, 1e-6),
                content_label="MAP",
                content_description=f"{name}. {' '.join(outcome.statements)}"[:64],
                **_identity("map", number, series),
            )
        save(made, folder / f"{outcome.stem}_{name.replace(':', '-')}_map.dcm", outcome)


def save(dataset: pydicom.Dataset, path: Path, outcome: Outcome) -> None:
    """Write a derived object, with what it is in its series description."""
    told = "UNTRAINED " if outcome.record.untrained else ""
    detector = outcome.detection.detector
    dataset.SeriesDescription = f"{told}MedAD {detector}: not for clinical use"[:64]
    with replacing(path) as part:
        dataset.save_as(part, enforce_file_format=True)


def equipment() -> dict[str, str]:
    """What made the object."""
    return {
        "manufacturer": "napari-medad",
        "manufacturer_model_name": "napari-medad",
        "software_versions": __version__,
        "device_serial_number": "0",
    }


def _identity(kind: str, number: int, series: str | None = None) -> dict[str, Any]:
    return {
        "series_instance_uid": series or generate_uid(),
        "series_number": SERIES_NUMBERS[kind],
        "sop_instance_uid": generate_uid(),
        "instance_number": number,
        **equipment(),
    }


def _numbered(outcome: Outcome) -> np.ndarray:
    """The mask with findings numbered from 1 without gaps, as segments must be."""
    table = np.zeros(int(outcome.mask.max(initial=0)) + 1, np.uint16)
    for number, finding in enumerate(outcome.findings, start=1):
        table[finding.id] = number
    return table[outcome.mask]


def _segments(outcome: Outcome) -> list[hd.seg.SegmentDescription]:
    algorithm = hd.AlgorithmIdentificationSequence(
        name=f"napari-medad {outcome.detection.detector}",
        version=outcome.record.versions.get("napari-medad", __version__),
        family=codes.DCM.ArtificialIntelligence,
        parameters={"weights": outcome.record.weights.state},
    )
    kinds = hd.seg.SegmentAlgorithmTypeValues
    return [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=label_of(finding.id, finding.category),
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=codes.SCT.Lesion,
            algorithm_type=kinds.SEMIAUTOMATIC if outcome.corrected else kinds.AUTOMATIC,
            algorithm_identification=algorithm,
            tracking_uid=generate_uid(),
            tracking_id=f"{outcome.stem} finding {finding.id}"[:64],
        )
        for number, finding in enumerate(outcome.findings, start=1)
    ]


def label_of(number: int, category: str) -> str:
    """A finding's name in DICOM: at most 64 characters."""
    return f"Finding {number}{f' ({category})' if category else ''}"[:64]


@contextmanager
def _quietly() -> Iterator[None]:
    """No warnings of sources whose own headers break the standard: they cannot be mended here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
