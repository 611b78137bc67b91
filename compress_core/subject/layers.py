"""What a layer is: the only code that knows Linear, convolutions, Embedding and attention.

Every weight is seen as `kernel [out, in, *k]` and as `matrix [out, in * k]`, whatever its module
calls or transposes it. A layer may stand for several places of the network that share one weight.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from compress_core.answers import Factored
from compress_core.errors import Refused
from compress_core.subject.attention import PlainAttention

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_RECURRENT = (nn.RNNBase, nn.RNNCellBase)
_NORMS = (
    nn.modules.batchnorm._NormBase,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.LocalResponseNorm,
    nn.RMSNorm,
)
_PROJECTIONS = ("q_proj", "k_proj", "v_proj")


@dataclass(frozen=True)
class Place:
    """Where a weight lies: a module's parameter, or some rows of it.

    module and parameter are names; rows None means all of it.
    """

    module: str
    parameter: str = "weight"
    rows: tuple[int, int] | None = None


@dataclass(frozen=True)
class Layer:
    """A weight that can be compressed.

    kernel_shape [out, in / groups, *k]; places: all that share it, the first gives the name;
    macs: multiply-accumulates for one item, None where the layer did not run.
    """

    name: str
    kind: str
    kernel_shape: torch.Size
    places: tuple[Place, ...]
    groups: int = 1
    transposed: bool = False
    bias: bool = False
    macs: int | None = None

    @property
    def module(self) -> str:
        """The name of the module that computes it."""
        return self.places[0].module

    @property
    def weights(self) -> int:
        return self.kernel_shape.numel()

    @property
    def rows(self) -> int:
        return self.kernel_shape[0]

    @property
    def columns(self) -> int:
        return self.weights // max(1, self.rows)

    @property
    def highest_rank(self) -> int:
        """The largest rank of one group of channels."""
        return min(self.rows // self.groups, self.columns)

    @property
    def break_even_rank(self) -> int:
        """The largest rank at which two factors hold fewer weights than the layer."""
        rows, columns = self.rows // self.groups, self.columns
        return max(0, -(-rows * columns // (rows + columns)) - 1)


@dataclass(frozen=True)
class Untouched:
    """A module with parameters that is left alone, and why."""

    name: str
    kind: str
    parameters: int
    reason: str


def find_layers(network: nn.Module) -> tuple[tuple[Layer, ...], tuple[Untouched, ...]]:
    """The layers that can be compressed, in module order, and those left alone with the reason."""
    found: dict[tuple[int, int, torch.Size], Layer] = {}
    left: list[Untouched] = []
    for name, module in network.named_modules():
        if _inside_attention(network, name):
            continue
        layers = list(_layers_of(name, module))
        for layer in layers:
            weight = _stored(network, layer.places[0])
            key = (weight.data_ptr(), weight.numel(), weight.shape)
            if key in found and found[key].kernel_shape == layer.kernel_shape:
                layer = replace(found[key], places=found[key].places + layer.places)
            found[key] = layer
        reason = None if layers else _reason_to_leave(module)
        own = sum(p.numel() for p in module.parameters(recurse=False))
        if reason is not None and own:
            left.append(Untouched(name, type(module).__name__, own, reason))
    return tuple(found.values()), tuple(left)


def _inside_attention(network: nn.Module, name: str) -> bool:
    stem, _, last = name.rpartition(".")
    return last == "out_proj" and isinstance(network.get_submodule(stem), nn.MultiheadAttention)


def _reason_to_leave(module: nn.Module) -> str | None:
    if isinstance(module, _RECURRENT):
        return "recurrent: one weight serves every time step through a fused kernel"
    if isinstance(module, _NORMS):
        return "normalisation: a few parameters for each channel, nothing to gain"
    if parametrize.is_parametrized(module) or hasattr(module, "weight_g"):
        return "its weight is computed from other parameters, an edit would be lost"
    if isinstance(module, nn.Bilinear | nn.EmbeddingBag):
        return f"{type(module).__name__} has no form that we can store smaller yet"
    return "parameters of its own that no known layer type describes"


def _layers_of(name: str, module: nn.Module) -> Iterator[Layer]:
    if parametrize.is_parametrized(module) or hasattr(module, "weight_g"):
        return
    place = (Place(name),)
    match module:
        case nn.Linear():
            yield Layer(name, "linear", module.weight.shape, place, bias=module.bias is not None)
        case nn.Embedding():
            yield Layer(name, "embedding", module.weight.shape, place)
        case nn.MultiheadAttention():
            yield from _attention_layers(name, module)
        case _ if isinstance(module, _CONVOLUTIONS + _TRANSPOSED):
            transposed = isinstance(module, _TRANSPOSED)
            kernel = _kernel_view(module.weight, module.groups, transposed)
            kind = ("transposed " if transposed else "") + f"conv{kernel.dim() - 2}d"
            if module.groups > 1:
                kind = ("depthwise " if kernel.shape[1] == 1 else "grouped ") + kind
            bias = module.bias is not None
            yield Layer(name, kind, kernel.shape, place, module.groups, transposed, bias)


def _attention_layers(name: str, module: nn.MultiheadAttention) -> Iterator[Layer]:
    prefix = f"{name}." if name else ""
    width, kind = module.embed_dim, "attention projection"
    for index, projection in enumerate(_PROJECTIONS):
        if module.in_proj_weight is not None:
            rows = (index * width, (index + 1) * width)
            place, shape = Place(name, "in_proj_weight", rows), torch.Size([width, width])
        else:
            weight: Tensor = getattr(module, f"{projection}_weight")
            place, shape = Place(name, f"{projection}_weight"), weight.shape
        yield Layer(prefix + projection, kind, shape, (place,), bias=module.in_proj_bias is not None)
    out = Place(f"{prefix}out_proj")
    bias = module.out_proj.bias is not None
    yield Layer(prefix + "out_proj", kind, module.out_proj.weight.shape, (out,), bias=bias)


def _stored(network: nn.Module, place: Place) -> Tensor:
    weight: Tensor = getattr(network.get_submodule(place.module), place.parameter)
    return weight if place.rows is None else weight[slice(*place.rows)]


def _kernel_view(weight: Tensor, groups: int, transposed: bool) -> Tensor:
    """The weight as [out, in / groups, *k]; a transposed convolution keeps [in, out / groups, *k]."""
    if not transposed:
        return weight
    split = weight.unflatten(0, (groups, -1)).transpose(1, 2)
    return split.flatten(0, 1)


def _from_kernel(kernel: Tensor, groups: int, transposed: bool) -> Tensor:
    return _kernel_view(kernel, groups, transposed).contiguous()


def read_kernel(network: nn.Module, layer: Layer) -> Tensor:
    """The layer's weight [out, in / groups, *k]; a view where the layout allows."""
    return _kernel_view(_stored(network, layer.places[0]).detach(), layer.groups, layer.transposed)


