"""Scores of sentences and coarse maps, over a study."""

from __future__ import annotations

import numpy as np
import pytest

import napari_medad as medad
from napari_medad.detectors.brat.text import usual_sentences
from napari_medad.errors import MedadError
from napari_medad.volumes.phantom import make_brain
from napari_medad.volumes.study import Study
from napari_medad.weights.model_folder import ModelFolder

ASKED = "There is hemorrhage.; There is a mass."


@pytest.fixture
def study() -> Study:
    return make_brain(3, spacing=6.0, contrasts=("t1c",)).study


def test_sentences_are_scored_and_mapped_coarsely(tiny_brat, study: Study) -> None:
    detector = medad.load_detector("brat", weights="tiny", device="cpu", maps="each")
    found = medad.detect(study, detector, prompt=ASKED)
    told = found.record.evidence
    sentences = ASKED.split("; ")
    views, features = detector.embed(study).views, detector.embed_sentences(sentences)
    expected = (views @ features.T).max(axis=0)
    assert list(told["finding_scores"]) == sentences
    assert list(told["finding_scores"].values()) == pytest.approx(expected, abs=2e-3)
    assert told["map_cells"] == [1, 2, 2]
    assert "The maps are coarse: 2 x 2 cells in plane and no depth." in found.record.notes
    first = sentences[int(np.argmax(expected))].rstrip(".")
    ranked = next(note for note in found.record.notes if note.startswith("Sentences by score"))
    assert ranked.split("; ")[0].endswith(first)
    assert {f"category:{text}" for text in sentences} <= set(found.maps)


def test_without_a_prompt_the_usual_sentences_are_scored(tiny_brat, study: Study) -> None:
    detector = medad.load_detector("brat", weights="tiny", device="cpu")
    found = medad.detect(study, detector)
    assert tuple(found.record.evidence["finding_scores"]) == usual_sentences()


def test_weights_without_a_vocabulary_ask_for_one(tiny_brat, study: Study, tmp_path) -> None:
    model = ModelFolder.read(tiny_brat, "brat")
    bare = ModelFolder(tiny_brat.parent / "bare", "brat", model.settings, {})
    bare.path.mkdir()
    bare.write(model.tensors())
    detector = medad.load_detector("brat", weights="bare", device="cpu")
    assert detector.embed(study).views.shape == (4, 8)
    with pytest.raises(MedadError, match=r"bring no vocabulary .* --set tokenizer=FILE"):
        detector.embed_sentences(["There is a mass."])
    file = tmp_path / "vocab.txt"
    file.write_text("\n".join(model.facts["vocabulary"]))
    told = medad.load_detector("brat", weights="bare", device="cpu", tokenizer=str(file))
    whole = medad.load_detector("brat", weights="tiny", device="cpu")
    asked = ["There is a mass."]
    assert np.array_equal(told.embed_sentences(asked), whole.embed_sentences(asked))
    file.write_text("\n".join(model.facts["vocabulary"][:-1]))
    short = medad.load_detector("brat", weights="bare", device="cpu", tokenizer=str(file))
    with pytest.raises(MedadError, match="pieces, but these weights were trained with"):
        short.embed_sentences(asked)


@pytest.mark.parametrize("asked", [[], ["  "]])
def test_nothing_to_look_for_is_one_sentence(tiny_brat, asked: list[str]) -> None:
    detector = medad.load_detector("brat", weights="tiny", device="cpu")
    with pytest.raises(MedadError, match="no sentence"):
        detector.embed_sentences(asked)
