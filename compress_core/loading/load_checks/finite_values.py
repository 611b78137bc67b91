"""Whether parameters, statistics, items and what layers make of them are finite numbers."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from compress_core.foundation.texts import Phrase
from compress_core.loading.load_check import LoadedNetwork, NetworkWarning, load_check
from compress_core.network.forward import running_on
from compress_core.network.not_finite import first_not_finite, items_not_finite

_MOST_ITEMS = 256
_MOST_VALUES = 2**15
"""Numbers of all items that are tried: as many small ones as a calibration has, a few large images."""


@load_check(order=10)
def finite_values(loaded: LoadedNetwork) -> Iterator[NetworkWarning]:
    """What is not finite, by the name of the tensor or of the layer where it first shows."""
    yield from _state(loaded)
    yield from _items(loaded)
    tried = _tried(loaded)
    first = first_not_finite(loaded.copy(), tried)
    if first is not None:
        yield _at_layer(loaded, first, tried)
    else:
        yield from _answers(loaded, tried)


def _answers(loaded: LoadedNetwork, items: Tensor) -> Iterator[NetworkWarning]:
    """Answers that are no numbers though every layer gives such: what forward makes of them."""
    with torch.inference_mode(), running_on(items):
        answered = loaded.copy()(items.clone())
    if not isinstance(answered, Tensor) or not answered.is_floating_point() or answered.dim() < 1:
        return
    broken = (answered.isnan() | answered.isposinf()).reshape(len(answered), -1).any(dim=1)
    if bool(broken.any()):
        yield NetworkWarning(
            Phrase(
                "{model} answers {count} of {total} items that were tried with NaN or infinite values, "
                "though none of its layers does: no answer to these is right. Look at what its forward does "
                "with what the layers give.",
                model=loaded.name,
                count=int(broken.count_nonzero()),
                total=len(broken),
            )
        )


def _state(loaded: LoadedNetwork) -> Iterator[NetworkWarning]:
    """Tensors beside the weights of layers, which the table of layers tells of."""
    network = loaded.subject.network
    told = {
        ".".join(filter(None, (place.module, place.parameter)))
        for layer in loaded.subject.layers
        for place in layer.places
    }
    parameters = {name for name, _ in network.named_parameters(remove_duplicate=False)}
    for name, tensor in network.state_dict().items():
        if name in told or not (tensor.is_floating_point() or tensor.is_complex()):
            continue
        learned = name in parameters or name.rpartition(".")[2].startswith("running_")
        broken = ~tensor.isfinite() if learned else tensor.isnan()  # a mask is infinite on purpose
        if bool(broken.any()):
            yield NetworkWarning(
                Phrase(
                    "{tensor} holds {count} values that are NaN or infinite: repair the model.",
                    tensor=name,
                    count=int(broken.count_nonzero()),
                )
            )
        elif name.endswith("running_var") and bool((tensor < 0).any()):
            yield NetworkWarning(
                Phrase(
                    "{tensor} holds {count} variances below 0, whose root is NaN: repair the model.",
                    tensor=name,
                    count=int((tensor < 0).count_nonzero()),
                )
            )


def _items(loaded: LoadedNetwork) -> Iterator[NetworkWarning]:
    for name, split in loaded.subject.splits.items():
        broken = ~split.inputs.isfinite().flatten(1).all(dim=1)
        if bool(broken.any()):
            yield NetworkWarning(
                Phrase(
                    "{count} of {total} {split} items hold NaN or infinite values: remove or fill them.",
                    count=int(broken.count_nonzero()),
                    total=len(split),
                    split=name,
                )
            )


def _tried(loaded: LoadedNetwork) -> Tensor:
    """Items to run: of the calibration where there is one, since it is measured on."""
    splits = loaded.subject.splits
    split = splits.get("calibration", next(iter(splits.values()), None))
    if split is None or not len(split):
        return loaded.probe
    each = max(1, split.inputs[0].numel())
    count = max(len(loaded.probe), min(_MOST_ITEMS, _MOST_VALUES // each))
    finite = split.inputs.isfinite().flatten(1).all(dim=1)
    return split.inputs[finite][:count] if bool(finite.any()) else loaded.probe


def _at_layer(loaded: LoadedNetwork, name: str, items: Tensor) -> NetworkWarning:
    network = loaded.copy()
    module = network.get_submodule(name)
    count = items_not_finite(network, [module], items, given_alone=False)[module]
    if not count:
        return NetworkWarning(
            Phrase(
                "{layer} meets NaN or infinite values when items run together, though none alone makes them.",
                layer=name or loaded.name,
            )
        )
    return NetworkWarning(
        Phrase(
            "{layer} meets NaN or infinite values on {count} of {total} items that were tried: what is "
            "measured there or behind it may be refused.",
            layer=name or loaded.name,
            count=count,
            total=len(items),
        )
    )
