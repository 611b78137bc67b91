"""Values rounded to codes and turned back, as QuantizeLinear and DequantizeLinear of ONNX do it."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RoundedValues(nn.Module):
    """Nothing is kept finer than the scale, nor beyond the codes from low to high.

    Of two codes as near the even one is taken. Gradients pass as if nothing were rounded (Bengio et al. 2013,
    arXiv:1308.3432).
    """

    def __init__(self, scale: float, zero_point: int, low: int, high: int) -> None:
        super().__init__()
        self.scale, self.zero_point, self.low, self.high = scale, zero_point, low, high

    def forward(self, values: Tensor) -> Tensor:
        """Values of any shape -> the same shape."""
        codes = torch.round(values / self.scale) + self.zero_point
        rounded = (torch.clamp(codes, self.low, self.high) - self.zero_point) * self.scale
        if torch.is_grad_enabled() and values.requires_grad:
            return rounded.detach() + (values - values.detach())  # the second part is exactly zero
        return rounded

    def extra_repr(self) -> str:
        """What torch shows of it."""
        return f"scale={self.scale:g}, zero_point={self.zero_point}, codes {self.low} to {self.high}"
