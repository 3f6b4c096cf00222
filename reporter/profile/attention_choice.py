"""Which kernel attention takes under autograd: on meta tensors the one that a CPU would take.

In inference attention arrives whole. Under autograd torch chooses before anyone sees it, and for
the meta device it chooses to write the score matrix out, which no CPU or GPU does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

_NAMES = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
_DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


class FusedAttention(TorchFunctionMode):
    """Makes attention on the meta device one operation, forward and backward, where a CPU does."""

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Attention through the fused kernel, everything else as it is."""
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            given = {**dict(zip(_NAMES, args, strict=False)), **kwargs}
            if _is_fused(given):
                return _fused(given)
        return func(*args, **kwargs)


def _is_fused(given: Mapping[str, Any]) -> bool:
    """The conditions of torch's `use_flash_attention_cpp`, for what is common."""
    query, key, value, mask = (given.get(name) for name in _NAMES[:4])
    if not all(isinstance(each, torch.Tensor) for each in (query, key, value)):
        return False
    parts: tuple[torch.Tensor, ...] = (query, key, value)  # type: ignore[assignment]
    return (
        all(each.is_meta and each.dim() == 4 and each.stride(-1) == 1 for each in parts)
        and all(each.numel() and each.dtype in _DTYPES for each in parts)
        and len({each.shape[-1] for each in parts}) == 1
        and len({each.shape[:2] for each in parts}) == 1
        and (mask is None or (mask.dtype == parts[0].dtype and not mask.requires_grad))
        and not given.get("dropout_p")
        and not given.get("enable_gqa")
    )


def _fused(given: Mapping[str, Any]) -> torch.Tensor:
    result, _ = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default(
        given["query"],
        given["key"],
        given["value"],
        0.0,
        bool(given.get("is_causal", False)),
        attn_mask=given.get("attn_mask"),
        scale=given.get("scale"),
    )
    return result  # type: ignore[no-any-return]
