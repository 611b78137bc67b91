"""The sample models: a folder each with a card, weights and the data of the demo."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from safetensors.torch import load
from torch import nn

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import Phrase
from compress_core.loading.cards import CardInput, card_of, sample_folder
from compress_core.loading.load_check import checked
from compress_core.subject.input_form import InputForm
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject, make_subject

SPLITS = ("calibration", "validation", "test")


def input_form(said: CardInput) -> InputForm:
    """The input section of a card as the core uses it."""
    mean = said.mean if isinstance(said.mean, tuple) else (said.mean,)
    std = said.std if isinstance(said.std, tuple) else (said.std,)
    return InputForm(said.kind, said.shape, mean, std, said.features)


def build(factory: str, arguments: Mapping[str, Any] | None = None) -> nn.Module:
    """The network that package.module:factory makes; raises Refused where it cannot be called."""
    module_name, _, attribute = factory.partition(":")
    if not module_name or not attribute:
        raise Refused("A factory is written package.module:function, but got {got!r}.", got=factory)
    try:
        make = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise Refused(
            "{factory} cannot be imported ({reason}): run from the folder that holds the package.",
            factory=factory,
            reason=str(error),
        ) from None
    network = make(**(arguments or {}))
    if not isinstance(network, nn.Module):
        raise Refused(
            "{factory} must return a torch.nn.Module, but it returned {got}.",
            factory=factory,
            got=type(network).__name__,
        )
    return network


def load_sample(name: str) -> Subject:
    """A sample model with its items; raises Refused where the file is not the one the card describes."""
    card = card_of(name)
    folder = sample_folder() / name
    content = (folder / card.weights).read_bytes()
    if hashlib.sha256(content).hexdigest() != card.sha256:
        raise Refused(
            "The weights of {name} are not those its card describes: install the project again.", name=name
        )
    network = build(card.factory, card.arguments)
    network.load_state_dict(load(content))
    form = input_form(card.input)
    splits = _read_splits(str((folder / card.data).resolve()), form)
    title, summary = Phrase(card.title), Phrase(card.summary)
    return checked(make_subject(card.name, title, network, form, card.classes, splits, summary, card.factory))


@lru_cache(maxsize=4)
def _read_splits(path: str, form: InputForm) -> Mapping[str, Split]:
    with np.load(path, allow_pickle=False) as arrays:
        return {
            split: Split(
                split,
                form.prepared(arrays[f"{split}_inputs"]),
                torch.from_numpy(arrays[f"{split}_labels"]).to(torch.int64),
            )
            for split in SPLITS
            if f"{split}_inputs" in arrays
        }
