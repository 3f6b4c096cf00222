"""A decoder-only language model of the Llama family, with the published sizes of SmolLM-135M.

Touvron et al., "LLaMA", 2023 (arXiv:2302.13971) for RMSNorm, SwiGLU and rotary embeddings;
Ainslie et al., "GQA", 2023 (arXiv:2305.13245) for grouped-query attention. 49,152 tokens, hidden
576, intermediate 1536, 30 layers, 9 query heads that share 3 key-value heads, the output layer tied
to the embeddings: 134,515,008 parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CONTEXT = 128
BEGIN_OF_TEXT = 0
ROTARY_BASE = 10_000.0


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The sizes of a language model; as they stand, those of SmolLM-135M."""

    vocabulary: int = 49_152
    hidden: int = 576
    intermediate: int = 1536
    layers: int = 30
    heads: int = 9
    kv_heads: int = 3

    @property
    def head_dim(self) -> int:
        """Channels of one head."""
        return self.hidden // self.heads


def rotary_angles(length: int, head_dim: int, device: torch.device) -> Tensor:
    """The angle by which each position turns each pair of channels, float32 `(length, head_dim)`.

    Su et al., "RoFormer", 2021 (arXiv:2104.09864). Channel `i` is paired with `i + head_dim / 2`.
    """
    channels = torch.arange(0, head_dim, 2, dtype=torch.float32, device=device)
    positions = torch.arange(length, dtype=torch.float32, device=device)
    angles = positions[:, None] * ROTARY_BASE ** (-channels / head_dim)
    return torch.cat((angles, angles), dim=-1)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the channel pairs of `x`, `(..., length, head_dim)`, by the angles of their position."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


class Attention(nn.Module):
    """Causal attention in which each key-value head serves several query heads."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.head_dim = sizes.head_dim
        kv_width = sizes.kv_heads * sizes.head_dim
        self.q_proj = nn.Linear(sizes.hidden, sizes.hidden, bias=False)
        self.k_proj = nn.Linear(sizes.hidden, kv_width, bias=False)
        self.v_proj = nn.Linear(sizes.hidden, kv_width, bias=False)
        self.o_proj = nn.Linear(sizes.hidden, sizes.hidden, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        query = rotate(self._split(self.q_proj(x)), cos, sin)
        key = rotate(self._split(self.k_proj(x)), cos, sin)
        value = self._split(self.v_proj(x))
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
        out: Tensor = self.o_proj(mixed.transpose(1, 2).flatten(2))
        return out

    def _split(self, x: Tensor) -> Tensor:
        """`(batch, length, heads · head_dim)` to `(batch, heads, length, head_dim)`."""
        return x.view(*x.shape[:2], -1, self.head_dim).transpose(1, 2)


class SwiGlu(nn.Module):
    """A feed-forward layer whose hidden units are gated by a SiLU."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(sizes.hidden, sizes.intermediate, bias=False)
        self.up_proj = nn.Linear(sizes.hidden, sizes.intermediate, bias=False)
        self.down_proj = nn.Linear(sizes.intermediate, sizes.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class DecoderLayer(nn.Module):
    """Attention and feed-forward, each normalised before and added after."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(sizes.hidden, eps=1e-5)
        self.self_attn = Attention(sizes)
        self.post_attention_layernorm = nn.RMSNorm(sizes.hidden, eps=1e-5)
        self.mlp = SwiGlu(sizes)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class LanguageModel(nn.Module):
    """Token ids `(batch, length)` to next-token logits `(batch, length, vocabulary)`."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.head_dim = sizes.head_dim
        self.embed_tokens = nn.Embedding(sizes.vocabulary, sizes.hidden)
        self.layers = nn.ModuleList(DecoderLayer(sizes) for _ in range(sizes.layers))
        self.norm = nn.RMSNorm(sizes.hidden, eps=1e-5)
        self.lm_head = nn.Linear(sizes.hidden, sizes.vocabulary, bias=False)
        self.lm_head.weight = self.embed_tokens.weight
        nn.init.normal_(self.embed_tokens.weight, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed_tokens(tokens)
        # Angles stay in float32, where bfloat16 could not tell neighbouring positions apart.
        angles = rotary_angles(tokens.shape[1], self.head_dim, tokens.device)
        cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        for layer in self.layers:
            x = layer(x, cos, sin)
        logits: Tensor = self.lm_head(self.norm(x))
        return logits


def build(vocabulary: int = Sizes.vocabulary, layers: int = Sizes.layers) -> LanguageModel:
    """The language model with random weights."""
    return LanguageModel(Sizes(vocabulary=vocabulary, layers=layers))


def example_inputs(batch: int) -> dict[str, Tensor]:
    """Random texts of the usual length, each opened by the token that begins a text."""
    tokens = torch.randint(Sizes.vocabulary, (batch, CONTEXT))
    tokens[:, 0] = BEGIN_OF_TEXT
    return {"tokens": tokens}
