"""Training images beside copies of themselves that were moved a little, as those that the samples saw."""

from __future__ import annotations

from dataclasses import replace

import torch

from compress_core.foundation.store import digest
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject
from compress_core.subject.training_items import TRAINING, TrainingItems
from sample_models.recipes import RECIPES
from sample_models.train import distorted

_MILDER = 0.5  # of what the sample was trained with: a small network has less room for what is rare


def with_distorted_copies(subject: Subject, copies: int) -> Subject:
    """The same sample, which trains on each of its images and on so many distorted copies of it."""
    distortion = RECIPES[subject.name].distortion
    if not copies or distortion is None:
        return subject
    milder = replace(
        distortion,
        degrees=distortion.degrees * _MILDER,
        scale=distortion.scale * _MILDER,
        shear=distortion.shear * _MILDER,
        pixels=distortion.pixels * _MILDER,
    )
    items, generator = subject.split(TRAINING), torch.Generator().manual_seed(copies)
    assert items.labels is not None, "a sample has labels"
    black = items.inputs.min()  # what comes in from outside the image
    moved = [distorted(items.inputs - black, milder, generator) + black for _ in range(copies)]
    made = Split(
        TRAINING,
        torch.cat([items.inputs, *moved]),
        items.labels.repeat(copies + 1),
        digest("distorted", items.digest, copies, _MILDER),
    )
    return replace(subject, training=TrainingItems.of(made))
