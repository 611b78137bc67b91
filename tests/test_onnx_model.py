"""An ONNX file as a model: opened, compared with the runtime, rebuilt by workers, compressed."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import helper
from torch import Tensor, nn
from typer.testing import CliRunner

from compress_core.apply.run import compress
from compress_core.cli import app
from compress_core.deliver.int8_export import model_qdq
from compress_core.deliver.onnx_export import model_onnx
from compress_core.deliver.packed_file import read_packed, write_packed
from compress_core.deliver.silence import quiet
from compress_core.face.load_model import load
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.jobs.bundle import bundle_of, read_bundle
from compress_core.loading.allowance import ON_SERVER
from compress_core.loading.file_reader import FileReader
from compress_core.loading.items import Items, checked_items
from compress_core.loading.onnx_file.layer_names import TAKEN_BY_TORCH, LayerNames
from compress_core.loading.onnx_file.runtime_child import RuntimeQuestion, answers_of
from compress_core.loading.onnx_file.runtime_difference import NotComparedError, answers_apart
from compress_core.loading.onnx_file.understanding import read_network
from compress_core.loading.onnx_model import onnx_subject, shapes_given
from compress_core.loading.user_model import subject_from_network
from compress_core.loading.weights_file import SERVER_CAPS
from compress_core.recipe.values import Recipe, Rule, Step
from compress_core.structure.groups import find_groups
from compress_core.subject.subject import Subject
from tests.onnx_files import by_torch, in_runtime, items_of, model
from tests.subjects import loaded_sample, seeded

Array = NDArray[np.float32]
F32 = np.float32


class Small(nn.Module):
    """Two convolutions beside a shortcut, a norm, a pool and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.conv1 = nn.Conv2d(6, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 6, 1)
        self.pool, self.fc = nn.MaxPool2d(2), nn.Linear(6 * 4 * 4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        x = self.pool(torch.relu(x + self.conv2(torch.relu(self.conv1(x)))))
        return self.fc(x.flatten(1))


def in_process(asked: RuntimeQuestion) -> Array:
    """ONNX Runtime without a process of its own."""
    return answers_of(onnxruntime, asked)


def some(count: int = 40, shape: tuple[int, ...] = (3, 8, 8)) -> Items:
    labels = np.arange(count) % 4
    return Items(items_of(shape, count).numpy(), labels.astype(np.int64))


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return seeded(Small()).eval()


@pytest.fixture(scope="module")
def content(network: nn.Module) -> bytes:
    return by_torch(network, items_of((3, 8, 8), 2), dynamo=False)


def subject_of(content: bytes, items: Items | None = None, name: str = "m") -> Subject:
    return onnx_subject(read_network(content, SERVER_CAPS), content, items, name=name, answers=in_process)


@pytest.fixture(scope="module")
def subject(content: bytes) -> Subject:
    return subject_of(content, some(), "Small")


@pytest.fixture(scope="module")
def given(network: nn.Module) -> Subject:
    """The same network as its owner would give it."""
    return subject_from_network(network, some(), "Small")


def test_the_summary_says_how_far_the_answers_are_from_onnx_runtime(subject: Subject) -> None:
    assert "On 40 items its answers differ from those of ONNX Runtime by" in subject.summary
    assert "% " not in subject.summary
    assert subject.warnings == ()


def test_layers_and_groups_are_those_of_the_network_as_it_was_given(subject: Subject, given: Subject) -> None:
    told = [(layer.name, layer.label, layer.kernel_shape, layer.macs) for layer in subject.layers]
    assert told == [(layer.name, layer.label, layer.kernel_shape, layer.macs) for layer in given.layers]
    found, expected = (
        {(g.name, g.units, g.locked) for g in find_groups(s.network, s.input.baseline.repeat(2, 1, 1, 1))}
        for s in (subject, given)
    )
    assert found == expected


RECIPE = Recipe(
    groups=(Rule("conv1", (Step.of_group("magnitude", share_removed=0.5),)),),
    layers=(
        Rule("fc", (Step.of("magnitude", sparsity=0.5), Step.of("uniform", bits=8))),
        Rule("stem", (Step.of("uniform", bits=4),)),
    ),
)


@pytest.mark.slow
def test_a_recipe_does_to_it_what_it_does_to_the_network_as_it_was_given(
    subject: Subject, given: Subject, tmp_path: Path
) -> None:
    models = [compress(each, RECIPE, Store()) for each in (subject, given)]
    items = items_of((3, 8, 8), 20, seed=9)
    with torch.no_grad():
        answers = [made.network()(items) for made in models]
    assert torch.allclose(*answers, atol=1e-6)
    sizes = [write_packed(made, tmp_path / f"{at}.slim") for at, made in enumerate(models)]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.1)
    packed = read_packed(tmp_path / "0.slim", subject)
    with torch.no_grad():
        assert torch.equal(packed(items), answers[0])


def test_another_process_builds_the_same_model(subject: Subject) -> None:
    files = bundle_of(subject)
    again = read_bundle(files)
    assert again.digest == subject.digest
    with torch.no_grad():
        items = items_of((3, 8, 8), 5)
        assert torch.equal(again.network(items), subject.network(items))


