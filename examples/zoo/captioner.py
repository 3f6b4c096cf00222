"""An image-captioning Transformer that reads an image twice: as detected regions and as a grid.

In the style of Luo et al., "Dual-Level Collaborative Transformer for Image Captioning", 2021
(arXiv:2101.06462): regions and grid cells attend to their own kind, biased by how their boxes lie
to each other, then to the other kind, but only where region and cell overlap; a decoder writes the
caption from both. 3 + 3 layers, width 512, 8 heads, feed-forward 2048, 10,201 words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PADDING = 1
GRID_SIDE = 7
RELATION_FEATURES = 64


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The sizes of a captioner; `layers` of the encoder and again of the decoder."""

    vocabulary: int = 10_201
    features: int = 2048
    layers: int = 3
    width: int = 512
    heads: int = 8
    hidden: int = 2048
    dropout: float = 0.1


def grid_boxes(side: int, device: torch.device) -> Tensor:
    """Boxes `(x1, y1, x2, y2)` of the cells of a `side` × `side` grid on the unit square."""
    edges = torch.arange(side, dtype=torch.float32, device=device) / side
    y, x = torch.meshgrid(edges, edges, indexing="ij")
    corner = torch.stack((x, y), dim=-1).flatten(0, 1)
    return torch.cat((corner, corner + 1 / side), dim=-1)


def box_relations(boxes: Tensor) -> Tensor:
    """How each of `(..., n, 4)` boxes lies to each other one: `(..., n, n, 64)` features.

    Four log-ratios (offset over size, and size over size, of x and y), each as sines and cosines
    of eight wavelengths: Hu et al., "Relation Networks for Object Detection", 2017
    (arXiv:1711.11575).
    """
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2
    size = (boxes[..., 2:] - boxes[..., :2]).clamp(min=1e-3)
    offset = (centre.unsqueeze(-2) - centre.unsqueeze(-3)).abs() / size.unsqueeze(-2)
    ratio = size.unsqueeze(-2) / size.unsqueeze(-3)
    geometry = torch.cat((offset.clamp(min=1e-3), ratio), dim=-1).log()
    wavelengths = 1000.0 ** (torch.arange(8, device=boxes.device) / 8)
    angles = (100 * geometry.unsqueeze(-1) / wavelengths).flatten(-2)
    return torch.cat((angles.sin(), angles.cos()), dim=-1)


def sinusoidal_positions(length: int, width: int, device: torch.device) -> Tensor:
    """Position encodings `(length, width)` of "Attention Is All You Need" (arXiv:1706.03762)."""
    position = torch.arange(length, dtype=torch.float32, device=device).unsqueeze(-1)
    channel = torch.arange(0, width, 2, dtype=torch.float32, device=device)
    angles = position * torch.exp(channel * (-math.log(10_000.0) / width))
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)


class FeatureEmbedding(nn.Module):
    """Visual features of one kind, brought to the model's width."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.proj = nn.Linear(sizes.features, sizes.width)
        self.dropout = nn.Dropout(sizes.dropout)
        self.norm = nn.LayerNorm(sizes.width)

    def forward(self, features: Tensor) -> Tensor:
        out: Tensor = self.norm(self.dropout(F.relu(self.proj(features))))
        return out


class RelationBias(nn.Module):
    """A learned, per-head attention bias from how two boxes lie to each other."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.weight = nn.Linear(RELATION_FEATURES, heads)

    def forward(self, relations: Tensor) -> Tensor:
        bias: Tensor = self.weight(relations).clamp(min=1e-6).log()
        return bias.movedim(-1, -3)


class Attention(nn.Module):
    """Multi-head attention with residual connection and normalisation after it.

    A `mask` is what scaled_dot_product_attention takes: True where to look, or a bias to add.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.heads = sizes.heads
        self.query = nn.Linear(sizes.width, sizes.width)
        self.key = nn.Linear(sizes.width, sizes.width)
        self.value = nn.Linear(sizes.width, sizes.width)
        self.out = nn.Linear(sizes.width, sizes.width)
        self.dropout = nn.Dropout(sizes.dropout)
        self.norm = nn.LayerNorm(sizes.width)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        query = self._split(self.query(x))
        key, value = self._split(self.key(memory)), self._split(self.value(memory))
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        merged = self.out(mixed.transpose(1, 2).flatten(2))
        out: Tensor = self.norm(x + self.dropout(merged))
        return out

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


class FeedForward(nn.Module):
    """Two linear layers with residual connection and normalisation after them."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.expand = nn.Linear(sizes.width, sizes.hidden)
        self.contract = nn.Linear(sizes.hidden, sizes.width)
        self.dropout = nn.Dropout(sizes.dropout)
        self.norm = nn.LayerNorm(sizes.width)

    def forward(self, x: Tensor) -> Tensor:
        change = self.contract(self.dropout(F.relu(self.expand(x))))
        out: Tensor = self.norm(x + self.dropout(change))
        return out


