"""What layers read on calibration items, and how much memory one item takes at most."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.errors import Refused
from compress_core.foundation.store import Store
from compress_core.measure.cost.peak_memory import peak_memory, traced_peak
from compress_core.measure.tables.layer_inputs import activation_frame, activation_sparsity
from compress_core.recipe.values import Recipe, Rule, Step
from compress_core.subject.subject import Subject
from tests.subjects import Mlp, everything_subject, loaded_sample, rules, seeded, tiny_subject
from tests.test_calibrate import calibrated


@pytest.fixture(scope="module")
def lenet() -> Subject:
    return loaded_sample("lenet300")


def hidden_of(network: nn.Module, items: Tensor) -> Tensor:
    """What fc2 of the small network reads."""
    with torch.no_grad():
        return network.fc1(items).relu().double()


def test_shares_of_zeros_are_those_behind_the_relu() -> None:
    subject = calibrated(seeded(Mlp()), (6,))
    found = activation_sparsity(Model.original(subject), Store())
    hidden = hidden_of(subject.network, subject.split("calibration").inputs)
    table = found.table()
    assert table["fc2"].to_numpy() == pytest.approx((hidden == 0).double().mean(0).numpy())
    assert table.shape == (8, 3)
    assert table["fc3"].isna().sum() == 1
    assert (found.table(near=True).fillna(0) >= table.fillna(0)).all(axis=None)


def test_the_frame_tells_of_all_channels_together(lenet: Subject) -> None:
    frame = activation_frame(Model.original(lenet), Store()).set_index("layer")
    pixels = lenet.split("calibration").inputs.flatten(1).double()
    row = frame.loc["fc1"]
    assert (row["channels"], row["dead"]) == (784, int((pixels == 0).all(0).sum()))
    assert row["zero"] == pytest.approx(float((pixels == 0).double().mean()))
    assert row["std"] == pytest.approx(float(pixels.std(correction=0)))
    assert row["norm"] == pytest.approx(float(pixels.norm()))
    assert (row["min"], row["max"]) == (pixels.min(), pixels.max())
    assert 0.3 < frame.loc["fc2", "zero"] < 1


def test_a_compressed_model_is_measured_as_it_is_evaluated() -> None:
    subject, store = calibrated(seeded(Mlp()), (6,)), Store()
    model = compress(subject, rules(fc1=Step.of("magnitude", sparsity=0.9)), store)
    hidden = hidden_of(model.network(), subject.split("calibration").inputs)
    found = activation_sparsity(model, store)
    assert found.shares()["fc2"] == pytest.approx((hidden == 0).double().mean(0).numpy())
    before = activation_sparsity(Model.original(subject), store)
    assert not torch.equal(before.by_layer["fc2"].mean, found.by_layer["fc2"].mean)
    assert activation_sparsity(model, store) is found


def test_an_input_rule_is_seen_in_what_the_layer_reads() -> None:
    subject, store = calibrated(seeded(Mlp()), (6,)), Store()
    model = compress(subject, rules(fc1=Step.of("top_k", share_kept=0.5)), store)
    found = activation_sparsity(model, store)
    assert found.by_layer["fc1"].zero_share.mean() == pytest.approx(0.5)
    assert found.zero_share.value > activation_sparsity(Model.original(subject), store).zero_share.value


def test_a_smaller_network_reads_fewer_channels() -> None:
    subject, store = calibrated(seeded(Mlp()), (6,)), Store()
    cut = Recipe(groups=(Rule("fc1", (Step.of_group("magnitude", share_removed=0.5),)),))
    found = activation_sparsity(compress(subject, cut, store), store)
    assert len(found.by_layer["fc2"].mean) == 4


def test_layers_without_channels_say_why() -> None:
    everything = everything_subject()
    split = replace(everything.split("validation"), name="calibration")
    found = activation_sparsity(Model.original(replace(everything, splits={"calibration": split})), Store())
    assert set(found.left_out) == {"words", "places"}
    assert "multiplies no input" in found.left_out["places"]
    assert {"attention.q_proj", "up", "room", "block.self_attn.out_proj"} <= set(found.by_layer)


def test_without_calibration_items_nothing_is_told() -> None:
    with pytest.raises(Refused, match="Tiny has no calibration items"):
        activation_sparsity(Model.original(tiny_subject(seeded(Mlp()), (6,))), Store())


# Peak memory ------------------------------------------------------------------------------------------------


class Kept(nn.Module):
    """A shortcut holds on to the first result while the branch runs."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.wide, self.narrow = nn.Linear(10, 20), nn.Linear(20, 100), nn.Linear(100, 20)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return x + self.narrow(self.wide(x))


class Viewed(nn.Module):
    """Views share one memory, and a constant is none of the item's."""

    def __init__(self) -> None:
        super().__init__()
        self.constant = torch.ones(1, 1000)

    def forward(self, x: Tensor) -> Tensor:
        return (x.view(2, 5).T.reshape(1, 10) + self.constant[:, :10])[:, :3]


PLAIN = nn.Sequential(nn.Linear(10, 100, bias=False), nn.ReLU(), nn.Linear(100, 5))
IN_PLACE = nn.Sequential(nn.Linear(10, 100, bias=False), nn.ReLU(inplace=True), nn.Linear(100, 5))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "numbers", "module"),
    [
        (PLAIN, 10 + 100 + 100, "1"),
        (IN_PLACE, 10 + 100 + 5, "2"),
        (Kept(), 10 + 20 + 100 + 20, "narrow"),
        (Viewed(), 10 + 10 + 10, ""),
    ],
    ids=["relu", "relu in place", "shortcut", "views"],
)
def test_the_peak_is_what_can_be_worked_by_hand(network: nn.Module, numbers: int, module: str) -> None:
    found = traced_peak(network, torch.zeros(1, 10))
    assert (found.bytes.value, found.module) == (4 * numbers, module)
    assert found.bytes.kind == "exact"


@pytest.mark.slow
def test_tracing_leaves_nothing_behind() -> None:
    network, item = Viewed(), torch.zeros(1, 10)
    first = traced_peak(network, item)
    assert traced_peak(network, item) == first
    watched = weakref.ref(network.constant.untyped_storage())
    del network
    gc.collect()
    assert watched() is None


@pytest.mark.slow
def test_fewer_channels_take_less_memory_and_zeros_do_not(lenet: Subject) -> None:
    store = Store()
    before = peak_memory(Model.original(lenet), store).bytes.value
    sparse = compress(lenet, rules(any=Step.of("magnitude", sparsity=0.9)), store)
    assert peak_memory(sparse, store).bytes.value == before
    cut = Recipe(groups=(Rule("*", (Step.of_group("magnitude", share_removed=0.9),)),))
    assert peak_memory(compress(lenet, cut, store), store).bytes.value < before
