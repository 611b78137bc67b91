"""Somebody's own network as a model, and the items it is judged on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import torch
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.loading.asked_answers import (
    NEXT_TOKEN,
    TaskName,
    kind_asked,
    refuse_other_places,
    said_of_truths,
)
from compress_core.loading.class_names import (
    classes_named_by,
    numbered,
    refuse_same_names,
    with_known_classes,
)
from compress_core.loading.item_form import ItemShape, form_of
from compress_core.loading.item_splits import splits_of
from compress_core.loading.items import Items
from compress_core.loading.load_check import checked
from compress_core.loading.network_form import form_of_network
from compress_core.loading.preprocessing import AS_IT_IS, Preprocessing
from compress_core.loading.read_items_told import telling_how_read
from compress_core.loading.user_code import explained
from compress_core.network.input_field import is_whole
from compress_core.network.layers.wrappers import refuse_without_layers
from compress_core.network.named_inputs import with_border
from compress_core.network.shared_copy import own_copy, unwrapped
from compress_core.subject.answer_kind import AnswerKind, PredictionTask
from compress_core.subject.blueprint import Blueprint
from compress_core.subject.input_form import TABLE, TEXT, InputForm
from compress_core.subject.number_types import calculating, types_before
from compress_core.subject.origin import Origin
from compress_core.subject.reading_remarks import ReadingRemarks
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject, make_subject


def with_remarks(subject: Subject, remarks: ReadingRemarks) -> Subject:
    """The same model; its summary also says what was done to read its weights, its warnings what to heed."""
    told = subject.remarks_on
    return replace(subject, remarks_on=replace(told, weights=told.weights + remarks))


def with_item_remarks(subject: Subject, remarks: ReadingRemarks) -> Subject:
    """The same model with what there is to say of how its items were read, and of no others."""
    return replace(subject, remarks_on=replace(subject.remarks_on, items=remarks))


def subject_from_network(
    network: nn.Module,
    items: Items | None,
    name: str,
    input_shape: ItemShape | None = None,
    *,
    task: TaskName | None = None,
    form: InputForm | None = None,
    preprocessing: Preprocessing = AS_IT_IS,
    classes: tuple[str, ...] | None = None,
    summary: str = "",
    origin: Origin | None = None,
    blueprint: Blueprint | None = None,
    came_as: Mapping[str, torch.dtype] = MappingProxyType({}),
) -> Subject:
    """The model that a network of your own is, with the items as `splits_of` divides them.

    It is taken to the CPU and to float32. input_shape is that of one item; the items tell it where it is not
    given. task: what is asked of it, told by its answers and the labels where it is not given; form, classes
    and summary: what is known of it, else whole numbers of one byte mean 0 to 255, they are scaled as the
    preprocessing says, and everything else is shown to the network as it is. origin or blueprint say how
    another process builds it. came_as: by name the types in which its tensors stood in a file, where it took
    them in types of its own.

    Raises Refused where the network does not run on such items or gives no table of class scores.
    """
    form = form or _known_form(items, input_shape, preprocessing, name)
    refuse_without_layers(network, name)
    with telling_how_read(items), explained(name, form.shape):
        ours = unwrapped(network)
        came_as = {**came_as, **types_before(ours.state_dict())}
        ours = calculating(ours.to("cpu")).eval()
        form = replace(form_of_network(ours, form, items, name), next_word=task == NEXT_TOKEN)
        ours = with_border(ours, form.border)
        answered = _answered_twice(ours, form.baseline)
        kind = kind_asked(task, answered, items, name)
        count = answered.shape[-1] if answered.dim() > 1 else 1
        known = classes if classes is not None and len(classes) == count else None
        own = None if items is None else _with_classes_of(items, known, kind)
        named = known or (classes_named_by(own, count) if kind.has_classes else numbered(count))
        splits = {} if own is None else splits_of(own, form, count, kind)
        if kind.task is PredictionTask.TOKENS:
            refuse_other_places(splits.values(), answered)
        built = make_subject(
            name, name, ours, form, named, splits, summary, name, origin=origin, came_as=came_as
        )
        read = ReadingRemarks() if items is None else items.remarks + said_of_truths(task, items, kind)
        return with_item_remarks(checked(replace(built, blueprint=blueprint, answers=kind)), read)


def _with_classes_of(items: Items, known: tuple[str, ...] | None, kind: AnswerKind) -> Items:
    """Items whose labels are numbered as the network names its classes, where it names them."""
    return items if known is None or not kind.has_classes else with_known_classes(items, known)


def _known_form(
    items: Items | None, input_shape: ItemShape | None, preprocessing: Preprocessing, name: str
) -> InputForm:
    """The form that items of this shape have where nothing else is known; raises Refused without a shape."""
    if items is not None and items.fields:
        return InputForm(
            TEXT if is_whole(items.fields) else TABLE, items.inputs.shape[1:], fields=items.fields
        )
    if input_shape is not None:
        return form_of(input_shape, preprocessing)
    if items is None:
        raise Refused(
            "The shape of one item of {name} is not known: give items, or the shape of one, as in "
            "1 x 28 x 28.",
            name=name,
        )
    return form_of(items.inputs.shape[1:], preprocessing, items.features)


def subject_in_form(
    network: nn.Module,
    name: str,
    form: InputForm,
    classes: tuple[str, ...],
    splits: Mapping[str, Split],
    *,
    answers: AnswerKind = AnswerKind.SCORES,
    summary: str = "",
    origin: Origin | None = None,
    blueprint: Blueprint | None = None,
    came_as: Mapping[str, torch.dtype],
) -> Subject:
    """The model that a network is whose items are prepared already; raises Refused where it does not run."""
    refuse_without_layers(network, name)
    with explained(name, form.shape):
        ours = with_border(unwrapped(network), form.border)
        built = make_subject(
            name, name, ours, form, classes, splits, summary, name, origin=origin, came_as=came_as
        )
        return checked(replace(built, blueprint=blueprint, answers=answers))


def with_classes(subject: Subject, classes: Sequence[str] | None) -> Subject:
    """The same model with names for its classes, in the order of its outputs; raises Refused for too many."""
    if classes is None:
        return subject
    if len(classes) != len(subject.classes):
        raise Refused(
            "There are {got} names of classes, but {model} tells {classes} apart: give one name for each "
            "output, in order.",
            got=len(classes),
            model=subject.title,
            classes=len(subject.classes),
        )
    names = tuple(map(str, classes))
    refuse_same_names(names, "classes")
    return replace(subject, classes=names)


def with_items(subject: Subject, items: Items) -> Subject:
    """The same model judged on other items, as `splits_of` divides them.

    It has none to train on: what it had may hold some of these. What was said of items goes with them.
    """
    items = with_known_classes(items, subject.classes)
    with telling_how_read(items):
        splits = splits_of(items, subject.input, len(subject.classes), subject.answers)
    check_places(splits.values(), subject)
    judged = checked(replace(subject, splits=MappingProxyType(splits), training=None))
    told = replace(judged.remarks_on, training=ReadingRemarks())
    return with_item_remarks(replace(judged, remarks_on=told), items.remarks)


def check_places(splits: Iterable[Split], subject: Subject) -> None:
    """Refuse labels of other places than a model answers at, where places of a sequence are judged."""
    if subject.answers.task is PredictionTask.TOKENS:
        refuse_other_places(splits, _answered_twice(subject.network, subject.input.baseline))


@torch.inference_mode()
def _answered_twice(network: nn.Module, example: Tensor) -> Tensor:
    """What it answers to two items: one that takes a single item only could not be evaluated."""
    answered: Tensor = own_copy(network)(example.repeat(2, *(1,) * (example.ndim - 1)))
    return answered
