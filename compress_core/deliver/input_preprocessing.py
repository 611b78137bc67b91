"""How items become what a written network takes: for whoever feeds it where slimscope is not there."""

from __future__ import annotations

import json
from collections.abc import Mapping

from compress_core.foundation.texts import N_, Phrase
from compress_core.loading.preprocessing import READ_WITH
from compress_core.subject.input_form import InputForm
from compress_core.subject.reading_remarks import in_a_row
from compress_core.subject.subject import Subject

AS_GIVEN = N_("The network takes its inputs as they were given to Slimscope.")
BYTES_DIVIDED = N_(
    "The network takes its inputs as they were given to Slimscope; what came as bytes was divided by 255."
)
SENTENCE, VALUES = "input", "preprocessing"
"""The names of the metadata of an ONNX file: a sentence, and JSON where there is a scale."""
_BYTE = 255


def preprocessing_in_words(subject: Subject) -> str:
    """What is done to an item before the network takes it, or that nothing is known to be done."""
    form, pictures = subject.input, _of_pictures(subject)
    if not _is_scaled(form):
        scale = AS_GIVEN if form.fields else BYTES_DIVIDED
    elif form.is_image:
        scale = Phrase(
            "The network takes pixels x from 0 to 255 as (x / 255 - {mean}) / {std}, and pixels from 0 to 1 "
            "as (x - {mean}) / {std}.",
            mean=_written(form.mean),
            std=_written(form.std),
        )
    else:
        scale = Phrase(
            "The network takes values x as (x - {mean}) / {std}.",
            mean=_written(form.mean),
            std=_written(form.std),
        )
    return in_a_row((pictures, scale))


def preprocessing_as_metadata(subject: Subject) -> Mapping[str, str]:
    """The same as metadata of a file: in words, and where inputs are scaled the numbers as JSON."""
    form, said = subject.input, {SENTENCE: str(preprocessing_in_words(subject))}
    if not _is_scaled(form):
        return said
    divided = {"divided_by": _BYTE} if form.is_image else {}
    return {**said, VALUES: json.dumps({**divided, "mean": form.mean, "std": form.std})}


def _is_scaled(form: InputForm) -> bool:
    return not form.fields and (any(form.mean) or set(form.std) != {1.0})


def _of_pictures(subject: Subject) -> str:
    """How picture files became pixels, where items came as such."""
    said = subject.remarks_on.items.summary
    return next((s for s in said if isinstance(s, Phrase) and s.template == READ_WITH), "")


def _written(values: tuple[float, ...]) -> str:
    """One number for all channels or features, or one for each in their order."""
    numbers = [f"{value:.9g}" for value in values]
    return numbers[0] if len(set(numbers)) == 1 else f"[{', '.join(numbers)}]"
