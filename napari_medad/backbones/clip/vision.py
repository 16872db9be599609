"""What dense methods read of a frozen vision tower: tokens of any block, on any image size.

The towers are open_clip's and timm's own modules. Attention, the ordinary one and
that of values to values, is computed from the blocks' own parameters by torch's fused kernel:
torch's MultiheadAttention is many times slower in bfloat16 on processors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Tensor, nn

from napari_medad.backbones.clip.passes import pass_of
from napari_medad.backbones.clip.positions import Resize, resized_positions

Prompting = Callable[[int, Tensor], Tensor]
"""Takes a block's number (from 0) and the tokens [b, n, c] before it, and answers new tokens."""
Adapting = Callable[[int, Tensor, Tensor], Tensor]
"""Takes a block's number (from 0), the tokens [b, n, c] before and after it, and answers those to
go on with."""


class Stage(NamedTuple):
    """Patch tokens after a block or stage.

    Attributes
    ----------
    tokens : Tensor [b, h * w, c]
        In row order, without the class token.
    grid : (int, int)
        h and w.
    """

    tokens: Tensor
    grid: tuple[int, int]


class Seen(NamedTuple):
    """What a vision tower says of images: the global feature [b, joint], and its stages."""

    feature: Tensor
    stages: list[Stage]


class Block(Protocol):
    """A transformer block taken apart."""

    block: nn.Module
    heads: int

    def qkv(self, x: Tensor) -> Tensor:
        """Queries, keys and values [b, n, 3 c] of normalised tokens."""
        ...

    def out(self, x: Tensor) -> Tensor:
        """Output projection of the attention."""
        ...

    def after(self, x: Tensor, attended: Tensor) -> Tensor:
        """The rest of the block, given what its attention answered."""
        ...


class OpenClipBlock:
    """open_clip's ResidualAttentionBlock."""

    def __init__(self, block: Any) -> None:
        self.block = block
        self.heads = block.attn.num_heads

    def qkv(self, x: Tensor) -> Tensor:  # noqa: D102
        attention = self.block.attn
        return F.linear(self.block.ln_1(x), attention.in_proj_weight, attention.in_proj_bias)

    def out(self, x: Tensor) -> Tensor:  # noqa: D102
        return self.block.attn.out_proj(x)

    def after(self, x: Tensor, attended: Tensor) -> Tensor:  # noqa: D102
        x = x + self.block.ls_1(attended)
        return x + self.block.ls_2(self.block.mlp(self.block.ln_2(x)))


class TimmBlock:
    """timm's vision transformer block."""

    def __init__(self, block: Any) -> None:
        self.block = block
        self.heads = block.attn.num_heads

    def qkv(self, x: Tensor) -> Tensor:  # noqa: D102
        return self.block.attn.qkv(self.block.norm1(x))

    def out(self, x: Tensor) -> Tensor:  # noqa: D102
        return self.block.attn.proj(x)

    def after(self, x: Tensor, attended: Tensor) -> Tensor:  # noqa: D102
        x = x + self.block.ls1(attended)
        return x + self.block.ls2(self.block.mlp(self.block.norm2(x)))


