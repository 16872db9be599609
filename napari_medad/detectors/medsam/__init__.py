"""MedSAM prompted by a coarse detector, DDPT by default (the paper's M+DDPT and M2+DDPT)."""

from napari_medad.detectors.card import Card

CARD = Card(
    name="medsam+ddpt",
    title="MedSAM after DDPT",
    about="Draws sharper outlines in the boxes or points that a coarse detector proposes.",
    paper="Ma et al., Nature Communications 2024; Sharma et al., BMVC 2025 (arXiv:2510.08052)",
    licence="Apache-2.0 (MedSAM, MedSAM2)",
    package=__name__,
    settings_class="settings:MedsamSettings",
    detector_class="detector:MedsamDetector",
    input="volume",
    modalities=("t2w", "t2f", "t1c", "t1n"),
    labels="none",
    weights=("released",),
)