def read_matrix(network: nn.Module, layer: Layer) -> Tensor:
    """The layer's weight [out, in / groups * k], contiguous."""
    return read_kernel(network, layer).flatten(1).contiguous()


def write_matrix(skeleton: nn.Module, layer: Layer, matrix: Tensor) -> None:
    """Put new values [out, in / groups * k] into a skeleton, at every place that shares the weight."""
    stored = _from_kernel(matrix.view(layer.kernel_shape), layer.groups, layer.transposed)
    whole = nn.Parameter(stored, requires_grad=False)
    for place in layer.places:
        module = skeleton.get_submodule(place.module)
        if place.rows is None:
            setattr(module, place.parameter, whole)
        else:
            full = getattr(module, place.parameter).detach().clone()
            full[slice(*place.rows)] = stored
            setattr(module, place.parameter, nn.Parameter(full, requires_grad=False))


def write_factors(skeleton: nn.Module, layer: Layer, factors: Factored) -> None:
    """Put two smaller layers in the place of one; raises Refused where the place cannot hold them."""
    if len(layer.places) > 1:
        raise Refused(
            "{layer} shares its weight with {others}, so two smaller layers cannot take its place: "
            "prune or quantize it instead.",
            layer=layer.name,
            others=", ".join(p.module for p in layer.places[1:]),
        )
    owner, _, last = layer.name.rpartition(".")
    if layer.kind == "attention projection":
        attention = skeleton.get_submodule(owner)
        if isinstance(attention, nn.MultiheadAttention):
            attention = PlainAttention.taking_over(attention, owner)
            _put(skeleton, owner, attention)
        module = attention.get_submodule(last)
    else:
        module = skeleton.get_submodule(layer.name)
    _put(skeleton, layer.name, nn.Sequential(*_factored_modules(module, factors)))
    _leave_fast_path(skeleton, owner)


