"""A network as an ONNX file, in 32 bits and with the recipe's own codes: what runs is what was evaluated."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.cli import app
from compress_core.deliver.int8_export import Qdq, model_qdq, whole_numbers
from compress_core.deliver.onnx_export import model_onnx, onnx_bytes
from compress_core.deliver.onnx_session import OnnxSession, predictions_in_runtime, predictions_in_torch
from compress_core.deliver.own_files import refuse_to_replace
from compress_core.deliver.parity import largest_difference
from compress_core.deliver.whole_numbers import WholeNumbers
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.measure.behavior.compare import Comparison
from compress_core.measure.behavior.predictions import Predictions
from compress_core.recipe.values import Recipe, Rule, Step
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.input_rules import KeepAbove, StaticGrid
from tests.subjects import everything_subject, loaded_sample, rules, seeded, tiny_subject

pytestmark = pytest.mark.slow

UNIFORM = Step.of("uniform", bits=8)
PRUNED = Step.of("magnitude", sparsity=0.5)
SMALL = Step.of("low_rank", energy=0.8)


def _ranged(model: Model, bits: int = 8, split: str = "calibration") -> Model:
    """The model with every layer's input rounded to a grid between its ends on the calibration items."""
    network, ends = model.network(), {}

    def note(name: str):
        def hook(_: nn.Module, given: tuple[Tensor, ...]) -> None:
            low, high = ends.get(name, (0.0, 0.0))
            ends[name] = min(low, float(given[0].min())), max(high, float(given[0].max()))

        return hook

    for layer in model.base.layers:
        network.get_submodule(layer.module).register_forward_pre_hook(note(layer.name))
    with torch.no_grad():
        for batch in model.subject.split(split).batches():
            network(batch)
    grids = {}
    for name, (low, high) in ends.items():
        scale = (high - low) / (2**bits - 1)
        grids[name] = (StaticGrid(scale, round(-low / scale), bits),)
    return replace(model, inputs=MappingProxyType(grids))


def _compressed(subject: Subject, *steps: Step) -> Model:
    return compress(subject, rules(any=steps) if steps else Recipe(), Store())


@pytest.fixture(scope="module")
def resnet() -> Model:
    rule = Rule("*", (UNIFORM, Step.of("static_range", bits=8)))
    return compress(loaded_sample("resnet"), Recipe((rule,)), Store())


@pytest.fixture(scope="module")
def whole(resnet: Model) -> Qdq:
    return model_qdq(resnet)


@pytest.fixture(scope="module")
def tabular() -> tuple[Model, bytes]:
    model = _compressed(loaded_sample("tabular"), PRUNED, UNIFORM)
    return model, model_onnx(model)


@pytest.fixture(scope="module")
def in_runtime(resnet: Model, whole: Qdq) -> Predictions:
    return predictions_in_runtime(whole.content, resnet.subject.split("test"))


def _apart(one: Predictions, other: Predictions) -> float:
    return largest_difference(torch.from_numpy(one.logits.copy()), torch.from_numpy(other.logits.copy()))


def _parity(network: nn.Module, content: bytes, split: Split) -> float:
    """The largest difference between what a network and a file of it answer."""
    return _apart(predictions_in_torch(network, split, "torch"), predictions_in_runtime(content, split))


def _nodes(content: bytes) -> list[str]:
    import onnx

    return [node.op_type for node in onnx.load_from_string(content).graph.node]


def test_a_file_in_32_bits_answers_as_torch_does_for_any_number_of_items(
    tabular: tuple[Model, bytes],
) -> None:
    model, content = tabular
    split, session, network = model.subject.split("test"), OnnxSession(content), model.network()
    for count in (1, 3, 57):
        with torch.no_grad():
            expected = network(split.inputs[:count]).numpy()
        assert np.abs(session(split.inputs[:count].numpy()) - expected).max() < 1e-5
    answered = predictions_in_runtime(content, split)
    assert answered.n == len(split)
    assert np.array_equal(answered.predicted, predictions_in_torch(network, split, "torch").predicted)


def test_the_file_is_the_same_twice_and_names_nothing_of_this_machine(tabular: tuple[Model, bytes]) -> None:
    model, content = tabular
    assert model_onnx(model) == content
    for trace in (b"site-packages", b"compress_core", b"sample_models", b".py", b"/work"):
        assert trace not in content


def test_a_file_and_its_whole_numbers_are_known_as_ours(tabular: tuple[Model, bytes], tmp_path: Path) -> None:
    model, content = tabular
    for name, written in (("model.onnx", content), ("model.int8.onnx", model_qdq(model).content)):
        (tmp_path / name).write_bytes(written)
    refuse_to_replace([tmp_path / "model.onnx", tmp_path / "model.int8.onnx"], force=False)


