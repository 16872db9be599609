"""RASALoRE: region-aware spatial attention with location-based random embeddings."""

from napari_medad.detectors.card import Card

CARD = Card(
    name="rasalore",
    title="RASALoRE",
    about="Outlines brain lesions in MRI slices; learns from slice labels by way of weak masks.",
    paper="Sharma, Jaganathan, Palaniappan, BMVC 2025 (arXiv:2510.08052)",
    licence="BSD-3-Clause; the authors released no weights",
    package=__name__,
    settings_class="settings:RasaloreSettings",
    detector_class="detector:RasaloreDetector",
    recipe_class="recipe:RasaloreRecipe",
    modalities=("t2f", "t2w", "t1c", "t1n"),
    labels="slice labels",
    teachable=True,
    weights=("starter",),
)
