"""Settings that all detectors on a CLIP share."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_medad.detectors.settings import Settings


class ClipSettings(Settings):
    """Which CLIP, and how it is shown the slices."""

    backbone: str = Field(
        "auto",
        title="CLIP",
        description="vit-l-14-336, vit-b-16-plus-240, pmc-clip, biomedclip, another model of "
        "open_clip, hf-hub:OWNER/NAME, or a folder; auto: the one that the weights were made for",
    )
    backbone_weights: str = Field(
        "",
        title="CLIP weights",
        description="File of CLIP's weights; empty: the one in the weights folder",
        json_schema_extra={"advanced": True},
    )
    activation: Literal["auto", "gelu", "quickgelu"] = Field(
        "auto",
        title="Activation",
        description="Activation that CLIP is run with; auto: the one that the authors ran it with",
        json_schema_extra={"advanced": True},
    )
    image_size: int = Field(
        0,
        ge=0,
        le=1036,
        title="Image size",
        description="Side of the square that each slice is resized to; 0: as in training",
        json_schema_extra={"unit": "pixels"},
    )
    intensity: Literal["volume", "slice"] = Field(
        "volume",
        title="Grey levels",
        description="Percentiles 0.5 to 99.5 of the whole foreground, or each slice's own range",
    )
    frame: Literal["slice", "foreground"] = Field(
        "slice",
        title="Field of view",
        description="Show CLIP the whole slice (published) or the patient's bounding box",
    )


class ReferenceSettings(ClipSettings):
    """Normal scans to compare with."""

    references: tuple[str, ...] = Field(
        (),
        title="Normal scans",
        description="Files of normal scans of the same kind, whose patches are remembered; "
        "empty: none but those of the training",
    )
    reference_slices: int = Field(
        8,
        ge=1,
        le=64,
        title="Slices of a normal scan",
        description="How many slices of each normal scan are remembered, spread evenly",
    )


class PromptSettings(ClipSettings):
    """Words for what is looked at, and for what is wrong with it."""

    object: str = Field(
        "brain",
        title="Object",
        description="What the images show, as it stands in the prompts",
    )
    prompts: str = Field(
        "",
        title="Prompt file",
        description="YAML file with the lists normal, abnormal and templates, or some of them; "
        "empty: the paper's",
        json_schema_extra={"advanced": True},
    )
    normal: tuple[str, ...] = Field(
        (),
        title="Normal states",
        description="Such as 'flawless {}', with {} for the object; empty: the paper's",
        json_schema_extra={"advanced": True},
    )
    abnormal: tuple[str, ...] = Field(
        (),
        title="Abnormal states",
        description="Such as '{} with damage', with {} for the object; empty: the paper's",
        json_schema_extra={"advanced": True},
    )
    templates: tuple[str, ...] = Field(
        (),
        title="Templates",
        description="Such as 'a photo of a {}.', with {} for the state; empty: the paper's",
        json_schema_extra={"advanced": True},
    )
