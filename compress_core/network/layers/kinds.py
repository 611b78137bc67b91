"""What a layer is: the module types that hold a weight, and the layers each of them stands for.

Every weight is seen as `kernel [out, in, *k]` and as `matrix [out, in * k]`, whatever its module
calls or transposes it. A layer may stand for several places of the network that share one weight.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import assert_never

import torch
from torch import Tensor, nn

from compress_core.foundation.texts import Phrase

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
RECURRENT = (nn.RNNBase, nn.RNNCellBase)
NORMS = (
    nn.modules.batchnorm._NormBase,  # noqa: SLF001 - the only common base of batch and instance norm
    nn.LayerNorm,
    nn.GroupNorm,
    nn.LocalResponseNorm,
    nn.RMSNorm,
)
PROJECTIONS = ("q_proj", "k_proj", "v_proj")


class LayerKind(Enum):
    """What a layer does with its weight; how it is called is `Layer.label`.

    A factor is one of the smaller layers in the place of another.
    """

    LINEAR = auto()
    CONVOLUTION = auto()
    EMBEDDING = auto()
    ATTENTION_PROJECTION = auto()
    FACTOR = auto()


@dataclass(frozen=True)
class WeightLocation:
    """Where a weight lies: a module's parameter, or some rows of it.

    module and parameter are names; rows None means all of it.
    """

    module: str
    parameter: str = "weight"
    rows: tuple[int, int] | None = None


@dataclass(frozen=True)
class Extent:
    """One use of a convolution: how many inputs of which sizes it is given, and the sizes that it makes."""

    items: int
    given: tuple[int, ...]
    made: tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """A weight that can be compressed.

    kernel_shape [out, in / groups, *k]; places: all that share it, the first gives the name;
    macs: multiply-accumulates for one item, None where the layer did not run; positions: of its output
    for one item (a Linear on 49 tokens: 49; an Embedding: its look-ups); extents: of a convolution;
    factor_of: of a factor, the label of the layer in whose place it stands.
    """

    name: str
    kind: LayerKind
    kernel_shape: torch.Size
    places: tuple[WeightLocation, ...]
    groups: int = 1
    transposed: bool = False
    bias: bool = False
    macs: int | None = None
    positions: int | None = None
    extents: tuple[Extent, ...] = ()
    factor_of: str = ""

    @property
    def label(self) -> str:
        """What such a layer is called: words to show, a phrase that can be translated."""
        match self.kind:
            case LayerKind.LINEAR:
                return Phrase("linear")
            case LayerKind.CONVOLUTION:
                return _convolution_label(self.kernel_shape, self.groups, transposed=self.transposed)
            case LayerKind.EMBEDDING:
                return Phrase("embedding")
            case LayerKind.ATTENTION_PROJECTION:
                return Phrase("attention projection")
            case LayerKind.FACTOR:
                return Phrase("factor of {kind}", kind=self.factor_of)
            case _:
                assert_never(self.kind)

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


def is_attention(module: nn.Module) -> bool:
    return isinstance(module, nn.MultiheadAttention)


def is_computed(module: nn.Module, parameter: str) -> bool:
    """Whether a weight is made from others before each use: weight_norm, spectral_norm, a mask."""
    own = dict(module.named_parameters(recurse=False, remove_duplicate=False))
    return hasattr(module, parameter) and parameter not in own


def layers_of(name: str, module: nn.Module) -> Iterator[Layer]:
    place = (WeightLocation(name),)
    if is_attention(module):
        yield from attention_layers(name, module)
        return
    if is_computed(module, "weight"):
        return
    match module:
        case nn.Linear():
            yield Layer(name, LayerKind.LINEAR, module.weight.shape, place, bias=module.bias is not None)
        case nn.Embedding() if module.max_norm is None:
            yield Layer(name, LayerKind.EMBEDDING, module.weight.shape, place)
        case _ if isinstance(module, CONVOLUTIONS + TRANSPOSED):
            transposed = isinstance(module, TRANSPOSED)
            kernel = kernel_view(module.weight, module.groups, transposed)
            bias = module.bias is not None
            convolution = LayerKind.CONVOLUTION
            yield Layer(name, convolution, kernel.shape, place, module.groups, transposed, bias)


def _convolution_label(kernel: torch.Size, groups: int, *, transposed: bool) -> str:
    """kernel [out, in / groups, *k]."""
    kind = Phrase("conv{axes}d", axes=len(kernel) - 2)
    if transposed:
        kind = Phrase("transposed {kind}", kind=kind)
    if groups == 1:
        return kind
    depthwise = kernel[1] == 1
    return Phrase("depthwise {kind}", kind=kind) if depthwise else Phrase("grouped {kind}", kind=kind)


def attention_layers(name: str, module: nn.Module) -> Iterator[Layer]:
    assert isinstance(module, nn.MultiheadAttention)
    prefix = f"{name}." if name else ""
    width, kind = module.embed_dim, LayerKind.ATTENTION_PROJECTION
    for index, projection in enumerate(PROJECTIONS):
        packed = module.in_proj_weight is not None
        parameter = "in_proj_weight" if packed else f"{projection}_weight"
        weight: Tensor = getattr(module, parameter)
        rows = (index * width, (index + 1) * width) if packed else None
        shape = torch.Size([width, width]) if packed else weight.shape
        if not is_computed(module, parameter):
            place = WeightLocation(name, parameter, rows)
            yield Layer(prefix + projection, kind, shape, (place,), bias=module.in_proj_bias is not None)
    if not is_computed(module.out_proj, "weight"):
        out = WeightLocation(f"{prefix}out_proj")
        bias = module.out_proj.bias is not None
        yield Layer(prefix + "out_proj", kind, module.out_proj.weight.shape, (out,), bias=bias)


def kernel_view(weight: Tensor, groups: int, transposed: bool) -> Tensor:
    """The weight as [out, in / groups, *k]; a transposed convolution keeps [in, out / groups, *k]."""
    if not transposed:
        return weight
    split: Tensor = torch.unflatten(weight, 0, (groups, -1)).transpose(1, 2)
    return split.flatten(0, 1)