def test_the_exporter_says_nothing_to_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    onnx_bytes(nn.Sequential(nn.Linear(3, 2)).eval(), (torch.randn(2, 3),))
    assert capfd.readouterr() == ("", "")


def test_every_kind_of_layer_is_exported_factored_ones_included() -> None:
    subject = everything_subject()
    names = ("line", "up", "places", "room", "attention.out_proj", "block.linear1")
    model = compress(subject, Recipe(tuple(Rule(name, (SMALL,)) for name in names)), Store())
    items = subject.split("validation").inputs
    with torch.no_grad():
        expected = model.network()(items).numpy()
    assert np.abs(OnnxSession(model_onnx(model))(items.numpy()) - expected).max() < 1e-5


class OnValues(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class NoKernel(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.special.bessel_j0(x)


@pytest.mark.parametrize(
    ("network", "reason"), [(OnValues(), "course must not depend"), (NoKernel(), "as ONNX")]
)
def test_what_cannot_be_exported_is_refused_with_the_reason(network: nn.Module, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        onnx_bytes(network.eval(), (torch.randn(2, 3),))


def test_a_runtime_refuses_what_is_no_file_of_onnx() -> None:
    with pytest.raises(Refused, match="does not take the file"):
        OnnxSession(b"nothing")


def test_every_weight_and_input_of_the_recipe_is_written_in_whole_numbers(resnet: Model, whole: Qdq) -> None:
    names = tuple(layer.name for layer in resnet.subject.layers)
    assert whole.weights == whole.inputs == names
    assert not whole.left
    assert len(whole.content) < 0.35 * 4 * resnet.subject.parameters


def test_int8_loses_less_than_half_a_point_on_the_test_items(resnet: Model, in_runtime: Predictions) -> None:
    original = predictions_in_torch(resnet.subject.network, resnet.subject.split("test"), "original")
    change = Comparison(original, in_runtime).numbers["accuracy_change"]
    assert change.n == 2000
    assert change.low > -0.5


def test_int8_in_the_runtime_answers_as_the_network_that_was_evaluated(
    resnet: Model, in_runtime: Predictions
) -> None:
    in_torch = predictions_in_torch(resnet.network(), resnet.subject.split("test"), "torch")
    assert np.mean(in_torch.predicted == in_runtime.predicted) >= 0.999
    assert _apart(in_torch, in_runtime) < 0.2  # logits reach 14; a code at a boundary may round the other way


def test_the_runtime_computes_in_whole_numbers(whole: Qdq, tmp_path: Path) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "run.onnx")
    onnxruntime.InferenceSession(whole.content, options, providers=["CPUExecutionProvider"])
    run = _nodes((tmp_path / "run.onnx").read_bytes())
    assert "QLinearConv" in run
    assert "QGemm" in run


def test_scales_in_the_file_are_those_of_the_recipe() -> None:
    import onnx
    from onnx import numpy_helper

    model = _ranged(_compressed(loaded_sample("tabular"), PRUNED, UNIFORM))
    graph = onnx.load_from_string(model_qdq(model).content).graph
    tensors = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    for name, edited in model.compressed.items():
        codes, scale, zero = (tensors[f"{name}.weight.{part}"] for part in ("codes", "scale", "zero"))
        values = (codes.astype(np.float32) - zero[:, None]) * scale[:, None]
        assert np.array_equal(values, edited.values.numpy())
        assert any(t.size == 1 and t == np.float32(model.inputs[name][0].scale) for t in tensors.values())


class OnTokens(nn.Module):
    """Linear layers on [N, T, F], whose weights the exporter turns."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.two(self.one(tokens).relu()).mean(dim=1)


def test_a_turned_weight_is_found_by_its_values_where_its_input_is_rounded_too() -> None:
    model = _compressed(tiny_subject(seeded(OnTokens()), (5, 4)), UNIFORM)
    items = model.subject.split("validation")
    ranged = _ranged(model, split="validation")
    found, bare = model_qdq(ranged), model_qdq(model)
    assert found.inputs == found.weights == ("one", "two")
    assert _parity(ranged.network(), found.content, items) < 0.01
    assert not bare.weights
    assert "rounds it on its own" in bare.left["one"]
    assert _parity(model.network(), bare.content, items) < 1e-5


def test_rules_that_are_no_whole_numbers_stay_as_they_were_evaluated() -> None:
    model = _ranged(_compressed(loaded_sample("tabular"), UNIFORM), bits=4)
    kept = {**model.inputs, "fc2": (KeepAbove(0.1),)}
    model = replace(model, inputs=MappingProxyType(kept))
    found = model_qdq(model)
    assert not found.inputs
    assert _parity(model.network(), found.content, model.subject.split("test")) < 1e-4


@pytest.mark.parametrize(
    "step",
    [Step.of("kmeans"), Step.of("power_of_two"), Step.of("magnitude", sparsity=0.5)],
    ids=lambda step: step.technique,
)
def test_a_weight_on_no_even_grid_says_why_it_stays(step: Step) -> None:
    model = _compressed(loaded_sample("tabular"), step)
    assert "no evenly spaced grid" in str(whole_numbers(model.compressed["fc1"].encoded[0]))


@pytest.mark.parametrize("technique", ["uniform", "affine"])
@pytest.mark.parametrize("granularity", ["per_tensor", "per_channel"])
def test_codes_decode_to_the_evaluated_values(technique: str, granularity: str) -> None:
    model = _compressed(loaded_sample("tabular"), PRUNED, Step.of(technique, bits=5, granularity=granularity))
    for edited in model.compressed.values():
        found = whole_numbers(edited.encoded[0])
        assert isinstance(found, WholeNumbers)
        zero, scale = (each.astype(np.float32)[:, None] for each in (found.zero_point, found.scale))
        assert np.array_equal((found.codes - zero) * scale, edited.values.numpy())


def test_a_folded_factor_goes_into_the_scale_whatever_its_sign() -> None:
    codes = np.array([[1, 128, 255], [0, 7, 200], [3, 9, 9]], np.uint8)
    numbers = WholeNumbers(codes, np.array([0.5, 2, 1], np.float32), np.array([128, 7, 9], np.uint8))
    factor = np.array([-2, -0.25, 0], np.float32)
    found = numbers.scaled(factor)
    before = (codes - numbers.zero_point[:, None].astype(np.float32)) * numbers.scale[:, None]
    after = (found.codes - found.zero_point[:, None].astype(np.float32)) * found.scale[:, None]
    assert np.array_equal(after, before * factor[:, None])
    assert found.zero_point[0] == 128


class Bag(nn.Module):
    """Its exporter makes a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.last = nn.EmbeddingBag(9, 6, mode="sum"), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.words((x.abs() * 4).long().clamp(0, 8)))


def test_a_network_with_a_loop_is_written_in_whole_numbers() -> None:
    model = _ranged(_compressed(tiny_subject(seeded(Bag()), (5,)), UNIFORM), split="validation")
    found = model_qdq(model)
    assert "last" in found.inputs
    assert _parity(model.network(), found.content, model.subject.split("validation")) < 0.01


class Projected(nn.Module):
    """The exporter gives its first state the wrong width."""

    def __init__(self) -> None:
        super().__init__()
        self.cells, self.last = nn.LSTM(4, 8, proj_size=3, batch_first=True), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.cells(x)[0][:, -1])


