"""What published architectures cost, as closed formulas of their hyper-parameters.

Written from the papers and configurations, independently of any counter. MACs are the
multiply-accumulates of convolutions, matrix products and attention (the whole score matrix,
causal or not); no bias, norm, activation or pooling. Every count is for one sample.

`d` is the hidden size, `f` the inner size of the feed-forward, `s` and `t` numbers of tokens.
"""

# ruff: noqa: PLR0913  (a formula takes as many hyper-parameters as the architecture has)

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Size(NamedTuple):
    """Of one architecture on one input."""

    macs: int
    params: int


def attention(
    d: int, s: int, *, source: int | None = None, d_source: int | None = None, inner: int = 0
) -> int:
    """Projections of `s` queries and of `source` keys and values, both products, the output.

    q: d·inner·s, k and v: 2·d_source·inner·source, QKᵀ and AV: 2·s·source·inner, out: inner·d·s
    """
    inner, source, d_source = inner or d, s if source is None else source, d_source or d
    return 2 * d * inner * s + 2 * d_source * inner * source + 2 * s * source * inner


def feed_forward(d: int, f: int, s: int, *, matrices: int = 2) -> int:
    """Two matrices d·f; three where the first is gated."""
    return matrices * d * f * s


def linear(inputs: int, outputs: int) -> int:
    """Parameters of a linear layer with a bias."""
    return inputs * outputs + outputs


def block_params(d: int, f: int) -> int:
    """Of a Transformer block with biases: 4 projections, 2 of the feed-forward, 2 layer norms."""
    return 4 * linear(d, d) + linear(d, f) + linear(f, d) + 2 * 2 * d


# Text -------------------------------------------------------------------------------------------


def bert(*, d: int, f: int, layers: int, vocabulary: int, positions: int, s: int) -> Size:
    """Devlin et al. 2018, with the pooler: one d·d product, of the first token."""
    macs = layers * (attention(d, s) + feed_forward(d, f, s)) + d * d
    embeddings = (vocabulary + positions + 2) * d + 2 * d
    return Size(macs, embeddings + layers * block_params(d, f) + linear(d, d))


def gpt2(*, d: int, layers: int, vocabulary: int, positions: int, s: int) -> Size:
    """Radford et al. 2019; f = 4·d, and the head shares the token embedding's matrix."""
    macs = layers * (attention(d, s) + feed_forward(d, 4 * d, s)) + d * vocabulary * s
    return Size(macs, (vocabulary + positions) * d + layers * block_params(d, 4 * d) + 2 * d)


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """A decoder with grouped queries, rotary positions, RMS norms and a gated feed-forward.

    Llama 3 (Grattafiori et al. 2024), Qwen 2 (with biases on q, k and v), Qwen 3 (with a norm of
    `head` weights on q and on k), and, with `experts`, Mixtral (Jiang et al. 2024): `chosen` of
    them for every token, and a router.
    """

    d: int
    f: int
    layers: int
    heads: int
    kv_heads: int
    head: int
    vocabulary: int
    tied: bool = False
    qkv_bias: bool = False
    qk_norm: bool = False
    experts: int = 0
    chosen: int = 0

    def size(self, s: int) -> Size:
        """At `s` tokens, the head over the vocabulary at each."""
        return Size(
            self.layers * self._layer_macs(s) + self.d * self.vocabulary * s,
            self.layers * self._layer_params()
            + self.d
            + self.d * self.vocabulary * (1 if self.tied else 2),
        )

    def _projections(self) -> int:
        return 2 * self.d * self.heads * self.head + 2 * self.d * self.kv_heads * self.head

    def _layer_macs(self, s: int) -> int:
        scores_and_values = 2 * s * s * self.heads * self.head
        router = self.d * self.experts * s
        experts_of_a_token = self.chosen if self.experts else 1
        gated = feed_forward(self.d, self.f, s, matrices=3) * experts_of_a_token
        return self._projections() * s + scores_and_values + router + gated

    def _layer_params(self) -> int:
        biases = (self.heads + 2 * self.kv_heads) * self.head * self.qkv_bias
        norms = 2 * self.d + 2 * self.head * self.qk_norm
        matrices = 3 * self.d * self.f * max(self.experts, 1) + self.d * self.experts
        return self._projections() + biases + norms + matrices


