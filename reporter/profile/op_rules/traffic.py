"""Operations that compute nothing, and those that touch only a part of their arguments."""

from __future__ import annotations

from collections.abc import Mapping

MOVEMENT: frozenset[str] = frozenset(
    f"aten::{name}"
    for name in (
        # New values from none.
        "empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided",
        "zeros", "zeros_like", "new_zeros", "ones", "ones_like", "new_ones", "full", "full_like",
        "new_full", "arange", "linspace", "logspace", "eye", "tril_indices", "triu_indices",
        "scalar_tensor", "zero", "one_hot", "rand", "rand_like", "randn", "randn_like", "randint",
        "randint_like", "randperm", "bernoulli", "uniform", "normal", "random", "exponential",
        "multinomial", "set_data", "lift", "lift_fresh", "lift_fresh_copy",
        # The same values elsewhere.
        "clone", "contiguous", "copy", "_to_copy", "to", "type_as", "_reshape_copy", "reshape",
        "flatten", "cat", "concat", "stack", "hstack", "vstack", "repeat", "tile",
        "repeat_interleave", "expand_copy", "roll", "flip", "rot90", "tril", "triu", "pad",
        "constant_pad_nd", "reflection_pad1d", "reflection_pad2d", "reflection_pad3d",
        "replication_pad1d", "replication_pad2d", "replication_pad3d", "_pad_circular",
        "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "im2col", "unfold_copy",
        "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d",
        "_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d",
        "complex", "conj_physical", "resolve_conj", "resolve_neg", "diag_embed", "block_diag",
        "meshgrid", "cartesian_prod", "split_copy", "narrow_copy", "slice_scatter",
        "select_scatter", "diagonal_scatter", "as_strided_scatter", "slice_backward",
        "select_backward", "unfold_backward", "resize", "set", "detach_copy",
        # Chosen by an index or a mask.
        "embedding", "embedding_renorm", "index", "index_select", "index_copy", "index_fill",
        "index_put", "_index_put_impl", "_unsafe_index", "_unsafe_index_put", "gather", "scatter",
        "take", "take_along_dim", "put", "masked_select", "masked_scatter", "nonzero",
        "_pack_padded_sequence", "_pad_packed_sequence",
        # Order: comparisons of keys, whose number depends on the values.
        "sort", "argsort", "topk", "kthvalue", "mode", "msort", "_unique", "_unique2",
        "unique_dim", "unique_consecutive", "searchsorted", "bucketize", "bincount", "histc",
        # Questions whose answer is no tensor.
        "_local_scalar_dense", "is_nonzero", "item", "equal", "allclose", "is_same_size",
    )
)  # fmt: skip
"""Operations that move values and compute none."""

UNWRITTEN: frozenset[str] = frozenset(
    f"aten::{name}"
    for name in ("empty", "empty_like", "empty_strided", "empty_permuted", "new_empty",
                 "new_empty_strided", "resize_")
)  # fmt: skip
"""Allocations: room that whatever comes next will write."""

READ_AS_MUCH_AS_RETURNED: Mapping[str, str] = {
    "aten::embedding": "weight",
    "aten::index": "self",
    "aten::_unsafe_index": "self",
    "aten::index_select": "self",
    "aten::gather": "self",
    "aten::take": "self",
    "aten::take_along_dim": "self",
}
"""Lookups: operation → the argument of which only the elements that come out are read."""

READ_ROW_BY_ROW: Mapping[str, tuple[str, str]] = {
    "aten::embedding_bag": ("weight", "indices"),
    "aten::_embedding_bag": ("weight", "indices"),
}
"""Lookups that add up what they read: operation → the argument read, a row for each index."""

WRITTEN_ONLY: Mapping[str, str] = {
    "aten::copy_": "self",
    "aten::fill_": "self",
    "aten::zero_": "self",
    "aten::uniform_": "self",
    "aten::normal_": "self",
    "aten::bernoulli_": "self",
    "aten::random_": "self",
    "aten::exponential_": "self",
}
"""In-place operations that do not look at what they overwrite."""

WRITTEN_IN_PART: Mapping[str, str] = {
    "aten::index_put_": "values",
    "aten::index_copy_": "source",
    "aten::index_add_": "source",
    "aten::scatter_": "index",
    "aten::scatter_add_": "index",
    "aten::scatter_reduce_": "index",
    "aten::masked_scatter_": "source",
}
"""In-place operations that touch only as many elements of `self` as this argument has."""
