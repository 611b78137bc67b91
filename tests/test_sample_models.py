"""The samples are what their cards say, and were never chosen on the images that judge them."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.torch import load_file
from scipy.stats import binomtest
from torch import nn

import sample_models
from sample_models.architectures import Attention
from sample_models.card import accuracy, prepared, wilson
from sample_models.make_data import (
    MNIST_TRAINING,
    WrongImagesError,
    balanced_sample,
    mnist_training_set,
    write_mnist_training,
)
from sample_models.recipes import RECIPES, Distortion
from sample_models.train import distorted, train_sample

pytestmark = pytest.mark.slow

ROOT = Path(sample_models.__file__).parent
NAMES = sorted(RECIPES)
WANTED = {"lenet300": 0.983, "lenet5": 0.992, "resnet": 0.992, "vit": 0.980}
# The 6,000 validation images take the larger networks too long for every run.
MEASURED_AGAIN = [(name, "test") for name in NAMES] + [
    (name, "validation") for name in ("lenet300", "tabular")
]
MNIST_CLASSES = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
PARAMETERS = {"lenet300": 266_610, "lenet5": 431_080}


def card_of(name: str) -> dict[str, Any]:
    card: dict[str, Any] = json.loads((ROOT / name / "card.json").read_text(encoding="utf-8"))
    return card


@cache
def network_of(name: str) -> nn.Module:
    card = card_of(name)
    module, _, factory = card["factory"].partition(":")
    network: nn.Module = getattr(import_module(module), factory)(**card["arguments"])
    network.load_state_dict(load_file(ROOT / name / card["weights"]), strict=True)
    return network.eval()


@cache
def arrays_of(name: str) -> dict[str, NDArray[Any]]:
    with np.load(ROOT / name / card_of(name)["data"], allow_pickle=False) as stored:
        return {key: stored[key] for key in stored.files}


def example(name: str) -> torch.Tensor:
    return prepared(arrays_of(name)["test_inputs"][:4], card_of(name)["input"])


def digests(items: NDArray[Any]) -> set[bytes]:
    return {hashlib.sha256(item.tobytes()).digest() for item in items}


@pytest.mark.parametrize("name", NAMES)
def test_checksum_on_the_card_is_that_of_the_weights_file(name: str) -> None:
    card = card_of(name)
    assert hashlib.sha256((ROOT / name / card["weights"]).read_bytes()).hexdigest() == card["sha256"]


@pytest.mark.parametrize("name", NAMES)
def test_parameters_on_the_card_are_those_of_the_network(name: str) -> None:
    counted = sum(parameter.numel() for parameter in network_of(name).parameters())
    assert card_of(name)["parameters"] == counted == PARAMETERS.get(name, counted)


@pytest.mark.parametrize(("name", "split"), MEASURED_AGAIN)
def test_accuracy_on_the_card_is_the_accuracy_measured_again(name: str, split: str) -> None:
    card, arrays = card_of(name), arrays_of(name)
    inputs = prepared(arrays[f"{split}_inputs"], card["input"])
    again = accuracy(network_of(name), inputs, arrays[f"{split}_labels"])
    assert again == pytest.approx(card["accuracy"][split], abs=1e-12)


@pytest.mark.parametrize(("name", "wanted"), WANTED.items())
def test_digit_readers_reach_the_accuracy_wanted_on_unseen_images(name: str, wanted: float) -> None:
    test = card_of(name)["accuracy"]["test"]
    assert test["n"] == 2000
    assert test["value"] >= wanted


def test_cards_share_one_schema_and_say_what_the_recipe_says() -> None:
    keys = {name: set(card_of(name)) for name in NAMES}
    assert all(keys[name] == keys[NAMES[0]] for name in NAMES)
    for name in NAMES:
        card, recipe = card_of(name), RECIPES[name]
        assert card["name"] == name
        assert card["seed"] == recipe.seed
        assert {key: card[key] for key in recipe.card if key != "input"} == {
            key: value for key, value in recipe.card.items() if key != "input"
        }


@pytest.mark.parametrize("name", NAMES)
def test_weights_were_trained_for_the_recipe_s_own_number_of_epochs(name: str) -> None:
    assert "--epochs" not in card_of(name)["trained_with"]


@pytest.mark.parametrize("data", ["mnist_6k_2k.npz", "breast_cancer.npz"])
def test_no_item_is_in_two_splits(data: str) -> None:
    with np.load(ROOT / "data" / data, allow_pickle=False) as stored:
        parts = [digests(stored[f"{split}_inputs"]) for split in ("validation", "test", "calibration")]
    assert len(set.union(*parts)) == sum(len(part) for part in parts)


def test_validation_and_calibration_images_have_different_places_among_the_60000() -> None:
    arrays = arrays_of("lenet5")
    validation, calibration = set(arrays["train_index"].tolist()), set(arrays["calibration_index"].tolist())
    assert (len(validation), len(calibration)) == (6000, 512)
    assert not validation & calibration
    assert validation | calibration <= set(range(60_000))


def test_rows_of_the_table_are_each_in_exactly_one_split() -> None:
    arrays = arrays_of("tabular")
    places = np.concatenate([arrays[f"{split}_index"] for split in ("validation", "test", "calibration")])
    assert sorted(places.tolist()) == list(range(569))


def test_table_is_scaled_by_its_training_rows_alone() -> None:
    scaled = prepared(arrays_of("tabular")["calibration_inputs"], card_of("tabular")["input"])
    assert scaled.mean(0).abs().max() < 1e-4
    assert (scaled.std(0, correction=0) - 1).abs().max() < 1e-4


def test_classes_of_the_digit_splits_are_balanced() -> None:
    arrays = arrays_of("lenet5")
    counts = {
        split: np.bincount(arrays[f"{split}_labels"]) for split in ("validation", "test", "calibration")
    }
    assert set(counts["validation"]) == {600}
    assert set(counts["test"]) == {200}
    assert set(counts["calibration"]) <= {51, 52}


def test_all_that_ships_is_under_eight_megabytes_beside_nine_to_train_on() -> None:
    shipped = [path for path in ROOT.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    to_train_on = (ROOT / "data" / MNIST_TRAINING).stat().st_size
    assert to_train_on < 9_000_000
    assert sum(path.stat().st_size for path in shipped) - to_train_on < 8_000_000


@pytest.mark.parametrize("name", NAMES)
def test_checksum_and_count_on_the_card_are_those_of_the_training_items(name: str) -> None:
    said = card_of(name)["training"]
    content = (ROOT / name / said["data"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == said["sha256"]
    with np.load(BytesIO(content), allow_pickle=False) as stored:
        assert len(stored[f"{said['split']}_labels"]) == said["count"]


def test_readme_names_the_checksums_that_the_cards_name() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(card_of(name)["training"]["sha256"] in readme for name in NAMES)


def test_the_54000_are_the_images_of_mnist_that_do_not_judge() -> None:
    """Places with those of validation make up the 60,000, classes too; no image is in two splits."""
    with np.load(ROOT / "data" / MNIST_TRAINING, allow_pickle=False) as stored:
        training = {name: stored[name] for name in stored.files}
    judged = arrays_of("lenet5")
    assert training["training_inputs"].shape == (54_000, 28, 28)
    assert training["training_inputs"].dtype == np.uint8
    places = np.concatenate([training["training_index"], judged["train_index"]])
    assert sorted(places.tolist()) == list(range(60_000))
    labels = np.concatenate([training["training_labels"], judged["validation_labels"]])
    assert np.bincount(labels).tolist() == MNIST_CLASSES
    learned = digests(training["training_inputs"])
    assert not learned & digests(judged["validation_inputs"])
    assert not learned & digests(judged["test_inputs"])
    assert digests(judged["calibration_inputs"]) <= learned


@pytest.mark.parametrize("name", NAMES)
def test_every_leaf_module_runs_exactly_once(name: str) -> None:
    network = RECIPES[name].build().eval()
    calls = {leaf: 0 for leaf, module in network.named_modules() if not list(module.children())}
    for leaf in calls:

        def count(_module: nn.Module, _inputs: object, _output: object, leaf: str = leaf) -> None:
            calls[leaf] += 1

        network.get_submodule(leaf).register_forward_hook(count)
    network(example(name))
    assert set(calls.values()) == {1}


@pytest.mark.parametrize("name", NAMES)
def test_any_linear_layer_may_become_two_in_a_row(name: str) -> None:
    network = RECIPES[name].build().eval()
    before = network(example(name))
    for path, module in list(network.named_modules()):
        if isinstance(module, nn.Linear):
            same = nn.Linear(module.in_features, module.in_features, bias=False)
            nn.init.eye_(same.weight)
            network.set_submodule(path, nn.Sequential(same, module))
    torch.testing.assert_close(network(example(name)), before)


def test_a_whole_residual_block_may_be_left_out() -> None:
    network = RECIPES["resnet"].build().eval()
    for block in ("layer1", "layer2", "layer3"):
        network.set_submodule(block, nn.Identity())
    assert network(example("resnet")).shape == (4, 10)


def test_attention_equals_that_of_torch() -> None:
    torch.manual_seed(0)
    ours, tokens = Attention(width=16, heads=4), torch.randn(2, 7, 16)
    theirs = nn.MultiheadAttention(16, 4, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.q.weight, ours.k.weight, ours.v.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.q.bias, ours.k.bias, ours.v.bias]))
    theirs.out_proj = ours.out  # type: ignore[assignment]  # annotated as a subclass that adds nothing
    torch.testing.assert_close(ours(tokens), theirs(tokens, tokens, tokens)[0])


@given(n=st.integers(1, 10_000), share=st.floats(0, 1))
def test_wilson_interval_is_that_of_scipy(n: int, share: float) -> None:
    right = round(share * n)
    oracle = binomtest(right, n).proportion_ci(method="wilson")
    assert wilson(right, n) == pytest.approx((oracle.low, oracle.high), abs=1e-9)


@given(size=st.integers(1, 60), classes=st.integers(1, 5))
def test_balanced_sample_takes_distinct_candidates_in_equal_shares(size: int, classes: int) -> None:
    labels = np.arange(200) % classes
    candidates = np.arange(50, 200)
    chosen = balanced_sample(labels, candidates, size)
    assert len(set(chosen.tolist())) == size
    assert set(chosen.tolist()) <= set(candidates.tolist())
    counts = np.bincount(labels[chosen], minlength=classes)
    assert counts.max() - counts.min() <= 1


def test_distortion_without_extent_leaves_images_as_they_are() -> None:
    images = torch.rand(3, 1, 28, 28)
    still = Distortion(degrees=0, scale=0, shear=0, pixels=0)
    torch.testing.assert_close(distorted(images, still, torch.Generator()), images, atol=1e-4, rtol=0)


def test_distortion_is_the_same_for_the_same_seed() -> None:
    images = torch.rand(3, 1, 28, 28)
    first, second = (distorted(images, Distortion(), torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.allclose(first, images, atol=0.1)


def test_other_images_than_the_training_set_of_mnist_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.npz"
    np.savez(other, images=np.zeros((2, 28, 28), np.uint8), labels=np.zeros(2, np.uint8))
    for reads in (mnist_training_set, write_mnist_training):
        with pytest.raises(WrongImagesError, match=r"other\.npz must hold the 60,000 MNIST training images"):
            reads(other)


def test_training_a_digit_reader_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongImagesError, match="give the 60,000 training images with --images"):
        train_sample("lenet5", None, tmp_path, 1)


def test_training_again_gives_the_same_weights_and_card(tmp_path: Path) -> None:
    first, second = (train_sample("tabular", None, tmp_path / str(run), 2) for run in range(2))
    assert first == second
    assert first["sha256"] == hashlib.sha256((tmp_path / "1" / first["weights"]).read_bytes()).hexdigest()
