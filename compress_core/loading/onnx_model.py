"""A network that was read off an ONNX file, with items: counted, built, and compared with ONNX Runtime."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from compress_core.foundation.texts import Phrase
from compress_core.loading.allowance import ON_OWN_MACHINE, LayerWork, RunLimits, check_allowed, check_scores
from compress_core.loading.items import Items
from compress_core.loading.network_source import network_of
from compress_core.loading.onnx_file.file_parts import begins_like_onnx
from compress_core.loading.onnx_file.runtime_difference import (
    NotComparedError,
    RuntimeAnswers,
    answers_apart,
    compared_with_runtime,
    refuse_beyond_rounding,
)
from compress_core.loading.onnx_file.understanding import Description, read_network
from compress_core.loading.own_file import content_of_file, weight_caps_for
from compress_core.loading.preprocessing import AS_IT_IS, Preprocessing
from compress_core.loading.reading_remarks import in_a_row, some_of
from compress_core.loading.user_model import ItemShape, subject_from_network
from compress_core.network.input_field import InputField
from compress_core.network.layers.vocabulary import words_known
from compress_core.subject.blueprint import Blueprint
from compress_core.subject.input_form import TEXT, InputForm
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
    allowed: RunLimits = ON_OWN_MACHINE,
    answers: RuntimeAnswers = answers_apart,
) -> Subject:
    """The model in an ONNX file: `found` is what was understood of `content`.

    Raises Refused where running it would take more than is allowed, it does not fit the items, or it answers
    differently from ONNX Runtime.
    """
    shape: ItemShape = tuple(found.told["item_shape"])
    work = tuple(LayerWork(*each) for each in found.work)
    if work:
        check_allowed(work, shape, allowed)
    blueprint = Blueprint.of(SOURCE, found.told)
    state = {each: torch.from_numpy(np.array(values)) for each, values in found.state.items()}
    network = network_of(blueprint, state, name)
    form = _form_of_words(shape, words_known(network), items) if found.told["words"] else None
    summary = Phrase("From an ONNX file, onto layers of torch.")
    subject = subject_from_network(
        network,
        items,
        name,
        shape,
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
    except OSError:
        return False


def onnx_subject_in(
    path: Path,
    items: Items | None,
    input_shape: ItemShape | None = None,
    preprocessing: Preprocessing = AS_IT_IS,
) -> Subject:
    """The model in a file of one's own; sizes that it leaves open are those of the items. Raises Refused."""
    content = content_of_file(path)
    shape = input_shape if input_shape is not None or items is None else items.inputs.shape[1:]
    found = read_network(content, weight_caps_for(len(content)), shape)
    return onnx_subject(found, content, items, name=path.stem, preprocessing=preprocessing)


def _form_of_words(shape: ItemShape, known: int | None, items: Items | None) -> InputForm:
    highest = 1 if items is None else int(items.inputs.max())
    return InputForm(
        TEXT, shape, fields=(InputField("", shape, "whole", values=known or max(2, highest + 1)),)
    )


def _compared(subject: Subject, found: Description, content: bytes, answers: RuntimeAnswers) -> Subject:
    """The subject with what a comparison with ONNX Runtime says; raises Refused where the two differ."""
    notes = list(_notes(found))
    summary: Any = subject.summary
    try:
        seen = compared_with_runtime(subject.network, content, _some(subject, found), found.fixed, answers)
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
        summary = in_a_row((summary, seen.text))
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
    return replace(subject, summary=summary, warnings=(*subject.warnings, *notes))


def _some(subject: Subject, found: Description) -> Tensor:
    """Random items and real ones [n, ...], as the network of the file takes them."""
    less = 4 if subject.input.baseline.numel() > _LARGE else 1
    generator = torch.Generator().manual_seed(_SEED)
    parts = [subject.input.drawn(_RANDOM // less, generator)]
    parts += [split.inputs[: _REAL // less] for split in list(subject.splits.values())[:1]]
    return torch.cat([part.to(parts[0].dtype) for part in parts]).to(_TYPES[found.told["takes"]])


_TYPES = {"float32": torch.float32, "int64": torch.int64, "int32": torch.int32}


def _notes(found: Description) -> list[Phrase]:
    if not found.from_codes:
        return []
    return [
        Phrase(
            "The weights of {count} layers came as whole numbers with a scale ({layers}): they are opened as "
            "the numbers that these stand for, in 32 bits.",
            count=len(found.from_codes),
            layers=some_of(found.from_codes),
        )
    ]
