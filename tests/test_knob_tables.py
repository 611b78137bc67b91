"""Each row of a knob's table equals what applying that setting really gives."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from compress_core.apply.model import CompressedLayer
from compress_core.apply.run import compress
from compress_core.foundation.store import Store
from compress_core.measure.tables.knob_tables import bits_table, rank_table
from compress_core.measure.tables.prune_rows import sparsity_table
from compress_core.recipe.edit import in_order, with_step
from compress_core.recipe.resolving import resolve
from compress_core.recipe.values import Recipe, ResolvedRecipe, Rule, Step
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.technique import Stage
from tests.subjects import mlp_subject, rules, seeded, tiny_subject, with_calibration


class Net(nn.Module):
    """One layer of every shape that a table has to know."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(9, 6)
        self.conv = nn.Conv1d(6, 8, 3, padding=1, groups=2)
        self.up = nn.ConvTranspose1d(8, 4, 4, stride=2)
        self.fc = nn.Linear(4, 5)
        self.idle = nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.words((x.abs() * 5).long().clamp(0, 8)).transpose(1, 2)
        return self.fc(self.up(self.conv(maps)).mean(dim=2))


SUBJECT: Subject = tiny_subject(seeded(Net()), (7,), items=3)
NAMES = list(SUBJECT.by_name)
STORE = Store()
STARTS = {
    "nothing": Recipe(),
    "uniform": rules(any=Step.of("uniform", bits=3)),
    "uniform per group": rules(any=Step.of("uniform", bits=5, granularity="per_group:2")),
    "affine": rules(any=Step.of("affine", bits=4)),
    "power of two": rules(any=Step.of("power_of_two", bits=4)),
    "kmeans": rules(any=Step.of("kmeans", bits=3)),
    "kmeans per row": rules(any=Step.of("kmeans", bits=2, granularity="per_channel")),
    "factored": rules(any=Step.of("low_rank", rank=2)),
    "factored and quantized": rules(any=(Step.of("low_rank", rank=2), Step.of("uniform", bits=4))),
    "pruned before": rules(any=(Step.of("random_pruning", sparsity=0.3), Step.of("uniform", bits=6))),
}


def _applied(start: ResolvedRecipe, layer: str, stage: Stage, step: Step) -> CompressedLayer:
    resolved = in_order(with_step(start, [layer], stage, step), NAMES)
    return compress(SUBJECT, resolved, STORE).compressed[layer]


def _squares(tensor: Tensor) -> float:
    return float(tensor.double().square().sum())


@pytest.mark.parametrize("technique", ["magnitude", "random_pruning"])
@pytest.mark.parametrize("layer", ["fc", "conv", "words"])
@pytest.mark.parametrize("start", STARTS)
def test_a_row_of_the_sparsity_table_is_what_pruning_gives(start: str, layer: str, technique: str) -> None:
    before = resolve(STARTS[start], NAMES)
    table = sparsity_table(SUBJECT, before, layer, Step.of(technique), STORE, rows=13)
    for row, sparsity in enumerate(table.sparsity):
        step = Step.of(technique, sparsity=round(float(sparsity), 3))
        compressed = _applied(before, layer, Stage.PRUNE, step)
        assert table.kept[row] == sum(c.kept_count for c in compressed.encoded), sparsity
        assert table.bytes[row] * 8 == compressed.bits.total, sparsity
        lost = sum(_squares(c.weight[~c.mask.tensor]) for c in compressed.encoded)
        assert table.error[row] == pytest.approx(
            lost / sum(_squares(c.weight) for c in compressed.encoded), abs=1e-12
        )
        if technique == "random_pruning" or compressed.is_factored:
            assert math.isnan(table.threshold[row])
        else:
            removed = compressed.encoded[0].weight[~compressed.encoded[0].mask.tensor].abs()
            assert table.threshold[row] == (float(removed.max()) if len(removed) else 0.0)


