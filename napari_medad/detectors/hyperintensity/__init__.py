"""Rank-normalised intensity: the baseline that every learned detector is measured against."""

from napari_medad.detectors.card import Card

CARD = Card(
    name="hyperintensity",
    title="Hyperintensity",
    about="Marks what is brighter (or darker) than the rest of the brain; no training, no weights.",
    package=__name__,
    paper="Meissen et al. 2021, Challenging current semi-supervised anomaly segmentation methods",
    settings_class="settings:HyperintensitySettings",
    detector_class="detector:HyperintensityDetector",
    outputs=("anomaly",),
    modalities=("t2f", "t2w", "dwi", "t1c", "ct"),
)
