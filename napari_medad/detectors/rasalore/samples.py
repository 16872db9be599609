"""Slices to learn from: cut out of cases, kept small, varied on the way to the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from napari_medad.detectors.rasalore.framing import Box, Framing, boxes_of, crop
from napari_medad.detectors.rasalore.losses import NARROW, WIDE, proximity
from napari_medad.detectors.rasalore.network import SIZE
from napari_medad.errors import MedadError
from napari_medad.volumes.foreground import foreground_of
from napari_medad.volumes.study import Study


@dataclass(frozen=True, eq=False)
class CaseSlices:
    """The axial slices of one case, as the network will see them.

    Attributes
    ----------
    images : ndarray [n, m, 128, 128] uint8
        Grey values in the network's modalities; 0 where one is missing.
    present : ndarray [m] bool
    weak, refined : ndarray [n, 256, 256] bool
        The weak mask D and its refinement S.
    importance : ndarray [n, 256, 256] float16, optional
        How much each pixel counts.
    """

    images: np.ndarray
    present: np.ndarray
    weak: np.ndarray
    refined: np.ndarray
    importance: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.images)


def slices_of(
    study: Study,
    weak: np.ndarray,
    refined: np.ndarray | None,
    *,
    framing: Framing,
    modalities: Sequence[str],
    wanted: np.ndarray,
    importance: np.ndarray | None = None,
) -> CaseSlices:
    """Cut axial slices out of a study.

    Parameters
    ----------
    study : Study
    weak, refined : ndarray [z, y, x] bool
        Masks on the study's grid; `refined` None for none.
    framing : Framing
    modalities : sequence of str
        The network's; ("any",) stands for the study's reference volume.
    wanted : ndarray of int
        Which slices.
    importance : ndarray [z, y, x], optional
        How much each voxel counts.
    """
    names = [study.reference if m == "any" else m for m in modalities]
    present = np.array([name in study.volumes for name in names])
    foreground = foreground_of(study.volume())
    inside = framing.turn(foreground[wanted])
    greys = np.zeros((len(names), *inside.shape), np.float32)
    for grey, name, there in zip(greys, names, present):
        if there:
            array = np.nan_to_num(study.volume(name).array.astype(np.float32, copy=False))
            level = framing.level(array, foreground)
            grey[:] = framing.grey(framing.turn(array[wanted]), inside, level)
    boxes = boxes_of(greys.max(axis=0))
    images = torch.stack([crop(grey, boxes, SIZE) for grey in greys], 1)
    counts = None
    if importance is not None:
        planes = framing.turn(importance[wanted].astype(np.float32))
        counts = crop(planes, boxes, 2 * SIZE).half().numpy()
    return CaseSlices(
        images.round().to(torch.uint8).numpy(),
        present,
        _masks(weak, framing, boxes, wanted),
        _masks(refined, framing, boxes, wanted),
        counts,
    )


def _masks(
    mask: np.ndarray | None, framing: Framing, boxes: list[Box], wanted: np.ndarray
) -> np.ndarray:
    if mask is None:
        return np.zeros((len(boxes), 2 * SIZE, 2 * SIZE), bool)
    planes = framing.turn(mask[wanted] > 0).astype(np.float32)
    return (crop(planes, boxes, 2 * SIZE) > 0.5).numpy()


class SliceSamples(Dataset[dict[str, Tensor]]):
    """Slices drawn from cases that are opened when they are first needed.

    Parameters
    ----------
    cases : int
        How many there are.
    open_case : callable
        Number and epoch -> CaseSlices, or None where the case has nothing to offer.
    per_case : int
        Slices drawn from a case in one epoch.
    renewed : bool
        Whether a case is another one every epoch (synthesis), or kept.
    varied : bool
        Whether to draw and vary slices at random; else they are the same every time.
    weighted : bool
        Whether to add the proximity weights that weak masks are read with.
    turn : float
        Largest rotation in degrees.
    """

    def __init__(
        self,
        cases: int,
        open_case: Callable[[int, int], CaseSlices | None],
        per_case: int,
        *,
        renewed: bool = False,
        varied: bool = True,
        weighted: bool = True,
        turn: float = 90,
    ) -> None:
        self.cases = cases
        self.open_case = open_case
        self.per_case = per_case
        self.renewed = renewed
        self.varied = varied
        self.weighted = weighted
        self.turn = turn
        self.epoch = 0
        self._opened: dict[int, CaseSlices | None] = {}

    def set_epoch(self, epoch: int) -> None:
        """Close cases that are renewed."""
        if self.renewed and epoch != self.epoch:
            self._opened.clear()
        self.epoch = epoch

    def __len__(self) -> int:
        return self.cases * self.per_case

    def scan_of(self, index: int) -> int:
        """Which case an item is of."""
        return index // self.per_case

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        number, position = divmod(index, self.per_case)
        generator = np.random.default_rng(int(torch.randint(2**31, ())))
        case = self._next_case(number)
        which = position * len(case) // self.per_case
        if self.varied:
            which = int(generator.integers(len(case)))
        return self._item(case, which, generator)

    def _next_case(self, number: int) -> CaseSlices:
        """The case of this number, or the next one with slices."""
        for candidate in range(number, number + self.cases):
            candidate %= self.cases
            if candidate not in self._opened:
                self._opened[candidate] = self.open_case(candidate, self.epoch)
            case = self._opened[candidate]
            if case is not None and len(case):
                return case
        raise MedadError(
            f"None of the {self.cases} cases holds a slice with a lesion large enough to learn "
            "from; give masks that mark some."
        )

    def _item(
        self, case: CaseSlices, which: int, generator: np.random.Generator
    ) -> dict[str, Tensor]:
        image = torch.from_numpy(case.images[which]).float()
        held = [case.weak[which], case.refined[which], np.zeros(case.weak[which].shape)]
        if case.importance is not None:
            held[2] = case.importance[which] - 1  # so that what a rotation brings in counts as 1
        masks = torch.from_numpy(np.stack(held).astype(np.float32))
        if self.varied:
            image, masks = vary(image, masks, generator, self.turn)
        item = {
            "image": image,
            "present": torch.from_numpy(case.present),
            "weak": masks[0],
            "refined": masks[1],
            "importance": masks[2] + 1,
        }
        if self.weighted:
            weak, refined = masks[:2].numpy()
            terms = ((weak, NARROW), (refined, NARROW), (1 - weak, WIDE))
            item["weights"] = torch.from_numpy(np.stack([proximity(m, s) for m, s in terms]))
        return item


class Rehearsed(Dataset[dict[str, Tensor]]):
    """The user's slices, and as many synthetic ones.

    Parameters
    ----------
    own, synthetic : SliceSamples
    """

    def __init__(self, own: SliceSamples, synthetic: SliceSamples) -> None:
        self.own, self.synthetic = own, synthetic

    def set_epoch(self, epoch: int) -> None:
        """Make new synthetic scans."""
        self.own.set_epoch(epoch)
        self.synthetic.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.own) + len(self.synthetic)

    def scan_of(self, index: int) -> int:
        """Which scan an item is of; synthetic ones after the user's."""
        own = len(self.own)
        if index < own:
            return self.own.scan_of(index)
        return self.own.cases + self.synthetic.scan_of(index - own)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        own = len(self.own)
        return self.own[index] if index < own else self.synthetic[index - own]


