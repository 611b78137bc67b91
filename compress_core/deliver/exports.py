"""A file to take away: made, run where it will run, and compared with the network that was evaluated."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

import torch

from compress_core.apply.model import Model
from compress_core.deliver.container import container_bytes
from compress_core.deliver.int8_export import INT8_FILE, Qdq, model_qdq, whole_numbers
from compress_core.deliver.onnx_export import ONNX_FILE, model_onnx
from compress_core.deliver.onnx_session import predictions_in_runtime, predictions_in_torch
from compress_core.deliver.pack import read_packed, write_packed
from compress_core.deliver.parity import largest_difference
from compress_core.deliver.source import CODE_FILE, WEIGHTS_FILE, model_source
from compress_core.foundation.errors import Refused
from compress_core.foundation.number import Number
from compress_core.foundation.progress import Progress
from compress_core.foundation.store import Store
from compress_core.foundation.texts import N_
from compress_core.measure.behavior.compare import Comparison
from compress_core.measure.behavior.evaluate import predict
from compress_core.measure.behavior.predictions import Predictions
from compress_core.measure.cost.sizes import SizeRow, byte_sizes
from compress_core.numerics.intervals import wilson
from compress_core.subject.split import Split

PACKED_FILE = "model.slim"
_KEY = "file"


class ExportFormat(StrEnum):
    """What can be made."""

    PACKED = "packed"
    SOURCE = "source"
    ONNX = "onnx"
    INT8 = "int8"


@dataclass(frozen=True, eq=False)
class ExportedFiles:
    """The files in one format, and what they answer where they run.

    files: content by name. numbers: largest_difference of any output and same_class, against the network in
    torch; accuracy, measured with the file; accuracy_change, against the model as loaded. left: layers that
    stay in 32 bits, with the reason. sizes: every way to count bytes, where the packed file was made.
    """

    files: Mapping[str, bytes]
    numbers: Mapping[str, Number]
    left: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    sizes: tuple[SizeRow, ...] = ()


def export_files(
    model: Model, file_format: ExportFormat, split: Split | None, store: Store
) -> Generator[Progress, None, ExportedFiles]:
    """Make a file and run it on all items of a split; raises Refused where it cannot be made."""
    yield Progress(0, 2, N_("writing the file"))
    match file_format:
        case ExportFormat.PACKED:
            return (yield from _packed(model, split, store))
        case ExportFormat.SOURCE:
            return (yield from _source(model, split, store))
        case ExportFormat.ONNX:
            content = model_onnx(model)
            return ExportedFiles({ONNX_FILE: content}, (yield from _in_runtime(model, content, split, store)))
        case ExportFormat.INT8:
            made = _codes(model)
            numbers = yield from _in_runtime(model, made.content, split, store)
            return ExportedFiles({INT8_FILE: made.content}, numbers, made.left)


def _packed(model: Model, split: Split | None, store: Store) -> Generator[Progress, None, ExportedFiles]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / PACKED_FILE
        write_packed(model, path)
        content, network = path.read_bytes(), read_packed(path, model.subject)
    yield _trying()
    answers = None if split is None else predictions_in_torch(network, split, _KEY)
    rows = byte_sizes(model, container_bytes(model), content)
    return ExportedFiles({PACKED_FILE: content}, _numbers(model, answers, split, store), sizes=rows)


def _source(model: Model, split: Split | None, store: Store) -> Generator[Progress, None, ExportedFiles]:
    source = model_source(model)
    yield _trying()
    answers = None if split is None else predictions_in_torch(source.network(), split, _KEY)
    files = {CODE_FILE: source.code.encode(), WEIGHTS_FILE: source.weights}
    return ExportedFiles(files, _numbers(model, answers, split, store))


def _codes(model: Model) -> Qdq:
    """The file with codes; raises Refused before anything is written where no weight has any."""
    parts = (part for compressed in model.compressed.values() for part in compressed.parts)
    held = {layer.name: whole_numbers(encoded) for layer, encoded in parts}
    left = {name: why for name, why in held.items() if isinstance(why, str)}
    made = None if len(left) == len(held) else model_qdq(model)
    if made is not None and made.weights:
        return made
    reasons = sorted({str(reason) for reason in (left if made is None else made.left).values()})
    raise Refused(
        "No weight of {model} has codes that ONNX can hold ({reasons}): quantize with uniform or affine.",
        model=model.subject.title,
        reasons="; ".join(reasons) or N_("nothing is quantized"),
    )


def _in_runtime(
    model: Model, content: bytes, split: Split | None, store: Store
) -> Generator[Progress, None, Mapping[str, Number]]:
    yield _trying()
    answers = None if split is None else predictions_in_runtime(content, split)
    return _numbers(model, answers, split, store)


def _trying() -> Progress:
    return Progress(1, 2, N_("running it on the items"))


def _numbers(
    model: Model, answers: Predictions | None, split: Split | None, store: Store
) -> Mapping[str, Number]:
    if answers is None or split is None:
        return {"largest_difference": Number.missing("logit", N_("There are no items to run it on."))}
    in_torch, original = predict(model, split, store), predict(Model.original(model.subject), split, store)
    same = int((in_torch.predicted == answers.predicted).sum())
    low, high = wilson(same, answers.n)
    beside = Comparison(original, answers).numbers
    pair = (torch.from_numpy(each.logits.copy()) for each in (in_torch, answers))
    return {
        "largest_difference": Number(largest_difference(*pair), "logit", "measured", n=answers.n),
        "same_class": Number(same / answers.n, "share", "measured", float(low), float(high), answers.n),
        "accuracy": beside["accuracy"],
        "accuracy_change": beside["accuracy_change"],
    }
