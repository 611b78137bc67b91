"""Small subjects for tests: networks made on the spot, with items that need no file."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compress_core.loading.samples import load_sample
from compress_core.recipe.values import Recipe, Rule, Step
from compress_core.subject.input_form import InputForm
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject, make_subject


@cache
def loaded_sample(name: str) -> Subject:
    """A sample, loaded and checked once for all tests of a process: nobody writes to a subject."""
    return load_sample(name)


def write_anew(path: Path, content: bytes) -> None:
    """Write a file in place of another one: writing over a longer one waits for the disk."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


@cache
def calibrated_on_few(name: str) -> Subject:
    """A sample with 64 items to calibrate on: for claims that hold whatever the ranges are."""
    subject = loaded_sample(name)
    few = subject.split("calibration").first(64)
    return replace(subject, splits={**subject.splits, "calibration": few})


def tiny_subject(network: nn.Module, shape: tuple[int, ...], items: int = 12, name: str = "tiny") -> Subject:
    """A subject around a network that takes [N, *shape]; 12 random items with labels 0 to 2."""
    generator = torch.Generator().manual_seed(7)
    inputs = torch.randn(items, *shape, generator=generator)
    labels = torch.randint(0, 3, (items,), generator=generator)
    split = Split("validation", inputs, labels)
    form = InputForm("table", shape)
    return make_subject(name, name.title(), network, form, ("a", "b", "c"), {"validation": split})


def with_calibration(subject: Subject, items: int = 64) -> Subject:
    """The subject with random items to calibrate on."""
    generator = torch.Generator().manual_seed(9)
    inputs = torch.randn(items, *subject.input.shape, generator=generator)
    split = Split("calibration", inputs, torch.randint(0, 3, (items,), generator=generator))
    return replace(subject, splits={**subject.splits, "calibration": split})


def seeded(network: nn.Module, seed: int = 3) -> nn.Module:
    """The network with weights from a generator of its own, none of them zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 3)
    return network.eval()


def rules(**steps: Step | tuple[Step, ...]) -> Recipe:
    """A recipe with a rule for each name; an underscore stands for a dot, `any` for every layer."""
    matches = {"any": "*"}
    return Recipe(
        tuple(
            Rule(matches.get(name, name.replace("_", ".")), value if isinstance(value, tuple) else (value,))
            for name, value in steps.items()
        )
    )


class Mlp(nn.Module):
    """Three linear layers, 6-8-7-3."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(6, 8), nn.Linear(8, 7), nn.Linear(7, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc3(self.fc2(self.fc1(x).relu()).relu())


def mlp_subject() -> Subject:
    """Three linear layers on 12 items."""
    return tiny_subject(seeded(Mlp()), (6,))


class Everything(nn.Module):
    """Every kind of layer, tied weights, buffers: inputs [N, 8] -> logits [N, 3]."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(10, 8, padding_idx=0)
        self.places = nn.Embedding(8, 8)
        self.line = nn.Conv1d(8, 8, 3, padding=1, groups=2)
        self.up = nn.ConvTranspose1d(8, 6, 3, stride=2, padding=1, output_padding=1, groups=2)
        self.plane = nn.Conv2d(1, 4, 3, padding=1)
        self.depth = nn.Conv2d(4, 4, 3, groups=4, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.room = nn.Conv3d(4, 4, (1, 2, 2))
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.cross = nn.MultiheadAttention(8, 2, batch_first=True, kdim=6, vdim=6, bias=False)
        self.block = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True)
        self.decode = nn.Linear(8, 10, bias=False)
        self.decode.weight = self.words.weight
        self.head = nn.Linear(12, 3)
        self.again = self.head
        self.register_buffer("steps", torch.arange(8))

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.words((x.abs() * 7).long().clamp(0, 9)) + self.places(self.steps)
        tokens = tokens + self.line(tokens.transpose(1, 2)).transpose(1, 2)
        tokens = tokens + self.attention(tokens, tokens, tokens, need_weights=False)[0]
        wide = self.up(tokens.transpose(1, 2)).transpose(1, 2)
        tokens = self.block(tokens + self.cross(tokens, wide, wide)[0])
        maps = self.depth(self.plane(tokens[:, None])).relu()
        maps = self.room(self.norm(maps)[:, :, None]).mean(dim=(2, 3, 4))
        words = self.decode(tokens.mean(dim=1))
        hidden = torch.cat([maps, words[:, :8]], dim=1)
        return self.head(hidden) + self.again(F.relu(hidden))


def everything_subject() -> Subject:
    """Every kind of layer on 6 items."""
    return tiny_subject(seeded(Everything()), (8,), items=6, name="everything")
