"""Small networks on images, volumes and signals, each with one way in which channels are coupled."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm


class Head(nn.Module):
    """maps [N, width, ...] -> logits [N, 3] by the mean over all positions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(width, 3)

    def forward(self, maps: Tensor) -> Tensor:
        return self.fc(maps.flatten(2).mean(2))


class Residual(nn.Module):
    """Stem, one residual block with batch norm, head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.block, self.head = nn.Conv2d(3, 8, 3, padding=1), _Block(8), Head(8)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.block(F.relu(self.stem(x))))


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class Downsampling(nn.Module):
    """A residual block whose shortcut is a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.conv = nn.Conv2d(4, 8, 3, stride=2, padding=1)
        self.shortcut = nn.Conv2d(4, 8, 1, stride=2)
        self.head = Head(8)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        return self.head(F.relu(self.conv(x) + self.shortcut(x)))


class Concat(nn.Module):
    """Two branches side by side, normed and read together."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 6, 3, padding=1)
        self.bn, self.head = nn.BatchNorm2d(10), Head(10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.bn(torch.cat([self.left(x), self.right(x)], 1))))


class Dense(nn.Module):
    """Every layer reads all before it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = (nn.Conv2d(3 + 4 * i, 4, 3, padding=1) for i in range(3))
        self.stem, self.head = nn.Conv2d(3, 3, 1), Head(15)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.stem(x)
        for conv in (self.conv1, self.conv2, self.conv3):
            maps = torch.cat([maps, F.relu(conv(maps))], 1)
        return self.head(maps)


class Split(nn.Module):
    """Two halves of a layer's channels go to two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.left, self.right = nn.Conv2d(3, 8, 1), nn.Conv2d(4, 5, 1), nn.Conv2d(4, 5, 1)
        self.head = Head(5)

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.stem(x).chunk(2, 1)
        return self.head(F.relu(self.left(left)) + F.relu(self.right(right)))


class FixedSplit(nn.Module):
    """The same with sizes that are written down."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.left, self.right = nn.Conv2d(3, 8, 1), nn.Conv2d(3, 5, 1), nn.Conv2d(5, 5, 1)
        self.head = Head(5)

    def forward(self, x: Tensor) -> Tensor:
        left, right = torch.split(self.stem(x), [3, 5], 1)
        return self.head(F.relu(self.left(left)) * self.right(right))


class Gate(nn.Module):
    """One half of the channels gates the other."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 8, 1), Head(4)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.stem(x).chunk(2, 1)
        return self.head(value * gate.sigmoid())


class Grouped(nn.Module):
    """A convolution in four groups between two plain ones."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 1)
        self.grouped = nn.Conv2d(16, 24, 3, padding=1, groups=4)
        self.head = Head(24)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.grouped(F.relu(self.stem(x)))))


class Separable(nn.Module):
    """Depthwise, then pointwise, with batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.bn, self.pointwise, self.head = nn.BatchNorm2d(8), nn.Conv2d(8, 6, 1), Head(6)

    def forward(self, x: Tensor) -> Tensor:
        maps = F.relu6(self.bn(self.depthwise(F.relu6(self.stem(x)))))
        return self.head(F.relu(self.pointwise(maps)))


class Multiplied(nn.Module):
    """A depthwise convolution that makes two channels of each."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.twice = nn.Conv2d(3, 6, 1), nn.Conv2d(6, 12, 3, groups=6)
        self.head = Head(12)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.twice(F.relu(self.stem(x)))))


class Transposed(nn.Module):
    """Down and up again."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(3, 6, 2, stride=2), nn.ConvTranspose2d(6, 4, 2, stride=2)
        self.bn, self.head = nn.BatchNorm2d(4), Head(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.bn(self.up(F.relu(self.down(x))))))


class UNet(nn.Module):
    """Down, up, and the way across; answers maps."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.down = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 8, 2, stride=2)
        self.up, self.leave = nn.ConvTranspose2d(8, 4, 2, stride=2), nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        first = F.relu(self.enter(x))
        second = F.relu(self.up(F.relu(self.down(first))))
        return self.leave(torch.cat([first, second], 1))


class Excited(nn.Module):
    """Squeeze and excite: a small network on the means scales the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.squeeze, self.excite = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1)
        self.head = Head(8)

    def forward(self, x: Tensor) -> Tensor:
        maps = F.relu(self.stem(x))
        scale = self.excite(F.relu(self.squeeze(F.adaptive_avg_pool2d(maps, 1))))
        return self.head(maps * scale.sigmoid())


class Flattened(nn.Module):
    """Every channel becomes sixteen inputs of a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.flatten = nn.Conv2d(3, 5, 3, padding=1), nn.Flatten()
        self.fc1, self.fc2 = nn.Linear(80, 7), nn.Linear(7, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.relu(self.fc1(self.flatten(F.max_pool2d(F.relu(self.conv(x)), 2)))))


class FixedView(nn.Module):
    """The same with the number of inputs written down."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 5, 3, padding=1), nn.Linear(80, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(F.max_pool2d(F.relu(self.conv(x)), 2).view(-1, 80))


class GroupNormed(nn.Module):
    """Group norm over four channels at a time."""

    def __init__(self, groups: int = 3) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(3, 12, 3), nn.GroupNorm(groups, 12), Head(12)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.norm(self.conv(x))))


class InstanceNormed(nn.Module):
    """Instance norm with weights and a PReLU with one slope for each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 6, 3), nn.InstanceNorm2d(6, affine=True)
        self.act, self.head = nn.PReLU(6), Head(6)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.act(self.norm(self.conv(x))))


class Scaled(nn.Module):
    """A bare parameter scales the branch of a residual block."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv, self.head = nn.Conv2d(3, 6, 1), nn.Conv2d(6, 6, 3, padding=1), Head(6)
        self.gamma = nn.Parameter(torch.ones(6, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        maps = F.relu(self.stem(x))
        return self.head(maps + self.gamma * self.conv(maps))


class Signal(nn.Module):
    """Convolutions over one axis, the last of them normed by computed weights."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn = nn.Conv1d(2, 6, 3), nn.BatchNorm1d(6)
        self.conv2, self.head = weight_norm(nn.Conv1d(6, 5, 3)), Head(5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.conv2(F.relu(self.bn(self.conv1(x))))))


class Volume(nn.Module):
    """Convolutions over three axes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn = nn.Conv3d(1, 4, 3, padding=1), nn.BatchNorm3d(4)
        self.up, self.head = nn.ConvTranspose3d(4, 5, 2, stride=2), Head(5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.up(F.relu(self.bn(self.conv1(x))))))


class AcrossChannels(nn.Module):
    """The mean over all channels shifts each of them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 6, 1), Head(6)

    def forward(self, x: Tensor) -> Tensor:
        maps = F.relu(self.conv(x))
        return self.head(maps - maps.mean(1, keepdim=True))


class Shuffled(nn.Module):
    """A grouped convolution whose channels are dealt out to the next one's groups."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(4, 8, 1, groups=2), nn.Conv2d(8, 8, 1, groups=2)
        self.head = Head(8)

    def forward(self, x: Tensor) -> Tensor:
        maps = F.relu(self.one(x))
        dealt = maps.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)
        return self.head(F.relu(self.two(dealt)))
