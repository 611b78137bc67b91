"""The networks of a latency job in ONNX Runtime: original, compressed, and with the recipe's own codes."""

from __future__ import annotations

from collections.abc import Iterator

from compress_core.apply.model import Model
from compress_core.deliver.int8_export import model_qdq, whole_numbers
from compress_core.deliver.onnx_export import model_onnx
from compress_core.deliver.runtime import OnnxSession
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.measure.speed.runtimes.onnx_file import onnx_runtime
from compress_core.measure.speed.runtimes.runnable import Runnable, Runtime

RuntimeSide = Runnable | tuple[Runtime, Refused]


def onnx_sides(model: Model, store: Store) -> Iterator[RuntimeSide]:
    """A runnable for each file that can be written and loaded, and the refusal of each other one."""
    yield _plain(Model.original(model.subject), store, is_original=True)
    if model.is_changed:
        yield _plain(model, store, is_original=False)
        yield _with_codes(model, store)


def _plain(model: Model, store: Store, *, is_original: bool) -> RuntimeSide:
    try:
        file: bytes = store.get(f"onnx:{model.key}", lambda: model_onnx(model), len)
        return onnx_runtime(OnnxSession(file), "original" if is_original else "compressed")
    except Refused as refused:
        return Runtime.ONNX, refused


def _with_codes(model: Model, store: Store) -> RuntimeSide:
    encoded = (c for edited in model.compressed.values() for _, c in edited.parts)
    if all(isinstance(whole_numbers(c), str) for c in encoded):
        return Runtime.ONNX_INT8, Refused(
            "No layer's weights are whole numbers: add a quantizer with a grid, such as uniform."
        )
    try:
        found = store.get(f"qdq:{model.key}", lambda: model_qdq(model), lambda qdq: len(qdq.content))
        return onnx_runtime(OnnxSession(found.content), "compressed", int8=True)
    except Refused as refused:
        return Runtime.ONNX_INT8, refused
