"""What the layers of a network see while calibration items run through it: inputs, gradients, order.

Nothing here keeps more than one batch, and a batch is as small as the widest input asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.network.forward import running_on
from compress_core.network.layers.kinds import Layer, WeightLocation
from compress_core.network.layers.places import matrix_within, place_in
from compress_core.network.layers.unfold import columns, readers

NUMBERS_AT_ONCE = 2**22  # of a layer's input, unfolded: 16 MiB of float32


def forward_order(network: nn.Module, layers: Sequence[Layer], example: Tensor) -> tuple[str, ...]:
    """The names of layers in the order in which one pass of an example first calls them.

    example [1, ...].

    A weight that is read by hand stands where the module around it is called. The caller owns the network.
    """
    times: dict[nn.Module, int] = {}

    def note(module: nn.Module, _inputs: object) -> None:
        times.setdefault(module, len(times))

    hooks = [module.register_forward_pre_hook(note) for module in network.modules()]
    try:
        with torch.no_grad():
            network(example)
    finally:
        for hook in hooks:
            hook.remove()
    calls = {name: times[m] for name, m in network.named_modules(remove_duplicate=False) if m in times}
    return tuple(layer.name for layer in sorted(layers, key=lambda layer: _first_call(layer, calls)))


def _first_call(layer: Layer, calls: Mapping[str, int]) -> int:
    """When a layer's module was first called, or else the innermost one around it that was."""
    names = [place.module for place in layer.places]
    while not any(name in calls for name in names) and any(names):
        names = [name.rpartition(".")[0] for name in names]
    return min((calls[name] for name in names if name in calls), default=0)


@contextmanager
def listening(modules: Iterable[nn.Module], hear: Callable[[nn.Module, Tensor], None]) -> Iterator[None]:
    """Tell what each of these modules is given, at every call; what `hear` keeps must be a copy."""

    def before(module: nn.Module, inputs: tuple[Tensor, ...], named: dict[str, Tensor]) -> None:
        hear(module, inputs[0] if inputs else next(iter(named.values())))

    hooks = [m.register_forward_pre_hook(before, with_kwargs=True) for m in dict.fromkeys(modules)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def inputs_of(network: nn.Module, layer: Layer, items: Tensor) -> Iterator[Tensor]:
    """What a layer reads, batch by batch, as columns [groups, positions, in / groups * k].

    The layer's output is columns @ matrix.T plus its bias. network: a skeleton that the caller owns.
    Raises Refused for an embedding, and where nothing is seen to reach the layer.
    """
    modules = readers(network, layer)
    each = max(1, layer.positions or 1) * layer.groups * max(1, layer.columns)
    seen = False
    for batch in torch.split(items, max(1, NUMBERS_AT_ONCE // each)):
        heard: list[Tensor] = []
        with (
            torch.no_grad(),
            running_on(batch),
            listening(modules, lambda m, given: heard.append(columns(m, given).clone())),  # noqa: B023 - heard within the loop
        ):
            network(batch)
        seen = seen or bool(heard)
        yield from heard
    if not seen:
        raise Refused(
            "{layer} did not run on the calibration items, so there is nothing to measure on it: "
            "leave it out, or use a technique that looks at weights alone.",
            layer=layer.name,
        )


def fisher_diagonals(
    network: nn.Module, layers: Sequence[Layer], items: Tensor, labels: Tensor | None
) -> Mapping[str, Tensor]:
    """Mean over items of the squared gradient of each item's loss, for every layer [out, in / groups * k].

    The loss is cross-entropy; without labels the network's own answers stand for them. Items run one by
    one, because the mean gradient of a trained network is about 0 and says nothing.
    """
    places = {layer.name: place_in(network, layer) for layer in layers}
    parameters = {name: _parameter_at(place) for name, place in places.items()}
    held = dict(network.named_parameters(remove_duplicate=False))
    sums = {layer.name: torch.zeros(layer.rows, layer.columns) for layer in layers}
    with torch.inference_mode(mode=False), torch.enable_grad():
        leaves = {name: held[name].detach().requires_grad_() for name in dict.fromkeys(parameters.values())}
        for index in range(len(items)):
            label = None if labels is None else labels[index : index + 1]
            found = _gradients(network, leaves, items[index : index + 1], label)
            for layer in layers:
                gradient = found[parameters[layer.name]]
                if gradient is not None:
                    sums[layer.name] += matrix_within(gradient, layer, places[layer.name]).square()
    return {name: total / max(1, len(items)) for name, total in sums.items()}


def _gradients(
    network: nn.Module, leaves: dict[str, Tensor], item: Tensor, label: Tensor | None
) -> dict[str, Tensor | None]:
    """The gradient of one item's loss for each parameter, None where the item does not reach it."""
    scores = torch.func.functional_call(network, leaves, (item,))
    if not isinstance(scores, Tensor) or scores.dim() != 2:
        raise Refused(
            "The model must return one table of class scores [items, classes], but it returned {got}: "
            "wrap it so that forward returns the logits.",
            got=list(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__,
        )
    loss = nn.functional.cross_entropy(scores, scores.argmax(dim=1) if label is None else label)
    found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    return dict(zip(leaves, found, strict=True))


def _parameter_at(place: WeightLocation) -> str:
    return ".".join(filter(None, (place.module, place.parameter)))
