"""Denoising auto-encoder: a U-Net that takes coarse noise out of normal images."""

from napari_medad.detectors.card import Card

CARD = Card(
    name="dae",
    title="Denoising auto-encoder",
    about="Learned to take coarse noise out of normal slices; marks what it takes out of a scan.",
    package=__name__,
    paper="Kascenas, Pugeault, O'Neil 2022, Denoising autoencoders for unsupervised anomaly "
    "detection in brain MRI, MIDL",
    settings_class="settings:DaeSettings",
    detector_class="detector:DaeDetector",
    recipe_class="recipe:DaeRecipe",
    outputs=("anomaly", "reconstruction"),
    modalities=("t2f", "t2w", "t1c", "t1n"),
    labels="normal images",
    weights=("trained",),
)
