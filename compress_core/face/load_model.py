"""load: the first thing one does."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from compress_core.face.checked_arguments import (
    checked_classes,
    checked_factory,
    checked_name,
    checked_path,
    checked_shape,
    kind_of,
)
from compress_core.face.given_items import Array, Labels, items_from, knobs_from, training_from
from compress_core.foundation.errors import Refused
from compress_core.loading.asked_answers import TaskName, checked_task
from compress_core.loading.file_format import ItemKnobs
from compress_core.loading.idle_knobs import AnyItems, refuse_idle_knobs
from compress_core.loading.named import named_subject, read_given
from compress_core.loading.own_training import with_training
from compress_core.loading.text_items import TextItems, refuse_texts
from compress_core.loading.user_code import copied, origin_of
from compress_core.loading.user_model import subject_from_network, with_classes
from compress_core.subject.subject import Subject


def load(
    model: str | Path | nn.Module,
    items: str | Path | Array | Mapping[str, Array] | Sequence[str] | None = None,
    labels: Labels | None = None,
    *,
    weights: str | Path | None = None,
    entry: str | None = None,
    training: str | Path | tuple[Array, Labels] | None = None,
    preprocessing: str | None = None,
    label_column: str | None = None,
    classes: Sequence[str] | None = None,
    input_shape: tuple[int, ...] | None = None,
    task: TaskName | None = None,
    factory: str | None = None,
) -> Subject:
    """A trained network with the items it is judged on, ready to be compressed; nothing of yours changes.

    model: a sample model's name ("lenet5"), a file of weights (safetensors, a state dict or a checkpoint) or
    the folder that holds it, the folder of a network as the Hugging Face libraries save it,
    "package.module:factory", or the network itself, which is copied and taken to the CPU in float32. weights:
    a file or folder whose weights go into a network that was named. entry: which weights of a checkpoint that
    holds several, such as "ema".
    items [N, ...]: what the network is shown, as it takes it, or a file: .npz with inputs and labels, a table
    (.csv, .parquet), texts (.jsonl), or a folder that holds a folder of pictures for each class; bytes
    (uint8) mean 0 to 255; several arrays by name for a network that takes such. preprocessing: what is done
    to pictures, "imagenet" or as in "resize=256 crop=224 mean=0.5 std=0.5". label_column: of a table, by
    name, by number from 1, or "none". labels [N]: whole numbers from 0. From 200 items on, one in ten is set
    apart for techniques that measure. training: what it can be trained on, a file or (items, labels); none of
    these may be among the items it is judged on. classes: a name for each output. input_shape: of one item,
    where no items are given. factory: how other processes build a network that was given itself,
    "package.module:function".

    task: what is asked, where answers and labels do not tell it: "labels" (several, each by itself: labels
    [N, C] of 0 and 1), "regression" (labels are real numbers), "tokens" (a class at each place: labels
    [N, L], -100 where none is judged), "next_token" (a language model: the next word is the label) or
    "embedding" (a vector, compared with the original's).

    What one should know of the network before trusting its numbers comes as a warning of Python, and stays
    in `warnings`; layers that cannot be compressed rightly are in `locked`, with the reason.

    Raises Refused with what to change where the network does not run on the items, or nothing of that name
    is there.

        model = load("lenet5")
        model = load(my_network, images, labels, classes=("cat", "dog"))
    """
    names, shape, builder = checked_classes(classes), checked_shape(input_shape), checked_factory(factory)
    knobs = knobs_from(preprocessing, label_column)
    beside = _Beside(items_from(items, labels), training_from(training), shape, task, knobs)
    if isinstance(model, nn.Module):
        subject = _given_itself(model, beside, weights=weights, entry=entry, builder=builder)
    else:
        subject = _named(model, beside, weights=weights, entry=entry, builder=builder)
    for sentence in subject.warnings:
        warnings.warn(sentence, stacklevel=2)
    return with_classes(subject, names)


@dataclass(frozen=True, eq=False)
class _Beside:
    """What was said beside the model: items, what to train on, the shape of one item, what is asked."""

    items: AnyItems | None
    training: AnyItems | None
    shape: tuple[int, ...] | None
    task: TaskName | None
    knobs: ItemKnobs


def _given_itself(
    model: nn.Module, beside: _Beside, *, weights: str | Path | None, entry: str | None, builder: str | None
) -> Subject:
    """The model that a network is which was given itself; raises Refused as `load` does."""
    if weights is not None or entry is not None:
        raise Refused(
            "weights and entry go with a network that is named: a network that is given itself has its "
            "weights. Leave them out."
        )
    network = copied(model)
    name = type(network).__name__
    origin, task = origin_of(network, builder), checked_task(beside.task)
    refuse_idle_knobs(beside.items, beside.training, beside.knobs)
    own, to_learn = read_given(beside.items, beside.knobs), read_given(beside.training, beside.knobs)
    if isinstance(own, TextItems) or isinstance(to_learn, TextItems):
        raise refuse_texts(name)
    how = beside.knobs.preprocessing
    subject = subject_from_network(
        network, own, name, beside.shape, task=task, preprocessing=how, origin=origin
    )
    return subject if to_learn is None else with_training(subject, to_learn)


def _named(
    model: object, beside: _Beside, *, weights: str | Path | None, entry: str | None, builder: str | None
) -> Subject:
    """The model that goes by a name, with the weights of a file where one is given; raises Refused."""
    source = _name_of(model)
    if builder is not None:
        raise Refused(
            "factory goes with a network that is given itself: leave it out for {model}.", model=source
        )
    return named_subject(
        source,
        weights=None if weights is None else checked_path(weights),
        entry=None if entry is None else checked_name("entry", entry),
        items=beside.items,
        training=beside.training,
        input_shape=beside.shape,
        task=checked_task(beside.task),
        knobs=beside.knobs,
    )


def _name_of(model: object) -> str:
    """What names a model; a class and a state dict are near misses with a sentence each."""
    if isinstance(model, str | Path):
        return str(model)
    if isinstance(model, type) and issubclass(model, nn.Module):
        raise Refused(
            "{name} is a class, not a trained network: give an instance with its weights, as in "
            "load({name}(), items).",
            name=model.__name__,
        )
    if isinstance(model, Mapping):
        raise Refused(
            "A state dict has the weights but not the network: build the network, call "
            "network.load_state_dict(state), and give that network."
        )
    raise Refused(
        "A model is a network, a sample model's name, a file of weights or package.module:factory, but got "
        "{got}: give one of these.",
        got=kind_of(model),
    )
