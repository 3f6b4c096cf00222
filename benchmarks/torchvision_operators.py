"""Torchvision beside a torch its C++ extension was not built for: the operators it then lacks.

The wheel on the package index is built for CUDA. With another torch its extension does not load,
and its import fails where it describes operators that nobody defined. None of the models that are
counted here calls one.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
from pathlib import Path

SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "roi_align(Tensor input, Tensor rois, float spatial_scale, int pooled_height, "
    "int pooled_width, int sampling_ratio, bool aligned) -> Tensor",
    "_roi_align_backward(Tensor grad, Tensor rois, float spatial_scale, int pooled_height, "
    "int pooled_width, int batch_size, int channels, int height, int width, "
    "int sampling_ratio, bool aligned) -> Tensor",
    "roi_pool(Tensor input, Tensor rois, float spatial_scale, int pooled_height, "
    "int pooled_width) -> (Tensor, Tensor)",
    "_roi_pool_backward(Tensor grad, Tensor rois, Tensor argmax, float spatial_scale, "
    "int pooled_height, int pooled_width, int batch_size, int channels, int height, "
    "int width) -> Tensor",
    "ps_roi_align(Tensor input, Tensor rois, float spatial_scale, int pooled_height, "
    "int pooled_width, int sampling_ratio) -> (Tensor, Tensor)",
    "_ps_roi_align_backward(Tensor grad, Tensor rois, Tensor channel_mapping, "
    "float spatial_scale, int pooled_height, int pooled_width, int sampling_ratio, "
    "int batch_size, int channels, int height, int width) -> Tensor",
    "ps_roi_pool(Tensor input, Tensor rois, float spatial_scale, int pooled_height, "
    "int pooled_width) -> (Tensor, Tensor)",
    "_ps_roi_pool_backward(Tensor grad, Tensor rois, Tensor channel_mapping, "
    "float spatial_scale, int pooled_height, int pooled_width, int batch_size, int channels, "
    "int height, int width) -> Tensor",
    "deform_conv2d(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, "
    "int stride_h, int stride_w, int pad_h, int pad_w, int dilation_h, int dilation_w, "
    "int groups, int offset_groups, bool use_mask) -> Tensor",
    "_deform_conv2d_backward(Tensor grad, Tensor input, Tensor weight, Tensor offset, "
    "Tensor mask, Tensor bias, int stride_h, int stride_w, int pad_h, int pad_w, "
    "int dilation_h, int dilation_w, int groups, int offset_groups, bool use_mask) "
    "-> (Tensor, Tensor, Tensor, Tensor, Tensor)",
)

_defined: list[object] = []


def define_if_missing() -> bool:
    """Make `import torchvision` work; True where it took definitions of ours."""
    if _defined or _extension_loads():
        return bool(_defined)
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for schema in SCHEMAS:
        library.define(schema)
    _defined.append(library)
    return True


def _extension_loads() -> bool:
    """True also where there is no torchvision, and so nothing to define."""
    import torch

    package = importlib.util.find_spec("torchvision")
    if package is None or package.origin is None:
        return True
    suffixes = tuple(importlib.machinery.EXTENSION_SUFFIXES)
    for extension in Path(package.origin).parent.glob("_C*"):
        if extension.name.endswith(suffixes):
            try:
                torch.ops.load_library(str(extension))
            except (OSError, RuntimeError):
                continue
            return True
    return False
