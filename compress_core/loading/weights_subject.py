"""The model that weights alone tell: a sample's architecture, or a plain network that is inferred."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from torch import Tensor

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import Phrase
from compress_core.loading.allowance import ON_OWN_MACHINE, RunLimits, check_scores
from compress_core.loading.asked_answers import (
    TaskName,
    check_labels,
    kind_of_rows,
    said_of_truths,
    with_class_numbers,
)
from compress_core.loading.best_candidate import best_candidate
from compress_core.loading.cards import card_of, cards
from compress_core.loading.class_names import classes_named_by, numbered, with_known_classes
from compress_core.loading.fitting_weights import loaded
from compress_core.loading.infer import InferredNetwork, network_candidates
from compress_core.loading.item_form import ItemShape, form_of
from compress_core.loading.item_splits import (
    items_asked,
    items_at,
    prepared_split,
    set_apart,
    splits_of,
    splits_of_parts,
)
from compress_core.loading.items import Items
from compress_core.loading.known_architecture import match_known
from compress_core.loading.load_check import checked
from compress_core.loading.preprocessing import AS_IT_IS, Preprocessing
from compress_core.loading.read_items_told import telling_how_read, with_how_read
from compress_core.loading.registry_signatures import torchvision_name_of
from compress_core.loading.samples import build, load_sample
from compress_core.loading.state_names import StateDict, named_as
from compress_core.loading.user_code import explained
from compress_core.loading.user_model import with_item_remarks, with_remarks
from compress_core.subject.answer_kind import AnswerKind
from compress_core.subject.number_types import calculated_type, types_before
from compress_core.subject.reading_remarks import ReadingRemarks
from compress_core.subject.subject import Subject, make_subject

_ITEMS_TO_CHOOSE = 1000
"""Labeled items on which the arrangements of an inferred network are told apart."""


def user_subject(
    state: Mapping[str, Tensor],
    items: Items | None,
    *,
    name: str,
    input_shape: ItemShape | None = None,
    preprocessing: Preprocessing = AS_IT_IS,
    sets_apart: bool = True,
    task: TaskName | None = None,
    allowed: RunLimits = ON_OWN_MACHINE,
) -> Subject:
    """The model that a state dict holds, with the items as `splits_of` divides them.

    The architecture of a sample is recognized by its names and shapes and brings input form, classes and,
    where no items are given, splits. Any other is inferred as a plain MLP or CNN; labeled items choose
    among the arrangements that fit. input_shape is that of one item, for an inferred network without items;
    preprocessing says the scale of an inferred network's images; task what is asked of it, told by the labels
    where it is not given.

    Raises Refused where the weights are those of no such network, the items don't fit, or running it would
    take more than is allowed.
    """
    if items is not None and items.fields:
        raise Refused(
            "The items are arrays by name ({names}), but the network that these weights tell takes one "
            "array: call it 'inputs'.",
            names=", ".join(field.name for field in items.fields),
        )
    kind = kind_of_rows(task, items, name)
    remarks = ReadingRemarks() if items is None else items.remarks + said_of_truths(task, items, kind)
    items = None if items is None else with_class_numbers(items, kind)
    known = match_known(state, known_shapes())
    if known is not None and kind is AnswerKind.SCORES:
        refuse_other_scale(known, preprocessing)
        return sample_with(known, StateDict(state, ReadingRemarks()), items, name=name)
    came_as = types_before(state)
    state = {key: tensor.to(calculated_type(tensor.dtype)) for key, tensor in state.items()}
    judged, apart = (items, None) if items is None or not sets_apart else set_apart(items)
    items_in_all = 0 if items is None else len(items.inputs)
    try:
        inferred = _inferred(state, items, judged, input_shape, preprocessing, allowed, kind)
    except Refused as refused:
        raise _known_by_name(state) or with_how_read(refused, items) from None
    check_scores(items_in_all, inferred.classes, allowed)
    classes = classes_named_by(judged, inferred.classes) if kind.has_classes else numbered(inferred.classes)
    form = form_of(inferred.input_shape, preprocessing, () if judged is None else judged.features)
    if items is not None:
        with telling_how_read(items):
            items_asked(items, form, len(classes), kind)
    del items  # large, and no longer needed
    splits = splits_of_parts(judged, apart, form)
    with explained(name, inferred.input_shape):
        made = make_subject(
            name, name, inferred.network, form, classes, splits, inferred.told, came_as=came_as
        )
        read = with_item_remarks(checked(replace(made, answers=kind)), remarks)
    return with_remarks(read, inferred.remarks)


def _known_by_name(state: Mapping[str, Tensor]) -> Refused | None:
    """What to do with weights of a network that torchvision builds by its name; None for all others."""
    name = torchvision_name_of({key: tuple(tensor.shape) for key, tensor in state.items()})
    if name is None:
        return None
    return Refused(
        "These are weights of torchvision's {name}, which is built by its name on your own machine: install "
        "slimscope[torchvision], then slimscope open torchvision:{name} --weights FILE.",
        name=name,
    )


def sample_with(
    sample: str,
    state: StateDict,
    items: Items | None,
    *,
    name: str,
) -> Subject:
    """A sample's architecture with other weights; its own splits and training items where none are given.

    Raises Refused where the weights or the items don't fit.
    """
    card, base = card_of(sample), load_sample(sample)
    network = build(card.factory, card.arguments)
    named = named_as(network.state_dict().keys(), state.tensors)
    network = loaded(network, named.tensors, name)
    own = None if items is None else with_known_classes(items, base.classes)
    with telling_how_read(own):
        splits = base.splits if own is None else splits_of(own, base.input, len(base.classes))
    summary = Phrase("The architecture of {sample} with weights of your own.", sample=Phrase(card.title))
    came_as = types_before(named.tensors)
    form, classes = base.input, base.classes
    subject = checked(
        make_subject(name, name, network, form, classes, splits, summary, card.factory, came_as=came_as)
    )
    trained_on = base.training if items is None else None
    read = ReadingRemarks() if items is None else items.remarks
    told = with_item_remarks(replace(subject, training=trained_on), read)
    return with_remarks(told, state.remarks + named.remarks)


@lru_cache(maxsize=1)
def known_shapes() -> Mapping[str, Mapping[str, ItemShape]]:
    """The tensor names and shapes of every sample's architecture."""
    # Not under torch.device("meta"): its first use imports 800 modules and takes two seconds.
    networks = {card.name: build(card.factory, card.arguments) for card in cards().values()}
    return MappingProxyType(
        {
            sample: {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
            for sample, network in networks.items()
        }
    )


def refuse_other_scale(sample: str, preprocessing: Preprocessing) -> None:
    """Raise Refused where a scale is given for the architecture of a sample, which has its own."""
    if preprocessing.scales:
        raise Refused(
            "The architecture is that of {sample}, which has a mean and std of its own: leave them out of "
            "the preprocessing.",
            sample=sample,
        )


def _inferred(
    state: Mapping[str, Tensor],
    items: Items | None,
    judged: Items | None,
    input_shape: ItemShape | None,
    preprocessing: Preprocessing,
    allowed: RunLimits,
    kind: AnswerKind,
) -> InferredNetwork:
    """The network that fits all items; those that are judged choose among several."""
    if items is None or judged is None:
        return network_candidates(state, input_shape=input_shape, allowed=allowed, answers=kind)[0]
    readings = [input_shape] if input_shape is not None else _readings(items)
    fitting = _fitting(state, readings, allowed, kind)
    likeliest = fitting[0]
    check_labels(items, kind, likeliest.classes)
    if judged.labels is None:
        return likeliest
    head = items_at(judged, np.arange(min(_ITEMS_TO_CHOOSE, len(judged.labels))))
    split = prepared_split(head, form_of(likeliest.input_shape, preprocessing))
    assert split.labels is not None, "labeled items"
    return best_candidate(fitting, split.inputs, split.labels, kind)


def _readings(items: Items) -> tuple[ItemShape, ...]:
    """How one of these items may be meant, likeliest first."""
    shape = items.inputs.shape[1:]
    if items.pictures and shape[0] in {1, 3}:
        return (shape, (4 - shape[0], *shape[1:]))  # in gray or in color
    match shape:
        case (values,):
            side = math.isqrt(values)
            return (shape, (1, side, side)) if side**2 == values else (shape,)
        case (height, width):
            return ((1, height, width),)
        case (height, width, channels):
            return (shape, (channels, height, width))
    return (shape,)


def _fitting(
    state: Mapping[str, Tensor], readings: Sequence[ItemShape], allowed: RunLimits, kind: AnswerKind
) -> tuple[InferredNetwork, ...]:
    refusals = []
    for shape in readings:
        try:
            return network_candidates(state, input_shape=shape, allowed=allowed, answers=kind)
        except Refused as refused:
            refusals.append(refused)
    raise refusals[0]
