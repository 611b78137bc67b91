"""Where rules for inputs stand: at what arrives at a layer while every weight is as it ships."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from compress_core.apply.argument import ArgumentView, DependsOn
from compress_core.techniques.contract.input_rules import DynamicGrid, KeepAbove, KeepLargest, StaticGrid


@dataclass(frozen=True)
class InputView(ArgumentView):
    """The input of one layer."""

    results: ClassVar[tuple[type, ...]] = (StaticGrid, DynamicGrid, KeepAbove, KeepLargest)

    _values: Tensor

    @property
    def values(self) -> Tensor:
        """All that arrives on calibration items, after the rules of the layers before; any shape."""
        self._look(DependsOn.ITEMS | DependsOn.EARLIER_LAYERS)
        return self._values