def t5(
    *, d: int, f: int, inner: int, heads: int, layers: int, vocabulary: int, s: int, t: int
) -> Size:
    """Raffel et al. 2019 (v1.0): no biases, one table of 32 relative positions a stack, tied."""
    encoder = layers * (attention(d, s, inner=inner) + feed_forward(d, f, s))
    decoder = layers * (
        attention(d, t, inner=inner)
        + attention(d, t, source=s, inner=inner)
        + feed_forward(d, f, t)
    )
    matrices = layers * (3 * 4 * d * inner + 2 * 2 * d * f)
    norms = (2 * layers + 1) * d + (3 * layers + 1) * d
    positions = 2 * 32 * heads
    params = vocabulary * d + matrices + norms + positions
    return Size(encoder + decoder + d * vocabulary * t, params)


def mamba(
    *, d: int, layers: int, state: int, kernel: int, rank: int, vocabulary: int, s: int
) -> Size:
    """Gu and Dao 2023, the recurrence written out: inner = 2·d, of which each has a state.

    A layer, at each of s tokens: in d·2·inner, x inner·(rank + 2·state), dt rank·inner, the
    state read out inner·state, out inner·d. The causal convolution is padded by kernel - 1 on
    both sides: inner·kernel at s + kernel - 1 places. The state's own update is element-wise.
    """
    inner = 2 * d
    products = d * 2 * inner + inner * (rank + 2 * state) + rank * inner + inner * state + inner * d
    macs = layers * (products * s + inner * kernel * (s + kernel - 1)) + d * vocabulary * s
    layer = d * 2 * inner + linear(kernel, inner) + inner * (rank + 2 * state)
    layer += linear(rank, inner) + inner * state + inner + inner * d + d
    return Size(macs, vocabulary * d + layers * layer + d)


# Sound and pictures -----------------------------------------------------------------------------


def whisper(
    *,
    d: int,
    layers: int,
    mels: int,
    frames: int,
    positions: int,
    vocabulary: int,
    t: int,
) -> Size:
    """Radford et al. 2022: two convolutions of width 3, the second with stride 2; f = 4·d.

    The key projections have no bias; the encoder's positions are parameters too.
    """
    s, f = frames // 2, 4 * d
    stem = frames * d * mels * 3 + s * d * d * 3
    encoder = layers * (attention(d, s) + feed_forward(d, f, s))
    decoder = layers * (attention(d, t) + attention(d, t, source=s) + feed_forward(d, f, t))
    self_attention = 4 * d * d + 3 * d
    layer = self_attention + linear(d, f) + linear(f, d) + 2 * 2 * d
    params = linear(mels * 3, d) + linear(d * 3, d) + s * d + 2 * 2 * d
    params += layers * layer + layers * (layer + self_attention + 2 * d)
    params += positions * d + vocabulary * d
    return Size(stem + encoder + decoder + d * vocabulary * t, params)