def vary(
    image: Tensor, masks: Tensor, generator: np.random.Generator, turn: float = 90
) -> tuple[Tensor, Tensor]:
    """The paper's augmentation of an image [m, s, s] in 0..255 and its masks [n, 2s, 2s].

    Rotation by up to 90 degrees, flips, brightness, contrast, noise. With smaller turns only
    left and right are flipped.
    """
    angle = np.deg2rad(generator.integers(-int(turn), int(turn) + 1)) * (generator.random() < 0.7)
    flip_x, flip_y = np.where(generator.random(2) < 0.5, -1.0, 1.0)
    flip_y = flip_y if turn >= 90 else 1.0
    cos, sin = np.cos(angle), np.sin(angle)
    move = torch.tensor(
        [[[cos * flip_x, -sin * flip_y, 0], [sin * flip_x, cos * flip_y, 0]]], dtype=torch.float32
    )
    image, masks = _moved(image, move, "bilinear"), _moved(masks, move, "nearest")
    visible = image.amax(0) > 0
    if generator.random() < 0.5:
        image = image * generator.uniform(0.8, 1.2)
    if generator.random() < 0.5:
        mean = image.mean((1, 2), keepdim=True)
        image = mean + (image - mean) * generator.uniform(0.8, 1.2)
    if generator.random() < 0.7:
        noise = generator.standard_normal(image.shape, np.float32)
        image = image + 10 * torch.from_numpy(noise)
    return image.clamp(0, 255) * visible, masks


def _moved(planes: Tensor, move: Tensor, mode: str) -> Tensor:
    grid = F.affine_grid(move, [1, *planes.shape], align_corners=False)
    return F.grid_sample(planes[None], grid, mode=mode, align_corners=False)[0]
