"""The networks of the samples: plain modules, every activation and pool with a name of its own.

No module is used twice and none reads the weight of another, so a layer can be watched with a hook or
replaced by another module of the same input and output, such as two smaller layers in a row.
"""

from __future__ import annotations

from torch import Tensor, nn, zeros


class LeNet300(nn.Module):
    """Three fully connected layers, 784-300-100-10: the smallest network that reads digits well.

    images [N, 1, 28, 28] -> logits [N, 10]; 266,610 parameters.

    LeCun et al. 1998, "Gradient-based learning applied to document recognition".
    """

    def __init__(self) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(784, 300)
        self.relu1 = nn.ReLU()
        self.fc2 = nn.Linear(300, 100)
        self.relu2 = nn.ReLU()
        self.fc3 = nn.Linear(100, 10)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.relu1(self.fc1(self.flatten(images)))
        hidden = self.relu2(self.fc2(hidden))
        logits: Tensor = self.fc3(hidden)
        return logits


class LeNet5(nn.Module):
    """Two convolutions and two fully connected layers, 20-50-500-10, as the Caffe examples had it.

    images [N, 1, 28, 28] -> logits [N, 10]; 431,080 parameters, 93 % of them in fc1.

    LeCun et al. 1998; widths of Jia et al. 2014, arXiv:1408.5093.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 20, 5)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(20, 50, 5)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(2)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(800, 500)
        self.relu3 = nn.ReLU()
        self.fc2 = nn.Linear(500, 10)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.pool1(self.relu1(self.conv1(images)))
        maps = self.pool2(self.relu2(self.conv2(maps)))
        logits: Tensor = self.fc2(self.relu3(self.fc1(self.flatten(maps))))
        return logits


class ResidualBlock(nn.Module):
    """Two convolutions with batch norm whose result is added to their input.

    maps [N, width, H, W] -> the same shape, so a whole block can be left out.

    He et al. 2016, arXiv:1512.03385, figure 2.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU()

    def forward(self, maps: Tensor) -> Tensor:
        change = self.relu1(self.bn1(self.conv1(maps)))
        change = self.bn2(self.conv2(change))
        result: Tensor = self.relu2(maps + change)
        return result


class ResNet(nn.Module):
    """A residual network of eight layers with weights: stem, three blocks of two convolutions, classifier.

    images [N, 1, 28, 28] -> logits [N, 10]; width 32, blocks at 14 x 14, 14 x 14 and 7 x 7 pixels.

    He et al. 2016, arXiv:1512.03385.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(2)
        self.layer1 = ResidualBlock(width)
        self.layer2 = ResidualBlock(width)
        self.pool2 = nn.MaxPool2d(2)
        self.layer3 = ResidualBlock(width)
        self.average = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(width, 10)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.pool1(self.relu1(self.bn1(self.conv1(images))))
        maps = self.layer2(self.layer1(maps))
        maps = self.layer3(self.pool2(maps))
        logits: Tensor = self.fc(self.flatten(self.average(maps)))
        return logits


class Attention(nn.Module):
    """Every token gathers what it needs from the others, several heads side by side.

    tokens [N, T, width] -> [N, T, width]; the four projections are ordinary linear layers, and the output
    of `softmax` is the attention map [N, heads, T, T].

    Vaswani et al. 2017, arXiv:1706.03762, eq. 1.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.head_width = width // heads
        self.scale = self.head_width**-0.5
        self.q = nn.Linear(width, width)
        self.k = nn.Linear(width, width)
        self.v = nn.Linear(width, width)
        self.softmax = nn.Softmax(dim=-1)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        q, k, v = (self._by_head(each(tokens)) for each in (self.q, self.k, self.v))
        attention = self.softmax((q * self.scale) @ k.transpose(-2, -1))
        gathered: Tensor = self.out((attention @ v).transpose(1, 2).flatten(2))
        return gathered

    def _by_head(self, tokens: Tensor) -> Tensor:
        """[N, T, width] -> [N, heads, T, width / heads]."""
        return tokens.reshape(tokens.shape[0], tokens.shape[1], -1, self.head_width).transpose(1, 2)


class TransformerBlock(nn.Module):
    """Attention, then a small network on each token; both add to what was there, and read a normed copy.

    tokens [N, T, width] -> [N, T, width].

    Xiong et al. 2020, arXiv:2002.04745 (norm first).
    """

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, hidden)
        self.gelu = nn.GELU()
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attention(self.norm1(tokens))
        result: Tensor = tokens + self.fc2(self.gelu(self.fc1(self.norm2(tokens))))
        return result


class VisionTransformer(nn.Module):
    """Cuts the image into 49 patches of 4 x 4 pixels and lets them attend to one another.

    images [N, 1, 28, 28] -> logits [N, 10]; the class is read from the mean of the 49 tokens.

    Dosovitskiy et al. 2021, arXiv:2010.11929.
    """

    def __init__(self, width: int = 64, depth: int = 3, heads: int = 4, hidden: int = 128) -> None:
        super().__init__()
        self.patch = nn.Conv2d(1, width, 4, stride=4)
        self.position = nn.Parameter(zeros(1, 49, width))
        nn.init.normal_(self.position, std=0.02)
        self.blocks = nn.Sequential(*(TransformerBlock(width, heads, hidden) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patch(images).flatten(2).transpose(1, 2) + self.position
        tokens = self.norm(self.blocks(tokens))
        logits: Tensor = self.head(tokens.mean(dim=1))
        return logits


class TabularNet(nn.Module):
    """A small network for a table: 30 measured features in, two classes out.

    rows [N, features] -> logits [N, classes].
    """

    def __init__(self, features: int = 30, classes: int = 2) -> None:
        super().__init__()
        self.fc1 = nn.Linear(features, 32)
        self.relu1 = nn.ReLU()
        self.fc2 = nn.Linear(32, 16)
        self.relu2 = nn.ReLU()
        self.fc3 = nn.Linear(16, classes)

    def forward(self, rows: Tensor) -> Tensor:
        hidden = self.relu1(self.fc1(rows))
        hidden = self.relu2(self.fc2(hidden))
        logits: Tensor = self.fc3(hidden)
        return logits
