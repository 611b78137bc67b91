"""The command line says what the page says, and bad input gets one sentence."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file
from typer.main import get_command
from typer.testing import CliRunner, Result

from compress_core.apply.run import compress
from compress_core.cli import app
from compress_core.cli.arguments import ModelOptions, SharedOptions, about_a_model
from compress_core.deliver.plain_container import read_container
from compress_core.foundation.store import Store
from compress_core.loading.cards import cards
from compress_core.measure.explain.attribution import attribution_methods
from compress_core.measure.tables.output_errors import output_errors
from compress_core.recipe.reading import read_recipe
from compress_core.recipe.values import Step
from compress_core.techniques.contract.technique import LAYER_STAGES, Stage, technique_named, techniques
from tests.subjects import loaded_sample, rules

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = (
    *("models", "techniques", "layers", "apply", "export", "pack", "unpack"),
    *("evaluate", "compare", "explain", "latency"),
)
PRUNED = ("--step", "fc1: magnitude sparsity=0.9")

FACTORIES = """
import torch
from torch import nn

def small():
    print("building")
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))

def fails():
    raise KeyError("no such thing")

def text():
    return "a network"
"""


def run(*arguments: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=stdin, prog_name="slimscope")


def in_json(*arguments: str, stdin: str | None = None) -> Any:
    result = run(*arguments, "--json", stdin=stdin)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with recipes, items, weights and factories, good and bad."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_factories", raising=False)
    texts = {
        "good.yaml": "layers:\n- {match: fc1, steps: [{technique: uniform, bits: 3}]}\n",
        "good.json": '{"version": 1, "layers": [{"match": "fc2", "steps": ["magnitude"]}]}',
        "broken.yaml": "layers: [",
        "date.yaml": "2001-99-99",
        "deep.yaml": "[" * 500,
        "list.yaml": "- 1",
        "unknown_layer.yaml": "layers: [{match: fc9, steps: [magnitude]}]",
        "unknown_knob.yaml": "layers: [{match: fc1, steps: [{technique: magnitude, ratio: 0.5}]}]",
        "own_factories.py": FACTORIES,
        "bad_syntax.py": "def broken(:",
        "text.npz": "no array",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "latin.yaml").write_bytes(b"layers: \xff\xfe")
    inputs = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    np.savez(tmp_path / "items.npz", inputs=inputs, labels=np.arange(20) % 3)
    np.savez(tmp_path / "unlabeled.npz", inputs=inputs)
    plain = {"in.weight": torch.ones(8, 4), "in.bias": torch.ones(8), "out.weight": torch.ones(3, 8)}
    save_file(plain, tmp_path / "plain.safetensors")
    tabular = loaded_sample("tabular")
    state = {name: t + 0.0 for name, t in tabular.network.state_dict().items()}
    save_file(state, tmp_path / "same.safetensors")
    state["fc2.weight"][0, :3] = torch.nan
    save_file(state, tmp_path / "nan.safetensors")
    raw = tabular.input.raw(tabular.split("test").inputs).numpy()
    labels = tabular.split("test").labels
    assert labels is not None
    np.savez(tmp_path / "table.npz", inputs=raw, labels=labels.numpy())
    return tmp_path


# The numbers


@pytest.mark.slow
def test_evaluate_says_the_accuracy_of_the_card_in_a_process_of_its_own() -> None:
    finished = process("-m", "compress_core.cli", "evaluate", "lenet5", "--json")
    assert (finished.returncode, finished.stderr) == (0, "")
    found, card = json.loads(finished.stdout), cards()["lenet5"].accuracy["validation"]
    assert found["accuracy"]["value"] == card.value
    assert (found["split"], found["n"]) == ("validation", card.n)


def test_ninety_per_cent_of_fc1_of_lenet5_are_exactly_360000_weights(folder: Path) -> None:
    np.savez(folder / "one.npz", images=np.zeros((1, 28, 28), np.uint8), labels=np.array([0]))
    found = in_json("evaluate", "lenet5", *PRUNED, "--data", "one.npz")
    fc1 = next(row for row in found["layers"] if row["layer"] == "fc1")
    assert fc1["pruned"] == {
        "value": 360_000,
        "low": None,
        "high": None,
        "n": None,
        "unit": "weight",
        "kind": "exact",
    }


def test_each_layer_in_json_has_the_error_of_its_output_as_the_page_measures_it() -> None:
    rows = in_json("evaluate", "tabular", "--step", "fc1: magnitude sparsity=0.9")["layers"]
    model = compress(loaded_sample("tabular"), rules(fc1=Step.of("magnitude", sparsity=0.9)), Store())
    found = {row["layer"]: row["output_error"] for row in rows}
    assert found == {name: error.as_json() for name, error in output_errors(model, Store()).items()}
    assert (found["fc1"]["kind"], found["fc2"]["kind"]) == ("measured", "exact")


def test_the_original_in_a_comparison_is_what_evaluate_says_of_it() -> None:
    original = in_json("compare", "tabular", "--step", "*: magnitude sparsity=0.9")["original"]
    alone = in_json("evaluate", "tabular")
    assert original == {name: alone[name] for name in original}


def test_the_test_split_speaks_when_asked() -> None:
    found = in_json("evaluate", "tabular", "--split", "test")
    assert found["accuracy"]["value"] == cards()["tabular"].accuracy["test"].value


def numbers_in(content: Any, path: str = "") -> list[tuple[str, Any]]:
    """Every figure in the JSON that is not part of a number object, and every number object."""
    if isinstance(content, dict):
        if "kind" in content and "value" in content:
            return [(path, content)]
        return [found for key, part in content.items() for found in numbers_in(part, f"{path}.{key}")]
    if isinstance(content, list):
        return [found for part in content for found in numbers_in(part, path)]
    return [(path, content)] if isinstance(content, int | float) and not isinstance(content, bool) else []


PLAIN = re.compile(r"\.(n|seed|batch|shape|groups|index|item|recipe\..*|input\.shape)$|^\.(worst\.item)$")


@pytest.mark.parametrize(
    "arguments",
    [
        ("models",),
        ("layers", "tabular"),
        ("evaluate", "tabular"),
        ("evaluate", "own_factories:small", "--data", "unlabeled.npz"),
        ("compare", "tabular", "good.yaml"),
        ("explain", "tabular", "good.yaml", "--items", "5", "--method", "saliency"),
        ("latency", "tabular", "good.yaml", "--rounds", "3", "--processes", "3", "--batch", "2", "--no-onnx"),
        ("apply", "tabular", "good.yaml", "--out", "out"),
    ],
    ids=" ".join,
)
def test_every_number_has_the_one_form(folder: Path, arguments: tuple[str, ...]) -> None:
    found = numbers_in(in_json(*arguments))
    assert found
    for path, number in found:
        if not isinstance(number, dict):
            assert PLAIN.search(path), f"{path} is a bare {number}"
            continue
        assert set(number) - {"reason", "no_interval"} == {"value", "low", "high", "n", "unit", "kind"}, path
        assert number["kind"] in {"measured", "estimated", "exact"}
        assert (number["value"] is None) == ("reason" in number), path
        if number["low"] is not None:
            assert number["low"] <= number["value"] <= number["high"], path


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        ("evaluate", "model split n recipe accuracy churn ece bytes sparsity layers"),
        (
            "compare",
            "accuracy churn ece bytes sparsity accuracy_change right_to_wrong wrong_to_right per_class kl",
        ),
    ],
)
def test_the_json_has_its_keys_at_the_top(folder: Path, command: str, keys: str) -> None:
    assert set(keys.split()) <= set(in_json(command, "tabular", "good.yaml"))


def test_classes_stand_worst_first_and_add_up() -> None:
    rows = in_json("compare", "tabular", "--step", "*: magnitude sparsity=0.9")["per_class"]
    changes = [row["accuracy_change"]["value"] for row in rows]
    assert changes == sorted(changes)
    assert sum(row["n"] for row in rows) == cards()["tabular"].accuracy["validation"].n


def test_without_labels_churn_is_measured_and_accuracy_says_why_not(folder: Path) -> None:
    found = in_json(
        "compare", "own_factories:small", "--data", "unlabeled.npz", "--step", "0: uniform bits=2"
    )
    assert found["accuracy"]["value"] is None
    assert found["accuracy"]["reason"] == found["per_class_reason"] == "The items have no labels."
    assert found["churn"]["value"] is not None
    assert found["per_class"] == []


# Recipes and models, in every way they can be given


def test_a_recipe_is_the_same_from_a_file_from_standard_input_and_from_steps(folder: Path) -> None:
    shas = {
        in_json("evaluate", "tabular", "good.yaml")["recipe"]["sha"],
        in_json("evaluate", "tabular", "-", stdin=(folder / "good.yaml").read_text())["recipe"]["sha"],
        in_json("evaluate", "tabular", "--step", "fc1: uniform bits=3")["recipe"]["sha"],
    }
    assert len(shas) == 1


def test_a_mean_over_too_few_items_says_how_many_an_interval_needs() -> None:
    arguments = ("compare", "tabular", "--step", "*: magnitude sparsity=0.9")
    kl = in_json(*arguments)["kl"]
    assert (kl["low"], kl["high"], kl["n"]) == (None, None, 114)
    assert "needs N >= 500" in kl["no_interval"]
    printed = run(*arguments).stdout
    assert f"measured. {kl['no_interval']}" in printed
    assert "simultaneous over 2 classes" in printed


def test_steps_of_one_layer_are_one_rule_and_stand_before_the_file(folder: Path) -> None:
    found = in_json(
        "evaluate",
        "tabular",
        "good.yaml",
        "--step",
        "fc1: magnitude pattern=2:4",
        "--step",
        "fc1: kmeans bits=2",
    )
    assert found["recipe"]["layers"] == [
        {
            "match": "fc1",
            "steps": [
                {"technique": "magnitude", "pattern": "2:4"},
                {"technique": "kmeans", "bits": 2},
            ],
        }
    ]


def names_of(*stages: Stage) -> list[str]:
    return sorted(name for name, method in techniques().items() if method.stage in stages)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Some of the images that the samples know, as one's own: enough to calibrate on a tenth of them."""
    sample = loaded_sample("resnet")
    split = sample.split("test")
    assert split.labels is not None
    images, path = sample.input.raw(split.inputs[:220]), tmp_path_factory.mktemp("few") / "images.npz"
    np.savez(path, images=images.numpy(), labels=split.labels[:220].numpy())
    return "--data", str(path)