def _leave_fast_path(skeleton: nn.Module, owner: str) -> None:
    """TransformerEncoderLayer's fused kernel reads `linear1.weight`; a pair of layers has none."""
    names = [owner, owner.rpartition(".")[0]]
    for module in (skeleton.get_submodule(name) for name in names):
        if isinstance(module, nn.TransformerEncoderLayer):
            module.activation_relu_or_gelu = 0


def _put(skeleton: nn.Module, name: str, module: nn.Module) -> None:
    owner, _, last = name.rpartition(".")
    skeleton.get_submodule(owner).register_module(last, module)


def _factored_modules(module: nn.Module, factors: Factored) -> tuple[nn.Module, nn.Module]:
    """Ordinary layers that compute second @ first: the small first one keeps stride and kernel."""
    groups, rank = factors.first.shape[:2]
    match module:
        case nn.Linear():
            one = nn.Linear(module.in_features, rank, bias=False)
            two = nn.Linear(rank, module.out_features, bias=module.bias is not None)
        case nn.Embedding():
            table = nn.Embedding(module.num_embeddings, rank, padding_idx=module.padding_idx)
            two = nn.Linear(rank, module.embedding_dim, bias=False)
            table.weight = _frozen(factors.second[0])
            two.weight = _frozen(factors.first[0].T.contiguous())
            return table.eval(), two.eval()
        case _:
            return _factored_convolutions(module, factors)
    one.weight, two.weight = _frozen(factors.first[0]), _frozen(factors.second[0])
    if module.bias is not None:
        two.bias = _frozen(module.bias)
    assert groups == 1
    return one.eval(), two.eval()


def _factored_convolutions(module: nn.Module, factors: Factored) -> tuple[nn.Module, nn.Module]:
    assert isinstance(module, _CONVOLUTIONS + _TRANSPOSED)
    groups, rank = factors.first.shape[:2]
    transposed = isinstance(module, _TRANSPOSED)
    same = {"stride": module.stride, "padding": module.padding, "dilation": module.dilation}
    if transposed:
        same["output_padding"] = module.output_padding
    else:
        same["padding_mode"] = module.padding_mode
    build: Callable[..., nn.Module] = type(module)
    one = build(module.in_channels, groups * rank, module.kernel_size, bias=False, groups=groups, **same)
    pointwise: Callable[..., nn.Module] = _CONVOLUTIONS[len(module.kernel_size) - 1]
    two = pointwise(groups * rank, module.out_channels, 1, bias=module.bias is not None, groups=groups)
    kernel = factors.first.reshape(groups * rank, -1, *module.kernel_size)
    one.weight = _frozen(_from_kernel(kernel, groups, transposed))
    ones = (1,) * len(module.kernel_size)
    two.weight = _frozen(factors.second.reshape(module.out_channels, rank, *ones))
    if module.bias is not None:
        two.bias = _frozen(module.bias)
    return one.eval(), two.eval()


def _frozen(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values.detach(), requires_grad=False)


