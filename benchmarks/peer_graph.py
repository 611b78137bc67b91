"""The graph of couplings that torch-pruning traces."""

from __future__ import annotations

import copy
from typing import Any

import torch_pruning
from torch import Tensor, nn


def peer_graph(network: nn.Module, items: Tensor) -> tuple[nn.Module, Any]:
    """A copy of a network with the graph that prunes it in place; lists and dicts are fresh."""
    copied = copy.deepcopy(network).requires_grad_(requires_grad=True)
    graph = torch_pruning.DependencyGraph()
    fresh: dict[str, Any] = {
        "unwrapped_parameters": [],
        "customized_pruners": {},
        "ignored_layers": [],
        "ignored_params": [],
    }
    graph.build_dependency(copied, items, verbose=False, **fresh)
    return copied, graph