@pytest.mark.slow
@pytest.mark.parametrize("name", names_of(*LAYER_STAGES))
def test_every_technique_for_layers_is_a_step_of_the_command_line(name: str, few: tuple[str, str]) -> None:
    has_factors = technique_named(name).stage is Stage.FACTOR
    model, layer = ("lenet5", "conv2") if has_factors else ("tabular", "fc1")
    found = in_json("evaluate", model, *(few if has_factors else ()), "--step", f"{layer}: {name}")
    assert found["recipe"]["layers"][0]["steps"] == [Step.of(name).as_json()]
    assert found["accuracy"]["value"] is not None


def test_a_rank_that_does_not_pay_is_warned_of() -> None:
    assert in_json("evaluate", "tabular", "--step", "fc1: low_rank rank=2")["warnings"] == []
    (warning,) = in_json("evaluate", "tabular", "--step", "fc1: low_rank energy=1")["warnings"]
    assert re.match(r"Rank \d+ costs fc1 [\d,]+ weights instead of [\d,]+ and [\d,]+ multi", warning)
    assert warning in run("evaluate", "tabular", "--step", "fc1: low_rank energy=1").stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", names_of(Stage.GROUPS))
def test_every_technique_for_groups_is_a_step_of_the_command_line(name: str, few: tuple[str, str]) -> None:
    group = "layer2" if name == "drop_block" else "layer2.conv1"
    found = in_json("evaluate", "resnet", *few, "--step", f"{group}: {name}")
    assert found["recipe"]["groups"] == [{"match": group, "steps": [Step.of_group(name).as_json()]}]
    assert found["accuracy"]["value"] is not None


