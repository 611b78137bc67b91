"""How items become what the network takes, and back for showing them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from compress_core.foundation.cached import cached_property
from compress_core.foundation.workspace.json_text import Json
from compress_core.network.input_field import InputField, is_whole
from compress_core.network.named_inputs import Border, blank_rows, drawn_rows, row_type

IMAGE, TABLE, TEXT = "image", "table", "text"


@dataclass(frozen=True)
class InputForm:
    """How items become what the network takes: (x / unit - mean) / std.

    kind is image (shape [C, H, W], raw values 0 to 255, unit 255), table (shape [F], unit 1) or text (the
    numbers of words). fields: the inputs of a network that takes several by name, or whole numbers: an item
    is a row of all of them then, and shape is that of the row. answer: which of the tensors that it answers
    with is judged, empty where there is one. next_word: whether at each place the next word is asked for, so
    that labels follow from the items. words: what the numbers of words stand for, as far as it is known; one
    that begins with a space begins a word.
    """

    kind: str
    shape: tuple[int, ...]
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    features: tuple[str, ...] = ()
    fields: tuple[InputField, ...] = ()
    answer: str = ""
    next_word: bool = False
    words: tuple[str, ...] = ()

    @property
    def is_text(self) -> bool:
        """Whether an item is a sequence of words, or of other whole numbers."""
        return self.kind == TEXT

    @property
    def is_image(self) -> bool:
        return self.kind == IMAGE

    @property
    def is_whole(self) -> bool:
        """Whether an item holds whole numbers alone, of which there are no fractions and no gradients."""
        return is_whole(self.fields)

    @property
    def border(self) -> Border:
        """What stands between items and the network."""
        return Border(self.fields, self.answer)

    @property
    def by_name(self) -> bool:
        """Whether the network takes its inputs by name."""
        return bool(self.fields) and bool(self.fields[0].name)

    def prepared(self, raw: np.ndarray) -> Tensor:
        """Raw items [N, ...] -> what the network takes [N, *shape]; bytes of an image mean 0 to 255."""
        if self.fields:
            values = torch.from_numpy(np.ascontiguousarray(raw)).to(row_type(self.fields), copy=True)
            return values.reshape(len(raw), *self.shape)
        values = torch.from_numpy(np.ascontiguousarray(raw)).to(torch.float32, copy=True)
        values = values.reshape(len(raw), *self.shape)  # ours from here on, and large: changed in place
        if raw.dtype == np.uint8:
            values.div_(255)
        return values.sub_(self._shaped(self.mean)).div_(self._shaped(self.std))

    def raw(self, prepared: Tensor) -> Tensor:
        """The reverse of `prepared` [N, ...], for showing an item: images in 0 to 1."""
        if self.fields:
            return prepared
        return prepared * self._shaped(self.std) + self._shaped(self.mean)

    def drawn(self, count: int, generator: torch.Generator) -> Tensor:
        """Random items [count, *shape], as the network takes them."""
        if self.fields:
            return drawn_rows(self.fields, count, generator).reshape(count, *self.shape)
        return torch.randn(count, *self.shape, generator=generator)

    @cached_property
    def baseline(self) -> Tensor:
        """An input without content [1, *shape]: black, the training mean, or no words at all."""
        if self.fields:
            return blank_rows(self.fields).reshape(1, *self.shape)
        if not self.is_image:
            return torch.zeros(1, *self.shape)
        return self.prepared(np.zeros((1, *self.shape), dtype=np.uint8))

    def _shaped(self, values: tuple[float, ...]) -> Tensor:
        return torch.tensor(values).view(-1, *(1,) * (len(self.shape) - 1))

    def as_json(self) -> dict[str, Json]:
        """The form as plain values."""
        return asdict(self)


def form_from_json(said: Mapping[str, Any]) -> InputForm:
    """The form of what `as_json` gave."""
    fields = tuple(InputField(**{**one, "shape": tuple(one["shape"])}) for one in said["fields"])
    lists = ("shape", "mean", "std", "features", "words")
    held: dict[str, Any] = {name: tuple(v) if name in lists else v for name, v in said.items()}
    return InputForm(**{**held, "fields": fields})
