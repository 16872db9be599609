"""AnomalyCLIP: object-agnostic prompts for zero-shot anomaly detection."""

from napari_medad.detectors.card import Card

CARD = Card(
    name="anomalyclip",
    title="AnomalyCLIP",
    about="Compares each patch with two prompts, normal and damaged, learned on other images.",
    package=__name__,
    paper="Zhou et al. 2024, AnomalyCLIP: object-agnostic prompt learning for zero-shot anomaly "
    "detection (ICLR)",
    licence="MIT",
    settings_class="settings:AnomalyClipSettings",
    detector_class="detector:AnomalyClipDetector",
    recipe_class="recipe:AnomalyClipRecipe",
    labels="voxel labels",
    teachable=True,
    weights=("released-visa", "released-mvtec"),
    backbone="vit-l-14-336",
)
