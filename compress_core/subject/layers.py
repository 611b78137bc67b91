"""What a layer is: the only code that knows Linear, convolutions, Embedding and attention.

Every weight is seen as `kernel [out, in, *k]` and as `matrix [out, in * k]`, whatever its module
calls or transposes it. A layer may stand for several places of the network that share one weight.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from compress_core.answers import Factored
from compress_core.errors import Refused
from compress_core.subject.attention import PlainAttention, is_hooked
from compress_core.texts import N_, Phrase

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_RECURRENT = (nn.RNNBase, nn.RNNCellBase)
_NORMS = (
    nn.modules.batchnorm._NormBase,  # noqa: SLF001 - the only common base of batch and instance norm
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
    macs: multiply-accumulates for one item, None where the layer did not run; positions: of its output
    for one item (a Linear on 49 tokens: 49; an Embedding: its look-ups).
    """

    name: str
    kind: str
    kernel_shape: torch.Size
    places: tuple[Place, ...]
    groups: int = 1
    transposed: bool = False
    bias: bool = False
    macs: int | None = None
    positions: int | None = None

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
    found: dict[object, Layer] = {}
    for name, module in network.named_modules():
        if _inside_attention(network, name):
            continue
        for layer in _layers_of(name, module):
            key = _memory_of(network, layer), layer.kernel_shape, layer.groups, layer.transposed
            first = found.get(key, layer) if layer.weights else layer
            shared = () if first is layer else first.places
            found[key] = replace(first, places=shared + layer.places)
    clash = _in_two_forms(network, tuple(found.values()))
    layers = tuple(_with_bare_names(network, layer) for layer in found.values() if layer not in clash)
    return layers, tuple(_left_alone(network, layers, clash))


def _memory_of(network: nn.Module, layer: Layer) -> tuple[int, torch.Size, tuple[int, ...]]:
    weight = _stored(network, layer.places[0])
    return weight.data_ptr(), weight.shape, weight.stride()


def _in_two_forms(network: nn.Module, layers: tuple[Layer, ...]) -> Mapping[Layer, Layer]:
    """Layers that lie in one another's memory but not in the same form, such as a transposed tie."""
    spans = []
    for layer in layers:
        weight = _stored(network, layer.places[0])
        start = weight.data_ptr()
        length = 1 + sum((n - 1) * step for n, step in zip(weight.shape, weight.stride(), strict=True))
        if layer.weights:
            spans.append((start, start + length * weight.element_size(), layer))
    spans.sort(key=lambda span: span[:2])
    clash: dict[Layer, Layer] = {}
    for (_, end, one), (start, _, other) in itertools.pairwise(spans):
        if start < end:
            clash[one], clash[other] = other, one
    return clash


def _with_bare_names(network: nn.Module, layer: Layer) -> Layer:
    """A weight that is also registered as a bare parameter elsewhere lies there too."""
    first = layer.places[0]
    if first.rows is not None:
        return layer
    shared = getattr(network.get_submodule(first.module), first.parameter)
    everywhere = (
        Place(name, parameter)
        for name, module in network.named_modules()
        for parameter, tensor in module.named_parameters(recurse=False, remove_duplicate=False)
        if tensor is shared
    )
    return replace(layer, places=layer.places + tuple(p for p in everywhere if p not in layer.places))


def _left_alone(
    network: nn.Module, layers: tuple[Layer, ...], clash: Mapping[Layer, Layer]
) -> Iterator[Untouched]:
    """Every module with parameters that no layer covers, and why."""
    for layer, other in clash.items():
        reason = Phrase("its weight shares memory with {other} in another form", other=other.name)
        yield Untouched(layer.name, layer.kind, layer.weights, reason)
    covered = {(place.module, place.parameter) for layer in layers for place in layer.places}
    for name, module in network.named_modules():
        inside = ".parametrizations." in f".{name}." or _inside_attention(network, name)
        if inside or any(True for _ in _layers_of(name, module)):
            continue
        parameters = module.named_parameters(recurse=parametrize.is_parametrized(module))
        own = sum(tensor.numel() for parameter, tensor in parameters if (name, parameter) not in covered)
        if own:
            yield Untouched(name, type(module).__name__, own, _reason_to_leave(module))


def _is_attention(module: nn.Module) -> bool:
    return isinstance(module, nn.MultiheadAttention)


