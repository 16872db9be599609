"""The embedded text encoder routes what radiologists type, typos included."""

import numpy as np
import pytest

from napari_medad.backbones.prompt.ngrams import NgramTextEncoder, concepts_in, paraphrase

TASKS = (
    "Brain MRI slice, T1",
    "Brain MRI slice, T1 with contrast",
    "Brain MRI slice, T2",
    "Brain MRI slice, FLAIR",
    "Chest X-ray image to evaluate the lungs.",
    "Retinal fundus image.",
    "Breast ultrasound image.",
    "Head CT slice.",
)


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return NgramTextEncoder().encode(TASKS)


def nearest(prompt: str, features: np.ndarray) -> str:
    return TASKS[int((features @ NgramTextEncoder().encode([prompt])[0]).argmax())]


@pytest.mark.parametrize(
    ("prompt", "task"),
    [
        ("brain flair", 3),
        ("brian mri flair", 3),
        ("post gadolinium cerebral mri", 1),
        ("T1ce MR", 1),
        ("cerebral T2-weighted MR", 2),
        ("cxr", 4),
        ("chst xray", 4),
        ("fundus photo", 5),
        ("sonogram of the breast", 6),
        ("CT of the head", 7),
    ],
)
def test_free_text_lies_nearest_to_its_task(prompt: str, task: int, features: np.ndarray) -> None:
    assert nearest(prompt, features) == TASKS[task]


def test_features_are_unit_vectors_and_an_empty_prompt_is_zero() -> None:
    features = NgramTextEncoder().encode([*TASKS, ""])
    assert features.shape == (9, 512)
    np.testing.assert_allclose(np.linalg.norm(features[:-1], axis=1), 1, rtol=1e-5)
    assert not features[-1].any()


def test_paraphrases_keep_their_task(features: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    hits = [nearest(paraphrase(task, rng), features) == task for task in TASKS for _ in range(40)]
    assert np.mean(hits) > 0.95


def test_concepts_are_found_longest_first() -> None:
    assert concepts_in("Brain MRI slice, T1 with contrast") == {"brain", "mri", "t1c"}
    assert concepts_in("nothing we know") == set()
