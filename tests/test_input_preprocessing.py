"""Whoever feeds a written file is told how items become its inputs, and gets the evaluated answers so."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from typer.testing import CliRunner

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.cli import app
from compress_core.deliver.input_preprocessing import (
    AS_GIVEN,
    BYTES_DIVIDED,
    SENTENCE,
    VALUES,
    preprocessing_as_metadata,
    preprocessing_in_words,
)
from compress_core.deliver.int8_export import model_qdq
from compress_core.deliver.onnx_export import model_onnx
from compress_core.deliver.own_files import refuse_to_replace
from compress_core.deliver.packed_file import read_packed_state, write_packed
from compress_core.deliver.python_source import model_source
from compress_core.foundation.store import Store
from compress_core.foundation.texts import Phrase
from compress_core.loading.preprocessing import READ_WITH
from compress_core.network.input_field import InputField
from compress_core.recipe.values import Step
from compress_core.subject.input_form import IMAGE, InputForm
from compress_core.subject.reading_remarks import FileRemarks, ReadingRemarks
from compress_core.tasks.export_files import FILES, FilesKnobs
from tests.subjects import loaded_sample, mlp_subject, rules

CODED = (Step.of("uniform", bits=8), Step.of("static_range", bits=8))


def coded(name: str) -> Model:
    return compress(loaded_sample(name), rules(any=CODED), Store())


def metadata_of(content: bytes) -> dict[str, str]:
    return {each.key: each.value for each in onnx.load_from_string(content).metadata_props}


@pytest.mark.parametrize("name", ["lenet5", "tabular"])
def test_the_numbers_that_are_told_make_the_inputs_on_which_it_was_evaluated(name: str) -> None:
    subject = loaded_sample(name)
    inputs = subject.split("validation").inputs[:20]
    told = json.loads(preprocessing_as_metadata(subject)[VALUES])
    shape = (-1, *(1,) * (inputs.ndim - 2))
    mean, std = (np.asarray(told[key], dtype=np.float32).reshape(shape) for key in ("mean", "std"))
    as_measured = subject.input.raw(inputs).numpy() * told.get("divided_by", 1)
    fed = (as_measured / told.get("divided_by", 1) - mean) / std
    assert torch.allclose(torch.from_numpy(fed), inputs, atol=1e-5)
    assert ("divided_by" in told) == subject.input.is_image


@pytest.mark.slow
def test_source_and_both_files_of_onnx_say_how_inputs_are_scaled(tmp_path: Path) -> None:
    model = coded("tabular")
    said = str(preprocessing_in_words(model.subject))
    assert said.startswith("The network takes values x as (x - [")
    documented = ast.get_docstring(ast.parse(model_source(model).code))
    assert documented is not None
    assert said in documented.replace("\n", " ")
    for name, content in (("a.onnx", model_onnx(model)), ("b.onnx", model_qdq(model).content)):
        found = metadata_of(content)
        assert found[SENTENCE] == said
        assert json.loads(found[VALUES]) == {
            "mean": list(model.subject.input.mean),
            "std": list(model.subject.input.std),
        }
        (tmp_path / name).write_bytes(content)
        refuse_to_replace([tmp_path / name], force=False)  # it is still known as ours


def test_a_packed_file_with_its_source_says_it_too(tmp_path: Path) -> None:
    model = coded("tabular")
    write_packed(model, tmp_path / "model.slim", model_source(model))
    architecture = read_packed_state(tmp_path / "model.slim").architecture
    assert architecture is not None
    assert "The network takes values x as (x - [" in architecture.code


def test_pixels_of_bytes_and_of_shares_are_told_apart() -> None:
    assert preprocessing_in_words(loaded_sample("lenet5")) == (
        "The network takes pixels x from 0 to 255 as (x / 255 - 0.1307) / 0.3081, and pixels from 0 to 1 as "
        "(x - 0.1307) / 0.3081."
    )
    form = InputForm(IMAGE, (3, 4, 4), (0.5, 0.4, 0.3), (0.2, 0.2, 0.2))
    said = preprocessing_in_words(replace(mlp_subject(), input=form))
    assert "(x / 255 - [0.5, 0.4, 0.3]) / 0.2" in said


def test_where_nothing_is_known_inputs_are_as_they_were_given() -> None:
    subject = mlp_subject()
    assert preprocessing_as_metadata(subject) == {SENTENCE: BYTES_DIVIDED}
    named = replace(subject.input, fields=(InputField("x", (4,)),))
    assert preprocessing_as_metadata(replace(subject, input=named)) == {SENTENCE: AS_GIVEN}
    documented = ast.get_docstring(ast.parse(model_source(Model.original(subject)).code))
    assert documented is not None
    assert BYTES_DIVIDED in documented.replace("\n", " ")


def test_how_picture_files_were_read_is_told_before_the_scale() -> None:
    read = ReadingRemarks((Phrase(READ_WITH, how="resize=256 crop=224,224 channels=rgb"), "Other."))
    subject = replace(loaded_sample("lenet5"), remarks_on=FileRemarks(items=read))
    assert preprocessing_in_words(subject).startswith(
        "Pictures were read with resize=256 crop=224,224 channels=rgb. The network takes pixels x"
    )


def test_a_file_of_other_preprocessing_is_another_job() -> None:
    subject, knobs = mlp_subject(), FilesKnobs(file_format="source", split="")
    scaled = replace(subject, input=replace(subject.input, mean=(0.5,)))
    assert FILES.content(subject, knobs) != FILES.content(scaled, knobs)
    assert FILES.content(subject, knobs) == FILES.content(replace(subject, described="else"), knobs)


def test_the_command_says_what_the_file_takes(tmp_path: Path) -> None:
    words = ["export", "tabular", "--step", "fc1: magnitude sparsity=0.5", "--out", str(tmp_path / "out")]
    said = CliRunner().invoke(app, words, prog_name="slimscope")
    assert "\nThe network takes values x as (x - [" in said.stdout
    told = json.loads(CliRunner().invoke(app, [*words, "--json"], prog_name="slimscope").stdout)
    assert told["input"].startswith("The network takes values x as (x - [")
