"""What somebody names as a model - a sample, a file of weights, a function - becomes a subject.

This is the way in on one's own machine: files may be as large as memory allows, and a function is run.
A small file must stay small all the same: what it may become follows from its bytes. What a server is sent
goes through a `FileReader` and its caps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from compress_core.foundation.errors import Refused
from compress_core.loading.asked_answers import TaskName, asked_of
from compress_core.loading.cards import card_of, cards
from compress_core.loading.file_format import NO_KNOBS, AskedItems, ItemKnobs
from compress_core.loading.fitting_weights import loaded_from
from compress_core.loading.huggingface.folder_files import folder_on_disk, is_model_folder
from compress_core.loading.huggingface.folder_items import training_items
from compress_core.loading.huggingface.folder_subject import folder_subject
from compress_core.loading.huggingface.opened_folder import open_folder
from compress_core.loading.huggingface.picture_form import picture_knobs
from compress_core.loading.idle_knobs import AnyItems, refuse_idle_knobs
from compress_core.loading.item_form import ItemShape
from compress_core.loading.items import Items, as_items, read_items
from compress_core.loading.onnx_model import is_onnx_file, onnx_subject_in, refuse_entry_of_onnx
from compress_core.loading.own_file import caps_of_folder, content_of_file, item_caps_for
from compress_core.loading.own_training import with_training
from compress_core.loading.preprocessing import AS_IT_IS
from compress_core.loading.registry_model import (
    RegisteredNetwork,
    registered_by_weights,
    registered_network,
    registered_subject,
)
from compress_core.loading.samples import load_sample
from compress_core.loading.state_names import StateDict
from compress_core.loading.text_items import TABLE, TEXT_FILES, TextItems, refuse_texts, texts_in
from compress_core.loading.user_code import network_from
from compress_core.loading.user_model import subject_from_network, with_items, with_remarks
from compress_core.loading.weights_place import holds_weights, state_in
from compress_core.loading.weights_subject import refuse_other_scale, sample_with, user_subject
from compress_core.subject.number_types import types_before
from compress_core.subject.origin import Origin
from compress_core.subject.reading_remarks import ReadingRemarks
from compress_core.subject.subject import Subject


@dataclass(frozen=True, eq=False)
class _Asked:
    """What somebody asked for: where weights lie, and which dict of a checkpoint is taken; items, and knobs.

    Files are read when they are asked for: what is read of pictures hangs on the model.
    """

    place: Path | None
    entry: str | None
    given: AnyItems | None
    input_shape: ItemShape | None
    knobs: ItemKnobs
    task: TaskName | None
    called: str = ""

    @property
    def name(self) -> str:
        """What the weights are called."""
        assert self.place is not None, "asked only where weights are given"
        return self.place.stem or str(self.place)

    @property
    def state(self) -> StateDict:
        """The weights; raises Refused."""
        assert self.place is not None, "asked only where weights are given"
        return state_in(self.place, self.entry)

    @property
    def items(self) -> Items | None:
        """What the model is judged on, where that is no text; raises Refused."""
        found = read_given(self.given, self.knobs)
        if isinstance(found, TextItems):
            raise refuse_texts(self.called)
        return found


def named_subject(
    model: str | None,
    *,
    weights: Path | None = None,
    entry: str | None = None,
    items: AnyItems | None = None,
    training: AnyItems | None = None,
    input_shape: ItemShape | None = None,
    task: TaskName | None = None,
    knobs: ItemKnobs = NO_KNOBS,
) -> Subject:
    """A sample by its name, what package.module:factory builds, or the network in a file or a folder.

    torchvision:NAME and timm:NAME are networks of these libraries. weights go into the network that is
    named; alone, they tell the network themselves. entry says which dict of a checkpoint is taken. A
    factory is looked for in the current folder too. items are what it is judged on, training what it can
    be trained on, read as knobs say where they are files; task: what is asked of a network.
    Raises Refused with what to give instead.
    """
    refuse_idle_knobs(items, training, knobs)
    if model is not None and is_model_folder(Path(model)):
        if weights is not None:
            raise Refused("{model} is a folder with weights of its own: leave --weights out.", model=model)
        asked = _Asked(Path(model), entry, items, input_shape, knobs, task)
        return _from_folder(asked, training)
    asked = _Asked(_place(model, weights), entry, items, input_shape, knobs, task, str(model or weights))
    subject = _judged_subject(model, asked)
    to_learn = read_given(training, knobs)
    if isinstance(to_learn, TextItems):
        raise refuse_texts(subject.title)
    return subject if to_learn is None else with_training(subject, to_learn)


def _judged_subject(model: str | None, asked: _Asked) -> Subject:
    if model is None and asked.place is None:
        raise Refused(
            "No model was named: give a sample model ({samples}), package.module:factory or a file of "
            "weights.",
            samples=", ".join(cards()),
        )
    if asked.place is None and asked.entry is not None:
        raise Refused(
            "--entry {entry} names a part of a checkpoint, but no file of weights is given: give one with "
            "--weights, or leave it out.",
            entry=asked.entry,
        )
    if model is None or _is_weights_file(model):
        return _from_weights(asked)
    registered = registered_network(model)
    if registered is not None:
        return _from_registry(registered, asked)
    if model not in cards() and ":" in model:
        return _from_factory(Origin(model, str(Path.cwd())), asked)
    return _from_sample(model, asked)


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


def _from_folder(asked: _Asked, training: AnyItems | None) -> Subject:
    """The model of a Hugging Face folder; input_shape is the length of a text there."""
    assert asked.place is not None, "it is a folder"
    files = folder_on_disk(asked.place, content_of_file)
    folder, knobs = open_folder(files), picture_knobs(files, asked.knobs)
    reads_words = folder.config.kind.is_of_words
    items, to_learn = (read_given(one, knobs, reads_words=reads_words) for one in (asked.given, training))
    length = asked.input_shape[0] if asked.input_shape else None
    if reads_words and asked.input_shape and len(asked.input_shape) != 1:
        raise Refused(
            "{model} reads texts, whose shape is their length in tokens, but got {got}: give one "
            "number, as in 64.",
            model=folder.name,
            got=list(asked.input_shape),
        )
    state = asked.state
    made = folder_subject(folder, state.tensors, items, length=length, task=asked.task)
    subject = with_remarks(made, state.remarks)
    return subject if to_learn is None else with_training(subject, training_items(folder, to_learn, subject))


def read_given(
    given: AnyItems | None, knobs: ItemKnobs, *, reads_words: bool = False
) -> Items | TextItems | None:
    """Items or texts that were given, or those in the file that was; raises Refused."""
    if not isinstance(given, Path):
        return given
    if given.suffix in TEXT_FILES or (reads_words and given.suffix == TABLE):
        return texts_in(content_of_file(given), given.name)
    return items_in(given, knobs)


def items_in(path: Path, knobs: ItemKnobs = NO_KNOBS) -> Items:
    """The items in a file of one's own, or in a folder of pictures for each class; raises Refused."""
    if path.is_dir():
        from compress_core.loading.picture_folder import items_in_picture_folder

        caps = caps_of_folder(path)
        return as_items(items_in_picture_folder(path, AskedItems(path.name, caps, knobs)), caps)
    content = content_of_file(path)
    return read_items(content, path.name, caps=item_caps_for(len(content)), knobs=knobs)


