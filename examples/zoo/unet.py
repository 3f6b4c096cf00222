"""U-Net: semantic segmentation by a contracting and an expanding path with skip connections.

Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation", 2015
(arXiv:1505.04597): 64 channels at full resolution, doubled at each of four halvings, up again by
transposed convolutions. As is usual today the 3×3 convolutions are padded, so that the output has
the input's size, and followed by batch normalisation. 31 million parameters.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DoubleConv(nn.Sequential):
    """Two 3×3 convolutions that keep the image's size."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class Up(nn.Module):
    """Doubles the resolution, halves the channels and merges in the skip connection."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, in_channels // 2, kernel_size=2, stride=2)
        self.conv = DoubleConv(in_channels, in_channels // 2)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        merged: Tensor = self.conv(torch.cat((skip, self.up(x)), dim=1))
        return merged


class UNet(nn.Module):
    """Images `(batch, 3, height, width)` to class logits `(batch, num_classes, height, width)`.

    Height and width are multiples of 16.
    """

    def __init__(self, num_classes: int, width: int, halvings: int = 4) -> None:
        super().__init__()
        channels = [width * 2**level for level in range(halvings + 1)]
        self.stem = DoubleConv(3, width)
        self.pool = nn.MaxPool2d(kernel_size=2)
        self.down = nn.ModuleList(DoubleConv(c, 2 * c) for c in channels[:-1])
        self.up = nn.ModuleList(Up(c) for c in reversed(channels[1:]))
        self.head = nn.Conv2d(width, num_classes, kernel_size=1)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)
        skips = []
        for down in self.down:
            skips.append(x)
            x = down(self.pool(x))
        for up, skip in zip(self.up, reversed(skips), strict=True):
            x = up(x, skip)
        logits: Tensor = self.head(x)
        return logits


def unet(num_classes: int = 21, width: int = 64) -> UNet:
    """U-Net with random weights; 21 classes are those of Pascal VOC."""
    return UNet(num_classes, width)
