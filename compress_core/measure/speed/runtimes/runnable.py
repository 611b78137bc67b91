"""A network in a runtime, as a value: whose it is and a function that takes a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from torch import Tensor

from compress_core.foundation.texts import N_

Whose = Literal["original", "compressed"]


class Runtime(Enum):
    """What runs the network; the value names it in files, `title` on a page."""

    TORCH = "torch"
    VARIANTS = "torch_variants"
    BF16 = "torch_bf16"
    ONNX = "onnxruntime"
    ONNX_INT8 = "onnxruntime_int8"

    @property
    def title(self) -> str:
        """Its name for a visitor."""
        return _TITLES[self]

    @property
    def base(self) -> Runtime:
        """The runtime in whose time the original is the natural rival."""
        return Runtime.ONNX if self in {Runtime.ONNX, Runtime.ONNX_INT8} else Runtime.TORCH

    @property
    def keeps_numbers(self) -> bool:
        """Whether it computes in float32 what torch computes, up to rounding."""
        return self not in {Runtime.BF16, Runtime.ONNX_INT8}


_TITLES = {
    Runtime.TORCH: N_("torch"),
    Runtime.VARIANTS: N_("torch, best kernel variant of each layer"),
    Runtime.BF16: N_("torch, bfloat16"),
    Runtime.ONNX: N_("ONNX Runtime"),
    Runtime.ONNX_INT8: N_("ONNX Runtime, int8"),
}


@dataclass(frozen=True, eq=False)
class Runnable:
    """A network in a runtime: run(batch [N, ...]) -> outputs [N, classes]."""

    runtime: Runtime
    whose: Whose
    run: Callable[[Tensor], Tensor]

    @property
    def name(self) -> str:
        """How it is told apart in a measurement."""
        return f"{self.runtime.value}:{self.whose}"
