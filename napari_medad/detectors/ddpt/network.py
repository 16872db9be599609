"""DDPT: CLIP ViT-B/32 with learned text prompts, visual prompts and class-aware prompts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Self

import open_clip
import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor, nn

from napari_medad.backbones.clip.load import load_clip as load_backbone

BACKBONE, RANDOM = "vit-b-32", "random"
CLASSES = ("Healthy", "Unhealthy")
TEMPLATE = "a photo of a {} brain."
"""Fixed prompt that the learned ones are held near to in the first epochs."""


class Output(NamedTuple):
    """What the network says of a batch; b images, classes (healthy, unhealthy).

    Attributes
    ----------
    logits : Tensor [b, 2]
        z: tuned image against tuned text.
    text_logits, image_logits : Tensor [b, 2]
        z_t: plain image against tuned text; z_i: tuned image against fixed text.
    query_logits : Tensor [b, 2, 2]
        What each class-aware prompt takes the image for (auxiliary).
    queries : Tensor [b, 2]
        Class of each class-aware prompt, likelier first.
    attention : Tensor [b, 7, 7]
        Attention of the class token to the patches in the last block, mean over heads.
    """

    logits: Tensor
    text_logits: Tensor
    image_logits: Tensor
    query_logits: Tensor
    queries: Tensor
    attention: Tensor


def load_clip(weights: str = "") -> Any:
    """CLIP ViT-B/32, frozen.

    Parameters
    ----------
    weights : str
        A file of OpenAI's or open_clip's; empty: OpenAI's in the weights folder; "random".

    Returns
    -------
    open_clip.CLIP

    Raises
    ------
    MedadError
        If the weights are not on this machine, or do not fit.
    """
    random = weights == RANDOM
    return load_backbone(BACKBONE, weights="" if random else weights, untrained=random).text.module


class TextPrompt(nn.Module):
    """CoOp: one learned context [16, d] before both class names."""

    def __init__(self, width: int, length: int = 16) -> None:
        super().__init__()
        self.ctx = nn.Parameter(0.02 * torch.randn(length, width))

    def forward(self, clip: Any) -> Tensor:
        """Text features [2, joint], not normalised."""
        tokens = _tokens([" ".join(["X"] * len(self.ctx)) + f" {name}." for name in CLASSES])
        tokens = tokens.to(self.ctx.device)
        with torch.no_grad():
            embedded = clip.token_embedding(tokens)
        start, end = embedded[:, :1], embedded[:, 1 + len(self.ctx) :]
        context = repeat(self.ctx, "n d -> c n d", c=len(CLASSES))
        x = torch.cat([start, context, end], 1) + clip.positional_embedding
        x = clip.ln_final(clip.transformer(x, attn_mask=clip.attn_mask))
        return x[torch.arange(len(x)), tokens.argmax(-1)] @ clip.text_projection


class ClassAwarePrompt(nn.Module):
    """CAVPT: class queries look at the patches, and become prompts and a guess of the class."""

    def __init__(self, width: int, joint: int) -> None:
        super().__init__()
        self.ctx = nn.Parameter(0.02 * torch.randn(10, width))
        self.widen = nn.Linear(joint, width)
        self.query = nn.Linear(width, 32, bias=False)
        self.key = nn.Linear(width, 32, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.class_norm = nn.LayerNorm(width)
        self.classifier = nn.Linear(width, len(CLASSES), bias=False)
        self.prompt_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Prompts [b, 2, d] and logits [b, 2, 2] from tokens [b, n, d] and text [b, 2, joint]."""
        asked = self.widen(text)
        seen = torch.cat([x.detach(), repeat(self.ctx, "n d -> b n d", b=len(x))], 1)
        similarity = self.query(asked) @ self.key(seen).transpose(1, 2) / 32**0.5
        answer = self.value(similarity.softmax(-1) @ seen)
        return self.prompt_norm(answer + asked), self.classifier(self.class_norm(answer))


class Ddpt(nn.Module):
    """Two classes of slices told apart by a frozen CLIP and 1,137,920 learned numbers.

    CLIP is not part of the state dict: it is not trained, and its weights are not ours.

    Parameters
    ----------
    clip : open_clip.CLIP
        open_clip's ViT-B/32 (`load_clip`).
    """

    fixed: Tensor

    def __init__(self, clip: Any) -> None:
        super().__init__()
        self._frozen = (clip,)
        visual = clip.visual
        blocks, width = len(visual.transformer.resblocks), visual.conv1.out_channels
        self.text_prompt = TextPrompt(clip.token_embedding.embedding_dim)
        self.visual_prompts = nn.Parameter(0.02 * torch.randn(blocks - 1, 10, width))
        self.class_prompt = ClassAwarePrompt(width, visual.output_dim)
        with torch.no_grad():
            template = clip.encode_text(_tokens([TEMPLATE.format(name) for name in CLASSES]))
        self.register_buffer("fixed", F.normalize(template, dim=-1), persistent=False)

    @property
    def clip(self) -> Any:
        """The frozen CLIP, which goes where the network goes."""
        return self._frozen[0]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self.clip._apply(fn)
        return super()._apply(fn, recurse)

    def forward(self, image: Tensor) -> Output:
        """Classify images [b, 3, 224, 224], normalised as CLIP's."""
        scale = self.clip.logit_scale.exp()
        with torch.no_grad():
            plain = F.normalize(self.clip.encode_image(image), dim=-1)
            queries = (plain @ self.fixed.T).argsort(descending=True)
        text = self.text_prompt(self.clip)
        feature, query_logits, attention = self._look(image, text[queries])
        tuned, text = F.normalize(feature, dim=-1), F.normalize(text, dim=-1)
        return Output(
            scale * tuned @ text.T,
            scale * plain @ text.T,
            scale * tuned @ self.fixed.T,
            query_logits,
            queries,
            attention,
        )

    def _look(self, image: Tensor, text: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Image feature [b, joint], auxiliary logits, attention of the class token."""
        visual = self.clip.visual
        *early, last = visual.transformer.resblocks
        x = self._embedded(image)
        n = x.shape[1]
        for block, prompts in zip(early, self.visual_prompts):
            x = block(torch.cat([x, repeat(prompts, "n d -> b n d", b=len(x))], 1))[:, :n]
        prompts, query_logits = self.class_prompt(x, text)
        x = torch.cat([x, prompts.to(x.dtype)], 1)
        normed = last.ln_1(x)
        _, weights = last.attn(normed[:, :1], normed, normed, need_weights=True)
        side = int((n - 1) ** 0.5)
        attention = rearrange(weights[:, 0, 1:n], "b (h w) -> b h w", h=side)
        feature = visual.ln_post(last(x)[:, 0]) @ visual.proj
        return feature, query_logits, attention

    def _embedded(self, image: Tensor) -> Tensor:
        """x_0: class token and patches, with positions."""
        visual = self.clip.visual
        patches = rearrange(visual.conv1(image), "b d h w -> b (h w) d")
        start = repeat(visual.class_embedding, "d -> b 1 d", b=len(image))
        return visual.ln_pre(torch.cat([start, patches], 1) + visual.positional_embedding)


def _tokens(texts: list[str]) -> Tensor:
    return open_clip.tokenize(texts)
