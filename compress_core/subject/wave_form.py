"""Whether an item is a wave: a signal of one or a few channels over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compress_core.network.layers.kinds import Layer, LayerKind
from compress_core.subject.input_form import TABLE
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject

MOST_CHANNELS = 16
LEAST_SAMPLES = 32


@dataclass(frozen=True)
class WaveForm:
    """How a wave is laid out: so many channels of so many samples."""

    channels: int
    samples: int

    def of(self, subject: Subject, split: Split, item: int) -> NDArray[np.float32]:
        """An item of a split as its values [channels, samples], as they came."""
        raw = subject.input.raw(split.inputs[item : item + 1])[0].numpy()
        found: NDArray[np.float32] = raw.reshape(self.channels, self.samples).astype(np.float32)
        return found


def wave_form(subject: Subject) -> WaveForm | None:
    """How the items of a model are waves; None where they are not.

    A wave is rows of unnamed numbers that a network runs a convolution of one dimension over.
    """
    form = subject.input
    if form.kind != TABLE or form.fields or form.features or len(form.shape) not in {1, 2}:
        return None
    channels, samples = form.shape if len(form.shape) == 2 else (1, form.shape[0])
    if channels > MOST_CHANNELS or samples < LEAST_SAMPLES or samples < 2 * channels:
        return None
    return WaveForm(channels, samples) if any(map(_runs_over_time, subject.layers)) else None


def _runs_over_time(layer: Layer) -> bool:
    """Whether it is a convolution whose kernel has one length, however many dimensions it is written with."""
    lengths = layer.kernel_shape[2:]
    return layer.kind is LayerKind.CONVOLUTION and sum(length > 1 for length in lengths) == 1
