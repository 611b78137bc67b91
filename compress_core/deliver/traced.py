"""What a network computes, as a graph whose nodes are calls of ordinary layers and functions of torch."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from compress_core.deliver.silence import quiet
from compress_core.foundation.errors import Refused, shortened
from compress_core.network.layers.written_call import WrittenModule, put_back, taken_off, written
from compress_core.network.shared_copy import shared_copy

ExampleInputs = tuple[Tensor, ...]


@dataclass(frozen=True, eq=False)
class Traced:
    """A graph, the layers that its nodes call and the tensors that it reads, by name in the network."""

    graph: fx.Graph
    layers: Mapping[str, WrittenModule]
    tensors: Mapping[str, Tensor]


class _ByLayer(fx.Tracer):
    """Enters every module except those that a call of torch.nn makes again."""

    proxy_buffer_attributes = True  # a buffer is read, never worked on: it is shared with the original

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.found: dict[nn.Module, WrittenModule | None] = {}
        self.before: dict[nn.Module, Mapping[int, Any]] = {}
        for module in network.modules():
            self.before[module] = taken_off(module)
            self.found[module] = written(module)
            put_back(module, self.before[module])

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        """One line for a known layer, after the lines of what happens to its input."""
        if self.found[m] is not None:
            for hook in self.before[m].values():
                changed = hook(m, args)
                args = args if changed is None else changed if isinstance(changed, tuple) else (changed,)
        return super().call_module(m, forward, args, kwargs)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:  # noqa: ARG002 - fx's own
        """Whether a module is one line of the result."""
        return self.found[m] is not None


def by_layer(network: nn.Module, inputs: ExampleInputs) -> Traced:
    """The graph of a network in which each node of a known layer calls that layer.

    Raises whatever the network's code does when it is followed without items: most of all where its course
    asks for a value or a shape.
    """
    network = shared_copy(network)
    tracer = _ByLayer(network)
    graph = tracer.trace(network, _left_at_default(network, len(inputs)))
    _drop_defaults(graph, len(inputs))
    called = {str(node.target): node for node in graph.nodes if node.op == "call_module"}
    layers = {name: tracer.found[network.get_submodule(name)] for name in called}
    read = [str(node.target) for node in graph.nodes if node.op == "get_attr"]
    return Traced(
        graph,
        {name: layer for name, layer in layers.items() if layer is not None},
        {name: _tensor(network, name) for name in read},
    )


def _left_at_default(network: nn.Module, count: int) -> dict[str, Any]:
    """The arguments that stay at their defaults, since there is no input for them."""
    parameters = list(inspect.signature(network.forward).parameters.values())
    return {p.name: p.default for p in parameters[count:] if p.kind is not inspect.Parameter.VAR_KEYWORD}


def _drop_defaults(graph: fx.Graph, count: int) -> None:
    """Take out the arguments at their defaults, with fx's checks that they are at them."""
    placeholders = [node for node in graph.nodes if node.op == "placeholder"]
    for extra in placeholders[count:]:
        for user in list(extra.users):
            for check in list(user.users):
                graph.erase_node(check)
            graph.erase_node(user)
        graph.erase_node(extra)


def _tensor(network: nn.Module, name: str) -> Tensor:
    owner, _, last = name.rpartition(".")
    tensor: Tensor = getattr(network.get_submodule(owner), last)
    return tensor


def by_export(network: nn.Module, inputs: ExampleInputs) -> Traced:
    """The graph by torch.export, whose nodes are functions; it also follows what depends on shapes.

    inputs: at least two items. Raises Refused where the course depends on the items or on their number.
    """
    program = export_program(shared_copy(network), inputs)
    graph, signature = program.graph, program.graph_signature
    lifted: dict[str, str] = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    values = {**program.state_dict, **program.constants}
    for node in list(graph.nodes):
        if node.op == "placeholder" and node.name in lifted:
            _read_instead(graph, node, lifted[node.name])
        elif node.op == "output":
            node.args = (program.call_spec.out_spec.unflatten(list(node.args[0])),)
        elif not node.users and "assert" in str(node.target):
            graph.erase_node(node)
    read = {str(node.target) for node in graph.nodes if node.op == "get_attr"}
    return Traced(graph, {}, {name: values[name] for name in sorted(read)})


def called_as(traced: Traced, names: Sequence[str]) -> Traced:
    """The same graph with its inputs under these names, where there are any."""
    given = [node for node in traced.graph.nodes if node.op == "placeholder"]
    for node, name in zip(given, names, strict=True) if names else ():
        node.name = node.target = name
    return traced


def _read_instead(graph: fx.Graph, placeholder: fx.Node, name: str) -> None:
    if placeholder.users:
        with graph.inserting_before(placeholder), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # fx knows no module that the name belongs to: we do
            placeholder.replace_all_uses_with(graph.get_attr(name))
    graph.erase_node(placeholder)


def export_program(network: nn.Module, inputs: ExampleInputs) -> torch.export.ExportedProgram:
    """torch's exported program for any number of items; raises Refused with torch's reason.

    Run with stand-ins, len(x) of a batch has to be a whole number, so that the program were one for that many
    items alone; torch's reader of bytecode (strict) writes it down as a size.
    """
    try:
        return _exported(network, inputs, strict=False)
    except Exception as error:
        if not _is_for_one_number_of_items(error):
            raise Refused(
                "The network cannot be written down for any number of items, because torch.export stops with "
                "{reason}: its course must not depend on the values of the items, nor its shapes on how many "
                "there are.",
                reason=shortened(str(error).strip().split("\n")[0]),
            ) from error
    try:
        return _exported(network, inputs, strict=True)
    except Exception as error:
        raise Refused(
            "The network cannot be written down for any number of items, because its forward takes how many "
            "there are for a fixed number, as len(x) in a condition or a loop does: work on all items at "
            "once, and let neither its course nor its shapes depend on how many there are."
        ) from error


def _exported(network: nn.Module, inputs: ExampleInputs, *, strict: bool) -> torch.export.ExportedProgram:
    batch = torch.export.Dim("batch")
    shapes = _by_argument(network, tuple({0: batch} for _ in inputs))
    with quiet():
        return torch.export.export(network, inputs, dynamic_shapes=shapes, strict=strict)


def _is_for_one_number_of_items(error: Exception) -> bool:
    return getattr(getattr(error, "error_type", None), "name", "") == "CONSTRAINT_VIOLATION"


def _by_argument(network: nn.Module, shapes: tuple[dict[int, Any], ...]) -> Any:
    """A forward that takes *inputs has one argument that holds them all."""
    kinds = [p.kind for p in inspect.signature(network.forward).parameters.values()]
    return (shapes,) if kinds[:1] == [inspect.Parameter.VAR_POSITIONAL] else shapes
