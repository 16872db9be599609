"""Normal slices to learn from: read or synthesised once, varied on the way to the network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from napari_medad.detectors.moe.framing import scale_of, scaled, to_square
from napari_medad.detectors.recipe import Example
from napari_medad.volumes.foreground import foreground_of
from napari_medad.volumes.phantom import make_brain
from napari_medad.volumes.phantom.contrast import contrasts
from napari_medad.volumes.slices import SlicePlan
from napari_medad.volumes.volume import Volume

SHIFT = 0.05
"""Largest random shift and scale of a training slice, as a share of its side."""
GAMMA = 0.15
"""Standard deviation of the random gamma's logarithm."""
GAIN, OFFSET = 0.15, 0.04
"""Standard deviations of the random gain's logarithm and of the random offset."""
WITHOUT_PROMPT = 0.1
"""Share of training slices shown without a prompt, so that the image alone routes too."""
LEAST_FOREGROUND = 0.15
"""Slices with less foreground than this share of the fullest one teach little."""


@dataclass(frozen=True, eq=False)
class TaskVolume:
    """A normal volume and its task's number."""

    volume: Volume
    task: int


def volumes_of(examples: Iterable[Example], tasks: Sequence[str]) -> Iterator[TaskVolume]:
    """Read the examples one by one."""
    for example in examples:
        yield TaskVolume(example.study().volume(), tasks.index(example.task))


def synthetic_volumes(
    seeds: Iterable[int], tasks: Sequence[str], spacing: float
) -> Iterator[TaskVolume]:
    """Healthy synthetic brains, one volume a contrast."""
    for seed in seeds:
        brain = make_brain(seed, spacing=spacing)
        for contrast, volume in brain.study.volumes.items():
            yield TaskVolume(volume, tasks.index(contrasts()[contrast]["task"]))


class NormalSlices(Dataset[dict[str, Tensor]]):
    """Axial slices of normal volumes, as the network sees them.

    Parameters
    ----------
    volumes : iterable of TaskVolume
    size : int
        The network's image size.
    intensity : {"rank", "percentile"}
    per_volume : int
        At most so many slices of a volume, evenly spaced.
    prompts : ndarray [tasks, paraphrases, 512]
        Text features of each task's prompt in several wordings, the plain one first.
    vary : bool
        Random shift, scale, gamma, mirror and wording; off for held-out slices.
    corruption : float
        Share of varied slices whose input carries blobs that the target lacks.
    """

    def __init__(
        self,
        volumes: Iterable[TaskVolume],
        size: int,
        intensity: str,
        per_volume: int,
        prompts: np.ndarray,
        vary: bool,
        corruption: float = 0.0,
    ) -> None:
        self.prompts = torch.from_numpy(prompts)
        self.corruption = corruption
        self.vary = vary
        images, tasks = [], []
        for item in volumes:
            cut = _cut(item.volume, size, intensity, per_volume)
            images.append(cut)
            tasks += [item.task] * len(cut)
        empty = torch.zeros((0, 2, size, size), dtype=torch.uint8)
        self.images = torch.cat(images) if images else empty
        self.tasks = torch.tensor(tasks, dtype=torch.long)

    def __len__(self) -> int:
        return len(self.tasks)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """`image` (the target), `input`, `foreground` [1, size, size], `text` [512], `task`."""
        image, foreground = self.images[index].float() / 255
        task = self.tasks[index]
        wording = 0
        if self.vary:
            image, foreground = _varied(image, foreground)
            wording = int(torch.randint(self.prompts.shape[1], ()))
        text = self.prompts[task, wording]
        if self.vary and torch.rand(()) < WITHOUT_PROMPT:
            text = torch.zeros_like(text)
        foreground = (foreground > 0.5).float()
        image = image * foreground
        given = image
        if self.vary and torch.rand(()) < self.corruption:
            given = (_blobbed(image) * foreground).clamp(0, 1)
        return {
            "image": image[None],
            "input": given[None],
            "foreground": foreground[None],
            "text": text,
            "task": task,
        }


def _cut(volume: Volume, size: int, intensity: str, per_volume: int) -> Tensor:
    """Slices and their foreground [n, 2, size, size] uint8."""
    foreground = foreground_of(volume)
    plan = SlicePlan.of(foreground, "axial")
    scale = scale_of(intensity, volume.array, foreground)
    inside = plan.view(foreground)
    filled = inside.sum(axis=(1, 2))
    usable = plan.indices[filled[plan.indices] >= LEAST_FOREGROUND * filled.max()]
    chosen = usable[np.linspace(0, usable.size - 1, min(per_volume, usable.size)).astype(int)]
    pixels = np.nan_to_num(plan.view(volume.array)[chosen].astype(np.float32))
    images = to_square(scaled(scale, pixels, inside[chosen]), size)
    masks = to_square(inside[chosen].astype(np.float32), size)
    return (torch.cat([images, masks], dim=1) * 255).round().to(torch.uint8)


def _varied(image: Tensor, foreground: Tensor) -> tuple[Tensor, Tensor]:
    """Mirror, shift and scale both; gamma for the image."""
    zoom = 1 + (torch.rand(2) * 2 - 1) * SHIFT
    if torch.rand(()) < 0.5:
        zoom[0] = -zoom[0]
    shift = (torch.rand(2) * 2 - 1) * SHIFT
    theta = torch.tensor([[zoom[0], 0, shift[0]], [0, zoom[1], shift[1]]])
    both = torch.stack([image, foreground])[None]
    grid = F.affine_grid(theta[None], list(both.shape), align_corners=False)
    moved = F.grid_sample(both, grid, align_corners=False)[0]
    gamma = torch.exp(torch.randn(()) * GAMMA)
    gain, offset = torch.exp(torch.randn(()) * GAIN), torch.randn(()) * OFFSET
    image = moved[0].clamp(0, 1) ** gamma
    return ((image - 0.4) * gain + 0.4 + offset).clamp(0, 1), moved[1]


def _blobbed(image: Tensor) -> Tensor:
    """An image with one to four soft ellipses brighter or darker than it was."""
    side = image.shape[-1]
    along = torch.linspace(0, 1, side)
    y, x = torch.meshgrid(along, along, indexing="ij")
    for _ in range(int(torch.randint(1, 5, ()))):
        row, column = torch.rand(2) * 0.7 + 0.15
        radii = 0.02 * 12 ** torch.rand(2)
        angle = torch.rand(()) * torch.pi
        dy, dx = y - row, x - column
        u = (dy * angle.cos() + dx * angle.sin()) / radii[0]
        v = (dx * angle.cos() - dy * angle.sin()) / radii[1]
        rough = 1 + 0.3 * torch.sin(5 * torch.atan2(v, u) + 6 * torch.rand(()))
        weight = torch.sigmoid((rough - torch.hypot(u, v)) * 8)
        sign = 1.0 if torch.rand(()) < 0.7 else -1.0
        image = image + sign * (0.08 + 0.45 * torch.rand(())) * weight
    return image
