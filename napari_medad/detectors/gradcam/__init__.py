"""Grad-CAM: where a classifier of slices looked; slice labels in, coarse masks out."""

from napari_medad.detectors.card import Card

CARD = Card(
    name="gradcam",
    title="Grad-CAM",
    about="Tells abnormal slices from normal ones and marks roughly what spoke for abnormal.",
    package=__name__,
    paper="Selvaraju et al. 2017, Grad-CAM: visual explanations from deep networks via "
    "gradient-based localization, ICCV (arXiv:1610.02391)",
    settings_class="settings:GradcamSettings",
    detector_class="detector:GradcamDetector",
    recipe_class="recipe:GradcamRecipe",
    outputs=("anomaly", "attention"),
    modalities=("t2f", "t2w", "t1c", "t1n"),
    labels="slice labels",
    weights=("trained",),
)
