"""Text towers: prompts to features, with hooks for learned prompts.

`ClipText` is CLIP's causal transformer, `BertText` the BERT of PMC-CLIP and BiomedCLIP.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from napari_medad.backbones.clip.vision import Adapting, OpenClipBlock, Prompting, whole
from napari_medad.backbones.clip.words import Encode, token_numbers


class Text(ABC):
    """A text tower.

    Parameters
    ----------
    module : Module
        Everything of it that has weights.
    encode : callable
    context : int
        Tokens that it reads at most.
    """

    def __init__(self, module: nn.Module, encode: Encode, context: int) -> None:
        self.module = module
        self._encode = encode
        self.context = context

    def tokens(self, prompts: Sequence[str]) -> Tensor:
        """Token numbers [n, context], filled up with zeros.

        Raises
        ------
        MedadError
            If a prompt does not fit into the context.
        """
        ids = torch.zeros(len(prompts), self.context, dtype=torch.long)
        for row, prompt in zip(ids, prompts):
            numbers = token_numbers(prompt, self._encode, self.context)
            row[: len(numbers)] = torch.tensor(numbers)
        return ids.to(next(self.module.parameters()).device)

    @abstractmethod
    def embed(self, ids: Tensor) -> Tensor:
        """Word embeddings [n, context, c], without positions."""

    @abstractmethod
    def encode(self, embedded: Tensor, ids: Tensor, prompting: Prompting | None = None) -> Tensor:
        """Features [n, joint], not normalised, of embedded prompts.

        Parameters
        ----------
        embedded : Tensor [n, context, c]
        ids : Tensor [n or 1, context]
            Where each prompt ends.
        prompting : callable, optional
            May exchange tokens before each block.
        """

    @abstractmethod
    def before_last(self, ids: Tensor) -> Tensor:
        """Tokens [n, length, c] of prompts before the last block."""

    @abstractmethod
    def last(self, x: Tensor, ids: Tensor, adapting: Adapting) -> Tensor:
        """Features [n, joint], not normalised, of what `before_last` gives."""

    def features(self, prompts: Sequence[str], batch: int = 64) -> Tensor:
        """Features [n, joint] of plain prompts, not normalised."""
        ids = self.tokens(prompts)
        with torch.no_grad():
            return torch.cat([self.encode(self.embed(part), part) for part in ids.split(batch)])


class ClipText(Text):
    """CLIP's own text tower; its module is the whole `open_clip.CLIP`."""

    def embed(self, ids: Tensor) -> Tensor:
        """Word embeddings [n, context, c], without positions."""
        return self.module.token_embedding(ids)  # type: ignore[operator]

    def encode(self, embedded: Tensor, ids: Tensor, prompting: Prompting | None = None) -> Tensor:
        """The state of the end token after the last block, projected."""
        x = self._positioned(embedded, ids)
        for i, block in enumerate(self._blocks):
            x = x if prompting is None else prompting(i, x)
            x = whole(block, x, causal=True)
        return self._projected(x, ids)

    def before_last(self, ids: Tensor) -> Tensor:
        """Tokens [n, length, c] of prompts before the last block."""
        x = self._positioned(self.embed(ids), ids)
        for block in self._blocks[:-1]:
            x = whole(block, x, causal=True)
        return x

    def last(self, x: Tensor, ids: Tensor, adapting: Adapting) -> Tensor:
        """Features [n, joint], not normalised, of what `before_last` gives."""
        blocks = self._blocks
        after = whole(blocks[-1], x, causal=True)
        return self._projected(adapting(len(blocks) - 1, x, after), ids)

    @property
    def _blocks(self) -> list[OpenClipBlock]:
        clip: Any = self.module
        return [OpenClipBlock(block) for block in clip.transformer.resblocks]

    def _positioned(self, embedded: Tensor, ids: Tensor) -> Tensor:
        """With positions, up to the last end: tokens attend to earlier ones only."""
        clip: Any = self.module
        length = int(ids.argmax(-1).max()) + 1
        return embedded[:, :length] + clip.positional_embedding[:length]

    def _projected(self, x: Tensor, ids: Tensor) -> Tensor:
        clip: Any = self.module
        with torch.autocast(x.device.type, enabled=False):
            ends = ids.argmax(-1).expand(len(x))
            return clip.ln_final(x.float())[torch.arange(len(x)), ends] @ clip.text_projection


class BertText(Text):
    """BERT whose first token's last state is projected into the joint space.

    Parameters
    ----------
    bert : transformers.BertModel
    projection : module
        [c] -> [joint].
    encode : callable
    context : int
    """

    def __init__(self, bert: Any, projection: Any, encode: Encode, context: int) -> None:
        super().__init__(nn.ModuleList([bert, projection]), encode, context)
        self._bert, self._projection = bert, projection

    def embed(self, ids: Tensor) -> Tensor:
        """Word embeddings [n, context, c], without positions."""
        return self._bert.embeddings.word_embeddings(ids)

    def encode(self, embedded: Tensor, ids: Tensor, prompting: Prompting | None = None) -> Tensor:
        """The state of the first token after the last layer, projected."""
        mask, x = _mask(ids, embedded), self._bert.embeddings(inputs_embeds=embedded)
        for i, layer in enumerate(self._bert.encoder.layer):
            x = layer(x if prompting is None else prompting(i, x), attention_mask=mask)
        return self._projection(x[:, 0])

    def before_last(self, ids: Tensor) -> Tensor:
        """Tokens [n, context, c] of prompts before the last layer."""
        x = self._bert.embeddings(inputs_embeds=self.embed(ids))
        for layer in self._bert.encoder.layer[:-1]:
            x = layer(x, attention_mask=_mask(ids, x))
        return x

    def last(self, x: Tensor, ids: Tensor, adapting: Adapting) -> Tensor:
        """Features [n, joint], not normalised, of what `before_last` gives."""
        layers = self._bert.encoder.layer
        after = layers[-1](x, attention_mask=_mask(ids, x))
        return self._projection(adapting(len(layers) - 1, x, after)[:, 0])


def _mask(ids: Tensor, like: Tensor) -> Tensor:
    """What is added to the attention's logits, so that filled-up places are not attended to."""
    words = (ids != 0).expand(len(like), -1)
    mask = torch.zeros(words.shape, dtype=like.dtype, device=words.device)
    return mask.masked_fill(~words, torch.finfo(like.dtype).min)[:, None, None]
