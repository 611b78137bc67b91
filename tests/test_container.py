"""The plain container: as long as it was said to be, and exactly what was evaluated."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save
from torch import nn

from compress_core.apply.model import Model, with_checksum
from compress_core.apply.run import compress
from compress_core.deliver import plain_container
from compress_core.deliver.plain_container import container_bytes, read_container, write_container
from compress_core.deliver.plain_reading import read_by_others
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.recipe.values import Recipe, Rule, Step
from compress_core.subject.subject import Subject
from tests.subjects import (
    calibrated_on_few,
    everything_subject,
    loaded_sample,
    mlp_subject,
    rules,
    tiny_subject,
    with_calibration,
    write_anew,
)

SUBJECT = everything_subject()
STORE = Store()
FACTORS = st.sampled_from([None, Step.of("low_rank", rank=1), Step.of("low_rank", energy=0.7)])
TUCKER = [Step.of("tucker", energy=0.8), Step.of("tucker", rank_in=1, sweeps=1)]
SPATIAL = [Step.of("spatial", rank=2), Step.of("spatial", choose="bytes")]
PRUNERS = st.sampled_from(
    [
        None,
        Step.of("magnitude", sparsity=0.9),
        Step.of("magnitude", sparsity=0.05),
        Step.of("magnitude", sparsity=1.0),
        Step.of("random_pruning", sparsity=0.5, scope="network"),
        Step.of("random_pruning", sparsity=0.0),
        Step.of("threshold", share=0.4),
    ]
)
QUANTIZERS = st.sampled_from(
    [
        None,
        Step.of("uniform", bits=3),
        Step.of("uniform", bits=8, granularity="per_tensor"),
        Step.of("affine", bits=5),
        Step.of("power_of_two", bits=4, granularity="per_channel"),
        Step.of("kmeans", bits=2),
        Step.of("kmeans", bits=5, granularity="per_channel"),
    ]
)


def _factors(name: str) -> st.SearchStrategy[Step | None]:
    axes = len(SUBJECT.by_name[name].kernel_shape)
    return FACTORS | st.sampled_from([None] + (TUCKER if axes > 2 else []) + (SPATIAL if axes == 4 else []))


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    """Steps for some layers of every kind, and sometimes for all the others."""
    names = draw(st.lists(st.sampled_from(list(SUBJECT.by_name)), unique=True, max_size=5))
    chosen = []
    for name in [*names, *draw(st.sampled_from([[], ["*"]]))]:
        factor = draw(_factors(name)) if name != "*" and len(SUBJECT.by_name[name].places) == 1 else None
        steps = (factor, draw(PRUNERS), draw(QUANTIZERS))
        chosen.append(Rule(name, tuple(s for s in steps if s is not None)))
    every = {rule.match for rule in chosen}
    return Recipe(tuple(rule for rule in chosen if rule.match != "*" or not every >= set(SUBJECT.by_name)))


def assert_file_is_the_model(model: Model, path: Path) -> None:
    """Bytes said, written and on the disk agree; what is read back is what was evaluated."""
    written = write_container(model, path)
    assert written == model.file_bytes == path.stat().st_size
    evaluated, read = model.network().state_dict(), read_container(path, _blank(model.subject)).state_dict()
    assert evaluated.keys() == read.keys()
    assert all(torch.equal(evaluated[name], read[name]) for name in evaluated)


def _blank(subject: Subject) -> Subject:
    """The same architecture with nothing in it: whatever is read comes from the file."""
    network = copy.deepcopy(subject.network)
    for tensor in network.state_dict().values():
        tensor.zero_()
    return replace(subject, network=network)


@pytest.mark.slow
@settings(max_examples=35)
@given(recipe=recipes())
def test_any_recipe_gives_a_file_of_the_said_length_that_reads_back_equal(
    tmp_path_factory: pytest.TempPathFactory, recipe: Recipe
) -> None:
    model = compress(SUBJECT, recipe, STORE)
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    assert_file_is_the_model(model, path)
    inputs = SUBJECT.split("validation").inputs
    assert torch.equal(read_container(path, SUBJECT)(inputs), model.network()(inputs))


@pytest.mark.parametrize("name", ["line", "up", "plane", "depth", "room"])
def test_a_convolution_in_three_layers_reads_back_equal(tmp_path: Path, name: str) -> None:
    steps = (Step.of("tucker", energy=0.9), Step.of("magnitude", sparsity=0.3), Step.of("uniform"))
    model = compress(SUBJECT, Recipe((Rule(name, steps),)), STORE)
    assert len(model.compressed[name].small) == 3
    assert_file_is_the_model(model, tmp_path / "three.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize("name", list(SUBJECT.by_name))
@pytest.mark.parametrize("technique", ["low_rank", "magnitude", "kmeans"])
def test_one_edited_layer_of_each_kind_reads_back_equal(tmp_path: Path, name: str, technique: str) -> None:
    if technique == "low_rank" and len(SUBJECT.by_name[name].places) > 1:
        technique = "affine"
    model = compress(SUBJECT, Recipe((Rule(name, (Step.of(technique),)),)), STORE)
    assert_file_is_the_model(model, tmp_path / "one.safetensors")


def test_a_sample_model_reads_back_equal(tmp_path: Path) -> None:
    subject = loaded_sample("tabular")
    steps = (Step.of("magnitude", sparsity=0.9), Step.of("kmeans", bits=4))
    assert_file_is_the_model(compress(subject, rules(any=steps), Store()), tmp_path / "sample.safetensors")


def test_the_original_is_stored_once_for_all_that_share_a_weight(tmp_path: Path) -> None:
    model = Model.original(SUBJECT)
    assert_file_is_the_model(model, tmp_path / "original.safetensors")
    with safe_open(tmp_path / "original.safetensors", "pt") as file:
        names = set(file.keys())
    assert "words.weight" in names
    assert not names & {"decode.weight", "again.weight", "again.bias"}


def test_an_edited_weight_under_two_names_is_not_stored_as_it_was(tmp_path: Path) -> None:
    model = compress(SUBJECT, rules(head=Step.of("uniform"), words=Step.of("uniform")), Store())
    assert_file_is_the_model(model, tmp_path / "edited.safetensors")
    with safe_open(tmp_path / "edited.safetensors", "pt") as file:
        names = set(file.keys())
    assert not names & {"head.weight", "again.weight", "words.weight", "decode.weight"}


@pytest.mark.parametrize("name", ["größe", "层", 'a"b', "a:b", "back\\slash", "tab\there", "emoji 🙂"])
def test_any_name_of_a_layer_is_counted_and_read_back(tmp_path: Path, name: str) -> None:
    network = nn.Sequential()
    network.add_module(name, nn.Linear(6, 4))
    network.add_module("a", nn.Linear(4, 3))
    subject = tiny_subject(network, (6,))
    model = compress(subject, rules(a=Step.of("uniform")), Store())
    assert_file_is_the_model(model, tmp_path / "names.safetensors")
    every = Recipe((Rule("*", (Step.of("uniform"),)),))
    assert_file_is_the_model(compress(subject, every, Store()), tmp_path / "names.safetensors")


def test_the_same_recipe_gives_the_same_bytes() -> None:
    recipe = rules(any=(Step.of("random_pruning", seed=3), Step.of("kmeans", bits=3)))
    assert container_bytes(compress(everything_subject(), recipe, Store())) == container_bytes(
        compress(SUBJECT, recipe, Store())
    )


# --- damaged and foreign files -----------------------------------------------------------------------

MLP = mlp_subject()
MODEL = compress(
    MLP,
    rules(fc1=(Step.of("magnitude", sparsity=0.8), Step.of("uniform")), fc2=Step.of("low_rank", rank=2)),
    Store(),
)
CONTENT = container_bytes(MODEL)


def assert_refused(content: bytes, tmp_path: Path, subject: Subject = MLP, match: str = "damaged") -> None:
    """A file with this content is refused with one sentence."""
    path = tmp_path / "file.safetensors"
    write_anew(path, content)
    with pytest.raises(Refused, match=match):
        read_container(path, subject)


@given(length=st.integers(0, len(CONTENT) - 1))
def test_a_truncated_file_is_refused(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    assert_refused(CONTENT[:length], tmp_path_factory.getbasetemp())


@settings(max_examples=150)
@given(place=st.integers(0, len(CONTENT) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, place: int, bit: int
) -> None:
    damaged = bytearray(CONTENT)
    damaged[place] ^= 1 << bit
    path = tmp_path_factory.getbasetemp() / "flipped.safetensors"
    write_anew(path, damaged)
    try:
        read = read_container(path, MLP)
    except Refused:
        return
    expected = MODEL.network().state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in read.state_dict().items())


def test_a_file_of_another_model_is_refused_by_name(tmp_path: Path) -> None:
    assert_refused(CONTENT, tmp_path, SUBJECT, match=r"made of another model \('?tiny'?\): load that model")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="damaged"):
        read_container(tmp_path / "none.safetensors", MLP)


@pytest.mark.parametrize(
    "form", ["", "[]", "3", "{}", '{"digest": 5}', "[" * 5000, '{"digest": "a", "crc32": "0"}']
)
def test_a_safetensors_file_that_is_not_ours_is_refused(tmp_path: Path, form: str) -> None:
    assert_refused(save({"a": torch.zeros(2)}, {"slimscope": form}), tmp_path)
    assert_refused(save({"a": torch.zeros(2)}), tmp_path)


def _with_form(**changes: object) -> bytes:
    """The file with another form, its checksum right."""
    stored = MODEL.stored()
    form = json.dumps(json.loads(MODEL.form) | changes)
    return save(stored, {"slimscope": with_checksum(form, plain_container._checksum(form, stored))})


@pytest.mark.parametrize("shape", [[8, 7], [48, 1], [2**40, 2**40], [-1, 6], [8], "86", None, [8.5, 6]])
def test_a_form_with_another_shape_is_refused(tmp_path: Path, shape: object) -> None:
    layers = json.loads(MODEL.form)["layers"]
    for name in layers:
        changed = layers | {name: layers[name] | {"shape": shape}}
        assert_refused(_with_form(layers=changed), tmp_path)


@pytest.mark.parametrize("layers", [None, [], {"fc1": {}}, {"fc2.0": {"shape": [2, 8]}}, {"fc1": 3}])
def test_a_form_with_other_layers_is_refused(tmp_path: Path, layers: object) -> None:
    assert_refused(_with_form(layers=layers), tmp_path)


@pytest.mark.parametrize("levels", ["grid", "exponential", "table", 5, None])
def test_a_form_with_other_levels_is_refused_or_read(tmp_path: Path, levels: object) -> None:
    layers = json.loads(MODEL.form)["layers"]
    changed = layers | {"fc1": {"shape": [8, 6], "levels": levels}}
    assert_refused(_with_form(layers=changed), tmp_path)


def test_a_file_that_does_not_read_back_is_not_called_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = compress(MLP, rules(fc1=Step.of("magnitude", sparsity=0.7)), Store())
    monkeypatch.setattr(plain_container, "container_bytes", lambda _: container_bytes(other))
    with pytest.raises(Refused, match="does not hold the evaluated values"):
        write_container(MODEL, tmp_path / "file.safetensors")


# --- what a file says beside weights --------------------------------------------------------------------


BIASED = (Step.of("bias_correction"),)
ROUNDED = (Step.of("uniform", bits=4), Step.of("static_range", bits=6))
WHOLE: dict[str, tuple[str, Recipe]] = {
    "folded": (
        "resnet",
        Recipe((Rule("*", ROUNDED),), prepare=(Step.of("fold_batch_norm"),), correct=BIASED),
    ),
    "folded alone": ("resnet", Recipe(prepare=(Step.of("fold_batch_norm"),))),
    "equalized": (
        "lenet300",
        Recipe((Rule("fc2", ROUNDED),), prepare=(Step.of("cross_layer_equalization"),)),
    ),
    "restated": (
        "resnet",
        Recipe((Rule("*", ROUNDED),), correct=(*BIASED, Step.of("reestimate_batch_norm"))),
    ),
    "cut": (
        "resnet",
        Recipe(
            (Rule("*", ROUNDED),),
            groups=(Rule("layer2.conv1", (Step.of_group("magnitude", share_removed=0.5),)),),
            prepare=(Step.of("fold_batch_norm"),),
            correct=BIASED,
        ),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", WHOLE)
def test_structure_rules_and_corrections_read_back_to_the_evaluated_network(
    tmp_path: Path, kind: str
) -> None:
    name, recipe = WHOLE[kind]
    model = compress(calibrated_on_few(name), recipe, STORE)
    path = tmp_path / "whole.safetensors"
    assert_file_is_the_model(model, path)
    inputs = model.subject.split("validation").inputs[:40]
    assert torch.equal(read_container(path, _blank(model.subject))(inputs), model.network()(inputs))


@pytest.mark.parametrize("steps", [ROUNDED, (Step.of("low_rank", rank=1), Step.of("top_k"))])
@pytest.mark.parametrize("match", ["cross.*", "attention.out_proj", "block.*", "depth", "line", "*_proj"])
def test_rules_and_new_biases_of_every_kind_of_layer_read_back(
    tmp_path: Path, match: str, steps: tuple[Step, ...]
) -> None:
    subject = with_calibration(SUBJECT)
    model = compress(subject, Recipe((Rule(match, steps),), correct=BIASED), STORE)
    path = tmp_path / "rules.safetensors"
    assert_file_is_the_model(model, path)
    inputs = subject.split("calibration").inputs
    assert torch.equal(read_container(path, subject)(inputs), model.network()(inputs))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"inputs": {"fc9": []}}, "damaged"),
        ({"inputs": {"fc1": 5}}, "damaged"),
        ({"inputs": []}, "damaged"),
        ({"inputs": {"fc1": [{"kind": "other"}]}}, "a rule for inputs that this release does not know"),
        ({"structure": {}}, "in a way that this release does not know"),
        ({"structure": {"folded": [["fc1", "fc2"]], "rescaled": [], "cuts": [], "dropped": []}}, "damaged"),
        ({"structure": {"folded": [["fc9", "fc8"]], "rescaled": [], "cuts": [], "dropped": []}}, "damaged"),
    ],
)
def test_a_form_with_a_structure_or_rules_that_are_none_is_refused(
    tmp_path: Path, changes: dict[str, object], match: str
) -> None:
    assert_refused(_with_form(**changes), tmp_path, match=match)


def test_a_new_bias_of_another_length_is_refused(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Linear(6, 5, bias=False), nn.Linear(5, 3))
    subject = with_calibration(tiny_subject(network, (6,)))
    model = compress(subject, Recipe((Rule("0", ROUNDED),), correct=BIASED), Store())
    stored = model.stored() | {"0.bias": torch.zeros(6)}
    content = save(
        stored, {"slimscope": with_checksum(model.form, plain_container._checksum(model.form, stored))}
    )
    assert_refused(content, tmp_path, subject)


FOUND_IN_FILE = {
    "masked": (
        {"a": (Step.of("magnitude", sparsity=0.9),)},
        "The kept weights in a row, with a bit for each place: a.",
    ),
    "coded": (
        {"a": (Step.of("uniform", bits=4),)},
        "Codes of the weights, packed bit by bit, with tables that turn them into weights: a.",
    ),
    "both": (
        {"a": (Step.of("magnitude", sparsity=0.9), Step.of("uniform", bits=4))},
        (
            "Codes of the kept weights, packed bit by bit, with tables that turn them into weights and a bit "
            "for each place: a."
        ),
    ),
    "neither": (
        {"a": (Step.of("low_rank", rank=1),)},
        "The weights in a row, without their shape: a.0, a.1.",
    ),
    "rounded inputs": (
        {"a": (Step.of("static_range", bits=8),)},
        "Only the metadata say how inputs are rounded or cut: a.",
    ),
}


@pytest.mark.parametrize("case", FOUND_IN_FILE)
def test_what_another_reader_of_safetensors_gets_is_said_for_each_recipe(case: str, tmp_path: Path) -> None:
    steps, said = FOUND_IN_FILE[case]
    subject = with_calibration(mlp_subject())
    model = compress(subject, rules(**{subject.layers[0].name: steps["a"]}), Store())
    path = tmp_path / "model.safetensors"
    write_container(model, path)
    state = {**subject.network.state_dict(), **model.network().state_dict()}
    with safe_open(path, "pt") as file:
        names = list(file.keys())
        whole = [n for n in names if n in state and torch.equal(file.get_tensor(n), state[n])]
    sentences = read_by_others(model)
    assert f"{len(whole):,} of {len(names):,} tensors" in sentences[0]
    name = subject.layers[0].name
    assert sentences[-1] == said.replace(": a", f": {name}").replace(", a.", f", {name}.")


def test_another_reader_is_told_that_the_structure_stands_in_the_metadata() -> None:
    model = compress(loaded_sample("resnet"), Recipe(prepare=(Step.of("fold_batch_norm"),)), STORE)
    assert json.loads(model.form)["structure"]
    assert read_by_others(model)[-1].startswith("Only the metadata say how the structure differs")
