"""Normal slices to learn from: read or synthesised once, varied on the way to the network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from napari_medad.detectors.example_masks import importance_of, mask_of
from napari_medad.detectors.framing import to_square
from napari_medad.detectors.recipe import Example
from napari_medad.detectors.training_slices import (
    cut,
    synthetic_volumes,
    usable_slices,
    varied,
)
from napari_medad.volumes.foreground import foreground_of
from napari_medad.volumes.phantom.contrast import contrasts
from napari_medad.volumes.slices import SlicePlan
from napari_medad.volumes.volume import Volume

WITHOUT_PROMPT = 0.1
"""Share of training slices shown without a prompt, so that the image alone routes too."""


@dataclass(frozen=True, eq=False)
class TaskVolume:
    """A volume, its task's number, and how much each voxel counts (0: a lesion)."""

    volume: Volume
    task: int
    importance: np.ndarray | None = None


def volumes_of(examples: Iterable[Example], tasks: Sequence[str]) -> Iterator[TaskVolume]:
    """Read the examples one by one."""
    for example in examples:
        study = example.study()
        importance, mask = importance_of(example, study), mask_of(example, study)
        if mask is not None:
            counts = np.float32(1) if importance is None else importance
            importance = np.where(mask, np.float32(0), counts)
        yield TaskVolume(study.volume(), tasks.index(example.task), importance)


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
        images = [torch.zeros((0, 2, size, size), dtype=torch.uint8)]
        counts, tasks = [torch.zeros((0, size, size), dtype=torch.float16)], []
        for item in volumes:
            foreground = foreground_of(item.volume)
            chosen = usable_slices(foreground, per_volume)
            images.append(cut(item.volume, foreground, chosen, size, intensity))
            tasks += [item.task] * len(chosen)
            if item.importance is None:
                counts.append(torch.ones((len(chosen), size, size), dtype=torch.float16))
            else:
                planes = SlicePlan.of(foreground, "axial").view(item.importance)[chosen]
                counts.append(to_square(planes, size)[:, 0].half())
        self.images, self.importance = torch.cat(images), torch.cat(counts)
        self.tasks = torch.tensor(tasks, dtype=torch.long)

    def __len__(self) -> int:
        return len(self.tasks)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """`image` (the target), `input`, `foreground`, `importance`, all [1, size, size], and more.

        `text` [512] are the features of the prompt, `task` its number.
        """
        image, foreground = self.images[index].float() / 255
        importance = self.importance[index].float()
        task = self.tasks[index]
        wording = 0
        if self.vary:
            # Less 1, so that what a shift brings in counts as 1.
            image, foreground, importance = varied(image, foreground, importance - 1)
            importance = importance + 1
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
            "importance": importance[None],
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
