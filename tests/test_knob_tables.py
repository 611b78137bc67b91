"""Each row of a knob's table equals what applying that setting really gives."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from compress_core.apply import compress
from compress_core.apply.model import Edited
from compress_core.foundation.store import Store
from compress_core.measure.tables.knob_tables import bits_table, rank_table, sparsity_table
from compress_core.recipe import Recipe, Resolved, Rule, Setting, resolve
from compress_core.recipe.edit import in_order, with_step
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
    "uniform": rules(any=Setting.of("uniform", bits=3)),
    "uniform per group": rules(any=Setting.of("uniform", bits=5, scale_per="group:2")),
    "affine": rules(any=Setting.of("affine", bits=4)),
    "power of two": rules(any=Setting.of("power_of_two", bits=4)),
    "kmeans": rules(any=Setting.of("kmeans", bits=3)),
    "kmeans per row": rules(any=Setting.of("kmeans", bits=2, table_per="row")),
    "factored": rules(any=Setting.of("low_rank", rank=2)),
    "factored and quantized": rules(any=(Setting.of("low_rank", rank=2), Setting.of("uniform", bits=4))),
    "pruned before": rules(any=(Setting.of("random_pruning", sparsity=0.3), Setting.of("uniform", bits=6))),
}


def _applied(start: Resolved, layer: str, stage: Stage, step: Setting) -> Edited:
    resolved = in_order(with_step(start, [layer], stage, step), NAMES)
    return compress(SUBJECT, resolved, STORE).edited[layer]


def _squares(tensor: Tensor) -> float:
    return float(tensor.double().square().sum())


@pytest.mark.parametrize("technique", ["magnitude", "random_pruning"])
@pytest.mark.parametrize("layer", ["fc", "conv", "words"])
@pytest.mark.parametrize("start", STARTS)
def test_a_row_of_the_sparsity_table_is_what_pruning_gives(start: str, layer: str, technique: str) -> None:
    before = resolve(STARTS[start], NAMES)
    table = sparsity_table(SUBJECT, before, layer, Setting.of(technique), STORE, rows=13)
    for row, sparsity in enumerate(table.sparsity):
        step = Setting.of(technique, sparsity=round(float(sparsity), 3))
        edited = _applied(before, layer, Stage.PRUNE, step)
        assert table.kept[row] == sum(c.kept_count for c in edited.coded), sparsity
        assert table.bytes[row] * 8 == edited.bits.total, sparsity
        lost = sum(_squares(c.weight[~c.kept.mask]) for c in edited.coded)
        assert table.error[row] == pytest.approx(
            lost / sum(_squares(c.weight) for c in edited.coded), abs=1e-12
        )
        if technique == "random_pruning" or edited.is_factored:
            assert math.isnan(table.threshold[row])
        else:
            removed = edited.coded[0].weight[~edited.coded[0].kept.mask].abs()
            assert table.threshold[row] == (float(removed.max()) if len(removed) else 0.0)


@pytest.mark.parametrize("pattern", ["row", "column", "kernel", "2x2", "1x3"])
@pytest.mark.parametrize("start", ["nothing", "kmeans"])
def test_a_row_of_the_sparsity_table_counts_in_the_pattern_of_the_setting(start: str, pattern: str) -> None:
    before = resolve(STARTS[start], NAMES)
    setting = Setting.of("magnitude", pattern=pattern)
    table = sparsity_table(SUBJECT, before, "conv", setting, STORE, rows=13)
    for row, sparsity in enumerate(table.sparsity):
        step = Setting.of("magnitude", pattern=pattern, sparsity=round(float(sparsity), 3))
        coded = _applied(before, "conv", Stage.PRUNE, step).coded[0]
        lost = _squares(coded.weight[~coded.kept.mask]) / _squares(coded.weight)
        assert (table.kept[row], table.bytes[row] * 8) == (coded.kept_count, coded.bits.total)
        assert table.error[row] == pytest.approx(lost, abs=1e-12)
        assert math.isnan(table.threshold[row])


def test_rows_in_steps_of_one_percent_count_as_the_recipe_does() -> None:
    table = sparsity_table(SUBJECT, Resolved(()), "up", Setting.of("magnitude"), STORE)
    for percent in range(101):
        edited = _applied(Resolved(()), "up", Stage.PRUNE, Setting.of("magnitude", sparsity=percent / 100))
        assert table.kept[percent] == edited.coded[0].kept_count


def test_equal_weights_are_counted_as_they_are_removed() -> None:
    network = seeded(nn.Sequential(nn.Linear(4, 3)))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[1.0, -1, 2, 2], [1, 0, 0, 2], [-2, 1, 1, 0]]))
    subject, store = tiny_subject(network, (4,)), Store()
    table = sparsity_table(subject, Resolved(()), "0", Setting.of("magnitude"), store, rows=13)
    for row in range(13):
        recipe = rules(any=Setting.of("magnitude", sparsity=round(float(table.sparsity[row]), 3)))
        coded = compress(subject, recipe, store).edited["0"].coded[0]
        assert table.kept[row] == coded.kept_count == 12 - row
        assert table.error[row] * _squares(coded.weight) == pytest.approx(
            _squares(coded.weight - coded.values)
        )


@pytest.mark.parametrize(
    "technique", ["uniform", "affine", "power_of_two", "kmeans", "clipped", "normal_float"]
)
@pytest.mark.parametrize("layer", ["fc", "conv", "words"])
@pytest.mark.parametrize("start", ["nothing", "kmeans", "factored", "pruned before"])
def test_a_row_of_the_bits_table_is_what_quantizing_gives(start: str, layer: str, technique: str) -> None:
    before = resolve(STARTS[start], NAMES)
    table = bits_table(SUBJECT, before, layer, Setting.of(technique), STORE)
    bare = in_order(with_step(before, [layer], Stage.QUANTIZE, None), NAMES)
    model = compress(SUBJECT, bare, STORE)
    reference = model.values(layer)
    held = model.edited[layer].bits.total / 8 if layer in model.edited else 4 * reference.numel()
    assert table.bytes_unquantized == held
    for row, bits in enumerate(table.bits):
        edited = _applied(before, layer, Stage.QUANTIZE, Setting.of(technique, bits=int(bits)))
        assert table.bytes[row] * 8 == edited.bits.total
        lost = _squares(edited.values - reference) / _squares(reference)
        assert table.error[row] == pytest.approx(lost, rel=1e-6, abs=1e-12)
        first_row = edited.coded[0].values[:1]
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
        edited = _applied(Resolved(()), layer, Stage.FACTOR, Setting.of("low_rank", rank=int(rank)))
        assert table.weights[row] == sum(part.weights for part, _ in edited.parts)
        assert table.bytes[row] * 8 == edited.bits.total
        assert table.error[row] == pytest.approx(
            _squares(edited.values - weight) / _squares(weight), abs=1e-6
        )
        assert (None if table.macs is None else table.macs[row]) == edited.macs


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
        edited = compress(subject, rules(any=Setting.of("spatial", rank=int(rank))), store).edited["0"]
        assert (table.bytes[row] * 8, table.macs[row]) == (edited.bits.total, edited.macs)
        assert table.error[row] == pytest.approx(
            _squares(edited.values - weight) / _squares(weight), abs=1e-6
        )


def test_tables_of_a_cut_model_speak_of_its_smaller_layers() -> None:
    subject, store = with_calibration(mlp_subject()), Store()
    plain = rules(fc2=(Setting.of("magnitude", sparsity=0.4), Setting.of("uniform", bits=4)))
    whole = replace(
        plain,
        groups=(Rule("fc1", (Setting.of_group("magnitude", share_removed=0.5),)),),
        correct=(Setting.of("bias_correction"),),
        layers=(replace(plain.layers[0], steps=(*plain.layers[0].steps, Setting.of("top_k"))),),
    )
    model = compress(subject, whole, store)
    edited = model.edited["fc2"]
    rows = sparsity_table(model.base, model.recipe, "fc2", Setting.of("magnitude"), store)
    assert (rows.kept[0], rows.kept[40]) == (7 * 4, edited.coded[0].kept_count)
    assert rows.bytes[40] * 8 == edited.bits.total
    bits = bits_table(model.base, model.recipe, "fc2", Setting.of("uniform"), store)
    assert bits.bytes[2] * 8 == edited.bits.total
    assert rank_table(model.base, "fc2", store).rank[-1] == 4
