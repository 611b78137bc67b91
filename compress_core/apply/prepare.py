"""Preparations: rewrites after which the network computes the same, each of them tried in float64.

Everything is worked out on a copy in float64 and rounded to the network's own type once, at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor, nn

from compress_core.apply.argument import result_at
from compress_core.apply.context import canonical_step, items_behind
from compress_core.apply.groups_found import groups_in
from compress_core.apply.rewrite_trials import Tried, trial_inputs
from compress_core.apply.views.preparation_views import NormView, PairView, in_groups
from compress_core.apply.zero_units import without_zero_units
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store, digest
from compress_core.network.double_casts import casts_as_in
from compress_core.network.flow import Flow, flow_of
from compress_core.network.forward import in_double, scramble
from compress_core.network.layers.find import find_layers
from compress_core.network.layers.kinds import Layer, LayerKind
from compress_core.network.layers.norms import batch_norms, fold_away, norms_of_each_batch, read_norm
from compress_core.network.layers.places import read_bias, read_matrix, write_bias, write_matrix
from compress_core.network.shared_copy import shared_copy
from compress_core.recipe.values import Step
from compress_core.structure.structure import Structure
from compress_core.subject.subject import Subject, restructured
from compress_core.techniques.contract.results import Folded, KeptUnits, Rescaled

_SWEEPS = 40
_SETTLED = 1e-6


def prepared(subject: Subject, steps: tuple[Step, ...], store: Store) -> Subject:
    """The subject after its preparations, a base for all that follows; raises Refused where one does nothing.

    Its layers keep their names.
    """
    if not steps:
        return subject
    key = digest(subject.key, *map(canonical_step, steps), *items_behind(subject, steps))
    base = store.get(f"prepared:{key}", lambda: _made(subject, steps, key, store), _bytes_of)
    return base.shown_as(subject)


def _made(subject: Subject, steps: tuple[Step, ...], key: str, store: Store) -> Subject:
    """Rewrites that stand in a row are done together; what is cut is cut from the base before it."""
    cuts = [place for place, step in enumerate(steps) if step.method.result is KeptUnits]
    if not cuts:
        return _prepared(subject, steps, key)
    *_, last = cuts
    if last + 1 < len(steps):
        return _prepared(prepared(subject, steps[: last + 1], store), steps[last + 1 :], key)
    base = prepared(subject, steps[:last], store)
    return without_zero_units(base, groups_in(base, store).values(), steps[last], key)


def _bytes_of(subject: Subject) -> int:
    return sum(tensor.nbytes for tensor in subject.network.state_dict().values())


@dataclass(frozen=True)
class _Work:
    """A network in float64 on its way, what was done to its tree, and inputs on which steps are tried."""

    network: nn.Module
    structure: Structure
    examples: tuple[Tensor, ...]
    title: str

    @property
    def layers(self) -> Mapping[str, Layer]:
        """The layers that one module computes alone and row by row, by name."""
        kinds = {LayerKind.EMBEDDING, LayerKind.ATTENTION_PROJECTION}
        found = find_layers(self.network)[0]
        return {x.name: x for x in found if x.kind not in kinds and len(x.places) == 1}

    def flow(self) -> Flow:
        """Who reads the outputs of these layers."""
        with casts_as_in(self.network):
            return flow_of(shared_copy(self.network), self.examples[0], set(self.layers))


def _prepared(subject: Subject, steps: tuple[Step, ...], key: str) -> Subject:
    network = in_double(subject.network)
    work = _Work(network, Structure(), trial_inputs(subject, network), subject.title)
    for step in steps:
        work = _after(work, step)
    skeleton = work.structure.built(subject.network)
    for layer in find_layers(skeleton)[0]:
        if layer.name in work.structure.touched:
            _write_rounded(skeleton, work.network, layer)
    return restructured(subject, skeleton, subject.structure.then(work.structure), key)


def _after(work: _Work, step: Step) -> _Work:
    result = step.method.result
    if result is Folded:
        return _folded(work, step)
    assert result is Rescaled, f"no way to apply {result.__name__}"
    return _equalized(work, step)


def _write_rounded(skeleton: nn.Module, double: nn.Module, layer: Layer) -> None:
    dtype = read_matrix(skeleton, layer).dtype
    matrix, bias = read_matrix(double, layer).to(dtype), read_bias(double, layer)
    write_matrix(skeleton, layer, matrix)
    if bias is not None:
        write_bias(skeleton, layer, bias.to(dtype))
    if not (matrix.isfinite().all() and (bias is None or bias.to(dtype).isfinite().all())):
        raise Refused(
            "{layer} would get weights too large to store: repair the norm behind it or take the "
            "preparations out.",
            layer=layer.name,
        )


# Folding ----------------------------------------------------------------------------------------------------


def _folded(work: _Work, step: Step) -> _Work:
    """Every batch norm that alone reads a layer's output goes into that layer."""
    layers, flow = work.layers, work.flow()
    pairs = []
    for norm in batch_norms(work.network):
        layer = layers.get(flow.behind.get(norm, ""))
        fits = layer is not None and layer.rows == len(read_norm(work.network, norm).mean)
        if layer is not None and fits and flow.reads_alone(norm, layer.name):
            pairs.append((layer, norm))
    equivalent = _equivalent(work, pairs, lambda network, pair: _fold(network, *pair, step))
    if not equivalent:
        for norm in norms_of_each_batch(work.network):
            raise Refused(
                "{norm} has no running statistics and takes those of each batch, so there is nothing fixed "
                "that could be folded: take {technique} out, or train it with track_running_stats.",
                norm=norm,
                technique=step.technique,
            )
        raise Refused(
            "No batch norm of {model} stands directly behind a linear layer or convolution as the only "
            "reader of its output: take {technique} out.",
            model=work.title,
            technique=step.technique,
        )
    network = shared_copy(work.network)
    for layer, norm in equivalent:
        _fold(network, layer, norm, step)
    names = tuple((layer.name, norm) for layer, norm in equivalent)
    return replace(
        work, network=network, structure=replace(work.structure, folded=work.structure.folded + names)
    )


