"""Units that change no answer are cut: nobody reads them, or they say the same to every item.

A unit of which no weight is left says one value, its bias behind whatever functions follow. Where all who
read it have a bias that can take that over, it goes as well. What is cut silences others in turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from compress_core.apply.argument import result_at
from compress_core.apply.rewrite_trials import Tried, outputs_in_one_row, stays_close, trial_inputs
from compress_core.apply.views.preparation_views import UnitsStanding, UnitsView
from compress_core.foundation.errors import Refused
from compress_core.network.calibrate import listening
from compress_core.network.double_casts import casts_as_in, try_network
from compress_core.network.forward import in_double
from compress_core.network.layers.cut import channel_rows, pads_with_zeros
from compress_core.network.layers.kinds import Layer, LayerKind
from compress_core.network.layers.places import read_bias, read_matrix, write_bias, write_matrix
from compress_core.network.layers.side import Side
from compress_core.network.layers.unfold import channel_axis
from compress_core.network.shared_copy import shared_copy
from compress_core.recipe.values import Step
from compress_core.structure.group import Group, GroupKind, Member, MemberRole
from compress_core.structure.shrink import shrink
from compress_core.structure.structure import Structure
from compress_core.subject.subject import Subject, restructured
from compress_core.techniques.contract.results import KeptUnits

_SAME = 1e-12  # a value that was added up in another order


def without_zero_units(base: Subject, groups: Iterable[Group], step: Step, key: str) -> Subject:
    """The network without the units that a step finds to change no answer.

    Raises Refused where there are none, and where the smaller network answers otherwise after all.
    """
    double = in_double(base.network)
    tried = Tried.of(double, trial_inputs(base, double))
    work = _Work(base, shared_copy(double), _heard(base, double, tried.examples), {}, {})
    free = [group for group in groups if group.locked is None and group.kind is not GroupKind.BLOCK]
    while sum(_silenced(work, group, step) for group in free):  # what is cut may silence others
        pass
    if not work.gone:
        raise Refused(
            "Every channel, neuron and head of {model} says something that is heard: there is nothing for "
            "{technique} to cut. Take it out, or prune first.",
            model=base.title,
            technique=step.technique,
        )
    cuts = tuple(
        cut for group in free if group.name in work.gone for cut in group.cuts(~work.gone[group.name])
    )
    _refuse_others(base, tried, shrink(work.network, cuts))
    network = shared_copy(base.network)
    for name, bias in work.biases.items():
        write_bias(network, base.layer(name), bias.to(read_matrix(network, base.layer(name)).dtype))
    structure = base.structure.then(Structure(rescaled=tuple(work.biases), cuts=cuts))
    return restructured(base, shrink(network, cuts), structure, key)


@dataclass(frozen=True, eq=False)
class _Always:
    """What a layer is given: same [channels] bool, channels that had one value throughout, and which."""

    same: Tensor
    value: Tensor


@dataclass(frozen=True, eq=False)
class _Work:
    """A network in float64 in which silent units are zero; changed in place, it has one owner.

    heard: what layers are given, by name; gone: units [units] bool of groups; biases [out] that took over.
    """

    base: Subject
    network: nn.Module
    heard: Mapping[str, _Always]
    gone: dict[str, Tensor]
    biases: dict[str, Tensor]

    def sides(self, group: Group, role: MemberRole) -> Iterator[tuple[Member, Layer | None]]:
        """The members with such a role, with their layer where they have one that is known."""
        for member in group.members:
            if member.role is role:
                yield member, self.base.by_name.get(member.module)

    def largest(self, group: Group, role: MemberRole) -> Tensor:
        """The largest |weight| of each unit on these sides [units]; without end where one is not known."""
        found = torch.zeros(group.units, dtype=torch.float64)
        for member, layer in self.sides(group, role):
            if layer is None:
                return torch.full_like(found, torch.inf)
            matrix = read_matrix(self.network, layer).view(layer.kernel_shape)
            rows = channel_rows(layer, matrix, member.side)[member.indices].flatten(1)
            found = torch.maximum(found, rows.abs().amax(1))
        return found


def _silenced(work: _Work, group: Group, step: Step) -> bool:
    """Silence what a step finds in a group; whether there was anything new."""
    silent = work.largest(group, MemberRole.PRODUCER) == 0
    state = UnitsStanding(work.largest(group, MemberRole.CONSUMER), silent & _taken_over(work, group))
    result: KeptUnits = result_at(step, lambda asked: UnitsView(asked, state))
    gone = work.gone.get(group.name, torch.zeros(group.units, dtype=torch.bool))
    lost = ~result.mask & ~gone
    if bool((lost | gone).all()):
        lost[lost.nonzero()[:1]] = False  # one unit of each group stays
    if not bool(lost.any()):
        return False
    for member, layer in work.sides(group, MemberRole.CONSUMER):
        if layer is not None:
            _take_over(work, layer, member.indices[lost].flatten())
            _zero(work.network, layer, member, lost)
    for member, layer in work.sides(group, MemberRole.PRODUCER):
        if layer is not None:
            _zero(work.network, layer, member, lost)
    work.gone[group.name] = gone | lost
    return True


def _taken_over(work: _Work, group: Group) -> Tensor:
    """Units [units] of which every reader is given one value that is zero, or that its bias can take over."""
    found = torch.ones(group.units, dtype=torch.bool)
    for member, layer in work.sides(group, MemberRole.CONSUMER):
        heard = work.heard.get(member.module)
        if heard is None or layer is None:
            return torch.zeros_like(found)
        fits = heard.same if _has_bias_for_it(work, layer) else heard.same & (heard.value == 0)
        found &= fits[member.indices].all(1)
    return found


def _has_bias_for_it(work: _Work, layer: Layer) -> bool:
    """Whether a value that a layer is given throughout adds the same to all it makes, and it has a bias."""
    module = work.network.get_submodule(layer.module)
    plain = layer.groups == 1 and not layer.transposed and not pads_with_zeros(module)
    return plain and read_bias(work.network, layer) is not None


def _take_over(work: _Work, layer: Layer, channels: Tensor) -> None:
    """Add to a bias what these channels [n], which are cut, add to all that the layer makes."""
    matrix = read_matrix(work.network, layer).view(layer.kernel_shape)
    read = channel_rows(layer, matrix, Side.IN)[channels]
    if not bool(read.any()):
        return
    value = work.heard[layer.name].value[channels]
    if not bool(value.any()):
        return
    bias = read_bias(work.network, layer)
    assert bias is not None, "it was looked at before"
    added = value @ read.view(len(channels), layer.rows, -1).sum(2)
    write_bias(work.network, layer, bias + added)
    work.biases[layer.name] = bias + added


def _zero(network: nn.Module, layer: Layer, member: Member, lost: Tensor) -> None:
    numbers = torch.arange(layer.weights).view(layer.kernel_shape)
    places = channel_rows(layer, numbers, member.side)[member.indices[lost]].flatten()
    matrix = read_matrix(network, layer).clone()
    matrix.view(-1)[places] = 0
    write_matrix(network, layer, matrix)


def _heard(base: Subject, double: nn.Module, examples: Iterable[Tensor]) -> dict[str, _Always]:
    """What the linear layers and convolutions of a network are given, all examples and places together."""
    network = shared_copy(double)
    kinds = {LayerKind.LINEAR, LayerKind.CONVOLUTION}
    names = [x.name for x in base.layers if x.kind in kinds and len(x.places) == 1]
    modules = {network.get_submodule(name): name for name in names}
    ranges: dict[str, tuple[Tensor, Tensor]] = {}

    def hear(module: nn.Module, given: Tensor) -> None:
        low, high = torch.aminmax(given.movedim(channel_axis(module), 0).flatten(1), dim=1)
        before = ranges.get(modules[module], (low, high))
        ranges[modules[module]] = torch.minimum(low, before[0]), torch.maximum(high, before[1])

    with torch.no_grad(), listening(modules, hear), casts_as_in(network):
        for example in examples:
            try_network(network, example)
    return {
        name: _Always(
            high - low <= _SAME * high.abs().clamp(min=1), torch.where(high == low, high, (high + low) / 2)
        )
        for name, (low, high) in ranges.items()
    }


def _refuse_others(base: Subject, tried: Tried, small: nn.Module) -> None:
    for example, answer in zip(tried.examples, tried.answers, strict=True):
        if not stays_close(outputs_in_one_row(small, example), answer):
            raise Refused(
                "{model} answers otherwise without the units whose weights are zero: leave cut_zero_units "
                "out, and choose what goes in groups.",
                model=base.title,
            )
