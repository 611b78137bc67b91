"""How items become what the network takes, and back for showing them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from compress_core.foundation.cached import cached_property


@dataclass(frozen=True)
class InputForm:
    """How items become what the network takes: (x / unit - mean) / std.

    kind is image (shape [C, H, W], raw values 0 to 255, unit 255) or table (shape [F], unit 1).
    """

    kind: str
    shape: tuple[int, ...]
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    features: tuple[str, ...] = ()

    @property
    def is_image(self) -> bool:
        return self.kind == "image"

    def prepared(self, raw: np.ndarray) -> Tensor:
        """Raw items [N, ...] -> what the network takes [N, *shape] float32; bytes mean 0 to 255."""
        values = torch.from_numpy(np.ascontiguousarray(raw)).to(torch.float32, copy=True)
        values = values.reshape(len(raw), *self.shape)  # ours from here on, and large: changed in place
        if raw.dtype == np.uint8:
            values.div_(255)
        return values.sub_(self._shaped(self.mean)).div_(self._shaped(self.std))

    def raw(self, prepared: Tensor) -> Tensor:
        """The reverse of `prepared` [N, ...], for showing an item: images in 0 to 1."""
        return prepared * self._shaped(self.std) + self._shaped(self.mean)

    @cached_property
    def baseline(self) -> Tensor:
        """An input without content [1, *shape]: black for an image, the training mean for a table."""
        if not self.is_image:
            return torch.zeros(1, *self.shape)
        return self.prepared(np.zeros((1, *self.shape), dtype=np.uint8))

    def _shaped(self, values: tuple[float, ...]) -> Tensor:
        return torch.tensor(values).view(-1, *(1,) * (len(self.shape) - 1))
