"""VAND (APRIL-GAN): linear adapters of CLIP, and a memory of normal patches."""

from napari_medad.detectors.card import Card

CARD = Card(
    name="vand",
    title="VAND (APRIL-GAN)",
    about="Compares each patch with prompts of normal and damaged, and with normal scans if given.",
    package=__name__,
    paper="Chen, Han, Zhang 2023, APRIL-GAN: a zero-/few-shot anomaly classification and "
    "segmentation method for CVPR 2023 VAND workshop challenge tracks 1 and 2",
    licence="MIT",
    settings_class="settings:VandSettings",
    detector_class="detector:VandDetector",
    recipe_class="recipe:VandRecipe",
    labels="voxel labels",
    teachable=True,
    weights=("released-mvtec", "released-visa"),
    backbone="vit-l-14-336",
)
