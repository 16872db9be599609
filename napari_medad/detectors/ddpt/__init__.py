"""DDPT: dual prompt tuning of CLIP; slice labels in, coarse masks out."""

from napari_medad.detectors.card import Card

CARD = Card(
    name="ddpt",
    title="DDPT",
    about="Tells abnormal slices from normal ones by CLIP and marks roughly where it looked.",
    paper="Sharma, Jaganathan, Palaniappan, BMVC 2025 (arXiv:2510.08052), after Xing et al., "
    "arXiv:2208.08340",
    licence="none of ours; CLIP is MIT",
    package=__name__,
    settings_class="settings:DdptSettings",
    detector_class="detector:DdptDetector",
    recipe_class="recipe:DdptRecipe",
    outputs=("anomaly", "attention"),
    modalities=("t2w", "t2f", "t1c", "t1n"),
    labels="slice labels",
    weights=("released",),
    backbone="vit-b-32",
)
