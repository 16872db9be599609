"""A detector that learns in a second: two weights of a plane fitted to noisy points."""

from napari_medad.detectors.card import Card

CARD = Card(
    name="toy",
    title="Toy",
    about="Fits a plane.",
    package=__name__,
    settings_class="recipe:ToySettings",
    detector_class="recipe:ToyDetector",
    recipe_class="recipe:ToyRecipe",
    labels="normal images",
    weights=("starter",),
)
