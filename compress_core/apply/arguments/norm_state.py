"""What a batch norm computes with: gain * (x - mean) / sqrt(variance + epsilon) + offset, [channels]."""

from __future__ import annotations

from torch import Tensor

from compress_core.apply.argument import DependsOn, argument
from compress_core.apply.views.preparation_views import NormView


@argument(depends_on=DependsOn.WEIGHT)
def norm_gain(at: NormView) -> Tensor:
    """[channels] float64."""
    return at.state.gain


@argument(depends_on=DependsOn.WEIGHT)
def norm_offset(at: NormView) -> Tensor:
    """[channels] float64."""
    return at.state.offset


@argument(depends_on=DependsOn.WEIGHT)
def norm_mean(at: NormView) -> Tensor:
    """[channels] float64."""
    return at.state.mean


@argument(depends_on=DependsOn.WEIGHT)
def norm_variance(at: NormView) -> Tensor:
    """[channels] float64."""
    return at.state.variance


@argument(depends_on=DependsOn.WEIGHT)
def norm_epsilon(at: NormView) -> float:
    """One number for all channels."""
    return at.state.epsilon