class LevelLayer(nn.Module):
    """One encoder layer of one level: look at one's own kind, at the other kind, then think."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.relation_bias = RelationBias(sizes.heads)
        self.own = Attention(sizes)
        self.other = Attention(sizes)
        self.feed_forward = FeedForward(sizes)

    def forward(self, x: Tensor, other: Tensor, relations: Tensor, overlap: Tensor) -> Tensor:
        x = self.own(x, x, self.relation_bias(relations))
        out: Tensor = self.feed_forward(self.other(x, other, overlap))
        return out


class Encoder(nn.Module):
    """Regions `(batch, 50, width)` and cells `(batch, 49, width)` to `(batch, 99, width)`."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.position = nn.Linear(4, sizes.width)
        self.region_layers = nn.ModuleList(LevelLayer(sizes) for _ in range(sizes.layers))
        self.grid_layers = nn.ModuleList(LevelLayer(sizes) for _ in range(sizes.layers))

    def forward(self, regions: Tensor, boxes: Tensor, grids: Tensor, overlap: Tensor) -> Tensor:
        # Geometry is worked out in float32: bfloat16 could not tell neighbouring boxes apart.
        cells = grid_boxes(GRID_SIDE, boxes.device)
        region_relations = box_relations(boxes.float()).to(regions.dtype)
        grid_relations = box_relations(cells).to(grids.dtype)
        regions = regions + self.position(boxes)
        grids = grids + self.position(cells.to(grids.dtype))
        to_grids = _somewhere(overlap).unsqueeze(1)
        to_regions = _somewhere(overlap.transpose(1, 2)).unsqueeze(1)
        for region_layer, grid_layer in zip(self.region_layers, self.grid_layers, strict=True):
            regions, grids = (
                region_layer(regions, grids, region_relations, to_grids),
                grid_layer(grids, regions, grid_relations, to_regions),
            )
        return torch.cat((regions, grids), dim=1)


class DecoderLayer(nn.Module):
    """Attention to the words so far, to the image, then feed-forward."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.words = Attention(sizes)
        self.image = Attention(sizes)
        self.feed_forward = FeedForward(sizes)

    def forward(self, x: Tensor, image: Tensor, visible: Tensor) -> Tensor:
        out: Tensor = self.feed_forward(self.image(self.words(x, x, visible), image))
        return out


class Captioner(nn.Module):
    """Next-word logits `(batch, words, vocabulary)` of captions of images."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.region_embedding = FeatureEmbedding(sizes)
        self.grid_embedding = FeatureEmbedding(sizes)
        self.encoder = Encoder(sizes)
        self.word_embedding = nn.Embedding(sizes.vocabulary, sizes.width, padding_idx=PADDING)
        self.decoder = nn.ModuleList(DecoderLayer(sizes) for _ in range(sizes.layers))
        self.head = nn.Linear(sizes.width, sizes.vocabulary, bias=False)

    def forward(
        self, detections: Tensor, boxes: Tensor, grids: Tensor, masks: Tensor, captions: Tensor
    ) -> Tensor:
        """Score every next word.

        Args:
            detections: Features of 50 detected regions, `(batch, 50, 2048)`.
            boxes: Where they are, `(x1, y1, x2, y2)` on the unit square, `(batch, 50, 4)`.
            grids: Features of a 7 × 7 grid over the image, `(batch, 49, 2048)`.
            masks: Which region overlaps which cell, 0 or 1, `(batch, 50, 49)`.
            captions: Word ids, padded at the end, `(batch, words)`.
        """
        regions = self.region_embedding(detections)
        image = self.encoder(regions, boxes, self.grid_embedding(grids), masks > 0.5)
        x = self.word_embedding(captions)
        positions = sinusoidal_positions(captions.shape[1], x.shape[-1], captions.device)
        x = x + positions.to(x.dtype)
        visible = _visible_words(captions)
        for layer in self.decoder:
            x = layer(x, image, visible)
        logits: Tensor = self.head(x)
        return logits


def _somewhere(overlap: Tensor) -> Tensor:
    """Let whatever overlaps nothing look everywhere: a softmax over nothing is no number."""
    return overlap | ~overlap.any(dim=-1, keepdim=True)


def _visible_words(captions: Tensor) -> Tensor:
    """Which word sees which, `(batch, 1, words, words)`: itself, and what is before it."""
    words = captions.shape[1]
    ones = torch.ones(words, words, dtype=torch.bool, device=captions.device)
    itself = torch.eye(words, dtype=torch.bool, device=captions.device)
    real = (captions != PADDING)[:, None, None, :]
    return (ones.tril() & real) | itself


def build(vocabulary: int = Sizes.vocabulary) -> Captioner:
    """The captioner with random weights."""
    return Captioner(Sizes(vocabulary=vocabulary))
