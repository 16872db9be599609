from __future__ import annotations

from typing import Literal

import pytest
from pydantic import Field

from napari_medad.detectors.settings import Settings
from napari_medad.errors import MedadError


class Example(Settings):
    size: Literal[128, 256] = 256
    mode: Literal["fast", "exact"] = "fast"
    sigma: float = Field(1.0, ge=0)
    smooth: bool = True
    levels: tuple[int, ...] = (1, 2)


def test_text_becomes_what_the_setting_is():
    text = {"size": "128", "mode": "exact", "sigma": "1e-3", "smooth": "no", "levels": "3, 6,12"}
    assert Example.parse(text, "example") == Example(
        size=128, mode="exact", sigma=0.001, smooth=False, levels=(3, 6, 12)
    )


def test_values_stay_as_they_are():
    values = {"size": 128, "levels": (5,)}
    assert Example.parse(values, "example").model_dump() == {
        "size": 128,
        "mode": "fast",
        "sigma": 1.0,
        "smooth": True,
        "levels": (5,),
    }


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"size": "64"}, r"'size' of example cannot be '64': input should be 128 or 256"),
        ({"sigma": "-1"}, r"'sigma' of example cannot be '-1': .* greater than or equal to 0"),
        ({"levels": "1,x"}, r"'levels\.1' of example cannot be 'x'"),
        ({"colour": "red"}, "has no setting 'colour'; its settings are: size, mode, sigma"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(values, told):
    with pytest.raises(MedadError, match=told):
        Example.parse(values, "example")
