"""Which layers a state dict holds, and in which order they follow each other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from torch import Tensor

from compress_core.foundation.errors import Refused
from compress_core.loading.plain_layers import (
    ROLES,
    Conv,
    Linear,
    Norm,
    Weighted,
    no_plain_layer,
    part_of,
    reason_against,
)
from compress_core.loading.stored import shown

MAX_LAYERS = 64
_MOST_STEPS = 3_000
Places = Mapping[str, Norm]


@dataclass(frozen=True)
class Chain:
    """Convolutions, then linear layers, each taking what the one before gives.

    A layer comes with the batch norm behind it; before: norms that a layer's input goes through, by its name.
    sure: every batch norm could stand in one place only.
    """

    convolutions: tuple[tuple[Conv, Norm | None], ...]
    linears: tuple[tuple[Linear, Norm | None], ...]
    sure: bool
    before: Mapping[str, Norm] = field(default_factory=dict)


def chains_of(state: Mapping[str, Tensor]) -> tuple[Chain, ...]:
    """The layers of a plain network in the order in which they work, likeliest first if norms leave a choice.

    The order of the state dict is taken where it is one that PyTorch makes; a safetensors file sorts its
    names, so there the numbers in the names and the shapes decide. Raises Refused with the first reason
    why it is no plain chain.
    """
    groups = _by_layer(state)
    parts = [part_of(name, tensors) for name, tensors in groups.items()]
    kept = _keeps_order(state, groups)
    if not kept:
        parts.sort(key=lambda part: _natural(part.name))
    weighted = _chained([part for part in parts if not isinstance(part, Norm)])
    norms = [part for part in parts if isinstance(part, Norm)]
    found, refused = [], None
    for before in _norms_before(parts, weighted, kept=kept):
        names = {norm.name for norm in before.values()}
        rest = [part for part in parts if part.name not in names]
        try:
            behind, sure = _placed(
                rest, weighted, [norm for norm in norms if norm.name not in names], kept=kept
            )
        except Refused as reason:
            refused = refused or reason
        else:
            found.append(_chain(weighted, behind, before, sure=sure))
    if refused is not None and not found:
        raise refused
    return tuple(replace(chain, sure=chain.sure and len(found) == 1) for chain in found)


def _chain(weighted: Sequence[Weighted], behind: Places, before: Places, *, sure: bool) -> Chain:
    pairs = [(layer, behind.get(layer.name)) for layer in weighted]
    return Chain(
        tuple((layer, norm) for layer, norm in pairs if isinstance(layer, Conv)),
        tuple((layer, norm) for layer, norm in pairs if isinstance(layer, Linear)),
        sure,
        before,
    )


def _norms_before(
    parts: Sequence[Weighted | Norm], weighted: Sequence[Weighted], *, kept: bool
) -> tuple[Places, ...]:
    """Which norms may stand in front of layers instead of behind them, likeliest first.

    One in front of the first layer, if it is as wide as what that takes; then perhaps the others in front of
    a layer too. An order that was kept, and names that tell, leave no choice where they put a layer first.
    """
    first, norms = weighted[0], [part for part in parts if isinstance(part, Norm)]
    leads = kept and isinstance(parts[0], Norm)
    if not leads and (kept or _told_by_name(parts, weighted, norms)):
        return ({},)
    leading = [norm for norm in norms if norm.features == first.inputs and (norm is parts[0] or not leads)]
    entries: list[Places] = [{first.name: norm} for norm in leading]
    each = _in_turn([(layer, layer.inputs) for layer in weighted], norms)
    if leading and len(norms) > 1 and each is not None:
        entries.append(each)
    return (*entries, {}) if leads else ({}, *entries)


def _told_by_name(
    parts: Sequence[Weighted | Norm], weighted: Sequence[Weighted], norms: Sequence[Norm]
) -> bool:
    """Whether numbers in the names say behind which layer each norm stands."""
    behind = _directly_behind(parts)
    if behind is not None and _in_sequence(behind):
        return True
    return all(_numbers(norm.name) for norm in norms) and _by_number(weighted, norms) is not None


def _by_layer(state: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in state.items():
        layer, _, role = name.rpartition(".")
        if not layer:
            raise Refused(
                "Tensor '{tensor}' belongs to no layer: its name must be that of a layer, a dot and "
                "'weight', 'bias' or the like. "
                "Save the state dict of a torch.nn.Module that holds the layers.",
                tensor=shown(name),
            )
        groups.setdefault(layer, {})[role] = tensor
    if len(groups) > 2 * MAX_LAYERS:
        raise _too_many(len(groups))
    _check_roles(groups)
    return groups


def _check_roles(groups: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Refuse tensors that no plain layer has, before what stands beside them is looked at."""
    for layer, tensors in groups.items():
        if not set(tensors) <= set(ROLES):
            raise reason_against(layer, tensors)
    for layer, tensors in groups.items():
        if any(other.startswith(f"{layer}.") for other in groups):
            raise no_plain_layer(f"{layer}.{next(iter(tensors))}")


def _keeps_order(state: Mapping[str, Tensor], groups: Mapping[str, Mapping[str, Tensor]]) -> bool:
    """Whether the names stand as PyTorch writes them: layer by layer, weight first, not sorted."""
    names = list(state)
    expected = [f"{layer}.{role}" for layer, tensors in groups.items() for role in ROLES if role in tensors]
    return names == expected and (names != sorted(names) or names == sorted(names, key=_natural))


def _natural(name: str) -> tuple[tuple[int, str], ...]:
    """Sorts layer2 before layer10."""
    return tuple((int(run) if run.isdecimal() else -1, run) for run in re.split(r"(\d+)", name))


