"""What a network answers to one item at a temperature: what a student is shown by its teacher."""

from __future__ import annotations

import torch
from torch import Tensor

from compress_core.apply.model import Model
from compress_core.foundation.store import Store, digest
from compress_core.network.forward import run_network, running_on
from compress_core.network.shared_copy import shared_copy
from compress_core.numerics.arrays import Floats
from compress_core.subject.split import Split
from compress_core.training.objective_of_kind import objective_of


def soft_answers(model: Model, split: Split, item: int, temperature: float, store: Store) -> Floats | None:
    """Probabilities [classes] of one item of a split, softmax of scores / temperature, of labels each alone.

    None of real numbers and vectors, to which a temperature does nothing.

    Hinton et al. 2015, arXiv:1503.02531, eq. 1.
    """
    key = digest("scores of an item", model.key, split.digest, item)
    answers = store.get(key, lambda: _answers(model, split, item), lambda found: 2**10 + found.nbytes)
    soft = objective_of(model.subject.answers).soft_answers(answers, temperature)
    return None if soft is None else soft.numpy()


def _answers(model: Model, split: Split, item: int) -> Tensor:
    inputs = split.inputs[item : item + 1]
    with torch.inference_mode(), running_on(inputs):
        answers = run_network(shared_copy(model.network()), inputs)
    return objective_of(model.subject.answers).answers(answers)[0].clone()
