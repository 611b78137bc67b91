"""A plain MLP or CNN, built from nothing but the names and shapes of its state dict."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import Phrase
from compress_core.loading.allowance import ON_OWN_MACHINE, LayerWork, RunLimits, check_allowed, layer_work
from compress_core.loading.arrangement import IMAGE_SIZES, Arrangement, arrangements
from compress_core.loading.chain import Chain, chains_of
from compress_core.loading.plain_layers import Norm, Weighted
from compress_core.loading.plain_network import (
    PlainBlock,
    PlainNetwork,
    TensorFunction,
    average,
    conv_module,
    filled,
    flatten,
    halve,
    linear_module,
    norm_module,
    rectify,
)
from compress_core.loading.stored import shown
from compress_core.subject.answer_kind import AnswerKind
from compress_core.subject.reading_remarks import ReadingRemarks, in_a_row

_MOST_PIXELS = 10_000_000


@dataclass(frozen=True, eq=False)
class InferredNetwork:
    """A network built from a state dict, and what had to be assumed for it.

    input_shape is that of one item, [values] or [channels, height, width]; told says in words what the
    weights tell of the network, remarks what they did not tell; alternatives counts the arrangements that
    fit the shapes as well (0: this is the only one of those tried); arrangement is None for an MLP.
    multiplications: for one item.
    """

    network: nn.Module
    input_shape: tuple[int, ...]
    classes: int
    told: str
    remarks: ReadingRemarks
    alternatives: int
    arrangement: Arrangement | None
    multiplications: int

    @property
    def description(self) -> str:
        """What the network is and what was assumed."""
        return in_a_row((self.told, *self.remarks.summary))


def network_candidates(
    state: Mapping[str, Tensor],
    *,
    input_shape: tuple[int, ...] | None = None,
    allowed: RunLimits = ON_OWN_MACHINE,
    answers: AnswerKind = AnswerKind.SCORES,
) -> tuple[InferredNetwork, ...]:
    """Every network of the stated set that has these weights and takes such items, likeliest first.

    Assumed: ReLU between layers, stride 1, 2 x 2 max pooling, epsilon 1e-5 in batch norms, no skip
    connections. The candidates share the memory of the state. Without input_shape, an MLP takes rows and a
    CNN square images of usual sizes. answers: how they are meant. Raises Refused with the reason where there
    is none, or where one item would take more than is allowed; nothing is computed here.
    """
    if input_shape is not None:
        _check_input_shape(input_shape)
    chains = chains_of(state)
    classes = chains[0].linears[-1][0].outputs
    if classes < 2 and answers is AnswerKind.SCORES:
        raise Refused(
            "The last layer '{layer}' has one output; a classifier must have one for each of two or more "
            "classes. If it answers with a real number, give items whose labels are real numbers, or say "
            "that regression is asked of it.",
            layer=shown(chains[0].linears[-1][0].name),
        )
    if not chains[0].convolutions:
        return tuple(_mlp(state, chain, input_shape, classes, allowed) for chain in chains)
    return tuple(one for chain in chains for one in _cnns(state, chain, input_shape, classes, allowed))


def _check_input_shape(shape: tuple[int, ...]) -> None:
    if not 1 <= len(shape) <= 3 or any(size < 1 for size in shape) or math.prod(shape) > _MOST_PIXELS:
        raise Refused(
            "The shape of an item is {got}; it must be [values], [height, width] or [channels, height, "
            "width], with {most:,} values at most.",
            got=list(shape),
            most=_MOST_PIXELS,
        )


def _mlp(
    state: Mapping[str, Tensor],
    chain: Chain,
    input_shape: tuple[int, ...] | None,
    classes: int,
    allowed: RunLimits,
) -> InferredNetwork:
    first = chain.linears[0][0]
    shape = input_shape or (first.inputs,)
    if math.prod(shape) != first.inputs:
        raise Refused(
            "The first layer '{layer}' takes {inputs} values, but an item of shape {shape} has {got}. "
            "Upload items with {inputs} values each.",
            layer=shown(first.name),
            inputs=first.inputs,
            shape=list(shape),
            got=math.prod(shape),
        )
    work = layer_work(chain, None, shape)
    check_allowed(work, shape, allowed)
    modules = dict(_linear_modules(chain))
    network = filled(PlainNetwork(modules, list(_linear_blocks(chain, before=(flatten,)))), state)
    widths = "-".join(str(width) for width in (first.inputs, *(layer.outputs for layer, _ in chain.linears)))
    told = Phrase("Plain MLP {widths}{norms}.", widths=widths, norms=_norms_in_words(chain))
    assumed = Phrase(
        "Assumed, because a state dict does not tell: ReLU between the layers.{doubt}", doubt=_doubt(chain)
    )
    remarks = ReadingRemarks(summary=(assumed,))
    return InferredNetwork(network, shape, classes, told, remarks, 0, None, _multiplications(work))


def _multiplications(work: Sequence[LayerWork]) -> int:
    return sum(one.multiplications for one in work)


def _cnns(
    state: Mapping[str, Tensor],
    chain: Chain,
    input_shape: tuple[int, ...] | None,
    classes: int,
    allowed: RunLimits,
) -> tuple[InferredNetwork, ...]:
    fitting = [
        (shape, arrangement, layer_work(chain, arrangement, shape))
        for shape in _image_shapes(chain, input_shape)
        for arrangement in arrangements(chain.convolutions, chain.linears[0][0], shape)
        if input_shape is not None or not arrangement.averages  # an average fits images of any size
    ]
    if not fitting:
        raise _no_arrangement(chain, input_shape)
    fitting = _within(fitting, allowed)
    others = len(fitting) - 1
    return tuple(
        InferredNetwork(
            _cnn(state, chain, arrangement),
            shape,
            classes,
            _cnn_in_words(chain, shape),
            ReadingRemarks(summary=(_assumed_of_cnn(chain, arrangement, others),)),
            others,
            arrangement,
            _multiplications(work),
        )
        for shape, arrangement, work in fitting
    )


Fitting = tuple[tuple[int, ...], Arrangement, tuple[LayerWork, ...]]


def _within(fitting: Sequence[Fitting], allowed: RunLimits) -> list[Fitting]:
    """Those that take no more than is allowed; raises Refused for the likeliest where none is left."""
    refusals, found = [], []
    for one in fitting:
        try:
            check_allowed(one[2], one[0], allowed)
        except Refused as refused:
            refusals.append(refused)
        else:
            found.append(one)
    if not found:
        raise refusals[0]
    return found


def _image_shapes(chain: Chain, input_shape: tuple[int, ...] | None) -> list[tuple[int, ...]]:
    first = chain.convolutions[0][0]
    if input_shape is None:
        # Photographs with three channels are more often 32 x 32 than 28 x 28.
        sizes = sorted(IMAGE_SIZES, key=lambda size: size == 28 and first.inputs == 3)
        return [(first.inputs, size, size) for size in sizes]
    shape = (1, *input_shape) if len(input_shape) == 2 else input_shape
    if len(shape) != 3 or shape[0] != first.inputs:
        raise Refused(
            "The first convolution '{layer}' takes images with {channels} channels, "
            "[{channels}, height, width], but an item has shape {got}. Upload images of that kind.",
            layer=shown(first.name),
            channels=first.inputs,
            got=list(input_shape),
        )
    return [shape]


def _no_arrangement(chain: Chain, input_shape: tuple[int, ...] | None) -> Refused:
    following = chain.linears[0][0]
    if input_shape is None:
        return Refused(
            "The size of the images cannot be told from the weights: '{layer}' takes {inputs} values, which "
            "no usual size gives in one way. Upload items together with the model, or say the input's shape.",
            layer=shown(following.name),
            inputs=following.inputs,
        )
    return Refused(
        "'{layer}' takes {inputs} values, but images of shape {shape} give another number with every padding "
        "and pooling tried (none or half the kernel; 2 x 2 after some convolutions, or an average). "
        "Load it by its code instead: package.module:factory.",
        layer=shown(following.name),
        inputs=following.inputs,
        shape=list(input_shape),
    )


def _cnn(state: Mapping[str, Tensor], chain: Chain, arrangement: Arrangement) -> nn.Module:
    modules: dict[str, nn.Module] = {}
    blocks: list[PlainBlock] = []
    steps = zip(chain.convolutions, arrangement.padding, arrangement.pools, strict=True)
    for (conv, norm), padding, pools in steps:
        modules[conv.name] = conv_module(conv, padding)
        modules.update(_norm_modules(chain, conv, norm))
        after = (rectify, halve) if pools else (rectify,)
        entry = _entry(chain, conv.name)
        blocks.append(PlainBlock(conv.name, norm.name if norm else None, after=after, entry=entry))
    before = (average, flatten) if arrangement.averages else (flatten,)
    modules.update(_linear_modules(chain))
    return filled(PlainNetwork(modules, [*blocks, *_linear_blocks(chain, before=before)]), state)


def _linear_modules(chain: Chain) -> Iterator[tuple[str, nn.Module]]:
    for layer, norm in chain.linears:
        yield layer.name, linear_module(layer)
        yield from _norm_modules(chain, layer, norm).items()


def _norm_modules(chain: Chain, layer: Weighted, behind: Norm | None) -> Mapping[str, nn.Module]:
    """The batch norms on both sides of a layer, by name."""
    norms = (chain.before.get(layer.name), behind)
    return {norm.name: norm_module(norm, layer) for norm in norms if norm is not None}


def _entry(chain: Chain, layer: str) -> str | None:
    """The name of the norm through which a layer's input goes."""
    norm = chain.before.get(layer)
    return None if norm is None else norm.name