def _fold(network: nn.Module, layer: Layer, norm: str, step: Step) -> None:
    state = read_norm(network, norm)
    result: Folded = result_at(step, lambda asked: NormView(asked, state))
    bias = read_bias(network, layer)
    shifted = result.shift if bias is None else bias * result.scale + result.shift
    fold_away(network, layer.name, norm)
    write_matrix(network, layer, read_matrix(network, layer) * result.scale[:, None])
    write_bias(network, layer, shifted)


# Equalization -----------------------------------------------------------------------------------------------


def _equalized(work: _Work, step: Step) -> _Work:
    """Pair after pair until nothing moves any more, since a layer may stand in two pairs."""
    layers, flow = work.layers, work.flow()
    pairs = [
        (layers[first], layers[second])
        for second in layers
        for first in flow.sources.get(second, ())
        if flow.sources[second] == {first} != {second}
        and flow.calls.get(first) == 1 == flow.calls.get(second)
        and _inputs_of(layers[second]) % layers[first].rows == 0
    ]
    equivalent = _equivalent(work, pairs, _rescale_at_random)
    if not equivalent:
        raise Refused(
            "{model} has no two layers in a row with nothing but functions between them that pass positive "
            "factors on, such as ReLU and pooling: fold batch norms first, or take {technique} out.",
            model=work.title,
            technique=step.technique,
        )
    network = shared_copy(work.network)
    for _ in range(_SWEEPS):
        if max(_equalize(network, *pair, step) for pair in equivalent) < _SETTLED:
            break
    names = tuple(dict.fromkeys(layer.name for pair in equivalent for layer in pair))
    return replace(work, network=network, structure=replace(work.structure, rescaled=names))


def _inputs_of(layer: Layer) -> int:
    return layer.kernel_shape[1] * layer.groups


def _equalize(network: nn.Module, first: Layer, second: Layer, step: Step) -> float:
    """Equalize one pair; returns the largest change, as the logarithm of a factor."""
    result: Rescaled = result_at(step, lambda asked: PairView(asked, network, first, second))
    _rescale(network, first, second, result.factors)
    return float(result.factors.log().abs().max())


def _rescale(network: nn.Module, first: Layer, second: Layer, factors: Tensor) -> None:
    """Divide what leaves a layer and multiply what enters the next one, factors [channels].

    A channel that was flattened over positions enters as so many inputs in a row.
    """
    write_matrix(network, first, read_matrix(network, first) / factors[:, None])
    bias = read_bias(network, first)
    if bias is not None:
        write_bias(network, first, bias / factors)
    inputs = factors.repeat_interleave(_inputs_of(second) // first.rows)
    scaled = in_groups(network, second) * inputs.view(second.groups, 1, -1, 1)
    write_matrix(network, second, scaled.reshape(second.rows, -1))


def _rescale_at_random(network: nn.Module, pair: tuple[Layer, Layer]) -> None:
    first, second = pair
    drawn = torch.rand(first.rows, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    _rescale(network, first, second, (4 * drawn - 2).exp())


# What is tried ----------------------------------------------------------------------------------------------

LayerPair = TypeVar("LayerPair")


def _equivalent(
    work: _Work, pairs: Sequence[LayerPair], rewrite: Callable[[nn.Module, LayerPair], None]
) -> Sequence[LayerPair]:
    """The pairs whose rewriting changes no answer: of the network itself, nor with any other weights."""
    tried = [
        Tried.of(network, work.examples) for network in (work.network, scramble(in_double(work.network)))
    ]
    if all(each.stays(rewrite, pairs) for each in tried):
        return pairs
    return [pair for pair in pairs if all(each.stays(rewrite, [pair]) for each in tried)]