class Vit:
    """A vision transformer: open_clip's own, or timm's inside open_clip.

    Parameters
    ----------
    visual : module
        `open_clip.CLIP.visual`.
    """

    def __init__(self, visual: Any) -> None:
        self.module: nn.Module = visual
        trunk = getattr(visual, "trunk", None)
        if trunk is None:
            self.conv, self.norm_before = visual.conv1, visual.ln_pre
            self.blocks: list[Block] = [OpenClipBlock(b) for b in visual.transformer.resblocks]
            self.norm_after = visual.ln_post
        else:
            self.conv, self.norm_before = trunk.patch_embed.proj, trunk.norm_pre
            self.blocks = [TimmBlock(block) for block in trunk.blocks]
            self.norm_after = trunk.norm
        self._trunk = trunk

    def round_matrices(self) -> None:
        """Round the blocks' weights to bfloat16 once, as autocast would for every batch anew."""
        if self._trunk is None:
            for block in self.module.transformer.resblocks:  # type: ignore[union-attr]
                _scale_quick_gelu(block.mlp)
        matrices = (nn.Linear, nn.Conv2d, nn.MultiheadAttention)
        for part in (self.conv, *(block.block for block in self.blocks)):
            for module in (m for m in part.modules() if isinstance(m, matrices)):
                for parameter in module.parameters(recurse=False):
                    parameter.data = parameter.data.bfloat16()

    def embed(self, images: Tensor, how: Resize) -> tuple[Tensor, tuple[int, int]]:
        """Tokens [b, 1 + h * w, c] before the first block, and their grid."""
        patches = self.conv(images).float()
        grid = (patches.shape[2], patches.shape[3])
        patches = rearrange(patches, "b c h w -> b (h w) c")
        if self._trunk is None:
            visual: Any = self.module
            start, table = visual.class_embedding, visual.positional_embedding
        else:
            start, table = self._trunk.cls_token[0, 0], self._trunk.pos_embed[0]
        first = repeat(start.to(patches.dtype), "c -> b 1 c", b=len(images))
        positions = resized_positions(table, grid, how).to(patches.dtype)
        return self.norm_before(torch.cat([first, patches], 1) + positions), grid

    def project(self, x: Tensor, *, norm: bool = True) -> Tensor:
        """Tokens [..., c] in the joint space [..., joint], always in fp32 (see `cosine`)."""
        with torch.autocast(x.device.type, enabled=False):
            x = self.norm_after(x.float()) if norm else x.float()
            if self._trunk is not None:
                return self.module.head(x)  # type: ignore[operator]
            return x @ self.module.proj  # type: ignore[operator]

    def look(
        self, images: Tensor, layers: Sequence[int], how: Resize, prompting: Prompting | None = None
    ) -> Seen:
        """CLIP's image feature, not normalised, and the raw tokens after some blocks.

        Parameters
        ----------
        images : Tensor [b, 3, h, w]
        layers : sequence of int
            Blocks counted from 1.
        how : Resize
        prompting : callable, optional
            May append tokens or exchange the appended ones before each block.
        """
        x, grid = self.embed(images, how)
        count = x.shape[1]
        held: dict[int, Stage] = {}
        plain = pass_of(self, x)
        depth = len(self.blocks)
        for i, block in enumerate(self.blocks):
            if prompting is not None:
                x = prompting(i, x)
            if i + 1 == depth and depth not in layers:
                x = first_token(block, x)
            elif prompting is not None:
                x = whole(block, x)
            else:
                x = plain.step(i, partial(whole, block, x))
            if i + 1 in layers:
                held[i + 1] = Stage(x[:, 1:count], grid)
        return Seen(self.project(x[:, 0]), [held[layer] for layer in layers])

    def begin(self, images: Tensor, how: Resize, blocks: int) -> tuple[Tensor, tuple[int, int]]:
        """Tokens [b, 1 + h * w, c] after the first `blocks` blocks, and the grid (h, w)."""
        x, grid = self.embed(images, how)
        plain = pass_of(self, x)
        for i in range(blocks):
            x = plain.step(i, partial(whole, self.blocks[i], x))
        return x, grid

    def go_on(self, x: Tensor, first: int, adapting: Adapting) -> Tensor:
        """The image feature [b, joint], not normalised, of tokens before the block `first`."""
        for i in range(first, len(self.blocks)):
            x = adapting(i, x, whole(self.blocks[i], x))
        return self.project(x[:, 0])

    def look_by_values(
        self,
        images: Tensor,
        layers: Sequence[int],
        how: Resize,
        *,
        first: int,
        norm_feature: bool,
    ) -> Seen:
        """V-V attention: local tokens in the joint space from values that attend to values.

        p_l = p_(l-1) + out(softmax(v v^T / sqrt(d)) v), beside the ordinary path; no MLP and
        no norm on p.

        Parameters
        ----------
        first : int
            Block, counted from 0, at which the second path branches off.
        norm_feature : bool
            Whether the global feature passes the last LayerNorm.
        """
        h, grid = self.embed(images, how)
        p = h
        held: dict[int, Stage] = {}
        plain = pass_of(self, h)
        for i, block in enumerate(self.blocks):
            if i < first:
                p = h = plain.step(i, partial(whole, block, h))
            else:
                q, k, v = split(block, h)
                p = p + attention(block, v, v, v)
                if i + 1 == len(self.blocks):  # the feature is all that is left to ask
                    h = _ordinary(block, h[:, :1], q[:, :, :1], k, v)
                else:
                    h = plain.step(i, partial(_ordinary, block, h, q, k, v))
            if i + 1 in layers:
                held[i + 1] = Stage(self.project(p[:, 1:]), grid)
        feature = self.project(h[:, 0], norm=norm_feature)
        return Seen(feature, [held[layer] for layer in layers])


