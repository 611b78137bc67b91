"""A visitor's own model as files for a worker: weights and items as tensors, nothing pickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from safetensors.torch import load, save
from torch import Tensor

from compress_core.loading.fitting_weights import loaded
from compress_core.loading.items import Items
from compress_core.loading.user_code import network_from
from compress_core.loading.user_model import form_of, subject_in_form, user_subject
from compress_core.subject.number_types import as_it_came, types_before
from compress_core.subject.origin import Origin
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject

STATE, ITEMS, CARD = "state.safetensors", "items.safetensors", "card.json"
_ORDER = "order"
_LENGTH = 8  # bytes that say how long the header of a safetensors file is


def bundle_of(subject: Subject) -> Mapping[str, bytes]:
    """The files from which `read_bundle` makes the same model with the same items.

    Raises Refused where no other process can build the network.
    """
    origin = None if subject.origin is None else subject.origin.required()
    came_as, held = subject.came_as, subject.network.state_dict()
    state = _apart({name: as_it_came(t.detach(), came_as.get(name)) for name, t in held.items()})
    items: dict[str, Tensor] = {}
    for name, split in subject.splits.items():
        items[f"{name}.inputs"] = split.inputs.contiguous()
        if split.labels is not None:
            items[f"{name}.labels"] = split.labels.contiguous()
    card = {
        "name": subject.name,
        "shape": subject.input.shape,
        "classes": subject.classes,
        "inferred": not subject.factory,
        "origin": None if origin is None else {"factory": origin.factory, "folder": origin.folder},
        "splits": list(subject.splits),
    }
    return {
        # safetensors sorts by name, and the order of a state dict says which layer comes first.
        STATE: save(state, {_ORDER: json.dumps(list(state))}),
        ITEMS: save(items),
        CARD: json.dumps(card).encode(),
    }


def _apart(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state with memory of its own for every name but the first that has it, as safetensors wants it."""
    held: set[int] = set()
    found: dict[str, Tensor] = {}
    for name, tensor in state.items():
        dense = tensor.contiguous()
        place = dense.untyped_storage().data_ptr()
        whole = dense.nbytes == dense.untyped_storage().nbytes() and place not in held
        held.add(place)
        found[name] = dense if whole else dense.clone()
    return found


def is_bundle(folder: Path) -> bool:
    """Whether the files of a model lie here."""
    return (folder / CARD).is_file()


def bundle_in(folder: Path) -> Mapping[str, bytes]:
    """The files of a model that lie in a folder."""
    return {name: (folder / name).read_bytes() for name in (STATE, ITEMS, CARD)}


def read_bundle(files: Mapping[str, bytes]) -> Subject:
    """The model of some files; its items are taken as they are, since they were prepared."""
    card = json.loads(files[CARD])
    splits = _splits(load(files[ITEMS]), card["splits"])
    shape, state = tuple(card["shape"]), _state(files[STATE])
    if card.get("origin") is not None:
        origin = Origin(**card["origin"])
        network = loaded(network_from(origin), state, card["name"])
        classes = tuple(card["classes"])
        form, came_as = form_of(shape), types_before(state)
        return subject_in_form(network, card["name"], form, classes, splits, origin, came_as)
    # Labeled items once chose among the networks that fit these weights, so they choose again.
    chosen_by = next(iter(splits.values()), None) if card["inferred"] else None
    items = None if chosen_by is None else _items(chosen_by)
    subject = user_subject(state, items, name=card["name"], input_shape=shape, sets_apart=False)
    classes = tuple(card.get("classes", subject.classes))  # files of an earlier release name none
    return replace(subject, splits=MappingProxyType(splits), classes=classes)


def _splits(tensors: Mapping[str, Tensor], names: list[str]) -> dict[str, Split]:
    return {name: Split(name, tensors[f"{name}.inputs"], tensors.get(f"{name}.labels")) for name in names}


def _items(split: Split) -> Items:
    return Items(split.inputs.numpy(), None if split.labels is None else split.labels.numpy())


def _state(content: bytes) -> dict[str, Tensor]:
    """A state dict in its own order, which the header of our file tells."""
    length = int.from_bytes(content[:_LENGTH], "little")
    header = json.loads(content[_LENGTH : _LENGTH + length])
    state = load(content)
    return {name: state[name] for name in json.loads(header["__metadata__"][_ORDER])}
