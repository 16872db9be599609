"""All-in-one: a prompt routes the image to hallucination-aware expert decoders."""

from napari_medad.detectors.card import Card

CARD = Card(
    name="moe",
    title="Prompt-driven mixture of experts",
    about="Learns normal images only; marks what it cannot reconstruct, and where not to trust it.",
    package=__name__,
    paper="All-in-one: prompt-driven mixture of hallucination-aware experts (anonymous, in review)",
    settings_class="settings:MoeSettings",
    detector_class="detector:MoeDetector",
    recipe_class="recipe:MoeRecipe",
    outputs=("anomaly", "hallucination", "reconstruction"),
    modalities=("t2f", "t1c", "t2w", "t1n"),
    labels="normal images",
    prompt=True,
    teachable=True,
    weights=("starter",),
)
