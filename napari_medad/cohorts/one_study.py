"""The steps that every study of a cohort goes through, wherever it is computed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from napari_medad.cohorts.cohort import CohortFolder, CohortRecord
from napari_medad.cohorts.key_image import write_key_image
from napari_medad.cohorts.sources import StudySource
from napari_medad.cohorts.summary import Row
from napari_medad.detectors.detector import Detector
from napari_medad.detectors.registry import load_detector
from napari_medad.errors import MedadError
from napari_medad.inference.progress import Callback
from napari_medad.inference.run import detect, refuse_empty
from napari_medad.results.detection import Detection
from napari_medad.volumes.study import Study


@dataclass(frozen=True)
class Work:
    """What a process must know to look at studies of a cohort; it can be sent to one.

    Attributes
    ----------
    folder : str
        Absolute path of the cohort's folder.
    record : CohortRecord
    weights : str
        As `load_detector` takes them.
    device : str
        "auto", "cpu", "cuda", "cuda:N" or "mps".
    """

    folder: str
    record: CohortRecord
    weights: str = "auto"
    device: str = "auto"

    def load(self) -> Detector:
        """The detector.

        Raises
        ------
        MedadError
            If the weights here are not those of the cohort.
        """
        record = self.record
        detector = load_detector(
            record.detector,
            weights=self.weights,
            device=self.device,
            precision=record.precision,
            **record.settings,
        )
        if detector.weights.sha256 != record.weights.sha256:
            raise MedadError(
                f"The weights '{detector.weights.name}' of '{record.detector}' differ between "
                "machines (their sha256 does); install the same on all."
            )
        return detector

    def read(self, source: StudySource) -> Study:
        """The study's volumes."""
        return source.read(self.record.frame)

    def look(self, study: Study, detector: Detector, progress: Callback | None) -> Detection:
        """The study's maps."""
        detection = detect(study, detector, progress=progress, **self.record.run_options)
        refuse_empty(detection)
        return detection

    def write(self, source: StudySource, detection: Detection) -> Row:
        """The study's files, the run record last.

        Raises
        ------
        MedadError
            If one cannot be written; that is not the study's fault.
        """
        folder, detector = CohortFolder(self.folder), self.record.detector
        write_key_image(detection, folder.image_of(source.name, detector))
        detection.save(folder.of(source.name))
        return folder.finished(source, detector)

    def on(self, device: str) -> Work:
        """The same on another device."""
        return replace(self, device=device)
