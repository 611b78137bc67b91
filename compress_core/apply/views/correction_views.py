"""Where corrections stand: at the output of a changed layer, or at what a batch norm reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from compress_core.apply.argument import ArgumentView, DependsOn
from compress_core.techniques.contract.results import Restated, Shifted


@dataclass(frozen=True)
class OutputView(ArgumentView):
    """The output of one layer on calibration items."""

    results: ClassVar[tuple[type, ...]] = (Shifted,)

    _before: Tensor
    _after: Tensor

    @property
    def before(self) -> Tensor:
        """The mean of each channel in the base [out] float64."""
        self._look(DependsOn.ITEMS)
        return self._before

    @property
    def after(self) -> Tensor:
        """The same [out] with all weights and inputs as they ship and the layers before corrected."""
        self._look(DependsOn.ITEMS | DependsOn.EARLIER_LAYERS | DependsOn.WEIGHT)
        return self._after


@dataclass(frozen=True)
class NormInputView(ArgumentView):
    """What arrives at one batch norm on calibration items, the norms before restated."""

    results: ClassVar[tuple[type, ...]] = (Restated,)

    _mean: Tensor
    _variance: Tensor

    @property
    def mean(self) -> Tensor:
        """[channels] float64, over all items and positions."""
        self._look(DependsOn.ITEMS | DependsOn.EARLIER_LAYERS)
        return self._mean

    @property
    def variance(self) -> Tensor:
        """[channels] float64, over all items and positions."""
        self._look(DependsOn.ITEMS | DependsOn.EARLIER_LAYERS)
        return self._variance
