"""AnoVL: CLIP's own patches against domain-aware prompts, adapted to each slice."""

from napari_medad.detectors.card import Card

CARD = Card(
    name="anovl",
    title="AnoVL",
    about="Compares each patch with prompts of normal and damaged, after adapting to the slice.",
    package=__name__,
    paper="Deng, Zhang, Bao, Li 2023, AnoVL: adapting vision-language models for unified "
    "zero-shot anomaly localization (arXiv:2308.15939)",
    licence="MIT",
    settings_class="settings:AnovlSettings",
    detector_class="detector:AnovlDetector",
    weights=("laion400m-e32",),
    backbone="vit-b-16-plus-240",
)