def test_another_course_of_the_same_weights_is_another_model() -> None:
    nodes = [helper.make_node("Gemm", ["x", "fc.weight"], ["a"], transB=1)]
    consts = {"fc.weight": items_of((4,), 3).numpy()}
    keys = {
        subject_of(model([*nodes, helper.make_node(kind, ["a"], ["y"], **how)], ("N", 4), consts), None).key
        for kind, how in (
            ("Relu", {}),
            ("Tanh", {}),
            ("LeakyRelu", {}),
            ("LeakyRelu", {"alpha": 0.2}),
            ("Neg", {}),
            ("Abs", {}),
        )
    }
    assert len(keys) == 6


def test_answers_that_differ_are_refused_with_the_figures(content: bytes) -> None:
    def wrong(asked: RuntimeQuestion) -> Array:
        answers = in_process(asked)
        answers[3] += 2e-5 * np.abs(answers).max()
        return answers

    with pytest.raises(
        Refused, match=r"differently from ONNX Runtime on 1 of 8 items: by .*, where the largest"
    ):
        onnx_subject(read_network(content, SERVER_CAPS), content, None, name="m", answers=wrong)


def test_what_was_not_compared_is_said(content: bytes) -> None:
    def silent(*_: object) -> Array:
        raise NotComparedError("it fell over")

    found = onnx_subject(read_network(content, SERVER_CAPS), content, None, name="m", answers=silent)
    assert any("not compared with ONNX Runtime (it fell over)" in warning for warning in found.warnings)
    assert "differ" not in found.summary


def test_more_than_a_server_computes_is_refused_before_anything_is_built(content: bytes) -> None:
    node = helper.make_node("Expand", ["x", "s"], ["a"])
    mean = helper.make_node("ReduceMean", ["a"], ["y"], axes=[1], keepdims=0)
    wide = model([node, mean], ("N", 1, 4), {"s": np.array([1, 2**21, 4], np.int64)}, opset=13)
    with pytest.raises(Refused, match="8,388,608 values for one item"):
        onnx_subject(read_network(wide, SERVER_CAPS), wide, None, name="m", allowed=ON_SERVER)


def test_a_layer_lies_in_no_other_and_no_two_have_one_name() -> None:
    names = LayerNames()
    given = (
        "block.weight",
        "block.conv.weight",
        "block_conv.weight",
        "head.fc.weight",
        "head.weight",
        "type.weight",
    )
    found = [names.for_layer([name], [], []) for name in given]
    assert found == ["block", "block_conv", "block_conv_2", "head.fc", "head_2", "type_"]
    assert names.for_layer([], ["/head/Relu", "relu"], []) == "head.relu"
    assert names.for_layer(["onnx::MatMul_3"], ["/a/a.0/fc/MatMul"], []) == "a.0.fc"
    assert names.for_constant("head.fc.weight") == "head_fc_weight"


def _added_by_transformers(name: str) -> bool:
    """Whether a method of every module is that library's, which adds it wherever it was imported."""
    return str(getattr(getattr(nn.Module, name, None), "__module__", "")).startswith("transformers")


def test_names_of_torch_are_left_to_torch() -> None:
    names = (name for name in dir(nn.Module()) if not name.startswith("_"))
    assert {name for name in names if not _added_by_transformers(name)} <= TAKEN_BY_TORCH


@pytest.mark.slow
def test_a_file_is_opened_by_load_and_by_the_shell(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "small.onnx").write_bytes(content)
    items = some()
    np.savez(tmp_path / "items.npz", inputs=items.inputs, labels=items.labels)
    found = load(tmp_path / "small.onnx", tmp_path / "items.npz")
    assert [layer.name for layer in found.layers] == ["stem", "conv1", "conv2", "fc"]
    assert "On 40 items" in found.summary
    done = CliRunner().invoke(
        app, ["layers", str(tmp_path / "small.onnx"), "--data", str(tmp_path / "items.npz"), "--json"]
    )
    assert done.exit_code == 0, done.output
    assert [row["name"] for row in json.loads(done.stdout)["layers"]] == ["stem", "conv1", "conv2", "fc"]


@pytest.mark.slow
def test_a_process_with_limits_reads_what_we_read_and_refuses_what_we_refuse(content: bytes) -> None:
    reader = FileReader()
    try:
        found, expected = reader.network(content, "m.onnx"), read_network(content, SERVER_CAPS)
        assert json.dumps(found.told) == json.dumps(expected.told)
        assert found.state.keys() == expected.state.keys()
        assert all(np.array_equal(found.state[name], expected.state[name]) for name in expected.state)
        assert (found.from_codes, found.work, found.fixed) == (
            expected.from_codes,
            expected.work,
            expected.fixed,
        )
        with pytest.raises(Refused, match="cannot be read"):
            reader.network(content[:-1], "m.onnx")
    finally:
        reader.close()


