"""Shapes, bounds and windows that are drawn: answered as ONNX Runtime does, or refused; never otherwise."""

from __future__ import annotations

from contextlib import suppress
from math import prod

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from compress_core.foundation.errors import Refused
from tests.onnx_files import assert_answers_alike, in_runtime, items_of, model, one_node, opened

F32 = np.float32
small = st.integers(1, 4)


@st.composite
def reshapes(draw: st.DrawFn) -> tuple[tuple[int, ...], list[int]]:
    """The shape of an item, and another one of as many values, with the items in front or joined to it."""
    old = tuple(draw(st.lists(small, min_size=1, max_size=4)))
    left, new = prod(old), []
    while left > 1 and len(new) < 4:
        factor = draw(st.sampled_from([n for n in range(1, left + 1) if left % n == 0]))
        new.append(factor)
        left //= factor
    new.append(left)
    return old, [-1, *new] if draw(st.booleans()) else [-1, *new[1:]]


@given(reshapes())
def test_any_reshape_is_the_same_values_in_that_shape(case: tuple[tuple[int, ...], list[int]]) -> None:
    old, new = case
    node = helper.make_node("Reshape", ["x", "s"], ["y"])
    content = model([node], ("N", *old), {"s": np.array(new, np.int64)})
    items = items_of(old, 3)
    if new[1:] and prod(new[1:]) != prod(old):  # another number of rows than of items
        content = model(
            [node, helper.make_node("Reshape", ["y", "t"], ["z"])],
            ("N", *old),
            {"s": np.array(new, np.int64), "t": np.array([-1, *old], np.int64)},
            out="z",
        )
    network, _ = opened(content)
    assert np.array_equal(network(items).numpy(), in_runtime(content, items))


far = st.integers(-7, 7) | st.sampled_from([2**31 - 1, -(2**31), 2**63 - 1, -(2**63)])


@given(far, far, st.integers(-3, 3), st.integers(1, 3))
def test_any_slice_is_that_of_the_runtime_or_refused(start: int, end: int, step: int, axis: int) -> None:
    numbers = (np.array([each], np.int64) for each in (start, end, axis, step or 1))
    content, items = one_node("Slice", (4, 5, 6), *numbers), items_of((4, 5, 6), 2)
    with suppress(Refused):
        network, _ = opened(content)
        assert np.array_equal(network(items).numpy(), in_runtime(content, items))


@given(
    st.sampled_from(["MaxPool", "AveragePool", "Conv", "ConvTranspose"]),
    st.tuples(small, small),
    st.tuples(small, small),
    st.tuples(*[st.integers(0, 3)] * 4),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"]),
)
def test_any_window_answers_as_the_runtime_or_is_refused(
    operator: str,
    kernel: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, ...],
    up: bool,
    counted: bool,
    auto_pad: str,
) -> None:
    given_: dict[str, object] = {"strides": strides, "auto_pad": auto_pad}
    given_ |= {"pads": pads} if auto_pad == "NOTSET" else {}
    weights = ()
    if operator.endswith("Pool"):
        given_ |= {"kernel_shape": kernel, "ceil_mode": int(up)}
        given_ |= {"count_include_pad": int(counted)} if operator == "AveragePool" else {}
    else:
        weights = (np.random.default_rng(0).standard_normal((2, 2, *kernel)).astype(F32),)
    content, items = one_node(operator, (2, 7, 6), *weights, **given_), items_of((2, 7, 6), 2)
    try:
        in_runtime(content, items)
    except Exception:  # noqa: BLE001 - a stride above the kernel, with which it does not keep the size
        return
    with suppress(Refused):
        opened(content)
        assert_answers_alike(content, items)


@given(st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=3), st.data())
def test_any_two_shapes_are_spread_as_the_runtime_spreads_them(sizes: list[int], data: st.DataObject) -> None:
    other = [data.draw(st.sampled_from([1, size])) for size in sizes[data.draw(st.integers(0, len(sizes))) :]]
    constant = torch.randn(other).numpy()
    assert_answers_alike(one_node("Add", tuple(sizes), constant), items_of(sizes, 2))
