"""What RASALoRE learns from, and how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from napari_medad.detectors.rasalore import losses
from napari_medad.detectors.rasalore.calibration import (
    WholeScan,
    corrected_threshold,
    threshold_facts,
)
from napari_medad.detectors.rasalore.cases import Cases, healthy_slices, truth_of
from napari_medad.detectors.rasalore.checkpoint import load_network, shape_settings
from napari_medad.detectors.rasalore.framing import Framing, boxes_of, crop, paste
from napari_medad.detectors.rasalore.network import SIZE, Output, Rasalore
from napari_medad.detectors.rasalore.samples import Rehearsed, SliceSamples
from napari_medad.detectors.rasalore.synthesis import (
    HELD_OUT_SEED,
    Patient,
    SyntheticCases,
    make_patients,
)
from napari_medad.detectors.recipe import Example, Recipe, TrainingOptions
from napari_medad.errors import MedadError
from napari_medad.volumes.foreground import foreground_of
from napari_medad.volumes.volume import Volume

HEALTHY_SCANS = {"synthetic": 40, "rehearsed": 12}
"""Synthetic scans that a threshold is calibrated on, where they teach alone or beside others."""

HELD_OUT_SLICES = 12
"""Slices of each synthetic scan that a rehearsal is measured on."""

AT_ONCE = 16
"""Synthetic scans that slices are drawn from at any time."""


class RasaloreOptions(TrainingOptions):
    """Paper defaults; see METHOD.md for what the paper leaves open."""

    epochs: int = Field(200, ge=1, title="Epochs")
    batch_size: int = Field(16, ge=1, title="Batch size")
    learning_rate: float = Field(0.01, gt=0, title="Learning rate")
    optimiser_kind: Literal["sgd", "adamw"] = Field(
        "sgd", title="Optimiser", description="SGD halved every 20 epochs, or AdamW with cosine"
    )
    objective: Literal["code", "paper", "exact"] = Field(
        "code",
        title="Objective",
        description="Overlap for weak masks as in the released trainer (Tversky) or the paper "
        "(Dice), or cross-entropy and Dice for exact masks",
    )
    refined_term: bool = Field(
        True, title="Use refined masks", description="Learn from the MedSAM masks where given"
    )
    points_weight: float = Field(
        1.0,
        ge=0,
        title="Weight of the points",
        description="Of the point and structure terms against that of the mask (paper: 1)",
    )
    scaled: bool = Field(
        False, title="Scaled input", description="Centre grey values before the first layer"
    )
    width: int = Field(32, ge=2, le=64, title="Channels of the first stage")
    side: Literal[8, 16, 32] = Field(32, title="Points per row")
    lore: Literal["fixed", "reference"] = Field("fixed", title="Embedding")
    intensity: Literal["slice", "volume"] = Field("slice", title="Grey values per")
    gamma: float = Field(2.0, gt=0, le=4, title="Gamma")
    stretch: float = Field(
        1.0,
        ge=1,
        le=4,
        title="Stretch",
        description="Of grey values above those of healthy tissue, when looking; 1 is off. "
        "Learning with it undoes it",
    )
    edge_mm: float = Field(
        0.0,
        ge=0,
        le=20,
        title="Follow edges",
        description="Radius in which the map follows the image, when looking; 0 is off (paper)",
        json_schema_extra={"unit": "mm"},
    )
    modalities: tuple[str, ...] = Field(
        ("any",), title="Modalities", description="One branch each; 'any' takes any volume"
    )
    bridge: str = Field(
        "", title="Bridge", description="Model folder of the modality that others align with"
    )
    align_weight: float = Field(1.0, ge=0, title="Weight of the alignment")
    per_case: int = Field(60, ge=1, title="Slices of a case per epoch")
    healthy_share: float = Field(
        0.0,
        ge=0,
        le=1,
        title="Healthy slices",
        description="Healthy slices for each abnormal one; the paper uses none",
    )
    encoder_kind: Literal["code", "unet"] = Field(
        "code",
        title="Encoder",
        description="As released, which sees little of the surroundings, or the paper's U-Net",
    )
    norm: Literal["channel", "batch"] = Field(
        "channel",
        title="Normalisation",
        description="Of the encoder; over channels as published, or over the batch, which "
        "learns several times faster",
    )
    dropout: float = Field(0.1, ge=0, le=0.5, title="Dropout")
    turn: float = Field(
        90,
        ge=0,
        le=90,
        title="Largest rotation",
        description="Of slices while training; below 90 they are not turned upside down either",
        json_schema_extra={"unit": "degrees"},
    )
    synthetic_cases: int = Field(32, ge=1, title="Synthetic scans per epoch")
    synthetic_patients: int = Field(24, ge=2, title="Synthetic anatomies")
    rehearsal: int = Field(
        0,
        ge=0,
        title="Rehearsal",
        description="Synthetic scans shown per epoch beside each of your own, half of all slices, "
        "so that what was known is not forgotten",
    )


class RasaloreRecipe(Recipe):
    """Weak masks in, a segmentation network out."""

    Options = RasaloreOptions
    options: RasaloreOptions
    synthetic = True
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "starter": {
            "objective": "exact",
            "optimiser_kind": "adamw",
            "learning_rate": 5e-4,
            "clip_norm": 1.0,
            "batch_size": 16,
            "points_weight": 0.05,
            "scaled": True,
            "width": 8,
            "side": 8,
            "encoder_kind": "unet",
            "norm": "batch",
            "dropout": 0.0,
            "turn": 20,
            "intensity": "volume",
            "gamma": 1.0,
            "stretch": 2.0,
            "edge_mm": 4.0,
            "per_case": 12,
            "workers": 1,
            "synthetic_cases": 128,
            "synthetic_patients": 64,
            "epochs": 15,
        }
    }
    lesson: ClassVar[Mapping[str, Any]] = {
        "objective": "exact",
        "optimiser_kind": "adamw",
        "learning_rate": 2e-4,
        "batch_size": 8,
        "epochs": 4,
        "per_case": 60,
        "healthy_share": 0.3,
        "rehearsal": 10,
        "synthetic_patients": 8,
        "workers": 0,
    }

    def __init__(self, options: RasaloreOptions, examples: Sequence[Example]) -> None:
        super().__init__(options, examples)
        self.framing = Framing(options.intensity, options.gamma)
        self.looking = replace(self.framing, stretch=options.stretch, edge_mm=options.edge_mm)
        self.patients: dict[bool, list[Patient]] = {}
        self.bridge: Rasalore | None = None
        if options.bridge:
            self.bridge = load_network(Path(options.bridge))[0].eval().requires_grad_(False)
            self.bridge_branch = self._bridge_modality(self.bridge)

    def _bridge_modality(self, bridge: Rasalore) -> int:
        """Position of the bridge's modality among those to be trained."""
        modality = bridge.modalities[0]
        if len(bridge.modalities) != 1 or modality not in self.options.modalities:
            raise MedadError(
                f"The bridge {self.options.bridge} was trained on "
                f"{', '.join(bridge.modalities)}; it must be a model of one of the modalities "
                f"{', '.join(self.options.modalities)}."
            )
        if bridge.side != self.options.side:
            raise MedadError(
                f"The bridge {self.options.bridge} has {bridge.side} points per row; set "
                f"side={bridge.side}."
            )
        return self.options.modalities.index(modality)

    def network(self) -> nn.Module:
        """A random network, or the bridge's shared parts with new branches."""
        o = self.options
        network = Rasalore(
            side=o.side,
            modalities=o.modalities,
            lore=o.lore,
            seed=o.seed,
            dropout=o.dropout,
            **self._shape(),
        )
        for part in ("encoder", "refiner", "decoder") if self.bridge is not None else ():
            getattr(network, part).load_state_dict(getattr(self.bridge, part).state_dict())
        return network

    def _shape(self) -> dict[str, Any]:
        """What a bridge has settled, if there is one."""
        settled = self.bridge or self.options
        return {key: getattr(settled, key) for key in ("width", "scaled", "encoder_kind", "norm")}

    def dataset(self, *, held_out: bool) -> SliceSamples | Rehearsed:
        """Slices of the cases; the held-out ones are the same every time."""
        o = self.options
        if not self.examples:
            return self._samples(self._synthetic(o.synthetic_cases, held_out), o.per_case, held_out)
        cases = Cases(self.examples, o.modalities, self.framing, o.healthy_share, held_out=held_out)
        own = self._samples(cases, o.per_case, held_out)
        if not o.rehearsal:
            return own
        scans = o.rehearsal * len(self.examples)
        each = HELD_OUT_SLICES if held_out else max(1, o.per_case * len(cases) // scans)
        return Rehearsed(own, self._samples(self._synthetic(scans, held_out), each, held_out))

    def _synthetic(self, scans: int, held_out: bool) -> SyntheticCases:
        o = self.options
        patients = self._patients(held_out)
        return SyntheticCases(
            scans, patients, o.modalities, self.framing, o.seed, held_out=held_out
        )

    def _samples(
        self, cases: Cases | SyntheticCases, per_case: int, held_out: bool
    ) -> SliceSamples:
        return SliceSamples(
            len(cases),
            cases.open,
            per_case,
            renewed=cases.renewed,
            varied=not held_out,
            weighted=self.options.objective != "exact",
            turn=self.options.turn,
        )

    def order(self, size: int, generator: np.random.Generator) -> np.ndarray:
        """Any order, but synthetic scans a few at a time: so making them keeps pace."""
        if self.examples:
            return super().order(size, generator)
        scan = np.arange(size) / self.options.per_case
        return np.argsort(scan + generator.uniform(0, AT_ONCE, size))

    def _patients(self, held_out: bool) -> list[Patient]:
        """Synthetic anatomies; those held out, an eighth as many, are others."""
        if held_out not in self.patients:
            count = self.options.synthetic_patients
            count, first = (max(2, count // 8), HELD_OUT_SEED) if held_out else (count, 0)
            seed = 10_000_019 * self.options.seed + first
            self.patients[held_out] = make_patients(count, seed, self.watched)
        return self.patients[held_out]

    def losses(self, network: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """L_dec + L_PA + L_struct of every modality present, and lambda L_align."""
        terms: dict[str, list[Tensor]] = {"mask": [], "points": [], "structure": [], "align": []}
        bridge = self._bridge_embedding(batch)
        for branch in range(batch["image"].shape[1]):
            there = batch["present"][:, branch]
            if not there.any():
                continue
            one = {key: value[there] for key, value in batch.items()}
            output = network(one["image"][:, branch, None], branch)
            targets = losses.points_of(one["weak"][:, ::2, ::2], self.options.side)
            embedding = output.embedding.float()
            terms["mask"].append(self._mask_loss(output, one))
            terms["points"].append(losses.point_loss(output.activations.float(), targets))
            terms["structure"].append(losses.structure_loss(embedding, targets))
            if bridge is not None:
                seen = one["present"][:, self.bridge_branch]
                if seen.any():
                    aligned = losses.alignment_loss(embedding[seen], bridge[there][seen])
                    terms["align"].append(aligned)
        means = {key: torch.stack(values).mean() for key, values in terms.items() if values}
        points = self.options.points_weight
        weight = {"points": points, "structure": points, "align": self.options.align_weight}
        total = torch.stack([weight.get(key, 1.0) * mean for key, mean in means.items()]).sum()
        return {"loss": total, **means}

    def _mask_loss(self, output: Output, one: Mapping[str, Tensor]) -> Tensor:
        logits = output.logits[:, 0].float()
        if self.options.objective == "exact":
            return losses.exact_loss(logits, one["weak"], one["importance"])
        refined = one["refined"] * float(self.options.refined_term)
        return losses.decoder_loss(
            logits.sigmoid(), one["weak"], refined, one["weights"], self.options.objective
        )

    def _bridge_embedding(self, batch: Mapping[str, Tensor]) -> Tensor | None:
        """The frozen bridge's embeddings of the very images of this batch."""
        if self.bridge is None:
            return None
        image = batch["image"][:, self.bridge_branch, None]
        with torch.no_grad():
            return self.bridge.to(image.device)(image).embedding.float()

    def optimiser(self, network: nn.Module) -> torch.optim.Optimizer:
        """SGD with momentum 0.9 (paper), or AdamW."""
        if self.options.optimiser_kind == "sgd":
            return torch.optim.SGD(
                network.parameters(), lr=self.options.learning_rate, momentum=0.9
            )
        return torch.optim.AdamW(
            network.parameters(), lr=self.options.learning_rate, weight_decay=1e-4
        )

    def schedule(
        self, optimiser: torch.optim.Optimizer, steps: int
    ) -> torch.optim.lr_scheduler.LRScheduler:
        """Constant for 21 epochs, then halved every 20 (paper); a warm-up and cosine for AdamW."""
        if self.options.optimiser_kind == "adamw":
            return torch.optim.lr_scheduler.OneCycleLR(
                optimiser, self.options.learning_rate, total_steps=max(steps, 2), pct_start=0.1
            )
        per_epoch = max(1, steps // self.options.epochs)

        def factor(step: int) -> float:
            return 0.5 ** max(0, (step // per_epoch - 1) // 20)

        return torch.optim.lr_scheduler.LambdaLR(optimiser, factor)

    def calibrate(self, network: nn.Module) -> dict[str, Any]:
        """The threshold of the maps, see `calibration.threshold_facts`.

        After a lesson not above that with the best Dice on the corrected scans: who corrects
        wants what was corrected to be marked.
        """
        assert isinstance(network, Rasalore)
        o = self.options
        if self.examples and not o.healthy_share and not o.rehearsal:
            return {"healthy_slices": 0}
        facts = threshold_facts(network, self.looking, o.modalities, self._whole_scans())
        if o.rehearsal and "threshold" in facts:
            studies = ((e, e.study()) for e in self.examples if not e.held_out)
            corrected = ((study, truth_of(example, study)) for example, study in studies)
            best = corrected_threshold(network, self.looking, o.modalities, corrected)
            facts["threshold"] = min(facts["threshold"], best)
        return facts

    def _whole_scans(self) -> Iterator[WholeScan]:
        """The held-out scans, and synthetic ones without any lesion where those teach."""
        own = [example for example in self.examples if example.held_out]
        made = HEALTHY_SCANS["rehearsed"] if self.options.rehearsal else 0
        if not self.examples:
            made = HEALTHY_SCANS["synthetic"]
        synthetic = self._synthetic(1, held_out=True) if made else None
        for number in self.watched(range(len(own) + made), len(own) + made):
            if number < len(own):
                study = own[number].study()
                yield WholeScan(study, *healthy_slices(own[number], study))
            else:
                assert synthetic is not None
                study, truth = synthetic.healthy(number - len(own))
                yield WholeScan(study, ~truth.any(axis=(1, 2)), False)

    def preview(self, network: nn.Module, pixels: np.ndarray) -> np.ndarray:
        """Map of one slice in the network's first modality."""
        turned = self.framing.turn(pixels[None].astype(np.float32))
        inside = self.framing.turn(foreground_of(Volume(pixels[None], np.eye(4))))
        grey = self.looking.grey(turned, inside, self.framing.level(turned, inside))
        boxes = boxes_of(grey)
        device = next(network.parameters()).device
        with torch.inference_mode():
            logits = network(crop(grey, boxes, SIZE)[:, None].to(device)).logits[:, 0]
        pasted = paste(logits.float().sigmoid().cpu(), boxes, (grey.shape[1], grey.shape[2]))
        return self.framing.turn(pasted)[0]

    def model_settings(self) -> dict[str, Any]:
        """Shape of the network, its modalities and framing."""
        o = self.options
        return shape_settings(o.side, o.modalities, self.looking, **self._shape())
