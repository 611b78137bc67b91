"""The bytes of an uploaded data set become items and labels, or one sentence that says why not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from compress_core.foundation.errors import Refused
from compress_core.loading.file_format import (
    NO_KNOBS,
    AskedItems,
    ItemArrays,
    ItemCaps,
    ItemKnobs,
    item_formats,
)
from compress_core.loading.recognize import recognized
from compress_core.loading.stored import shown
from compress_core.network.input_field import InputField, rows_of
from compress_core.subject.reading_remarks import ReadingRemarks

ItemInputs = npt.NDArray[np.float32] | npt.NDArray[np.uint8] | npt.NDArray[np.int64]


ItemLabels = npt.NDArray[np.int64] | npt.NDArray[np.float32]

DEFAULT_CAPS = ItemCaps()
_MOST_WORDS = 2**20  # of a vocabulary, where each place of a sequence has a label
_LEAST_LABEL = -100  # of a place that is not judged, as torch has it
_LUMA = np.array([19595, 38470, 7471], dtype=np.uint32)  # of ITU-R 601-2 in 16 bits, as Pillow has them
_REAL = "biuf"  # numpy's letters for truth values, whole numbers and floating point


@dataclass(frozen=True)
class Items:
    """What the network is shown, and, where it is known, what it should answer.

    inputs [N, ...] float32 (or uint8, as pixels come), all finite; labels [N] int64 from 0, [N, ...] where
    several answers are judged, float32 where those are real numbers, or None. fields: where a network takes
    several inputs by name; inputs [N, numbers of all fields] hold them in a row then. classes: what the
    labels are numbers of, where they came as names; features: what the columns of a table are called;
    pictures: whether the inputs are pixels [N, C, H, W] of picture files; remarks: how they were read.
    numbers [N]: those of the items in the file, where these are some of them; else None.
    """

    inputs: ItemInputs
    labels: ItemLabels | None
    fields: tuple[InputField, ...] = ()
    classes: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    pictures: bool = False
    remarks: ReadingRemarks = field(default_factory=ReadingRemarks)
    numbers: npt.NDArray[np.int64] | None = None


def read_items(
    content: bytes, name: str, *, caps: ItemCaps = DEFAULT_CAPS, knobs: ItemKnobs = NO_KNOBS
) -> Items:
    """Read inputs and, where they are known, labels from the bytes of a file in one of the `item_formats`.

    Bytes stay uint8; every other number becomes float32 with the same value. `name` is the file's name, for
    a refusal; knobs: what somebody says of it.

    Raises Refused, and nothing else, whatever the bytes are.
    """
    if len(content) > caps.file_bytes:
        raise Refused(
            "The file '{file}' has {got:,} bytes; at most {most:,} are read. Upload fewer items.",
            file=shown(name),
            got=len(content),
            most=caps.file_bytes,
        )
    format_ = recognized(item_formats(), content, name)
    return as_items(format_.read(content, AskedItems(name, caps, knobs)), caps)


def as_items(arrays: ItemArrays, caps: ItemCaps) -> Items:
    """What a reader found as items; raises Refused as `read_items` does."""
    return replace(
        checked_items(arrays.inputs, arrays.labels, caps=caps),
        classes=arrays.classes,
        features=arrays.features,
        pictures=arrays.pictures,
        remarks=arrays.remarks,
    )


def checked_items(
    inputs: npt.NDArray[np.generic] | Mapping[str, npt.NDArray[np.generic]],
    labels: npt.NDArray[np.generic] | None,
    *,
    caps: ItemCaps = DEFAULT_CAPS,
) -> Items:
    """Arrays [N, ...] and, where known, labels [N] as items; raises Refused as `read_items` does.

    inputs may be several by name: what a network takes as keyword arguments.
    """
    if isinstance(inputs, Mapping):
        rows, fields = _named_rows(inputs, caps)
        return Items(rows, None if labels is None else _labels(labels, len(rows), caps), fields)
    check_array_shape(inputs.shape, "inputs", caps)
    check_float32_bytes(inputs.shape, caps)
    found = _inputs(inputs)
    return Items(found, None if labels is None else _labels(labels, len(found), caps))


def _named_rows(
    inputs: Mapping[str, npt.NDArray[np.generic]], caps: ItemCaps
) -> tuple[ItemInputs, tuple[InputField, ...]]:
    """Several inputs by name as rows; raises Refused for what is no array of numbers, one for each item."""
    for name, values in inputs.items():
        if not name.isidentifier():
            raise Refused(
                "The input {name!r} cannot be an argument of forward: name the arrays as its arguments.",
                name=shown(name),
            )
        check_array_shape(values.shape, name, caps)
    counts = {name: len(values) for name, values in inputs.items()}
    if len(set(counts.values())) != 1:
        raise Refused(
            "The inputs must hold as many items each, but they hold {counts}: give a row for each item.",
            counts=", ".join(f"{name} {count}" for name, count in counts.items()),
        )
    widths = sum(math.prod(values.shape[1:]) for values in inputs.values())
    check_float32_bytes((next(iter(counts.values())), 2 * widths), caps)  # whole numbers take 8 bytes
    arrays = {name: _input_array(name, values) for name, values in inputs.items()}
    fields = tuple(_field(name, values) for name, values in arrays.items())
    rows: ItemInputs = rows_of(fields, arrays)  # type: ignore[assignment]  # float32 or int64, by its fields
    return rows, fields


def _input_array(name: str, values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Whole numbers and truth values as they are, everything else in float32."""
    if values.dtype.kind not in "iub":
        return _inputs(values[:, None] if values.ndim == 1 else values)
    if values.dtype.kind != "b" and int(values.min()) < 0:
        raise Refused(
            "The input {name} holds {got}; whole numbers go from 0. Give what the tokenizer gives.",
            name=name,
            got=int(values.min()),
        )
    return values


