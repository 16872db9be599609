"""Settings of the edge detector."""

from pydantic import Field

from napari_medad.detectors.settings import Settings


class EdgesSettings(Settings):
    """At what scale an edge is one."""

    sigma: float = Field(
        1.5,
        gt=0,
        le=10,
        title="Scale",
        description="Standard deviation of the Gaussian that the gradient is taken with.",
        json_schema_extra={"unit": "pixels"},
    )
