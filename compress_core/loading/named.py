"""What somebody names as a model - a sample, a file of weights, a function - becomes a subject.

This is the way in on one's own machine: files may be as large as memory allows, and a function is run.
A small file must stay small all the same: what it may become follows from its bytes. What a server is sent
goes through a `FileReader` and its caps.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from compress_core.foundation.errors import Refused
from compress_core.loading.asked_answers import TaskName
from compress_core.loading.cards import card_of, cards
from compress_core.loading.fitting_weights import loaded_from
from compress_core.loading.huggingface.folder_files import folder_on_disk, is_model_folder
from compress_core.loading.huggingface.folder_subject import folder_subject, open_folder, training_items
from compress_core.loading.items import Items, read_items
from compress_core.loading.onnx_model import is_onnx_file, onnx_subject_in
from compress_core.loading.own_file import content_of_file, item_caps_for
from compress_core.loading.own_training import with_training
from compress_core.loading.reading_remarks import ReadingRemarks
from compress_core.loading.samples import load_sample
from compress_core.loading.state_names import StateDict
from compress_core.loading.text_items import TEXT_FILES, TextItems, refuse_texts, texts_in_lines
from compress_core.loading.user_code import network_from
from compress_core.loading.user_model import (
    ItemShape,
    sample_with,
    subject_from_network,
    user_subject,
    with_items,
    with_remarks,
)
from compress_core.loading.weights_place import holds_weights, state_in
from compress_core.subject.origin import Origin
from compress_core.subject.subject import Subject

GivenItems = Items | TextItems


def named_subject(
    model: str | None,
    *,
    weights: Path | None = None,
    entry: str | None = None,
    items: GivenItems | None = None,
    training: GivenItems | None = None,
    input_shape: ItemShape | None = None,
    task: TaskName | None = None,
) -> Subject:
    """A sample by its name, what package.module:factory builds, or the network in a file or a folder.

    weights go into the network that is named; alone, they tell the network themselves. entry says which dict
    of a checkpoint is taken. A factory is looked for in the current folder too. items are what it is judged
    on, training what it can be trained on; task: what is asked of a factory's network. Raises Refused with
    what to give instead.
    """
    if model is not None and is_model_folder(Path(model)):
        if weights is not None:
            raise Refused("{model} is a folder with weights of its own: leave --weights out.", model=model)
        return _from_folder(_Given(Path(model), entry), items, training, input_shape, task)
    if isinstance(items, TextItems) or isinstance(training, TextItems):
        raise refuse_texts(str(model or weights))
    subject = _judged_subject(model, weights, entry, items, input_shape, task)
    return subject if training is None else with_training(subject, training)


def _judged_subject(
    model: str | None,
    weights: Path | None,
    entry: str | None,
    items: Items | None,
    input_shape: ItemShape | None,
    task: TaskName | None,
) -> Subject:
    if model is None and weights is None:
        raise Refused(
            "No model was named: give a sample model ({samples}), package.module:factory or a file of "
            "weights.",
            samples=", ".join(cards()),
        )
    place = _place(model, weights)
    if place is None and entry is not None:
        raise Refused(
            "--entry {entry} names a part of a checkpoint, but no file of weights is given: give one with "
            "--weights, or leave it out.",
            entry=entry,
        )
    given = None if place is None else _Given(place, entry)
    if given is not None and (model is None or _is_weights_file(model)):
        if entry is None and is_onnx_file(given.place):
            return onnx_subject_in(given.place, items, input_shape)
        state = given.state()
        subject = user_subject(state.tensors, items, name=given.name, input_shape=input_shape)
        return with_remarks(subject, state.remarks)
    assert model is not None, "one of the two is given"
    if model not in cards() and ":" in model:
        return _from_factory(Origin(model, str(Path.cwd())), given, items, input_shape, task)
    return _from_sample(model, given, items)


@dataclass(frozen=True)
class _Given:
    """Where weights lie, and which dict of a checkpoint is taken; read when they are asked for."""

    place: Path
    entry: str | None

    @property
    def name(self) -> str:
        return self.place.stem or str(self.place)

    def state(self) -> StateDict:
        return state_in(self.place, self.entry)


def _place(model: str | None, weights: Path | None) -> Path | None:
    """Where the weights lie, where any are given."""
    if model is None or not _is_weights_file(model):
        return weights
    if weights is not None:
        raise Refused(
            "{model} and --weights are both files of weights: give one of them, or a network as MODEL.",
            model=model,
        )
    return Path(model)


def _from_folder(
    given: _Given,
    items: GivenItems | None,
    training: GivenItems | None,
    input_shape: ItemShape | None,
    task: TaskName | None,
) -> Subject:
    """The model of a Hugging Face folder; input_shape is the length of a text there."""
    folder = open_folder(folder_on_disk(given.place, content_of_file))
    state = given.state()
    length = input_shape[0] if input_shape else None
    made = folder_subject(folder, state.tensors, items, length=length, task=task)
    subject = with_remarks(made, state.remarks)
    return subject if training is None else with_training(subject, training_items(folder, training, subject))


def given_in(path: Path) -> GivenItems:
    """The items or the texts in a file of one's own; raises Refused."""
    if path.suffix in TEXT_FILES:
        return texts_in_lines(content_of_file(path), path.name)
    return items_in(path)


def items_in(path: Path) -> Items:
    """The items in a file of one's own, .npz or .npy; raises Refused."""
    content = content_of_file(path)
    return read_items(content, path.name, caps=item_caps_for(len(content)))


def _is_weights_file(model: str) -> bool:
    return model not in cards() and holds_weights(model)


def _from_factory(
    origin: Origin,
    given: _Given | None,
    items: Items | None,
    input_shape: ItemShape | None,
    task: TaskName | None,
) -> Subject:
    network, remarks = network_from(origin), ReadingRemarks()
    if given is not None:
        network, remarks = loaded_from(network, given.state(), given.name)
    subject = subject_from_network(network, items, origin.factory, input_shape, task=task, origin=origin)
    return with_remarks(subject, remarks)


def _from_sample(name: str, given: _Given | None, items: Items | None) -> Subject:
    card = card_of(name)
    if given is not None:
        return sample_with(card.name, given.state(), items, name=given.name)
    return load_sample(card.name) if items is None else with_items(load_sample(card.name), items)
