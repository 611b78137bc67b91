"""A file to take away: made, run where it will run, and compared with the network that was evaluated."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import torch

from compress_core.apply.model import Model
from compress_core.deliver.export_format import export_format_named
from compress_core.deliver.own_files import marked
from compress_core.deliver.parity import largest_difference, refuse_other_answers
from compress_core.foundation.number import Number
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store
from compress_core.foundation.texts import N_
from compress_core.measure.behavior.compare import Comparison
from compress_core.measure.behavior.evaluate import predict
from compress_core.measure.behavior.mean_number import share_number
from compress_core.measure.behavior.metric import NO_CLASSES_HERE
from compress_core.measure.behavior.predictions import Predictions
from compress_core.measure.cost.sizes import SizeRow
from compress_core.subject.split import Split


@dataclass(frozen=True, eq=False)
class ExportedFiles:
    """The files in one format, and what they answer where they run.

    files: content by name, each saying whose it is. numbers: largest_difference of any output and same_class,
    against the network in torch; accuracy, measured with the file; accuracy_change, against the model as
    loaded. left: layers that stay in 32 bits, with the reason. sizes: every way to count bytes, where the
    packed file was made.
    """

    files: Mapping[str, bytes]
    numbers: Mapping[str, Number]
    left: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    sizes: tuple[SizeRow, ...] = ()


def export_files(
    model: Model, file_format: str, split: Split | None, store: Store
) -> Generator[Progress, None, ExportedFiles]:
    """Write a format and run it on all items of a split; raises Refused where it cannot be written.

    So it does where the file answers differently from the network by more than rounding explains: such a
    file is never handed out. Without a split it was tried on a few items when it was written.
    """
    chosen = export_format_named(file_format)
    yield Progress(0, 2, N_("writing the file"))
    written = chosen.write(model)
    yield Progress(1, 2, N_("running it on the items"))
    answers = None if split is None else written.answers(split)
    numbers = _numbers(model, answers, split, store)
    files = {name: marked(name, content) for name, content in written.files.items()}
    return ExportedFiles(files, numbers, written.left, written.sizes)


def same_class(one: Predictions, other: Predictions) -> Number:
    """The share of decisions that fall alike; missing where answers are no classes."""
    if not one.kind.has_classes:
        return Number.missing("share", NO_CLASSES_HERE, one.n)
    return share_number(one.predicted == other.predicted, one)


def _numbers(
    model: Model, answers: Predictions | None, split: Split | None, store: Store
) -> Mapping[str, Number]:
    if answers is None or split is None:
        return {"largest_difference": Number.missing("logit", N_("There are no items to run it on."))}
    in_torch, original = predict(model, split, store), predict(Model.original(model.subject), split, store)
    refuse_other_answers(in_torch.logits, answers.logits, is_rounded=bool(model.inputs))
    beside = Comparison(original, answers).numbers
    pair = (torch.from_numpy(each.logits.copy()) for each in (in_torch, answers))
    return {
        "largest_difference": Number(largest_difference(*pair), "logit", "measured", n=answers.n),
        "same_class": same_class(in_torch, answers),
        "accuracy": beside["accuracy"],
        "accuracy_change": beside["accuracy_change"],
    }
