"""SD-MAD: several abnormalities told apart by radiological signs and a few shots."""

from napari_medad.detectors.card import Card

CARD = Card(
    name="sdmad",
    title="SD-MAD",
    about="Tells several abnormalities apart by their radiological signs, from a few named slices.",
    package=__name__,
    paper="SD-MAD: sign-driven few-shot multi-anomaly detection in medical images (under review), "
    "on Huang et al. 2024, MVFA, CVPR",
    licence="MIT",
    settings_class="settings:SdmadSettings",
    detector_class="detector:SdmadDetector",
    recipe_class="recipe:SdmadRecipe",
    labels="a few labelled images",
    teachable=True,
    weights=("few-shot",),
    backbone="vit-l-14-336",
)