def _linear_blocks(chain: Chain, before: tuple[TensorFunction, ...]) -> Iterator[PlainBlock]:
    """The first linear layer is preceded by the steps before; ReLU behind all but the last."""
    last = len(chain.linears) - 1
    for index, (layer, norm) in enumerate(chain.linears):
        yield PlainBlock(
            layer.name,
            norm.name if norm else None,
            before=before if index == 0 else (),
            after=(rectify,) if index < last else (),
            entry=_entry(chain, layer.name),
        )


def _cnn_in_words(chain: Chain, shape: tuple[int, ...]) -> str:
    channels = ", ".join(str(conv.outputs) for conv, _ in chain.convolutions)
    widths = ", ".join(str(layer.outputs) for layer, _ in chain.linears)
    return Phrase(
        "Plain CNN on images of {shape}: convolutions with {channels} channels, linear layers with {widths} "
        "outputs{norms}.",
        shape=" x ".join(str(size) for size in shape),
        channels=channels,
        widths=widths,
        norms=_norms_in_words(chain),
    )


def _assumed_of_cnn(chain: Chain, arrangement: Arrangement, others: int) -> str:
    return Phrase(
        "Assumed, because a state dict does not tell: ReLU between the layers, stride 1, {padding}, "
        "{pooling}, then {end}.{also}{doubt}",
        padding=arrangement.padding_text,
        pooling=arrangement.pooling_text,
        end=Phrase("the average over all pixels") if arrangement.averages else Phrase("flattening"),
        also=_also(others),
        doubt=_doubt(chain),
    )


def _also(others: int) -> str:
    """That other arrangements fit, a sentence to append."""
    if not others:
        return ""
    return Phrase(
        " {others} other arrangements of padding and pooling would fit the shapes as well; "
        "labeled items can tell which is right.",
        others=others,
    )


def _norms_in_words(chain: Chain) -> str:
    count = sum(norm is not None for _, norm in (*chain.convolutions, *chain.linears))
    behind = Phrase(", batch norm behind {count} of them", count=count) if count else ""
    if not chain.before:
        return behind
    before = Phrase(", batch norm before {count} of them", count=len(chain.before))
    return Phrase("{before}{behind}", before=before, behind=behind) if behind else before


def _doubt(chain: Chain) -> str:
    if chain.sure:
        return ""
    return Phrase(" Which layer a batch norm follows was read from the order of the names.")
