"""A visitor's own model as files for a worker: weights and items as tensors, nothing pickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load, save
from torch import Tensor

from compress_core.subject.infer import infer_network
from compress_core.subject.subject import InputForm, Split, Subject, make_subject

STATE, ITEMS, CARD = "state.safetensors", "items.safetensors", "card.json"
_ORDER = "order"


def bundle_of(subject: Subject) -> Mapping[str, bytes]:
    """The files from which `read_bundle` makes the same model with the same items."""
    state = {name: t.detach().contiguous().clone() for name, t in subject.network.state_dict().items()}
    items: dict[str, Tensor] = {}
    for name, split in subject.splits.items():
        items[f"{name}.inputs"] = split.inputs.contiguous()
        if split.labels is not None:
            items[f"{name}.labels"] = split.labels.contiguous()
    card = {
        "name": subject.name,
        "title": subject.title,
        "input": asdict(subject.input),
        "classes": subject.classes,
        "splits": list(subject.splits),
    }
    return {
        # safetensors sorts by name, and the order of a state dict says which layer comes first.
        STATE: save(state, {_ORDER: json.dumps(list(state))}),
        ITEMS: save(items),
        CARD: json.dumps(card).encode(),
    }


def is_bundle(folder: Path) -> bool:
    """Whether the files of a model lie here."""
    return (folder / CARD).is_file()


def read_bundle(folder: Path) -> Subject:
    """The model whose files lie in a folder."""
    card = json.loads((folder / CARD).read_bytes())
    form = InputForm(**{k: tuple(v) if isinstance(v, list) else v for k, v in card["input"].items()})
    network = infer_network(_state(folder / STATE), input_shape=form.shape).network
    items = load((folder / ITEMS).read_bytes())
    splits = {
        name: Split(name, items[f"{name}.inputs"], items.get(f"{name}.labels")) for name in card["splits"]
    }
    return make_subject(card["name"], card["title"], network, form, tuple(card["classes"]), splits)


def _state(path: Path) -> dict[str, Tensor]:
    with safe_open(path, "pt") as file:
        order = json.loads(file.metadata()[_ORDER])
        return {name: file.get_tensor(name) for name in order}


