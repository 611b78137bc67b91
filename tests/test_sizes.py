"""Bytes side by side: each way counted as its owner counts it."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
import scipy.sparse
import torch

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.deliver.packed_file import pack_bytes
from compress_core.deliver.plain_container import container_bytes
from compress_core.foundation.store import Store
from compress_core.foundation.texts import Phrase
from compress_core.measure.cost.sizes import SizeRow, byte_sizes
from compress_core.recipe.values import Step
from tests.subjects import everything_subject, mlp_subject, rules

STEPS = (Step.of("magnitude", sparsity=0.75), Step.of("uniform", bits=4))
MODEL = compress(mlp_subject(), rules(any=STEPS), Store())


def rows_of(model: Model) -> dict[str, SizeRow]:
    return {row.name: row for row in byte_sizes(model, container_bytes(model), pack_bytes(model))}


def value(rows: dict[str, SizeRow], name: str) -> float:
    found = rows[name].number.value
    assert found is not None
    return found


def test_dense_bytes_are_four_for_every_number() -> None:
    rows = rows_of(MODEL)
    assert value(rows, "parameters") == MODEL.subject.parameters
    assert value(rows, "dense") == 4 * MODEL.subject.parameters


def test_csr_bytes_are_those_of_scipy() -> None:
    state = MODEL.network().state_dict()
    expected = 0
    for tensor in state.values():
        if tensor.dim() < 2:
            expected += tensor.nbytes
            continue
        csr = scipy.sparse.csr_array(tensor.numpy())
        assert csr.indices.dtype == csr.indptr.dtype == np.int32
        expected += csr.data.nbytes + csr.indices.nbytes + csr.indptr.nbytes
    assert value(rows_of(MODEL), "csr") == expected


@pytest.mark.parametrize(("sparsity", "larger"), [(0.3, True), (0.8, False)])
def test_csr_pays_only_beyond_half_zeros(sparsity: float, larger: bool) -> None:
    rows = rows_of(compress(mlp_subject(), rules(any=Step.of("magnitude", sparsity=sparsity)), Store()))
    assert (value(rows, "csr") > value(rows, "dense")) == larger


def test_what_was_made_is_measured_and_what_was_counted_is_exact() -> None:
    rows = rows_of(MODEL)
    measured = {name for name, row in rows.items() if row.number.kind == "measured"}
    assert measured == {"dense_gzip", "csr_gzip", "container", "container_gzip", "packed", "packed_gzip"}
    assert value(rows, "container") == MODEL.file_bytes == len(container_bytes(MODEL))
    assert value(rows, "packed") == len(pack_bytes(MODEL))
    assert value(rows, "packed_gzip") == len(gzip.compress(pack_bytes(MODEL), 6, mtime=0))


def test_items_add_up_to_mask_and_codes() -> None:
    rows = rows_of(MODEL)
    assert sum(value(rows, name) for name in ("values", "positions", "tables")) == value(rows, "bitmask")


def test_a_tied_weight_is_counted_once() -> None:
    subject = everything_subject()
    rows = rows_of(Model.original(subject))
    state = {t.data_ptr(): t for t in subject.network.state_dict().values()}
    assert value(rows, "dense") == sum(t.nbytes for t in state.values())
    assert value(rows, "parameters") == sum(t.numel() for t in state.values())


def test_every_row_has_a_sentence_that_can_be_translated() -> None:
    for row in rows_of(MODEL).values():
        assert isinstance(row.label, Phrase)
        assert isinstance(row.note, Phrase)
        assert row.note.endswith(".")
        assert row.as_json()["label"] == str(row.label)


def test_the_same_zeros_are_counted_everywhere() -> None:
    rows = rows_of(MODEL)
    weights = [t for t in MODEL.network().state_dict().values() if t.dim() > 1]
    zeros = sum(int((t == 0).sum()) for t in weights) / sum(t.numel() for t in weights)
    assert value(rows, "zeros") == pytest.approx(zeros)
    assert torch.equal(weights[0], MODEL.compressed["fc1"].values)
