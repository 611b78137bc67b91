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
from compress_core.training.answer_scores import scores_of


def soft_answers(model: Model, split: Split, item: int, temperature: float, store: Store) -> Floats:
    """Probabilities [classes] of one item of a split, softmax of scores / temperature.

    Raises Refused where the network does not answer with one score for each class.

    Hinton et al. 2015, arXiv:1503.02531, eq. 1.
    """
    key = digest("scores of an item", model.key, split.digest, item)
    scores = store.get(key, lambda: _scores(model, split, item), lambda found: 2**10 + found.nbytes)
    soft: Floats = torch.softmax(scores.double() / temperature, dim=0).numpy()
    return soft


def _scores(model: Model, split: Split, item: int) -> Tensor:
    inputs = split.inputs[item : item + 1]
    with torch.inference_mode(), running_on(inputs):
        answers = run_network(shared_copy(model.network()), inputs)
    return scores_of(answers, model.subject.answers)[0].clone()
