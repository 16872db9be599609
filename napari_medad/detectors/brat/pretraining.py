"""Pre-training: every view of a scan is to say a sentence of its report (Eq. 9)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_medad.detectors.brat.bert import bert_tensors
from napari_medad.detectors.brat.losses import (
    contrastive,
    mean_cosine,
    report_writing,
    repulsion,
    similarities,
)
from napari_medad.detectors.brat.network import Brat
from napari_medad.detectors.brat.recipe import BratRecipe, Scans, begun
from napari_medad.detectors.brat.settings import BratShape
from napari_medad.detectors.brat.text import (
    BEGIN,
    LONGEST,
    MOST_SENTENCES,
    ReportTokenizer,
    Tokens,
    learned_vocabulary,
    read_vocabulary,
    sentences_of,
)
from napari_medad.errors import MedadError
from napari_medad.volumes.study import Study

TEMPERATURES = (1e-3, 0.5)
"""Range of the learned temperature (as in BLIP-2)."""


class ScansWithReports(Scans):
    """Framed scans, each with the tokens of its report."""

    def __init__(self, recipe: Pretraining, *, held_out: bool) -> None:
        super().__init__(recipe, recipe.shape(), held_out=held_out)
        self._reports = recipe.reports
        self._tokenizer = recipe.tokenizer

    def more(self, index: int, study: Study, to_image: np.ndarray) -> dict[str, Tensor]:
        """`ids`, `sentence` and `there` [256], `present` [20]."""
        tokens = self._tokenizer([self._reports[id(self.examples[index])]])
        more, spare = LONGEST - tokens.ids.shape[1], MOST_SENTENCES - tokens.present.shape[1]
        pad = torch.nn.functional.pad
        return {
            "ids": pad(tokens.ids, (0, more), value=self._tokenizer.padding)[0],
            "sentence": pad(tokens.sentence, (0, more), value=-1)[0],
            "there": pad(tokens.there, (0, more))[0],
            "present": pad(tokens.present, (0, spare))[0],
        }


class Pretraining(BratRecipe):
    """Scans and reports, contrastively, with repelled views and report writing."""

    contrasts_samples = True

    @cached_property
    def reports(self) -> dict[int, list[str]]:
        """Sentences of every example's report, by the example's identity.

        Raises
        ------
        MedadError
            If an example has no report with a sentence.
        """
        found = {}
        for number, example in enumerate(self.examples, 1):
            try:
                found[id(example)] = sentences_of(example.report)
            except MedadError:
                raise MedadError(
                    f"Example {number} has no report with a sentence; fill in its 'report' (text, "
                    "or a .txt file) or delete the row."
                ) from None
        return found

    @cached_property
    def tokenizer(self) -> ReportTokenizer:
        """Of the BERT or the weights to begin from, else of the reports' own words."""
        if self._begun is not None:
            facts = self._begun[1]
            if "vocabulary" not in facts:
                raise MedadError(
                    f"The weights '{self.options.begin_from}' bring no vocabulary; add them again "
                    "with the vocab.txt of their BERT in one folder."
                )
            return ReportTokenizer(facts["vocabulary"])
        if self.options.bert:
            return ReportTokenizer(read_vocabulary(self.options.bert))
        learned = [self.reports[id(e)] for e in self.chosen(held_out=False)]
        return ReportTokenizer(learned_vocabulary(learned))

    @cached_property
    def _begun(self) -> tuple[Brat, dict[str, Any]] | None:
        return begun(self.options)

    def shape(self) -> BratShape:
        """With the size of the vocabulary."""
        if self._begun is not None:
            return self._begun[0].shape
        wanted = super().shape().model_dump()
        return BratShape.parse({**wanted, "vocabulary": len(self.tokenizer)}, "brat")

    def network(self) -> Brat:
        """Random, or what it begins from; the text side from a BERT where one is given."""
        if self._begun is not None:
            return self._begun[0]
        network = Brat(self.shape())
        nn.init.constant_(network.temp, self.options.temperature)
        if self.options.bert:
            tensors = bert_tensors(self.options.bert, network)
            network.load_state_dict(tensors, strict=False)
        return network

    def dataset(self, *, held_out: bool) -> ScansWithReports:
        """Scans with reports."""
        return ScansWithReports(self, held_out=held_out)

    def losses(self, network: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """L = (L_I|R + L_R|I) / 2 + L_DPP + L_ITG (Eq. 9)."""
        assert isinstance(network, Brat)
        options = self.options
        text = Tokens(*(batch[name] for name in Tokens._fields)).trimmed()
        views = network.views(batch["image"])
        read = network.sentences(text)
        alike = similarities(views.unit, read.unit, read.present, options.matching)
        temperature = network.temp.clamp(*TEMPERATURES)
        losses = {"contrastive": contrastive(alike, temperature)}
        if options.repulsion != "none" and not options.pooled:
            maps = views.attention if options.dpp_layers == "all" else views.attention[-1:]
            losses["repulsion"] = repulsion(
                maps,
                options.repulsion,
                epsilon=options.dpp_epsilon,
                normalised=options.dpp_maps == "normalised",
            )
        if options.writing and not options.pooled:
            ids = text.ids.clone()
            ids[:, 0] = self.tokenizer.number[BEGIN]
            words = network.next_words(views.tokens, text._replace(ids=ids))
            losses["writing"] = report_writing(words, ids, text.there)
        own = alike.argmax(dim=1) == torch.arange(len(alike), device=alike.device)
        told = {"hits": own.float().mean(), "views_cosine": mean_cosine(views.unit.detach())}
        return {"loss": torch.stack(list(losses.values())).sum(), **losses, **told}

    def optimiser(self, network: nn.Module) -> torch.optim.Optimizer:
        """AdamW, the vision backbone and the rest each at its own rate."""
        assert isinstance(network, Brat)
        vision = {id(p) for p in network.visual_encoder.parameters()}
        rate = self.rate(1e-7 if self.options.backbone == "vit" else 5e-4)
        kept = [p for p in network.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in kept if id(p) in vision], "lr": rate},
            {
                "params": [p for p in kept if id(p) not in vision],
                "lr": self.options.text_learning_rate,
            },
        ]
        return torch.optim.AdamW(groups, weight_decay=self.options.weight_decay)

    def calibrate(self, network: nn.Module) -> dict[str, Any]:
        """The vocabulary, how well held-out scans find their reports, and the views' cosine."""
        assert isinstance(network, Brat)
        facts: dict[str, Any] = {"vocabulary": self.tokenizer.vocabulary}
        samples = self.dataset(held_out=True)
        if len(samples) < 2:
            return facts
        alike, cosine = gallery(network, samples, self.options.matching)
        own = alike.diagonal().unsqueeze(1)
        ranks = {"scan to report": (alike >= own).sum(1), "report to scan": (own <= alike.T).sum(1)}
        facts["held_out_retrieval"] = {
            name: {
                **{f"R@{k}": round(float((rank <= k).float().mean()), 4) for k in (1, 5, 10)},
                "median rank": float(rank.float().quantile(0.5)),
            }
            for name, rank in ranks.items()
        } | {"scans": len(samples), "mean cosine of views": round(cosine, 4)}
        return facts


def gallery(network: Brat, samples: ScansWithReports, matching: str) -> tuple[Tensor, float]:
    """Similarity of every scan and report [n, n], and the mean cosine of a scan's views.

    Parameters
    ----------
    network : Brat
        In evaluation mode.
    samples : ScansWithReports
    matching : {"pva", "colbert"}
    """
    device = network.temp.device
    views, sentences = [], []
    with torch.inference_mode():
        for index in range(len(samples)):
            item = {key: value[None].to(device) for key, value in samples[index].items()}
            text = Tokens(*(item[name] for name in Tokens._fields))
            views.append(network.views(item["image"]).unit.cpu())
            sentences.append(tuple(part.cpu() for part in network.sentences(text)))
        unit, present = (torch.cat(parts) for parts in zip(*sentences))
        rows = [similarities(view, unit, present, matching) for view in views]
        return torch.cat(rows), float(mean_cosine(torch.cat(views)))
