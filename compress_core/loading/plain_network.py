"""A network of one path, put together from named layers; what has no weights is done between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.loading.plain_layers import Conv, Linear, Norm, Weighted
from compress_core.loading.stored import shown

TensorFunction = Callable[[Tensor], Tensor]


def rectify(values: Tensor) -> Tensor:
    """Negative values become 0 (ReLU); any shape."""
    return F.relu(values)


def halve(values: Tensor) -> Tensor:
    """The largest of each 2 x 2 pixels: [N, C, H, W] -> [N, C, H // 2, W // 2]."""
    return F.max_pool2d(values, 2)


def average(values: Tensor) -> Tensor:
    """The mean over all pixels: [N, C, H, W] -> [N, C, 1, 1]."""
    return F.adaptive_avg_pool2d(values, 1)


def flatten(values: Tensor) -> Tensor:
    """One row for each item: [N, ...] -> [N, values]."""
    return values.flatten(1)


@dataclass(frozen=True)
class PlainBlock:
    """Steps without weights, a layer, its batch norm, and steps again; layers are named, not held.

    entry: a batch norm between the first steps and the layer.
    """

    layer: str
    norm: str | None = None
    before: tuple[TensorFunction, ...] = ()
    after: tuple[TensorFunction, ...] = ()
    entry: str | None = None


class PlainNetwork(nn.Module):
    """A plain MLP or CNN: its layers one after the other.

    Layers are looked up by name at every call, so that a replaced one takes effect.
    """

    def __init__(self, modules: Mapping[str, nn.Module], blocks: Sequence[PlainBlock]) -> None:
        super().__init__()
        self._blocks = tuple(blocks)
        for name, module in modules.items():
            _place(self, name, module)

    def forward(self, inputs: Tensor) -> Tensor:
        """Items [N, ...] -> one score for each class [N, classes]."""
        values = inputs
        for block in self._blocks:
            values = self._through(block, values)
        return values

    def _through(self, block: PlainBlock, values: Tensor) -> Tensor:
        for step in block.before:
            values = step(values)
        for name in (block.entry, block.layer, block.norm):
            if name is not None:
                values = self.get_submodule(name)(values)
        for step in block.after:
            values = step(values)
        return values


def _place(network: nn.Module, name: str, module: nn.Module) -> None:
    """Hang the module in under its dotted name, with plain containers on the way."""
    *containers, last = name.split(".")
    owner = network
    for container in containers:
        if container not in dict(owner.named_children()):
            _add(owner, container, nn.Module(), name)
        owner = owner.get_submodule(container)
    _add(owner, last, module, name)


def _add(owner: nn.Module, part: str, module: nn.Module, name: str) -> None:
    if hasattr(owner, part):
        raise Refused(
            "Layer '{layer}' cannot be built: '{part}' is a name that PyTorch uses itself. Rename the layer.",
            layer=shown(name),
            part=shown(part),
        )
    owner.add_module(part, module)


def linear_module(layer: Linear) -> nn.Module:
    """The module of a linear layer, without memory for its values yet."""
    return nn.Linear(layer.inputs, layer.outputs, bias=layer.bias, device="meta")


def conv_module(layer: Conv, padding: tuple[int, int]) -> nn.Module:
    """The module of a convolution with stride 1, without memory for its values yet."""
    return nn.Conv2d(
        layer.inputs, layer.outputs, layer.kernel, padding=padding, bias=layer.bias, device="meta"
    )


def norm_module(norm: Norm, beside: Weighted) -> nn.Module:
    """The batch norm before or behind a layer: over images at a convolution, over rows at a linear layer."""
    match beside:
        case Conv():
            return nn.BatchNorm2d(norm.features, affine=norm.affine, device="meta")
        case Linear():
            return nn.BatchNorm1d(norm.features, affine=norm.affine, device="meta")


def filled(network: PlainNetwork, state: Mapping[str, Tensor]) -> PlainNetwork:
    """The network with the values of the state, ready to evaluate; memory is shared with the state.

    The module tree and the state must have exactly the same names (load_state_dict, strict).
    """
    network.load_state_dict(
        {name: tensor.detach() for name, tensor in state.items()}, strict=True, assign=True
    )
    return network.eval().requires_grad_(requires_grad=False)
