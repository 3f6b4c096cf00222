"""ResNet-50: a convolutional image classifier built from bottleneck residual blocks.

He et al., "Deep Residual Learning for Image Recognition", 2015 (arXiv:1512.03385), in the variant
known as v1.5: the stride of a stage sits on its first 3×3 convolution instead of the 1×1 before it.
Stages of 3, 4, 6 and 3 blocks, 25.6 million parameters, 4.1 GFLOPs for a 224×224 image.
"""

from __future__ import annotations

from torch import Tensor, nn

EXPANSION = 4
"""How much wider a bottleneck's output is than its 3×3 convolution."""


class Bottleneck(nn.Module):
    """1×1 reduce, 3×3, 1×1 expand, added to the input."""

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        out_channels = width * EXPANSION
        self.conv1 = nn.Conv2d(in_channels, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        out: Tensor = self.relu(x + shortcut)
        return out


class ResNet(nn.Module):
    """Images `(batch, 3, height, width)` to class logits `(batch, num_classes)`."""

    def __init__(self, blocks_per_stage: tuple[int, int, int, int], num_classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = _stage(64, 64, blocks_per_stage[0], stride=1)
        self.layer2 = _stage(256, 128, blocks_per_stage[1], stride=2)
        self.layer3 = _stage(512, 256, blocks_per_stage[2], stride=2)
        self.layer4 = _stage(1024, 512, blocks_per_stage[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(2048, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits


def _stage(in_channels: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    first = Bottleneck(in_channels, width, stride)
    rest = [Bottleneck(width * EXPANSION, width) for _ in range(blocks - 1)]
    return nn.Sequential(first, *rest)


def resnet50(num_classes: int = 1000) -> ResNet:
    """ResNet-50 with random weights."""
    return ResNet((3, 4, 6, 3), num_classes)
