"""One study asked sentence by sentence: scores, the views that say it, where they looked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medad.atomic import replacing, replacing_files
from napari_medad.errors import MedadError
from napari_medad.reports.cases import origin_of
from napari_medad.volumes.nifti import write_nifti

if TYPE_CHECKING:
    from napari_medad.detectors.brat.detector import BratDetector
    from napari_medad.detectors.brat.embedding import StudyEmbedding
    from napari_medad.reports.library import Origin
    from napari_medad.volumes.study import Study

SHOWN_VIEWS = 3


@dataclass(frozen=True, eq=False)
class ScoredSentence:
    """A sentence and how the scan's views say it.

    Attributes
    ----------
    text : str
    score : float
        Largest cosine with any view, -1..1.
    cosines : ndarray [q] float32
        With each view.
    """

    text: str
    score: float
    cosines: np.ndarray

    @property
    def best_views(self) -> tuple[int, ...]:
        """Numbers of the views that say it best, from 0."""
        return tuple(np.argsort(-self.cosines, kind="stable")[:SHOWN_VIEWS].tolist())

    def weights(self, sharpness: float) -> np.ndarray:
        """Share [q] of each view in the sentence's map: softmax of cosine / sharpness."""
        sharp = np.exp((self.cosines - self.cosines.max()) / sharpness)
        return sharp / sharp.sum()


@dataclass(frozen=True, eq=False)
class EmbeddedScan:
    """A study looked at once, ready for any number of sentences and searches.

    Attributes
    ----------
    study : Study
    embedding : StudyEmbedding
    detector : BratDetector
    """

    study: Study
    embedding: StudyEmbedding
    detector: BratDetector

    @classmethod
    def of(cls, study: Study, detector: BratDetector, volume: str | None = None) -> EmbeddedScan:
        """Look at a study, and where the weights see one volume of any kind, at the named one.

        Raises
        ------
        MedadError
            If it lacks the modality that the weights were trained on.
        """
        if volume is not None:
            study = replace(study, reference=volume)
        return cls(study, detector.embed(study), detector)

    @property
    def origin(self) -> Origin:
        """The weights that it was looked at with."""
        return origin_of(self.detector)

    def ask(self, sentences: Sequence[str]) -> list[ScoredSentence]:
        """Score sentences, each by itself, in the order given.

        Raises
        ------
        MedadError
            If there is none or one is empty.
        """
        typed = [text.strip() for text in sentences]
        if not typed or not all(typed):
            raise MedadError("There is no sentence to look for; type at least one.")
        cosines = self.embedding.views @ self.detector.embed_sentences(typed).T
        return [
            ScoredSentence(text, float(column.max()), column)
            for text, column in zip(typed, cosines.T)
        ]

    def map_of(self, sentence: ScoredSentence) -> np.ndarray:
        """Where the views that say a sentence looked, [z, y, x] float32 on the study's grid.

        Coarse: 8 x 8 cells in plane and none in depth, for most backbones. In units of an even
        gaze, 1 where a view looks at nothing in particular.
        """
        weights = sentence.weights(self.detector.settings.sharpness)
        return self.embedding.attention_map(weights)

    def record(self, sentences: Sequence[ScoredSentence]) -> dict[str, Any]:
        """What was asked and found, as JSON; says whether the weights are untrained."""
        cells = list(self.embedding.attention.shape[1:])
        return {
            "case": self.study.name,
            "weights": self.origin.model_dump(),
            "untrained": self.origin.untrained,
            "map_cells": cells,
            "notes": list(self.embedding.notes),
            "sentences": [
                {"text": s.text, "score": round(s.score, 5), "best_views": list(s.best_views)}
                for s in sentences
            ],
        }

    def save(self, sentences: Sequence[ScoredSentence], folder: str | Path) -> list[Path]:
        """Write the record and a map for every sentence, on the source's voxels.

        Raises
        ------
        MedadError
            If the folder cannot be written.
        """
        folder, prefix = Path(folder).expanduser(), f"{self.study.name}_brat"
        record = self.record(sentences)
        names = []
        with replacing_files(folder) as staging:
            for number, sentence in enumerate(sentences, 1):
                name = f"{prefix}_sentence-{number}.nii.gz"
                write_nifti(self.map_of(sentence), self.study.volume(), staging / name)
                record["sentences"][number - 1]["map"] = name
                names.append(name)
            names.append(f"{prefix}_sentences.json")
            with replacing(staging / names[-1]) as part:
                part.write_text(json.dumps(record, indent=2, ensure_ascii=False), encoding="utf-8")
        return [folder / name for name in names]
