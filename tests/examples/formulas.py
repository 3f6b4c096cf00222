"""What each example costs, worked out on paper: parameters, and multiply–accumulates of a forward.

MACs are those of convolutions, matrix products, both products of attention over the whole score
matrix, and the gates of recurrent cells; nothing else. No torch here, so that these sums cannot
share a mistake with what they are held against.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tally:
    """Parameters, and MACs of one forward."""

    params: int = 0
    macs: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.params + other.params, self.macs + other.macs)

    def __mul__(self, times: int) -> Tally:
        """That many different layers of the same shape."""
        return Tally(self.params * times, self.macs * times)


# The building blocks ------------------------------------------------------------------------------


def conv(c_in: int, c_out: int, kernel: int, pixels: int, *, bias: bool = False) -> Tally:
    """A convolution; `pixels` is how many positions of its output there are, over the batch."""
    weights = c_in * kernel**2 * c_out
    return Tally(weights + bias * c_out, weights * pixels)


def conv_transpose(c_in: int, c_out: int, kernel: int, input_pixels: int) -> Tally:
    """A transposed convolution: every *input* position meets the whole kernel."""
    weights = c_in * kernel**2 * c_out
    return Tally(weights + c_out, weights * input_pixels)


def linear(features_in: int, features_out: int, rows: int, *, bias: bool = True) -> Tally:
    weights = features_in * features_out
    return Tally(weights + bias * features_out, weights * rows)


def norm(features: int) -> Tally:
    """Batch or layer normalisation: a scale and a shift."""
    return Tally(2 * features)


def rms_norm(features: int) -> Tally:
    return Tally(features)


def embedding(entries: int, width: int) -> Tally:
    return Tally(entries * width)


def attention_products(batch: int, queries: int, keys: int, width: int) -> Tally:
    """Q·Kᵀ and A·V over all heads, which together are `width` wide; no mask saves anything."""
    return Tally(0, 2 * batch * queries * keys * width)


def lstm_direction(features: int, hidden: int, steps: int) -> Tally:
    """Four gates, each from the input and from the state; torch keeps two biases a gate."""
    weights = 4 * hidden * (features + hidden)
    return Tally(weights + 2 * 4 * hidden, weights * steps)


# The models ---------------------------------------------------------------------------------------


def resnet50(batch: int = 1) -> Tally:
    """224 → 112 by the stem, → 56 by the pool, then 56, 28, 14, 7 in the four stages."""
    total = conv(3, 64, 7, batch * 112**2) + norm(64)
    c_in = 64
    for width, blocks, side in ((64, 3, 56), (128, 4, 28), (256, 6, 14), (512, 3, 7)):
        c_out = 4 * width
        # The first 1×1 of a stage still sees the previous resolution: the stride is on the 3×3.
        side_in = side if width == 64 else 2 * side
        before, after = batch * side_in**2, batch * side**2
        norms = norm(width) * 2 + norm(c_out)
        tail = conv(width, width, 3, after) + conv(width, c_out, 1, after) + norms
        shortcut = conv(c_in, c_out, 1, after) + norm(c_out)
        first = conv(c_in, width, 1, before) + tail + shortcut
        other = conv(c_out, width, 1, after) + tail
        total = total + first + other * (blocks - 1)
        c_in = c_out
    return total + linear(2048, 1000, batch)


def vit_b_16(batch: int = 1) -> Tally:
    """(224 / 16)² = 196 patches and a class token: 197 tokens of 768."""
    patches = 14**2
    tokens = patches + 1
    layer = (
        norm(768) * 2
        + linear(768, 3 * 768, batch * tokens)
        + attention_products(batch, tokens, tokens, 768)
        + linear(768, 768, batch * tokens)
        + linear(768, 3072, batch * tokens)
        + linear(3072, 768, batch * tokens)
    )
    class_token, positions = Tally(768), Tally(tokens * 768)
    stem = conv(3, 768, 16, batch * patches, bias=True) + class_token + positions
    return stem + layer * 12 + norm(768) + linear(768, 1000, batch)


def unet(batch: int = 1) -> Tally:
    """64 channels at 256², 128 at 128², 256 at 64², 512 at 32², 1024 at 16², and back."""

    def double_conv(c_in: int, c_out: int, side: int) -> Tally:
        pixels = batch * side**2
        return conv(c_in, c_out, 3, pixels) + conv(c_out, c_out, 3, pixels) + norm(c_out) * 2

    total = double_conv(3, 64, 256)
    for c, side in ((128, 128), (256, 64), (512, 32), (1024, 16)):
        down = double_conv(c // 2, c, side)
        up = conv_transpose(c, c // 2, 2, batch * side**2)
        # The upsampled half and the skip connection's half make c channels again.
        merge = double_conv(c, c // 2, 2 * side)
        total = total + down + up + merge
    return total + conv(64, 21, 1, batch * 256**2, bias=True)


def tagger(batch: int = 1) -> Tally:
    """64 words; the second layer reads both directions of the first."""
    steps = batch * 64
    first = lstm_direction(300, 512, steps) * 2
    second = lstm_direction(2 * 512, 512, steps) * 2
    return embedding(50_000, 300) + first + second + linear(2 * 512, 17, steps)


def llm(batch: int = 1) -> Tally:
    """128 tokens; 9 query heads of 64, 3 key-value heads of 64, each repeated for 3 queries."""
    rows = batch * 128
    layer = (
        rms_norm(576) * 2
        + linear(576, 9 * 64, rows, bias=False)
        + linear(576, 3 * 64, rows, bias=False) * 2
        + attention_products(batch, 128, 128, 9 * 64)
        + linear(9 * 64, 576, rows, bias=False)
        + linear(576, 1536, rows, bias=False) * 2
        + linear(1536, 576, rows, bias=False)
    )
    # Tied to the embedding: it multiplies, but owns nothing.
    head = Tally(0, linear(576, 49_152, rows, bias=False).macs)
    return embedding(49_152, 576) + layer * 30 + rms_norm(576) + head


def captioner(batch: int = 1) -> Tally:
    """50 regions, 7² = 49 grid cells, 19 words; width 512 in 8 heads, feed-forward 2048.

    Where the cells lie is the same for every image, so that their positions and the relations
    between them are worked out once, whatever the batch.
    """
    regions, cells, words, width = 50, 49, 19, 512

    def attention(queries: int, keys: int) -> Tally:
        query_and_out = linear(width, width, batch * queries) * 2
        key_and_value = linear(width, width, batch * keys) * 2
        products = attention_products(batch, queries, keys, width)
        return query_and_out + key_and_value + products + norm(width)

    def feed_forward(tokens: int) -> Tally:
        rows = batch * tokens
        return linear(width, 2048, rows) + linear(2048, width, rows) + norm(width)

    def level(own: int, other: int, pairs: int) -> Tally:
        bias = linear(64, 8, pairs)
        return bias + attention(own, own) + attention(own, other) + feed_forward(own)

    def features(tokens: int) -> Tally:
        return linear(2048, width, batch * tokens) + norm(width)

    # One layer for the positions of both: its weights once, its rows from regions and cells.
    positions = linear(4, width, batch * regions + cells)
    region_level = level(regions, cells, batch * regions**2)
    grid_level = level(cells, regions, cells**2)
    decoder_layer = attention(words, words) + attention(words, regions + cells)
    decoder_layer = decoder_layer + feed_forward(words)
    vocabulary = embedding(10_201, width) + linear(width, 10_201, batch * words, bias=False)
    visual = features(regions) + features(cells) + positions
    return visual + (region_level + grid_level) * 3 + decoder_layer * 3 + vocabulary


BY_MODEL: dict[str, Callable[[int], Tally]] = {
    "resnet50": resnet50,
    "vit_b_16": vit_b_16,
    "unet": unet,
    "tagger": tagger,
    "captioner": captioner,
    "llm": llm,
}
"""The formula of each model of the examples' manifest, as a function of the batch size."""
