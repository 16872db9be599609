"""Normal slices to learn from: read or synthesised once, varied on the way to the network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from napari_medad.detectors.recipe import Example
from napari_medad.detectors.training_slices import framed, synthetic_volumes, varied
from napari_medad.volumes.phantom.contrast import contrasts
from napari_medad.volumes.volume import Volume

WITHOUT_PROMPT = 0.1
"""Share of training slices shown without a prompt, so that the image alone routes too."""


@dataclass(frozen=True, eq=False)
class TaskVolume:
    """A normal volume and its task's number."""

    volume: Volume
    task: int


def volumes_of(examples: Iterable[Example], tasks: Sequence[str]) -> Iterator[TaskVolume]:
    """Read the examples one by one."""
    for example in examples:
        yield TaskVolume(example.study().volume(), tasks.index(example.task))


def synthetic_tasks(
    seeds: Iterable[int], tasks: Sequence[str], spacing: float
) -> Iterator[TaskVolume]:
    """Healthy synthetic brains, one volume a contrast."""
    for volume in synthetic_volumes(seeds, tuple(contrasts()), spacing):
        assert volume.modality is not None
        yield TaskVolume(volume, tasks.index(contrasts()[volume.modality]["task"]))


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
            slices = next(framed([item.volume], size, intensity, per_volume))
            images.append(slices)
            tasks += [item.task] * len(slices)
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
            image, foreground = varied(image, foreground)
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
