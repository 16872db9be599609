"""VQ-VAE: slices written in a codebook that was learned from normal ones."""

from napari_medad.detectors.card import Card

CARD = Card(
    name="vqvae",
    title="VQ-VAE",
    about="Writes slices in a codebook learned from normal ones; marks what it cannot spell.",
    package=__name__,
    paper="Marimont, Tarroni 2021, Anomaly detection through latent space restoration using vector "
    "quantized variational autoencoders, ISBI; van den Oord et al. 2017",
    settings_class="settings:VqvaeSettings",
    detector_class="detector:VqvaeDetector",
    recipe_class="recipe:VqvaeRecipe",
    outputs=("anomaly", "reconstruction"),
    modalities=("t2f", "t2w", "t1c", "t1n"),
    labels="normal images",
    weights=("trained",),
)