@pytest.mark.parametrize("name", names_of(Stage.INPUTS))
def test_every_technique_for_inputs_is_a_step_of_the_command_line(name: str) -> None:
    found = in_json("evaluate", "tabular", "--step", "fc1: uniform", "--step", f"fc1: {name}")
    rule = found["recipe"]["layers"][0]
    assert [rule["steps"], rule["inputs"]] == [[{"technique": "uniform"}], [Step.of(name).as_json()]]
    assert found["accuracy"]["value"] is not None


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name for name in names_of(Stage.PREPARE, Stage.CORRECT) if name != "cut_zero_units"]
)
def test_every_technique_for_the_whole_network_is_a_step_of_the_command_line(
    name: str, few: tuple[str, str]
) -> None:
    section = techniques()[name].stage.name.lower()
    prepare = ("--step", "prepare: fold_batch_norm") if name == "cross_layer_equalization" else ()
    found = in_json(
        "evaluate",
        "resnet",
        *few,
        "--step",
        "*: uniform bits=3",
        *prepare,
        "--step",
        f"{section}: {name}",
    )
    assert found["recipe"][section][-1] == Step.of(name).as_json()
    assert found["accuracy"]["value"] is not None


def test_what_was_typed_for_the_whole_network_stands_once_beside_the_file(folder: Path) -> None:
    (folder / "whole.yaml").write_text("correct: [bias_correction]\nlayers: [{match: fc1, steps: [uniform]}]")
    found = in_json("evaluate", "tabular", "whole.yaml", "--step", "correct: bias_correction")
    assert found["recipe"]["correct"] == [{"technique": "bias_correction"}]


