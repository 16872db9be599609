"""Options that several commands share, and how their text becomes values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from napari_medad.errors import MedadError

Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
Precision = Annotated[str | None, typer.Option(help="auto, bf16 or fp32.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting of the method; may be repeated."),
]


def given(**options: Any) -> dict[str, Any]:
    """Those options that the user gave; the library's defaults hold for the rest."""
    return {name: value for name, value in options.items() if value is not None}


def assignments(pairs: Sequence[str] | None) -> dict[str, str]:
    """`["size=128", "axis=axial"]` as a mapping; the method's Settings read the text.

    Raises
    ------
    MedadError
        If one has no "=" or a key comes twice.
    """
    values: dict[str, str] = {}
    for pair in pairs or ():
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise MedadError(f"--set {pair} is not understood; write --set key=value.")
        if key in values:
            raise MedadError(f"--set gives {key} twice; give it once.")
        values[key] = value
    return values
