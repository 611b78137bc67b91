"""What is left where the largest weights go instead of the smallest: the mistake, to see what it costs."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from compress_core.apply.model import Model
from compress_core.foundation.number import Number
from compress_core.foundation.store import Store
from compress_core.measure.behavior.evaluate import (
    logits_of,
    parameters_of,
    predict,
    predictions_of,
    recording_of,
)
from compress_core.measure.behavior.metric import numbers
from compress_core.measure.behavior.replay import replay
from compress_core.network.layers.places import read_matrix, write_matrix
from compress_core.network.shared_copy import shared_copy
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject


def without_largest(
    subject: Subject, layer: str, share: float, split: Split, store: Store
) -> Mapping[str, Number]:
    """Every number of the model as loaded with a share of the largest weights of one layer set to zero.

    Exactly round(share * n) weights go, of equal ones the earlier. For comparison only: no technique does so.
    """
    place, network = subject.layer(layer), shared_copy(subject.network)
    weight = read_matrix(network, place).detach().clone()
    order = torch.argsort(weight.abs().flatten(), descending=True, stable=True)
    weight.view(-1)[order[: round(share * weight.numel())]] = 0
    write_matrix(network, place, weight)
    outputs = replay(network, recording_of(subject, split, store), parameters_of(subject, (layer,)))
    original = Model.original(subject)
    before = predict(original, split, store)
    key = f"{original.key}:{layer} without its largest {share}"
    after = predictions_of(logits_of(outputs, subject.answers), split, key, subject.answers)
    return numbers(after, before)
