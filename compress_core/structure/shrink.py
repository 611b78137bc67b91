"""A network that really has fewer channels, and one of full size that computes the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import N_, Phrase
from compress_core.network.layers.cut import cut_channels, mask_inputs, open_attention, width_of
from compress_core.network.layers.passed_on import PassedOn
from compress_core.network.layers.places import frozen, replace_module
from compress_core.network.layers.side import Side
from compress_core.network.shared_copy import shared_copy


@dataclass(frozen=True, eq=False)
class ChannelCut:
    """What one side of a module keeps.

    side: Side.OWN where `module` names a bare parameter, cut along its last axis that is longer than one,
    and Side.NUMBER where it names a whole number that becomes k; kept: sorted indices [k] of all its
    channels, also of those that other groups speak for.
    """

    module: str
    side: Side
    kept: Tensor


Edit = Callable[[nn.Module, Callable[[nn.Module], None]], None]


def at_once(module: nn.Module, change: Callable[[nn.Module], None]) -> None:
    """How a module of a skeleton is edited, unless somebody has another way."""
    change(module)


def shrink(
    network: nn.Module, cuts: Iterable[ChannelCut], dropped: Sequence[str] = (), edit: Edit = at_once
) -> nn.Module:
    """The network with smaller layers and without the dropped blocks; the caller owns it.

    Nothing is edited in place: what is not cut is shared with the network. Cuts of several groups on one
    module keep what all of them keep. Raises Refused where a module cannot have fewer channels.
    """
    skeleton, sides = _opened(network, cuts, dropped)
    with torch.inference_mode(mode=False), torch.no_grad():
        for name, kept in sides.items():
            if Side.OWN in kept:
                _put_parameter(skeleton, name, kept[Side.OWN])
            elif Side.NUMBER in kept:
                _put_number(skeleton, name, kept[Side.NUMBER])
            else:
                edit(skeleton.get_submodule(name), partial(_cut, name=name, kept=kept))
        for name in dropped:
            replace_module(skeleton, skeleton.get_submodule(name), PassedOn())
    return skeleton


def preview(
    network: nn.Module, cuts: Iterable[ChannelCut], dropped: Sequence[str] = (), edit: Edit = at_once
) -> nn.Module:
    """The network at full size that computes what the shrunk one does; the caller owns it.

    The input slices of every consumer of a cut channel are zero, and all parameters of a dropped block.
    Zeroing a channel where it is made would leave the shift of its norm.
    """
    skeleton, sides = _opened(network, cuts, dropped)
    with torch.inference_mode(mode=False), torch.no_grad():
        for name, kept in sides.items():
            if Side.IN in kept:
                edit(skeleton.get_submodule(name), partial(mask_inputs, kept=kept[Side.IN]))
        for name in dropped:
            for part in skeleton.get_submodule(name).modules():
                for parameter, values in list(part.named_parameters(recurse=False)):
                    setattr(part, parameter, frozen(values.new_zeros(()).expand(values.shape)))
    return skeleton


def _cut(module: nn.Module, name: str, kept: Mapping[Side, Tensor]) -> None:
    """Cut the channels of a module; raises Refused where it stays as large as it was."""
    cut_channels(module, name, kept.get(Side.OUT), kept.get(Side.IN))
    if any(width_of(module, side) != len(left) for side, left in kept.items()):
        raise Refused(
            "{layer} cannot lose these channels ({reason}): leave its group whole.",
            layer=name,
            reason=N_("did not get smaller"),
        )


def side_of(network: nn.Module, name: str, side: Side) -> int | None:
    """How many channels that side has; None where there is no such side."""
    if side is Side.OWN:
        return parameter_at(network, name).shape[parameter_axis(parameter_at(network, name))]
    if side is Side.NUMBER:
        owner, _, last = name.rpartition(".")
        return int(getattr(network.get_submodule(owner), last))
    return width_of(network.get_submodule(name), side)


def parameter_at(network: nn.Module, name: str) -> Tensor:
    """A bare parameter of any shape, by its dotted name."""
    owner, _, last = name.rpartition(".")
    values: Tensor = getattr(network.get_submodule(owner), last)
    return values


def parameter_axis(values: Tensor) -> int:
    """The last axis longer than one, in any shape: there a bare parameter has its channels."""
    return max((axis for axis, size in enumerate(values.shape) if size > 1), default=0)


def kept_by_side(cuts: Iterable[ChannelCut]) -> Mapping[str, Mapping[Side, Tensor]]:
    """What each side of each module keeps after all cuts; raises Refused where nothing is left."""
    merged: dict[str, dict[Side, Tensor]] = {}
    for cut in cuts:
        sides = merged.setdefault(cut.module, {})
        sides[cut.side] = _both(sides[cut.side], cut.kept) if cut.side in sides else cut.kept
        if not len(sides[cut.side]):
            raise Refused(
                "Nothing would be left of {layer}: keep at least one of its channels.", layer=cut.module
            )
    return merged


def _opened(
    network: nn.Module, cuts: Iterable[ChannelCut], dropped: Sequence[str]
) -> tuple[nn.Module, Mapping[str, Mapping[Side, Tensor]]]:
    """A skeleton in which every name of a cut is a module, and what each side keeps."""
    skeleton = shared_copy(network)
    gone = tuple(f"{name}." for name in dropped)
    merged = kept_by_side(cut for cut in cuts if not f"{cut.module}.".startswith(gone))
    open_for(skeleton, merged)
    return skeleton, merged


def open_for(skeleton: nn.Module, sides: Mapping[str, Mapping[Side, Tensor]]) -> None:
    """Make layers of the projections that are cut."""
    open_attention(
        skeleton,
        {name.rpartition(".")[0] for name, kept in sides.items() if not any(s.is_of_owner for s in kept)},
    )


def _both(one: Tensor, other: Tensor) -> Tensor:
    return one[torch.isin(one, other)]


def _put_parameter(skeleton: nn.Module, name: str, kept: Tensor) -> None:
    owner, _, last = name.rpartition(".")
    values = parameter_at(skeleton, name)
    small = values.detach().index_select(parameter_axis(values), kept)
    setattr(skeleton.get_submodule(owner), last, frozen(small))


def _put_number(skeleton: nn.Module, name: str, kept: Tensor) -> None:
    """Lower a number that a module holds; raises Refused for whatever else bears that name, as a file may."""
    owner, _, last = name.rpartition(".")
    module = skeleton.get_submodule(owner)
    value = vars(module).get(last)
    if type(value) is not int or int(kept[-1]) >= value:
        raise Refused(
            "{layer} cannot lose these channels ({reason}): leave its group whole.",
            layer=name,
            reason=Phrase("{kind} has no form with fewer channels yet", kind=type(value).__name__),
        )
    setattr(module, last, len(kept))
