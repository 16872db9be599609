"""brat: aligned multi-view embeddings of brain MRI and radiology reports."""

from napari_medad.detectors.card import Card

CARD = Card(
    name="brat",
    title="brat",
    about="Scores a brain MRI for sentences of a report and shows coarsely (8 x 8 cells in plane) "
    "where it looked.",
    paper="Kayser et al., WACV 2026 (arXiv:2512.18679)",
    licence="CC BY-NC-SA 4.0 (not for commercial use)",
    package=__name__,
    settings_class="settings:BratSettings",
    detector_class="detector:BratDetector",
    recipe_class="recipe:BratRecipe",
    input="volume",
    modalities=("t1c", "t1n", "t2w", "t2f"),
    labels="reports",
    prompt=True,
    weights=("released-densenet121", "released-resnet50", "released-vit", "released-multimodal"),
    consent=True,
)
