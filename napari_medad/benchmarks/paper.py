"""What a paper printed: its figures, and what is wrong with some of them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


class Figure(BaseModel):
    """A number as a table has it.

    Attributes
    ----------
    mean : float
    sd : float or None
        Over patients, where it is told.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    mean: float
    sd: float | None = None

    def text(self, digits: int) -> str:
        """0.15 ± 0.14."""
        spread = "" if self.sd is None else f" ± {self.sd:.{digits}f}"
        return f"{self.mean:.{digits}f}{spread}"


class PaperRow(BaseModel):
    """Figures of one method in one setup, or on one dataset.

    Attributes
    ----------
    method, setup : str
        As in the benchmark's cells; a method that only the paper has is called as it calls it.
    figures : mapping of str to Figure
        In the file each is a number, or a pair of mean and SD, beside `method` and `setup`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    method: str
    setup: str
    figures: dict[str, Figure]

    @model_validator(mode="before")
    @classmethod
    def _collected(cls, held: Any) -> Any:
        if not isinstance(held, dict) or "figures" in held:
            return held
        named = {key: held[key] for key in ("method", "setup") if key in held}
        return {**named, "figures": {k: _figure(v) for k, v in held.items() if k not in named}}


class Flag(BaseModel):
    """A printed figure that contradicts others.

    Attributes
    ----------
    method, setup, figure : str
        Which.
    why : str
        One sentence.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    method: str
    setup: str
    figure: str
    why: str


def _figure(value: Any) -> dict[str, Any]:
    if isinstance(value, list):
        return dict(zip(("mean", "sd"), value, strict=True))
    return {"mean": value}