def _field(name: str, values: npt.NDArray[np.generic]) -> InputField:
    """One input as its values tell it; what is called a mask lets everything be seen without content."""
    blank = int("mask" in name)
    match values.dtype.kind:
        case "b":
            return InputField(name, values.shape[1:], "truth", blank=blank)
        case "i" | "u":
            return InputField(name, values.shape[1:], "whole", max(2, int(values.max()) + 1), blank)
    return InputField(name, values.shape[1:])


def check_array_shape(shape: tuple[int, ...], name: str, caps: ItemCaps) -> None:
    """Refuse an array of no items or too many, or of too many dimensions."""
    if not 1 <= len(shape) <= caps.dimensions:
        raise Refused(
            "The array '{array}' has {got} dimensions; it must have 1 to {most}, the first one "
            "counting items.",
            array=name,
            got=len(shape),
            most=caps.dimensions,
        )
    if not 1 <= shape[0] <= caps.items or any(size < 1 for size in shape):
        raise Refused(
            "The array '{array}' must have 1 to {most:,} items, each with values in it. "
            "Upload fewer items, or check how the array was made.",
            array=name,
            most=caps.items,
        )


def check_float32_bytes(shape: tuple[int, ...], caps: ItemCaps) -> None:
    """Refuse inputs [N, ...] that would be too large as the network takes them, however small they come."""
    if math.prod(shape) * 4 > caps.float32_bytes:
        raise Refused(
            "The inputs of shape {shape} would take {got:,} bytes as float32; at most {most:,} are read. "
            "Upload fewer items.",
            shape=list(shape),
            got=math.prod(shape) * 4,
            most=caps.float32_bytes,
        )


def _inputs(values: npt.NDArray[np.generic]) -> ItemInputs:
    if values.ndim < 2:
        raise Refused(
            "The inputs have shape {got}; they must have one axis for items and one or more for values.",
            got=list(values.shape),
        )
    if values.dtype.kind not in _REAL:
        raise Refused(
            "The inputs have the type {got}; they must be real numbers. "
            "Convert them with .astype('float32').",
            got=str(values.dtype),
        )
    if values.dtype == np.uint8:
        return np.array(values, dtype=np.uint8, order="C")
    with np.errstate(over="ignore", invalid="ignore"):
        converted = np.array(values, dtype=np.float32, order="C")
    broken = int((~np.isfinite(converted.reshape(len(converted), -1)).all(axis=1)).sum())
    if broken:
        raise Refused(
            "{broken:,} of {total:,} items hold NaN or infinite values (or such beyond float32); "
            "every value must be a finite number. Remove or fill those items.",
            broken=broken,
            total=len(converted),
        )
    return converted


