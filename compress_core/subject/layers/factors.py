"""Smaller layers in the place of one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from compress_core.answers import Factored
from compress_core.errors import Refused
from compress_core.subject.attention import PlainAttention, is_hooked
from compress_core.subject.layers.kinds import CONVOLUTIONS, TRANSPOSED, Layer, Place
from compress_core.subject.layers.places import from_kernel, frozen, replace_module
from compress_core.texts import Phrase


def write_factors(skeleton: nn.Module, layer: Layer, factors: Factored) -> None:
    """Put two smaller layers in the place of one; raises Refused where the place cannot hold them."""
    if len(layer.places) > 1:
        raise Refused(
            "{layer} shares its weight with {others}, so two smaller layers cannot take its place: "
            "prune or quantize it instead.",
            layer=layer.name,
            others=", ".join(p.module or p.parameter for p in layer.places[1:]),
        )
    owner, _, last = layer.name.rpartition(".")
    if layer.kind == "attention projection":
        attention = skeleton.get_submodule(owner)
        if isinstance(attention, nn.MultiheadAttention):
            plain = PlainAttention.taking_over(attention, owner)
            replace_module(skeleton, attention, plain)
            attention = plain
        module = attention.get_submodule(last)
    else:
        module = skeleton.get_submodule(layer.name)
        _refuse_unless_known(layer, module)
    replace_module(skeleton, module, nn.Sequential(*_factored_modules(module, factors)))
    _leave_fast_path(skeleton, owner)


def _refuse_unless_known(layer: Layer, module: nn.Module) -> None:
    """A subclass with a forward of its own, or a hook, does more than the two layers would."""
    known = (nn.Linear, nn.Embedding, *CONVOLUTIONS, *TRANSPOSED)
    base = next(kind for kind in known if isinstance(module, kind))
    if type(module).forward is not base.forward or "forward" in vars(module) or is_hooked(module):
        raise Refused(
            "{layer} is a {kind} with a computation of its own, which two smaller layers would lose: "
            "prune or quantize it instead.",
            layer=layer.name,
            kind=type(module).__name__,
        )


def _leave_fast_path(skeleton: nn.Module, owner: str) -> None:
    """TransformerEncoderLayer's fused kernel reads `linear1.weight`; a pair of layers has none."""
    names = [owner, owner.rpartition(".")[0]]
    for module in (skeleton.get_submodule(name) for name in names):
        if isinstance(module, nn.TransformerEncoderLayer):
            module.activation_relu_or_gelu = 0
    for module in skeleton.modules():
        if isinstance(module, nn.TransformerEncoder):
            module.use_nested_tensor = False


def _factored_modules(module: nn.Module, factors: Factored) -> tuple[nn.Module, nn.Module]:
    """Ordinary layers that compute second @ first: the small first one keeps stride and kernel.

    They are made without weights ("meta"), because random ones would only be thrown away.
    """
    groups, rank = factors.first.shape[:2]
    match module:
        case nn.Linear():
            one = nn.Linear(module.in_features, rank, bias=False, device="meta")
            two = nn.Linear(rank, module.out_features, bias=module.bias is not None, device="meta")
        case nn.Embedding():
            table = nn.Embedding(module.num_embeddings, rank, module.padding_idx, device="meta")
            two = nn.Linear(rank, module.embedding_dim, bias=False, device="meta")
            table.weight = frozen(factors.second[0])
            two.weight = frozen(factors.first[0].T.contiguous())
            return table.eval(), two.eval()
        case _:
            return _factored_convolutions(module, factors)
    one.weight, two.weight = frozen(factors.first[0]), frozen(factors.second[0])
    if module.bias is not None:
        two.bias = frozen(module.bias)
    assert groups == 1
    return one.eval(), two.eval()


def _factored_convolutions(module: nn.Module, factors: Factored) -> tuple[nn.Module, nn.Module]:
    assert isinstance(module, CONVOLUTIONS + TRANSPOSED)
    groups, rank = factors.first.shape[:2]
    transposed = isinstance(module, TRANSPOSED)
    same = {"stride": module.stride, "padding": module.padding, "dilation": module.dilation, "device": "meta"}
    if transposed:
        same["output_padding"] = module.output_padding
    else:
        same["padding_mode"] = module.padding_mode
    build: Callable[..., nn.Module] = type(module)
    one = build(module.in_channels, groups * rank, module.kernel_size, bias=False, groups=groups, **same)
    pointwise: Callable[..., nn.Module] = CONVOLUTIONS[len(module.kernel_size) - 1]
    has_bias = module.bias is not None
    two = pointwise(groups * rank, module.out_channels, 1, bias=has_bias, groups=groups, device="meta")
    kernel = factors.first.reshape(groups * rank, -1, *module.kernel_size)
    one.weight = frozen(from_kernel(kernel, groups, transposed))
    ones = (1,) * len(module.kernel_size)
    two.weight = frozen(factors.second.reshape(module.out_channels, rank, *ones))
    if module.bias is not None:
        two.bias = frozen(module.bias)
    return one.eval(), two.eval()


def small_layers(layer: Layer, rank: int) -> tuple[Layer, Layer]:
    """The two layers that a factoring of this rank leaves; their MACs follow the layer's."""
    groups, positions = layer.groups, layer.kernel_shape[2:]
    first = torch.Size([groups * rank, layer.kernel_shape[1], *positions])
    second = torch.Size([layer.rows, rank, *(1,) * len(positions)])
    if layer.kind == "embedding":
        first, second = torch.Size([layer.rows, rank]), torch.Size([layer.columns, rank])
    uses = None if layer.macs is None else layer.macs // max(1, layer.weights)
    one, two = (
        Layer(
            f"{layer.name}.{index}",
            Phrase("factor of {kind}", kind=layer.kind),
            shape,
            (Place(f"{layer.name}.{index}"),),
            groups,
            macs=None if times is None else times * shape.numel(),
            positions=times,
        )
        for index, (shape, times) in enumerate([(first, uses), (second, layer.positions)])
    )
    return one, two


def small_matrices(layer: Layer, factors: Factored) -> tuple[Tensor, Tensor]:
    """The weights [out, in] of the two small layers, as they are coded."""
    if layer.kind == "embedding":
        return factors.second[0].contiguous(), factors.first[0].T.contiguous()
    return factors.first.flatten(0, 1).contiguous(), factors.second.flatten(0, 1).contiguous()


def factors_from(layer: Layer, first: Tensor, second: Tensor) -> Factored:
    """The reverse of `small_matrices`."""
    if layer.kind == "embedding":
        return Factored(second.T.contiguous()[None], first[None])
    parts = (torch.unflatten(part, 0, (layer.groups, -1)) for part in (first, second))
    return Factored(*parts)