@pytest.mark.slow
def test_the_runtime_answers_in_a_process_of_its_own_or_not_at_all(content: bytes) -> None:
    items = items_of((3, 8, 8), 5)
    asked = RuntimeQuestion(content, read_network(content, SERVER_CAPS).output, 8, (items.numpy(),))
    assert np.array_equal(answers_apart(asked), in_runtime(content, items))
    with pytest.raises(NotComparedError, match=r"InvalidProtobuf|Fail|InvalidGraph"):
        answers_apart(replace(asked, content=content[:-3]))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tabular"])
def test_our_whole_numbers_are_opened_with_their_scales(name: str) -> None:
    sample = loaded_sample(name)
    rule = Rule("*", (Step.of("uniform", bits=8), Step.of("static_range", bits=8)))
    whole = model_qdq(compress(sample, Recipe((rule,)), Store()))
    split = sample.split("test")
    assert split.labels is not None
    items = Items(split.inputs[:200].numpy(), split.labels[:200].numpy())
    found = subject_of(whole.content, items, name)
    assert [layer.name for layer in found.layers] == [layer.name for layer in sample.layers]
    assert any(
        f"The weights of {len(sample.layers)} layers came as whole numbers" in w for w in found.warnings
    )
    kinds = [type(module).__name__ for module in found.network.modules()]
    assert kinds.count("RoundedValues") == len(set(whole.inputs))


@pytest.mark.slow
def test_a_sample_goes_out_and_in_and_out_again_to_the_last_bit() -> None:
    sample = loaded_sample("tabular")
    content = model_onnx(compress(sample, Recipe(), Store()))
    found = subject_of(content)
    again = model_onnx(compress(found, Recipe(), Store()))
    twice = subject_of(again)
    items = sample.split("test").inputs[:50]
    assert np.array_equal(in_runtime(content, items), in_runtime(again, items))
    with torch.no_grad():
        assert torch.equal(found.network(items), twice.network(items))
        assert torch.equal(found.network(items), sample.network(items))


class Reader(nn.Module):
    """Words, which of them are seen, and a number beside: the mean of what is seen decides."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.beside = nn.Embedding(20, 6), nn.Linear(2, 6)
        self.mix, self.judge = nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        seen = attention_mask.unsqueeze(2).float()
        mean = (self.words(input_ids) * seen).sum(1) / seen.sum(1)
        hidden = torch.relu(self.mix(mean + self.beside(numbers)))
        return hidden, self.judge(hidden)


def of_several_inputs() -> bytes:
    """A file with open sizes, three inputs and two outputs."""
    words, beside = torch.randint(0, 20, (2, 5)), torch.randn(2, 2)
    axes = {name: {0: "N", 1: "T"} for name in ("input_ids", "attention_mask")} | {"numbers": {0: "N"}}
    buffer = io.BytesIO()
    with quiet():
        torch.onnx.export(
            seeded(Reader()).eval(),
            (words, torch.ones_like(words), beside),
            buffer,
            dynamo=False,
            opset_version=17,
            input_names=list(axes),
            output_names=["hidden", "logits"],
            dynamic_axes=axes,
        )
    return buffer.getvalue()


def several_items(count: int = 30) -> Items:
    draw = np.random.default_rng(0)
    mask = np.arange(5)[None] < draw.integers(1, 6, (count, 1))
    inputs = {
        "input_ids": draw.integers(0, 20, (count, 5)),
        "attention_mask": mask.astype(np.int64),
        "numbers": draw.standard_normal((count, 2)).astype(F32),
    }
    return checked_items(inputs, draw.integers(0, 3, count))


def test_several_inputs_by_name_and_the_output_that_is_judged() -> None:
    content, items = of_several_inputs(), several_items()
    found = read_network(content, SERVER_CAPS, shapes_given(items))
    subject = onnx_subject(found, content, items, name="reader", answers=in_process)
    assert [field.name for field in subject.input.fields] == ["input_ids", "attention_mask", "numbers"]
    assert subject.input.fields[0].values == 20
    assert "On 38 items its answers differ" in subject.summary
    assert any("logits is judged; hidden are left out" in warning for warning in subject.warnings)
    again = read_bundle(bundle_of(subject))
    rows = subject.split("validation").inputs[:7]
    small = compress(subject, Recipe(layers=(Rule("mix", (Step.of("uniform", bits=4),)),)), Store())
    with torch.no_grad():
        assert torch.equal(again.network(rows), subject.network(rows))
        assert small.network()(rows).shape == (7, 3)
    assert {name for name, _ in subject.network.named_children()} == {
        "words",
        "mix",
        "beside",
        "judge",
        "relu",
    }


def test_items_that_are_not_the_inputs_of_a_file_are_refused() -> None:
    content = of_several_inputs()
    with pytest.raises(Refused, match="all others must be numbers"):
        read_network(content, SERVER_CAPS, [5])
    items = several_items()
    found = read_network(content, SERVER_CAPS, shapes_given(items))
    with pytest.raises(Refused, match="but the network takes input_ids"):
        onnx_subject(found, content, some(shape=(12,)), name="reader", answers=in_process)