def vision_tower(*, d: int, f: int, layers: int, patch: int, side: int) -> Size:
    """Patches without a bias, a class token, positions and blocks (Dosovitskiy et al. 2020)."""
    patches = (side // patch) ** 2
    s = patches + 1
    macs = patches * 3 * patch * patch * d + layers * (attention(d, s) + feed_forward(d, f, s))
    return Size(macs, 3 * patch * patch * d + d + s * d + layers * block_params(d, f))


def clip(
    *, vision: Mapping[str, int], text: Mapping[str, int], joint: int, vocabulary: int, s: int
) -> Size:
    """Radford et al. 2021: two towers, a projection each, and the score of the one pair.

    The vision tower has a norm before and after its blocks, the text tower after; one temperature.
    """
    picture = vision_tower(**vision)
    d_vision, d, f, layers = vision["d"], text["d"], text["f"], text["layers"]
    words = layers * (attention(d, s) + feed_forward(d, f, s))
    macs = picture.macs + words + d_vision * joint + d * joint + joint
    params = picture.params + 2 * 2 * d_vision
    params += (vocabulary + s) * d + layers * block_params(d, f) + 2 * d
    return Size(macs, params + d_vision * joint + d * joint + 1)


def resnet50_features(side: int) -> Size:
    """He et al. 2015 with the stride in the 3x3 convolution; batch norms counted in `params`."""
    macs, params = 0, 0

    def convolution(inputs: int, outputs: int, kernel: int, at: int) -> None:
        nonlocal macs, params
        macs += inputs * outputs * kernel * kernel * at * at
        params += inputs * outputs * kernel * kernel + 2 * outputs

    side //= 2
    convolution(3, 64, 7, side)
    channels, side = 64, side // 2
    for width, blocks, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for block in range(blocks):
            before = side
            side //= stride if block == 0 else 1
            convolution(channels, width, 1, before)
            convolution(width, width, 3, side)
            convolution(width, 4 * width, 1, side)
            if block == 0:
                convolution(channels, 4 * width, 1, side)
            channels = 4 * width
    return Size(macs, params)


def resnet50_norms() -> int:
    """The parameters of ResNet-50's batch norms, which DETR freezes into buffers."""
    widths = [64]
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        widths += [width, width, 4 * width] * blocks + [4 * width]
    return sum(2 * width for width in widths)


def detr(*, d: int, f: int, layers: int, queries: int, classes: int, side: int) -> Size:
    """Carion et al. 2020: ResNet-50, a 1x1 projection, six and six layers, two heads."""
    backbone = resnet50_features(side)
    s = (side // 32) ** 2
    encoder = layers * (attention(d, s) + feed_forward(d, f, s))
    decoder = layers * (
        attention(d, queries) + attention(d, queries, source=s) + feed_forward(d, f, queries)
    )
    outputs = classes + 1
    heads = queries * (d * outputs + 2 * d * d + 4 * d)
    params = backbone.params - resnet50_norms() + linear(2048, d) + queries * d
    params += layers * block_params(d, f)
    params += layers * (block_params(d, f) + 4 * linear(d, d) + 2 * d) + 2 * d
    params += linear(d, outputs) + 2 * linear(d, d) + linear(d, 4)
    return Size(backbone.macs + 2048 * d * s + encoder + decoder + heads, params)


class _UNetSum:
    """Running sums while the layers of a diffusion U-Net are gone through."""

    def __init__(self, time: int, d_text: int, words: int) -> None:
        self.macs = self.params = 0
        self._time, self._d_text, self._words = time, d_text, words

    def convolution(self, inputs: int, outputs: int, kernel: int, side: int) -> None:
        self.macs += inputs * outputs * kernel * kernel * side * side
        self.params += linear(inputs * kernel * kernel, outputs)

    def dense(self, inputs: int, outputs: int) -> None:
        self.macs += inputs * outputs
        self.params += linear(inputs, outputs)

    def residual(self, inputs: int, outputs: int, side: int) -> None:
        """Two group norms and 3x3 convolutions, the time projected; a 1x1 where widths differ."""
        self.params += 2 * inputs + 2 * outputs
        self.convolution(inputs, outputs, 3, side)
        self.dense(self._time, outputs)
        self.convolution(outputs, outputs, 3, side)
        if inputs != outputs:
            self.convolution(inputs, outputs, 1, side)

    def transformer(self, c: int, side: int) -> None:
        """1x1 in and out; self- and cross-attention; a GEGLU of 4·c: c·8c, then 4c·c."""
        s = side * side
        self.params += 2 * c
        self.convolution(c, c, 1, side)
        self.macs += attention(c, s)
        self.macs += attention(c, s, source=self._words, d_source=self._d_text)
        self.macs += (c * 8 * c + 4 * c * c) * s
        self.params += 3 * c * c + linear(c, c) + c * c + 2 * self._d_text * c + linear(c, c)
        self.params += linear(c, 8 * c) + linear(4 * c, c) + 3 * 2 * c
        self.convolution(c, c, 1, side)


def stable_diffusion_unet(*, side: int, words: int, d_text: int = 768) -> Size:
    """Rombach et al. 2022, v1: widths 320 to 1280, two residual blocks a level, three upwards."""
    widths = (320, 640, 1280, 1280)
    unet = _UNetSum(4 * widths[0], d_text, words)
    unet.dense(widths[0], 4 * widths[0])
    unet.dense(4 * widths[0], 4 * widths[0])
    unet.convolution(4, widths[0], 3, side)
    skips, channels = [widths[0]], widths[0]
    for level, width in enumerate(widths):
        for _ in range(2):
            unet.residual(channels, width, side)
            channels = width
            if level < 3:
                unet.transformer(width, side)
            skips.append(width)
        if level < 3:
            side //= 2
            unet.convolution(width, width, 3, side)
            skips.append(width)
    unet.residual(channels, channels, side)
    unet.transformer(channels, side)
    unet.residual(channels, channels, side)
    for level, width in reversed(list(enumerate(widths))):
        for _ in range(3):
            unet.residual(channels + skips.pop(), width, side)
            channels = width
            if level < 3:
                unet.transformer(width, side)
        if level > 0:
            side *= 2
            unet.convolution(width, width, 3, side)
    unet.params += 2 * channels
    unet.convolution(channels, 4, 3, side)
    return Size(unet.macs, unet.params)
