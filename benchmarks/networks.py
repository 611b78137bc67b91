"""The networks that are timed: shapes of well-known ones with random weights, in plain torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor, nn

from compress_core.subject.input_form import InputForm
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject, make_subject

_BLOCKS = (3, 4, 6, 3)
_FEW_WORDS = 1000
_PATCH = 16  # pixels of a side
_WIDER = 4  # a bottleneck's output over its width


@dataclass(frozen=True)
class Size:
    """How large everything is: as in the table, or tiny, so that a test can run it.

    width of the ResNet, side and number of its images, channels of the single 3 x 3 convolution,
    [rows, columns] and rank of the single Linear, Linears of the own model and their width; width, known
    words, layers and heads of BERT, and how many words an item has.
    """

    width: int = 64
    image: int = 224
    items: int = 8
    channels: int = 512
    linear: tuple[int, int] = (3072, 768)
    rank: int = 192
    layers: int = 60
    layer_width: int = 64
    bert: tuple[int, int, int, int] = (768, 30522, 12, 12)
    words: int = 128


FULL = Size()
TINY = Size(
    width=4,
    image=32,
    items=2,
    channels=16,
    linear=(48, 24),
    rank=6,
    layers=3,
    layer_width=8,
    bert=(16, 30, 2, 2),
    words=5,
)


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3, 1 x 1 convolutions around a shortcut."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * _WIDER
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """x [N, inputs, H, W] -> [N, 4 * width, H / stride, W / stride]."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        result: Tensor = self.relu(self.bn3(self.conv3(y)) + self.shortcut(x))
        return result


class ResNet50(nn.Module):
    """The layers of a ResNet-50; 25.6 million weights at width 64.

    He et al. 2016, Deep Residual Learning for Image Recognition, arXiv:1512.03385, table 1.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        inputs = width
        for index, blocks in enumerate(_BLOCKS):
            inner = width * 2**index
            parts = [Bottleneck(inputs, inner, 1 if index == 0 else 2)]
            parts += [Bottleneck(inner * _WIDER, inner, 1) for _ in range(blocks - 1)]
            self.add_module(f"layer{index + 1}", nn.Sequential(*parts))
            inputs = inner * _WIDER
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs, 1000)

    def forward(self, x: Tensor) -> Tensor:
        """x [N, 3, H, W] -> logits [N, 1000]."""
        y = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for index in range(len(_BLOCKS)):
            y = self.get_submodule(f"layer{index + 1}")(y)
        result: Tensor = self.fc(self.avgpool(y).flatten(1))
        return result


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions around a shortcut."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x: Tensor) -> Tensor:
        """x [N, inputs, H, W] -> [N, width, H / stride, W / stride]."""
        y = self.relu(self.bn1(self.conv1(x)))
        result: Tensor = self.relu(self.bn2(self.conv2(y)) + self.shortcut(x))
        return result


class ResNet18(nn.Module):
    """The layers of a ResNet-18; 11.7 million weights at width 64.

    He et al. 2016, Deep Residual Learning for Image Recognition, arXiv:1512.03385, table 1.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        stem = (
            nn.Conv2d(3, width, 7, 2, padding=3, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, padding=1),
        )
        widths = [width * 2**index for index in range(len(_BLOCKS))]
        blocks = [BasicBlock(width, width, 1), BasicBlock(width, width, 1)]
        for inputs, outputs in pairwise(widths):
            blocks += [BasicBlock(inputs, outputs, 2), BasicBlock(outputs, outputs, 1)]
        self.features = nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.fc = nn.Linear(widths[-1], 1000)

    def forward(self, x: Tensor) -> Tensor:
        """x [N, 3, H, W] -> logits [N, 1000]."""
        result: Tensor = self.fc(self.features(x))
        return result


