"""A network that was read off an ONNX file, with items: counted, built, and compared with ONNX Runtime."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from compress_core.foundation.errors import Refused
from compress_core.foundation.texts import Phrase
from compress_core.loading.allowance import ON_OWN_MACHINE, LayerWork, RunLimits, check_allowed, check_scores
from compress_core.loading.asked_answers import TaskName
from compress_core.loading.item_form import ItemShape
from compress_core.loading.items import Items
from compress_core.loading.onnx_file.file_parts import begins_like_onnx
from compress_core.loading.onnx_file.graph_inputs import ItemShapes
from compress_core.loading.onnx_file.graph_network import filled_network
from compress_core.loading.onnx_file.runtime_child import RuntimeQuestion
from compress_core.loading.onnx_file.runtime_difference import (
    AT_ONCE,
    NotComparedError,
    RuntimeAnswers,
    answers_apart,
    compared_with_runtime,
    refuse_beyond_rounding,
    whole_batches,
)
from compress_core.loading.onnx_file.understanding import Description, read_network
from compress_core.loading.own_file import content_of_file, weight_caps_for
from compress_core.loading.preprocessing import AS_IT_IS, Preprocessing
from compress_core.loading.stored import shown
from compress_core.loading.user_model import subject_from_network
from compress_core.network.input_field import InputField, is_whole
from compress_core.network.named_inputs import inputs_by_name
from compress_core.subject.blueprint import Blueprint
from compress_core.subject.input_form import TABLE, TEXT, InputForm
from compress_core.subject.reading_remarks import in_a_row, some_of
from compress_core.subject.subject import Subject

SOURCE = "from_onnx"
_RANDOM, _REAL, _LARGE = 8, 32, 2**16
"""Items that are compared, fewer where one has more values than this."""
_SEED = 5
_FIRST_BYTES = 16


def onnx_subject(
    found: Description,
    content: bytes,
    items: Items | None,
    *,
    name: str,
    preprocessing: Preprocessing = AS_IT_IS,
    task: TaskName | None = None,
    allowed: RunLimits = ON_OWN_MACHINE,
    answers: RuntimeAnswers = answers_apart,
) -> Subject:
    """The model in an ONNX file: `found` is what was understood of `content`; task: what is asked of it.

    Raises Refused where running it would take more than is allowed, it does not fit the items, or it answers
    differently from ONNX Runtime.
    """
    form = _form(found, items)
    work = tuple(LayerWork(*each) for each in found.work)
    if work:
        check_allowed(work, tuple(found.told["inputs"][0][1]), allowed)
    blueprint = Blueprint.of(SOURCE, found.told)
    state = {each: torch.tensor(np.asarray(values, order="C")) for each, values in found.state.items()}
    network = filled_network(found.told, state, name)
    del state
    summary = Phrase("From an ONNX file, onto layers of torch.")
    subject = subject_from_network(
        network,
        items,
        name,
        tuple(found.told["inputs"][0][1]),
        task=task,
        form=form,
        preprocessing=preprocessing,
        summary=summary,
        blueprint=blueprint,
    )
    check_scores(0 if items is None else len(items.inputs), len(subject.classes), allowed)
    return _compared(subject, found, content, answers)


def is_onnx_file(path: Path) -> bool:
    """Whether a file is there that begins as ONNX files do."""
    try:
        with path.open("rb") as file:
            return begins_like_onnx(file.read(_FIRST_BYTES))
    except (OSError, ValueError):  # a name with a NUL in it is a ValueError
        return False


def refuse_entry_of_onnx(entry: str | None, file: str) -> None:
    """Refuse the name of a part of a checkpoint beside an ONNX file, which holds one network."""
    if entry is not None:
        raise Refused(
            "{entry} names a part of a checkpoint, but {file} is an ONNX file, which holds one network with "
            "its weights: leave it out.",
            entry=shown(entry),
            file=shown(file),
        )


def _refuse_other_input(found: Description, asked: ItemShape | None) -> None:
    """Refuse the shape of an item that is not the one that a file says."""
    inputs = found.told["inputs"]
    if asked is not None and len(inputs) == 1 and tuple(inputs[0][1]) != tuple(asked):
        raise Refused(
            "The shape {got} was given for one item, but the ONNX file takes {wanted}: leave it out.",
            got=list(asked),
            wanted=list(inputs[0][1]),
        )


def onnx_subject_in(
    path: Path,
    items: Items | None,
    input_shape: ItemShape | None = None,
    preprocessing: Preprocessing = AS_IT_IS,
    task: TaskName | None = None,
) -> Subject:
    """The model in a file of one's own; sizes that it leaves open are those of the items. Raises Refused."""
    content = content_of_file(path)
    shapes = shapes_given(items) if input_shape is None else input_shape
    found = read_network(content, weight_caps_for(len(content)), shapes)
    _refuse_other_input(found, input_shape)
    return onnx_subject(found, content, items, name=path.stem, preprocessing=preprocessing, task=task)


