"""Somebody's own model: a state dict or a network, and the items it is judged on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import Phrase
from compress_core.loading.allowance import ON_OWN_MACHINE, RunLimits, check_scores
from compress_core.loading.asked_answers import (
    NEXT_TOKEN,
    TaskName,
    check_labels,
    kind_asked,
    kind_of_rows,
    refuse_other_places,
    with_asked_labels,
    with_class_numbers,
)
from compress_core.loading.cards import card_of, cards
from compress_core.loading.class_names import (
    classes_named_by,
    numbered,
    refuse_same_names,
    with_known_classes,
)
from compress_core.loading.fitting_weights import loaded
from compress_core.loading.infer import InferredNetwork, best_candidate, match_known, network_candidates
from compress_core.loading.items import Items, fit_to
from compress_core.loading.load_check import checked
from compress_core.loading.network_form import form_of_network, refuse_other_fields
from compress_core.loading.preprocessing import AS_IT_IS, Preprocessing
from compress_core.loading.reading_remarks import ReadingRemarks, in_a_row
from compress_core.loading.registry_signatures import torchvision_name_of
from compress_core.loading.samples import build, load_sample
from compress_core.loading.state_names import StateDict, named_as
from compress_core.loading.user_code import explained
from compress_core.network.input_field import is_whole
from compress_core.network.layers.wrappers import refuse_without_layers
from compress_core.network.named_inputs import with_border
from compress_core.network.shared_copy import own_copy, unwrapped
from compress_core.subject.answer_kind import AnswerKind, PredictionTask
from compress_core.subject.blueprint import Blueprint
from compress_core.subject.input_form import IMAGE, TABLE, TEXT, InputForm
from compress_core.subject.number_types import calculated_type, calculating, types_before
from compress_core.subject.origin import Origin
from compress_core.subject.split import Split
from compress_core.subject.subject import ITEMS_TO_SHARE, Subject, make_subject

ItemShape = tuple[int, ...]

_ITEMS_TO_CHOOSE = 1000
"""Labeled items on which the arrangements of an inferred network are told apart."""

_MOST_SET_APART = 512


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
    items = None if items is None else with_class_numbers(items, kind)
    known = match_known(state, known_shapes())
    if known is not None and kind is AnswerKind.SCORES:
        refuse_other_scale(known, preprocessing)
        return sample_with(known, StateDict(state, ReadingRemarks()), items, name=name)
    came_as = types_before(state)
    state = {key: tensor.to(calculated_type(tensor.dtype)) for key, tensor in state.items()}
    judged, apart = (items, None) if items is None or not sets_apart else _set_apart(items)
    items_in_all = 0 if items is None else len(items.inputs)
    remarks = ReadingRemarks() if items is None else items.remarks
    del items  # large, and no longer needed
    try:
        inferred = _inferred(state, judged, input_shape, preprocessing, allowed, kind)
    except Refused as refused:
        raise _known_by_name(state) or refused from None
    check_scores(items_in_all, inferred.classes, allowed)
    classes = classes_named_by(judged, inferred.classes) if kind.has_classes else numbered(inferred.classes)
    form = form_of(inferred.input_shape, preprocessing, () if judged is None else judged.features)
    splits = _splits(judged, apart, form, len(classes), kind)
    with explained(name, inferred.input_shape):
        made = make_subject(
            name, name, inferred.network, form, classes, splits, inferred.description, came_as=came_as
        )
        return with_remarks(checked(replace(made, answers=kind)), remarks)


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
    splits = base.splits if own is None else splits_of(own, base.input, len(base.classes))
    summary = Phrase("The architecture of {sample} with weights of your own.", sample=Phrase(card.title))
    came_as = types_before(named.tensors)
    form, classes = base.input, base.classes
    subject = checked(
        make_subject(name, name, network, form, classes, splits, summary, card.factory, came_as=came_as)
    )
    trained_on = base.training if items is None else None
    read = ReadingRemarks() if items is None else items.remarks
    return with_remarks(replace(subject, training=trained_on), state.remarks + named.remarks + read)


def with_remarks(subject: Subject, remarks: ReadingRemarks) -> Subject:
    """The same model; its summary also says what was done to read it, its warnings what must be heeded."""
    return replace(
        subject,
        summary=in_a_row((subject.summary, *remarks.summary)),
        warnings=(*remarks.warnings, *subject.warnings),
    )


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
) -> Subject:
    """The model that a network of your own is, with the items as `splits_of` divides them.

    It is taken to the CPU and to float32. input_shape is that of one item; the items tell it where it is not
    given. task: what is asked of it, told by its answers and the labels where it is not given; form, classes
    and summary: what is known of it, else whole numbers of one byte mean 0 to 255, they are scaled as the
    preprocessing says, and everything else is shown to the network as it is. origin or blueprint say how
    another process builds it.

    Raises Refused where the network does not run on such items or gives no table of class scores.
    """
    form = form or _known_form(items, input_shape, preprocessing, name)
    refuse_without_layers(network, name)
    with explained(name, form.shape):
        ours = unwrapped(network)
        came_as = types_before(ours.state_dict())
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
        read = ReadingRemarks() if items is None else items.remarks
        return with_remarks(checked(replace(built, blueprint=blueprint, answers=kind)), read)


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

    It has none to train on: what it had may hold some of these.
    """
    items = with_known_classes(items, subject.classes)
    splits = splits_of(items, subject.input, len(subject.classes), subject.answers)
    check_places(splits.values(), subject)
    judged = checked(replace(subject, splits=MappingProxyType(splits), warnings=(), training=None))
    return with_remarks(judged, items.remarks)


