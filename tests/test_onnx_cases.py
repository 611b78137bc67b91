"""The cases that come with the onnx package: each is answered as it says, or refused with a reason."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from compress_core.foundation.errors import Refused
from compress_core.loading.onnx_file.runtime_difference import CLOSE, compared
from tests.onnx_files import opened

pytestmark = pytest.mark.slow


def all_cases() -> Iterator[tuple[str, bytes, np.ndarray, np.ndarray]]:
    """Name, file, items and answers: all inputs but the first become constants, and one output stays."""
    from onnx.backend.test.case.node import collect_testcases

    for case in collect_testcases(None):
        for inputs, outputs in case.data_sets[:1]:
            made = onnx.ModelProto()
            made.CopyFrom(case.model)
            given = [each for each in inputs if isinstance(each, np.ndarray)]
            graph: Any = made.graph
            if len(given) != len(inputs) or not given or given[0].ndim < 2 or len(graph.input) != len(inputs):
                continue
            for value, array in list(zip(graph.input, inputs, strict=True))[1:]:
                graph.initializer.append(numpy_helper.from_array(array, value.name))
                graph.input.remove(value)
            del graph.output[1:]
            yield case.name, made.SerializeToString(), given[0], outputs[0]


def test_the_cases_of_onnx_are_answered_or_refused() -> None:
    answered, refused = 0, 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the cases divide by zero on purpose
        cases = list(all_cases())
    for name, content, items, expected in cases:
        try:
            network, _ = opened(content, items.shape[1:])
        except Refused:
            refused += 1
            continue
        with torch.no_grad():
            got = network(torch.from_numpy(items.copy())).numpy()
        assert got.shape == expected.shape, name
        assert compared(got, expected).share <= CLOSE, name
        answered += 1
    assert answered > 250, (answered, refused)
