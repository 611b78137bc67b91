"""The weights of a state dict go into a network, or one sentence says which of them does not fit."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.loading.state_names import StateDict, named_as
from compress_core.loading.stored import shown


def loaded(network: nn.Module, state: Mapping[str, Tensor], name: str) -> nn.Module:
    """The network with the weights of a state dict; raises Refused with the first that does not fit."""
    refuse_other_shapes(network, state, name)
    network.load_state_dict(dict(state))
    return network


def refuse_other_shapes(network: nn.Module, state: Mapping[str, Tensor], name: str) -> None:
    """Refuse a state dict that is not this network's, which may be without memory, with the first reason."""
    difference = _difference(network.state_dict(), state)
    if difference is not None:
        raise Refused(
            "The weights of {name} do not fit the network, {difference}: "
            "save the state dict of this very architecture.",
            name=shown(name),
            difference=difference,
        )


def loaded_from(network: nn.Module, state: StateDict, name: str) -> tuple[nn.Module, StateDict]:
    """The network with the weights of a file, whose names may have another prefix, and they as it names them.

    A network takes them in its own type of number, so what they took in the file is known from them alone.
    Raises Refused with the first tensor that does not fit.
    """
    named = named_as(network.state_dict().keys(), state.tensors)
    taken = StateDict(named.tensors, state.remarks + named.remarks)
    return loaded(network, named.tensors, name), taken


def _difference(expected: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str | None:
    missing = [name for name in expected if name not in given]
    if missing:
        return f"{missing[0]} is missing"
    extra = [name for name in given if name not in expected]
    if extra:
        return f"{shown(extra[0])} has no place in it"
    for name, tensor in expected.items():
        if tensor.shape != given[name].shape:
            return f"{name} has shape {list(given[name].shape)} instead of {list(tensor.shape)}"
    return None
