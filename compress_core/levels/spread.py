"""One value for each of the weights that share it."""

from __future__ import annotations

from torch import Tensor


def spread(per_group: Tensor, inputs: int, group: int | None) -> Tensor:
    """One value for each weight, or something that broadcasts to that.

    per_group [1, 1], [out, 1] or, with groups of `group` inputs, [out, ceil(in / group)].
    """
    if group is None:
        return per_group
    if group >= inputs:
        return per_group[:, :1]
    return per_group[:, : -(-inputs // group)].repeat_interleave(group, dim=1)[:, :inputs]