def test_a_criterion_with_a_share_to_remove_speaks_of_a_group() -> None:
    found = in_json("evaluate", "tabular", "--step", "fc1: magnitude share_removed=0.25")
    assert found["recipe"]["groups"][0]["steps"] == [{"technique": "magnitude", "share_removed": 0.25}]


@pytest.mark.parametrize(
    "arguments",
    [
        ("own_factories:small", "good0.yaml"),
        ("--model", "own_factories:small", "good0.yaml"),
        ("good0.yaml", "--model", "own_factories:small"),
    ],
    ids=" ".join,
)
def test_a_factory_is_a_model_in_every_place(folder: Path, arguments: tuple[str, ...]) -> None:
    (folder / "good0.yaml").write_text("layers: [{match: '0', steps: [magnitude]}]")
    result = run("evaluate", *arguments, "--data", "items.npz", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["model"], found["data"], found["n"]) == ("own_factories:small", "items.npz", 20)
    assert found["layers"][0]["pruned"]["value"] == 16


@pytest.mark.parametrize(
    "arguments",
    [("same.safetensors",), ("--weights", "same.safetensors"), ("tabular", "--weights", "same.safetensors")],
    ids=" ".join,
)
def test_weights_of_a_sample_are_recognized_and_judged_on_its_items(
    folder: Path, arguments: tuple[str, ...]
) -> None:
    found = in_json("evaluate", *arguments)
    assert found["accuracy"]["value"] == cards()["tabular"].accuracy["validation"].value
    assert found["model"] == "same"


def test_other_items_are_what_is_evaluated(folder: Path) -> None:
    found = in_json("evaluate", "tabular", "--data", "table.npz")
    test = cards()["tabular"].accuracy["test"]
    assert (found["accuracy"]["value"], found["n"]) == (test.value, test.n)


