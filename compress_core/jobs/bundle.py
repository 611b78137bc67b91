"""A visitor's own model as files for a worker: weights and items as tensors, nothing pickled.

Items to train on go as they came, in a file of their own; those of a sample are named and not sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from compress_core.foundation.workspace.uploads import CARD
from compress_core.loading.asked_answers import checked_task
from compress_core.loading.fitting_weights import loaded
from compress_core.loading.item_form import form_of
from compress_core.loading.item_splits import numbers_of_parts
from compress_core.loading.items import Items
from compress_core.loading.network_source import network_of
from compress_core.loading.own_training import OwnTrainingItems, own_training
from compress_core.loading.sample_training import SampleTrainingItems, sample_training
from compress_core.loading.user_code import network_from
from compress_core.loading.user_model import subject_in_form
from compress_core.loading.weights_subject import user_subject
from compress_core.subject.answer_kind import AnswerKind
from compress_core.subject.blueprint import Blueprint
from compress_core.subject.input_form import InputForm, form_from_json
from compress_core.subject.number_types import as_it_came, types_before
from compress_core.subject.origin import Origin
from compress_core.subject.reading_remarks import FileRemarks
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject
from compress_core.subject.training_items import TrainingItems

STATE, ITEMS = "state.safetensors", "items.safetensors"
TRAINING_ITEMS = "training.safetensors"
_ALWAYS = (STATE, ITEMS, CARD)
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
        if split.numbers is not None:
            items[f"{name}.numbers"] = torch.from_numpy(split.numbers)
    card = {
        "name": subject.name,
        "shape": subject.input.shape,
        "input": subject.input.as_json(),
        "answers": subject.answers.value,
        "summary": str(subject.described),
        "remarks": subject.remarks_on.as_json(),
        "blueprint": None if subject.blueprint is None else asdict(subject.blueprint),
        "classes": subject.classes,
        "inferred": not subject.factory,
        "origin": None if origin is None else {"factory": origin.factory, "folder": origin.folder},
        "splits": list(subject.splits),
        "trained_as": _sample_of(subject.training),
    }
    return {
        **_training_file(subject.training),
        # safetensors sorts by name, and the order of a state dict says which layer comes first.
        STATE: save(state, {_ORDER: json.dumps(list(state))}),
        ITEMS: save(items),
        CARD: json.dumps(card).encode(),
    }


def _sample_of(training: TrainingItems | None) -> str | None:
    """The sample on whose items a model is trained, where it is one's."""
    return training.sample if isinstance(training, SampleTrainingItems) else None


def _training_file(training: TrainingItems | None) -> dict[str, bytes]:
    """The items to train on that no other process finds by itself, as they came."""
    match training:
        case None | SampleTrainingItems():
            return {}
        case OwnTrainingItems(items=items):
            came = {"inputs": torch.from_numpy(items.inputs)}
            came |= {} if items.labels is None else {"labels": torch.from_numpy(items.labels)}
            return {TRAINING_ITEMS: save({name: tensor.contiguous() for name, tensor in came.items()})}
    raise AssertionError("items to train on are a sample's or somebody's own")


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
    there = (*_ALWAYS, *([TRAINING_ITEMS] if (folder / TRAINING_ITEMS).is_file() else ()))
    return {name: (folder / name).read_bytes() for name in there}


def read_bundle(files: Mapping[str, bytes]) -> Subject:
    """The model of some files; its items are taken as they are, since they were looked at before."""
    subject = _model_in(files)
    said = json.loads(files[CARD]).get("remarks")  # files of an earlier release have them in the summary
    read = FileRemarks() if said is None else FileRemarks.from_json(said)
    return replace(subject, training=_training_in(files, subject.input), remarks_on=read)


