"""A network of torchvision or timm, by name and with weights of one's own: on one's own machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from compress_core.foundation.texts import Phrase
from compress_core.loading.asked_answers import TaskName
from compress_core.loading.fitting_weights import loaded_from
from compress_core.loading.hub_preprocessing import preprocessing_of_timm, preprocessing_of_torchvision
from compress_core.loading.item_form import ItemShape, form_of
from compress_core.loading.items import Items
from compress_core.loading.network_source import network_sources
from compress_core.loading.preprocessing import PRESETS, Preprocessing
from compress_core.loading.registry_names import imported
from compress_core.loading.registry_signatures import torchvision_name_of
from compress_core.loading.state_names import StateDict, named_as
from compress_core.loading.user_model import subject_from_network, with_remarks
from compress_core.subject.blueprint import Blueprint
from compress_core.subject.number_types import types_before
from compress_core.subject.reading_remarks import ReadingRemarks
from compress_core.subject.subject import Subject

_SEED = 0
_SIDE = 224
_BRANCHES = ("aux1.", "AuxLogits.")


@dataclass(frozen=True)
class RegisteredNetwork:
    """A network as its name tells it: who builds it, what its pictures go through, how classes are called.

    classes: of the weights that the library offers; empty where it says none.
    """

    source: str
    name: str
    preprocessing: Preprocessing
    classes: tuple[str, ...] = ()

    def built(self, told: Mapping[str, Any]) -> nn.Module:
        """The network without its weights; raises Refused."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_SEED)
            return network_sources()[self.source].build({"name": self.name, **told})


def registered_network(model: str) -> RegisteredNetwork | None:
    """The network that torchvision:NAME or timm:NAME names; None for any other. Raises Refused."""
    source, _, name = model.partition(":")
    return _SOURCES[source](name) if source in _SOURCES and name else None


def registered_by_weights(state: StateDict) -> RegisteredNetwork | None:
    """The network of torchvision that weights belong to, where that is installed; None for all others."""
    if find_spec("torchvision") is None:
        return None
    name = torchvision_name_of({key: tuple(tensor.shape) for key, tensor in state.tensors.items()})
    return None if name is None else _of_torchvision(name)


def registered_subject(
    found: RegisteredNetwork,
    state: StateDict | None,
    items: Items | None,
    input_shape: ItemShape | None,
    preprocessing: Preprocessing,
    task: TaskName | None = None,
) -> Subject:
    """The network with the weights of a file, and items as `splits_of` divides them.

    task: what is asked of it. How many classes it has follows from the weights. Without weights they are
    random, which is said. Raises Refused where the weights are another network's, or the items don't fit.
    """
    shape = input_shape or _shape_of(items, preprocessing)
    told = _numbers(found, state, None if input_shape is None else input_shape[-1])
    network, taken = found.built(told), StateDict({}, _RANDOM)
    if state is not None:
        network, taken = loaded_from(network, state, found.name)
    subject = subject_from_network(
        network,
        items,
        f"{found.source}:{found.name}",
        shape,
        task=task,
        form=form_of(shape, preprocessing),
        classes=found.classes or None,
        summary=Phrase("{name} of {source}.", name=found.name, source=found.source),
        blueprint=Blueprint.of(found.source, {"name": found.name, **told}),
        came_as=types_before(taken.tensors),
    )
    return with_remarks(subject, taken.remarks)


_RANDOM = ReadingRemarks(
    (), (Phrase("Its weights are random, since none were given: name a file of them with --weights."),)
)


def _shape_of(items: Items | None, how: Preprocessing) -> ItemShape:
    """The shape of the items, channels first, else of what the preprocessing makes."""
    if items is not None and items.inputs.ndim == 4:
        first, *others = items.inputs.shape[1:]
        return (first, *others) if first in {1, 3} else (others[-1], first, others[0])
    height, width = how.crop or (_SIDE, _SIDE)
    return (1 if how.channels == "gray" else 3, height, width)


def _numbers(found: RegisteredNetwork, state: StateDict | None, size: int | None) -> dict[str, Any]:
    """What beside its name a network is told: classes as the weights have them, further heads, a size."""
    told: dict[str, Any] = {} if size is None else {"size": size}
    if state is None:
        return told
    told |= {"branches": True} if any(p in name for name in state.tensors for p in _BRANCHES) else {}
    built = found.built(told).state_dict()
    classes = _other_classes(built, named_as(built.keys(), state.tensors).tensors)
    return told if classes is None else {**told, "classes": classes}


def _other_classes(expected: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> int | None:
    """How many answers weights give that differ from a network in nothing but that; None for no difference.

    Weights that differ otherwise are left to the refusal that names the first.
    """
    pairs = [(expected[name].shape, given[name].shape) for name in expected if name in given]
    changed = {(was[0], now[0]) for was, now in pairs if was != now and was[1:] == now[1:] and was}
    return changed.pop()[1] if len({was for was, _ in changed}) == 1 and len(changed) == 1 else None


def _of_torchvision(name: str) -> RegisteredNetwork:
    models = imported("torchvision.models")
    plain = RegisteredNetwork("torchvision", name, PRESETS["imagenet"])
    if name not in models.list_models(module=models):
        return plain  # refused where it is built
    weights = models.get_model_weights(name).DEFAULT
    categories = tuple(map(str, weights.meta.get("categories", ())))
    return replace(
        plain, preprocessing=preprocessing_of_torchvision(weights.transforms()), classes=categories
    )


def _of_timm(name: str) -> RegisteredNetwork:
    library = imported("timm")
    plain = RegisteredNetwork("timm", name, PRESETS["imagenet"])
    if not library.is_model(name.partition(".")[0]):
        return plain
    config = library.get_pretrained_cfg(name)
    return plain if config is None else replace(plain, preprocessing=preprocessing_of_timm(config.to_dict()))


_SOURCES: Mapping[str, Callable[[str], RegisteredNetwork]] = MappingProxyType(
    {"torchvision": _of_torchvision, "timm": _of_timm}
)