def _form(found: Description, items: Items | None) -> InputForm | None:
    """What an item is: an array of words, or a row of several inputs by name; None for real numbers."""
    inputs = found.told["inputs"]
    if len(inputs) == 1 and inputs[0][2] == "float32":
        return None
    by_name = len(inputs) > 1
    fields = tuple(_field(each, items, by_name=by_name) for each in inputs)
    shape = (sum(field.width for field in fields),) if by_name else fields[0].shape
    return InputForm(TEXT if is_whole(fields) else TABLE, shape, fields=fields)


def _field(said: list[Any], items: Items | None, *, by_name: bool) -> InputField:
    """One input; how many numbers it knows is told by the table that it looks into, else by the items."""
    name, shape, kind, words = said
    blank = int("mask" in name)
    if kind in {"float32", "bool"}:
        return InputField(name, tuple(shape), "real" if kind == "float32" else "truth", blank=blank)
    highest = 1
    if items is not None:
        there = [field.values - 1 for field in items.fields if field.name == name]
        highest = max(there, default=0 if by_name else int(items.inputs.max()))
    return InputField(name if by_name else "", tuple(shape), "whole", words or max(2, highest + 1), blank)


def _compared(subject: Subject, found: Description, content: bytes, answers: RuntimeAnswers) -> Subject:
    """The subject with what a comparison with ONNX Runtime says; raises Refused where the two differ."""
    notes = list(_notes(found))
    described: Any = subject.described
    try:
        rows = whole_batches(_some(subject), found.fixed)
        inputs = _arrays(subject.input, rows, [kind for _, _, kind, _ in found.told["inputs"]])
        question = RuntimeQuestion(content, found.output, found.fixed or AT_ONCE, inputs)
        seen = compared_with_runtime(subject.network, rows, question, answers)
    except NotComparedError as error:
        notes.append(
            Phrase(
                "{model} was not compared with ONNX Runtime ({reason}): compare some of its answers "
                "yourself.",
                model=subject.title,
                reason=str(error),
            )
        )
    else:
        refuse_beyond_rounding(seen, subject.title, is_rounded=found.rounds)
        described = in_a_row((described, seen.text))
        if seen.other:
            notes.append(
                Phrase(
                    "{model} rounds values on the way, so that a value at the border of two codes may get "
                    "the other: {other} of {items} items were answered a little differently by ONNX Runtime.",
                    model=subject.title,
                    other=seen.other,
                    items=seen.items,
                )
            )
    return replace(subject, described=described, network_warnings=(*subject.network_warnings, *notes))


def _some(subject: Subject) -> Tensor:
    """Random items and real ones [n, ...], as rows where the network takes several inputs."""
    less = 4 if subject.input.baseline.numel() > _LARGE else 1
    generator = torch.Generator().manual_seed(_SEED)
    parts = [subject.input.drawn(_RANDOM // less, generator)]
    parts += [split.inputs[: _REAL // less] for split in list(subject.splits.values())[:1]]
    return torch.cat([part.to(parts[0].dtype) for part in parts])


def _arrays(form: InputForm, rows: Tensor, kinds: list[str]) -> tuple[np.ndarray[Any, Any], ...]:
    """The same items as the file takes them."""
    inputs = list(inputs_by_name(form.fields, rows).values()) if form.by_name else [rows]
    return tuple(each.numpy().astype(kind) for each, kind in zip(inputs, kinds, strict=True))


def _notes(found: Description) -> list[Phrase]:
    notes = []
    if found.left_out:
        notes.append(
            Phrase(
                "Of the outputs of the ONNX file {output} is judged; {others} are left out.",
                output=shown(found.output),
                others=some_of(map(shown, found.left_out)),
            )
        )
    if found.from_codes:
        notes.append(_codes_note(found))
    return notes


def _codes_note(found: Description) -> Phrase:
    return Phrase(
        "The weights of {count} layers came as whole numbers with a scale ({layers}): they are opened as "
        "the numbers that these stand for, in 32 bits.",
        count=len(found.from_codes),
        layers=some_of(found.from_codes),
    )


def shapes_given(items: Items | None) -> ItemShapes:
    """The shapes of the items, from which sizes follow that a file leaves open."""
    if items is None:
        return None
    if items.fields:
        return {field.name: list(field.shape) for field in items.fields}
    return list(items.inputs.shape[1:])