def _is_weights_file(model: str) -> bool:
    return model not in cards() and holds_weights(model)


def _from_weights(asked: _Asked) -> Subject:
    assert asked.place is not None, "asked only where weights are given"
    if is_onnx_file(asked.place):
        refuse_entry_of_onnx(asked.entry, asked.place.name)
        return onnx_subject_in(
            asked.place,
            asked.items,
            asked.input_shape,
            preprocessing=asked.knobs.preprocessing,
            task=asked.task,
        )
    state = asked.state
    told = registered_by_weights(state)
    if told is not None:
        return _from_registry(told, asked, state)
    subject = user_subject(
        state.tensors,
        asked.items,
        name=asked.name,
        input_shape=asked.input_shape,
        preprocessing=asked.knobs.preprocessing,
        task=asked.task,
    )
    return with_remarks(subject, state.remarks)


def _from_registry(network: RegisteredNetwork, asked: _Asked, state: StateDict | None = None) -> Subject:
    """A network by its name, which says what its pictures go through unless somebody says otherwise."""
    how = asked.knobs.preprocessing
    how = network.preprocessing if how == AS_IT_IS else how
    read = replace(asked, knobs=replace(asked.knobs, preprocessing=how))
    if state is None and asked.place is not None:
        state = asked.state
    return registered_subject(network, state, read.items, asked.input_shape, how, asked.task)


def _from_factory(origin: Origin, asked: _Asked) -> Subject:
    network, taken = network_from(origin), StateDict({}, ReadingRemarks())
    if asked.place is not None:
        network, taken = loaded_from(network, asked.state, asked.name)
    subject = subject_from_network(
        network,
        asked.items,
        origin.factory,
        asked.input_shape,
        task=asked.task,
        preprocessing=asked.knobs.preprocessing,
        origin=origin,
        came_as=types_before(taken.tensors),
    )
    return with_remarks(subject, taken.remarks)


def _from_sample(name: str, asked: _Asked) -> Subject:
    card = card_of(name)
    refuse_other_scale(card.name, asked.knobs.preprocessing)
    if asked.given is None and asked.knobs.preprocessing != AS_IT_IS:
        raise Refused(
            "{sample} has items of its own, which are taken as they are: leave the preprocessing out.",
            sample=card.name,
        )
    sample = load_sample(card.name)
    _refuse_other_task(sample, asked.task)
    if asked.place is not None:
        return sample_with(card.name, asked.state, asked.items, name=asked.name)
    items = asked.items
    return sample if items is None else with_items(sample, items)


def _refuse_other_task(sample: Subject, task: TaskName | None) -> None:
    """A sample model is what it was made for: raise Refused where something else is asked of it."""
    own = asked_of(sample)
    if task not in {None, own}:
        raise Refused(
            "{model} is a sample model for {own}, but was asked for {task}: leave the task out, or build its "
            "network in a function of yours and open that as package.module:factory.",
            model=sample.title,
            own=own,
            task=task,
        )
