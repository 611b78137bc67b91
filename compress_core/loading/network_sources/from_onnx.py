"""Networks that were read off an ONNX file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from compress_core.loading.network_source import network_source
from compress_core.loading.onnx_file.graph_network import graph_network


@network_source
def from_onnx(values: Mapping[str, Any]) -> nn.Module:
    """The network of a description: layers of a list, steps of a table."""
    return graph_network(values)
