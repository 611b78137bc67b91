"""What the layers of a model read on calibration items: zeros, dead channels, ranges; original or compressed.

An activation is counted where it is used. What a layer reads is what stands behind the activation
function (and pooling, norms, sums) of the layers before it, and behind the layer's own input rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from compress_core.apply.model import Model
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store, digest
from compress_core.network.channels import NEAR, Channels, ChannelsRead, channels_read

__all__ = ["NEAR", "ActivationSparsity", "activation_frame", "activation_sparsity"]


@dataclass(frozen=True, eq=False)
class ActivationSparsity:
    """What every layer of a model reads, channel by channel; layers that read no channels say why.

    A channel is an input channel of a convolution or an input feature of a linear layer. n: how many
    calibration items there were. Layers are those of the model's base: what was cut away reads nothing.
    """

    read: ChannelsRead
    n: int

    @property
    def by_layer(self) -> Mapping[str, Channels]:
        return self.read.by_layer

    @property
    def left_out(self) -> Mapping[str, str]:
        """Layers without channels to show, such as an embedding, and why."""
        return {name: str(reason) for name, reason in self.read.left_out.items()}

    def shares(self, *, near: bool = False) -> Mapping[str, NDArray[np.float64]]:
        """For each layer the share of zeros, or of what is near zero, of each channel [channels]."""
        return {
            name: (told.near_zero_share if near else told.zero_share).numpy()
            for name, told in self.by_layer.items()
        }

    def table(self, *, near: bool = False) -> pd.DataFrame:
        """The same as a table, channels x layers; empty below a layer's last channel."""
        return pd.DataFrame({name: pd.Series(share) for name, share in self.shares(near=near).items()})

    @property
    def zero_share(self) -> Number:
        """Share of zeros of all values that layers read."""
        values = sum(told.count * len(told.mean) for told in self.by_layer.values())
        zeros = sum(told.count * float(told.zero_share.sum()) for told in self.by_layer.values())
        if not values:
            return Number.missing("share", "no layer reads channels", n=self.n)
        return Number(zeros / values, "share", "measured", n=self.n)


def activation_sparsity(model: Model, store: Store) -> ActivationSparsity:
    """What the layers of a model read, in one pass of calibration items; raises Refused without items.

    For the original as for a compressed model: what is evaluated is what is measured.
    """
    split = model.base.split("calibration")

    def make() -> ActivationSparsity:
        names = [layer.name for layer in model.base.layers]
        return ActivationSparsity(channels_read(model.network(), names, split.inputs), len(split))

    return store.get(digest("activations", model.key, split.digest), make, lambda made: made.read.nbytes)


def activation_frame(model: Model, store: Store) -> pd.DataFrame:
    """One row for each layer that reads channels: shares of zeros, dead channels, range.

    near_zero counts values up to a hundredth of the root mean square of the layer's first items.
    """
    rows = [_row(name, told) for name, told in activation_sparsity(model, store).by_layer.items()]
    return pd.DataFrame(rows, columns=list(_row("", None)))


def _row(name: str, told: Channels | None) -> dict[str, object]:
    """A row of the table; None gives its columns."""
    return {
        "layer": name,
        "channels": told and len(told.mean),
        "dead": told and int(told.dead.sum()),
        "zero": told and float(told.zero_share.mean()),
        "near_zero": told and float(told.near_zero_share.mean()),
        "mean": told and float(told.mean.mean()),
        "std": told and _spread_of(told),
        "min": told and float(told.smallest.min()),
        "max": told and float(told.largest.max()),
        "norm": told and float(told.norm.square().sum().sqrt()),
    }


def _spread_of(told: Channels) -> float:
    """The standard deviation of all channels together; each has the same number of values."""
    squares = told.std.square() + told.mean.square()
    return float((squares.mean() - told.mean.mean().square()).clamp_min(0).sqrt())
