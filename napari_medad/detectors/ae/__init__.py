"""Auto-encoder: the plainest method that learns from normal images."""

from napari_medad.detectors.card import Card

CARD = Card(
    name="ae",
    title="Auto-encoder",
    about="Squeezes slices through a narrow code learned from normal ones; marks what is lost.",
    package=__name__,
    paper="Cai et al. 2025, MedIAnomaly, Medical Image Analysis (arXiv:2404.04518)",
    settings_class="settings:AeSettings",
    detector_class="detector:AeDetector",
    recipe_class="recipe:AeRecipe",
    outputs=("anomaly", "reconstruction"),
    modalities=("t2f", "t2w", "t1c", "t1n"),
    labels="normal images",
    weights=("trained",),
)
