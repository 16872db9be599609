"""brat over a study: views, scores of sentences, and coarse maps of where it looked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from napari_medad.detectors.brat import CARD
from napari_medad.detectors.brat.checkpoint import check_vocabulary, load_network
from napari_medad.detectors.brat.embedding import StudyEmbedding, sentence_scores
from napari_medad.detectors.brat.framing import framed
from napari_medad.detectors.brat.network import Brat
from napari_medad.detectors.brat.settings import BratSettings
from napari_medad.detectors.brat.text import ReportTokenizer, read_vocabulary, usual_sentences
from napari_medad.detectors.detector import Case, Prediction, VolumeDetector
from napari_medad.detectors.device import Device
from napari_medad.errors import MedadError
from napari_medad.volumes.study import Study
from napari_medad.weights.installed import find_weights
from napari_medad.weights.model_folder import ModelFolder


@dataclass(frozen=True, eq=False)
class Look:
    """A study's views and how they say the sentences."""

    embedding: StudyEmbedding
    sentences: tuple[str, ...]
    features: np.ndarray

    @property
    def scores(self) -> np.ndarray:
        """Largest cosine of each sentence with a view, [n_s] float32."""
        return sentence_scores(self.embedding.views, self.features)[0]


class BratDetector(VolumeDetector):
    """Scores sentences by the best view; the map is where the best views looked."""

    card = CARD
    settings: BratSettings
    network: Brat
    threshold_source = "twice an even gaze"
    task = "pretraining"

    def __new__(cls, settings: BratSettings, device: Device, weights: str = "auto") -> Self:
        """The detector of the task that the weights were taught."""
        return super().__new__(_detector_of(weights) if cls is BratDetector else cls)  # type: ignore[return-value]

    def load(self, weights: str) -> None:
        """Load weights, and the vocabulary that they bring."""
        found = find_weights(CARD.name, weights, CARD.weights)
        self.weights = found.record()
        self.network, self.facts = load_network(found.path)
        self.network.eval().to(self.device.name)

    @cached_property
    def tokenizer(self) -> ReportTokenizer:
        """Reads sentences as the weights learned to.

        Raises
        ------
        MedadError
            If the weights bring no vocabulary and none is set, or it is another.
        """
        given = self.settings.tokenizer
        if given:
            tokenizer = ReportTokenizer(read_vocabulary(given))
            check_vocabulary(tokenizer.vocabulary, self.network.shape.vocabulary, given)
            return tokenizer
        if "vocabulary" not in self.facts:
            raise MedadError(
                "These weights of brat bring no vocabulary to read sentences with; name the "
                "vocab.txt of BiomedBERT (uncased) by --set tokenizer=FILE."
            )
        return ReportTokenizer(self.facts["vocabulary"])

    @cached_property
    def fingerprint(self) -> str:
        """Checksum of the weights: embeddings of one fingerprint can be compared."""
        if self.weights.sha256 is not None:
            return self.weights.sha256
        digest = hashlib.sha256()
        for key, tensor in sorted(self.network.state_dict().items()):
            digest.update(key.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def embed(self, study: Study | Case) -> StudyEmbedding:
        """The views of a study.

        Parameters
        ----------
        study : Study or Case
            Of a case, the volume that it names, where the network looks at one of any kind.

        Raises
        ------
        MedadError
            If the study lacks the modality that the weights were trained on.
        """
        chosen = study.volume_name if isinstance(study, Case) else None
        study = study.study if isinstance(study, Case) else study
        seen = framed(study, self.network.shape, chosen)
        with self.device.computing():
            views = self.network.views(seen.image[None].to(self.device.name))
        deep, high, wide = study.volume().array.shape
        cells = views.attention[-1][0].cpu().reshape(-1, *views.cells)
        return StudyEmbedding(
            views.unit[0].cpu().numpy(),
            cells.numpy(),
            seen.to_cells(views.cells),
            (deep, high, wide),
            seen.notes,
        )

    def embed_sentences(self, sentences: Sequence[str], *, together: bool = False) -> np.ndarray:
        """Features of sentences.

        Parameters
        ----------
        sentences : sequence of str
        together : bool
            Whether they are one report, whose sentences see each other; of such a report at most
            20 sentences and 256 tokens are read. Else each stands for itself.

        Returns
        -------
        ndarray [n, d] float32
            Of length 1 each.

        Raises
        ------
        MedadError
            If there is none, or one is empty, or the weights bring no vocabulary.
        """
        if not sentences:
            raise MedadError("There is no sentence to look for; type at least one.")
        text = self.tokenizer([sentences] if together else [[one] for one in sentences])
        with self.device.computing():
            read = self.network.sentences(text.to(self.device.name))
        return read.unit[read.present].cpu().numpy()

    def prepare(self, case: Case) -> Look:
        """Look at the study and read the sentences."""
        typed = case.prompt or self.settings.sentences
        named = [part.strip() for part in typed.split(";") if part.strip()]
        sentences = tuple(named) or usual_sentences()
        return Look(self.embed(case), sentences, self.embed_sentences(sentences))

    def predict_volume(
        self, case: Case, state: Look, report: Callable[[int, int], None]
    ) -> Prediction:
        """Where the views looked that say the sentences, each sentence by its score."""
        report(0, 1)
        cosines = state.embedding.views @ state.features.T
        sharp = np.exp((cosines - cosines.max(axis=0)) / self.settings.sharpness)
        weights = sharp / sharp.sum(axis=0)
        share = (1 + state.scores) / 2
        maps = {"anomaly": state.embedding.attention_map(weights @ share / share.sum())}
        if self.settings.maps == "each":
            for sentence, views in zip(state.sentences, weights.T):
                maps[f"category:{sentence}"] = state.embedding.attention_map(views)
        report(1, 1)
        return Prediction(maps)

    def threshold(self, case: Case, state: Look) -> float:
        """Where the views look twice as much as everywhere; no calibration stands behind it."""
        return 2.0

    def evidence(self, case: Case, state: Look) -> Mapping[str, Any]:
        """The scores of the sentences, and how coarse the maps are."""
        scores = {s: round(float(v), 4) for s, v in zip(state.sentences, state.scores)}
        return {"finding_scores": scores, "map_cells": list(state.embedding.attention.shape[1:])}

    def notes(self, case: Case, state: Look) -> tuple[str, ...]:
        """The scores, how coarse the maps are, and what was missing."""
        ranked = sorted(zip(state.scores, state.sentences), reverse=True)
        scores = "; ".join(f"{score:.2f} {text.rstrip('.')}" for score, text in ranked)
        deep, high, wide = state.embedding.attention.shape[1:]
        depth = "no depth" if deep == 1 else f"{deep} cells in depth"
        coarse = f"The maps are coarse: {high} x {wide} cells in plane and {depth}."
        return (f"Sentences by score: {scores}.", coarse, *state.embedding.notes)


def _detector_of(weights: str) -> type[BratDetector]:
    """What runs weights: of a pre-trained network, or of a head that stands on one."""
    path = find_weights(CARD.name, weights, CARD.weights).path
    if path is None or not path.is_dir():
        return BratDetector
    from napari_medad.detectors.brat.head_detectors import (
        ClassificationDetector,
        SegmentationDetector,
    )

    task = ModelFolder.read(path, CARD.name).settings.get("task")
    taught = {kind.task: kind for kind in (ClassificationDetector, SegmentationDetector)}
    return taught.get(str(task), BratDetector)
