"""brat: a vision backbone and a Q-Former that turns its tokens into views, and reads reports."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import Blip2QFormerConfig, Blip2QFormerModel
from transformers.models.blip_2.modeling_blip_2 import Blip2TextEmbeddings

from napari_medad.detectors.brat.encoders import encoder_of
from napari_medad.detectors.brat.settings import TEMPERATURE, BratShape
from napari_medad.detectors.brat.text import Tokens


class Views(NamedTuple):
    """What the queries saw.

    Attributes
    ----------
    states : Tensor [b, n_q, width]
        V, before projection.
    unit : Tensor [b, n_q, d] float32
        Projected, of length 1.
    attention : tuple of Tensor [b, n_q, n] float32
        c_i of Eq. 1, mean over heads, of every layer with cross-attention; each sums to 1.
    cells : tuple of int (cz, cy, cx)
    tokens : Tensor [b, n, w]
        A, the vision tokens.
    """

    states: Tensor
    unit: Tensor
    attention: tuple[Tensor, ...]
    cells: tuple[int, int, int]
    tokens: Tensor


class Sentences(NamedTuple):
    """What was read.

    Attributes
    ----------
    unit : Tensor [b, n_s, d] float32
        F, of length 1; 0 where there is no sentence.
    present : Tensor [b, n_s] bool
    """

    unit: Tensor
    present: Tensor


class LanguageHead(nn.Module):
    """BERT's head that names the next word."""

    def __init__(self, shape: BratShape) -> None:
        super().__init__()
        self.dense = nn.Linear(shape.width, shape.width)
        self.layernorm = nn.LayerNorm(shape.width, eps=1e-12)
        self.bias = nn.Parameter(torch.zeros(shape.vocabulary))
        self.decoder = None if shape.tied else nn.Linear(shape.width, shape.vocabulary, bias=False)

    def forward(self, states: Tensor, words: Tensor) -> Tensor:
        """States [..., width] and word embeddings [vocabulary, width] -> [..., vocabulary]."""
        states = self.layernorm(F.gelu(self.dense(states)))
        return F.linear(states, words if self.decoder is None else self.decoder.weight, self.bias)


class Brat(nn.Module):
    """The whole model.

    Parameters
    ----------
    shape : BratShape
        With the size of a vocabulary.
    """

    def __init__(self, shape: BratShape) -> None:
        super().__init__()
        self.shape = shape
        self.visual_encoder = encoder_of(shape)
        width = int(self.visual_encoder.width)
        self.ln_vision = nn.LayerNorm(width)
        config = Blip2QFormerConfig(
            vocab_size=shape.vocabulary,
            hidden_size=shape.width,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            intermediate_size=shape.feed_forward,
            max_position_embeddings=shape.positions,
            cross_attention_frequency=shape.cross_every,
            encoder_hidden_size=width,
            use_qformer_text_input=True,
            hidden_dropout_prob=shape.dropout,
            attention_probs_dropout_prob=0.0,  # else the maps that are told are not those used
        )
        config._attn_implementation = "eager"  # the others do not tell the maps
        self.query_tokens = nn.Parameter(torch.randn(1, shape.queries, shape.width) * 0.02)
        self.embeddings = Blip2TextEmbeddings(config)
        for table in (self.embeddings.word_embeddings, self.embeddings.position_embeddings):
            nn.init.normal_(table.weight, std=config.initializer_range)
        self.qformer = Blip2QFormerModel(config)
        self.vision_proj = nn.Linear(shape.width, shape.embedding)
        self.text_proj = nn.Linear(shape.width, shape.embedding)
        self.global_proj = nn.Linear(width, shape.embedding) if shape.pooled else None
        self.language_head = LanguageHead(shape)
        self.temp = nn.Parameter(torch.tensor(TEMPERATURE))

    def views(self, image: Tensor) -> Views:
        """Image [b, c, z, y, x] in 0..1 -> the views."""
        if torch.is_autocast_enabled(image.device.type):  # faster so in bf16, slower in fp32
            image = image.contiguous(memory_format=torch.channels_last_3d)
        seen = self.visual_encoder(image)
        tokens = self.ln_vision(seen.tokens)
        if self.global_proj is not None:
            mean = tokens.mean(dim=1, keepdim=True)
            even = torch.full_like(tokens[..., :1], 1 / tokens.shape[1]).float().mT
            unit = F.normalize(self.global_proj(mean).float(), dim=-1)
            return Views(mean, unit, (even,), seen.cells, tokens)
        found = self.qformer(
            query_embeds=self.query_tokens.expand(len(image), -1, -1),
            encoder_hidden_states=tokens,
            output_attentions=True,
        )
        unit = F.normalize(self.vision_proj(found.last_hidden_state).float(), dim=-1)
        attention = tuple(layer.float().mean(dim=1) for layer in found.cross_attentions)
        return Views(found.last_hidden_state, unit, attention, seen.cells, tokens)

    def sentences(self, text: Tokens) -> Sentences:
        """Features of the sentences of each report.

        A sentence's feature is the mean of its tokens' outputs, which see the whole report.
        """
        found = self.qformer(
            query_embeds=self.embeddings(text.ids),
            query_length=0,
            attention_mask=text.there.long(),
        ).last_hidden_state.float()
        present = text.present
        if self.shape.reading == "report":
            means, present = found[:, :1], present.any(dim=1, keepdim=True)
        else:
            numbers = torch.arange(present.shape[1], device=found.device)
            owned = (text.sentence.unsqueeze(1) == numbers[:, None]).float()
            means = owned @ found / owned.sum(-1, keepdim=True).clamp(min=1)
        unit = F.normalize(self.text_proj(means).float(), dim=-1)
        return Sentences(unit * present.unsqueeze(-1), present)

    def next_words(self, tokens: Tensor, text: Tokens) -> Tensor:
        """Logits [b, t, vocabulary] of the word after each token, given the image.

        Queries see only themselves; words see the queries and the words before (BLIP-2's ITG).

        Parameters
        ----------
        tokens : Tensor [b, n, w]
            Vision tokens, see `Views.tokens`.
        text : Tokens
        """
        queries = self.shape.queries
        start = self.embeddings(
            text.ids, query_embeds=self.query_tokens.expand(len(tokens), -1, -1)
        )
        seen = torch.ones(start.shape[1], start.shape[1], dtype=torch.bool, device=start.device)
        seen = seen.tril()
        seen[:queries, :queries] = True
        barred = torch.zeros(len(start), 1, *seen.shape, device=start.device)
        barred.masked_fill_(~seen, torch.finfo(barred.dtype).min)
        barred[..., queries:].masked_fill_(
            ~text.there[:, None, None], torch.finfo(barred.dtype).min
        )
        found = self.qformer(
            query_embeds=start,
            query_length=queries,
            attention_mask=barred,
            encoder_hidden_states=tokens,
        ).last_hidden_state
        return self.language_head(found[:, queries:], self.embeddings.word_embeddings.weight)
