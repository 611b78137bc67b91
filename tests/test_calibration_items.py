"""How many calibration items the steps of a recipe measure on: all there are, or as many as it says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from compress_core.apply.run import compress
from compress_core.cli.arguments import ModelOptions
from compress_core.cli.loading import read_recipe_of
from compress_core.foundation.store import Store, digest
from compress_core.recipe.edit import with_calibration, with_step
from compress_core.recipe.reading import read_recipe, read_resolved
from compress_core.recipe.resolving import resolve
from compress_core.recipe.values import ALL_ITEMS, Calibration, Recipe, Rule, Step
from compress_core.subject.split import Split
from compress_core.subject.subject import Subject
from compress_core.techniques.contract.technique import Stage
from tests.subjects import Mlp, loaded_sample, rules, seeded
from tests.test_calibrate import calibrated


def first_of(subject: Subject, count: int) -> Subject:
    """The same subject, loaded with the first of its calibration items alone."""
    whole = subject.split("calibration")
    part = Split(
        "calibration", whole.inputs[:count].clone(), None if whole.labels is None else whole.labels[:count]
    )
    return replace(subject, splits={**subject.splits, "calibration": part})


@pytest.mark.slow
def test_a_sample_is_calibrated_on_all_items_that_ship() -> None:
    subject, store = loaded_sample("lenet300"), Store()
    recipe = rules(fc1=Step.of("sparsegpt", sparsity=0.9))
    ours = compress(subject, recipe, store).values("fc1")
    assert len(subject.split("calibration")) == 512
    half = compress(subject, replace(recipe, calibration=Calibration(items=256)), store).values("fc1")
    whole = compress(subject, replace(recipe, calibration=Calibration(items=512)), store).values("fc1")
    assert torch.equal(ours, whole)
    assert not torch.equal(ours, half)


def test_a_recipe_that_asks_for_fewer_items_makes_the_model_of_a_subject_that_has_fewer() -> None:
    subject, store = calibrated(seeded(Mlp()), (6,)), Store()
    fewer = first_of(subject, 12)
    techniques = {"fc1": Step.of("gptq", bits=2), "fc2": Step.of("wanda"), "fc3": Step.of("sparsegpt")}
    recipe = rules(**techniques)
    asked = replace(recipe, calibration=Calibration(items=12))
    cut = replace(asked, groups=(Rule("fc1", (Step.of_group("mean_activation"),)),))
    for wanted, plain in ((asked, recipe), (cut, replace(cut, calibration=ALL_ITEMS))):
        ours, expected = compress(subject, wanted, store), compress(fewer, plain, store)
        assert len(ours.base.split("calibration")) == 12
        assert len(ours.subject.split("calibration")) == 30
        for name in techniques:
            assert torch.equal(ours.values(name), expected.values(name))
        assert ours.key != compress(subject, plain, store).key


def test_input_rules_and_corrections_measure_on_as_many_items_as_the_recipe_asks_for() -> None:
    subject, store = calibrated(seeded(Mlp()), (6,)), Store()
    fewer = first_of(subject, 5)
    recipe = rules(fc2=Step.of("static_range", bits=8), fc1=Step.of("uniform", bits=2))
    recipe = replace(recipe, correct=(Step.of("bias_correction"),))
    ours = compress(subject, replace(recipe, calibration=Calibration(items=5)), store)
    expected = compress(fewer, recipe, store)
    assert ours.inputs == expected.inputs != compress(subject, recipe, store).inputs
    assert all(torch.equal(ours.rest[name], expected.rest[name]) for name in expected.rest)


@pytest.mark.parametrize("items", [30, 31, 10_000])
def test_asking_for_as_many_items_as_there_are_is_asking_for_all(items: int) -> None:
    subject, store = calibrated(seeded(Mlp()), (6,), items=30), Store()
    recipe = rules(any=Step.of("gptq", bits=2))
    ours = compress(subject, replace(recipe, calibration=Calibration(items=items)), store)
    assert ours.base.split("calibration") is subject.split("calibration")
    assert torch.equal(ours.values("fc1"), compress(subject, recipe, store).values("fc1"))


def test_another_number_of_items_finds_no_groups_anew() -> None:
    subject, store = calibrated(seeded(Mlp()), (6,), items=30), Store()
    recipe = Recipe(groups=(Rule("fc1", (Step.of_group("magnitude"),)),))
    compress(subject, recipe, store)
    found = store.get(digest("groups", subject.key, subject.split("calibration").digest), pytest.fail)
    compress(subject, replace(recipe, calibration=Calibration(items=9)), store)
    assert "fc1" in found


@pytest.mark.parametrize("calibration", ["", "calibration: {items: 77}\n"])
def test_the_number_of_items_is_written_and_read_back_and_left_out_where_it_is_as_usual(
    calibration: str,
) -> None:
    recipe = read_recipe(calibration + "layers: [{match: fc1, steps: [wanda]}]")
    assert read_recipe(recipe.as_yaml()) == recipe
    assert ("calibration" in recipe.as_yaml()) == bool(calibration)
    resolved = resolve(recipe, ["fc1"])
    assert read_resolved(resolved.as_json()) == resolved
    usual = replace(resolved, calibration=ALL_ITEMS)
    assert usual.as_json() == [[n, [s.as_json() for s in steps]] for n, steps in resolved.layers]
    assert with_calibration(with_step(resolved, ["fc1"], Stage.QUANTIZE, None), None) == usual


def test_steps_typed_beside_a_recipe_file_measure_on_the_items_that_it_says(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text("calibration: {items: 9}\nlayers: [{match: fc2, steps: [wanda]}]")
    both = read_recipe_of(ModelOptions(model="tabular", recipe=str(file), steps=("fc1: gptq",)))
    assert both.calibration == Calibration(items=9)
    assert [rule.match for rule in both.layers] == ["fc1", "fc2"]
