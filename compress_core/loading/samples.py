"""The sample models: a folder each with a card, weights and the data of the demo."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from safetensors.torch import load
from torch import nn

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import Phrase
from compress_core.loading.cards import card_of, sample_folder
from compress_core.loading.load_check import checked
from compress_core.loading.sample_training import sample_training
from compress_core.loading.stored_splits import input_form, read_splits
from compress_core.subject.subject import Subject, make_subject


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
    splits = read_splits(str((folder / card.data).resolve()), form)
    title, summary = Phrase(card.title), Phrase(card.summary)
    subject = make_subject(card.name, title, network, form, card.classes, splits, summary, card.factory)
    return replace(checked(subject), training=sample_training(name))