class EncoderLayer(nn.Module):
    """Attention and two Linears, each around a shortcut and with a norm behind it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.head_width = width // heads
        self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.fc1, self.fc2 = nn.Linear(width, _WIDER * width), nn.Linear(_WIDER * width, width)

    def forward(self, x: Tensor, there: Tensor | None = None) -> Tensor:
        """x [N, words, width] -> [N, words, width]; there [N, 1, 1, words]: which of the words are read."""
        query, key, value = (
            layer(x).unflatten(-1, (-1, self.head_width)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        seen = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=there)
        x = self.norm1(x + self.output(seen.transpose(1, 2).flatten(2)))
        result: Tensor = self.norm2(x + self.fc2(nn.functional.gelu(self.fc1(x))))
        return result


class Bert(nn.Module):
    """The layers of BERT-base; 108 million weights at width 768.

    Devlin et al. 2019, BERT: Pre-training of Deep Bidirectional Transformers, arXiv:1810.04805, section 3.
    """

    def __init__(self, width: int, words: int, layers: int, heads: int, longest: int) -> None:
        super().__init__()
        self.word, self.place = nn.Embedding(words, width), nn.Embedding(longest, width)
        self.norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(EncoderLayer(width, heads) for _ in range(layers))
        self.pooler, self.head = nn.Linear(width, width), nn.Linear(width, 2)

    def forward(self, words: Tensor) -> Tensor:
        """words [N, length] -> logits [N, 2]."""
        x = self.norm(self.word(words) + self.place(torch.arange(words.shape[1])))
        for layer in self.layers:
            x = layer(x)
        result: Tensor = self.head(self.pooler(x[:, 0]).tanh())
        return result


class MaskedBert(Bert):
    """The same with a mask of the words that are there, as a named input beside them."""

    def forward(self, words: Tensor, mask: Tensor | None = None) -> Tensor:
        """words [N, length], mask [N, length], 1 for a word and 0 for none -> logits [N, 2]."""
        x = self.norm(self.word(words) + self.place(torch.arange(words.shape[1])))
        for layer in self.layers:
            x = layer(x, None if mask is None else mask[:, None, None, :].bool())
        result: Tensor = self.head(self.pooler(x[:, 0]).tanh())
        return result


class PatchLayer(EncoderLayer):
    """The same with each norm before what it belongs to."""

    def forward(self, x: Tensor, there: Tensor | None = None) -> Tensor:
        """x [N, patches, width] -> [N, patches, width]."""
        normed = self.norm1(x)
        query, key, value = (
            layer(normed).unflatten(-1, (-1, self.head_width)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        seen = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=there)
        x = x + self.output(seen.transpose(1, 2).flatten(2))
        result: Tensor = x + self.fc2(nn.functional.gelu(self.fc1(self.norm2(x))))
        return result


class Vit(nn.Module):
    """The layers of a ViT-B with patches of 16 x 16; 86 million weights at width 768.

    Dosovitskiy et al. 2021, An Image is Worth 16x16 Words, arXiv:2010.11929, table 1.
    """

    def __init__(self, width: int, layers: int, heads: int, image: int) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, width, _PATCH, _PATCH)
        self.first = nn.Parameter(torch.zeros(1, 1, width))
        self.place = nn.Parameter(torch.zeros(1, 1 + (image // _PATCH) ** 2, width))
        self.layers = nn.ModuleList(PatchLayer(width, heads) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 1000)

    def forward(self, x: Tensor) -> Tensor:
        """x [N, 3, H, W] -> logits [N, 1000]."""
        patches = self.patch(x).flatten(2).transpose(1, 2)
        y = torch.cat((self.first.expand(len(x), -1, -1), patches), dim=1) + self.place
        for layer in self.layers:
            y = layer(y)
        result: Tensor = self.head(self.norm(y[:, 0]))
        return result


def _filled(network: nn.Module) -> nn.Module:
    """Random weights that keep activations in range, the same every time."""
    generator = torch.Generator().manual_seed(0)
    for tensor in network.parameters():
        if tensor.dim() > 1:
            deviation = (2 / tensor[0].numel()) ** 0.5
            tensor.data.normal_(0, deviation, generator=generator)
    return network.eval()


def _images(size: Size, count: int) -> Tensor:
    return torch.randn(count, 3, size.image, size.image, generator=torch.Generator().manual_seed(1))


def _words(size: Size) -> Tensor:
    """Eight items of random words [8, length]."""
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, size.bert[1], (8, size.words), generator=generator)


def resnet50(size: Size) -> Subject:
    """M of the table, with a few random images to evaluate on."""
    split = Split("validation", _images(size, size.items), torch.arange(size.items))
    form = InputForm("image", (3, size.image, size.image), (0.5,) * 3, (0.25,) * 3)
    classes = tuple(map(str, range(1000)))
    network = _filled(ResNet50(size.width))
    return make_subject("m", "ResNet-50 shape", network, form, classes, {"validation": split})


def one_convolution(size: Size) -> Subject:
    """One 3 x 3 convolution, called `conv`."""
    network = nn.Sequential()
    network.add_module("conv", nn.Conv2d(size.channels, size.channels, 3, padding=1, bias=False))
    form = InputForm("image", (size.channels, 1, 1), (0.0,) * size.channels, (1.0,) * size.channels)
    return make_subject("conv", "One convolution", _filled(network), form, ("a", "b"), {})


def one_linear(size: Size) -> Subject:
    """One Linear, called `fc`."""
    rows, columns = size.linear
    network = nn.Sequential()
    network.add_module("fc", nn.Linear(columns, rows, bias=False))
    form = InputForm("table", (columns,), (0.0,) * columns, (1.0,) * columns)
    return make_subject("fc", "One Linear", _filled(network), form, ("a", "b"), {})


def many_linears(size: Size) -> Subject:
    """An own model with many layers, as somebody would upload it, with a thousand items."""
    network = nn.Sequential()
    widths = [size.layer_width] * size.layers + [10]
    for index, (inputs, outputs) in enumerate(pairwise(widths)):
        network.add_module(f"fc{index}", nn.Linear(inputs, outputs))
        network.add_module(f"relu{index}", nn.ReLU() if index + 1 < size.layers else nn.Identity())
    items = torch.randn(1000, size.layer_width, generator=torch.Generator().manual_seed(2))
    split = Split("validation", items, torch.arange(1000) % 10)
    form = InputForm("table", (size.layer_width,), (0.0,) * size.layer_width, (1.0,) * size.layer_width)
    classes = tuple(map(str, range(10)))
    return make_subject("own", "Many layers", _filled(network), form, classes, {"validation": split})


def bert(size: Size) -> tuple[nn.Module, Tensor]:
    """L of the table, with eight items of random words [8, length]."""
    width, words, layers, heads = size.bert
    network = _filled(Bert(width, words, layers, heads, max(512, size.words)))
    return network, _words(size)


def masked_bert(size: Size) -> tuple[nn.Module, Mapping[str, Tensor]]:
    """L with the mask of its words, of which every item has another number."""
    width, words, layers, heads = size.bert
    network = _filled(MaskedBert(width, words, layers, heads, max(512, size.words)))
    items = _words(size)
    lengths = torch.arange(1, len(items) + 1)[:, None] * size.words // len(items)
    mask = (torch.arange(size.words) < lengths.clamp(min=1)).long()
    return network, {"words": items * mask, "mask": mask}


def vit(size: Size) -> tuple[nn.Module, Tensor]:
    """A ViT-B, with a few random images."""
    width, _, layers, heads = size.bert
    return _filled(Vit(width, layers, heads, size.image)), _images(size, size.items)


def resnet18(size: Size) -> tuple[nn.Module, Tensor]:
    """The smallest network of the size table, with a few random images."""
    return _filled(ResNet18(size.width)), _images(size, size.items)


def encoder_of(size: Size, layers: int) -> tuple[nn.Module, Tensor]:
    """A network like L of so many layers and few known words: nearly all of its weights are in its layers."""
    width, words, _, heads = size.bert
    return bert(replace(size, bert=(2 * width // 3, min(words, _FEW_WORDS), layers, 2 * heads // 3)))
