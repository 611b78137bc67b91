"""Values that are NaN or infinite while calibration items run: on how many, and the sentence about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.network.forward import run_network, running_on, tensors_in


def is_finite(values: Tensor) -> bool:
    """Whether no value is NaN or infinite; any shape."""
    return bool(values.isfinite().all())


def first_not_finite(network: nn.Module, items: Tensor) -> str | None:
    """The first module in a pass of all items [N, ...] that is given or gives a value that is not finite.

    Its name, None where there is none. A module that holds no parameters may be given infinities on purpose,
    as a softmax behind a mask is. The caller owns the network.
    """
    found: list[str] = []

    def note(name: str) -> Callable[..., None]:
        return lambda module, *values: found.extend([name] * (not found and _is_broken(module, values)))

    hooks = []
    for name, module in network.named_modules():
        if next(module.children(), None) is None:
            hooks.append(module.register_forward_pre_hook(note(name), with_kwargs=True))
            hooks.append(module.register_forward_hook(note(name)))
    try:
        with torch.no_grad(), running_on(items):
            run_network(network, items)
    finally:
        for hook in hooks:
            hook.remove()
    return found[0] if found else None


def _is_broken(module: nn.Module, values: object) -> bool:
    """Whether what a module is given or gives holds NaN; infinity too where the module has parameters."""
    learned = next(module.parameters(recurse=False), None) is not None
    return any(not is_finite(v) if learned else bool(v.isnan().any()) for v in tensors_in(values))


def items_not_finite(
    network: nn.Module, modules: Iterable[nn.Module], items: Tensor, *, given_alone: bool = True
) -> Mapping[nn.Module, int]:
    """On how many items [N, ...] each of these modules is given a value that is NaN or infinite.

    Or gives one, unless what they are given alone is asked for. Items run one by one, since a module need not
    keep them apart. The caller owns the network.
    """
    wanted = tuple(dict.fromkeys(modules))
    if not wanted:
        return {}
    seen: set[nn.Module] = set()
    counts = dict.fromkeys(wanted, 0)

    def note(module: nn.Module, *values: object) -> None:
        if _is_broken(module, values):
            seen.add(module)

    hooks = [module.register_forward_pre_hook(note, with_kwargs=True) for module in wanted]
    if not given_alone:
        hooks += [module.register_forward_hook(note) for module in wanted]
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