def _chained(layers: Sequence[Weighted]) -> tuple[Weighted, ...]:
    """The first order, closest to the one given, in which every layer takes what the one before gives."""
    if not 1 <= len(layers) <= MAX_LAYERS:
        raise _too_many(len(layers))
    found = _search(layers)
    if found is None:
        raise _unchained(layers)
    if isinstance(found[-1], Conv):
        raise Refused(
            "The last layer '{layer}' is a convolution; a network built here must end in a linear layer. "
            "Load it by its code instead: package.module:factory.",
            layer=shown(found[-1].name),
        )
    return found


def _too_many(layers: int) -> Refused:
    return Refused(
        "The state dict holds {got} layers; 1 to {most} linear and convolutional ones are built here. "
        "Load it by its code instead: package.module:factory.",
        got=layers,
        most=MAX_LAYERS,
    )


def _search(layers: Sequence[Weighted]) -> tuple[Weighted, ...] | None:
    """Convolutions first, then depth first in the order given; gives up after a fixed number of steps."""
    layers = sorted(layers, key=lambda layer: isinstance(layer, Linear))
    every = range(len(layers))
    after = [[i for i in every if i != first and _follows(layers[first], layers[i])] for first in every]
    starts = [i for i in every if not any(i in indices for indices in after)]
    ends = {i for i in every if not after[i]}
    if len(starts) > 1 or len(ends) > 1:
        return None
    paths: list[tuple[int, ...]] = [(i,) for i in reversed(starts or every)]
    for _ in range(_MOST_STEPS):
        if not paths:
            return None
        path = paths.pop()
        if len(path) == len(layers):
            return tuple(layers[i] for i in path)
        convolving = any(isinstance(layers[i], Conv) for i in every if i not in path)
        following = [
            i for i in after[path[-1]] if i not in path and (i not in ends or len(path) == len(layers) - 1)
        ]
        paths.extend((*path, i) for i in reversed(following) if not convolving or isinstance(layers[i], Conv))
    return None


def _follows(first: Weighted, second: Weighted) -> bool:
    match first, second:
        case Conv(), Linear():
            return second.inputs % first.outputs == 0
        case Linear(), Conv():
            return False
        case _:
            return second.inputs == first.outputs


def _unchained(layers: Sequence[Weighted]) -> Refused:
    for first, second in pairwise(layers):
        if not _follows(first, second):
            return Refused(
                "Layer '{second}' takes {inputs} inputs, but '{first}' before it gives {outputs}, and no "
                "other order of the layers fits: this is no plain chain (grouped convolutions, "
                "branches and shared layers are not built here). "
                "Load it by its code instead: package.module:factory.",
                second=shown(second.name),
                inputs=second.inputs,
                first=shown(first.name),
                outputs=first.outputs,
            )
    return Refused(
        "The layers fit together in no order. Load it by its code instead: package.module:factory."
    )


def _placed(
    parts: Sequence[Weighted | Norm], weighted: Sequence[Weighted], norms: Sequence[Norm], *, kept: bool
) -> tuple[Places, bool]:
    """Behind which layer each batch norm stands, and whether that is the only possibility."""
    behind = _directly_behind(parts)
    if behind is not None and (kept or _in_sequence(behind)):
        return behind, True
    numbered = _by_number(weighted, norms)
    if numbered is not None:
        return numbered, True
    for places in (behind, _in_turn([(layer, layer.outputs) for layer in weighted], norms)):
        if places is not None:
            return places, _only_one_way(weighted, norms)
    lost = next(
        (norm for norm in norms if all(norm.features != layer.outputs for layer in weighted)), norms[0]
    )
    raise Refused(
        "Batch norm '{norm}' has {features} features and follows no layer that gives as many. "
        "Load it by its code instead: package.module:factory.",
        norm=shown(lost.name),
        features=lost.features,
    )


def _directly_behind(parts: Sequence[Weighted | Norm]) -> Places | None:
    places: dict[str, Norm] = {}
    for before, part in zip((None, *parts), parts, strict=False):
        if isinstance(part, Norm):
            if before is None or isinstance(before, Norm) or before.outputs != part.features:
                return None
            places[before.name] = part
    return places


def _in_sequence(places: Places) -> bool:
    """Whether each batch norm has the next number in the container of its layer, as in nn.Sequential."""
    for layer, norm in places.items():
        container, _, number = layer.rpartition(".")
        if not number.isdecimal() or norm.name != ".".join(filter(None, (container, str(int(number) + 1)))):
            return False
    return True


def _by_number(weighted: Sequence[Weighted], norms: Sequence[Norm]) -> Places | None:
    """bn2 goes to conv2, if every batch norm finds one partner in this way."""
    places: dict[str, Norm] = {}
    for norm in norms:
        partners = [
            layer
            for layer in weighted
            if layer.outputs == norm.features and _numbers(layer.name) == _numbers(norm.name)
        ]
        if len(partners) != 1 or partners[0].name in places:
            return None
        places[partners[0].name] = norm
    return places


def _numbers(name: str) -> list[str]:
    return re.findall(r"\d+", name)


def _in_turn(widths: Iterable[tuple[Weighted, int]], norms: Iterable[Norm]) -> Places | None:
    """Each batch norm at the next layer that has a width equal to its features."""
    places: dict[str, Norm] = {}
    remaining = iter(widths)
    for norm in norms:
        layer = next((layer for layer, width in remaining if width == norm.features), None)
        if layer is None:
            return None
        places[layer.name] = norm
    return places


def _only_one_way(weighted: Sequence[Weighted], norms: Sequence[Norm]) -> bool:
    widths = [layer.outputs for layer in weighted]
    return all(widths.count(norm.features) == 1 for norm in norms)
