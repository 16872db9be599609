"""AdaCLIP: hybrid prompts in both encoders of CLIP."""

from napari_medad.detectors.card import Card

CARD = Card(
    name="adaclip",
    title="AdaCLIP",
    about="Tunes CLIP's two encoders to each slice by learned prompts, and compares patches.",
    package=__name__,
    paper="Cao et al. 2024, AdaCLIP: adapting CLIP with hybrid learnable prompts for zero-shot "
    "anomaly detection (ECCV)",
    licence="not stated; the code is MIT",
    settings_class="settings:AdaClipSettings",
    detector_class="detector:AdaClipDetector",
    recipe_class="recipe:AdaClipRecipe",
    labels="voxel labels",
    teachable=True,
    weights=("released-mvtec-colondb", "released-visa-clinicdb"),
    backbone="vit-l-14-336",
)
