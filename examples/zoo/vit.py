"""ViT-B/16: an image classifier that is a plain Transformer encoder over 16×16 patches.

Dosovitskiy et al., "An Image is Worth 16x16 Words", 2020 (arXiv:2010.11929), the Base size:
12 pre-norm layers, 12 heads, hidden 768, MLP 3072, a class token and learned positions;
86.6 million parameters, 17.6 GFLOPs for a 224×224 image.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The sizes of a vision Transformer; as they stand, those of ViT-B/16."""

    image_size: int = 224
    patch_size: int = 16
    hidden: int = 768
    layers: int = 12
    heads: int = 12
    mlp: int = 3072

    @property
    def tokens(self) -> int:
        """Patches of an image, and the class token."""
        return (self.image_size // self.patch_size) ** 2 + 1


class SelfAttention(nn.Module):
    """Multi-head attention of a sequence to itself."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(hidden, 3 * hidden)
        self.proj = nn.Linear(hidden, hidden)

    def forward(self, x: Tensor) -> Tensor:
        # (batch, tokens, 3 · hidden) → three of (batch, heads, tokens, head_dim)
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = qkv.unbind(0)
        mixed = F.scaled_dot_product_attention(query, key, value)
        out: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return out


class EncoderLayer(nn.Module):
    """Attention and MLP, each normalised before and added after."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(sizes.hidden, eps=1e-6)
        self.attention = SelfAttention(sizes.hidden, sizes.heads)
        self.norm2 = nn.LayerNorm(sizes.hidden, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(sizes.hidden, sizes.mlp),
            nn.GELU(),
            nn.Linear(sizes.mlp, sizes.hidden),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class VisionTransformer(nn.Module):
    """Images `(batch, 3, image_size, image_size)` to class logits `(batch, num_classes)`."""

    def __init__(self, sizes: Sizes, num_classes: int) -> None:
        super().__init__()
        hidden, patch_size = sizes.hidden, sizes.patch_size
        self.patches = nn.Conv2d(3, hidden, kernel_size=patch_size, stride=patch_size)
        self.class_token = nn.Parameter(torch.zeros(1, 1, hidden))
        self.positions = nn.Parameter(torch.empty(1, sizes.tokens, hidden).normal_(std=0.02))
        self.encoder = nn.Sequential(*(EncoderLayer(sizes) for _ in range(sizes.layers)))
        self.norm = nn.LayerNorm(hidden, eps=1e-6)
        self.head = nn.Linear(hidden, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        patches = self.patches(images).flatten(2).transpose(1, 2)
        class_token = self.class_token.expand(len(images), -1, -1)
        x = torch.cat((class_token, patches), dim=1) + self.positions
        logits: Tensor = self.head(self.norm(self.encoder(x)[:, 0]))
        return logits


def vit_b_16(num_classes: int = 1000, image_size: int = 224) -> VisionTransformer:
    """ViT-B/16 with random weights."""
    return VisionTransformer(Sizes(image_size=image_size), num_classes)