def check_places(splits: Iterable[Split], subject: Subject) -> None:
    """Refuse labels of other places than a model answers at, where places of a sequence are judged."""
    if subject.answers.task is PredictionTask.TOKENS:
        refuse_other_places(splits, _answered_twice(subject.network, subject.input.baseline))


def splits_of(
    items: Items, form: InputForm, classes: int, kind: AnswerKind = AnswerKind.SCORES
) -> dict[str, Split]:
    """Items as the validation split; from 200 on, one in ten (at most 512) is for calibration instead.

    Which ones is drawn with a fixed seed. Techniques measure on the items set apart, and no accuracy
    is reported on them. Raises Refused where the items don't fit.
    """
    return _splits(*_set_apart(items), form, classes, kind)


def _splits(
    judged: Items | None,
    apart: Items | None,
    form: InputForm,
    classes: int,
    kind: AnswerKind = AnswerKind.SCORES,
) -> dict[str, Split]:
    named = {"validation": judged, "calibration": apart}
    found = {n: split_of(items, form, classes, kind) for n, items in named.items() if items is not None}
    return {name: replace(split, name=name) for name, split in found.items()}


def judged_items(items: Items) -> Items:
    """The items that a model is judged on, without those that are set apart to calibrate on."""
    return _set_apart(items)[0]


def _set_apart(items: Items) -> tuple[Items, Items | None]:
    """The items to judge on and those to calibrate on, None where there are too few."""
    total = len(items.inputs)
    if total < ITEMS_TO_SHARE:
        return items, None
    drawn = torch.randperm(total, generator=torch.Generator().manual_seed(0)).numpy()
    count = min(_MOST_SET_APART, total // 10)
    apart, judged = np.sort(drawn[:count]), np.sort(drawn[count:])
    return _some(items, judged), _some(items, apart)


def _some(items: Items, which: NDArray[np.int64]) -> Items:
    labels = None if items.labels is None else items.labels[which]
    return replace(items, inputs=items.inputs[which], labels=labels)


def split_of(items: Items, form: InputForm, classes: int, kind: AnswerKind = AnswerKind.SCORES) -> Split:
    """Items in the form that the network takes, as the validation split; raises Refused."""
    fitted = fitting(items, form, classes, kind)
    labels = None if fitted.labels is None else torch.from_numpy(fitted.labels)
    return Split("validation", form.prepared(fitted.inputs), labels)


def fitting(items: Items, form: InputForm, classes: int, kind: AnswerKind = AnswerKind.SCORES) -> Items:
    """Items [N, *form.shape] that are not prepared yet; raises Refused where they don't fit the network."""
    if not len(items.inputs):
        raise Refused("There are no items here: give an array of one item at least, [N, ...] with N from 1.")
    refuse_other_fields(items, form)
    fitted = fit_to(with_asked_labels(items, form, kind), form.shape)
    check_labels(fitted, kind, classes)
    _check_scale(fitted, form)
    return fitted


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


def form_of(
    shape: ItemShape, preprocessing: Preprocessing = AS_IT_IS, features: tuple[str, ...] = ()
) -> InputForm:
    """How items of this shape are shown to a network whose card is not known: as they are, but for a scale.

    features: of a table. Raises Refused for what is done to pictures where there are none, or a scale of
    other channels.
    """
    mean, std = preprocessing.mean or (0.0,), preprocessing.std or (1.0,)
    if len(shape) != 3:
        if preprocessing != AS_IT_IS:
            raise Refused(
                "Preprocessing says {how}, but the items of shape {shape} are no images [channels, height, "
                "width]: leave it out.",
                how=preprocessing.as_text(),
                shape=list(shape),
            )
        return InputForm(TABLE, shape, features=features if len(features) == math.prod(shape) else ())
    if not {len(mean), len(std)} <= {1, shape[0]}:
        raise Refused(
            "Preprocessing gives {got} numbers for mean and std, but the network takes {channels} channels: "
            "give one for each, or one for all.",
            got=max(len(mean), len(std)),
            channels=shape[0],
        )
    return InputForm(IMAGE, shape, mean, std)


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
    input_shape: ItemShape | None,
    preprocessing: Preprocessing,
    allowed: RunLimits,
    kind: AnswerKind,
) -> InferredNetwork:
    if items is None:
        return network_candidates(state, input_shape=input_shape, allowed=allowed, answers=kind)[0]
    readings = [input_shape] if input_shape is not None else _readings(items)
    fitting = _fitting(state, readings, allowed, kind)
    likeliest = fitting[0]
    check_labels(items, kind, likeliest.classes)
    if items.labels is None:
        return likeliest
    head = _some(items, np.arange(min(_ITEMS_TO_CHOOSE, len(items.labels))))
    split = split_of(head, form_of(likeliest.input_shape, preprocessing), likeliest.classes, kind)
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


def _check_scale(items: Items, form: InputForm) -> None:
    """Images for a network that scales them itself must not have been scaled before."""
    scales = form.is_image and (any(form.mean) or any(std != 1 for std in form.std))
    if not scales or items.inputs.dtype == "uint8":
        return
    low, high = float(items.inputs.min()), float(items.inputs.max())
    if low < 0 or high > 1:
        raise Refused(
            "The images hold numbers from {low:g} to {high:g}, but this architecture takes bytes (uint8, "
            "0 to 255) or numbers from 0 to 1: save them before any normalization.",
            low=low,
            high=high,
        )


@torch.inference_mode()
def _answered_twice(network: nn.Module, example: Tensor) -> Tensor:
    """What it answers to two items: one that takes a single item only could not be evaluated."""
    answered: Tensor = own_copy(network)(example.repeat(2, *(1,) * (example.ndim - 1)))
    return answered