@pytest.mark.parametrize("pattern", ["row", "column", "kernel", "2x2", "1x3"])
@pytest.mark.parametrize("start", ["nothing", "kmeans"])
def test_a_row_of_the_sparsity_table_counts_in_the_pattern_of_the_setting(start: str, pattern: str) -> None:
    before = resolve(STARTS[start], NAMES)
    step = Step.of("magnitude", pattern=pattern)
    table = sparsity_table(SUBJECT, before, "conv", step, STORE, rows=13)
    for row, sparsity in enumerate(table.sparsity):
        place = Step.of("magnitude", pattern=pattern, sparsity=round(float(sparsity), 3))
        encoded = _applied(before, "conv", Stage.PRUNE, place).encoded[0]
        lost = _squares(encoded.weight[~encoded.mask.tensor]) / _squares(encoded.weight)
        assert (table.kept[row], table.bytes[row] * 8) == (encoded.kept_count, encoded.bits.total)
        assert table.error[row] == pytest.approx(lost, abs=1e-12)
        assert math.isnan(table.threshold[row])


def test_rows_in_steps_of_one_percent_count_as_the_recipe_does() -> None:
    table = sparsity_table(SUBJECT, ResolvedRecipe(()), "up", Step.of("magnitude"), STORE)
    for percent in range(101):
        compressed = _applied(
            ResolvedRecipe(()), "up", Stage.PRUNE, Step.of("magnitude", sparsity=percent / 100)
        )
        assert table.kept[percent] == compressed.encoded[0].kept_count


def test_equal_weights_are_counted_as_they_are_removed() -> None:
    network = seeded(nn.Sequential(nn.Linear(4, 3)))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[1.0, -1, 2, 2], [1, 0, 0, 2], [-2, 1, 1, 0]]))
    subject, store = tiny_subject(network, (4,)), Store()
    table = sparsity_table(subject, ResolvedRecipe(()), "0", Step.of("magnitude"), store, rows=13)
    for row in range(13):
        recipe = rules(any=Step.of("magnitude", sparsity=round(float(table.sparsity[row]), 3)))
        encoded = compress(subject, recipe, store).compressed["0"].encoded[0]
        assert table.kept[row] == encoded.kept_count == 12 - row
        assert table.error[row] * _squares(encoded.weight) == pytest.approx(
            _squares(encoded.weight - encoded.values)
        )


@pytest.mark.parametrize(
    "technique", ["uniform", "affine", "power_of_two", "kmeans", "clipped", "normal_float"]
)
@pytest.mark.parametrize("layer", ["fc", "conv", "words"])
@pytest.mark.parametrize("start", ["nothing", "kmeans", "factored", "pruned before"])
def test_a_row_of_the_bits_table_is_what_quantizing_gives(start: str, layer: str, technique: str) -> None:
    before = resolve(STARTS[start], NAMES)
    table = bits_table(SUBJECT, before, layer, Step.of(technique), STORE)
    bare = in_order(with_step(before, [layer], Stage.QUANTIZE, None), NAMES)
    model = compress(SUBJECT, bare, STORE)
    reference = model.values(layer)
    held = model.compressed[layer].bits.total / 8 if layer in model.compressed else 4 * reference.numel()
    assert table.bytes_unquantized == held
    for row, bits in enumerate(table.bits):
        compressed = _applied(before, layer, Stage.QUANTIZE, Step.of(technique, bits=int(bits)))
        assert table.bytes[row] * 8 == compressed.bits.total
        lost = _squares(compressed.values - reference) / _squares(reference)
        assert table.error[row] == pytest.approx(lost, rel=1e-6, abs=1e-12)
        first_row = compressed.encoded[0].values[:1]
        assert np.isin(first_row[first_row != 0].numpy(), table.levels[row].astype(np.float32)).all() or (
            "group" in start
        )


@pytest.mark.parametrize("layer", ["fc", "conv", "up", "words", "idle"])
def test_a_row_of_the_rank_table_is_what_factoring_gives(layer: str) -> None:
    table = rank_table(SUBJECT, layer, STORE)
    original = SUBJECT.layer(layer)
    weight = compress(SUBJECT, Recipe(), STORE).values(layer)
    assert table.rank.tolist() == list(range(1, original.highest_rank + 1))
    for row, rank in enumerate(table.rank):
        compressed = _applied(ResolvedRecipe(()), layer, Stage.FACTOR, Step.of("low_rank", rank=int(rank)))
        assert table.weights[row] == sum(part.weights for part, _ in compressed.parts)
        assert table.bytes[row] * 8 == compressed.bits.total
        assert table.error[row] == pytest.approx(
            _squares(compressed.values - weight) / _squares(weight), abs=1e-6
        )
        assert (None if table.macs is None else table.macs[row]) == compressed.macs