def test_a_network_without_items_has_layers_and_can_be_applied(folder: Path) -> None:
    shape = ("own_factories:small", "--input-shape", "4")
    assert [row["name"] for row in in_json("layers", *shape)["layers"]] == ["0", "2"]
    found = in_json("apply", *shape, "--step", "0: uniform", "--out", "small")
    assert found["accuracy"]["reason"] == "There are no items to measure on."
    assert found["bytes"]["value"] == (folder / "small/model.safetensors").stat().st_size


def test_broken_weights_are_named_by_layers(folder: Path) -> None:
    problems = in_json("layers", "nan.safetensors")["problems"]
    assert [(row["layer"], row["not_finite"]["value"]) for row in problems] == [("fc2", 3)]
    assert "fc2 holds 3 weights that are NaN or infinite." in run("layers", "nan.safetensors").stdout


def test_techniques_are_listed_with_the_schema_of_their_knobs() -> None:
    listed = {row["name"]: row for row in in_json("techniques")}
    assert list(listed) == list(techniques())
    assert listed["uniform"]["knobs"]["bits"]["maximum"] == 8
    assert listed["uniform"]["knobs"]["bits"]["unit"] == "bit"
    assert listed["magnitude"]["knobs"]["sparsity"]["multipleOf"] == 0.001
    assert listed["kmeans"]["needs"] == ["weight", "mask", "sorted_weights"]


def test_more_than_22_techniques_are_listed_each_with_kind_source_and_knobs() -> None:
    listed = in_json("techniques")
    assert len({row["name"] for row in listed}) == len(listed) >= 22
    for row in listed:
        assert row["kind"], row["name"]
        assert re.search(r"\b(19|20)\d\d\b", row["source"]), row["name"]
        assert row["knobs"].keys() >= set(row["required"])
        assert all(knob["description"] for knob in row["knobs"].values()), row["name"]


# What is written


@pytest.mark.parametrize(
    "step",
    [
        "*: magnitude sparsity=0.8",
        "*: kmeans bits=3",
        "fc1: low_rank rank=3",
        "fc1: affine bits=5 granularity=per_group:8",
    ],
)
def test_the_written_file_has_the_bytes_and_the_values_that_were_evaluated(folder: Path, step: str) -> None:
    found = in_json("apply", "tabular", "--step", step, "--out", "a/b")
    path = folder / "a/b/model.safetensors"
    assert found["bytes"]["value"] == found["files"]["model.safetensors"]["value"] == path.stat().st_size
    assert found["accuracy"] == in_json("evaluate", "tabular", "--step", step)["accuracy"]
    subject = loaded_sample("tabular")
    recipe = read_recipe((folder / "a/b/recipe.yaml").read_text())
    evaluated = compress(subject, recipe, Store())
    assert evaluated.recipe.sha == found["recipe"]["sha"]
    read, network = read_container(path, subject).state_dict(), evaluated.network().state_dict()
    assert read.keys() == network.keys()
    assert all(torch.equal(read[name], network[name]) for name in network)
    numbers = json.loads((folder / "a/b/numbers.json").read_text())
    assert numbers.pop("written_by").startswith("slimscope ")
    assert numbers == {key: value for key, value in found.items() if key not in {"out", "files"}}


def test_a_folder_is_written_again_but_a_strange_model_in_it_stays(folder: Path) -> None:
    for _ in range(2):
        assert run("apply", "tabular", "good.yaml", "--out", "out").exit_code == 0
    strange = folder / "out/model.safetensors"
    strange.write_bytes((folder / "same.safetensors").read_bytes())
    result = run("apply", "tabular", "good.yaml", "--out", "out")
    assert (result.exit_code, result.stdout) == (2, "")
    assert strange.read_bytes() == (folder / "same.safetensors").read_bytes()