def _labels(values: npt.NDArray[np.generic], items: int, caps: ItemCaps) -> ItemLabels:
    if values.shape[:1] != (items,) or values.ndim > 2:
        raise Refused(
            "The labels have shape {got}; they must be one whole number for each of the {items:,} items, "
            "shape [{items}], or a row of numbers for each.",
            got=list(values.shape),
            items=items,
        )
    check_float32_bytes((2, *values.shape), caps)
    if values.dtype.kind == "f":
        return _real_labels(values)
    if values.dtype.kind not in "iub":
        raise Refused(
            "The labels have the type {got}; they must be whole numbers from 0, one class each, or real "
            "numbers to be predicted. Convert them with .astype('int64') or .astype('float32').",
            got=str(values.dtype),
        )
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    most = caps.classes if values.ndim == 1 else _MOST_WORDS
    if low < (0 if values.ndim == 1 else _LEAST_LABEL) or high >= most:
        raise Refused(
            "The labels go from {low} to {high}; they must go from 0 to the number of classes less 1 "
            "(at most {most}). Number the classes from 0.",
            low=low,
            high=high,
            most=most - 1,
        )
    return np.array(values, dtype=np.int64)


def _real_labels(values: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        found = np.array(values, dtype=np.float32)
    broken = int((~np.isfinite(found.reshape(len(found), -1)).all(axis=1)).sum())
    if broken:
        raise Refused(
            "{broken:,} of {total:,} labels are NaN or infinite; every one must be a finite number. Remove "
            "or fill those items.",
            broken=broken,
            total=len(found),
        )
    return found


def check_classes(items: Items, classes: int) -> None:
    """Refuse labels that name a class the network has no output for."""
    if items.labels is not None and int(items.labels.max()) >= classes:
        raise Refused(
            "The labels go up to {high}, but the network has {classes} classes, 0 to {last}. "
            "Upload the data this network was trained for.",
            high=int(items.labels.max()),
            classes=classes,
            last=classes - 1,
        )


def fit_to(items: Items, input_shape: tuple[int, ...]) -> Items:
    """The same items in the shape the network takes, where only one way to get there makes sense.

    input_shape is that of one item, [channels, height, width] or [values]. As they are, if the shapes agree;
    else [N, H, W] gets a channel axis; else [N, H, W, C] becomes [N, C, H, W]; else items of one channel are
    flattened, or folded to an image, row by row. Several channels are never flattened or folded, because
    their order cannot be known. Picture files become gray or colored, as the network takes them. Raises
    Refused with both shapes.
    """
    fitted = _fitted(_with_colors(items, input_shape), input_shape)
    if fitted is None:
        raise Refused(
            "An item has shape {got}, but the network takes {expected}. Save the items as "
            "[N, {sizes}], in the order and scale the network was trained on.",
            got=list(items.inputs.shape[1:]),
            expected=list(input_shape),
            sizes=", ".join(str(size) for size in input_shape),
        )
    return replace(items, inputs=fitted)


def _with_colors(items: Items, wanted: tuple[int, ...]) -> ItemInputs:
    """Pixels [N, C, H, W] of picture files in gray or in color, as a network takes them."""
    inputs = items.inputs
    if not items.pictures or len(wanted) != 3:
        return inputs
    match inputs.shape[1], wanted[0]:
        case 1, 3:
            colored: ItemInputs = np.repeat(inputs, 3, axis=1)  # type: ignore[assignment]  # of bytes
            return colored
        case 3, 1:
            weighted = np.einsum("nchw,c->nhw", inputs.astype(np.uint32), _LUMA)
            gray: npt.NDArray[np.uint8] = ((weighted + 2**15) >> 16).astype(np.uint8)
            return gray[:, None]
    return inputs


def _fitted(inputs: ItemInputs, wanted: tuple[int, ...]) -> ItemInputs | None:
    count, shape = len(inputs), inputs.shape[1:]
    if shape == wanted:
        return inputs
    if len(wanted) == 3 and len(shape) == 3 and (shape[2], *shape[:2]) == wanted:
        return np.ascontiguousarray(inputs.transpose(0, 3, 1, 2))  # type: ignore[return-value]  # lost in numpy's stubs
    got, expected = _without_channel(shape), _without_channel(wanted)
    if got is None or expected is None or math.prod(got) != math.prod(expected):
        return None
    if got != expected and 1 not in {len(got), len(expected)}:
        return None
    return inputs.reshape(count, *wanted)


def _without_channel(shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape of one item less a channel axis of length 1; None where there are several channels."""
    match shape:
        case (_,) | (_, _):
            return shape
        case (1, height, width) | (height, width, 1):
            return (height, width)
    return None
