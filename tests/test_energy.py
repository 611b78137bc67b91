"""Operations, traffic and energy, worked by hand on small networks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from compress_core.apply.model import Model
from compress_core.apply.run import compress
from compress_core.foundation.store import Store
from compress_core.measure.cost.energy import HOROWITZ, Work, energy, energy_costs, work_of
from compress_core.recipe.values import Step
from tests.subjects import loaded_sample, mlp_subject, rules, seeded, tiny_subject


def test_a_linear_multiplies_each_weight_once_and_moves_its_inputs_and_outputs() -> None:
    first, *_ = work_of(Model.original(mlp_subject()), Store(), batch=3)
    assert first == Work("fc1", 3 * 48, 3 * 48, 4 * 48, 4 * 48, 3 * 4 * (6 + 8))


def test_a_convolution_uses_each_weight_at_every_pixel() -> None:
    network = nn.Sequential(seeded(nn.Conv2d(1, 2, 3, padding=1)), nn.Flatten(), seeded(nn.Linear(32, 3)))
    conv, linear = work_of(Model.original(tiny_subject(network, (1, 4, 4))), Store())
    assert (conv.macs, conv.weight_bytes, conv.activation_bytes) == (18 * 16, 4 * 18, 4 * (16 + 32))
    assert linear.macs == 96


def test_zeros_are_useless_operations_and_coded_weights_fewer_bytes() -> None:
    recipe = rules(fc1=(Step.of("magnitude", sparsity=0.75), Step.of("uniform", bits=4)))
    model = compress(mlp_subject(), recipe, Store())
    first, second, _ = work_of(model, Store())
    nonzero = int(model.values("fc1").count_nonzero())
    assert (first.macs, first.useful_macs) == (48, nonzero)
    assert first.encoded_bytes == model.compressed["fc1"].bits.total / 8
    assert (second.useful_macs, second.encoded_bytes) == (56, 4 * 56)


def test_a_factored_layer_counts_as_its_two_factors() -> None:
    model = compress(mlp_subject(), rules(fc1=Step.of("low_rank", rank=2)), Store())
    names = {work.layer: work.macs for work in work_of(model, Store())}
    assert (names["fc1.0"], names["fc1.1"]) == (2 * 6, 2 * 8)


def test_an_embedding_reads_only_the_rows_it_looks_up() -> None:
    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.fc = nn.Embedding(100, 4), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.table(x.long().clamp(0, 99)).mean(1))

    table, _ = work_of(Model.original(tiny_subject(seeded(Words()), (5,))), Store(), batch=2)
    assert (table.macs, table.weight_bytes) == (0, 4 * 4 * 2 * 5)


def test_energy_is_the_sum_of_its_parts() -> None:
    work = [Work("a", 1000, 100, 400, 50, 80)]
    dense = energy(work)
    assert (dense.unit, dense.kind) == ("uJ", "estimated")
    assert dense.value == pytest.approx((1000 * 4.6 + 400 * 243.75 + 80 * 12.5) / 1e6)
    exploited = energy(work, exploited=True, int8=True)
    assert exploited.value == pytest.approx((100 * 0.3 + 50 * 243.75 + 20 * 12.5) / 1e6)
    assert "Horowitz 2014" in HOROWITZ.source


@pytest.mark.parametrize("name", ["resnet", "vit", "tabular"])
def test_operations_of_a_sample_are_those_of_its_layers(name: str) -> None:
    subject = loaded_sample(name)
    numbers = energy_costs(Model.original(subject), Store())
    layers = sum(layer.macs or 0 for layer in subject.layers)
    attention = 3 * 2 * 49 * 49 * 64 if name == "vit" else 0
    assert numbers["macs"].value == layers + attention
    assert numbers["energy"] == numbers["energy_original"]
    assert numbers["energy_exploited"].value <= numbers["energy"].value
    assert torch.is_tensor(subject.input.baseline)
