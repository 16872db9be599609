"""What both downstream trainings have in common: an encoder that a pre-trained brat gives."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import nn

from napari_medad.detectors.brat.heads import Head
from napari_medad.detectors.brat.network import Brat
from napari_medad.detectors.brat.recipe import BratRecipe, begun
from napari_medad.detectors.brat.settings import BratShape
from napari_medad.errors import MedadError


class Downstream(BratRecipe):
    """A head on brat, begun from any of its weights or from random ones."""

    network_type: ClassVar[type[Head]]
    free: ClassVar[tuple[str, ...]]
    """What shapes the head, whatever the weights to begin from say."""
    resizable: ClassVar[tuple[str, ...]] = ()
    """What may be set to another value than theirs."""

    @cached_property
    def _begun(self) -> tuple[Brat, dict[str, Any]] | None:
        return begun(self.options)

    def shape(self) -> BratShape:
        """As the options say; of the weights to begin from where there are any.

        Raises
        ------
        MedadError
            If an option asks for another shape than these weights have.
        """
        wanted = super().shape()
        if self._begun is None:
            return wanted
        held, usual = self._begun[0].shape, BratShape()
        changes: dict[str, Any] = {}
        for name in BratShape.model_fields:
            asked = getattr(wanted, name)
            if name in self.free or (name in self.resizable and asked != getattr(usual, name)):
                changes[name] = asked
            elif asked not in (getattr(usual, name), getattr(held, name)):
                raise MedadError(
                    f"The weights '{self.options.begin_from}' have {name}={getattr(held, name)}, "
                    f"not {asked}; leave that option out, or begin from other weights."
                )
        return held.model_copy(update=changes)

    def network(self) -> nn.Module:
        """Random but for what the weights to begin from give."""
        network = self.network_type(self.shape())
        if self._begun is not None:
            network.take_over(self._begun[0])
        if self.options.frozen:
            network.freeze()
        return network

    def learning(self, network: nn.Module) -> list[nn.Parameter]:
        """The parameters that are not frozen."""
        return [part for part in network.parameters() if part.requires_grad]

    def computing_device(self, network: nn.Module) -> torch.device:
        """Where the network is."""
        return next(network.parameters()).device
