"""A network as code and weights: equal answers on a machine that has torch and nothing of ours."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save_file
from torch import Tensor, nn
from typer.testing import CliRunner

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.cli import app
from compress_core.deliver.onnx_export import onnx_bytes
from compress_core.deliver.onnx_session import OnnxSession
from compress_core.deliver.python_source import CODE_FILE, WEIGHTS_FILE, Source, model_source, source_of
from compress_core.deliver.some_items import few_items
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.network.layers.written_call import written
from compress_core.recipe.values import Recipe, Rule, Step
from compress_core.techniques.contract.input_rules import StaticGrid
from tests.subjects import everything_subject, loaded_sample, rules, seeded
from tests.zoo import ZOO

PRUNED, QUANTIZED = Step.of("magnitude", sparsity=0.7), Step.of("uniform", bits=4)
SMALL = Step.of("low_rank", energy=0.6)
RECIPES = {
    "as loaded": Recipe(),
    "pruned and quantized": rules(any=(PRUNED, QUANTIZED)),
    "factored": rules(any=SMALL),
}
SOME = ("line", "up", "places", "room", "attention.out_proj", "block.linear1")
EVERYTHING = {
    "everything quantized": rules(any=(PRUNED, QUANTIZED)),
    "everything factored": Recipe(tuple(Rule(name, (SMALL,)) for name in SOME)),
}
SAMPLES = ("lenet300", "lenet5", "resnet", "vit", "tabular")
COUNTS = (1, 7, 64)

# Runs the written files where nothing of ours can be imported, on numbers of items they never saw.
ELSEWHERE = """
import importlib.util, json, sys
sys.modules.update(dict.fromkeys(["compress_core", "sample_models", "dashboard"]))
import torch
from safetensors.torch import load_file
found = {}
for folder in sys.argv[1:]:
    spec = importlib.util.spec_from_file_location("model", folder + "/model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    given = load_file(folder + "/items.safetensors")
    with torch.no_grad():
        network = module.load()
        pairs = [(network(given[f"in{n}"]), given[f"out{n}"]) for n in (1, 7, 64)]
    found[folder] = max((got - expected).abs().max().item() for got, expected in pairs)
print(json.dumps(found))
"""


QUICK = ("lenet300 factored", "lenet300 pruned and quantized", "everything quantized")
MODELS = (*(f"{name} {title}" for name in SAMPLES for title in RECIPES), *EVERYTHING)


@cache
def _model(name: str) -> Model:
    if name in EVERYTHING:
        return compress(everything_subject(), EVERYTHING[name], Store())
    sample, title = name.split(" ", 1)
    return compress(loaded_sample(sample), RECIPES[title], Store())


@cache
def _source(name: str) -> Source:
    return model_source(_model(name))


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    return {name: _model(name) for name in MODELS}


@pytest.fixture(scope="module")
def sources() -> dict[str, Source]:
    return {name: _source(name) for name in MODELS}


@pytest.fixture(scope="module")
def differences(
    models: dict[str, Model], sources: dict[str, Source], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, float]:
    """Largest difference of the written files' answers, each in a process without our code."""
    folders = {}
    for name, model in models.items():
        folders[name] = tmp_path_factory.mktemp("source")
        (folders[name] / CODE_FILE).write_text(sources[name].code, encoding="utf-8")
        (folders[name] / WEIGHTS_FILE).write_bytes(sources[name].weights)
        network, form = model.network(), model.subject.input
        items = {n: _items(model, n) for n in COUNTS}
        with torch.no_grad():
            given = {f"in{n}": x for n, x in items.items()} | {
                f"out{n}": network(x) for n, x in items.items()
            }
        assert form.shape == given["in7"].shape[1:]
        save_file({k: t.contiguous().clone() for k, t in given.items()}, folders[name] / "items.safetensors")
    command = [sys.executable, "-c", ELSEWHERE, *map(str, folders.values())]
    finished = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=tmp_path_factory.getbasetemp()
    )
    assert finished.returncode == 0, finished.stderr
    found = json.loads(finished.stdout)
    return {name: found[str(folder)] for name, folder in folders.items()}