@pytest.mark.parametrize("groups", [1, 2])
def test_the_rank_table_of_another_factorizer_is_its_own(groups: int) -> None:
    network = seeded(nn.Sequential(nn.Conv2d(4, 6, (3, 2), stride=2, groups=groups)))
    subject, store = tiny_subject(network, (4, 7, 6)), Store()
    table = rank_table(subject, "0", store, "spatial")
    weight = compress(subject, Recipe(), store).values("0")
    assert table.rank[-1] == min(6 // groups * 2, 4 // groups * 3)
    assert table.break_even == max(
        [0, *(int(r) for r, w in zip(table.rank, table.weights, strict=True) if w < len(weight.view(-1)))]
    )
    for row, rank in enumerate(table.rank):
        compressed = compress(subject, rules(any=Step.of("spatial", rank=int(rank))), store).compressed["0"]
        assert (table.bytes[row] * 8, table.macs[row]) == (compressed.bits.total, compressed.macs)
        assert table.error[row] == pytest.approx(
            _squares(compressed.values - weight) / _squares(weight), abs=1e-6
        )


class Roots(TorchDispatchMode):
    """Notes where roots are taken: of tensors with memory, or without."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.sqrt.default:
            self.places.append(args[0].device.type)
        return func(*args, **kwargs or {})


@pytest.mark.parametrize(("layer", "technique"), [("fc", "low_rank"), ("0", "spatial")])
def test_a_rank_table_calculates_no_factors_for_their_shapes(layer: str, technique: str) -> None:
    """On tensors without memory torch does that with its compiler, which takes a second to import."""
    image = tiny_subject(seeded(nn.Sequential(nn.Conv2d(4, 6, (3, 2)))), (4, 7, 6))
    with Roots() as roots:
        rank_table(image if technique == "spatial" else SUBJECT, layer, Store(), technique)
    assert roots.places == ["cpu"]


def test_tables_of_a_cut_model_speak_of_its_smaller_layers() -> None:
    subject, store = with_calibration(mlp_subject()), Store()
    plain = rules(fc2=(Step.of("magnitude", sparsity=0.4), Step.of("uniform", bits=4)))
    whole = replace(
        plain,
        groups=(Rule("fc1", (Step.of_group("magnitude", share_removed=0.5),)),),
        correct=(Step.of("bias_correction"),),
        layers=(replace(plain.layers[0], steps=(*plain.layers[0].steps, Step.of("top_k"))),),
    )
    model = compress(subject, whole, store)
    compressed = model.compressed["fc2"]
    rows = sparsity_table(model.base, model.recipe, "fc2", Step.of("magnitude"), store)
    assert (rows.kept[0], rows.kept[40]) == (7 * 4, compressed.encoded[0].kept_count)
    assert rows.bytes[40] * 8 == compressed.bits.total
    bits = bits_table(model.base, model.recipe, "fc2", Step.of("uniform"), store)
    assert bits.bytes[2] * 8 == compressed.bits.total
    assert rank_table(model.base, "fc2", store).rank[-1] == 4


def test_a_bits_table_is_made_anew_only_where_the_layer_looks_at_others_that_changed() -> None:
    subject, store = with_calibration(mlp_subject()), Store()
    alone, together, behind = (
        Step.of("magnitude", sparsity=0.5),
        Step.of("magnitude", sparsity=0.5, scope="network"),
        Step.of("sparsegpt", sparsity=0.5),
    )

    def table(step: Step, other: float) -> object:
        first = replace(step, knobs=step.knobs.model_copy(update={"sparsity": other}))
        recipe = resolve(rules(fc1=(first,), fc2=(step,)), list(subject.by_name))
        return bits_table(subject, recipe, "fc2", Step.of("uniform"), store)

    assert table(alone, 0.1) is table(alone, 0.9)
    assert table(together, 0.5) is not table(alone, 0.5)
    assert table(behind, 0.1) is not table(behind, 0.9)
