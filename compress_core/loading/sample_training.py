"""What the samples are trained on: named by their cards, read when something trains and not before."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache, partial
from io import BytesIO
from pathlib import Path

import numpy as np

from compress_core.foundation.errors import Refused
from compress_core.foundation.store import digest
from compress_core.loading.cards import CardTraining, card_of, sample_folder
from compress_core.loading.stored_splits import input_form, split_in
from compress_core.subject.input_form import InputForm
from compress_core.subject.split import Split
from compress_core.subject.training_items import TRAINING, TrainingItems


@dataclass(frozen=True, eq=False)
class SampleTrainingItems(TrainingItems):
    """What a sample is trained on; any process finds it by the name of the sample."""

    sample: str


def sample_training(name: str) -> SampleTrainingItems:
    """The training items of a sample, of which only the card is read; raises Refused for an unknown name.

    Reading them raises Refused where the file is missing, or is not the one that the card describes.
    """
    card = card_of(name)
    form, path = input_form(card.input), (sample_folder() / name / card.training.data).resolve()
    read = partial(_read, path, card.training, form)
    return SampleTrainingItems(_digest(card.training, form), card.training.count, read, name)


def _digest(said: CardTraining, form: InputForm) -> str:
    """What tells the items as they are prepared: the file, which part of it, and the preparation."""
    return digest(TRAINING, said.sha256, said.split, form)


@lru_cache(maxsize=2)
def _read(path: Path, said: CardTraining, form: InputForm) -> Split:
    """54,000 images are 170 MB as they are prepared: once in a process for all samples that share that."""
    content = _content_of(path)
    if hashlib.sha256(content).hexdigest() != said.sha256:
        raise Refused(
            "The training items in {file} are not those that the card describes: install the project again.",
            file=path.name,
        )
    with np.load(BytesIO(content), allow_pickle=False) as arrays:
        return split_in(arrays, said.split, form, name=TRAINING, part_of=_digest(said, form))


def _content_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused(
            "The training items in {file} cannot be read ({reason}): install the project again.",
            file=path.name,
            reason=error.strerror or str(error),
        ) from None