def _items(model: Model, count: int) -> Tensor:
    split = model.subject.splits.get("test")
    if split is None:
        return torch.randn(count, *model.subject.input.shape, generator=torch.Generator().manual_seed(count))
    return split.inputs[:count]


@pytest.mark.slow
def test_a_file_that_calls_the_same_layers_gives_equal_bits_elsewhere(
    sources: dict[str, Source], differences: dict[str, float]
) -> None:
    by_layer = [name for name, source in sources.items() if source.by_layer and "everything" not in name]
    assert set(by_layer) == {f"{sample} {title}" for sample in SAMPLES for title in RECIPES}
    assert {differences[name] for name in by_layer} == {0.0}


@pytest.mark.slow
def test_attention_differs_by_rounding_because_torch_fuses_it_elsewhere(
    sources: dict[str, Source], differences: dict[str, float]
) -> None:
    assert sources["everything quantized"].by_layer
    assert differences["everything quantized"] < 1e-5


@pytest.mark.slow
def test_what_cannot_be_followed_layer_by_layer_is_written_in_functions(
    sources: dict[str, Source], differences: dict[str, float]
) -> None:
    assert not sources["everything factored"].by_layer
    assert "aten.linear.default(" in sources["everything factored"].code
    assert differences["everything factored"] < 1e-5


@pytest.mark.slow
def test_a_factored_layer_is_two_ordinary_ones(sources: dict[str, Source]) -> None:
    first, second = re.findall(r"self\.fc1_([01]) = nn\.Linear", sources["lenet300 factored"].code)
    assert (first, second) == ("0", "1")
    assert "bias=False" in sources["lenet300 factored"].code


@pytest.mark.parametrize(
    "name",
    ["lenet300 factored", "everything quantized", pytest.param("vit factored", marks=pytest.mark.slow)],
)
def test_the_same_model_gives_the_same_bytes_twice(name: str) -> None:
    again = model_source(_model(name))
    assert again.code == _source(name).code
    assert again.weights == _source(name).weights


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in MODELS]
)
def test_code_names_no_file_of_this_machine_and_nothing_of_ours(name: str) -> None:
    assert not re.search(r"compress_core|sample_models|/work|/usr|/tmp|0x[0-9a-f]{6}", _source(name).code)


def test_a_tied_weight_is_stored_once() -> None:
    source = _source("everything quantized")
    assert "self.decode.weight = self.words.weight" in source.code
    assert "decode.weight" not in load(source.weights)


def test_decoded_values_are_those_that_were_evaluated() -> None:
    name = "lenet300 pruned and quantized"
    stored = load(_source(name).weights)
    for layer in ("fc1", "fc2", "fc3"):
        assert torch.equal(stored[f"{layer}.weight"], _model(name).values(layer))


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_are_one_line(kind: type[nn.Module]) -> None:
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.reads = kind(5, 6, 2, batch_first=True, bidirectional=True)
            self.head = nn.Linear(12, 3)

        def forward(self, words: Tensor) -> Tensor:
            return self.head(self.reads(words)[0][:, -1])

    source = source_of(seeded(Reader()), (torch.randn(4, 7, 5),))
    assert f"nn.{kind.__name__}(5, 6, num_layers=2, batch_first=True, bidirectional=True)" in source.code


def test_weight_norm_ships_the_weight_it_computes() -> None:
    network = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)), nn.ReLU())
    source = source_of(seeded(network), (torch.randn(4, 4),))
    assert torch.equal(source.tensors["layer_0.weight"], network[0].weight)
    assert "nn.Linear(4, 3)" in source.code