def small_layers(layer: Layer, rank: int) -> tuple[Layer, Layer]:
    """The two layers that a factoring of this rank leaves; their MACs follow the layer's."""
    groups, positions = layer.groups, layer.kernel_shape[2:]
    first = torch.Size([groups * rank, layer.kernel_shape[1], *positions])
    second = torch.Size([layer.rows, rank, *(1,) * len(positions)])
    if layer.kind == "embedding":
        first, second = torch.Size([layer.rows, rank]), torch.Size([layer.columns, rank])
    each = None if layer.macs is None else layer.macs / layer.weights
    shapes = {"0": first, "1": second}
    parts = []
    for index, shape in shapes.items():
        macs = None if each is None else round(each * shape.numel())
        place = (Place(f"{layer.name}.{index}"),)
        kind = f"factor of {layer.kind}"
        parts.append(Layer(f"{layer.name}.{index}", kind, shape, place, groups, macs=macs))
    if layer.kind == "embedding":
        parts[0] = replace(parts[0], macs=0)
        tokens = (layer.macs or 0) // max(1, layer.columns)
        parts[1] = replace(parts[1], macs=tokens * shapes["1"].numel())
    return parts[0], parts[1]


def small_matrices(layer: Layer, factors: Factored) -> tuple[Tensor, Tensor]:
    """The weights [out, in] of the two small layers, as they are coded."""
    if layer.kind == "embedding":
        return factors.second[0].contiguous(), factors.first[0].T.contiguous()
    return factors.first.flatten(0, 1).contiguous(), factors.second.flatten(0, 1).contiguous()


def factors_from(layer: Layer, first: Tensor, second: Tensor) -> Factored:
    """The reverse of `small_matrices`."""
    if layer.kind == "embedding":
        return Factored(second.T.contiguous()[None], first[None])
    return Factored(first.unflatten(0, (layer.groups, -1)), second.unflatten(0, (layer.groups, -1)))


def count_macs(network: nn.Module, layers: tuple[Layer, ...], example: object) -> tuple[Layer, ...]:
    """The layers with their multiply-accumulates for one item, from one forward pass of it.

    A Linear counts every position it is applied to; an Embedding looks up and multiplies nothing.
    """
    counts: dict[str, int] = {}
    hooks = []
    for name, module in network.named_modules():
        if isinstance(module, (nn.Linear, nn.MultiheadAttention, *_CONVOLUTIONS, *_TRANSPOSED)):
            hooks.append(module.register_forward_hook(_counting(name, counts), with_kwargs=True))
    try:
        with torch.inference_mode():
            network(example)
    finally:
        for hook in hooks:
            hook.remove()
    return tuple(replace(layer, macs=_macs_of(layer, counts)) for layer in layers)


def _macs_of(layer: Layer, counts: Mapping[str, int]) -> int | None:
    if layer.kind == "embedding":
        return 0
    owner = layer.name.rpartition(".")[0] if layer.kind == "attention projection" else None
    places = [owner] if owner is not None else [place.module for place in layer.places]
    ran = [counts[name] for name in places if name in counts]
    return layer.weights * sum(ran) if ran else None


def _counting(name: str, counts: dict[str, int]) -> Callable[..., None]:
    """A hook that adds up how often each weight is used."""

    def count(module: nn.Module, inputs: tuple[Tensor, ...], kwargs: dict[str, Tensor], output: object) -> None:
        counts[name] = counts.get(name, 0) + _uses(module, inputs, kwargs, output)

    return count


def _uses(
    module: nn.Module, inputs: tuple[Tensor, ...], kwargs: dict[str, Tensor], output: object
) -> int:
    if isinstance(module, nn.MultiheadAttention):
        query = inputs[0] if inputs else kwargs["query"]
        return query.numel() // module.embed_dim
    if isinstance(module, _TRANSPOSED):
        given = inputs[0] if inputs else next(iter(kwargs.values()))
        return given.numel() // module.in_channels
    assert isinstance(output, Tensor)
    if isinstance(module, nn.Linear):
        return output.numel() // module.out_features
    assert isinstance(module, _CONVOLUTIONS)
    return output.numel() // module.out_channels
