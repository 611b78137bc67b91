"""The study over many items: what it measures on trained models, its ceiling and its floor."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from compress_core.foundation.errors import Refused
from compress_core.foundation.progress import Progress, result_of
from compress_core.measure.explain.asked_answer import predicted_class
from compress_core.measure.explain.attribution import (
    attribute,
    attribution_methods,
    method_named,
    with_tensors,
)
from compress_core.measure.explain.explanation import (
    Explanation,
    explain,
    noisy,
    with_shuffled_weights,
)
from compress_core.measure.explain.similarity import MEASURES, NotMeasured, similarity_frame, support_of
from sample_models.architectures import LeNet5, LeNet300, TabularNet

SAMPLES = Path(__file__).parent.parent / "sample_models"
GROUPS = ["all", "kept", "flipped", "noise ceiling", "random floor"]


def trained(name: str, network: nn.Module) -> nn.Module:
    network.load_state_dict(load_file(SAMPLES / name / "weights.safetensors"))
    return network.eval().requires_grad_(requires_grad=False)


def digits(count: int) -> tuple[Tensor, Tensor]:
    """Validation images as LeNet sees them, and the black image."""
    card = json.loads((SAMPLES / "lenet5" / "card.json").read_text())["input"]
    with np.load(SAMPLES / "data" / "mnist_6k_2k.npz") as file:
        images = torch.from_numpy(file["validation_inputs"][:count]).reshape(-1, 1, 28, 28)
    normed = (images / 255 - card["mean"]) / card["std"]
    return normed, torch.full((1, 1, 28, 28), -card["mean"] / card["std"])


def pruned(network: nn.Module, sparsity: float) -> nn.Module:
    """All weight matrices together without their smallest values."""
    sizes = torch.cat([p.abs().flatten() for p in network.parameters() if p.ndim >= 2]).sort()[0]
    largest_removed = sizes[round(sparsity * len(sizes)) - 1]
    return with_tensors(network, lambda t: t if t.ndim < 2 else t * (t.abs() > largest_removed))


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return trained("lenet300", LeNet300())


@pytest.fixture(scope="module")
def explanation(network: nn.Module) -> Explanation:
    images, black = digits(64)
    after = pruned(network, 0.95)
    return result_of(explain(network, after, images, method_named("saliency"), black, seed=3))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "architecture", "items"), [("lenet300", LeNet300, 64), ("lenet5", LeNet5, 16)]
)
def test_similarity_orders_noise_then_pruning_then_random(
    name: str, architecture: type[nn.Module], items: int
) -> None:
    network, (images, black) = trained(name, architecture()), digits(items)
    method = method_named("integrated_gradients")
    result = result_of(explain(network, pruned(network, 0.5), images, method, black, seed=0))
    targets = torch.tensor(result.items["class_before"].to_numpy())
    frames = [result.noise, result.items]
    for share in (0.8, 0.9):
        maps = attribute(pruned(network, share), images, targets, method, black).numpy()
        frames.append(similarity_frame(result.before, maps, result.support))
    frames.append(result.random)
    for measure in ("spearman", "cosine"):
        noise, half, four_fifths, nine_tenths, random = (frame[measure].median() for frame in frames)
        assert noise > half > four_fifths > nine_tenths > random, measure
        assert noise > 0.95
        assert abs(random) < 0.15


@pytest.mark.parametrize("name", [name for name in attribution_methods() if name != "grad_cam"])
def test_a_model_explained_beside_itself_is_wholly_alike(name: str, network: nn.Module) -> None:
    images, black = digits(2)
    result = result_of(explain(network, network, images, method_named(name), black, seed=0))
    assert np.array_equal(result.before, result.after)
    assert np.allclose(result.items[list(MEASURES)], 1.0)
    assert not result.items["flipped"].any()


def test_flipped_items_are_those_whose_class_changed(explanation: Explanation) -> None:
    items = explanation.items
    assert items["flipped"].tolist() == (items["class_before"] != items["class_after"]).tolist()
    assert 0 < items["flipped"].sum() < len(items)


def test_both_maps_answer_for_the_class_of_the_parent(network: nn.Module, explanation: Explanation) -> None:
    images, _ = digits(64)
    inputs = images.clone().requires_grad_()
    classes = torch.tensor(explanation.items["class_before"].to_numpy())
    scores = pruned(network, 0.95)(inputs).gather(1, classes[:, None]).sum()
    expected = torch.autograd.grad(scores, inputs)[0][:, 0]
    np.testing.assert_allclose(explanation.after, expected, atol=1e-5)


def test_the_summary_tells_median_and_quartiles_of_each_group(explanation: Explanation) -> None:
    summary = explanation.summary().set_index(["measure", "group"])
    flipped = explanation.items[explanation.items["flipped"]]
    for measure in MEASURES:
        assert [group for name, group in summary.index if name == measure] == GROUPS
        expected = np.nanquantile(flipped[measure], [0.25, 0.5, 0.75])
        row = summary.loc[(measure, "flipped")]
        assert np.allclose(row[["low_quartile", "median", "high_quartile"]].astype(float), expected)
        assert summary.loc[(measure, "noise ceiling"), "reason"] is None
        counts = summary.loc[measure]["n"]
        assert counts["kept"] + counts["flipped"] == counts["all"]
        assert counts["all"] + summary.loc[(measure, "all"), "not_measured"] == 64


def test_the_worst_items_come_first(explanation: Explanation) -> None:
    worst = explanation.worst(5, "cosine")
    assert worst["cosine"].tolist() == sorted(explanation.items["cosine"].dropna())[:5]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_study_and_another_seed_other_bounds(network: nn.Module) -> None:
    images, black = digits(4)

    def study(seed: int) -> Explanation:
        return result_of(
            explain(network, pruned(network, 0.8), images, method_named("saliency"), black, seed=seed)
        )

    one, same, other = study(1), study(1), study(2)
    for name in ("items", "noise", "random"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(same, name))
    pd.testing.assert_frame_equal(one.items, other.items)
    assert not one.noise.equals(other.noise)
    assert not one.random.equals(other.random)


@pytest.mark.slow
def test_progress_runs_from_nothing_to_all_six_passes(network: nn.Module) -> None:
    images, black = digits(12)
    steps = list(explain(network, network, images, method_named("integrated_gradients"), black, seed=0))
    assert all(isinstance(step, Progress) and step.total == 72 for step in steps)
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert (done[0], done[-1], steps[-1].share) == (0, 72, 1.0)


def test_a_model_that_answers_nan_is_not_measured_and_counted(network: nn.Module) -> None:
    images, black = digits(4)
    broken = with_tensors(network, lambda tensor: tensor * float("nan"))
    result = result_of(explain(network, broken, images, method_named("saliency"), black, seed=0))
    assert result.items["class_after"].tolist() == [-1] * 4
    assert result.items["flipped"].all()
    row = result.summary().set_index(["measure", "group"]).loc[("spearman", "all")]
    assert (row["n"], row["not_measured"], row["reason"]) == (0, 4, NotMeasured.NOT_FINITE.value)


def test_a_dead_model_has_constant_maps_and_is_not_measured(network: nn.Module) -> None:
    images, black = digits(4)
    result = result_of(
        explain(network, pruned(network, 1.0), images, method_named("saliency"), black, seed=0)
    )
    row = result.summary().set_index(["measure", "group"]).loc[("spearman", "all")]
    assert (row["n"], row["not_measured"], row["reason"]) == (0, 4, NotMeasured.CONSTANT_AFTER.value)
    assert result.worst(3).empty
    assert result.maps(0).limit > 0


def test_a_table_is_explained_feature_by_feature() -> None:
    torch.manual_seed(0)
    network, rows = TabularNet().eval(), torch.randn(8, 30)
    result = result_of(
        explain(network, pruned(network, 0.5), rows, method_named("occlusion"), torch.zeros(1, 30), seed=0)
    )
    assert result.before.shape == (8, 30)
    row = result.summary().set_index(["measure", "group"]).loc[("ssim", "all")]
    assert (row["n"], row["reason"]) == (0, NotMeasured.NO_NEIGHBORS.value)


def test_what_cannot_be_explained_is_refused(network: nn.Module) -> None:
    images, black = digits(2)
    with pytest.raises(Refused, match="needs a convolution"):
        result_of(explain(network, network, images, method_named("grad_cam"), black, seed=0))


def test_the_maps_of_an_item_share_one_scale(explanation: Explanation) -> None:
    maps = explanation.maps(7)
    assert np.array_equal(maps.difference, explanation.after[7] - explanation.before[7])
    assert maps.limit == max(np.abs(maps.before).max(), np.abs(maps.after).max())


def test_noise_falls_on_the_support_only_and_with_the_stated_strength() -> None:
    images, black = digits(64)
    support = support_of(images, black)
    change = (noisy(images, support, 0.02, seed=5) - images)[:, 0].numpy()
    assert (change[~support] == 0).all()
    assert abs(change[support].std() / 0.02 - 1) < 0.03


def test_the_stated_noise_is_two_percent_of_the_inputs_deviation(explanation: Explanation) -> None:
    images, _ = digits(64)
    assert explanation.noise_deviation == pytest.approx(0.02 * float(images.std()))


class Tied(nn.Module):
    """Two layers that share one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)
        self.second.weight = self.first.weight
        self.register_buffer("table", torch.arange(12.0).reshape(3, 4))


def test_shuffling_keeps_the_values_of_each_layer_and_forgets_their_places() -> None:
    network = Tied()
    original = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    other = with_shuffled_weights(network, seed=4)
    assert all(torch.equal(network.state_dict()[name], tensor) for name, tensor in original.items())
    assert other.first.weight is other.second.weight
    assert not torch.equal(other.first.weight, network.first.weight)
    assert torch.equal(other.first.weight.flatten().sort()[0], network.first.weight.flatten().sort()[0])
    assert other.first.bias is network.first.bias
    assert other.table is not network.table, "a forward may write to it"
    assert torch.equal(other.table, network.table)


def test_shuffling_follows_the_seed(network: nn.Module) -> None:
    one, same, other = (with_shuffled_weights(network, seed).fc1.weight for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_predicted_class_is_that_of_one_forward_pass(network: nn.Module) -> None:
    images, _ = digits(300)
    assert torch.equal(predicted_class(network, images), network(images).argmax(dim=1))