class Otherwise(nn.Module):
    """Answers torch.export differently: what is asked there is not what runs."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(x) * (2 if torch.compiler.is_compiling() else 1)


@pytest.mark.parametrize(
    ("network", "shape", "reason"),
    [(Projected(), (5, 4), "stops while it runs it"), (Otherwise(), (6,), "answers differently")],
)
@pytest.mark.parametrize("write", [model_onnx, model_qdq])
def test_a_file_that_does_not_answer_as_evaluated_is_refused(
    write: Callable[[Model], object],
    network: nn.Module,
    shape: tuple[int, ...],
    reason: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    model = _compressed(tiny_subject(seeded(network), shape), UNIFORM)
    with pytest.raises(Refused, match=reason):
        write(model)
    assert capfd.readouterr() == ("", "")


def test_rows_that_were_pruned_away_answer_their_bias() -> None:
    rows = (Step.of("magnitude", pattern="row", sparsity=0.25), UNIFORM)
    subject = tiny_subject(seeded(nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))), (6,))
    model = _ranged(_compressed(subject, *rows), split="validation")
    found = model_qdq(model)
    assert found.inputs == ("0", "2")
    assert _parity(model.network(), found.content, subject.split("validation")) < 0.02


def test_the_command_measures_the_file_it_wrote_and_says_what_stays(tmp_path: Path) -> None:
    steps = ["--step", "fc1: uniform bits=8", "--step", "fc2: kmeans", "--split", "test", "--to", "int8"]
    result = CliRunner().invoke(app, ["export", "tabular", *steps, "--out", str(tmp_path), "--json"])
    assert result.exit_code == 0, result.stderr
    said = json.loads(result.stdout)
    assert said["files"]["model.int8.onnx"]["value"] == (tmp_path / "model.int8.onnx").stat().st_size
    assert said["accuracy"]["n"] == said["n"] == len(loaded_sample("tabular").split("test"))
    assert said["left"].keys() == {"fc2"}


def test_the_command_refuses_codes_where_nothing_is_quantized(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["export", "tabular", "--to", "int8", "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "nothing is quantized" in result.stderr