def _training_in(files: Mapping[str, bytes], form: InputForm) -> TrainingItems | None:
    if TRAINING_ITEMS in files:
        came = load(files[TRAINING_ITEMS])
        labels = came["labels"].numpy() if "labels" in came else None
        return own_training(Items(came["inputs"].numpy(), labels), form)
    sample = json.loads(files[CARD]).get("trained_as")  # files of an earlier release do not say it
    return None if sample is None else sample_training(sample)


def _model_in(files: Mapping[str, bytes]) -> Subject:
    card = json.loads(files[CARD])
    splits = _splits(load(files[ITEMS]), card["splits"])
    shape, state = tuple(card["shape"]), _state(files[STATE])
    known = _built(card, state)
    if known is not None:
        form = (
            form_from_json(card["input"]) if "input" in card else form_of(shape)
        )  # not of an earlier release
        return subject_in_form(
            known.network,
            card["name"],
            form,
            tuple(card["classes"]),
            splits,
            answers=AnswerKind(card.get("answers", AnswerKind.SCORES.value)),
            summary=card.get("summary", ""),
            origin=known.origin,
            blueprint=known.blueprint,
            came_as=types_before(state),
        )
    # Labeled items once chose among the networks that fit these weights, so they choose again.
    chosen_by = next(iter(splits.values()), None) if card["inferred"] else None
    items = None if chosen_by is None else _items(chosen_by)
    asked = AnswerKind(card.get("answers", AnswerKind.SCORES.value)).task
    subject = user_subject(
        state,
        items,
        name=card["name"],
        input_shape=shape,
        sets_apart=False,
        task=checked_task(asked.value),
    )
    classes = tuple(card.get("classes", subject.classes))  # files of an earlier release name none
    form = form_from_json(card["input"]) if "input" in card else subject.input
    return replace(subject, input=form, splits=MappingProxyType(splits), classes=classes)


@dataclass(frozen=True, eq=False)
class _Built:
    """A network with its weights, and what it was built from."""

    network: nn.Module
    origin: Origin | None = None
    blueprint: Blueprint | None = None


def _built(card: Mapping[str, Any], state: Mapping[str, Tensor]) -> _Built | None:
    """The network that its owner's code or a blueprint builds; None where the weights themselves tell it."""
    if card.get("blueprint") is not None:
        blueprint = Blueprint(**card["blueprint"])
        return _Built(network_of(blueprint, state, card["name"]), blueprint=blueprint)
    if card.get("origin") is not None:
        origin = Origin(**card["origin"])
        return _Built(loaded(network_from(origin), state, card["name"]), origin)
    return None


def _splits(tensors: Mapping[str, Tensor], names: list[str]) -> dict[str, Split]:
    found = {name: _split(name, tensors) for name in names}
    return _numbered(found) if set(found) == {"validation", "calibration"} else found


def _numbered(parts: Mapping[str, Split]) -> dict[str, Split]:
    """Items of which some were set apart, with their numbers in the file, which earlier releases left out."""
    apart = len(parts["calibration"])
    judged_at, apart_at = numbers_of_parts(len(parts["validation"]) + apart, apart)
    known = {"validation": judged_at, "calibration": apart_at}
    return {
        name: replace(part, numbers=known[name]) if part.numbers is None else part
        for name, part in parts.items()
    }


def _split(name: str, tensors: Mapping[str, Tensor]) -> Split:
    numbers = tensors.get(f"{name}.numbers")
    return Split(
        name,
        tensors[f"{name}.inputs"],
        tensors.get(f"{name}.labels"),
        numbers=None if numbers is None else numbers.numpy(),
    )


def _items(split: Split) -> Items:
    return Items(split.inputs.numpy(), None if split.labels is None else split.labels.numpy())


def _state(content: bytes) -> dict[str, Tensor]:
    """A state dict in its own order, which the header of our file tells."""
    length = int.from_bytes(content[:_LENGTH], "little")
    header = json.loads(content[_LENGTH : _LENGTH + length])
    state = load(content)
    return {name: state[name] for name in json.loads(header["__metadata__"][_ORDER])}