def _inside_attention(network: nn.Module, name: str) -> bool:
    stem, _, last = name.rpartition(".")
    return bool(name) and last == "out_proj" and _is_attention(network.get_submodule(stem))


def _reason_to_leave(module: nn.Module) -> str:
    if isinstance(module, _RECURRENT):
        return N_("recurrent: one weight serves every time step through a fused kernel")
    if isinstance(module, _NORMS):
        return N_("normalisation: a few parameters for each channel, nothing to gain")
    if parametrize.is_parametrized(module) or _is_computed(module, "weight"):
        return N_("its weight is computed from other parameters, an edit would be lost")
    if isinstance(module, nn.Embedding):
        return N_("it rescales its rows while it looks them up (max_norm)")
    if isinstance(module, nn.Bilinear | nn.EmbeddingBag):
        return Phrase("{kind} has no form that we can store smaller yet", kind=type(module).__name__)
    return N_("parameters of its own that no known layer type describes")


def _is_computed(module: nn.Module, parameter: str) -> bool:
    """Whether a weight is made from others before each use: weight_norm, spectral_norm, a mask."""
    own = dict(module.named_parameters(recurse=False, remove_duplicate=False))
    return hasattr(module, parameter) and parameter not in own


def _layers_of(name: str, module: nn.Module) -> Iterator[Layer]:
    place = (Place(name),)
    if _is_attention(module):
        yield from _attention_layers(name, module)
        return
    if _is_computed(module, "weight"):
        return
    match module:
        case nn.Linear():
            yield Layer(name, Phrase("linear"), module.weight.shape, place, bias=module.bias is not None)
        case nn.Embedding() if module.max_norm is None:
            yield Layer(name, Phrase("embedding"), module.weight.shape, place)
        case _ if isinstance(module, _CONVOLUTIONS + _TRANSPOSED):
            transposed = isinstance(module, _TRANSPOSED)
            kernel = _kernel_view(module.weight, module.groups, transposed)
            kind = _kind_of_convolution(kernel, module.groups, transposed)
            bias = module.bias is not None
            yield Layer(name, kind, kernel.shape, place, module.groups, transposed, bias)


def _kind_of_convolution(kernel: Tensor, groups: int, transposed: bool) -> str:
    """kernel [out, in / groups, *k]."""
    kind = Phrase("conv{axes}d", axes=kernel.dim() - 2)
    if transposed:
        kind = Phrase("transposed {kind}", kind=kind)
    if groups == 1:
        return kind
    depthwise = kernel.shape[1] == 1
    return Phrase("depthwise {kind}", kind=kind) if depthwise else Phrase("grouped {kind}", kind=kind)


def _attention_layers(name: str, module: nn.Module) -> Iterator[Layer]:
    assert isinstance(module, nn.MultiheadAttention)
    prefix = f"{name}." if name else ""
    width, kind = module.embed_dim, Phrase("attention projection")
    for index, projection in enumerate(_PROJECTIONS):
        packed = module.in_proj_weight is not None
        parameter = "in_proj_weight" if packed else f"{projection}_weight"
        weight: Tensor = getattr(module, parameter)
        rows = (index * width, (index + 1) * width) if packed else None
        shape = torch.Size([width, width]) if packed else weight.shape
        if not _is_computed(module, parameter):
            place = Place(name, parameter, rows)
            yield Layer(prefix + projection, kind, shape, (place,), bias=module.in_proj_bias is not None)
    if not _is_computed(module.out_proj, "weight"):
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
    split: Tensor = torch.unflatten(weight, 0, (groups, -1)).transpose(1, 2)
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
    whole = _frozen(stored)
    for place in layer.places:
        module = skeleton.get_submodule(place.module)
        if isinstance(module, PlainAttention):  # a neighbour was factored: projections are layers now
            module.get_submodule(_projection_at(place)).weight = whole
        elif place.rows is None:
            setattr(module, place.parameter, whole)
        else:
            full = getattr(module, place.parameter).detach().clone()
            full[slice(*place.rows)] = stored
            setattr(module, place.parameter, _frozen(full))