def test_a_hook_is_part_of_what_is_written() -> None:
    network = seeded(nn.Sequential(nn.Linear(4, 3)))
    network[0].register_forward_pre_hook(lambda _, given: (given[0].clamp(-0.5, 0.5),))
    source = source_of(network, (torch.randn(4, 4),))
    assert ".clamp(-0.5, 0.5)" in source.code
    assert "nn.Linear(4, 3)" in source.code
    assert len(network[0]._forward_pre_hooks) == 1


def test_rounded_inputs_are_lines_before_their_layers() -> None:
    rule = StaticGrid(0.02, 100, 8)
    network = seeded(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)))
    network[2].register_forward_pre_hook(lambda _, given: (rule(given[0]), *given[1:]))
    source = source_of(network, (torch.randn(4, 4),))
    assert source.by_layer
    assert "torch.round(" in source.code
    assert source.largest_difference == 0


# Their code asks for values or adds to a shape, so they are exported, which takes seconds: once, in
# test_zoo_pipeline.
BY_EXPORT = {"transformer_encoder", "transformer_encoder_norm_last", "split_by_width", "counted_heads"}


@pytest.mark.parametrize("name", [name for name in ZOO if name not in BY_EXPORT])
def test_every_network_of_the_zoo_is_written_layer_by_layer_or_refused_with_the_reason(name: str) -> None:
    given = ZOO[name].example()
    inputs = given if isinstance(given, tuple) else (given,)
    if ZOO[name].refused_source:
        with pytest.raises(Refused, match=ZOO[name].refused_source):
            source_of(ZOO[name].network(), inputs)
        return
    source = source_of(ZOO[name].network(), inputs)
    assert source.largest_difference < 1e-6
    assert source.by_layer


