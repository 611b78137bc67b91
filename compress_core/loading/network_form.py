"""What a network is given and answers with: told by its items, and by trying it on one without content."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.loading.items import Items
from compress_core.network.forward import RAISED_BY_OTHERS, takes
from compress_core.network.input_field import InputField
from compress_core.network.layers.vocabulary import words_known
from compress_core.network.named_inputs import answer_named, with_border
from compress_core.network.shared_copy import own_copy
from compress_core.subject.input_form import TEXT, InputForm

_ANSWERS = ("logits", "scores", "prediction_logits", "last_hidden_state")
"""How tensors that are judged are called where a network answers with several, the likeliest first."""
_SOME_WORDS = 2


def form_of_network(network: nn.Module, form: InputForm, items: Items | None, name: str) -> InputForm:
    """The form of the items of a network, with whole numbers where it takes those alone, and its answer.

    Raises Refused where it takes no such items, and whatever the network raises on them.
    """
    if form.by_name:
        _refuse_unless_arguments(network, form.fields, name)
    bordered = with_border(own_copy(network), form.border)
    try:
        answered = _answered(bordered, form.baseline)
    except RAISED_BY_OTHERS:
        if form.fields or form.is_image or not takes(bordered, form.baseline.long()):
            raise
        form = _of_words(form, items, network)
        answered = _answered(bordered, form.baseline)
    return form if isinstance(answered, Tensor) else replace(form, answer=_judged(answered, name))


@torch.inference_mode()
def _answered(network: nn.Module, example: Tensor) -> Any:
    """Of two items: a network that takes a single one only could not be evaluated."""
    return network(example.repeat(2, *(1,) * (example.ndim - 1)))


def _of_words(form: InputForm, items: Items | None, network: nn.Module) -> InputForm:
    """The same form for whole numbers from 0; raises Refused for items that are not such."""
    most = words_known(network) or _SOME_WORDS
    if items is not None:
        most = max(most, _highest(items) + 1)
    return replace(form, kind=TEXT, fields=(InputField("", form.shape, "whole", values=most),))


def _highest(items: Items) -> int:
    values = items.inputs
    if values.dtype.kind == "f" and (bool((values != np.rint(values)).any()) or float(values.min()) < 0):
        raise Refused(
            "The network takes whole numbers from 0, such as those of words, but the items hold {got:g}: "
            "give the numbers as they come from the tokenizer.",
            got=float(values[(values != np.rint(values)) | (values < 0)].flat[0]),
        )
    return int(values.max())


def refuse_other_fields(items: Items, form: InputForm) -> None:
    """Refuse items that are not what a network takes: other inputs by name, or fractions where words are."""
    if form.is_whole and not form.by_name:
        _highest(items)
    wanted = [(field.name, field.shape) for field in form.fields if field.name]
    got = [(field.name, field.shape) for field in items.fields]
    if wanted != got:
        raise Refused(
            "The items hold {got}, but the network takes {wanted}: give arrays of these names and shapes, in "
            "this order.",
            got=_listed(got) or "one array",
            wanted=_listed(wanted) or "one array",
        )
    if form.by_name:
        _refuse_fractions(items, form)


def _refuse_fractions(items: Items, form: InputForm) -> None:
    """Refuse numbers with fractions or below 0 in inputs that take whole ones."""
    start = 0
    for field in form.fields:
        values = items.inputs[:, start : start + field.width]
        start += field.width
        if field.kind == "real" or values.dtype.kind != "f":
            continue
        broken = values[(values != np.rint(values)) | (values < 0)]
        if broken.size:
            raise Refused(
                "The input {name} holds {got:g}, but the network takes whole numbers from 0 there: give what "
                "the tokenizer gives.",
                name=field.name,
                got=float(broken.flat[0]),
            )


def _listed(inputs: list[tuple[str, tuple[int, ...]]]) -> str:
    return ", ".join(f"{name} {list(shape)}" for name, shape in inputs)


def _refuse_unless_arguments(network: nn.Module, fields: tuple[InputField, ...], name: str) -> None:
    parameters = inspect.signature(network.forward).parameters.values()
    taken = [p.name for p in parameters if p.kind in {p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY}]
    unknown = [field.name for field in fields if field.name not in taken]
    if unknown and not any(p.kind is p.VAR_KEYWORD for p in parameters):
        raise Refused(
            "The items of {name} have an input {unknown!r}, but its forward takes {taken}: name the arrays "
            "as the arguments of forward.",
            name=name,
            unknown=unknown[0],
            taken=", ".join(taken) or "none",
        )


def _judged(answered: Any, name: str) -> str:
    """Which of several tensors is judged; raises Refused where nothing says it."""
    for known in (*_ANSWERS, "0"):
        if isinstance(answer_named(answered, known), Tensor):
            return known
    raise Refused(
        "{name} must answer with a tensor, or with several of which one is called {known}, but it gave "
        "{got}: wrap it so that forward returns what is judged.",
        name=name,
        known=" or ".join(_ANSWERS[:2]),
        got=_told(answered),
    )


def _told(answered: Any) -> str:
    kind = type(answered).__name__
    if dataclasses.is_dataclass(answered) or isinstance(answered, Mapping):
        names = vars(answered) if not isinstance(answered, Mapping) else answered
        return f"{kind} of {', '.join(map(str, list(names)[:6]))}"
    return kind
