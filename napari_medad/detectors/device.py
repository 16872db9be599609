"""Where and how precisely a network computes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from napari_medad.errors import MedadError


@dataclass(frozen=True)
class Device:
    """A torch device and the precision that is fast and safe on it.

    Attributes
    ----------
    name : str
        "cpu", "cuda", "cuda:1" or "mps".
    precision : {"bf16", "fp32"}
    """

    name: str = "cpu"
    precision: str = "fp32"

    @classmethod
    def choose(cls, name: str = "auto", precision: str = "auto") -> Device:
        """The named device, or the best there is.

        Raises
        ------
        MedadError
            If the device is unknown or not on this machine.
        """
        if name == "auto":
            mps = torch.backends.mps.is_available()
            name = "cuda" if torch.cuda.is_available() else "mps" if mps else "cpu"
        kind = name.split(":")[0]
        if kind not in ("cpu", "cuda", "mps"):
            raise MedadError(f"The device '{name}' is unknown; use auto, cpu, cuda or mps.")
        if kind == "cuda" and not torch.cuda.is_available():
            raise MedadError("There is no CUDA device here; use --device cpu or auto.")
        if kind == "mps" and not torch.backends.mps.is_available():
            raise MedadError("There is no Apple GPU here; use --device cpu or auto.")
        if precision == "auto":
            precision = "bf16" if _fast_bf16(kind) else "fp32"
        if precision not in ("bf16", "fp32"):
            raise MedadError(f"The precision '{precision}' is unknown; use auto, bf16 or fp32.")
        return cls(name, precision)

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Inference mode at this device's precision."""
        bf16 = self.precision == "bf16"
        kind = self.name.split(":")[0]
        with torch.inference_mode(), torch.autocast(kind, torch.bfloat16, enabled=bf16):
            yield


def _fast_bf16(kind: str) -> bool:
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if kind == "cpu":
        supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
        return bool(supported or getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)())
    return False