def _scale_quick_gelu(mlp: Any) -> None:
    """Move QuickGELU's factors into the weights around: x sigmoid(a x) = silu(a x) / a.

    In bfloat16 its three passes over the tokens take as long as the MLP's first product.
    """
    from open_clip.transformer import QuickGELU

    if isinstance(mlp.gelu, QuickGELU):
        mlp.c_fc.weight.data = mlp.c_fc.weight.data * 1.702
        mlp.c_fc.bias.data = mlp.c_fc.bias.data * 1.702
        mlp.c_proj.weight.data = mlp.c_proj.weight.data / 1.702
        mlp.gelu = nn.SiLU()


def whole(block: Block, x: Tensor, *, causal: bool = False) -> Tensor:
    """A block as it is, [b, n, c]; if causal, tokens attend to earlier ones only."""
    return block.after(x, attention(block, *split(block, x), causal=causal))


def first_token(block: Block, x: Tensor) -> Tensor:
    """A block's first token alone, [b, 1, c], of tokens [b, n, c]."""
    q, k, v = split(block, x)
    return _ordinary(block, x[:, :1], q[:, :, :1], k, v)


def _ordinary(block: Block, x: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return block.after(x, attention(block, q, k, v))


def split(block: Block, x: Tensor) -> Tensor:
    """Queries, keys and values [3, b, heads, n, d] of tokens [b, n, c]."""
    return rearrange(block.qkv(x), "b n (t h d) -> t b h n d", t=3, h=block.heads)


def attention(block: Block, q: Tensor, k: Tensor, v: Tensor, *, causal: bool = False) -> Tensor:
    """What attention adds to tokens, [b, n, c], of [b, heads, n, d]."""
    attended = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    return block.out(rearrange(attended, "b h n d -> b n (h d)"))


class ResNet:
    """open_clip's ModifiedResNet with attention pooling.

    Parameters
    ----------
    visual : open_clip.ModifiedResNet
    """

    def __init__(self, visual: Any) -> None:
        self.module: nn.Module = visual

    def look(
        self, images: Tensor, layers: Sequence[int], how: Resize, prompting: Prompting | None = None
    ) -> Seen:
        """The pooled image feature and the maps of stages 1 to 4 as tokens."""
        visual: Any = self.module
        plain = pass_of(self, images)
        x = plain.step(0, partial(visual.stem, images))
        held = {}
        for i in range(1, 5):
            x = plain.step(i, partial(getattr(visual, f"layer{i}"), x))
            held[i] = Stage(rearrange(x, "b c h w -> b (h w) c"), (x.shape[2], x.shape[3]))
        pool = visual.attnpool
        table = resized_positions(pool.positional_embedding, held[4].grid, how)
        feature = torch.func.functional_call(pool, {"positional_embedding": table}, (x,))
        return Seen(feature, [held[layer] for layer in layers])

    def look_by_values(
        self,
        images: Tensor,
        layers: Sequence[int],
        how: Resize,
        *,
        first: int,
        norm_feature: bool,
    ) -> Seen:
        """The last stage's values through the pool's output projection, for every layer asked.

        A ResNet has no blocks of attention; its pool's values are what comes nearest.
        """
        feature, (last,) = self.look(images, (4,), how)
        pool: Any = self.module.attnpool
        local = Stage(pool.c_proj(pool.v_proj(last.tokens)), last.grid)
        return Seen(feature, [local for _ in layers])
