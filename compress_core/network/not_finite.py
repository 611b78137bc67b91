"""Values that are NaN or infinite while calibration items run: on how many, and the sentence about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.network.forward import run_network, running_on


def is_finite(values: Tensor) -> bool:
    """Whether no value is NaN or infinite; any shape."""
    return bool(values.isfinite().all())


def items_not_finite(
    network: nn.Module, modules: Iterable[nn.Module], items: Tensor
) -> Mapping[nn.Module, int]:
    """On how many items [N, ...] each of these modules is given a value that is NaN or infinite.

    Items run one by one, since a module need not keep them apart. The caller owns the network.
    """
    wanted = tuple(dict.fromkeys(modules))
    if not wanted:
        return {}
    seen: set[nn.Module] = set()
    counts = dict.fromkeys(wanted, 0)

    def note(module: nn.Module, given: tuple[Tensor, ...], named: dict[str, Tensor]) -> None:
        if not is_finite(given[0] if given else next(iter(named.values()))):
            seen.add(module)

    hooks = [module.register_forward_pre_hook(note, with_kwargs=True) for module in wanted]
    try:
        with torch.no_grad():
            for item in torch.split(items, 1):
                seen.clear()
                with running_on(item):
                    run_network(network, item)
                for module in seen:
                    counts[module] += 1
    finally:
        for hook in hooks:
            hook.remove()
    return counts


def reads_not_finite(layer: str, count: int, total: int) -> Refused:
    """What to say of a layer that reads such values on so many of all items, each run alone."""
    if not count:
        return Refused(
            "{layer} reads NaN or infinite values when calibration items run together, though none alone "
            "makes them, so nothing can be measured on it: let each item be computed by itself.",
            layer=layer,
        )
    return Refused(
        "{layer} reads NaN or infinite values on {count} of {total} calibration items, so nothing can be "
        "measured on it: repair what stands before it, leave those items out, or use a technique that looks "
        "at weights alone.",
        layer=layer,
        count=count,
        total=total,
    )
