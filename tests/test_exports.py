"""Files that were made answer as the network that was evaluated, and the worker hands them over whole."""

from __future__ import annotations

from functools import cache

import pytest
import torch

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.deliver.exports import ExportedFiles, export_files
from compress_core.foundation.errors import Refused
from compress_core.foundation.progress import result_of
from compress_core.foundation.store import Store
from compress_core.measure.behavior.evaluate import evaluate
from compress_core.measure.cost.sizes import counted_sizes
from compress_core.recipe.values import Step
from compress_core.tasks.export_files import FILES, FilesKnobs, pack, unpack
from tests.subjects import loaded_sample, rules

STORE = Store()
GRID = (Step.of("magnitude", sparsity=0.5), Step.of("uniform", bits=6))


@cache
def model_of(quantized: bool = True) -> Model:
    return compress(loaded_sample("tabular"), rules(any=GRID if quantized else GRID[:1]), STORE)


@cache
def made(form: str) -> ExportedFiles:
    model = model_of()
    return result_of(export_files(model, form, model.subject.split("validation"), STORE))


@pytest.mark.slow
@pytest.mark.parametrize("form", ["packed", "source", "int8"])
def test_every_file_is_measured_on_all_items_and_gives_the_evaluated_accuracy(form: str) -> None:
    model = model_of()
    split = model.subject.split("validation")
    numbers = made(form).numbers
    evaluated = evaluate(model, split, STORE)
    assert numbers["accuracy"].n == len(split)
    assert numbers["same_class"].value == 1
    assert numbers["accuracy"].value == evaluated["accuracy"].value
    assert numbers["accuracy_change"] == evaluated["accuracy_change"]
    difference = numbers["largest_difference"].value
    assert difference is not None
    assert difference < 1e-4


def test_a_packed_file_differs_in_nothing() -> None:
    assert made("packed").numbers["largest_difference"].value == 0


def test_source_comes_with_its_weights_beside_it() -> None:
    assert set(made("source").files) == {"model.py", "weights.safetensors"}


def test_ways_that_need_no_file_are_counted_alike_before_and_after_it_was_made() -> None:
    later = {row.name: row.number.value for row in made("packed").sizes}
    before = {row.name: row.number.value for row in counted_sizes(model_of())}
    assert "packed" not in before
    assert before == {name: later[name] for name in before}


def test_whole_numbers_are_refused_where_nothing_has_codes() -> None:
    model = model_of(quantized=False)
    with pytest.raises(Refused, match="has codes that ONNX can hold"):
        result_of(export_files(model, "int8", None, STORE))


def test_without_items_the_agreement_is_not_measured() -> None:
    number = result_of(export_files(model_of(), "packed", None, STORE)).numbers["largest_difference"]
    assert number.value is None
    assert "no items" in (number.reason or "")


@pytest.mark.parametrize("form", ["packed", "source"])
def test_what_a_worker_hands_over_is_what_was_made(form: str) -> None:
    one = made(form)
    other = unpack(pack(one))
    assert other.files == one.files
    assert other.numbers == one.numbers
    assert other.left == one.left
    assert other.sizes == one.sizes


def test_a_job_without_a_split_depends_on_the_weights_alone() -> None:
    with_items = FILES.job(model_of(), FilesKnobs(file_format="onnx"), 0, found_in="tabular")
    without = FILES.job(model_of(), FilesKnobs(file_format="onnx", split=""), 0, found_in="tabular")
    assert with_items.content != without.content


def test_written_source_is_rebuilt_with_its_weights() -> None:
    from compress_core.deliver.python_source import model_source

    model = model_of()
    inputs = model.subject.split("validation").inputs[:8]
    with torch.no_grad():
        assert torch.equal(model_source(model).network()(inputs), model.network()(inputs))