def test_a_folder_gets_both_files_and_the_command_says_their_bytes(tmp_path: Path) -> None:
    arguments = [
        "export",
        "tabular",
        "--step",
        "fc1: magnitude sparsity=0.5",
        "--out",
        str(tmp_path),
        "--json",
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.stderr
    said = json.loads(result.stdout)
    written_files = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert {name: size["value"] for name, size in said["files"].items()} == written_files
    assert said["largest_difference"]["value"] == 0


class TwoInTwoOut(nn.Module):
    """Two inputs, a mapping with a tuple in it, an argument left at its default."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(4, 3), nn.Linear(5, 3)

    def forward(self, first: Tensor, second: Tensor, mask: Tensor | None = None) -> dict[str, object]:
        hidden = self.one(first) + self.two(second)
        if mask is not None:
            hidden = hidden * mask
        return {"scores": hidden, "parts": (hidden.relu(), -hidden)}


def test_several_inputs_and_a_mapping_as_output_are_kept() -> None:
    network, given = seeded(TwoInTwoOut()), (torch.randn(4, 4), torch.randn(4, 5))
    source = source_of(network, given)
    assert "def forward(self, first, second):" in source.code
    assert source.largest_difference == 0


class OnValues(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class OnItems(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.view(4, 6) * (2 if len(x) == 4 else 1)


class OneByOne(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([x[i] * 2 for i in range(len(x))])


class Random(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.rand(6)


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x * self.calls


class InNumpy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.from_numpy(np.sort(x.numpy(), axis=1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (OnValues(), "must not depend on the values"),
        (OnItems(), r"as len\(x\) in a condition or a loop does"),
        (OneByOne(), r"as len\(x\) in a condition or a loop does"),
        (Random(), "answers differently"),
        (Counting(), "writes to its own buffers"),
        (InNumpy(), "torch"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_written_is_refused_with_the_reason(network: nn.Module, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        source_of(network.eval(), (torch.randn(4, 6),))


def _how_many(x: Tensor) -> int:
    return len(x)


class LengthInView(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.view(len(x), -1))


class LengthElsewhere(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.reshape(_how_many(x), 6)) + 1


class LengthAsNumber(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        summed = super().forward(x.flatten(1)).sum(0, keepdim=True) * 0
        return super().forward(x.flatten(1)) + summed / len(x)


class LengthOfOne(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return sum(super(LengthOfOne, self).forward(x.roll(i, 1).flatten(1)) for i in range(len(x[0])))


LENGTHS = (LengthInView, LengthElsewhere, LengthAsNumber, LengthOfOne)


@pytest.mark.parametrize("kind", LENGTHS)
def test_the_length_of_a_tensor_is_its_first_size_in_source(
    kind: type[nn.Linear], capfd: pytest.CaptureFixture[str]
) -> None:
    network = seeded(kind(6, 3)).requires_grad_(False)
    made = source_of(network, (torch.randn(4, 2, 3),)).network()
    for given in (torch.randn(count, 2, 3) for count in (1, 4, 7)):
        assert torch.allclose(made(given), network(given), atol=1e-6)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
@pytest.mark.parametrize("kind", LENGTHS)
def test_the_length_of_a_tensor_is_its_first_size_in_onnx(
    kind: type[nn.Linear], capfd: pytest.CaptureFixture[str]
) -> None:
    network = seeded(kind(6, 3)).requires_grad_(False)
    made = OnnxSession(onnx_bytes(network, (torch.randn(4, 2, 3),)))
    for given in (torch.randn(count, 2, 3) for count in (1, 4, 7)):
        (answer,) = made.outputs(given.numpy())
        assert np.allclose(answer, network(given).numpy(), atol=1e-5)
    assert capfd.readouterr() == ("", "")


def test_names_from_a_file_cannot_become_code() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = nn.ModuleDict(
                {"a = 1; import os #": nn.Linear(3, 3), "class": nn.ReLU(), "0": nn.Linear(3, 2)}
            )

        def forward(self, x: Tensor) -> Tensor:
            for part in self.parts.values():
                x = part(x)
            return x

    source = source_of(seeded(Named()), (torch.randn(4, 3),), title='""" + import os')
    assert "import os" not in re.sub(r"^\"\"\".*\n", "", source.code)
    assert source.largest_difference == 0


@pytest.mark.parametrize(
    ("module", "call"),
    [
        (nn.Conv2d(3, 8, 3, stride=2, padding=1), "Conv2d(3, 8, 3, stride=2, padding=1)"),
        (nn.Conv2d(4, 4, (3, 5), groups=4, bias=False), "Conv2d(4, 4, (3, 5), groups=4, bias=False)"),
        (nn.Linear(3, 4), "Linear(3, 4)"),
        (nn.BatchNorm2d(4, affine=False), "BatchNorm2d(4, affine=False)"),
        (nn.LayerNorm([3, 4], eps=1e-6), "LayerNorm((3, 4), eps=1e-06)"),
        (nn.MultiheadAttention(8, 2, kdim=6), "MultiheadAttention(8, 2, kdim=6)"),
        (nn.TransformerEncoderLayer(8, 2, 16, activation="gelu"), None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_a_layer_is_written_as_the_shortest_call_that_makes_it(module: nn.Module, call: str | None) -> None:
    found = written(module.eval())
    assert found is not None
    named = [f"{k}={v!r}" for k, v in found.call.named]
    text = f"{found.call.kind.__name__}({', '.join([*map(repr, found.call.unnamed), *named])})"
    assert text == (call or "TransformerEncoderLayer(8, 2, dim_feedforward=16, activation='gelu')")


class Doubled(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


def test_a_layer_that_does_more_than_its_class_is_not_written_as_a_call() -> None:
    hooked = nn.Linear(3, 4)
    hooked.register_forward_hook(lambda *_: None)
    assert written(hooked) is None
    assert written(Doubled(3, 4)) is None
    assert written(nn.Sequential(nn.Linear(3, 4))) is None


def test_items_come_from_the_subject_where_it_has_any() -> None:
    subject = loaded_sample("tabular")
    assert any(torch.equal(few_items(subject), split.inputs[:4]) for split in subject.splits.values())