def _projection_at(place: Place) -> str:
    if place.rows is None:
        return place.parameter.removesuffix("_weight")
    start, end = place.rows
    return _PROJECTIONS[start // (end - start)]


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
            _replace(skeleton, attention, plain)
            attention = plain
        module = attention.get_submodule(last)
    else:
        module = skeleton.get_submodule(layer.name)
        _refuse_unless_known(layer, module)
    _replace(skeleton, module, nn.Sequential(*_factored_modules(module, factors)))
    _leave_fast_path(skeleton, owner)


def _refuse_unless_known(layer: Layer, module: nn.Module) -> None:
    """A subclass with a forward of its own, or a hook, does more than the two layers would."""
    known = (nn.Linear, nn.Embedding, *_CONVOLUTIONS, *_TRANSPOSED)
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


def _replace(skeleton: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put a module in the place of another, under every name that it has.

    The old one loses its parameters, so that whoever still holds on to it fails instead of computing
    with weights that were replaced.
    """
    for owner in list(skeleton.modules()):
        for name in [n for n, child in owner._modules.items() if child is old]:  # noqa: SLF001 - every name
            owner.register_module(name, new)
    for name, _ in list(old.named_parameters(recurse=False, remove_duplicate=False)):
        delattr(old, name)


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
    same = {"stride": module.stride, "padding": module.padding, "dilation": module.dilation, "device": "meta"}
    if transposed:
        same["output_padding"] = module.output_padding
    else:
        same["padding_mode"] = module.padding_mode
    build: Callable[..., nn.Module] = type(module)
    one = build(module.in_channels, groups * rank, module.kernel_size, bias=False, groups=groups, **same)
    pointwise: Callable[..., nn.Module] = _CONVOLUTIONS[len(module.kernel_size) - 1]
    has_bias = module.bias is not None
    two = pointwise(groups * rank, module.out_channels, 1, bias=has_bias, groups=groups, device="meta")
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


@dataclass(frozen=True)
class _Uses:
    """How often each weight is multiplied, and how many positions its output has."""

    times: int
    positions: int


def count_macs(network: nn.Module, layers: tuple[Layer, ...], example: object) -> tuple[Layer, ...]:
    """The layers with their multiply-accumulates for one item, from one forward pass of it.

    A Linear counts every position it is applied to; an Embedding looks up and multiplies nothing.
    """
    counts: defaultdict[Place, list[_Uses]] = defaultdict(list)
    hooks = []
    for name, module in network.named_modules():
        if any(True for _ in _layers_of(name, module)):
            hooks.append(module.register_forward_hook(_counting(name, counts), with_kwargs=True))
    try:
        with torch.no_grad():
            network(example)
    finally:
        for hook in hooks:
            hook.remove()
    return tuple(_counted(layer, [uses for p in layer.places for uses in counts[p]]) for layer in layers)


def _counted(layer: Layer, uses: list[_Uses]) -> Layer:
    if not uses:
        return replace(layer, macs=0 if layer.kind == "embedding" else None)
    macs = layer.weights * sum(u.times for u in uses)
    return replace(layer, macs=macs, positions=sum(u.positions for u in uses))


def _counting(name: str, counts: Mapping[Place, list[_Uses]]) -> Callable[..., None]:
    """A hook that notes how often each weight of a module is used."""

    def count(
        module: nn.Module, inputs: tuple[Tensor, ...], kwargs: dict[str, Tensor], output: object
    ) -> None:
        if isinstance(module, nn.MultiheadAttention):
            given = dict(zip(("query", "key", "value"), inputs, strict=False)) | kwargs
            roles = {"q_proj": "query", "k_proj": "key", "v_proj": "value", "out_proj": "query"}
            for layer in _attention_layers(name, module):
                tokens = given[roles[layer.name.rpartition(".")[2]]]
                times = tokens.numel() // max(1, tokens.shape[-1])
                counts[layer.places[0]].append(_Uses(times, times))
        else:
            given_first = inputs[0] if inputs else next(iter(kwargs.values()))
            assert isinstance(output, Tensor)
            counts[Place(name)].append(_uses(module, given_first, output))

    return count


def _uses(module: nn.Module, given: Tensor, output: Tensor) -> _Uses:
    if isinstance(module, nn.Embedding):
        return _Uses(0, given.numel())
    if isinstance(module, nn.Linear):
        return _Uses(*[output.numel() // max(1, module.out_features)] * 2)
    assert isinstance(module, _CONVOLUTIONS + _TRANSPOSED)
    positions = output.numel() // module.out_channels
    if isinstance(module, _TRANSPOSED):
        return _Uses(given.numel() // module.in_channels, positions)
    return _Uses(positions, positions)