# What a person sees


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("evaluate", "tabular"), ["validation split, 114 items", "95 % interval", "measured", "exact"]),
        (("evaluate", "tabular", "--data", "table.npz"), ["table.npz, 114 items"]),
        (("compare", "tabular", "good.json"), ["Accuracy change", "validation split, N = 114)", "malignant"]),
        (("compare", "tabular", "good.json", "--layers"), ["output error", "calibration items", "exact"]),
        (
            ("compare", "tabular", "good.json", "--margin", "45"),
            ["Verdict on accuracy: within the margin: at most 45 points are lost (95 %"],
        ),
        (("explain", "tabular", "good.yaml", "--items", "6"), ["noise ceiling", "random floor", "on 6 of"]),
        (("explain", "tabular", "--step", "fc1: magnitude sparsity=0.9", "--only", "flips"), ["s (flips: "]),
        (
            (
                "latency",
                "tabular",
                "good.yaml",
                "--rounds",
                "5",
                "--batch",
                "1",
                "--no-variants",
                "--no-onnx",
            ),
            ["bfloat16", "are as evaluated", "Arm Ethos-U"],
        ),
        (("apply", "tabular", "good.yaml", "--out", "out"), ["model.safetensors", "read back"]),
        (("layers", "tabular"), ["break-even rank", "32x30"]),
        (("layers", "resnet"), ["left alone", "normalization"]),
        (("techniques",), ["low_rank", "sparsity=0.5"]),
        (("models",), ["lenet5", "431,080", "99.43 % (99.21 to 99.59 %)"]),
        (("--version",), ["slimscope 0."]),
        ((), list(COMMANDS)),
        (("--help",), list(COMMANDS)),
        (("explain", "--help"), [*attribution_methods()]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_is_printed_says(folder: Path, arguments: tuple[str, ...], says: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 0, result.stderr
    for text in says:
        assert text in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_and_takes_json(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout


def test_a_missing_number_is_shown_as_not_measured_with_its_reason(folder: Path) -> None:
    shown = run("evaluate", "own_factories:small", "--data", "unlabeled.npz").stdout
    assert re.search(r"Accuracy +- .*not measured: The items have no labels\.", shown)


def test_explain_gives_the_same_for_the_same_seed_and_other_items_for_another() -> None:
    asked = ("explain", "tabular", "--step", "fc1: magnitude", "--method", "saliency", "--items", "5")
    first, again, other = (in_json(*asked, "--seed", seed) for seed in ("1", "1", "2"))
    assert first == again
    assert {row["item"] for row in first["worst"]} != {row["item"] for row in other["worst"]}


@pytest.mark.slow
def test_help_and_models_never_load_torch() -> None:
    code = (
        "import sys\nfrom compress_core.cli import app\n"
        "for words in (['--help'], ['models', '--json'], ['explain', '--help']):\n"
        "    app(words, standalone_mode=False)\n"
        "print('torch' in sys.modules, file=sys.stderr)"
    )
    finished = process("-c", code)
    assert (finished.returncode, finished.stderr.strip()) == (0, "False")


# Bad input

ASSUMED = "Assumed, because a state dict does not tell: ReLU between the layers."


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("frobnicate",), "No such command"),
        (("--frobnicate",), "No such option"),
        (("evaluate",), "No model was named"),
        (("evaluate", "lenet9"), "There is no sample model 'lenet9'"),
        (("evaluate", "x" * 5000), "There is no sample model"),
        (("evaluate", "tabular", "--frobnicate"), "slimscope evaluate --help"),
        (("evaluate", "tabular", "nowhere.yaml"), "nowhere.yaml cannot be read"),
        (("evaluate", "tabular", "."), "cannot be read"),
        (("evaluate", "tabular", "broken.yaml"), "not valid YAML"),
        (("evaluate", "tabular", "date.yaml"), "A recipe is a mapping"),
        (("evaluate", "tabular", "deep.yaml"), "inside each other"),
        (("evaluate", "tabular", "latin.yaml"), "no text in UTF-8"),
        (("evaluate", "tabular", "list.yaml"), "A recipe is a mapping"),
        (("evaluate", "tabular", "unknown_layer.yaml"), "No layer matches 'fc9'"),
        (("evaluate", "tabular", "unknown_knob.yaml"), "magnitude has no knob ratio"),
        (("evaluate", "tabular", "--step", "fc1"), "A step is written"),
        (("evaluate", "tabular", "--step", "fc1: magnitude 0.9"), "A step is written"),
        (("evaluate", "tabular", "--step", "fc1: uniform bits=4 bits=8"), "A step is written"),
        (("evaluate", "tabular", "--step", "fc1: magnitud"), "did you mean magnitude"),
        (("evaluate", "tabular", "--step", "fc1: magnitude sparsity=2"), "sparsity"),
        (("evaluate", "tabular", "--step", "fc1: magnitude sparsity=NaN"), "sparsity"),
        (("evaluate", "tabular", "--step", "fc1: uniform", "--step", "fc1: magnitude"), "swap them"),
        (("evaluate", "tabular", "--step", "fc1: low_rank rank=99"), "rank 99"),
        (("evaluate", "tabular", "--step", "fc1: bias_correction"), "write 'correct: bias_correction'"),
        (("evaluate", "tabular", "--step", "prepare: fold_batch_norm"), "No batch norm of"),
        (("evaluate", "tabular", "--split", "train"), "has no train items"),
        (("evaluate", "tabular", "--data", "table.npz", "--split", "test"), "has no test items"),
        (("evaluate", "tabular", "--data", "nowhere.npz"), "nowhere.npz cannot be read"),
        (("evaluate", "tabular", "--data", "text.npz"), "none of these: a .zip of pictures, .npz, .npy"),
        (("evaluate", "tabular", "--data", "items.npz"), "An item has shape [4]"),
        (("evaluate", "nan.safetensors", "--step", "fc2: magnitude"), "NaN or infinite"),
        (("evaluate", "nowhere.safetensors"), "nowhere.safetensors cannot be read"),
        (("evaluate", "good.yaml"), "none of these: safetensors"),
        (("evaluate", "plain.safetensors"), "has no validation items"),
        (("evaluate", "plain.safetensors", "--weights", "same.safetensors"), "give one of them"),
        (("evaluate", "lenet300", "--weights", "same.safetensors"), "do not fit the network"),
        (("evaluate", "own_factories:small"), "the shape of one"),
        (("evaluate", "own_factories:small", "--input-shape", "4"), "has no validation items"),
        (("evaluate", "own_factories:small", "--input-shape", "5"), "does not run on an item"),
        (("evaluate", "own_factories:small", "--input-shape", "axb"), "--input-shape is written"),
        (("evaluate", "own_factories:fails", "--input-shape", "4"), "no such thing"),
        (("evaluate", "own_factories:text", "--input-shape", "4"), "must return a torch.nn.Module"),
        (("evaluate", "own_factories:nothing", "--input-shape", "4"), "cannot be imported"),
        (("evaluate", "bad_syntax:broken", "--input-shape", "4"), "failed (SyntaxError"),
        (("evaluate", "nowhere:small", "--input-shape", "4"), "cannot be imported"),
        (("evaluate", "tabular", "good.yaml", "--model", "own_factories:small"), "give one of them"),
        (("compare", "tabular"), "There is no recipe"),
        (("explain", "tabular", "good.yaml", "--method", "guess"), "no attribution method"),
        (("explain", "tabular", "good.yaml", "--method", "grad_cam"), "GradCAM"),
        (("explain", "tabular", "good.yaml", "--items", "0"), "--items"),
        (("explain", "tabular", "good.yaml", "--only", "flip"), "no items called 'flip'"),
        (("compare", "tabular", "good.yaml", "--margin", "0"), "above 0 and at most 50"),
        (("explain", "tabular", "good.yaml", "--items", "5000"), "--items"),
        (("explain", "tabular", "good.yaml", "--seed", "x"), "--seed"),
        (("apply", "tabular", "good.yaml"), "add --out DIR"),
        (("apply", "tabular", "good.yaml", "--out", "good.yaml"), "cannot be written"),
        (("apply", "tabular", "good.yaml", "--out", "good.yaml/sub"), "cannot be written"),
        (("layers", "tabular", "good.yaml"), "unexpected extra argument"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else None,
)
def test_bad_input_gets_one_sentence_and_exit_code_2(
    folder: Path, arguments: tuple[str, ...], says: str
) -> None:
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    *read, refused = result.stderr.splitlines()
    assert read == [ASSUMED] * (arguments == ("evaluate", "plain.safetensors"))
    assert says in refused
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [("evaluate",), ("compare", "--step", "*: uniform bits=4"), ("scan",), ("pack", "--out", "packed.slim")],
    ids=lambda arguments: arguments[0],
)
def test_commands_say_what_was_assumed_of_a_network_that_its_weights_alone_tell(
    folder: Path, arguments: tuple[str, ...]
) -> None:
    command, *knobs = arguments
    done = run(command, "plain.safetensors", "--data", "items.npz", *knobs)
    assert done.exit_code == 0, done.output
    assert ASSUMED in done.stderr.splitlines()


@pytest.mark.parametrize("model", ["plain.safetensors", "own_factories:small", "tabular"])
def test_a_refusal_of_rows_says_which_column_was_taken_as_the_label(folder: Path, model: str) -> None:
    rows = "".join(f"{n},{n + 1},{n + 2},{n % 2}\n" for n in range(12))
    (folder / "unnamed.csv").write_text(f"a,b,c,d\n{rows}")
    result = run("evaluate", model, "--data", "unnamed.csv")
    assert result.exit_code == 2
    assert re.search(r"\b3\b.* the last one, 'd', was taken as the label", result.stderr)


def test_what_a_recipe_says_cannot_move_the_cursor_or_add_a_line(folder: Path) -> None:
    (folder / "sly.yaml").write_text(yaml.safe_dump({"layers": [{"match": "\x1b[2Jfc1\nDone"}]}))
    result = run("evaluate", "tabular", "sly.yaml")
    assert result.exit_code == 2
    assert "\x1b" not in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_mistake_of_our_own_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr("compress_core.cli.numbers_json.layer_rows", broken)
    assert isinstance(run("evaluate", "tabular", "--json").exception, ZeroDivisionError)


ABOUT_A_MODEL = ("layers", "apply", "export", "pack", "evaluate", "compare", "explain", "latency")


def options_of(command: str) -> set[str]:
    return {parameter.name for parameter in get_command(app).commands[command].params}


@pytest.mark.parametrize("command", ABOUT_A_MODEL)
def test_a_command_about_a_model_takes_the_options_that_all_of_them_share(command: str) -> None:
    shared = {field.name for field in fields(SharedOptions)} - {"train"}  # of those that train
    left_out = {"layers": {"recipe", "step", "split", "trained"}, "pack": {"split"}}.get(command, set())
    assert shared & options_of(command) == shared - left_out


def test_the_options_of_a_command_stand_between_the_shared_arguments_and_options() -> None:
    @about_a_model(without=("split",))
    def measured(asked: ModelOptions, hours: int = 3) -> None:
        """A command for a test."""
        told.append((asked, hours))

    told = []
    names = list(inspect.signature(measured).parameters)
    assert names[:4] == ["model", "recipe", "hours", "step"]
    assert "split" not in names
    given = dict.fromkeys(names) | {"model": "r.yaml", "user_model": "my:net", "step": ["a: b"], "hours": 7}
    measured(**given)
    assert told == [(ModelOptions("my:net", "r.yaml", ("a: b",), as_json=None), 7)]


@pytest.mark.parametrize("error", [MemoryError, RecursionError])
def test_too_little_memory_is_one_sentence(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    def too_much(*_arguments: object, **_named: object) -> None:
        raise error

    monkeypatch.setattr("compress_core.loading.named.named_subject", too_much)
    result = run("layers", "tabular")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"({error.__name__}): give a smaller file or fewer items." in result.stderr
    assert len(result.stderr.splitlines()) == 1
