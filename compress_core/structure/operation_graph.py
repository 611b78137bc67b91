"""torch-pruning's graph of the operations of one forward pass, in which one that it fails at stays one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch_pruning
from torch import Tensor, nn
from torch_pruning._helpers import _HybridIndex
from torch_pruning.dependency import index_mapping, shape_infer

from compress_core.network.layers.side import Side


class _Graph(torch_pruning.DependencyGraph):  # type: ignore[misc]  # the library has no types
    """The library's graph before it knows how indices pass from operation to operation."""

    nodes: dict[Any, Any]

    def _trace(self, *given: Any, **named: Any) -> dict[Any, Any]:
        """Keep the nodes back, so that `_explained` can go through them one at a time."""
        self.nodes = super()._trace(*given, **named)
        return {}


@dataclass(frozen=True, eq=False)
class OperationGraph:
    """The nodes (modules, parameters, operations) with the dependencies among them.

    failed: nodes of which the library could not tell how indices pass through.
    """

    library: Any
    nodes: tuple[Any, ...]
    failed: frozenset[Any]

    def name(self, node: Any) -> str | None:
        """The module's or the parameter's name; None for an operation."""
        if not isinstance(node.module, nn.Module):
            found: str | None = self.library._param_to_name.get(node.module)  # noqa: SLF001
            return found
        return self.library._module2name.get(node.module)  # type: ignore[no-any-return]  # noqa: SLF001

    def side(self, node: Any, handler: Any) -> Side:
        """Which side of a module a handler of the library cuts."""
        if not isinstance(node.module, nn.Module):
            return Side.OWN
        return Side.OUT if handler == self.giving(node) else Side.IN

    def giving(self, node: Any) -> Any:
        """The handler that cuts what a node gives."""
        return self.library.get_pruner_of_module(node.module).prune_out_channels


def operation_graph(network: nn.Module, outputs: Callable[[nn.Module], Iterable[Tensor]]) -> OperationGraph:
    """Run the network once and read the graph off its gradient functions; no activation is kept.

    Everything that the library fills is given to it fresh, since its defaults live as long as the process.
    """
    graph, nothing = _Graph(), torch.empty(0)
    with torch.autograd.graph.saved_tensors_hooks(lambda _: nothing, lambda _: nothing):
        graph.build_dependency(
            network,
            None,
            forward_fn=lambda model, _: outputs(model),
            unwrapped_parameters=[],
            customized_pruners={},
            ignored_layers=[],
            ignored_params=[],
            verbose=False,
        )
    failed = _explained(graph)
    graph.module2node = graph.nodes
    return OperationGraph(graph, tuple(graph.nodes.values()), failed)


def _explained(graph: _Graph) -> frozenset[Any]:
    """Let the library work out each node's indices by itself; give those at which it fails."""
    graph._build_dependency(graph.nodes)  # noqa: SLF001 - the library's only way to do this for given nodes
    failed = set()
    for explain in (shape_infer.init_shape_information, index_mapping.update_index_mapping):
        for module, node in graph.nodes.items():
            graph.module2node = {module: node}
            try:
                explain(graph)
            except Exception:  # noqa: BLE001 - it was written for the networks that its authors had in mind
                failed.add(node)
    return frozenset(failed)


def mapped(dependency: Any, indices: list[int]) -> list[tuple[int | None, int]] | None:
    """What indices become along a dependency: pairs (from, to); from is None where the library lost it.

    None where it fails: a mapping that it made without complaint may not fit the indices that come.
    """
    pairs = [_HybridIndex(idx=index, root_idx=index) for index in indices]
    for mapping in dependency.index_mapping:
        try:
            pairs = pairs if mapping is None else mapping(pairs)
        except Exception:  # noqa: BLE001 - it was written for the networks that its authors had in mind
            return None
    return [(pair.root_idx, pair.idx) for pair in pairs]


def passes_as_it_is(dependency: Any) -> bool:
    """Whether every index stays what it is."""
    return all(mapping is None for mapping in dependency.index_mapping)
