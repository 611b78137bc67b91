"""At which word a network is asked that answers at every one."""

from __future__ import annotations

import torch
from torch import Tensor

from compress_core.subject.answer_kind import PredictionTask
from compress_core.subject.judged_rows import NOT_COUNTED
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject


def asked_places(subject: Subject, split: Split) -> Tensor | None:
    """At which word of each item a network is asked that answers at every one, [N]: the last that is judged.

    None where an item has one answer, or nothing says which of its words are judged.
    """
    labels = split.labels
    if subject.task is not PredictionTask.TOKENS or labels is None or labels.ndim != 2:
        return None
    places = torch.arange(labels.shape[1]).expand_as(labels)
    return torch.where(labels != NOT_COUNTED, places, 0).amax(dim=1)
