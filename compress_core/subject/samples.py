"""The sample models: a folder each with a card, weights and the data of the demo."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from safetensors.torch import load
from torch import nn

from compress_core.errors import Refused
from compress_core.subject.subject import InputForm, Split, Subject, make_subject

SPLITS = ("calibration", "validation", "test")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class CardInput(_Frozen):
    """The input section of a card."""

    kind: Literal["image", "table"]
    shape: tuple[int, ...]
    mean: float | tuple[float, ...] = 0.0
    std: float | tuple[float, ...] = 1.0
    features: tuple[str, ...] = ()

    def form(self) -> InputForm:
        """As the core uses it."""
        mean = self.mean if isinstance(self.mean, tuple) else (self.mean,)
        std = self.std if isinstance(self.std, tuple) else (self.std,)
        return InputForm(self.kind, self.shape, mean, std, self.features)


class CardShare(_Frozen):
    """An accuracy as it was measured when the card was written."""

    value: float
    low: float
    high: float
    n: int


class Card(_Frozen):
    """What a sample model says of itself."""

    name: str
    title: str
    summary: str
    factory: str
    arguments: dict[str, Any] = {}
    task: Literal["classification"]
    classes: tuple[str, ...]
    input: CardInput
    data: str
    data_origin: str
    licence: str
    trained_with: str
    seed: int
    weights: str
    sha256: str
    parameters: int
    accuracy: dict[str, CardShare]


@lru_cache(maxsize=1)
def cards() -> Mapping[str, Card]:
    """The cards of all sample models by name; torch is not needed to read them."""
    found = {path.parent.name: path for path in _folder().glob("*/card.json")}
    return {name: Card.model_validate_json(found[name].read_bytes()) for name in sorted(found)}


def _folder() -> Path:
    return Path(str(resources.files("sample_models")))


def card_of(name: str) -> Card:
    """The card of a sample model; raises Refused with the names there are."""
    if name not in cards():
        raise Refused(
            "There is no sample model {name!r}; there are {known}: choose one of them, "
            "or load your own with --model package.module:factory.",
            name=name,
            known=", ".join(cards()),
        )
    return cards()[name]


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
    folder = _folder() / name
    content = (folder / card.weights).read_bytes()
    if hashlib.sha256(content).hexdigest() != card.sha256:
        raise Refused(
            "The weights of {name} are not those its card describes: install the project again.", name=name
        )
    network = build(card.factory, card.arguments)
    network.load_state_dict(load(content))
    form = card.input.form()
    splits = _read_splits(str((folder / card.data).resolve()), form)
    return make_subject(
        card.name, card.title, network, form, card.classes, splits, card.summary, card.factory
    )


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
