"""Who hears a pass of the calibration items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from torch import Tensor, nn

from compress_core.network import calibrate
from compress_core.network.layers.kinds import Layer
from compress_core.network.shared_pass import SharedPass
from compress_core.statistics import RunningSum


def heard_layers(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """For every pass from now on the names of the layers that hear it; grows while it is read."""
    heard: list[tuple[str, ...]] = []
    together, alone = SharedPass.hear, calibrate.inputs_of

    def hear(self: SharedPass, sums: Mapping[str, RunningSum]) -> frozenset[str]:
        heard.append(tuple(sums))
        return together(self, sums)

    def inputs_of(network: nn.Module, layer: Layer, items: Tensor) -> Iterator[Tensor]:
        heard.append((layer.name,))
        return alone(network, layer, items)

    monkeypatch.setattr(SharedPass, "hear", hear)
    monkeypatch.setattr(calibrate, "inputs_of", inputs_of)
    return heard
