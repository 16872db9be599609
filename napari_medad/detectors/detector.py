"""The interface of every detector: what it is given, what it must answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import nn

from napari_medad.detectors.card import Card
from napari_medad.detectors.device import Device
from napari_medad.detectors.settings import Settings
from napari_medad.results.run_record import WeightsRecord
from napari_medad.volumes.slices import SlicePlan
from napari_medad.volumes.study import Study
from napari_medad.volumes.volume import Volume


@dataclass(frozen=True, eq=False)
class Case:
    """One study as a detector sees it.

    Attributes
    ----------
    study : Study
    volume_name : str
        The volume to look at; multi-modality detectors also read `study.volumes`.
    foreground : ndarray [z, y, x] bool
        Body or brain; everything else is background and is not looked at.
    axis : {"axial", "coronal", "sagittal"}
    prompt : str or None
    """

    study: Study
    volume_name: str
    foreground: np.ndarray
    axis: str = "axial"
    prompt: str | None = None

    @property
    def volume(self) -> Volume:
        """The volume to look at."""
        return self.study.volume(self.volume_name)


@dataclass(frozen=True, eq=False)
class SliceBatch:
    """Some slices of a case, cropped to its foreground.

    Attributes
    ----------
    case : Case
    plan : SlicePlan
    indices : ndarray [b] of int
        Positions along the case's axis, in any order.
    """

    case: Case
    plan: SlicePlan
    indices: np.ndarray

    def pixels(self, volume: str | None = None) -> np.ndarray:
        """Intensities [b, h, w] float32 as stored in the file, non-finite ones as 0."""
        array = self.plan.view(self.case.study.volume(volume or self.case.volume_name).array)
        pixels = array[self.indices].astype(np.float32)
        return np.nan_to_num(pixels, copy=False, nan=0.0, posinf=0.0, neginf=0.0)

    def rgb(self) -> np.ndarray:
        """Colours [b, h, w, 3] uint8 of a colour source.

        Only for volumes whose `rgb` is not None.
        """
        rgb = self.case.volume.rgb
        assert rgb is not None
        stacked = np.moveaxis(rgb, self.plan.axis, 0)
        return stacked[:, self.plan.box[0], self.plan.box[1]][self.indices]

    @property
    def foreground(self) -> np.ndarray:
        """Foreground [b, h, w] bool."""
        return self.plan.view(self.case.foreground)[self.indices]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a detector says of a batch of slices, or of a volume.

    Attributes
    ----------
    maps : mapping of str to ndarray float32
        [b, h, w] on the batch's pixels (slices) or [z, y, x] (volume, whose b below is the
        number of its slices along the case's axis). Holds `anomaly`.
    scores : ndarray [b] float32, optional
        The detector's own slice scores. Where None, the mean of the anomaly map over the
        slice's foreground is used.
    categories : mapping of str to ndarray [b] float32, optional
        Score of each abnormality that the detector tells apart; higher is more like it.
    chances : mapping of str to ndarray [b] float32, optional
        Probability of each, in 0..1.
    present : mapping of str to ndarray [b] bool, optional
        Its decision on each of them.
    """

    maps: Mapping[str, np.ndarray]
    scores: np.ndarray | None = None
    notes: tuple[str, ...] = field(default=())
    categories: Mapping[str, np.ndarray] = field(default_factory=dict)
    chances: Mapping[str, np.ndarray] = field(default_factory=dict)
    present: Mapping[str, np.ndarray] = field(default_factory=dict)


class Detector(ABC):
    """A model with its settings and weights, ready to look at cases.

    Subclass `SliceDetector` or `VolumeDetector`, not this.

    Parameters
    ----------
    settings : Settings
        An instance of the card's Settings model.
    device : Device
    weights : str
        "auto" (the best installed), "starter", "released", "untrained", a name given to
        `medad weights add`, or a path of a model folder or checkpoint.
    """

    card: Card
    threshold_source: str = "calibrated on held-out healthy scans"
    """How `threshold` came about, for the record."""

    def __init__(self, settings: Settings, device: Device, weights: str = "auto") -> None:
        self.settings = settings
        self.device = device
        self.weights = WeightsRecord()
        self.network: nn.Module | None = None
        self.load(weights)

    @property
    def remembered(self) -> int:
        """Slices of normal scans given in memory, which a run record cannot hold."""
        return 0

    @property
    def looks_through(self) -> object | None:
        """A frozen backbone; detectors with the same one look at each batch together.

        They must draw no random numbers of torch's own generator.
        """
        return None

    @property
    def info(self) -> Card:
        """The detector's card."""
        return self.card

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the maps that it says."""
        return self.card.outputs

    @property
    def categories(self) -> tuple[str, ...]:
        """Names of the abnormalities that it tells apart."""
        return ()

    def load(self, weights: str) -> None:
        """Build the network and load its weights, filling `network` and `weights`.

        The default is for detectors without a network.
        """

    def prepare(self, case: Case) -> Any:
        """Look once at the whole case (intensity statistics, text features).

        What is returned is handed to every `predict`. Must not copy the volume.
        """
        return None

    def finish(self, maps: Mapping[str, np.ndarray], case: Case, state: Any) -> None:
        """Change complete maps in place, where a method needs the whole volume for that."""

    def threshold(self, case: Case, state: Any) -> float | None:
        """Threshold of the anomaly map calibrated on healthy scans, if there is one."""
        return None

    def evidence(self, case: Case, state: Any) -> Mapping[str, Any]:
        """What the run was decided by and its settings do not say, for the record (JSON)."""
        return {}

    def notes(self, case: Case, state: Any) -> tuple[str, ...]:
        """What a careful reader of the result should know, one sentence each."""
        return ()


class SliceDetector(Detector):
    """A detector that looks at slices along any axis, in batches."""

    batch_size: int = 16

    @abstractmethod
    def predict(self, batch: SliceBatch, state: Any) -> Prediction:
        """Maps of a batch, each [b, h, w] float32 on the batch's own pixels."""


class VolumeDetector(Detector):
    """A detector that looks at the volume as a whole."""

    @abstractmethod
    def predict_volume(
        self, case: Case, state: Any, report: Callable[[int, int], None]
    ) -> Prediction:
        """Maps of the case, each [z, y, x] float32.

        Call `report(done, total)` between steps; it raises when the user cancels.
        """
